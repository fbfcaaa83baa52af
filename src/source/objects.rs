//! A root in another storage as a source. Every object is a file; only SFTP has links, too.

use super::order::in_order;
use super::selection::{Selection, Unlisted};
use super::versions::Current;
use super::{Content, Opened, Settled, Source, Version, Versions};
use crate::error::{Error, OrFailed, Refusal, Result, reason};
use crate::etag;
use crate::heap::Stored;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel;
use crate::record::{Kind, Record, key};
use crate::sort;
use crate::storage::attributes::{Keys, Texts};
use crate::storage::links::Folders;
use crate::storage::{Entry, Gap, Get, Got, Location, LoginRefused, Object, ObjectVersion, Store, has_no_folders};
use crate::stream::Records;
use crate::time::Time;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

/// How many objects can wait to be processed while the next page is fetched.
const AHEAD: usize = 10_000;

/// Returns the record of an object with everything that the storage says about it; the keys are in order.
pub fn record(object: &Object) -> Record {
    let name = Name::new(&object.key[..]);
    if let Entry::Link(target) = &object.entry {
        let mut edit = Record::build(name, Kind::Link);
        edit.set_destination(target.clone());
        return edit.set(key::ISLINK, true).set(key::MODIFIED, object.modified).finish();
    }
    let mut edit = Record::build(name.clone(), Kind::File);
    object.more.iter().for_each(|(key, json)| _ = edit.set_json(key, json));
    edit.set(key::SIZE, object.size)
        .set(key::ETAG, object.etag.clone())
        .set(key::MD5, object.md5)
        .set(key::MODIFIED, object.modified);
    // The JSON from the storage can be invalid. Then the record says that.
    Record::parse(edit.finish().text()).unwrap_or_else(|e| Record::failure(&name, &e.reason))
}

/// Returns the record of a version: that of the object with `version_id`, and `is_latest` for the current one. A deletion is a
/// record of type `gone`.
fn version_record(version: &ObjectVersion) -> Record {
    let mut edit = match version.is_deletion {
        true => {
            let mut edit = Record::build(Name::new(&version.object.key[..]), Kind::Gone);
            edit.set(key::MODIFIED, version.created);
            edit.finish()
        }
        false => record(&version.object),
    };
    if let Some(id) = &version.id {
        edit = edit.edit().set(key::VERSION_ID, id.clone()).finish();
    }
    if version.is_latest && !version.is_deletion { edit.edit().set_json("is_latest", "true").finish() } else { edit }
}

/// A root in another storage.
pub(super) struct ObjectSource {
    store: Arc<dyn Store>,
    location: Location,
    folders: Folders,
}

impl ObjectSource {
    pub(super) fn new(store: &Arc<dyn Store>) -> ObjectSource {
        ObjectSource { store: store.clone(), location: Location::Remote(store.clone()), folders: Folders::default() }
    }

    /// Returns the current object with the name of a record.
    fn now(&self, record: &Record) -> io::Result<Object> {
        self.store.entry(record.name().as_bytes())?.ok_or_else(|| ErrorKind::NotFound.into())
    }

    /// Lists versions, in order of name.
    fn list_versions(&self, versions: Versions, selection: Arc<Selection>, what: String) -> Result<Records> {
        let monitor = selection.monitor.clone();
        let listed = listed(&self.store, |store| store.versions().unwrap_or_else(|e| Box::new(std::iter::once(Err(e)))));
        let mut listed = listed.peekable();
        if let Some(Err(e)) = listed.next_if(Result::is_err) {
            return Err(Error::io(what, e));
        }
        let listed: Box<dyn Iterator<Item = io::Result<ObjectVersion>> + Send> = match versions {
            Versions::At(time) => Box::new(Current::new(listed, time, monitor.clone())),
            Versions::All => Box::new(listed),
        };
        let records = listed.filter_map(move |version| match version {
            Ok(version) => wanted(&version.object, &selection, || version_record(&version)).map(Ok),
            Err(e) => Some(Err(Error::io(what.clone(), e))),
        });
        Ok(match versions {
            _ if self.store.lists_in_order() => Box::new(records),
            Versions::At(_) => sort::ordered(Box::new(records), monitor)?,
            Versions::All => sort::Spool::with_doubles(records, sort::BUDGET)?.read(),
        })
    }

