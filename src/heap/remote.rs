//! A heap in another storage: objects are there for good when they were put.

use super::object::{self, Ends, Fetched};
use super::path::{WHOLE_LIMIT, object_path};
use crate::digest::{Md5, Sha256};
use crate::error::{OrFailed, Result};
use crate::parallel;
use crate::storage::{Attributes, Body, Gap, Listing, Put, Store};
use std::collections::HashMap;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// md5 and stored size of all objects, in order.
type Listed = Arc<Vec<(Md5, u64)>>;

/// A heap in a storage.
pub struct RemoteHeap {
    pub(super) store: Arc<dyn Store>,
    pub(super) level: i32,
    /// What the heap had when it was listed: in order, 24 bytes an object.
    listed: Mutex<Option<Listed>>,
    /// What was put since.
    added: Mutex<HashMap<Md5, (u64, Sha256)>>,
}

/// A compressed content that is to be put.
pub(super) struct Fresh {
    pub md5: Md5,
    pub sha256: Sha256,
    pub stored_size: u64,
    /// md5 of the compressed bytes.
    pub digest: Md5,
    /// The object that is there is bad and is to be replaced.
    pub replace: bool,
}

/// As many objects come with one answer of most services: a heap with fewer is listed in one go.
const PAGE: usize = 5000;

impl RemoteHeap {
    pub fn new(store: Arc<dyn Store>, level: i32) -> RemoteHeap {
        RemoteHeap { store, level, listed: Mutex::default(), added: Mutex::default() }
    }

    pub(super) fn key(md5: &Md5) -> Vec<u8> {
        object_path(md5).into_bytes()
    }

    fn lock_added(&self) -> MutexGuard<'_, HashMap<Md5, (u64, Sha256)>> {
        self.added.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was put by this process: its stored size and sha256.
    pub fn added(&self, md5: &Md5) -> Option<(u64, Sha256)> {
        self.lock_added().get(md5).copied()
    }

    pub fn add(&self, md5: Md5, stored_size: u64, sha256: Sha256) {
        self.lock_added().insert(md5, (stored_size, sha256));
    }

    /// The size of an object by the heap's listing, which is made when it is asked for first.
    pub fn stored_size(&self, md5: &Md5) -> Result<Option<u64>> {
        if let Some((stored_size, _)) = self.added(md5) {
            return Ok(Some(stored_size));
        }
        let listed = self.listed()?;
        Ok(listed.binary_search_by_key(md5, |(md5, _)| *md5).ok().map(|at| listed[at].1))
    }

