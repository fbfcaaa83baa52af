//! Listing a root in another storage: every object is a file.

use super::names::Names;
use super::{Options, Seen, ended};
use crate::end::End;
use crate::error::{Error, OrFailed, Result};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel;
use crate::record::{Kind, Record, key};
use crate::sort;
use crate::storage::{Gap, Location, LoginRefused, Object, Store, has_no_folders};
use crate::stream::Records;
use std::io::{self, BufRead};
use std::sync::{Arc, Mutex};

/// Objects that wait to be taken up, while the next page is fetched.
const AHEAD: usize = 10_000;

/// The record of an object: what is known of it, keys in order.
pub fn record(object: &Object) -> Record {
    let name = Name::new(&object.key[..]);
    let mut edit = Record::build(name.clone(), Kind::File);
    object.more.iter().for_each(|(key, json)| _ = edit.set_json(key, json));
    edit.set(key::SIZE, object.size)
        .set(key::ETAG, object.etag.clone())
        .set(key::MD5, object.md5)
        .set(key::MODIFIED, object.modified);
    // What the storage gave as JSON may be none: then the object is known by less.
    Record::parse(edit.finish().text()).unwrap_or_else(|(_, reason)| Record::failure(&name, &reason))
}

/// What both ways of listing share.
struct Shared {
    store: Arc<dyn Store>,
    options: Options,
    /// Prefixes to leave out with a note: the heap root and the snap root.
    leave_out: Vec<(Vec<u8>, &'static str)>,
    monitor: Arc<dyn Monitor>,
    seen: Arc<Mutex<Seen>>,
}

impl Shared {
    fn new(store: &Arc<dyn Store>, options: Options, monitor: Arc<dyn Monitor>) -> Arc<Shared> {
        let root = Location::Remote(store.clone());
        let below = |other: &Location| root.name_of(other).map(|name| [&name[..], b"/"].concat());
        let leave_out: Vec<_> = options.leave_out.iter().filter_map(|(root, what)| Some((below(root)?, *what))).collect();
        let names = leave_out.iter().map(|(prefix, _)| prefix.strip_suffix(b"/").unwrap_or(prefix));
        let seen = Seen::new(&options.filter, names);
        Arc::new(Shared { store: store.clone(), options, leave_out, monitor, seen })
    }