    /// Returns the opened content of an object. `looked` is the state of the object before it was opened; it has to be the same
    /// after the content was read.
    fn opened(&self, record: &Record, got: Got, looked: Option<Object>) -> Opened {
        let fields = record.fields();
        let version = Version { size: fields.size, modified: fields.modified, changed: None, etag: fields.etag.clone() };
        // One byte more than the recorded size shows that the object changed.
        let content = got.content.take(fields.size.unwrap_or(u64::MAX).saturating_add(1));
        let content = Box::new(ObjectContent { content, size: fields.size, store: self.store.clone(), looked });
        Opened { record: None, version, more: got.more, content }
    }
}

impl Source for ObjectSource {
    fn location(&self) -> &Location {
        &self.location
    }

    fn list(self: Arc<Self>, selection: Arc<Selection>) -> Result<Records> {
        let what = format!("file root {}", self.store.url());
        if let Some(versions) = selection.options.versions {
            return self.list_versions(versions, selection, what);
        }
        let part = selection.options.part.clone();
        let mut objects = listed(&self.store, move |store| store.entries_of(part.as_ref())).peekable();
        match objects.peek() {
            Some(Err(e)) if e.kind() == ErrorKind::Unsupported => {
                return Err(Error::rule(Refusal::NoListing, format!("{what}: {}", reason(e))));
            }
            Some(Err(e)) if Gap::of(e).is_none() => {
                let first: Option<io::Result<Object>> = objects.next();
                first.transpose().or_failed(|| what.clone())?;
            }
            None if has_no_folders(self.store.url()) && selection.options.part.is_none() => {
                return Err(Error::advise(
                    format!("{what}: nothing is there"),
                    "a storage without folders knows a folder by what is in it: is the name right?",
                ));
            }
            Some(_) | None => {}
        }
        let failed = selection.clone();
        let records: Records = Box::new(objects.filter_map(move |object| match object {
            Ok(object) => wanted(&object, &selection, || record(&object)).map(Ok),
            Err(e) => match Gap::of(&e) {
                Some(gap) => missing(gap, &selection).map(Ok),
                None => Some(Err(Error::io(what.clone(), e))),
            },
        }));
        in_order(&*self.store, records, move |name, reason| failed.failure(name, reason))
    }

    fn look(&self, name: Name, selection: &Selection) -> Result<Option<Record>> {
        if selection.keeps_out_below(name.as_bytes(), false) {
            return Ok(None);
        }
        let failure = |reason: &str| Ok(Some(selection.failure(&name, &format!("look at it: {reason}"))));
        let found = self.folders.link_above(&*self.store, name.as_bytes()).and_then(|link| match link {
            Some(_) => Ok(None),
            None => self.store.entry(name.as_bytes()),
        });
        match found {
            Ok(Some(object)) => Ok(is_wanted(&object, selection).then(|| record(&object))),
            Ok(None) => Ok(Some(selection.absent(&name, "look at it: no such object"))),
            Err(e) if LoginRefused::is(&e) => Err(Error::io("file root", e)),
            Err(e) => failure(&reason(&e)),
        }
    }

    /// With a size, and an etag or a time, a later backup can tell whether the object has changed.
    fn is_complete(&self, record: &Record) -> bool {
        let fields = record.fields();
        fields.size.is_some() && (fields.etag.is_some() || fields.modified.is_some())
    }

    fn jobs(&self) -> usize {
        self.store.jobs()
    }

