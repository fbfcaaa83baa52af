//! `snap-report`: one page of HTML about the records of a snapshot, or about the rows of a comparison.
//!
//! The page needs nothing but itself. Its policy forbids every script and style but its own, and every request, so that no name
//! can do harm. Memory and page stay small: the page has the largest things, and says what it leaves out.

mod changes;
mod chart;
mod facts;
mod files;
mod growth;
mod page;
mod parts;
mod show;
mod text;
mod top;
mod tree;

pub use facts::Options;

use crate::end;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::record::{Kind, Record};
use crate::snapshot::Opened;
use crate::stream::write_error;
use changes::Changes;
use facts::{Facts, Seen};
use files::Files;
use std::io::Write;
use std::sync::Arc;

/// Writes the page about the records or rows, which are in order.
///
/// # Errors
/// Those of the input, of temporary files, of listing the snap root, and of writing.
pub fn report(input: Opened, options: &Options, out: &mut dyn Write, monitor: &Arc<dyn Monitor>) -> Result<()> {
    let records = match input {
        // It is compared with its totals.
        Opened::Ours(_) => input.records(),
        Opened::Others(records) => end::compared(records),
    };
    let mut seen = Seen::default();
    let mut facts = read(records, &mut seen)?;
    let is_diff = seen.end.as_ref().is_some_and(|end| end.diff);
    if matches!(&facts, Facts::Files(files, _) if is_diff && files.is_empty()) {
        facts = Facts::Changes(Changes::new());
    }
    let root = seen.root(1);
    let growth = options.growth.as_ref().map(|snap| growth::growth(snap, root, monitor)).transpose()?;
    let page = page::page(facts, &seen, options, growth.as_ref());
    out.write_all(page.as_bytes()).map_err(write_error)
}

/// Reads everything. The first entry says what the others have to be.
fn read(records: impl Iterator<Item = Result<Record>>, seen: &mut Seen) -> Result<Facts> {
    let mut entries = records.filter_map(|record| record.map(|record| seen.entry(record)).transpose()).peekable();
    if !matches!(entries.peek(), Some(Ok(first)) if first.kind() == Kind::Change) {
        let mut files = Files::new();
        let contents = files.read(entries)?;
        return Ok(Facts::Files(files, contents));
    }
    let mut changes = Changes::new();
    for row in entries {
        changes.add(&row?)?;
    }
    Ok(Facts::Changes(changes))
}

#[cfg(test)]
mod tests;
