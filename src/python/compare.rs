//! `compare-snapshots`: two snapshots side by side.

use super::{Choice, markdown};
use crate::diff::{Diff, Options, Printer, Status, Style, diff};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::snapshot::{self, Place};
use crate::storage::Location;
use std::io::Write;
use std::sync::Arc;

/// How to show the rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shown {
    /// A Markdown table with both sides of every key.
    Markdown,
    /// As `snap-diff` shows them.
    Diff(Style),
}

/// Compares two snapshots, and says whether they differ.
///
/// # Errors
/// If one is not there or damaged, or the output can't be written.
pub fn compare(
    snap: &Location,
    sides: [Choice; 2],
    statuses: &[Status],
    shown_as: Shown,
    out: &mut dyn Write,
    monitor: Arc<dyn Monitor>,
) -> Result<bool> {
    let [left, right] = [sides[0].find(snap, &*monitor)?, sides[1].find(snap, &*monitor)?];
    monitor.note(&format!("comparing {left} (left) with {right} (right)"));
    let rows = || open([&left, &right], statuses, monitor.clone());
    let rows = match shown_as {
        Shown::Markdown => markdown::show(rows, out)?,
        Shown::Diff(style) => {
            let (mut rows, mut show) = (rows()?, Printer::new(style, true));
            for row in rows.by_ref() {
                show.row(out, row?)?;
            }
            show.finish(out, &rows, statuses)?;
            rows
        }
    };
    let counts = Status::ALL.into_iter().map(|s| format!("{} {s}", Diff::count(&rows, s).rows));
    monitor.note(&counts.collect::<Vec<_>>().join(", "));
    Ok(rows.found())
}

fn open(places: [&Place; 2], statuses: &[Status], monitor: Arc<dyn Monitor>) -> Result<Diff> {
    let read = |place: &Place| snapshot::read(place, monitor.clone());
    let types = [snapshot::types(places[0])?, snapshot::types(places[1])?];
    let options = Options { metadata: false, statuses: statuses.to_vec(), types };
    Ok(diff(read(places[0])?, read(places[1])?, options, monitor))
}
