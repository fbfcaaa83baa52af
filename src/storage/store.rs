//! What every storage can do.

use super::temps::TempFile;
use crate::digest::Md5;
use crate::display::printable;
use crate::error::named;
use crate::files;
use crate::name;
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};

/// An object as its storage tells of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// Its name below the root, parts separated by `/`. Bytes, as the names of records are; in services always UTF-8.
    pub key: Vec<u8>,
    /// Bytes of its content.
    pub size: u64,
    /// When it was written last, as exactly as the storage says.
    pub modified: Option<Time>,
    /// The service's token of equality, as it came, quotes and all. Another content has another one.
    pub etag: Option<String>,
    /// The md5 that the storage claims for the content. Services believe what clients told them.
    pub md5: Option<Md5>,
    /// More that records of this storage carry: keys and their JSON, in no order.
    pub more: Vec<(&'static str, String)>,
}

/// What of an object, beside its content, is to be as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `text/plain` and the like.
    pub content_type: Option<String>,
    /// Content-Encoding, and so on: names of HTTP headers in lower case (`content-encoding`, `content-language`,
    /// `content-disposition`, `cache-control`).
    pub headers: BTreeMap<&'static str, String>,
    /// What the user put to it.
    pub metadata: BTreeMap<String, String>,
}

/// What to put under a name.
pub enum Body<'a> {
    /// All of it.
    Bytes(Vec<u8>),
    /// So much as the reader has. If reading fails nothing is put.
    Stream(&'a mut (dyn Read + Send)),
}

/// How to put it there.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// Only where nothing is there yet. Where the storage can't promise that ([`Store::puts_if_absent`]), as well as it can:
    /// looked at just before.
    pub if_absent: bool,
    /// The md5 of the body, where it is known beforehand. The storage keeps it with the object, if it keeps such a thing, and
    /// what arrives is compared with it where the service or the route allows.
    pub md5: Option<Md5>,
    /// Bytes of the body, where it is known beforehand.
    pub size: Option<u64>,
    /// What else to keep with it.
    pub attributes: Attributes,
}

/// A file for a large object that is not put yet. It is deleted if it is not.
pub struct Draft {
    /// The file, for reading and writing.
    pub file: File,
    /// Its temporary name, if it has one.
    pub(super) temp: Option<TempFile>,
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.temp.iter().for_each(TempFile::remove);
    }
}

/// Decides about a key at which another writer put an object first: true replaces that object, false keeps it.
pub type Taken<'a> = dyn FnMut(&[u8]) -> io::Result<bool> + 'a;

/// The objects of a listing. An error ends it, and the list is not whole. One that is a [`Gap`] is about one name only: the
/// listing goes on behind it, for those who can do without that name. Who does not ask for gaps may stop at either.
pub type Listing<'a> = Box<dyn Iterator<Item = io::Result<Object>> + Send + 'a>;

/// A name of which a listing can tell nothing but that it is there: a folder that can't be opened, something without a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Its name below the root. It may be one that no record of a file can have.
    pub key: Vec<u8>,
    /// It is a folder, and what is in it is missing as well.
    pub is_folder: bool,
    /// Why, in words.
    pub reason: String,
}

impl Gap {
    /// The gap that an item of a listing is, if it is one.
    pub fn of(e: &io::Error) -> Option<&Gap> {
        e.get_ref()?.downcast_ref()
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", printable(&self.key), self.reason)
    }
}

impl std::error::Error for Gap {}

impl From<Gap> for io::Error {
    fn from(gap: Gap) -> io::Error {
        io::Error::other(gap)
    }
}

/// Why a storage lets us do nothing at all: a login that is wrong, or has expired. No other name would fare better.
#[derive(Debug)]
pub struct LoginRefused(pub String);

impl LoginRefused {
    /// Whether an error is that.
    pub fn is(e: &io::Error) -> bool {
        e.get_ref().is_some_and(|inner| inner.is::<LoginRefused>())
    }
}

impl fmt::Display for LoginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoginRefused {}

impl From<LoginRefused> for io::Error {
    fn from(refused: LoginRefused) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, refused)
    }
}