    fn listed(&self) -> Result<Listed> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(listed) = &*listed {
            return Ok(listed.clone());
        }
        let all = Arc::new(self.list()?);
        *listed = Some(all.clone());
        Ok(all)
    }

    /// Lists the heap: the first page of it, and if there is more, the folders of the rest side by side.
    fn list(&self) -> Result<Vec<(Md5, u64)>> {
        let what = || format!("list the heap root {}", self.store.url());
        let mut found = Vec::new();
        let mut count = 0;
        let mut last = None;
        let mut listing = objects(&self.store, b"", is_folder);
        for object in listing.by_ref().take(PAGE) {
            let object = match object {
                // The first put makes it.
                Err(e) if e.kind() == io::ErrorKind::NotFound && self.store.makes_roots() => return Ok(Vec::new()),
                object => object.or_failed(what)?,
            };
            count += 1;
            found.extend(md5_of(&object.key).map(|md5| (md5, object.size)));
            last = Some(object.key);
        }
        drop(listing);
        if let Some(last) = last.filter(|_| count == PAGE) {
            // Where listings have no order nothing is known of any folder.
            let from = if self.store.lists_in_order() { last } else { Vec::new() };
            let folders: Vec<String> =
                (0..=255u8).map(|n| format!("{n:02x}/")).filter(|f| from < [f.as_bytes(), b"~"].concat()).collect();
            let store = self.store.clone();
            let list = move |folder: String| -> io::Result<Vec<(Md5, u64)>> {
                let objects = objects(&store, folder.as_bytes(), |_| false);
                let some = objects.filter_map(|object| object.map(|o| Some((md5_of(&o.key)?, o.size))).transpose());
                some.collect()
            };
            let jobs = self.store.jobs();
            for folder in parallel::ordered_map(folders.into_iter(), jobs, jobs * 2, list) {
                found.extend(folder.or_failed(what)?);
            }
        }
        found.sort_unstable();
        found.dedup_by_key(|(md5, _)| *md5);
        found.shrink_to_fit();
        Ok(found)
    }

    /// What is stored of an object.
    pub fn fetch(&self, md5: &Md5) -> io::Result<Option<Fetched>> {
        match self.store.open(&RemoteHeap::key(md5), 0, None, None) {
            Ok(reader) => Ok(Some(Fetched { stored_size: None, reader })),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether there is such an object, looked at by itself: not every server lists.
    pub fn has(&self, md5: &Md5) -> io::Result<bool> {
        Ok(self.store.stat(&RemoteHeap::key(md5))?.is_some())
    }

    /// The ends of an object: its start only where the end alone does not tell. Contents of up to [`WHOLE_LIMIT`] are in one
    /// piece, whoever stored them.
    pub fn ends(&self, md5: &Md5, size: Option<u64>) -> io::Result<Option<Ends>> {
        let stored_size = self.stored_size(md5).map_err(|e| io::Error::other(e.to_string()))?;
        let Some(stored_size) = stored_size else { return Ok(None) };
        let key = RemoteHeap::key(md5);
        let part = |from: u64, len: u64| -> io::Result<Option<Vec<u8>>> {
            let mut bytes = Vec::new();
            match self.store.open(&key, from, Some(len), None) {
                Ok(mut reader) => reader.read_to_end(&mut bytes)?,
                // Gone since it was listed.
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
                Err(e) => return Err(e),
            };
            Ok(Some(bytes))
        };
        let Some(tail) = part(stored_size.saturating_sub(4), 4)? else { return Ok(None) };
        let head = match size.is_some_and(|size| size <= WHOLE_LIMIT) {
            true => None,
            // Not more than there is: some services take that for a broken connection.
            false => part(0, object::HEAD.min(stored_size))?,
        };
        Ok(Some(Ends { stored_size, head, tail: tail.try_into().ok() }))
    }

    /// Puts what a reader has, if nothing is there.
    pub fn put_pieces(&self, md5: &Md5, pieces: &mut (dyn Read + Send)) -> io::Result<bool> {
        let how = Put { if_absent: true, md5: None, size: None, attributes: attributes() };
        self.store.put(&RemoteHeap::key(md5), Body::Stream(pieces), &how)
    }
}

/// Whether a folder, given with a `/` at its end, is one of those that objects lie in.
pub fn is_folder(key: &[u8]) -> bool {
    matches!(key, [a, b, b'/'] if [a, b].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')))
}

/// What a heap lists below a prefix. What can't be listed counts only where an object may be missing then; beside the folders
/// that `enters` takes, whatever else lies there is nobody's object.
pub fn objects<'a>(store: &'a Arc<dyn Store>, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
    let is_other = |e: &io::Error| Gap::of(e).is_some_and(|gap| !gap.is_folder && md5_of(&gap.key).is_none());
    Box::new(store.list_in(prefix, enters).filter(move |object| !object.as_ref().is_err_and(is_other)))
}

/// The md5 of the object that has this key, if it is one.
pub fn md5_of(key: &[u8]) -> Option<Md5> {
    let name = std::str::from_utf8(key).ok()?;
    let md5 = Md5::parse(name.get(3..)?.strip_suffix(".gz")?)?;
    (object_path(&md5) == name).then_some(md5)
}

pub fn attributes() -> Attributes {
    Attributes { content_type: Some("application/octet-stream".to_string()), ..Attributes::default() }
}