    fn open(&self, record: &Record) -> io::Result<Opened> {
        let (key, fields) = (record.name().as_bytes(), record.fields());
        let version = version_id(record);
        let get = Get { etag: fields.etag.as_deref(), version: version.as_deref(), ..Get::default() };
        self.folders.check_file(&*self.store, key)?;
        match self.store.get(key, &get) {
            Ok(got) => Ok(self.opened(record, got, None)),
            // A storage can return another etag with the content than in its listing. Then the content is read between two
            // metadata requests, whose answers have to be equal. The record keeps the etag of the listing, because the next
            // listing is compared with it.
            Err(e) if etag::is_changed(&e) && version.is_none() => {
                let now = self.now(record)?;
                let is_listed = |times: (Time, Time)| fields.size == Some(now.size) && same_time(times.0, times.1);
                match fields.modified.zip(now.modified).is_some_and(is_listed) {
                    true => Ok(self.opened(record, self.store.get(key, &Get::default())?, Some(now))),
                    false => Err(e),
                }
            }
            Err(e) => Err(e),
        }
    }

    fn describe(&self, record: &Record) -> io::Result<Option<Keys>> {
        match self.store.lists_attributes() || record.raw("content_settings").is_some() {
            true => Ok(None),
            false => match version_id(record) {
                None => Ok(Some(self.now(record)?.more)),
                // A byte of the version comes with its attributes; an empty version has none to ask for.
                Some(id) => {
                    let len = record.fields().size.filter(|size| *size > 0).map(|_| 1);
                    let get = Get { len, version: Some(&id), ..Get::default() };
                    Ok(Some(self.store.get(record.name().as_bytes(), &get)?.more))
                }
            },
        }
    }

    fn has_tags(&self) -> bool {
        self.store.has_tags()
    }

    fn tags(&self, record: &Record) -> io::Result<Texts> {
        self.store.tags(record.name().as_bytes(), version_id(record).as_deref())
    }

    fn newer(&self, record: &Record) -> io::Result<Option<Record>> {
        // A version never changes.
        if version_id(record).is_some() {
            return Ok(None);
        }
        let (fields, now) = (record.fields(), self.now(record)?);
        if now.entry != Entry::File {
            return Ok(None);
        }
        let etags = match (&fields.etag, &now.etag) {
            (Some(old), Some(new)) => etag::same(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        let times = fields.modified.zip(now.modified);
        let same =
            etags && fields.size.is_none_or(|size| size == now.size) && times.is_none_or(|(listed, now)| same_time(listed, now));
        Ok((!same).then(|| self::record(&now)))
    }
}

/// Returns the id of the version that a record is of.
fn version_id(record: &Record) -> Option<String> {
    record.string("version_id")
}

/// Checks whether two times are the same. A listing can have more exact times than an answer whose headers have whole seconds.
fn same_time(a: Time, b: Time) -> bool {
    a.sec == b.sec && (a.nsec == b.nsec || a.nsec == 0 || b.nsec == 0)
}

/// Checks whether the kind of an entry is wanted, and notes one that has no record.
fn is_wanted(object: &Object, selection: &Selection) -> bool {
    let (kind, unlisted) = match object.entry {
        Entry::File => return selection.wants(Kind::File),
        Entry::Link(_) => (Some(Kind::Link), Unlisted::Link),
        Entry::Fifo => (None, Unlisted::Fifo),
        Entry::Socket => (None, Unlisted::Socket),
        Entry::Device => (None, Unlisted::Device),
    };
    let is_wanted = kind.is_some_and(|kind| selection.wants(kind));
    if !is_wanted {
        selection.note_unlisted(unlisted);
    }
    is_wanted
}

/// Returns the record of an object; None if the selection does not want it.
fn wanted(object: &Object, selection: &Selection, record: impl FnOnce() -> Record) -> Option<Record> {
    let key = &object.key[..];
    if !selection.has(key) {
        return None;
    }
    let is_selected = match object.entry {
        Entry::File => selection.selects(key, Kind::File),
        _ => !selection.keeps_out_below(key, false) && selection.passes(key) && is_wanted(object, selection),
    };
    if !is_selected {
        return None;
    }
    let name = Name::new(key);
    match name.check() {
        Ok(()) => Some(record()),
        Err(reason) => Some(selection.failure(&name, reason)),
    }
}

/// Returns the error record of an object or a folder that can't be listed; None if it is left out. The contents of such a folder
/// are unknown.
fn missing(gap: &Gap, selection: &Selection) -> Option<Record> {
    let key = &gap.key[..];
    if !selection.has(key) {
        return None;
    }
    if selection.keeps_out_below(key, true) || !(gap.is_folder || selection.wants(Kind::File)) {
        return None;
    }
    // A folder can contain something that an include names.
    if selection.rules().excludes_whole(key, gap.is_folder) || !gap.is_folder && selection.rules().leaves_out(key, false) {
        selection.note_filtered();
        return None;
    }
    Some(selection.failure(&Name::new(key), &gap.reason))
}

/// Returns what a listing of a store has. The next page is fetched while the caller works on this one.
fn listed<T: Send + 'static>(
    store: &Arc<dyn Store>,
    list: impl FnOnce(&dyn Store) -> Box<dyn Iterator<Item = io::Result<T>> + Send + '_> + Send + 'static,
) -> impl Iterator<Item = io::Result<T>> + Send + 'static {
    let lister = store.clone();
    let listed = parallel::produced(AHEAD, move |sender| {
        for object in list(&*lister) {
            if sender.send(object).is_err() {
                return;
            }
        }
    });
    let (objects, failed) = match listed {
        Ok(objects) => (Some(objects), None),
        Err(e) => (None, Some(Err(e))),
    };
    objects.into_iter().flatten().chain(failed)
}