/// A root in a storage. Keys never have a part `.` or `..` ([`check_key`]); whoever implements this refuses them.
///
/// All calls block, from as many threads at once as one likes. They try again what may pass (connections that break, statuses
/// 408, 429 and 5xx; waiting as long as `Retry-After` says, else longer each time, with jitter), within limits, so that each
/// call ends. Errors are one line, without secrets. [`io::ErrorKind`] tells what callers have to tell apart: `NotFound`,
/// `PermissionDenied`, `Unsupported`; `InvalidData` where what arrived is not what was sent.
pub trait Store: Send + Sync {
    /// The root as a person may see it: a URL without secrets and without a `/` at its end.
    fn url(&self) -> &str;

    /// The name of an object as a person may see it and give it back: the root's, then the key.
    fn name_of(&self, key: &[u8]) -> Vec<u8> {
        [self.url().as_bytes(), b"/", key].concat()
    }

    /// Lists all objects whose key starts with `prefix`, which is empty or ends with `/`. The order is undefined, unless
    /// [`Store::lists_in_order`]. Folders, and objects that only mark a folder, are not listed. The listing asks the service page
    /// by page as it is read, and no more after it is dropped.
    ///
    /// Items are errors if the root is a missing container, bucket or folder (`NotFound`) or a file (`NotADirectory`). A prefix
    /// without objects is an empty listing.
    fn list<'a>(&'a self, prefix: &[u8]) -> Listing<'a> {
        self.list_in(prefix, |_| true)
    }

    /// Does what [`Store::list`] does, but a storage that has folders opens only those below the prefix for which `enters`
    /// returns true; `enters` is given their keys with a `/` at the end. The other folders are passed over without a [`Gap`]. A
    /// storage without folders lists everything.
    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a>;

    /// Whether the first put makes a root that is not there. Until then the root is empty.
    fn makes_roots(&self) -> bool {
        false
    }

    /// Whether listings are in the order of the bytes of their keys.
    fn lists_in_order(&self) -> bool {
        true
    }

    /// Returns what the storage says of an object; None if there is none under that key.
    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>>;

    /// The content from byte `from` on, at most `len` bytes. With `etag`, only if the object still has it. What arrives too
    /// short is an error of the reader, never an early end.
    ///
    /// The answer of a range at or behind the end is empty.
    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>>;

    /// Puts an object there, whole or not at all. False if one was there already and `if_absent` was asked for. That it was done
    /// is believed only once the object was seen under its key, or the service has confirmed its digest.
    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool>;

    /// Creates a file for a large object, where [`Store::put_draft`] needs it: as a rule in TMPDIR.
    fn draft(&self) -> io::Result<Draft> {
        match tempfile::tempfile() {
            Ok(file) => Ok(Draft { file, temp: None }),
            Err(e) => Err(named(&files::temporaries(), &e)),
        }
    }

    /// Puts a draft, from its first byte on. See [`Store::put`].
    fn put_draft(&self, key: &[u8], mut draft: Draft, how: &Put) -> io::Result<bool> {
        draft.file.rewind()?;
        self.put(key, Body::Stream(&mut draft.file), how)
    }

    /// Returns when everything that was put so far is permanent. Where objects get their names only here, `taken` decides about
    /// each one that another writer was first with.
    fn settle(&self, taken: &mut Taken<'_>) -> io::Result<()> {
        let _ = taken;
        Ok(())
    }

    /// Whether of several that put one key with `if_absent` at the same time exactly one is told true.
    fn puts_if_absent(&self) -> bool;

    /// Deletes objects, in as few requests as the service allows. One answer for each key, in order; one that is gone already
    /// is fine; one that is still there although the service says that it was deleted is an error.
    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>>;

    /// How many calls at once make sense, where nobody says it.
    fn jobs(&self) -> usize {
        16
    }
}

/// Refuses keys that could name something else than they say: with NUL, or a part `.` or `..`; and those that are not UTF-8,
/// which no service has. Gives the key as text.
///
/// # Errors
/// `InvalidInput`, with the reason.
pub fn check_key(key: &[u8]) -> io::Result<&str> {
    name::check(key).or_else(refused)?;
    std::str::from_utf8(key).or_else(|_| refused("the storage takes no names that are not UTF-8"))
}

/// Refuses keys that are no path in a folder: beside those with NUL, `.` or `..`, those with an empty part.
///
/// # Errors
/// `InvalidInput`, with the reason.
pub fn check_path(key: &[u8]) -> io::Result<()> {
    name::check(key).or_else(refused)?;
    match key.split(|b| *b == b'/').any(<[u8]>::is_empty) {
        true => refused("the name has an empty part, which no folder can have"),
        false => Ok(()),
    }
}

fn refused<T>(reason: &str) -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::InvalidInput, reason))
}
