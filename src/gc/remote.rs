//! Cleaning a heap in another storage. Beside writers, it needs deletions on the condition that the object is still the one that
//! was condemned. Where there are none, all is done at once, and only if the user says that nothing else uses the heap.

use super::plan::{ANEW, Need, Plan, Verdict};
use super::{Action, Options, Outcome, Sum, Totals, probe, references, temps};
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::heap::condemned::{Condemned, Entry, Identity, StoreLists, is_list};
use crate::heap::{Names, is_folder, objects};
use crate::monitor::Monitor;
use crate::parallel::{self, Weigh};
use crate::storage::{Location, Object, Store};
use crate::time::Time;
use std::sync::Arc;
use std::time::Duration;

/// The number of objects that are deleted with one call.
const BATCH: usize = 1000;

/// See [`super::gc`].
pub fn gc(
    heap: &Location,
    store: &Arc<dyn Store>,
    snap_roots: &[Location],
    options: Options<'_>,
    report: &mut dyn FnMut(&Outcome) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Totals> {
    let names = super::names_of(heap)?;
    // A dry run shows what a run could do there.
    match options.exclusive || !options.delete && !store.deletes_if() {
        true => exclusive(store, &names, snap_roots, options, report, monitor),
        false => in_phases(store, &names, snap_roots, options, report, monitor),
    }
}

/// Does both phases at once.
fn exclusive(
    store: &Arc<dyn Store>,
    names: &Names,
    snap_roots: &[Location],
    options: Options<'_>,
    report: &mut dyn FnMut(&Outcome) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Totals> {
    let referenced = references::gather(options.wanted(snap_roots, names), monitor)?;
    let mut totals = Totals { snapshots: referenced.snapshots, ..Totals::default() };
    let mut outcomes = Vec::new();
    let (mut leftovers, mut lists) = (Vec::new(), Vec::new());
    // The listing has to be complete before anything is deleted.
    for object in listed(store, names) {
        let object = object?;
        match names.id_of(&object.key) {
            Some(md5) => {
                totals.objects.add(object.size);
                if !referenced.contains(&md5) {
                    outcomes.push((Outcome { md5, stored_size: object.size, action: Action::Deleted }, object.key));
                }
            }
            None if temps::is_leftover(&object.key) => leftovers.push(object),
            None if is_list(&object.key) => lists.push(object.key),
            None => {}
        }
    }
    for batch in outcomes.chunks(BATCH) {
        if options.delete {
            temps::delete(store, batch.iter().map(|(_, key)| key.clone()).collect())?;
        }
        for (outcome, _) in batch {
            totals.add(outcome);
            report(outcome)?;
        }
    }
    if options.delete {
        temps::delete(store, lists)?;
        let age = |time: Time| Time::now().sec.saturating_sub(time.sec) as f64 >= temps::AGE.as_secs_f64();
        sweep(store, leftovers, snap_roots, &age, &mut totals.temps)?;
    }
    Ok(totals)
}

/// Condemns and deletes in two phases, as in a folder.
fn in_phases(
    store: &Arc<dyn Store>,
    names: &Names,
    snap_roots: &[Location],
    options: Options<'_>,
    report: &mut dyn FnMut(&Outcome) -> Result<()>,
    monitor: &dyn Monitor,
) -> Result<Totals> {
    // Ages count up to here: snapshots published later are not seen below.
    let now = if options.delete { probe::prove(&**store)? } else { Time::now() };
    let lists = StoreLists::new(&**store).at(now);
    let condemned = Condemned::load(&lists)?;
    let referenced = references::gather(options.wanted(snap_roots, names), monitor)?;
    let mut totals = Totals { snapshots: referenced.snapshots, ..Totals::default() };
    let mut plan = Plan::new(options, now, &condemned);
    let (mut due, mut leftovers) = (Vec::new(), Vec::new());
    let is_old = |time: Time| now.sec.saturating_sub(time.sec) as f64 >= temps::AGE.as_secs_f64();
    // The listing has to be complete before anything is deleted.
    for object in listed(store, names) {
        let object = object?;
        let Some(md5) = names.id_of(&object.key) else {
            if temps::is_leftover(&object.key) && object.modified.is_some_and(is_old) {
                leftovers.push(object);
            }
            continue;
        };
        totals.objects.add(object.size);
        let need = match referenced.contains(&md5) {
            true => Need::Referenced,
            false if is_new(&object, referenced.latest, now, options.grace) => Need::Unclear,
            false => Need::Unreferenced,
        };
        // Without an identity, it can't be deleted on a condition.
        let Some(identity) = Identity::of(&object) else { continue };
        let (action, entry) = match plan.decide(&md5, object.size, identity, need) {
            None => continue,
            Some(Verdict::Stays(action)) => (action, None),
            Some(Verdict::Delete) => (Action::Deleted, None),
            Some(Verdict::DeleteIf(entry)) => (Action::Deleted, Some(entry)),
        };
        due.push(Due { outcome: Outcome { md5, stored_size: object.size, action }, entry: entry.filter(|_| options.delete) });
    }
    let (jobs, deleting, named) = (store.jobs(), store.clone(), names.clone());
    for done in parallel::ordered_map(due.into_iter(), jobs, jobs * 4, move |due| due.done(&*deleting, &named)) {
        let outcome = done?;
        totals.add(&outcome);
        report(&outcome)?;
    }
    if options.delete {
        plan.write(&lists)?;
        sweep(store, leftovers, snap_roots, &is_old, &mut totals.temps)?;
    }
    Ok(totals)
}

/// Whether an object may be one that a running backup has just stored: it was stored since the latest backup began, and less than a
/// grace period ago. It is not condemned yet. That would lose nothing, but the backup would have to read and store it once more,
/// which takes no more than a new time in a folder.
fn is_new(object: &Object, latest: Option<Time>, now: Time, grace: Duration) -> bool {
    object
        .modified
        .is_some_and(|stored| latest.is_none_or(|latest| stored > latest) && now.seconds_since(stored) < grace.as_secs_f64())
}

/// An object to report, and its entry if it is to be deleted.
struct Due {
    outcome: Outcome,
    entry: Option<Entry>,
}

impl Weigh for Due {
    fn weight(&self) -> usize {
        size_of::<Due>()
    }
}

impl Due {
    /// Deletes the object unless it has changed.
    fn done(self, store: &dyn Store, names: &Names) -> Result<Outcome> {
        let Due { outcome, entry } = self;
        let Some(Entry { identity: Identity::Etag(etag), md5, .. }) = entry else { return Ok(outcome) };
        let key = names.path(&md5).into_bytes();
        let deleted = store.delete_if(&key, &etag).or_failed(|| format!("delete {}", printable(&store.name_of(&key))))?;
        Ok(if deleted { outcome } else { Outcome { action: ANEW, ..outcome } })
    }
}

/// Lists everything in a heap that concerns `snap-gc`.
fn listed<'a>(store: &'a Arc<dyn Store>, names: &'a Names) -> impl Iterator<Item = Result<Object>> + 'a {
    let checked = |object: Object| names.check_form(&object.key).map(|()| object);
    objects(store, names, b"", is_looked_at)
        .map(move |object| object.and_then(checked).or_failed(|| format!("list the heap root {}", store.url())))
}

/// Deletes these leftovers of writers in a heap, and old ones in snap roots.
fn sweep(
    store: &Arc<dyn Store>,
    leftovers: Vec<Object>,
    snap_roots: &[Location],
    is_old: &dyn Fn(Time) -> bool,
    sum: &mut Sum,
) -> Result<()> {
    leftovers.iter().for_each(|object| sum.add(object.size));
    temps::delete(store, leftovers.into_iter().map(|object| object.key).collect())?;
    snap_roots.iter().try_for_each(|root| temps::sweep_unfinished(root, b"", is_old, sum))
}

/// Whether a folder contains objects, or may contain leftovers of a writer.
fn is_looked_at(folder: &[u8]) -> bool {
    is_folder(folder) || [&b"temp/"[..], b"gc/", b"roots/"].iter().any(|ours| folder.starts_with(ours))
}
