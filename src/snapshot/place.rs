//! Where a snapshot lies: a file of this machine, or an object of another storage.

use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::storage::Store;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;
use std::sync::Arc;

/// A place that a snapshot can be read from.
#[derive(Clone)]
pub enum Place {
    /// A file of this machine.
    File(PathBuf),
    /// The object of that key.
    Object(Arc<dyn Store>, Vec<u8>),
}

/// What a snapshot is read from, piece by piece.
pub type Input = BufReader<Box<dyn Read + Send>>;

impl Place {
    /// The path, or the URL without secrets: what people and scripts are given, and may give back.
    pub fn as_given(&self) -> OsString {
        match self {
            Place::File(path) => path.clone().into(),
            Place::Object(store, key) => OsString::from_vec([store.url().as_bytes(), b"/", key].concat()),
        }
    }

    /// The last part of its name.
    pub fn file_name(&self) -> OsString {
        let all = self.as_given();
        let bytes = all.as_bytes();
        OsStr::from_bytes(bytes.rsplit(|b| *b == b'/').next().unwrap_or(bytes)).to_os_string()
    }

    /// Opens it.
    ///
    /// # Errors
    /// If it is not there or can't be read.
    pub fn open(&self) -> Result<Input> {
        let reader: Box<dyn Read + Send> = match self {
            Place::File(path) => {
                let file = File::open(path).or_failed(|| format!("snapshot {self}"))?;
                if file.metadata().is_ok_and(|m| m.is_dir()) {
                    return Err(Error::refused(format!("snapshot {self}: it is a folder")));
                }
                Box::new(file)
            }
            Place::Object(store, key) => store.open(key, 0, None, None).or_failed(|| format!("snapshot {self}"))?,
        };
        Ok(BufReader::with_capacity(64 << 10, reader))
    }

    /// Its size in bytes.
    ///
    /// # Errors
    /// If it is not there.
    pub fn size(&self) -> Result<u64> {
        let what = || format!("snapshot {self}");
        match self {
            Place::File(path) => Ok(std::fs::metadata(path).or_failed(what)?.len()),
            Place::Object(store, key) => {
                let object = store.stat(key).or_failed(what)?;
                object.map(|o| o.size).ok_or(io::Error::from(io::ErrorKind::NotFound)).or_failed(what)
            }
        }
    }

    /// At most `len` of its bytes, from an offset on.
    ///
    /// # Errors
    /// If it can't be read.
    pub(super) fn part(&self, from: u64, len: u64) -> Result<Vec<u8>> {
        let mut part = Vec::new();
        self.open_part(from, len)?.read_to_end(&mut part).or_failed(|| format!("snapshot {self}"))?;
        Ok(part)
    }

    /// Opens so much of it, from an offset on, which has to be there: not every storage gives what there is of more.
    ///
    /// # Errors
    /// If it is not there or can't be read.
    pub fn open_part(&self, from: u64, len: u64) -> Result<Input> {
        let what = || format!("snapshot {self}");
        let reader: Box<dyn Read + Send> = match self {
            Place::File(path) => {
                let mut file = File::open(path).or_failed(what)?;
                file.seek(SeekFrom::Start(from)).or_failed(what)?;
                Box::new(file)
            }
            Place::Object(store, key) => store.open(key, from, Some(len), None).or_failed(what)?,
        };
        let limited: Box<dyn Read + Send> = Box::new(reader.take(len));
        Ok(BufReader::with_capacity(64 << 10, limited))
    }

    /// Deletes it for good. One that is gone already is no trouble.
    ///
    /// # Errors
    /// If it can't be deleted.
    pub fn delete(&self) -> Result<()> {
        let what = || format!("delete {self}");
        match self {
            Place::File(path) => {
                match std::fs::remove_file(path) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
                    result => result.or_failed(what)?,
                }
                match path.parent() {
                    Some(folder) => File::open(folder).and_then(|f| f.sync_all()).or_failed(what),
                    None => Ok(()),
                }
            }
            Place::Object(store, key) => {
                store.delete(std::slice::from_ref(key)).into_iter().collect::<io::Result<_>>().or_failed(what)
            }
        }
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
