//! `restore-snapshot`: saves the state before, restores, deletes what the snapshot does not have, saves the state after.

use super::make::{label, make, publish};
use super::{Make, Restore, Setup, quoted};
use crate::content::{Content, Contents};
use crate::display::{counted, printable};
use crate::error::{Error, OrFailed, Result};
use crate::heap::Heap;
use crate::monitor::{Monitor, Recorder};
use crate::parallel::lock;
use crate::record::{Kind, Record};
use crate::restore::{self as stage, Options};
use crate::snapshot::{self, Place};
use crate::storage::Location;
use crate::stream::Records;
use crate::time::Time;
use crate::write;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Restores a snapshot. In a dry run, `show` is called with a row for each change that would be made.
///
/// # Errors
/// If the snapshot does not exist or is damaged, or the state before can't be saved; then nothing is changed. Also if the restore
/// itself stops early. Failures of single files are reported to the monitor, and the state after is then not saved.
pub fn restore(
    setup: &Setup,
    plan: &Restore,
    show: &mut dyn FnMut(&Record) -> Result<()>,
    monitor: Arc<dyn Monitor>,
) -> Result<()> {
    let place = plan.choice.find(&setup.snap, &*monitor)?;
    if plan.dry_run {
        for row in look(setup, plan, &place, Arc::new(Heap::open(&setup.heap)?), monitor)? {
            show(&row?)?;
        }
        return Ok(());
    }
    let heap = Heap::open(&setup.heap)?;
    monitor.note(&format!("restoring {} to {}", place, setup.file));
    let ahead = Ahead::look(setup, plan, &place)?;
    if !ahead.anything {
        monitor.note("all files are as in the snapshot: nothing to do, nothing to save");
        return Ok(());
    }
    let mut before = None;
    if !plan.no_save_snapshot_before && is_present(&setup.file)? {
        before = save_before(setup, plan, &place, ahead.links_give_way, monitor.clone())?;
    }
    let done = work(setup, plan, &place, heap, monitor.clone());
    match (&done, &before) {
        (Ok(Restored::Whole), Some(before)) => monitor.note(&format!("to undo: {}", undo(setup, before))),
        (_, Some(before)) => monitor.warn(&format!(
            "not restored whole: running the same again tries the rest, and this brings the state before back: {}",
            undo(setup, before)
        )),
        (Ok(Restored::Whole), None) => {}
        (_, None) => monitor.warn("not restored whole: running the same again tries the rest"),
    }
    done.map(drop)
}

/// Whether there is a state to save: an object store without objects has none.
fn is_present(root: &Location) -> Result<bool> {
    let is_empty = matches!(root, Location::Remote(store) if store.list(b"").next().is_none());
    Ok(!is_empty && root.is_there().or_failed(|| format!("file root {root}"))?)
}

/// The result of a dry run before the restore.
struct Ahead {
    /// There is something to do.
    anything: bool,
    /// A link is where the snapshot has a file or a folder above one.
    links_give_way: bool,
}

impl Ahead {
    fn look(setup: &Setup, plan: &Restore, place: &Place) -> Result<Ahead> {
        let mut ahead = Ahead { anything: false, links_give_way: false };
        // The restore itself will report the messages and the missing objects.
        let contents = Arc::new(|_: &Record| Ok(Content::Whole(Vec::new())));
        for row in look(setup, plan, place, contents, Arc::new(Recorder::default()))? {
            let row = row?;
            ahead.anything = true;
            if !ahead.links_give_way && matches!(row.string("type").as_deref(), Some("file" | "directory")) {
                let there = setup.file.folder().map(|f| f.join(std::ffi::OsStr::from_bytes(row.name().as_bytes())));
                ahead.links_give_way = there.is_some_and(|there| there.symlink_metadata().is_ok_and(|m| m.is_symlink()));
            }
        }
        Ok(ahead)
    }
}

/// Returns a row for each change that would be made.
fn look(setup: &Setup, plan: &Restore, place: &Place, contents: Arc<dyn Contents>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let records = snapshot::read(place, monitor.clone())?;
    let options = Options { dry_run: true, ..options(setup, plan) };
    stage::restore(records, &setup.file, contents, options, monitor)
}

