//! The lists of a heap in another storage.

use super::{Entry, FOLDER, List, Lists, Opened, State, lines};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::storage::{Body, Put, Store};
use crate::time::Time;
use std::io::{self, ErrorKind};

/// The size in bytes at which a list ends and another one begins: each is put with one request. S3 dates an object of several
/// parts by the beginning of its upload, but a list counts from when writers can see it.
const LIST: usize = 4 << 20;

/// The lists of a heap in another storage.
pub struct StoreLists<'a> {
    store: &'a dyn Store,
    /// The time by the clock of the storage, when lists are begun.
    now: Time,
}

impl<'a> StoreLists<'a> {
    /// Returns the lists of the heap with this root, to be read.
    pub fn new(store: &'a dyn Store) -> StoreLists<'a> {
        StoreLists { store, now: Time::now() }
    }

    /// Sets the time by the clock of the storage at which lists are begun.
    pub fn at(self, now: Time) -> StoreLists<'a> {
        StoreLists { now, ..self }
    }

    fn written(&self) -> String {
        format!("write {}", self.shown())
    }

    fn put(&self, name: &str, content: String) -> Result<()> {
        let key = key(name);
        let how = Put { if_absent: true, size: Some(content.len() as u64), stays_readable: true, ..Put::default() };
        match self.store.put(&key, Body::Bytes(content.into_bytes()), &how).or_failed(|| self.written())? {
            true => Ok(()),
            false => Err(Error::refused(format!("{}: it is there already", printable(&self.store.name_of(&key))))),
        }
    }
}

impl Lists for StoreLists<'_> {
    fn shown(&self) -> String {
        printable(&self.store.name_of(FOLDER.as_bytes()))
    }

    fn look(&self) -> io::Result<Option<State>> {
        let mut lists = Vec::new();
        for object in self.store.list(format!("{FOLDER}/").as_bytes()) {
            let object = match object {
                // There is no heap. Who needs one finds that out.
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
                object => object?,
            };
            let name = std::str::from_utf8(&object.key[FOLDER.len() + 1..]).unwrap_or_default();
            if List::is_name(name) {
                lists.push(List { name: name.to_string(), named: object.modified });
            }
        }
        lists.sort();
        Ok((!lists.is_empty()).then_some(State { changed: None, lists }))
    }

    fn open(&self, list: &List) -> io::Result<Option<Opened>> {
        match self.store.open(&key(&list.name), 0, None, None) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            opened => Ok(Some((opened?, list.named))),
        }
    }

    /// The last entries leave an empty list: it tells writers that objects can be condemned here, so that they store none with
    /// the bytes of one that was deleted.
    fn write(&self, entries: &mut [Entry], is_first: bool) -> Result<()> {
        if entries.is_empty() && is_first {
            return Ok(());
        }
        // The clocks of storages are coarse.
        let tail = format!("{}.{}", std::process::id(), Time::now().nsec);
        let (mut number, mut content) = (0, String::new());
        for line in lines(entries, self.now) {
            if content.len() + line.len() > LIST {
                self.put(&List::name(self.now, &format!("{tail}.{number}")), std::mem::take(&mut content))?;
                number += 1;
            }
            content += &line;
        }
        self.put(&List::name(self.now, &format!("{tail}.{number}")), content)
    }

    fn remove(&self, lists: &[List]) -> Result<()> {
        let keys: Vec<Vec<u8>> = lists.iter().map(|list| key(&list.name)).collect();
        self.store.delete(&keys).into_iter().try_for_each(|deleted| deleted.or_failed(|| self.written()))
    }
}

fn key(name: &str) -> Vec<u8> {
    format!("{FOLDER}/{name}").into_bytes()
}
