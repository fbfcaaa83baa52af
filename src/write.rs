//! `snap-write`: publishes a stream as a snapshot, whole or not at all.

use crate::display::counted;
use crate::encryption::{self, Cipher};
use crate::end::{End, Listing};
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::heap::{Guard, Names, roots};
use crate::monitor::Monitor;
use crate::record::{Kind, Record};
use crate::snapshot::{self, Label, Place, Publisher, Taken};
use crate::sort::{self, Arrivals, Counts, Spool};
use crate::storage::Location;
use crate::stream::Records;
use crate::time::Time;
use crate::work::Work;
use std::sync::Arc;

/// The label of the snapshot, and the conditions to publish it.
#[derive(Default)]
pub struct Options {
    /// The label. The end record adds `types`, `filtered`, the rules, the names kept out, the root folder, and `root` if the
    /// label has none.
    pub label: Label,
    /// The root to record if neither the label nor the end record has one. It is not recorded for a stream of `snap-put`.
    pub root: Option<String>,
    /// The snapshot that the new one copies or corrects. The label has everything that its label has and this one lacks, and
    /// records that are missing in it because they failed may be missing again.
    pub like: Option<Place>,
    /// The time of the snapshot is part of its meaning: if it is taken, nothing is published. Otherwise the next free
    /// microsecond is used.
    pub exact: bool,
    /// Publish the snapshot in the place of one of the same time.
    pub replace: bool,
    /// Publish even if records failed.
    pub partial: bool,
    /// Accept a stream without an end record.
    pub unterminated: bool,
    /// Publish only a whole stream, from which only known rules left something out.
    pub whole: bool,
    /// Missing records are intended: they do not mark the snapshot as filtered.
    pub complete: bool,
    /// Publish an empty snapshot even if the one before it, of the same root, has records.
    pub allow_empty: bool,
    /// Check everything, and publish nothing.
    pub dry_run: bool,
    /// The heap that the records refer to, if it is known. The snap root is noted in it, and records are found whose objects
    /// `snap-gc` has deleted or is about to delete.
    pub heap: Option<Location>,
}

/// The published snapshot.
#[derive(Debug)]
pub struct Written {
    /// The place of the snapshot; None after a dry run.
    pub place: Option<Place>,
    /// The number of records.
    pub records: u64,
    /// The number of records that failed and are missing.
    pub errors: u64,
    /// The number of listed records and the number of records that arrived, if these are different records and that is not
    /// intended. The snapshot is then marked as filtered.
    pub short: Option<(u64, u64)>,
    /// The work of all tools that made it.
    pub work: Work,
}

/// Publishes a stream as a snapshot of the time `started`.
///
/// # Errors
/// If the stream is not whole, has failures, or is empty after a snapshot with records, unless the options allow it; if a file
/// has no md5, or a record is a row of `snap-diff`; if the snap root can't be written. Nothing is published then.
pub fn write(input: Records, root: &Location, started: Time, options: Options, monitor: Arc<dyn Monitor>) -> Result<Written> {
    let if_taken = match (options.replace, options.exact) {
        (true, _) => Taken::Replace,
        (false, true) => Taken::Refuse,
        (false, false) => Taken::Next,
    };
    if if_taken == Taken::Refuse {
        // It would be found out at the end, too, after all the work.
        snapshot::refuse_taken(root, started, encryption::given().recipients.is_some())?;
    }
    let model = options.like.as_ref().map(Model::of).transpose()?.unwrap_or_default();
    // The whole input is read before anything is written.
    let Gathered { mut publisher, end, counts } = gather(input.map(|record| record.and_then(check)), &*monitor)?;
    let (end, short) = ended(end.as_ref(), counts.listing, &options)?;
    let errors = counts.errors.max(end.errors);
    if errors > model.failures && !options.partial {
        return Err(Error::rule(
            Refusal::RecordsFailed,
            format!("{} failed before, so the snapshot would not be whole", counted(errors, "record")),
        ));
    }
    let label = labelled(&end, &options, model.label);
    let may_be_empty = options.allow_empty || end.restored || label.before_restore;
    if publisher.records() == 0 && !may_be_empty {
        refuse_after_records(root, &label, options.like.as_ref(), monitor.clone())?;
    }
    // By now, snap-heapify has made the heap.
    let cipher = encryption_of(root, options.heap.as_ref(), options.dry_run)?;
    if let Some(heap) = &options.heap {
        outlasts(heap, root)?;
        if let Some(guard) = Guard::new(heap)? {
            publisher.read()?.try_for_each(|record| guard.check(&record?))?;
        }
    }
    let (records, work) = (publisher.records(), end.work.unwrap_or_default());
    if options.dry_run {
        return Ok(Written { place: None, records, errors, short, work });
    }
    Publisher::ready(root, &label)?;
    cipher.as_ref().map_or(Ok(()), |cipher| cipher.mark(&*root.store()))?;
    if let Some(heap) = &options.heap {
        roots::note(heap, root)?;
    }
    let place = publisher.publish(root, started, if_taken, &label, errors, cipher.as_deref())?;
    warn_of_newer(root, &*monitor);
    Ok(Written { place: Some(place), records, errors, short, work })
}

