//! A root in another storage as the target of a restore. The records are compared with the existing objects, in order. Files that
//! are missing or differ are uploaded. Only SFTP has links. A folder is made with the first file in it.

use super::decide::{self, Action, Read, Seen, There, What};
use super::input::{Chosen, Input, chosen};
use super::job::Job;
use super::permit::Extent;

use super::target::{Deleted, Made, NOT_DELETED, Step, Steps, Target, Task, Trouble};
use crate::base::inherit;
use crate::content::Content;
use crate::digest::md5_of_all;
use crate::display::{counted, many};
use crate::error::{Error, OrFailed, Reason, Result};
use crate::etag;
use crate::join::{Join, Pair, Side};
use crate::name::Name;
use crate::parallel::lock;
use crate::record::{Kind, Record};
use crate::scan::objects;
use crate::storage::attributes::{self, Attributes};
use crate::storage::links::{Folders, below};
use crate::storage::{Body, Location, Put, Store, check_key};
use std::collections::BTreeSet;
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
    /// The names of objects without a record, and their types.
    extras: Mutex<Vec<(Name, &'static str)>>,
    /// The folders that are known to be no links.
    open: Folders,
    /// The links among the records so far that can have later names below them.
    links: Mutex<Vec<Name>>,
    /// The number of records of folders. An object storage has no folders.
    folders: AtomicU64,
    /// The attributes that the storage did not keep.
    lost: Mutex<Lost>,
}

/// Attributes of records that a storage does not keep.
#[derive(Default)]
struct Lost {
    /// Their names.
    names: BTreeSet<&'static str>,
    /// The number of objects that lack some of them.
    objects: u64,
}

impl Lost {
    fn add(&mut self, names: BTreeSet<&'static str>) {
        self.names.extend(names);
        self.objects += 1;
    }
}

impl ObjectRoot {
    pub fn new(store: Arc<dyn Store>, job: Job) -> ObjectRoot {
        let root = Location::Remote(store.clone());
        let prefix = |name: Vec<u8>| if name.is_empty() { name } else { [&name[..], b"/"].concat() };
        let kept = job.options.keep.iter().filter_map(|other| root.name_of(other)).map(prefix).collect();
        ObjectRoot {
            store,
            job,
            kept,
            extras: Mutex::default(),
            open: Folders::default(),
            links: Mutex::default(),
            folders: AtomicU64::new(0),
            lost: Mutex::default(),
        }
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
            (Kind::Link, _) if !self.store.has_links() => Step::failed(record, "the storage has no links"),
            (_, Err(reason)) => Step::failed(record, reason),
            _ if let Some(link) = self.link_above(&record) => Step::failed(record, below(link.as_bytes())),
            (Kind::Directory, _) => {
                self.folders.fetch_add(1, Ordering::Relaxed);
                // The records of the state after the restore do not contain folders.
                return (!self.job.options.report).then_some(Step::Pass(record));
            }
            _ => Step::Task(Task { record, place: there, first: None }),
        })
    }

    /// Returns the link among the earlier records that this name is below.
    fn link_above(&self, record: &Record) -> Option<Name> {
        let (mut links, name) = (lock(&self.links), record.name());
        // All names below a link follow each other, and begin as those between them and the link.
        links.retain(|link| name.as_bytes().starts_with(link.as_bytes()));
        let above = links.iter().find(|link| link.is_above(name)).cloned();
        if record.kind() == Kind::Link {
            links.push(name.clone());
        }
        above
    }

    /// Returns the object that has to be deleted; None if the object stays.
    fn extra<'a>(&self, pair: &'a Pair) -> Option<&'a Record> {
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
        (self.job.options.delete && spared.deletes(word(there)) && !kept).then_some(there)
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

    /// Checks whether an object has other attributes than those of its record that the storage keeps. If the listing does not
    /// have them, the storage is asked, unless it is still the version of the record.
    fn attributes_differ(&self, record: &Record, there: &Record) -> io::Result<bool> {
        // An object of another size is replaced anyway, and a file of a folder has no attributes.
        let is_asked = there.fields().size == record.fields().size && !record.raws(&["content_settings", "metadata"]).is_empty();
        let wanted = Attributes::of(record);
        let kept = self.store.keeps(&wanted);
        if !is_asked || kept == Attributes::default() && wanted != kept {
            return Ok(false);
        }
        if self.store.lists_attributes() {
            return Ok(attributes::differ(&kept, record, there));
        }
        let (old, new) = (record.fields(), there.fields());
        let is_version = old.etag.is_some() && old.etag == new.etag && old.modified.is_some() && old.modified == new.modified;
        if is_version {
            return Ok(false);
        }
        let now = self.store.stat(record.name().as_bytes())?;
        Ok(now.is_some_and(|now| attributes::differ(&kept, record, &objects::record(&now))))
    }

    fn put_link(&self, record: &Record) -> io::Result<Option<Box<Record>>> {
        let key = record.name().as_bytes();
        self.store.put_link(key, record.fields().destination.as_deref().unwrap_or_default())?;
        self.report(record, || {
            let now = self.store.entry(key)?.ok_or_else(|| io::Error::other("it was deleted at once"))?;
            Ok(objects::record(&now))
        })
    }

    fn put(&self, record: &Record, content: Content) -> io::Result<Option<Box<Record>>> {
        let (key, fields) = (record.name().as_bytes(), record.fields());
        let wanted = Attributes::of(record);
        let attributes = self.store.keeps(&wanted);
        let lost = attributes::lost(&wanted, &attributes);
        let how = Put { if_absent: false, md5: fields.md5, size: fields.size, attributes, ..Put::default() };
        match content {
            Content::Whole(bytes) => self.store.put(key, Body::Bytes(bytes), &how)?,
            Content::Stream(mut content) => self.store.put(key, Body::Stream(&mut content), &how)?,
        };
        if !lost.is_empty() {
            lock(&self.lost).add(lost);
        }
        self.report(record, || {
            let now = self.store.stat(key)?.ok_or_else(|| io::Error::other("it was deleted at once"))?;
            Ok(objects::record(&now))
        })
    }
}

