//! The place of a snapshot: an object of a storage, which can be a folder of this machine.

use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::storage::{Location, Store};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A place that a snapshot can be read from.
#[derive(Clone)]
pub struct Place {
    store: Arc<dyn Store>,
    key: Vec<u8>,
}

/// The reader of a snapshot's bytes.
pub type Input = BufReader<Box<dyn Read + Send>>;

impl Place {
    /// Returns the place of an object.
    pub fn new(store: Arc<dyn Store>, key: Vec<u8>) -> Place {
        Place { store, key }
    }

    /// Returns the place of a file of this machine, or of a pipe. If the path is anything else, opening fails.
    pub fn file(path: &Path) -> Place {
        let path = path.as_os_str().as_bytes();
        let (folder, name) = path.split_at(path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1));
        Place::new(Location::Folder(PathBuf::from(OsStr::from_bytes(folder))).store(), name.to_vec())
    }

    /// Returns the path, or the URL without secrets, as the tools print it and accept it.
    pub fn as_given(&self) -> OsString {
        OsString::from_vec(self.store.name_of(&self.key))
    }

    /// Returns the last part of its name.
    pub fn file_name(&self) -> &OsStr {
        OsStr::from_bytes(self.key.rsplit(|b| *b == b'/').next().unwrap_or(&self.key))
    }

    /// Opens the snapshot.
    ///
    /// # Errors
    /// If it does not exist or can't be read.
    pub fn open(&self) -> Result<Input> {
        self.open_at(0, None)
    }

    /// Returns its size in bytes.
    ///
    /// # Errors
    /// If it does not exist.
    pub fn size(&self) -> Result<u64> {
        let what = || format!("snapshot {self}");
        let object = self.store.stat(&self.key).or_failed(what)?;
        object.map(|o| o.size).ok_or(io::Error::from(io::ErrorKind::NotFound)).or_failed(what)
    }

    /// Returns at most `len` of its bytes, starting at an offset.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn part(&self, from: u64, len: u64) -> Result<Vec<u8>> {
        let mut part = Vec::new();
        self.open_part(from, len)?.read_to_end(&mut part).or_failed(|| format!("snapshot {self}"))?;
        Ok(part)
    }

    /// Opens `len` bytes, starting at an offset. The file must have that many, because not every storage returns fewer.
    ///
    /// # Errors
    /// If it does not exist or can't be read.
    pub fn open_part(&self, from: u64, len: u64) -> Result<Input> {
        self.open_at(from, Some(len))
    }

    fn open_at(&self, from: u64, len: Option<u64>) -> Result<Input> {
        let reader = self.store.open(&self.key, from, len, None).or_failed(|| format!("snapshot {self}"))?;
        Ok(BufReader::with_capacity(64 << 10, reader))
    }

    /// Deletes the snapshot permanently. It is no error if it does not exist any more.
    ///
    /// # Errors
    /// If it can't be deleted.
    pub fn delete(&self) -> Result<()> {
        let deleted = self.store.delete(std::slice::from_ref(&self.key));
        deleted.into_iter().collect::<io::Result<_>>().or_failed(|| format!("delete {self}"))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.as_given().as_bytes()))
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Place) -> bool {
        self.as_given() == other.as_given()
    }
}

impl Eq for Place {}

impl crate::parallel::Weigh for Place {
    fn weight(&self) -> usize {
        64
    }
}