/// Returns the keys of the snap root if it is to be an encrypted one: if its heap is one. A snap root without snapshots is new.
fn encryption_of(root: &Location, heap: Option<&Location>, is_dry: bool) -> Result<Option<Arc<Cipher>>> {
    let (keys, store) = (encryption::given(), root.store());
    let Some(heap) = heap else {
        let no_heap = || Err(Error::advise("a new encrypted snap root has the keys of a heap", "give the heap root, too"));
        return Ok(Cipher::for_writing(&*store, &keys, no_heap, is_dry)?.map(Arc::new));
    };
    let (of_heap, there) = (Names::for_writing(heap, &keys, is_dry)?, Cipher::open(&*store, &keys)?);
    match (of_heap.cipher(), there) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Error::refused(format!("the snapshots in {root} are encrypted, but the heap {heap} is not"))),
        (Some(cipher), Some(there)) if there.is_of_same_heap(cipher) => Ok(Some(cipher.clone())),
        (Some(_), Some(_)) => Err(Error::refused(format!("{root} has the snapshots of another encrypted heap than {heap}"))),
        (Some(cipher), None) => {
            match root.is_there().or_failed(|| format!("snap root {root}"))? && !snapshot::list(root)?.is_empty() {
                true => Err(Error::rule(
                    Refusal::NotEncrypted,
                    format!("{root} was not encrypted from its making on, so nothing in it can be"),
                )),
                false => Ok(Some(cipher.clone())),
            }
        }
    }
}

/// A whole stream, ready to be published.
struct Gathered {
    /// All entries, in order.
    publisher: Publisher,
    end: Option<Record>,
    counts: Counts,
}

/// Reads a whole stream. Records in order are compressed as they come. From the first one that is not, all are sorted. Error
/// records are counted and dropped.
fn gather(mut input: impl Iterator<Item = Result<Record>>, monitor: &dyn Monitor) -> Result<Gathered> {
    let (mut publisher, mut arrivals, mut failed) = (Publisher::default(), Arrivals::default(), Counts::default());
    while let Some(record) = input.next().transpose()? {
        if record.kind() == Kind::Error && arrivals.end.is_none() {
            failed.add(&record);
            continue;
        }
        let Some(record) = arrivals.add(record)? else { continue };
        if !publisher.precedes(record.name()) {
            let earlier = publisher.read()?;
            let spool = Spool::collect(earlier.chain(std::iter::once(Ok(record))).chain(input), sort::BUDGET, monitor)?;
            return sorted(&spool, failed);
        }
        publisher.push(&record)?;
    }
    Ok(Gathered { publisher, end: arrivals.end, counts: arrivals.counts.and(failed) })
}

/// Returns the records of a stream that was not in order. `failed` are error records that are not among them.
fn sorted(spool: &Spool, failed: Counts) -> Result<Gathered> {
    let mut publisher = Publisher::default();
    for record in spool.read() {
        let record = record?;
        if record.is_entry() {
            publisher.push(&record)?;
        }
    }
    Ok(Gathered { publisher, end: spool.end().cloned(), counts: spool.counts().and(failed) })
}

/// Returns the end record, compared with the records that arrived, and the numbers of [`Written::short`].
fn ended(end: Option<&Record>, came: Listing, options: &Options) -> Result<(End, Option<(u64, u64)>)> {
    let Some(record) = end else {
        return match options.unterminated {
            // Without an end record, the stream may not be whole.
            true => Ok((End { filtered: !options.complete, ..End::default() }, None)),
            false => Err(Error::rule(
                Refusal::NoEndRecord,
                "the records have no end record: the program that wrote them did not finish",
            )),
        };
    };
    let end = End::of(record);
    if end.diff {
        return Err(Error::refused("these are rows of snap-diff, not files"));
    }
    if end.log {
        return Err(Error::refused("these are versions from snap-log or snap-scan --versions, not the files of one time"));
    }
    if options.complete {
        return Ok((End { filtered: end.filtered && end.rules.is_some(), ..end }, None));
    }
    let short = (!end.is_of(came)).then(|| (end.records.unwrap_or(0), came.records));
    let end = end.compared_with(came);
    if options.whole && end.is_short() {
        let missing = match short {
            Some((listed, came)) => format!("{came} of {} came", counted(listed, "listed record")),
            None => "some of the folder was left out".to_string(),
        };
        return Err(Error::rule(Refusal::LeftOut, format!("the stream is not whole: {missing}")));
    }
    Ok((end, short))
}

