//! The check that a snapshot is whole, without reading its records.

use super::damage::explain;
use super::ends::totals_in;
use super::index::Index;
use super::label::Label;
use super::place::Place;
use super::read::begin;
use crate::error::Result;
use crate::record::Record;
use std::io::BufRead;

/// Inflates a whole snapshot and checks its end and its index, but not the records. Returns its label.
///
/// # Errors
/// If it is damaged or can't be read.
pub fn check(place: &Place) -> Result<Option<Label>> {
    let shown = place.to_string();
    let (mut gzip, label) = begin(&shown, place.open()?)?;
    let mut starts = Vec::new();
    loop {
        let content = gzip.fill_buf().map_err(|e| explain(&shown, e))?;
        let n = content.len();
        if n == 0 {
            break;
        }
        let line = content.split(|b| *b == b'\n').next().unwrap_or_default();
        let first = if label.is_some() { Record::parse(line).ok() } else { None };
        starts.extend(gzip.member_start().zip(first.map(|record| record.name().clone())));
        gzip.consume(n);
    }
    if label.is_some() {
        totals_in(&shown, gzip.last())?;
        if let Some(index) = Index::of(place)? {
            index.compare(&starts)?;
        }
    }
    Ok(label)
}
