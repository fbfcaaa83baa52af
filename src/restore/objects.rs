//! A place in another storage to restore to: the records side by side with what is there, in order; files are put where they are
//! missing or differ. It has no links, and knows folders by what is in them.

use super::decide::{self, Action, Read, Seen, There, What};
use super::file;
use super::input::{Chosen, Input, chosen};
use super::options::Options;
use super::permit::{Extent, Spared};
use super::target::{Deleted, Made, Step, Steps, Target, Task, Trouble, Worker};
use crate::base::take_over;
use crate::content::{Content, Contents};
use crate::display::counted;
use crate::error::{Error, Result, reason};
use crate::etag;
use crate::join::{Join, Pair, Side};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::scan::objects;
use crate::storage::{Attributes, Body, Location, Put, Store, check_key};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Objects that are deleted with one call.
const BATCH: usize = 1000;

/// A root in another storage that is restored to.
pub struct ObjectRoot {
    store: Arc<dyn Store>,
    options: Arc<Options>,
    monitor: Arc<dyn Monitor>,
    is_rows: bool,
    /// Files are to be deleted.
    deletes: bool,
    /// The prefixes of keys that are never deleted: of the heap root and the snap root.
    kept: Vec<Vec<u8>>,
    spared: Spared,
    /// Objects that no record speaks of, found on the way.
    extras: Arc<Mutex<Vec<Name>>>,
    /// Folders that are none here.
    folders: AtomicU64,
}

impl ObjectRoot {
    pub fn new(
        store: Arc<dyn Store>,
        input: &Input,
        spared: Spared,
        options: Arc<Options>,
        monitor: Arc<dyn Monitor>,
    ) -> ObjectRoot {
        let types = input.end.as_ref().and_then(|end| end.types.as_ref());
        let deletes = options.delete && types.is_none_or(|types| types.iter().any(|t| t == "file"));
        let root = Location::Remote(store.clone());
        let prefix = |name: Vec<u8>| if name.is_empty() { name } else { [&name[..], b"/"].concat() };
        let kept = options.keep.iter().filter_map(|other| root.name_of(other)).map(prefix).collect();
        let (extras, folders) = (Arc::default(), AtomicU64::new(0));
        ObjectRoot { store, options, monitor, is_rows: input.is_rows, deletes, kept, spared, extras, folders }
    }

    /// The records and what is there, name by name.
    fn pairs(&self, input: &Input) -> Result<impl Iterator<Item = Result<Pair>> + Send + use<>> {
        Ok(Join::new(input.spool.read(), objects::present(&self.store, self.monitor.clone())?))
    }

    /// The step of a record; none for what is there without one.
    fn step(&self, pair: Result<Pair>) -> Option<Step<Option<Record>>> {
        let (record, there) = match pair {
            Err(e) => return Some(Step::Fatal(e)),
            Ok(Pair::Aside(Side::Left, record)) if record.kind() == Kind::End => return None,
            Ok(Pair::Aside(Side::Left, record)) => return Some(Step::Pass(record)),
            // What can't be listed has no name that a record could have.
            Ok(Pair::Aside(Side::Right, _) | Pair::Right(_)) => return None,
            Ok(Pair::Left(record)) => (record, None),
            Ok(Pair::Both(record, there)) => (record, Some(there)),
        };
        Some(match chosen(record, self.options.side) {
            Chosen::Nothing(_) => Step::Extra,
            Chosen::Bad(row, reason) => Step::failed(row, reason),
            Chosen::Record(record) => match (record.kind(), decide::check(&record)) {
                (Kind::Link, _) => Step::failed(record, "the storage has no links".to_string()),
                (_, Err(reason)) => Step::failed(record, reason),
                (Kind::Directory, _) => {
                    self.folders.fetch_add(1, Ordering::Relaxed);
                    // Where the state after is asked for, there is no folder in it.
                    return (!self.options.report).then_some(Step::Pass(record));
                }
                _ => Step::Task(Task { record, place: there, first: None }),
            },
        })
    }

