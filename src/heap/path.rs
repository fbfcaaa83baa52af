//! What all parts of the heap share: paths, limits, and the result of storing a content.

use crate::digest::{Md5, Sha256};
use crate::encryption::{Cipher, Keys};
use crate::error::{Error, OrFailed, Result};
use crate::storage::{Location, Object};
use crate::work::Work;
use std::io::{self, Read};
use std::sync::Arc;

/// Contents of up to this many bytes are handled in memory as a whole; larger ones are streamed.
pub const WHOLE_LIMIT: u64 = 2 << 20;

/// The level of compression by default.
pub const LEVEL: i32 = 1;

/// The end of the name of an object.
const PLAIN: &str = ".gz";
/// The end of the name of an encrypted object.
const ENCRYPTED: &str = ".gz.age";

/// How a heap names its objects: by the md5 of the content, or, if it is encrypted, by an id that only its writers and readers can
/// compute from the md5. An id has the form of an md5.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(super) cipher: Option<Arc<Cipher>>,
}

impl Names {
    /// Returns the names of an encrypted heap, or of a plain one.
    pub fn new(cipher: Option<Arc<Cipher>>) -> Names {
        Names { cipher }
    }

    /// Returns the names of a heap that is read.
    ///
    /// # Errors
    /// See [`Cipher::open`]. If the objects are encrypted, and there is no `encryption.json`.
    pub fn of(heap: &Location, keys: &Arc<Keys>) -> Result<Names> {
        let names = Names::new(Cipher::open(&*heap.store(), keys)?.map(Arc::new));
        // Without its encryption.json, each object of an encrypted heap would be said to be missing.
        if names.cipher.is_none() && keys.can_read() {
            let listed = heap.store();
            let mut keys = listed.list_in(b"", is_folder).map_while(io::Result::ok).map(|object| object.key);
            let first = keys.find(|key| Names::is_object(key));
            first.map_or(Ok(()), |key| names.check_form(&key)).or_failed(|| heap.to_string())?;
        }
        Ok(names)
    }

    /// Returns the names of a heap that is written. One without objects is new.
    ///
    /// # Errors
    /// See [`Cipher::for_writing`].
    pub fn for_writing(heap: &Location, keys: &Arc<Keys>, is_dry: bool) -> Result<Names> {
        let store = heap.store();
        let is_new = || {
            let is_object = |object: &io::Result<Object>| match object {
                Ok(object) => Names::is_object(&object.key),
                Err(e) => e.kind() != io::ErrorKind::NotFound,
            };
            match store.list_in(b"", is_folder).find(is_object) {
                None => Ok(true),
                Some(object) => {
                    let in_plain = object.and_then(|object| Names::default().check_form(&object.key));
                    in_plain.or_failed(|| format!("list the heap root {heap}")).map(|()| false)
                }
            }
        };
        Ok(Names::new(Cipher::for_writing(&*store, keys, is_new, is_dry)?.map(Arc::new)))
    }

    /// Whether a key is that of an object, in plain or encrypted.
    fn is_object(key: &[u8]) -> bool {
        let name = std::str::from_utf8(key).unwrap_or_default();
        let id = name.strip_suffix(ENCRYPTED).or_else(|| name.strip_suffix(PLAIN)).and_then(|name| name.get(3..));
        id.and_then(Md5::parse).is_some()
    }

    /// Returns the keys of an encrypted heap.
    pub fn cipher(&self) -> Option<&Arc<Cipher>> {
        self.cipher.as_ref()
    }

    fn ending(&self) -> &'static str {
        if self.cipher.is_some() { ENCRYPTED } else { PLAIN }
    }

    /// Returns the id of a content: its md5 in a plain heap.
    pub fn id(&self, md5: &Md5) -> Md5 {
        self.cipher.as_ref().map_or(*md5, |cipher| cipher.id(md5))
    }

    /// Returns the path of the object of this id below the heap root.
    pub fn path(&self, id: &Md5) -> String {
        let hex = id.to_string();
        format!("{}/{hex}{}", &hex[..2], self.ending())
    }

    /// Returns the id in the key of an object; None if the key is none of an object of this heap.
    pub fn id_of(&self, key: &[u8]) -> Option<Md5> {
        let name = std::str::from_utf8(key).ok()?;
        let id = Md5::parse(name.get(3..)?.strip_suffix(self.ending())?)?;
        (self.path(&id) == name).then_some(id)
    }

    /// Returns the id in the file name of an object in this folder.
    pub fn id_in(&self, folder: &str, name: &str) -> Option<Md5> {
        self.id_of(format!("{folder}/{name}").as_bytes())
    }

    /// Refuses a key that names an object of the other form: in an encrypted heap a plain one, in a plain heap an encrypted one.
    ///
    /// # Errors
    /// If it does.
    pub fn check_form(&self, key: &[u8]) -> io::Result<()> {
        let form = match &self.cipher {
            Some(_) => "a plain object in an encrypted heap",
            None => "an encrypted object in a heap without encryption.json",
        };
        match Names::is_object(key) && self.id_of(key).is_none() {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, format!("{form}: {}", crate::display::printable(key)))),
            false => Ok(()),
        }
    }
}

/// Whether a folder, given with a `/` at its end, is one of those that contain objects.
pub fn is_folder(key: &[u8]) -> bool {
    matches!(key, [a, b, b'/'] if [a, b].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')))
}

/// Returns the message for two contents with the same md5.
pub fn collision(md5: &Md5) -> String {
    format!("another content has the same md5 {md5} and is in the heap; both can't be kept there")
}

/// Reads a file from its start: all of it, but at most `limit` bytes. About `expected` bytes are expected.
pub fn read_up_to(file: &mut impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected.min(limit) as usize + 1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A content that is in the heap, or staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The md5 of the content.
    pub md5: Md5,
    /// The sha256 of the content.
    pub sha256: Sha256,
    /// The size of the content in bytes.
    pub size: u64,
    /// The size of the object in bytes; None if nothing had to be stored.
    pub stored_size: Option<u64>,
    /// The heap did not have the object, or had a damaged one.
    pub is_new: bool,
}

impl Stored {
    /// Returns the work that it took.
    pub fn work(&self) -> Work {
        Work { read: self.size, stored: self.stored_size.filter(|_| self.is_new).unwrap_or(0), ..Work::default() }
    }
}

/// Why a content was not stored. An error of the source concerns one record, an error of the heap concerns all.
#[derive(Debug)]
pub enum StoreError {
    /// The content can't be read.
    Source(io::Error),
    /// The content can't be stored: another content has the same md5.
    Collision(String),
    /// The heap can't be read or written.
    Heap(Error),
}

impl From<Error> for StoreError {
    fn from(e: Error) -> StoreError {
        StoreError::Heap(e)
    }
}
