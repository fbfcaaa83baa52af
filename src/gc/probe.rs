//! Finds out whether a service obeys the condition of a deletion. Some ignore it, and would delete what a writer has just stored.

use crate::display::printable;
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::etag;
use crate::heap::condemned::FOLDER;
use crate::storage::{Body, Object, Put, Store};
use crate::time::Time;
use std::io::{self, ErrorKind};

/// Tries conditional deletions on an object of its own, which can't be taken for a content. Returns the time by the clock of the
/// storage.
///
/// # Errors
/// If the service does not obey the condition, and those of the storage.
pub fn prove(store: &dyn Store) -> Result<Time> {
    let fault = match store.deletes_if() {
        false => "the storage has no conditional deletions".to_string(),
        true => {
            // Its name is that of a leftover: if it has to stay, a later run removes it.
            let name = format!("{FOLDER}/.snap-probe-{}-{}.tmp", std::process::id(), Time::now().nsec);
            let tried = Probe { store, key: name.into_bytes() }.tried();
            match tried.or_failed(|| printable(&store.name_of(FOLDER.as_bytes())))? {
                Ok(now) => return Ok(now),
                Err(fault) => fault,
            }
        }
    };
    Err(Error::rule(
        Refusal::HeapInUse,
        format!("{}: {fault}, so a heap there can be cleaned only while nothing else uses it", printable(store.url().as_bytes())),
    ))
}

struct Probe<'a> {
    store: &'a dyn Store,
    key: Vec<u8>,
}

/// What is wrong with the service, in words.
type Fault = String;

impl Probe<'_> {
    /// Tries it, and leaves nothing.
    fn tried(&self) -> io::Result<Result<Time, Fault>> {
        let tried = self.attempt();
        if !matches!(tried, Ok(Ok(_))) {
            drop(self.store.delete(std::slice::from_ref(&self.key)));
        }
        tried
    }

    fn attempt(&self) -> io::Result<Result<Time, Fault>> {
        let fault = |fault: &str| Ok(Err(fault.to_string()));
        self.put("before\n")?;
        let Some(before) = self.stat()? else { return fault("what was stored is not there") };
        // As a writer does that stores a condemned object anew.
        self.put("after\n")?;
        let listed = self.store.list(format!("{FOLDER}/").as_bytes()).find(|object| match object {
            Ok(object) => object.key == self.key,
            Err(_) => true,
        });
        let (Some(listed), Some(after)) = (listed.transpose()?, self.stat()?) else {
            return fault("what was stored is not there");
        };
        let (Some(before), Some(after), Some(listed_now)) = (before.identity(), after.identity(), listed.identity()) else {
            return fault("the service has no etags");
        };
        if !etag::same(after, listed_now) || etag::same(before, after) {
            return fault("the etags of the service do not tell objects apart");
        }
        let Some(now) = listed.modified else { return fault("the service does not say when an object was stored") };
        match self.store.delete_if(&self.key, before) {
            Ok(false) if self.stat()?.is_some() => {}
            Ok(_) => return fault("the service ignores the condition of a deletion"),
            Err(e) if e.kind() == ErrorKind::Unsupported => {
                return Ok(Err(format!("the service refuses the condition of a deletion ({e})")));
            }
            Err(e) => return Err(e),
        }
        match self.store.delete_if(&self.key, listed_now)? && self.stat()?.is_none() {
            true => Ok(Ok(now)),
            false => fault("the service does not delete although the condition holds"),
        }
    }

    fn put(&self, content: &str) -> io::Result<bool> {
        let how = Put { stays_readable: true, ..Put::default() };
        self.store.put(&self.key, Body::Bytes(content.into()), &how)
    }

    fn stat(&self) -> io::Result<Option<Object>> {
        self.store.stat(&self.key)
    }
}
