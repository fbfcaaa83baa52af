//! The dry run: the rows for what would be stored, and the line that sums them up.

use super::Done;
use crate::diff::readable;
use crate::display::many;
use crate::end::End;
use crate::monitor::Monitor;
use crate::record::{Kind, Record, key};
use crate::stream::Records;
use crate::work::Work;
use std::sync::Arc;

/// Returns a row for a content that would be stored, and nothing for the other records but failures.
pub(super) fn planned(done: Done) -> Done {
    match done {
        Done::Kept(record, work) if work.stored > 0 => Done::Kept(row(&record, work.stored), work),
        Done::Kept(_, work) => Done::Nothing(work),
        Done::Passed(record) if !matches!(record.kind(), Kind::End | Kind::Error) => Done::Nothing(Work::default()),
        other => other,
    }
}

/// Returns the row of a file: `{"action":"store","name":…,"size":…,"stored_size":…,"type":"file"}`. It has no md5, so that
/// snap-write never takes it for a record.
fn row(record: &Record, stored: u64) -> Record {
    let mut row = Record::build(record.name().clone(), Kind::Other);
    row.set_json("action", "\"store\"").set_json("type", "\"file\"");
    row.set_known(key::SIZE, record.fields().size).set(key::STORED_SIZE, stored).finish()
}

/// Passes the rows on without the end record, and tells the monitor at the end what would be read and stored.
pub(super) fn told(rows: Records, monitor: Arc<dyn Monitor>) -> Records {
    let (mut rows, mut contents, mut bytes, mut work) = (rows, 0, 0u64, Some(Work::default()));
    Box::new(std::iter::from_fn(move || {
        loop {
            match rows.next() {
                Some(Ok(end)) if end.kind() == Kind::End => work = work.map(|none| End::of(&end).work.unwrap_or(none)),
                Some(Ok(row)) => {
                    if row.kind() == Kind::Other {
                        contents += 1;
                        bytes = bytes.saturating_add(row.fields().size.unwrap_or(0));
                    }
                    return Some(Ok(row));
                }
                Some(Err(e)) => {
                    work = None;
                    return Some(Err(e));
                }
                None => {
                    if let Some(Work { read, stored, .. }) = work.take() {
                        let read = if read > 0 { format!("{} would be read, ", readable(read)) } else { String::new() };
                        let (contents, bytes) = (many(contents, "content"), readable(bytes));
                        let stored = if stored > 0 { format!(", {} compressed", readable(stored)) } else { String::new() };
                        monitor.note(&format!("{read}{contents} would be stored: {bytes}{stored}"));
                    }
                    return None;
                }
            }
        }
    }))
}