/// The snapshot that a new one is like.
#[derive(Default)]
struct Model {
    label: Label,
    /// The number of records that are missing in it because they failed.
    failures: u64,
}

impl Model {
    fn of(place: &Place) -> Result<Model> {
        match snapshot::label(place)? {
            Some(label) => Ok(Model { label, failures: snapshot::failures(place)? }),
            None => Ok(Model { label: Label { unlabelled: true, ..Label::default() }, failures: 0 }),
        }
    }
}

/// Returns the label of the snapshot. What concerns the records comes from the end record, because a filter may have changed them
/// on the way. Everything else comes from the options or else from the label `like`.
fn labelled(end: &End, options: &Options, like: Label) -> Label {
    let label = options.label.clone();
    let new_tags: Vec<String> = label.tags.into_iter().filter(|tag| !like.tags.contains(tag)).collect();
    // What was put belongs to no root, and a copy to that of its original.
    let usual_root = options.root.as_ref().filter(|_| !end.put && options.like.is_none());
    // A copy keeps that of its original.
    let worked = end.work.filter(|_| options.like.is_none()).map(|work| ("work".to_string(), work.json()));
    Label {
        // The records of a later version can mean more than this one knows, also in a copy.
        v: like.v.max(snapshot::VERSION),
        before_restore: label.before_restore || like.before_restore,
        complete: options.complete || like.complete && !end.filtered,
        filtered: end.filtered,
        host: label.host.or(like.host),
        kept_out: end.kept_out.clone(),
        put: end.put,
        root: label.root.or(like.root).or_else(|| end.root.clone()).or_else(|| usual_root.cloned()),
        root_folder: end.root_folder.clone(),
        rules: end.rules.clone(),
        tags: [like.tags, new_tags].concat(),
        types: end.types.clone(),
        unlabelled: like.unlabelled,
        more: worked.into_iter().chain(like.more).chain(label.more).collect(),
    }
}

/// Refuses to publish an empty snapshot if the one that it is like has records, or else the latest one of the same root (safety
/// copies aside): a disk that is not mounted looks like an empty folder.
fn refuse_after_records(snap: &Location, label: &Label, like: Option<&Place>, monitor: Arc<dyn Monitor>) -> Result<()> {
    let before = match like {
        Some(like) => Some(like.clone()),
        // What is put is in no folder.
        None if label.put => None,
        None => {
            let root = label.root.as_deref().unwrap_or_default();
            snapshot::base(snap, root, &mut |message| monitor.warn(message))?.map(|found| found.place)
        }
    };
    let Some(before) = before else { return Ok(()) };
    match snapshot::read(&before, monitor)?.next().transpose()? {
        Some(first) if first.is_entry() => {
            Err(Error::rule(Refusal::NoRecords, format!("there are no records, and {before} has some")))
        }
        _ => Ok(()),
    }
}

/// Warns if a snapshot is dated in the future, because the new snapshot is not the latest then. The snapshot is published in any
/// case, so it is no error if the snap root can't be listed.
fn warn_of_newer(root: &Location, monitor: &dyn Monitor) {
    if let Some(newest) = snapshot::list(root).unwrap_or_default().first() {
        snapshot::warn_of_future(newest, &mut |message| monitor.warn(message));
    }
}

/// Checks that the heap exists as long as the snapshots that refer to it.
///
/// # Errors
/// If the heap ends with this process, and the snap root does not.
pub fn outlasts(heap: &Location, snap: &Location) -> Result<()> {
    match heap.ends_with_process() && !snap.ends_with_process() {
        true => Err(Error::advise(
            format!("{heap} is gone when this process ends, so a snapshot in {snap} could not be restored"),
            "give a heap root that lasts",
        )),
        false => Ok(()),
    }
}

/// Refuses a record that could not be restored.
fn check(record: Record) -> Result<Record> {
    let name = || record.name().printable();
    record.expect_entry()?;
    match record.kind() {
        Kind::File if record.fields().md5.is_none() => Err(Error::advise(
            format!("{}: the record has no md5", name()),
            "snap-heapify stores contents and puts md5 into the records",
        )),
        _ => Ok(record),
    }
}
