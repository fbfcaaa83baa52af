//! `make-snapshot`: scan, heapify, write.

use super::{Make, Setup};
use crate::base::Base;
use crate::cli::work;
use crate::display::counted;
use crate::error::{Error, Result};
use crate::heap::{self, Cache, Heap};
use crate::heapify::{self, heapify};
use crate::monitor::Monitor;
use crate::record::Kind;
use crate::scan::{self, scan};
use crate::snapshot::{self, Label, Place};
use crate::source;
use crate::stream::Records;
use crate::time::Time;
use crate::write::{self, write};
use std::sync::Arc;

/// The result of making a snapshot.
#[derive(Debug, Default)]
pub struct Made {
    /// The snapshot; None if none was requested.
    pub place: Option<Place>,
    /// The number of its records.
    pub records: u64,
}

/// Saves the state of the file root.
///
/// # Errors
/// If the file root does not exist, the heap or the snap root can't be written, or files failed and `partial` is not set. Then
/// nothing is saved.
pub fn make(setup: &Setup, options: &Make, monitor: Arc<dyn Monitor>) -> Result<Made> {
    let started = Time::now();
    // This comes first, so that nothing is created for a file root that does not exist.
    let root = source::open(&setup.file).map_err(|e| match e {
        Error::Io { source, what } => Error::io(format!("file root {what}"), source),
        e => e,
    })?;
    write::outlasts(&setup.heap, &setup.snap)?;
    let store = match options.dry_run {
        true => None,
        false => Some(Arc::new(Heap::create(&setup.heap, heap::LEVEL)?)),
    };
    let file_root = setup.file.identity();
    let found = snapshot::base(&setup.snap, &file_root, &mut |message| monitor.warn(message))?;
    match &found {
        Some(found) => monitor.note(&format!("files that did not change since {} are not read", found.place)),
        None => monitor.note(&format!("no earlier snapshot in {}: all files are read", setup.snap)),
    }
    let base = found.map(|found| Base::open(found.place, monitor.clone())).transpose()?;
    let records = scan(&setup.file, scan_options(setup, options), monitor.clone())?;
    let cache = setup.heap_cache_file.as_deref().filter(|_| !options.dry_run);
    let cache = cache.map(Cache::load).transpose()?.map(Arc::new);
    let heapify_options = heapify::Options {
        heap: store,
        base,
        verify_existing: false,
        verify_md5: false,
        object_tags: false,
        cache,
        jobs: setup.store_jobs,
    };
    let mut records = heapify(records, root, heapify_options, monitor.clone()).peekable();
    if options.before_restore && matches!(records.peek(), Some(Ok(first)) if first.kind() == Kind::End) {
        return Ok(Made::default());
    }
    let label = label(file_root, options.before_restore);
    let dry_run = options.no_save_snapshot || options.dry_run;
    let write_options = write::Options {
        label,
        partial: options.partial,
        allow_empty: options.allow_empty || options.no_save_snapshot,
        heap: Some(setup.heap.clone()),
        dry_run,
        ..write::Options::default()
    };
    let written = publish(Box::new(records), setup, started, write_options, &monitor)?;
    Ok(Made { place: written.place, records: written.records })
}

fn scan_options(setup: &Setup, options: &Make) -> scan::Options {
    scan::Options {
        kinds: options.kinds.clone(),
        leave_out: vec![(setup.heap.clone(), "heap root"), (setup.snap.clone(), "snap root")],
        unwanted: Some("; --type f,l,d records them"),
        ..scan::Options::default()
    }
}

/// Returns the label of a snapshot of this machine.
pub(super) fn label(file_root: String, before_restore: bool) -> Label {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    Label { host: Some(host), root: Some(file_root), before_restore, ..Label::default() }
}

/// Publishes, and reports the result.
pub(super) fn publish(
    records: Records,
    setup: &Setup,
    started: Time,
    options: write::Options,
    monitor: &Arc<dyn Monitor>,
) -> Result<write::Written> {
    let written = write(work::worked(records), &setup.snap, started, options, monitor.clone())?;
    let records = counted(written.records, "record");
    match &written.place {
        Some(place) => monitor.note(&format!("saved {records} in {place}")),
        None => monitor.note(&format!("{records}, not saved")),
    }
    if written.errors > 0 {
        monitor.warn(&format!("{} that failed are missing in the snapshot", counted(written.errors, "record")));
    }
    Ok(written)
}