    /// The name of an object that is to be deleted.
    fn extra<'a>(&self, pair: &'a Pair) -> Option<&'a Name> {
        let there = match pair {
            Pair::Right(there) if !self.is_rows => there,
            Pair::Both(row, there) if self.is_rows && matches!(chosen(row.clone(), self.options.side), Chosen::Nothing(_)) => {
                there
            }
            _ => return None,
        };
        let name = there.name();
        let kept = self.kept.iter().any(|prefix| name.as_bytes().starts_with(prefix)) || self.spared.spares(name, false);
        (self.deletes && !kept).then_some(name)
    }

    /// Nothing more can be done where the storage refuses.
    fn trouble(&self, record: &Record, e: io::Error) -> Trouble {
        match e.kind() {
            ErrorKind::PermissionDenied | ErrorKind::NotFound | ErrorKind::ReadOnlyFilesystem => {
                Trouble::Fatal(Error::io(format!("write {}/{}", self.store.url(), record.name().printable()), e))
            }
            _ => Trouble::Failed(reason(&e)),
        }
    }

    /// The record of an object as it is now, with what is known of its content.
    fn report(&self, record: &Record, now: impl FnOnce() -> io::Result<Record>) -> io::Result<Option<Box<Record>>> {
        if self.options.report { Ok(Some(Box::new(take_over(&now()?, record, None)))) } else { Ok(None) }
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
    /// What the listing says is there.
    type Place = Option<Record>;

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

    fn steps(worker: Arc<Worker<ObjectRoot>>, input: &Input) -> Result<Steps<Option<Record>>> {
        let pairs = worker.target.pairs(input)?;
        Ok(Box::new(pairs.filter_map(move |pair| {
            let root = &worker.target;
            if let Some(extra) = pair.as_ref().ok().and_then(|pair| root.extra(pair)) {
                root.extras.lock().unwrap_or_else(PoisonError::into_inner).push(extra.clone());
            }
            root.step(pair)
        })))
    }

    fn place(&self, _: &Record) -> Result<Option<Record>, Trouble> {
        Ok(None)
    }

    fn look(&self, task: &Task<Option<Record>>) -> Result<There, Trouble> {
        check_key(task.record.name().as_bytes()).map_err(|e| self.trouble(&task.record, e))?;
        let Some(there) = &task.place else { return Ok(There::nothing()) };
        let now = there.fields();
        let seen = Seen { size: now.size, time: None, etag: now.etag.clone(), md5: now.md5, read: None };
        Ok(There { what: What::File(seen), ..There::nothing() })
    }

    fn read(&self, task: &Task<Option<Record>>, there: &There) -> Result<Read, Trouble> {
        let etag = if let What::File(seen) = &there.what { seen.etag.as_deref() } else { None };
        let key = task.record.name().as_bytes();
        // With its content a storage may tell another etag than in a listing. What is read is compared whole all the same.
        let opened = self.store.open(key, 0, None, etag).or_else(|e| match etag::is_changed(&e) {
            true => self.store.open(key, 0, None, None),
            false => Err(e),
        });
        let md5 = opened.and_then(|mut reader| file::md5_of(&mut reader));
        md5.map(Read::Is).map_err(|e| self.trouble(&task.record, e))
    }

    fn apply(&self, task: &Task<Option<Record>>, _: &There, action: Action, contents: &dyn Contents) -> Result<Made, Trouble> {
        let record = &task.record;
        let now = match (action, &task.place) {
            (Action::Keep, Some(there)) => self.report(record, || Ok(there.clone())),
            _ => self.put(record, contents.content(record)?),
        };
        Ok(Made { now: now.map_err(|e| self.trouble(record, e))?, ..Made::only(action) })
    }

    fn delete(&self, _: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()> {
        let extras = std::mem::take(&mut *self.extras.lock().unwrap_or_else(PoisonError::into_inner));
        for batch in extras.chunks(BATCH) {
            let keys: Vec<Vec<u8>> = batch.iter().map(|name| name.as_bytes().to_vec()).collect();
            let results = match self.options.dry_run {
                true => keys.iter().map(|_| Ok(())).collect(),
                false => self.store.delete(&keys),
            };
            for (name, result) in batch.iter().zip(results) {
                let result = result.map_err(|e| format!("can't be deleted: {}", reason(&e)));
                report(Deleted { action: Action::Delete, name: name.clone(), kind: "file", result });
            }
        }
        Ok(())
    }

    fn conclude(&self) -> Result<(), String> {
        let folders = self.folders.load(Ordering::Relaxed);
        if folders > 0 {
            let folders = counted(folders, "folder");
            self.monitor.note(&format!("{folders} not made: the storage knows folders by what is in them"));
        }
        Ok(())
    }
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
