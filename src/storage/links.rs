//! Folders on the way to a name that are links, which could lead out of the root.

use super::store::{Entry, Store};
use crate::display::printable;
use crate::parallel::lock;
use std::collections::HashSet;
use std::io;
use std::sync::Mutex;

/// The folders of a storage that were seen not to be links.
#[derive(Default)]
pub struct Folders(Mutex<HashSet<Vec<u8>>>);

impl Folders {
    /// Returns the first folder above a key that is a link; None if there is none. A storage without links is not asked.
    ///
    /// # Errors
    /// Those of [`Store::entry`].
    pub fn link_above(&self, store: &dyn Store, key: &[u8]) -> io::Result<Option<Vec<u8>>> {
        if !store.has_links() {
            return Ok(None);
        }
        for (at, _) in key.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let folder = &key[..at];
            if lock(&self.0).contains(folder) {
                continue;
            }
            match store.entry(folder)? {
                Some(object) if matches!(object.entry, Entry::Link(_)) => return Ok(Some(folder.to_vec())),
                _ => lock(&self.0).insert(folder.to_vec()),
            };
        }
        Ok(None)
    }

    /// Refuses a key below a link.
    ///
    /// # Errors
    /// `NotADirectory`, and those of [`Store::entry`].
    pub fn check(&self, store: &dyn Store, key: &[u8]) -> io::Result<()> {
        match self.link_above(store, key)? {
            Some(link) => Err(below(&link)),
            None => Ok(()),
        }
    }

    /// Refuses a key that is a link or a special file now, or is below a link.
    ///
    /// # Errors
    /// Those of [`Folders::check`].
    pub fn check_file(&self, store: &dyn Store, key: &[u8]) -> io::Result<()> {
        self.check(store, key)?;
        match store.has_links() && store.entry(key)?.is_some_and(|now| now.entry != Entry::File) {
            true => Err(io::Error::other("it is not a file any more")),
            false => Ok(()),
        }
    }
}

/// Returns the error for a name below a link.
pub fn below(link: &[u8]) -> io::Error {
    let reason = format!("{} is a link, which is not followed", printable(link));
    io::Error::new(io::ErrorKind::NotADirectory, reason)
}
