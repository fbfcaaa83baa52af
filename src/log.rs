//! `snap-log`: the versions that names have had, over all snapshots.
//!
//! Of each snapshot, only the chosen records are read, of several snapshots at once. Each is compared with the one before it of
//! the same root. The differences, sorted by name, are the versions.

mod versions;
mod walk;

use crate::end::End;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::record::Record;
use crate::snapshot::{self, Choice};
use crate::sort::{BUDGET, Spool};
use crate::storage::Location;
use crate::stream::Records;
use crate::{diff, parallel};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Which versions to return.
pub struct Options {
    /// The names.
    pub choice: Choice,
    /// A change of mode, owner, time or other metadata makes a version, too.
    pub metadata: bool,
}

/// Returns the versions of the chosen names in the snapshots of a root, by name and then by time, and an end record.
///
/// A version is the record of the first snapshot that has it. Its other keys are `snapshot` (the path or URL of that snapshot),
/// `time` (of that snapshot), `until` (the time of the first snapshot that has another version, or certainly nothing; null if
/// there is none), `status` (`current`, `replaced` by another version, or `gone`) and `root` (the file root, if it is known).
///
/// A snapshot that can't be read is reported and skipped.
///
/// # Errors
/// If the snap root can't be listed, or a temporary file can't be written.
pub fn log(root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let mut found = snapshot::list_to_read(root)?;
    found.reverse();
    let Options { choice, metadata } = options;
    let is_same = move |a: &Record, b: &Record| diff::same_content(a, b) && (!metadata || diff::same_metadata(a, b));
    let choice = Arc::new(choice);
    let looks = {
        let (choice, monitor) = (choice.clone(), monitor.clone());
        let jobs = parallel::processors().max(root.jobs().unwrap_or(1)).min(snapshot::MOST_AT_ONCE);
        parallel::ordered_map(found.into_iter(), jobs, jobs, move |found| walk::look(found, &choice, &monitor))
    };
    let walk = walk::Walk::new(looks, is_same, monitor.clone());
    let seen = walk.seen();
    let events = Spool::with_doubles(walk, BUDGET / 2)?;
    let end = End { errors: seen.failures.load(Ordering::Relaxed), filtered: true, log: true, ..End::default() };
    Ok(versions::of(events.read(), seen.first_root.get().cloned(), is_same, end))
}

#[cfg(test)]
mod tests;
