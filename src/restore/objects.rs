//! Restoring to another storage: the records side by side with what is there, in order; files are put where they are missing or
//! differ, and with `delete` what the records do not have goes at the end.

use super::dry::row;
use super::permit::{self, Extent, Spared};
use super::plan::{Chosen, chosen};
use super::{Options, is_rows};
use crate::content::{Content, Contents, Lack};
use crate::end::{End, Listing};
use crate::error::{Error, Result, counted, reason};
use crate::etag;
use crate::heap;
use crate::merge::{Merge, Pair, Side};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel::{self, Weigh};
use crate::record::{Kind, Md5, Record};
use crate::scan::objects;
use crate::sort::Spool;
use crate::storage::{Attributes, Body, Location, Put, Store};
use crate::stream::{Records, Tally};
use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::sync::Arc;

/// Objects that are deleted with one call.
const BATCH: usize = 1000;

/// What is to be done with a record, or with an object that no record speaks of.
#[expect(clippy::large_enum_variant, reason = "a few at a time; a box would cost an allocation each")]
enum Step {
    /// It goes on as it is: an error record, the end record.
    Pass(Record),
    /// It can't be restored.
    Fail(Record, String),
    /// A folder: there is none to make.
    Folder(Record),
    /// A file, and what is there of it.
    File(Record, Option<Record>),
    /// An object that is not wanted.
    Extra(Name),
    /// A name that should not be there, and is not looked for.
    Gone,
    Fatal(Error),
}

impl Weigh for Step {
    fn weight(&self) -> usize {
        match self {
            Step::Pass(r) | Step::Fail(r, _) | Step::Folder(r) => r.footprint(),
            Step::File(r, there) => r.footprint() + there.as_ref().map_or(0, Record::footprint),
            Step::Extra(name) => name.as_bytes().len(),
            Step::Gone | Step::Fatal(_) => 0,
        }
    }
}

/// What became of it.
#[expect(clippy::large_enum_variant, reason = "a few at a time; a box would cost an allocation each")]
enum Done {
    /// The file is there now; so it is recorded.
    Kept(Record),
    /// It would be put there, in a dry run.
    Would(&'static str, Record),
    Failed(Name, String),
    Step(Step),
}

/// See [`super::restore`].
pub fn restore(
    spool: &Spool,
    store: &Arc<dyn Store>,
    source: Arc<dyn Contents>,
    spared: Spared,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    let rows = is_rows(spool)?;
    let types = spool.end().and_then(|end| End::of(end).types);
    let deletes = options.delete && types.is_none_or(|types| types.iter().any(|t| t == "file"));
    let kept = kept(store, &options.keep);
    let planner = Planner { side: options.side, rows, deletes, kept, spared };
    if options.delete {
        let root = Location::Remote(store.clone());
        let extent = planner.extent(Merge::new(spool.read(), objects::present(store, monitor.clone())?))?;
        extent.check(super::makes_files(spool, options.side)?, super::root::is_of_another(spool, &root), &options)?;
    }
    let there = objects::present(store, monitor.clone())?;
    let steps = Merge::new(spool.read(), there).filter_map(move |pair| planner.step(pair));
    let (report, dry_run, jobs) = (options.report, options.dry_run, options.jobs.max(1));
    let worker = Worker { store: store.clone(), source, checksum: options.checksum, dry_run, report, monitor: monitor.clone() };
    let work = parallel::ordered_map(steps, jobs, jobs * 4, move |step| worker.work(step));
    let (queue, tally, came) = (VecDeque::new(), Tally::default(), spool.counts().listing);
    let work: Option<Box<dyn Iterator<Item = Done> + Send>> = Some(Box::new(work));
    let store = store.clone();
    Ok(Box::new(Restoring {
        store,
        work,
        queue,
        tally,
        came,
        listing: Listing::default(),
        delete: options.delete,
        folders: 0,
        gone: 0,
        extras: Vec::new(),
        end: None,
        rows,
        dry_run,
        report,
        monitor,
    }))
}

/// The prefixes of keys that are never deleted: of the heap root and the snap root.
fn kept(store: &Arc<dyn Store>, roots: &[Location]) -> Vec<Vec<u8>> {
    let below = |root: &Location| match root {
        Location::Remote(other) if other.url() == store.url() => Some(Vec::new()),
        Location::Remote(other) => Some(format!("{}/", other.url().strip_prefix(store.url())?.strip_prefix('/')?).into_bytes()),
        Location::Folder(_) => None,
    };
    roots.iter().filter_map(below).collect()
}

struct Planner {
    side: super::Side,
    rows: bool,
    deletes: bool,
    kept: Vec<Vec<u8>>,
    spared: Spared,
}

impl Planner {
    /// What would be deleted.
    fn extent(&self, pairs: impl Iterator<Item = Result<Pair>>) -> Result<Extent> {
        let mut extent = Extent::default();
        for pair in pairs {
            let pair = pair?;
            extent.there += u64::from(matches!(pair, Pair::Right(_) | Pair::Both(..)));
            extent.shared += u64::from(matches!(pair, Pair::Both(..)));
            if let Some(Step::Extra(_)) = self.step(Ok(pair)) {
                extent.deleted += 1;
            }
        }
        Ok(extent)
    }