fn options(setup: &Setup, plan: &Restore) -> Options {
    Options {
        delete: !plan.no_delete,
        delete_excluded: plan.delete_excluded,
        max_delete: plan.max_delete,
        checksum: plan.checksum,
        report: true,
        jobs: setup.restore_jobs,
        keep: vec![setup.heap.clone(), setup.snap.clone()],
        ..Options::default()
    }
}

/// Saves everything that the restore can change: files, and also links and folders if it touches them.
fn save_before(setup: &Setup, plan: &Restore, place: &Place, links: bool, monitor: Arc<dyn Monitor>) -> Result<Option<Place>> {
    let types = snapshot::types(place)?;
    let has = |word: &str| types.as_ref().is_none_or(|t| t.iter().any(|t| t == word));
    let mut kinds = vec![Kind::File];
    if links || has("link") {
        kinds.push(Kind::Link);
    }
    if has("directory") {
        kinds.push(Kind::Directory);
    }
    let options = Make { kinds, partial: plan.partial, before_restore: true, ..Make::default() };
    let made = make(setup, &options, monitor.clone()).map_err(|e| {
        let reason = format!("nothing is restored: the state before can't be saved: {e}");
        match e {
            Error::Refused { .. } => Error::advise(reason, "fix the cause, or go on with --partial or --no-save-snapshot-before"),
            _ => Error::refused(reason),
        }
    })?;
    if made.place.is_none() {
        monitor.note("the file root is empty: there is no state before to save");
    }
    Ok(made.place)
}

/// The outcome of a restore.
enum Restored {
    Whole,
    /// Some records failed.
    InPart,
}

fn work(setup: &Setup, plan: &Restore, place: &Place, heap: Heap, monitor: Arc<dyn Monitor>) -> Result<Restored> {
    let started = Time::now();
    let records = snapshot::read(place, monitor.clone())?;
    let contents = Arc::new(heap);
    let records = stage::restore(records, &setup.file, contents, options(setup, plan), monitor.clone())?;
    // If extra files stay in place, the records are not the state after. Another scan finds that state.
    let saves = !plan.no_save_snapshot_after && !plan.no_delete;
    let watch = Arc::new(std::sync::Mutex::new(0));
    let failed = watch.clone();
    let records: Records = Box::new(records.inspect(move |record| {
        if matches!(record, Ok(r) if r.kind() == Kind::Error) {
            *lock(&failed) += 1;
        }
    }));
    let failures = || *lock(&watch);
    if !saves {
        let mut n = 0;
        for record in records {
            n += u64::from(record?.is_entry());
        }
        monitor.note(&format!("{} restored or as they should be", counted(n, "record")));
    } else {
        let label = label(setup.file.identity(), false);
        let options = write::Options { label, heap: Some(setup.heap.clone()), ..write::Options::default() };
        match publish(records, setup, started, options, &monitor) {
            // The failures were reported already.
            Err(Error::Refused { .. }) if failures() > 0 => {}
            published => drop(published?),
        }
    }
    if failures() > 0 {
        monitor.note(&format!("{} failed: the state after is not saved", counted(failures(), "record")));
        return Ok(Restored::InPart);
    }
    if plan.no_delete && !plan.no_save_snapshot_after {
        make(setup, &Make { kinds: vec![Kind::File], allow_empty: true, ..Make::default() }, monitor)?;
    }
    Ok(Restored::Whole)
}

/// Returns the command that restores the state before.
fn undo(setup: &Setup, before: &Place) -> String {
    let roots = [("--file-root", &setup.file), ("--heap-root", &setup.heap), ("--snap-root", &setup.snap)];
    let mut words = vec!["snapshooter".to_string()];
    words.extend(roots.into_iter().map(|(option, root)| format!("{option} {}", quoted(root.as_given()))));
    words.push(format!("restore-snapshot --path {}", quoted(&before.as_given())));
    printable(words.join(" ").as_bytes()).replace("\\\\", "\\")
}
