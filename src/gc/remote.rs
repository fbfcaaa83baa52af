//! Cleaning a heap in another storage. There are no descriptors and no renames there that would make it safe beside writers, so
//! it is done at once, and only when the user says that nobody else uses the heap.

use super::{Action, Fate, Options, Sum, Totals, references, temps};
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::heap;
use crate::monitor::Monitor;
use crate::storage::{Location, Store};
use crate::time::Time;
use std::sync::Arc;

/// Objects that are deleted with one call.
const BATCH: usize = 1000;

/// See [`super::gc`].
pub fn gc(
    store: &Arc<dyn Store>,
    snap_roots: &[Location],
    options: Options,
    report: &mut dyn FnMut(&Fate) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Totals> {
    if options.delete && !options.exclusive {
        return Err(Error::rule(
            Refusal::HeapInUse,
            format!("{}: a heap there can be cleaned only while nobody else uses it", store.url()),
        ));
    }
    let referenced = references::gather(snap_roots, options.jobs, monitor)?;
    let mut totals = Totals { snapshots: referenced.snapshots, ..Totals::default() };
    let mut fates = Vec::new();
    let mut leftovers = Vec::new();
    // All of the listing has to be there before anything goes.
    for object in heap::objects(store, b"", is_looked_at) {
        let object = object.or_failed(|| format!("list the heap root {}", store.url()))?;
        match heap::md5_of(&object.key) {
            Some(md5) => {
                totals.objects.add(object.size);
                if !referenced.contains(&md5) {
                    fates.push((Fate { md5, stored_size: object.size, action: Action::Deleted }, object.key));
                }
            }
            None if temps::is_leftover(&object.key) => leftovers.push((object.size, object.key)),
            None => {}
        }
    }
    for batch in fates.chunks(BATCH) {
        if options.delete {
            temps::delete(store, batch.iter().map(|(_, key)| key.clone()).collect())?;
        }
        for (fate, _) in batch {
            totals.deleted.add(fate.stored_size);
            report(fate)?;
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

/// Whether a folder is one of those that objects lie in, or that a writer may have left something in.
fn is_looked_at(folder: &[u8]) -> bool {
    heap::is_folder(folder) || [&b"temp/"[..], b"gc/", b"roots/"].iter().any(|ours| folder.starts_with(ours))
}
