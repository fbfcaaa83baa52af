//! Reading some of the records of a snapshot: only the members that can have them are read, if the snapshot has an index.

use super::index::Index;
use super::place::Place;
use super::{ends, read};
use crate::end::{End, Listing};
use crate::error::Result;
use crate::filter::Rules;
use crate::filter::reach::{self, Range};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::part::Part;
use crate::record::{Kind, Record};
use crate::stream::Records;
use std::collections::BTreeSet;
use std::sync::Arc;

/// The records to read.
pub enum Choice {
    /// Those with these names.
    Names(BTreeSet<Name>),
    /// Those that these rules do not leave out.
    Rules(Rules),
    /// Those of one of several parts.
    Part(Part),
}

impl Choice {
    /// Whether a record is chosen.
    pub fn has(&self, record: &Record) -> bool {
        match self {
            Choice::Names(names) => names.contains(record.name()),
            Choice::Rules(rules) => !rules.leaves_out(record.name().as_bytes(), record.kind() == Kind::Directory),
            Choice::Part(part) => part.has(record.name().as_bytes()),
        }
    }

    /// Returns ranges that have all chosen names; None if any name can be chosen.
    fn reach(&self) -> Option<Vec<Range>> {
        match self {
            Choice::Names(names) => Some(names.iter().map(|name| reach::only(name.as_bytes())).collect()),
            Choice::Rules(rules) => rules.reach(),
            Choice::Part(part) => reach::of_part(part).map(|range| vec![range]),
        }
    }

    /// Returns the end record of the chosen records, of the end record of all.
    fn end(&self, end: End, place: &Place) -> End {
        let whole = || if end.filtered { None } else { Some(Rules::default()) };
        let scan = || end.rules.clone().map_or_else(whole, |rules| serde_json::from_value(rules).ok());
        let rules = match self {
            Choice::Names(_) => None,
            Choice::Rules(rules) => scan().and_then(|scan| scan.and(rules)),
            Choice::Part(part) => return end.part_of(part.clone(), Some(place.file_name().to_string_lossy().into_owned())),
        };
        End { filtered: true, rules: rules.and_then(|rules| serde_json::to_value(rules).ok()), ..end }
    }
}

/// Returns the chosen records of a snapshot in order, with an end record, which is `filtered`.
///
/// # Errors
/// Those of [`matching`].
pub fn chosen(place: &Place, choice: Arc<Choice>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let mut listing = Listing::default();
    let from = place.clone();
    let records = matching(place, choice.clone(), monitor)?;
    Ok(Box::new(records.map(move |record| {
        let record = record?;
        Ok(match record.kind() {
            Kind::End => choice.end(End::of(&record), &from).listing(listing).record(),
            _ => {
                listing.add(&record);
                record
            }
        })
    })))
}

/// Returns the chosen records of a snapshot in order, and the end record of the whole snapshot.
///
/// # Errors
/// Those of [`read()`](super::read()), and of a damaged index.
pub fn matching(place: &Place, choice: Arc<Choice>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let ranges = choice.reach();
    let index = if ranges.is_some() { Index::of(place)? } else { None };
    let records: Records = match ranges.zip(index) {
        Some((ranges, index)) => {
            let label = ends::label(place)?.unwrap_or_default();
            let end = ends::end_of(&label, index.totals()?);
            Box::new(index.around(&ranges)?.chain(std::iter::once(Ok(end.record()))))
        }
        _ => read::open(place, monitor)?.records(),
    };
    let is_kept = move |record: &Record| record.kind() == Kind::End || choice.has(record);
    Ok(Box::new(records.filter(move |record| record.as_ref().map_or(true, &is_kept))))
}
