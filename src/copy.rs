//! `snap-copy`: copies the objects of a stream to another heap, as they are.

use crate::content::Lack;
use crate::error::Result;
use crate::heap::Heap;
use crate::heapify::{Committer, Done, committed};
use crate::monitor::Monitor;
use crate::record::{Kind, Record, key};
use crate::stream::Records;
use crate::work::Work;
use std::sync::Arc;

/// The options of [`copy()`].
pub struct Options {
    /// The heap that has the objects.
    pub from: Arc<Heap>,
    /// The heap that gets them, opened for storing.
    pub to: Arc<Heap>,
    /// The number of objects to copy at once.
    pub jobs: usize,
}

/// Copies the objects of a stream's files that the other heap lacks.
///
/// A record is passed on when its object has its name and is on disk. It is not changed, unless its object has another size
/// there. A file whose object is missing or damaged becomes an error record.
pub fn copy(input: Records, options: Options, monitor: Arc<dyn Monitor>) -> Records {
    let Options { from, to, jobs } = options;
    let committer = Committer::of(to.clone());
    committed(input, jobs, committer, move |record| work(record, &from, &to, &*monitor))
}

fn work(record: Record, from: &Heap, to: &Heap, monitor: &dyn Monitor) -> Result<Done> {
    match record.kind() {
        Kind::File => {}
        Kind::Gone => return Ok(Done::Passed(record)),
        _ => return record.expect_entry().map(|()| Done::Passed(record)),
    }
    let done = match to.copy(from, &record) {
        Ok(copied) => {
            monitor.detail(if copied.is_new { "copied" } else { "known" }, record.name());
            let size = record.fields().size.unwrap_or(0);
            let work = match copied.is_new {
                true => Work { read: size, stored: copied.stored_size, ..Work::default() },
                false => Work { reused: size, ..Work::default() },
            };
            Done::Kept(with_size(&record, copied.stored_size), work)
        }
        Err(Lack::Record(reason)) => {
            monitor.failure(record.name(), &reason);
            Done::Failed(Record::failure(record.name(), &reason))
        }
        Err(Lack::All(e)) => return Err(e),
    };
    monitor.done(record.fields().size.unwrap_or(0));
    Ok(done)
}

/// Returns the record with the size of its object in the other heap. One that never had a size gets none.
fn with_size(record: &Record, stored_size: u64) -> Record {
    match record.fields().stored_size {
        Some(before) if before != stored_size => record.edit().set(key::STORED_SIZE, stored_size).finish(),
        _ => record.clone(),
    }
}