    fn step(&self, pair: Result<Pair>) -> Option<Step> {
        let (record, there) = match pair {
            Err(e) => return Some(Step::Fatal(e)),
            Ok(Pair::Aside(Side::Left, record)) => return Some(Step::Pass(record)),
            // What can't be listed has no name that a record could have.
            Ok(Pair::Aside(Side::Right, _)) => return None,
            Ok(Pair::Right(there)) => return self.extra(&there).filter(|_| !self.rows),
            Ok(Pair::Left(record)) => (record, None),
            Ok(Pair::Both(record, there)) => (record, Some(there)),
        };
        Some(match chosen(record, self.side) {
            Chosen::Nothing(_) => match there {
                Some(there) => return self.extra(&there).or(Some(Step::Gone)),
                None => Step::Gone,
            },
            Chosen::Bad(row, reason) => Step::Fail(row, reason),
            Chosen::Record(record) => match record.kind() {
                Kind::File => Step::File(record, there),
                Kind::Directory => Step::Folder(record),
                Kind::Link => Step::Fail(record, "the storage has no links".to_string()),
                _ => {
                    let kind = record.string("type").unwrap_or_default();
                    Step::Fail(record, format!("a {} can't be restored", crate::error::printable(kind.as_bytes())))
                }
            },
        })
    }

    fn extra(&self, there: &Record) -> Option<Step> {
        let name = there.name();
        let kept = self.kept.iter().any(|prefix| name.as_bytes().starts_with(prefix)) || self.spared.spares(name, false);
        (self.deletes && !kept).then(|| Step::Extra(name.clone()))
    }
}

struct Worker {
    store: Arc<dyn Store>,
    source: Arc<dyn Contents>,
    checksum: bool,
    dry_run: bool,
    report: bool,
    monitor: Arc<dyn Monitor>,
}

impl Worker {
    fn work(&self, step: Step) -> Done {
        let (record, there) = match step {
            Step::File(record, there) => (record, there),
            step => return Done::Step(step),
        };
        let done = self.file(&record, there.as_ref());
        self.monitor.done(record.fields().size.unwrap_or(0));
        match done {
            Ok(done) => done,
            Err(e) if matches!(e.kind(), ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem) => {
                Done::Step(Step::Fatal(Error::io(format!("write {}/{}", self.store.url(), record.name().printable()), e)))
            }
            Err(e) => Done::Failed(record.name().clone(), reason(&e)),
        }
    }

