//! Cleaning a heap in another storage. Without descriptors and renames it can't be safe beside writers, so it is done at once,
//! and only if the user says that nothing else uses the heap.

use super::{Action, Options, Outcome, Sum, Totals, references, temps};
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::heap;
use crate::monitor::Monitor;
use crate::storage::{Location, Store};
use crate::time::Time;
use std::sync::Arc;

/// The number of objects that are deleted with one call.
const BATCH: usize = 1000;

/// See [`super::gc`].
pub fn gc(
    store: &Arc<dyn Store>,
    snap_roots: &[Location],
    options: Options,
    report: &mut dyn FnMut(&Outcome) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Totals> {
    if options.delete && !options.exclusive {
        return Err(Error::rule(
            Refusal::HeapInUse,
            format!("{}: a heap there can be cleaned only while nothing else uses it", store.url()),
        ));
    }
    let referenced = references::gather(snap_roots, options.jobs, monitor)?;
    let mut totals = Totals { snapshots: referenced.snapshots, ..Totals::default() };
    let mut outcomes = Vec::new();
    let mut leftovers = Vec::new();
    // The listing has to be complete before anything is deleted.
    for object in heap::objects(store, b"", is_looked_at) {
        let object = object.or_failed(|| format!("list the heap root {}", store.url()))?;
        match heap::md5_of(&object.key) {
            Some(md5) => {
                totals.objects.add(object.size);
                if !referenced.contains(&md5) {
                    outcomes.push((Outcome { md5, stored_size: object.size, action: Action::Deleted }, object.key));
                }
            }
            None if temps::is_leftover(&object.key) => leftovers.push((object.size, object.key)),
            None => {}
        }
    }
    for batch in outcomes.chunks(BATCH) {
        if options.delete {
            temps::delete(store, batch.iter().map(|(_, key)| key.clone()).collect())?;
        }
        for (outcome, _) in batch {
            totals.deleted.add(outcome.stored_size);
            report(outcome)?;
        }
    }
    if options.delete {
        totals.temps = Sum { count: leftovers.len() as u64, bytes: leftovers.iter().map(|(size, _)| size).sum() };
        for batch in leftovers.chunks(BATCH) {
            temps::delete(store, batch.iter().map(|(_, key)| key.clone()).collect())?;
        }
        let old = |time: Time| Time::now().sec.saturating_sub(time.sec) as f64 >= temps::AGE.as_secs_f64();
        for root in snap_roots {
            temps::sweep_unfinished(root, b"", &old, &mut totals.temps)?;
        }
    }
    Ok(totals)
}

/// Whether a folder contains objects, or may contain leftovers of a writer.
fn is_looked_at(folder: &[u8]) -> bool {
    heap::is_folder(folder) || [&b"temp/"[..], b"gc/", b"roots/"].iter().any(|ours| folder.starts_with(ours))
}
