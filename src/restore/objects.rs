//! A root in another storage as the target of a restore. The records are compared with the existing objects, in order. Files that
//! are missing or differ are uploaded. Such a storage has no links, and a folder exists only as long as there are objects in it.

use super::decide::{self, Action, Read, Seen, There, What};
use super::input::{Chosen, Input, chosen};
use super::job::Job;
use super::permit::Extent;

use super::target::{Deleted, Made, NOT_DELETED, Step, Steps, Target, Task, Trouble};
use crate::base::inherit;
use crate::content::Content;
use crate::digest::md5_of_all;
use crate::display::counted;
use crate::error::{Error, OrFailed, Reason, Result};
use crate::etag;
use crate::join::{Join, Pair, Side};
use crate::name::Name;
use crate::parallel::lock;
use crate::record::{Kind, Record};
use crate::scan::objects;
use crate::storage::{Attributes, Body, Location, Put, Store, check_key};
use std::io::{self, ErrorKind};
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The number of objects that one call deletes.
const BATCH: usize = 1000;

/// A root in another storage as the target of a restore.
pub struct ObjectRoot {
    store: Arc<dyn Store>,
    job: Job,
    /// The prefixes of keys that are never deleted, those of the heap root and the snap root.
    kept: Vec<Vec<u8>>,
    /// The names of objects without a record.
    extras: Mutex<Vec<Name>>,
    /// The number of records of folders. An object storage has no folders.
    folders: AtomicU64,
}

impl ObjectRoot {
    pub fn new(store: Arc<dyn Store>, job: Job) -> ObjectRoot {
        let root = Location::Remote(store.clone());
        let prefix = |name: Vec<u8>| if name.is_empty() { name } else { [&name[..], b"/"].concat() };
        let kept = job.options.keep.iter().filter_map(|other| root.name_of(other)).map(prefix).collect();
        ObjectRoot { store, job, kept, extras: Mutex::default(), folders: AtomicU64::new(0) }
    }

    /// Returns the records and the existing objects, paired by name.
    fn pairs(&self, input: &Input) -> Result<impl Iterator<Item = Result<Pair>> + Send + use<>> {
        Ok(Join::new(input.spool.read(), objects::present(&self.store, self.job.monitor.clone())?))
    }

    /// Returns the step of a record; None for an object without a record.
    fn step(&self, pair: Pair) -> Option<Step<Option<Record>>> {
        let (record, there) = match pair {
            Pair::Aside(Side::Left, record) if record.kind() == Kind::End => return None,
            // An error record in the listing is not an object, so it has no pair.
            Pair::Aside(Side::Right, _) | Pair::Right(_) => return None,
            Pair::Aside(Side::Left, record) | Pair::Left(record) => (record, None),
            Pair::Both(record, there) => (record, Some(there)),
        };
        let record = match Step::restores(chosen(record, self.job.options.side)) {
            ControlFlow::Continue(record) => record,
            ControlFlow::Break(step) => return Some(step),
        };
        Some(match (record.kind(), decide::check(&record)) {
            (Kind::Link, _) => Step::failed(record, "the storage has no links"),
            (_, Err(reason)) => Step::failed(record, reason),
            (Kind::Directory, _) => {
                self.folders.fetch_add(1, Ordering::Relaxed);
                // The records of the state after the restore do not contain folders.
                return (!self.job.options.report).then_some(Step::Pass(record));
            }
            _ => Step::Task(Task { record, place: there, first: None }),
        })
    }

    /// Returns the name of an object that has to be deleted; None if the object stays.
    fn extra<'a>(&self, pair: &'a Pair) -> Option<&'a Name> {
        let there = match pair {
            Pair::Right(there) if !self.job.is_rows => there,
            Pair::Both(row, there)
                if self.job.is_rows && matches!(chosen(row.clone(), self.job.options.side), Chosen::Nothing(_)) =>
            {
                there
            }
            _ => return None,
        };
        let name = there.name();
        let spared = &self.job.spared;
        let kept = self.kept.iter().any(|prefix| name.as_bytes().starts_with(prefix)) || spared.spares(name, false);
        (self.job.options.delete && spared.deletes("file") && !kept).then_some(name)
    }

    /// Returns the error for one record, or a fatal error if the storage refuses all changes.
    fn trouble(&self, record: &Record, e: io::Error) -> Trouble {
        match e.kind() {
            ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem => {
                Trouble::Fatal(Error::io(format!("write {}/{}", self.store.url(), record.name().printable()), e))
            }
            _ => Trouble::Failed(e.into()),
        }
    }

    /// Returns the current record of an object, with the known digests of its content, if the options ask for it.
    fn report(&self, record: &Record, now: impl FnOnce() -> io::Result<Record>) -> io::Result<Option<Box<Record>>> {
        if self.job.options.report { Ok(Some(Box::new(inherit(&now()?, record, None)))) } else { Ok(None) }
    }

    fn put(&self, record: &Record, content: Content) -> io::Result<Option<Box<Record>>> {
        let (key, fields) = (record.name().as_bytes(), record.fields());
        let how = Put { if_absent: false, md5: fields.md5, size: fields.size, attributes: attributes(record) };
        match content {
            Content::Whole(bytes) => self.store.put(key, Body::Bytes(bytes), &how)?,
            Content::Stream(mut content) => self.store.put(key, Body::Stream(&mut content), &how)?,
        };
        self.report(record, || {
            let now = self.store.stat(key)?.ok_or_else(|| io::Error::other("it was deleted at once"))?;
            Ok(objects::record(&now))
        })
    }
}

