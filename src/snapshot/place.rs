//! The place of a snapshot: an object of a storage, which can be a folder of this machine.

use super::encrypted::{Plain, PlainReader};
use super::{ENCRYPTED, time_of};
use crate::display::printable;
use crate::encryption::{self, Cipher};
use crate::error::{Error, OrFailed, Result};
use crate::parallel::lock;
use crate::storage::{Location, Store};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::{self, BufReader, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, Weak};

/// A place that a snapshot can be read from.
#[derive(Clone)]
pub struct Place {
    store: Arc<dyn Store>,
    key: Vec<u8>,
    /// The snap root, if the store is not the snap root.
    root: Option<Location>,
    keys: RootKeys,
    /// The version to read, if no other will do.
    etag: Option<String>,
    /// The decrypted snapshot, while somebody reads it.
    plain: Arc<Mutex<Weak<Plain>>>,
}

/// The keys of a snap root, which are looked up when the first snapshot is decrypted.
pub type RootKeys = Arc<OnceLock<Arc<Cipher>>>;

/// The reader of a snapshot's bytes.
pub type Input = BufReader<Box<dyn Read + Send>>;

impl Place {
    /// Returns the place of an object.
    pub fn new(store: Arc<dyn Store>, key: Vec<u8>) -> Place {
        Place { store, key, root: None, keys: RootKeys::default(), etag: None, plain: Arc::default() }
    }

    /// Sets the place in which all snapshots of a snap root look for its keys.
    pub fn with_keys_of(self, keys: &RootKeys) -> Place {
        Place { keys: keys.clone(), ..self }
    }

    /// Sets the version that is read. If there is another one by then, reading fails.
    pub fn of_version(self, etag: Option<String>) -> Place {
        Place { etag, ..self }
    }

    /// Sets the snap root, where the store is that of a folder in it.
    pub(super) fn below(self, root: Option<Location>) -> Place {
        Place { root, ..self }
    }

    /// Whether it is encrypted, by its name.
    pub fn is_encrypted(&self) -> bool {
        self.key.ends_with(ENCRYPTED.as_bytes())
    }

    /// Refuses a snapshot in plain among encrypted ones. Who has no identity, and so no encrypted snapshots, does not look.
    ///
    /// # Errors
    /// If it is one.
    pub(super) fn in_form(self) -> Result<Place> {
        let is_marked = |store: &dyn Store| matches!(store.stat(encryption::MARKER.as_bytes()), Ok(Some(_)));
        let is_strange = !self.is_encrypted()
            && encryption::given().can_read()
            && (is_marked(&*self.store) || self.root.as_ref().is_some_and(|root| is_marked(&*root.store())));
        if is_strange { Err(self.is_in_plain()) } else { Ok(self) }
    }

    /// Returns the error for a snapshot in plain among encrypted ones: who can write to the storage could have made it.
    pub(super) fn is_in_plain(&self) -> Error {
        Error::advise(
            format!("snapshot {self} is not encrypted, as those of its snap root are: nobody who writes to this heap wrote it"),
            "move it out of the snap root",
        )
    }

    /// Returns the keys to decrypt the snapshot: those of its root.
    fn cipher(&self) -> Result<Arc<Cipher>> {
        if let Some(cipher) = self.keys.get() {
            return Ok(cipher.clone());
        }
        let given = encryption::given();
        let mut cipher = Cipher::open(&*self.store, &given)?;
        if let (None, Some(root)) = (&cipher, &self.root) {
            cipher = Cipher::open(&*root.store(), &given)?;
        }
        let cipher = cipher.ok_or_else(|| {
            Error::advise(
                format!("snapshot {self} is encrypted, and there is no encryption.json of its snap root"),
                "leave it where it is in its snap root, or copy encryption.json beside it",
            )
        })?;
        cipher.check_can_read(format!("snapshot {self}"))?;
        Ok(self.keys.get_or_init(|| Arc::new(cipher)).clone())
    }

    /// Decrypts the snapshot, unless that is done.
    fn plain(&self) -> Result<Arc<Plain>> {
        let mut known = lock(&self.plain);
        if let Some(plain) = known.upgrade() {
            return Ok(plain);
        }
        let cipher = self.cipher()?;
        let what = || format!("snapshot {self}");
        let sealed = self.store.open(&self.key, 0, None, self.etag.as_deref()).or_failed(what)?;
        let plain = Arc::new(Plain::unseal(&cipher, &self.to_string(), time_of(self.file_name()), sealed)?);
        *known = Arc::downgrade(&plain);
        Ok(plain)
    }

    /// Returns the place of a file of this machine, or of a pipe. If the path is anything else, opening fails.
    pub fn file(path: &Path) -> Place {
        let path = path.as_os_str().as_bytes();
        let (folder, name) = path.split_at(path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1));
        let folder = PathBuf::from(OsStr::from_bytes(folder));
        // A snapshot of a snap root lies two folders below.
        let root = Location::Folder(folder.join("../.."));
        Place::new(Location::Folder(folder).store(), name.to_vec()).below(Some(root))
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

    /// Returns its size in bytes, decrypted.
    ///
    /// # Errors
    /// If it does not exist.
    pub fn size(&self) -> Result<u64> {
        if self.is_encrypted() {
            return Ok(self.plain()?.len());
        }
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
        if self.is_encrypted() {
            let reader = Box::new(PlainReader::new(self.plain()?, from, len));
            return Ok(BufReader::with_capacity(64 << 10, reader));
        }
        let reader = self.store.open(&self.key, from, len, self.etag.as_deref()).or_failed(|| format!("snapshot {self}"))?;
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