    fn file(&self, record: &Record, there: Option<&Record>) -> io::Result<Done> {
        let key = record.name().as_bytes();
        crate::storage::check_key(key)?;
        let Some(md5) = record.fields().md5 else {
            return Err(io::Error::other("the record has no md5; snap-heapify puts it in"));
        };
        if let Some(there) = there
            && self.is_same(record, md5, there)?
        {
            return Ok(match self.dry_run {
                true => Done::Step(Step::Gone),
                false => Done::Kept(if self.report { as_now(record, there.clone()) } else { record.clone() }),
            });
        }
        if self.dry_run {
            return Ok(Done::Would(if there.is_some() { "replace" } else { "create" }, record.clone()));
        }
        let how = Put { if_absent: false, md5: Some(md5), size: record.fields().size, attributes: attributes(record) };
        match self.source.content(record) {
            Err(Lack::Record(reason)) => return Err(io::Error::other(reason)),
            Err(Lack::All(e)) => return Ok(Done::Step(Step::Fatal(e))),
            Ok(Content::Whole(bytes)) => self.store.put(key, Body::Bytes(bytes), &how)?,
            Ok(Content::Stream(mut content)) => self.store.put(key, Body::Stream(&mut content), &how)?,
        };
        if !self.report {
            return Ok(Done::Kept(record.clone()));
        }
        let now = self.store.stat(key)?.ok_or_else(|| io::Error::other("it was deleted at once"))?;
        Ok(Done::Kept(as_now(record, objects::record(&now))))
    }

    /// Whether an object has the content of a record: by its etag, or the md5 that its storage claims; else by reading it.
    fn is_same(&self, record: &Record, md5: Md5, there: &Record) -> io::Result<bool> {
        let (wanted, now) = (record.fields(), there.fields());
        if wanted.size.is_some_and(|size| now.size != Some(size)) {
            return Ok(false);
        }
        if !self.checksum {
            let is_now = |etag: &str| now.etag.as_deref().is_some_and(|now| etag::same(now, etag));
            if wanted.etag.as_deref().is_some_and(|etag| is_now(etag) && !etag::is_weak(etag)) {
                return Ok(true);
            }
            // S3 has the md5 for the etag of what came in one piece.
            if now.md5 == Some(md5) || is_now(&md5.to_string()) {
                return Ok(true);
            }
            if now.md5.is_some() {
                return Ok(false);
            }
        }
        let key = there.name().as_bytes();
        // With its content a storage may tell another etag than in a listing. What is read is compared whole all the same.
        let mut reader = match self.store.open(key, 0, None, now.etag.as_deref()) {
            Err(e) if etag::is_changed(&e) => self.store.open(key, 0, None, None)?,
            opened => opened?,
        };
        Ok(heap::digest(&mut reader)?.md5 == md5)
    }
}

/// The record of an object as it is now, with what is known of its content.
fn as_now(record: &Record, now: Record) -> Record {
    let fields = record.fields();
    let quoted = |digest: &dyn std::fmt::Display| Some(format!("\"{digest}\""));
    let mut changes = Vec::new();
    changes.extend(fields.md5.map(|md5| ("md5", quoted(&md5))));
    changes.extend(fields.sha256.map(|sha256| ("sha256", quoted(&sha256))));
    changes.extend(fields.stored_size.map(|n| ("stored_size", Some(n.to_string()))));
    now.with(&changes)
}

/// What a record knows of its object beside the content, as the Python tool's records of Azure have it.
fn attributes(record: &Record) -> Attributes {
    let json = |key: &str| -> Option<serde_json::Value> { serde_json::from_str(&record.raw(key)?).ok() };
    let settings = json("content_settings").unwrap_or_default();
    let setting = |key: &str| settings[key].as_str().filter(|text| !text.is_empty()).map(str::to_string);
    let headers = [
        ("cache-control", "cache_control"),
        ("content-disposition", "content_disposition"),
        ("content-encoding", "content_encoding"),
        ("content-language", "content_language"),
    ];
    let metadata = json("metadata").and_then(|m| m.as_object().cloned()).unwrap_or_default();
    // These would make a folder marker of it.
    let plain = |key: &str| !matches!(key.to_ascii_lowercase().as_str(), "hdi_isfolder" | "is_directory");
    Attributes {
        content_type: setting("content_type").or_else(|| record.string("content_type").filter(|t| !t.is_empty())),
        headers: headers.into_iter().filter_map(|(header, key)| Some((header, setting(key)?))).collect(),
        metadata: metadata
            .into_iter()
            .filter_map(|(k, v)| Some((k, v.as_str()?.to_string())))
            .filter(|(k, _)| plain(k))
            .collect(),
    }
}

struct Restoring {
    store: Arc<dyn Store>,
    work: Option<Box<dyn Iterator<Item = Done> + Send>>,
    queue: VecDeque<Result<Record>>,
    tally: Tally,
    /// What came in, and what is given out.
    came: Listing,
    listing: Listing,
    delete: bool,
    folders: u64,
    gone: u64,
    extras: Vec<Name>,
    end: Option<Record>,
    rows: bool,
    dry_run: bool,
    report: bool,
    monitor: Arc<dyn Monitor>,
}

impl Restoring {
    fn fail(&mut self, name: &Name, reason: &str) {
        self.tally.own += 1;
        self.monitor.failure(name, reason);
        let failure = Record::failure(name, reason);
        self.listing.add(&failure);
        self.queue.push_back(Ok(failure));
    }