/// Returns the records of the existing files and links, in order. A root that does not exist has none. An object or a folder that can't
/// be listed becomes an error record, with a warning that it is left alone.
pub fn present(store: &Arc<dyn Store>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let what = format!("list {}", store.url());
    let warner = monitor.clone();
    let is_there = |object: &io::Result<Object>| match object {
        Ok(object) => matches!(object.entry, Entry::File | Entry::Link(_)),
        Err(e) => e.kind() != io::ErrorKind::NotFound,
    };
    let records = listed(store, |store| store.entries()).filter(is_there).map(move |object| match object {
        Ok(object) => Ok(record(&object)),
        Err(e) => match Gap::of(&e) {
            Some(gap) => {
                warner.warn(&format!("left alone: {gap}"));
                Ok(Record::failure(&Name::new(&gap.key[..]), &gap.reason))
            }
            None => Err(Error::io(what.clone(), e)),
        },
    });
    in_order(&**store, Box::new(records), move |name, reason| {
        monitor.warn(&format!("left alone: {}: {reason}", name.printable()));
        Record::failure(name, reason)
    })
}

/// The content of an object, while it is read.
struct ObjectContent {
    content: io::Take<Box<dyn Read + Send>>,
    size: Option<u64>,
    store: Arc<dyn Store>,
    /// The object as it was before it was opened, if its etag does not identify the content.
    looked: Option<Object>,
}

impl Read for ObjectContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.content.read(buffer)
    }
}

impl Content for ObjectContent {
    fn settle(&mut self, read: &Stored) -> io::Result<Settled> {
        if let Some(looked) = &self.looked
            && self.store.stat(&looked.key)?.as_ref() != Some(looked)
        {
            return Ok(Settled::Changed);
        }
        match self.size.filter(|size| *size != read.size) {
            Some(size) => Err(io::Error::other(format!("{} bytes came, not {size}", read.size))),
            None => Ok(Settled::Whole),
        }
    }
}
