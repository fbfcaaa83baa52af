//! `compare-snapshots`: two snapshots side by side.

use super::args::{Choice, Format};
use super::markdown;
use crate::diff::{Diff, Options, Printer, Status, sides};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::snapshot::{self, Place};
use crate::storage::Location;
use std::io::Write;
use std::sync::Arc;

/// Compares two snapshots. Shows the rows with these statuses, or all rows if there is none. Returns whether they differ.
///
/// # Errors
/// If a snapshot is missing or damaged, or the output can't be written.
pub fn compare(
    snap: &Location,
    sides: [Choice; 2],
    statuses: &[Status],
    format: Format,
    out: &mut dyn Write,
    monitor: Arc<dyn Monitor>,
) -> Result<bool> {
    let statuses = if statuses.is_empty() { &Status::OF_CONTENTS } else { statuses };
    let [left, right] = [sides[0].find(snap, &*monitor)?, sides[1].find(snap, &*monitor)?];
    monitor.note(&format!("comparing {left} (left) with {right} (right)"));
    let rows = || open([&left, &right], statuses, monitor.clone());
    let rows = match format.0 {
        None => markdown::show(rows, out)?,
        Some(style) => {
            let (mut rows, mut show) = (rows()?, Printer::new(style, true));
            for row in rows.by_ref() {
                show.row(out, row?)?;
            }
            show.finish(out, &rows, statuses)?;
            rows
        }
    };
    let counts = Status::OF_CONTENTS.into_iter().map(|s| format!("{} {s}", Diff::count(&rows, s).rows));
    monitor.note(&counts.collect::<Vec<_>>().join(", "));
    Ok(rows.found())
}

fn open(places: [&Place; 2], statuses: &[Status], monitor: Arc<dyn Monitor>) -> Result<Diff> {
    let open = |place: &Place| snapshot::open(place, monitor.clone());
    let types = [snapshot::types(places[0])?, snapshot::types(places[1])?];
    let options = Options { statuses: statuses.to_vec(), types, ..Options::default() };
    Ok(sides(open(places[0])?, open(places[1])?, options, monitor))
}