    fn put_out(&mut self, record: Record) {
        self.listing.add(&record);
        if !self.dry_run {
            self.queue.push_back(Ok(record));
        }
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Kept(record) => self.put_out(record),
            Done::Would(action, record) => {
                self.queue.push_back(row(action, record.name(), "file", record.fields().size, None));
            }
            Done::Failed(name, reason) => self.fail(&name, &reason),
            Done::Step(Step::Pass(record)) if record.kind() == Kind::End => self.end = Some(record),
            Done::Step(Step::Pass(record)) => {
                self.tally.pass(&record);
                self.put_out(record);
            }
            Done::Step(Step::Fail(record, reason)) => self.fail(record.name(), &reason),
            Done::Step(Step::Folder(record)) => {
                self.folders += 1;
                // Where the state after is asked for, there is no folder in it.
                if !self.report {
                    self.put_out(record);
                }
            }
            Done::Step(Step::Extra(name)) => self.extras.push(name),
            Done::Step(Step::Gone) => self.gone += 1,
            Done::Step(Step::Fatal(e)) => {
                self.work = None;
                self.queue.push_back(Err(e));
            }
            // The worker has done it.
            Done::Step(Step::File(..)) => {}
        }
    }

    /// What comes after all records: deleting.
    fn conclude(&mut self) {
        if self.folders > 0 {
            let folders = counted(self.folders, "folder");
            self.monitor.note(&format!("{folders} not made: the storage knows folders by what is in them"));
        }
        let extras = std::mem::take(&mut self.extras);
        if self.dry_run {
            self.queue.extend(extras.iter().map(|name| row("delete", name, "file", None, None)));
            return;
        }
        match self.tally.own {
            0 => self.delete_all(extras),
            n if !extras.is_empty() => {
                self.monitor.warn(&format!("nothing is deleted, because {} failed", counted(n, "record")));
            }
            _ => {}
        }
        if let Some(end) = self.end.take() {
            let root = Location::Remote(self.store.clone()).identity();
            let end = permit::after(&End::of(&end), self.came, self.rows, self.delete, root);
            let end = End { errors: self.tally.errors(end.errors), ..end.listing(self.listing) };
            self.queue.push_back(Ok(end.record()));
        }
    }

    fn delete_all(&mut self, extras: Vec<Name>) {
        for batch in extras.chunks(BATCH) {
            let keys: Vec<Vec<u8>> = batch.iter().map(|name| name.as_bytes().to_vec()).collect();
            for (name, result) in batch.iter().zip(self.store.delete(&keys)) {
                if let Err(e) = result {
                    self.fail(name, &format!("can't be deleted: {}", reason(&e)));
                }
            }
        }
    }
}

impl Iterator for Restoring {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.queue.pop_front() {
                return Some(record);
            }
            match self.work.as_mut()?.next() {
                Some(done) => self.take(done),
                None => {
                    self.work = None;
                    self.conclude();
                    return self.queue.pop_front();
                }
            }
        }
    }
}