/// Returns the type of an object, for reports.
fn word(there: &Record) -> &'static str {
    there.kind().word().unwrap_or("file")
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
                lock(&self.extras).push((extra.name().clone(), word(extra)));
            }
            self.step(pair)
        };
        Ok(Box::new(pairs.filter_map(move |pair| pair.map(&step).transpose())))
    }

    fn place(&self, _: &Record) -> Result<Option<Record>, Trouble> {
        Ok(None)
    }

    fn look(&self, task: &Task<Option<Record>>) -> Result<There, Trouble> {
        let key = task.record.name().as_bytes();
        check_key(key).and_then(|_| self.open.check(&*self.store, key)).map_err(|e| self.trouble(&task.record, e))?;
        let Some(there) = &task.place else { return Ok(There::default()) };
        let now = there.fields();
        if let Some(target) = now.destination.clone().filter(|_| there.kind() == Kind::Link) {
            return Ok(There { what: What::Link(target), ..There::default() });
        }
        let seen = Seen { size: now.size, time: None, etag: now.etag.clone(), md5: now.md5, read: None };
        let attributes_differ = self.attributes_differ(&task.record, there).map_err(|e| self.trouble(&task.record, e))?;
        Ok(There { what: What::File(seen), attributes_differ, ..There::default() })
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
            _ if record.kind() == Kind::Link => self.put_link(record),
            _ => self.put(record, self.job.content(record)?),
        };
        Ok(Made { now: now.map_err(|e| self.trouble(record, e))?, ..Made::only(action) })
    }

    fn delete(&self, _: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()> {
        let extras = std::mem::take(&mut *lock(&self.extras));
        for batch in extras.chunks(BATCH) {
            let keys: Vec<Vec<u8>> = batch.iter().map(|(name, _)| name.as_bytes().to_vec()).collect();
            let results = match self.job.options.dry_run {
                true => keys.iter().map(|_| Ok(())).collect(),
                false => self.store.delete(&keys),
            };
            for ((name, kind), result) in batch.iter().zip(results) {
                let result = result.or_reason(NOT_DELETED);
                report(Deleted { action: Action::Delete, name: name.clone(), kind, result });
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
        let Lost { names, objects } = std::mem::take(&mut *lock(&self.lost));
        if objects > 0 {
            let names: Vec<_> = names.into_iter().collect();
            let of = many(objects, "object");
            self.job.monitor.note(&format!("the storage does not keep all attributes of {of}: {}", names.join(", ")));
        }
        Ok(())
    }
}