    /// Whether this key lies in what is left out for what it is.
    fn keeps_out(&self, key: &[u8]) -> bool {
        self.leave_out.iter().any(|(prefix, _)| key.starts_with(prefix))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// The record of an object, if it is wanted.
    fn wanted(&self, object: &Object) -> Option<Record> {
        let key = &object.key[..];
        if self.keeps_out(key) || !self.options.wants(Kind::File) {
            return None;
        }
        if self.options.filter.rules.leaves_out(key, false) {
            self.lock().filtered = true;
            return None;
        }
        let name = Name::new(key);
        match name.check() {
            Ok(()) => Some(record(object)),
            Err(reason) => Some(self.failed(&name, reason)),
        }
    }

    /// The record of what can't be listed, unless it is left out: of a folder nobody knows what is in it.
    fn failure(&self, gap: &Gap) -> Option<Record> {
        let key = &gap.key[..];
        let is_below = |prefix: &[u8]| key.starts_with(prefix) || prefix.strip_suffix(b"/") == Some(key);
        if self.leave_out.iter().any(|(prefix, _)| is_below(prefix)) || !(gap.is_folder || self.options.wants(Kind::File)) {
            return None;
        }
        // In a folder there may be something to include.
        let rules = &self.options.filter.rules;
        if rules.excludes_whole(key, gap.is_folder) || !gap.is_folder && rules.leaves_out(key, false) {
            self.lock().filtered = true;
            return None;
        }
        Some(self.failed(&Name::new(key), &gap.reason))
    }

    fn failed(&self, name: &Name, reason: &str) -> Record {
        self.monitor.failure(name, reason);
        Record::failure(name, reason)
    }

    fn tell(&self) {
        for (prefix, what) in &self.leave_out {
            let prefix = String::from_utf8_lossy(prefix);
            self.monitor
                .note(&format!("left out: {}, the {what}", crate::error::printable(prefix.trim_end_matches('/').as_bytes())));
        }
    }
}

/// All objects of a store, the next page of them fetched while others are worked on.
fn listed(store: &Arc<dyn Store>) -> impl Iterator<Item = io::Result<Object>> + Send + 'static {
    let lister = store.clone();
    let listed = parallel::produced(AHEAD, move |sender| {
        for object in lister.list(b"") {
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

/// The records of what is there, in order. A root that is not there has nothing. What can't be listed is an error record, with a
/// warning: it is left alone.
pub fn present(store: &Arc<dyn Store>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let what = format!("list {}", store.url());
    let teller = monitor.clone();
    let records =
        listed(store).filter(|o| !matches!(o, Err(e) if e.kind() == io::ErrorKind::NotFound)).map(move |object| match object {
            Ok(object) => Ok(record(&object)),
            Err(e) => match Gap::of(&e) {
                Some(gap) => {
                    teller.warn(&format!("left alone: {gap}"));
                    Ok(Record::failure(&Name::new(&gap.key[..]), &gap.reason))
                }
                None => Err(Error::io(what.clone(), e)),
            },
        });
    if store.lists_in_order() { Ok(Box::new(records)) } else { sort::ordered(Box::new(records), monitor) }
}

/// Lists all objects below a root.
pub(super) fn scan(store: &Arc<dyn Store>, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
    if let Some(name) = options.filter.ignore_files.first() {
        let name = crate::error::printable(name.as_encoded_bytes());
        return Err(Error::advise(
            format!("--ignore-file {name}: ignore files are not read in {}", store.url()),
            "give their lines with --exclude or --exclude-from",
        ));
    }
    let shared = Shared::new(store, options, monitor.clone());
    shared.tell();
    let what = format!("file root {}", store.url());
    let mut objects = listed(store).peekable();
    match objects.peek() {
        Some(Err(e)) if Gap::of(e).is_none() => {
            let first: Option<io::Result<Object>> = objects.next();
            first.transpose().or_failed(|| what.clone())?;
        }
        Some(_) => {}
        None if has_no_folders(store.url()) => {
            return Err(Error::advise(
                format!("{what}: nothing is there"),
                "a storage without folders knows a folder by what is in it: is the name right?",
            ));
        }
        None => {}
    }
    let taker = shared.clone();
    let records: Records = Box::new(objects.filter_map(move |object| match object {
        Ok(object) => taker.wanted(&object).map(Ok),
        Err(e) => match Gap::of(&e) {
            Some(gap) => taker.failure(gap).map(Ok),
            None => Some(Err(Error::io(what.clone(), e))),
        },
    }));
    let records = if store.lists_in_order() { records } else { sort::ordered(records, monitor)? };
    Ok(finished(records, shared))
}

/// Looks at the objects of these names only.
pub(super) fn scan_names(
    store: &Arc<dyn Store>,
    names: Names<impl BufRead + Send + 'static>,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    let shared = Shared::new(store, options, monitor.clone());
    shared.lock().chosen();
    let (looker, jobs) = (shared.clone(), store.jobs());
    let look = move |name: Result<Name>| -> Result<Option<Record>> {
        let name = name?;
        if looker.keeps_out(name.as_bytes()) {
            return Ok(None);
        }
        let failure = |reason: &str| Ok(Some(looker.failed(&name, reason)));
        match looker.store.stat(name.as_bytes()) {
            Ok(Some(object)) => Ok(looker.options.wants(Kind::File).then(|| record(&object))),
            Ok(None) => failure("look at it: no such object"),
            // Nor would the others fare better.
            Err(e) if LoginRefused::is(&e) => Err(Error::io("file root", e)),
            Err(e) => failure(&format!("look at it: {}", crate::error::reason(&e))),
        }
    };
    let records = parallel::ordered_map(names.for_keys(), jobs, jobs * 4, look).filter_map(Result::transpose);
    Ok(finished(sort::ordered(Box::new(records), monitor)?, shared))
}

fn finished(records: Records, shared: Arc<Shared>) -> Records {
    let end = End { types: shared.options.types(), root: Some(shared.store.url().to_string()), ..End::default() };
    let (seen, monitor) = (shared.seen.clone(), shared.monitor.clone());
    Box::new(ended(records, end, seen, move |seen| seen.tell(false, &*monitor)))
}