impl Target for ObjectRoot {
    const WINDOW: usize = 4;
    /// The object that the listing has for the name.
    type Place = Option<Record>;

    fn job(&self) -> &Job {
        &self.job
    }

    fn extent(&self, input: &Input) -> Result<Extent> {
        let mut extent = Extent::default();
        for pair in self.pairs(input)? {
            let pair = pair?;
            extent.there += u64::from(matches!(pair, Pair::Right(_) | Pair::Both(..)));
            extent.shared += u64::from(matches!(pair, Pair::Both(..)));
            extent.deleted += u64::from(self.extra(&pair).is_some());
        }
        Ok(extent)
    }

    fn steps(self: Arc<ObjectRoot>, input: &Input) -> Result<Steps<Option<Record>>> {
        let pairs = self.pairs(input)?;
        let step = move |pair: Pair| {
            if let Some(extra) = self.extra(&pair) {
                lock(&self.extras).push(extra.clone());
            }
            self.step(pair)
        };
        Ok(Box::new(pairs.filter_map(move |pair| pair.map(&step).transpose())))
    }

    fn place(&self, _: &Record) -> Result<Option<Record>, Trouble> {
        Ok(None)
    }

    fn look(&self, task: &Task<Option<Record>>) -> Result<There, Trouble> {
        check_key(task.record.name().as_bytes()).map_err(|e| self.trouble(&task.record, e))?;
        let Some(there) = &task.place else { return Ok(There::default()) };
        let now = there.fields();
        let seen = Seen { size: now.size, time: None, etag: now.etag.clone(), md5: now.md5, read: None };
        Ok(There { what: What::File(seen), ..There::default() })
    }

    fn read(&self, task: &Task<Option<Record>>, there: &There) -> Result<Read, Trouble> {
        let etag = if let What::File(seen) = &there.what { seen.etag.as_deref() } else { None };
        let key = task.record.name().as_bytes();
        // A storage can return another etag with the content than in its listing. Then the object is read without a condition;
        // its whole content is compared anyway.
        let opened = self.store.open(key, 0, None, etag).or_else(|e| match etag::is_changed(&e) {
            true => self.store.open(key, 0, None, None),
            false => Err(e),
        });
        let md5 = opened.and_then(|mut reader| md5_of_all(&mut reader));
        md5.map(Read::Is).map_err(|e| self.trouble(&task.record, e))
    }

    fn apply(&self, task: &Task<Option<Record>>, _: &There, action: Action) -> Result<Made, Trouble> {
        let record = &task.record;
        let now = match (action, &task.place) {
            (Action::Keep, Some(there)) => self.report(record, || Ok(there.clone())),
            _ => self.put(record, self.job.content(record)?),
        };
        Ok(Made { now: now.map_err(|e| self.trouble(record, e))?, ..Made::only(action) })
    }

    fn delete(&self, _: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()> {
        let extras = std::mem::take(&mut *lock(&self.extras));
        for batch in extras.chunks(BATCH) {
            let keys: Vec<Vec<u8>> = batch.iter().map(|name| name.as_bytes().to_vec()).collect();
            let results = match self.job.options.dry_run {
                true => keys.iter().map(|_| Ok(())).collect(),
                false => self.store.delete(&keys),
            };
            for (name, result) in batch.iter().zip(results) {
                let result = result.or_reason(NOT_DELETED);
                report(Deleted { action: Action::Delete, name: name.clone(), kind: "file", result });
            }
        }
        Ok(())
    }

    fn conclude(&self) -> Result<(), Reason> {
        let folders = self.folders.load(Ordering::Relaxed);
        if folders > 0 {
            let folders = counted(folders, "folder");
            self.job.monitor.note(&format!("{folders} not made: the storage knows folders by what is in them"));
        }
        Ok(())
    }
}

/// Returns the attributes of the object from its record, in the format of the Python tool's records for Azure.
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
    // These keys would make the object a folder marker.
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
