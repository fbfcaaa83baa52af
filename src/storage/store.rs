//! The interface of all storages.

use super::attributes::{Attributes, Keys, Texts};
use super::temps::TempFile;
use crate::digest::Md5;
use crate::display::printable;
use crate::error::named;
use crate::files;
use crate::name;
use crate::part::Part;
use crate::time::Time;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};

/// An object, as its storage describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Object {
    /// The name below the root, with `/` between its parts. Any bytes, as in the names of records; in services always UTF-8.
    pub key: Vec<u8>,
    /// The size of the content in bytes.
    pub size: u64,
    /// The time of the last write, with the precision of the storage.
    pub modified: Option<Time>,
    /// The service's token for this version of the object, with its quotes. Another content has another etag.
    pub etag: Option<String>,
    /// The number that the service gives to each content that it stores, if it counts them.
    pub generation: Option<String>,
    /// The md5 that the storage claims for the content. Services may have it from a client, unchecked.
    pub md5: Option<Md5>,
    /// Further keys of the object's record, and their JSON values, in no order.
    pub more: Keys,
    /// The type of the entry. Only [`Store::entries`] and [`Store::entry`] return others than files.
    pub entry: Entry,
}

impl Object {
    /// Returns what tells this object from others of the same key, for [`Store::delete_if`]: its generation, or else its etag. The
    /// etags of some services are digests: there, an object with the same bytes has the same identity.
    pub fn identity(&self) -> Option<&str> {
        self.generation.as_deref().or(self.etag.as_deref())
    }
}

/// The types of entries that a folder can have beside folders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Entry {
    /// A file.
    #[default]
    File,
    /// A symbolic link with this target.
    Link(Vec<u8>),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device.
    Device,
}

/// The content of a new object.
pub enum Body<'a> {
    /// The whole content.
    Bytes(Vec<u8>),
    /// A reader of the content. If it fails, nothing is put.
    Stream(&'a mut (dyn Read + Send)),
}

/// The conditions and attributes of a put.
#[derive(Clone, Debug, Default)]
pub struct Put {
    /// Put the object only if there is none of its name. A storage that can't promise this ([`Store::puts_if_absent`]) looks just
    /// before it puts the object.
    pub if_absent: bool,
    /// The md5 of the body, if it is known beforehand. The storage keeps it with the object, if it can, and compares it with the
    /// content that arrives, if the service or the route allows it.
    pub md5: Option<Md5>,
    /// The size of the body in bytes, if it is known beforehand.
    pub size: Option<u64>,
    /// The attributes to store with the object.
    pub attributes: Attributes,
    /// The object has to stay readable at once, whatever storage class the options have for others: a snapshot, for example.
    pub stays_readable: bool,
}

/// The part of a content to read, and the version that it has to be of.
#[derive(Clone, Copy, Debug, Default)]
pub struct Get<'a> {
    /// The first byte. There is nothing to read at or after the end.
    pub from: u64,
    /// The maximum number of bytes; None for all.
    pub len: Option<u64>,
    /// If given, it is an error unless the object still has this etag.
    pub etag: Option<&'a str>,
    /// The id of the version to read, in a storage that keeps versions; None for the current one.
    pub version: Option<&'a str>,
}

impl Get<'_> {
    /// Refuses the id of a version, for storages that keep no versions.
    ///
    /// # Errors
    /// `Unsupported`.
    pub fn check_current(&self) -> io::Result<()> {
        match self.version {
            Some(_) => Err(io::Error::new(io::ErrorKind::Unsupported, "the storage keeps no versions")),
            None => Ok(()),
        }
    }
}

/// A content, and what the storage says about it only together with the content.
pub struct Got {
    /// The reader. If the content is truncated, it fails; it never ends early.
    pub content: Box<dyn Read + Send>,
    /// Further keys of the object's record, as in [`Object::more`].
    pub more: Keys,
}

impl From<Box<dyn Read + Send>> for Got {
    fn from(content: Box<dyn Read + Send>) -> Got {
        Got { content, more: Keys::new() }
    }
}

/// A file for a large object that is not put yet. It is deleted if it is never put.
pub struct Draft {
    /// The file, for reading and writing.
    pub file: File,
    /// Its temporary name, if it has one.
    pub(super) temp: Option<TempFile>,
}

impl Draft {
    /// Creates one in TMPDIR.
    ///
    /// # Errors
    /// The error of the system.
    pub fn unnamed() -> io::Result<Draft> {
        tempfile::tempfile().map(|file| Draft { file, temp: None }).map_err(|e| named(&files::temporaries(), &e))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        self.temp.iter().for_each(TempFile::remove);
    }
}

/// Decides about a key at which another writer has put an object first: true replaces that object, false keeps it.
pub type Taken<'a> = dyn FnMut(&[u8]) -> io::Result<bool> + 'a;

/// The objects of a listing. An error ends the listing, which is then not complete. An error that is a [`Gap`] is about one name
/// only, and the listing continues. A caller that does not support gaps can stop at any error.
pub type Listing<'a> = Box<dyn Iterator<Item = io::Result<Object>> + Send + 'a>;

/// A version of an object, or the mark that it was deleted.
#[derive(Clone, Debug, Default)]
pub struct ObjectVersion {
    /// The object, as the storage describes it. Of a deletion, only the key is known.
    pub object: Object,
    /// The id of the version. A deletion can have none.
    pub id: Option<String>,
    /// The time when the version was made.
    pub created: Option<Time>,
    /// The time when it was replaced or deleted, if the storage says that.
    pub until: Option<Time>,
    /// It is the current version.
    pub is_latest: bool,
    /// It marks that the object was deleted.
    pub is_deletion: bool,
}

/// The versions of a root, those of a key one after the other, from the oldest to the latest. An error ends them.
pub type VersionListing<'a> = Box<dyn Iterator<Item = io::Result<ObjectVersion>> + Send + 'a>;

/// A name in a listing about which the storage does not say enough: a folder that can't be opened, an entry without a size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The name below the root. It can be one that no record of a file can have.
    pub key: Vec<u8>,
    /// It is a folder, and all that is in it is missing in the listing too.
    pub is_folder: bool,
    /// The reason, in words.
    pub reason: String,
}

impl Gap {
    /// Returns the gap in an error of a listing, if it is one.
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

/// A root in a storage. Implementations refuse keys with a part `.` or `..` ([`check_key`]).
///
/// All calls block, and can be made from any number of threads at once. They try again after failures that may pass (broken
/// connections, statuses 408, 429 and 5xx). Between tries they wait for the time in `Retry-After`, else longer each time, with
/// jitter. The number of tries and the time are limited, so that each call ends. Errors are one line without secrets. Their
/// [`io::ErrorKind`] is `NotFound`, `PermissionDenied` or `Unsupported` in these cases, and `InvalidData` if the content that
/// arrived differs from the one that was sent.
pub trait Store: Send + Sync {
    /// Returns the root for display: a URL without secrets and without a `/` at its end.
    fn url(&self) -> &str;

    /// Returns the name of an object for display, which the tools accept as well: the root, a `/` and the key.
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

    /// Whether a listing has the attributes of objects, as far as the storage has them. Otherwise they come with the content and
    /// from [`Store::stat`].
    fn lists_attributes(&self) -> bool {
        true
    }

    /// Returns the attributes that an object would have after a put with these attributes. They are the ones to give to the put:
    /// it can fail with others.
    fn keeps(&self, _: &Attributes) -> Attributes {
        Attributes::default()
    }

    /// Whether the storage keeps tags of objects.
    fn has_tags(&self) -> bool {
        false
    }

    /// Returns the tags of an object. It is an error (`Unsupported`) without [`Store::has_tags`].
    fn tags(&self, _key: &[u8], _version: Option<&str>) -> io::Result<Texts> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the storage keeps no tags"))
    }

    /// Lists all versions of all objects, with the deletions. Keys are in the order of [`Store::list`].
    ///
    /// # Errors
    /// `Unsupported` if the storage keeps no versions.
    fn versions(&self) -> io::Result<VersionListing<'_>> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the storage keeps no versions"))
    }

    /// Whether the first put creates a root that does not exist. Until then the root is empty.
    fn makes_roots(&self) -> bool {
        false
    }

    /// Whether listings are in the order of the bytes of their keys.
    fn lists_in_order(&self) -> bool {
        true
    }

    /// Whether listings come page by page. Then a name that comes twice is an error: others can be missing.
    fn lists_in_pages(&self) -> bool {
        false
    }

    /// Returns the storage's description of an object; None if there is no object under that key.
    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>>;

    /// Whether there are symbolic links. Then [`Store::entries`] and [`Store::entry`] describe them, and [`Store::put_link`] makes
    /// them, while all other methods follow them. Otherwise there are only files.
    fn has_links(&self) -> bool {
        false
    }

    /// Lists everything below the root that is no folder, as [`Store::list`] does, but links are not followed.
    fn entries(&self) -> Listing<'_> {
        self.list(b"")
    }

    /// Does what [`Store::entries`] does, for the names of a part. It may list others, too.
    fn entries_of(&self, _: Option<&Part>) -> Listing<'_> {
        self.entries()
    }

    /// Does what [`Store::stat`] does, but a link is not followed.
    fn entry(&self, key: &[u8]) -> io::Result<Option<Object>> {
        self.stat(key)
    }

    /// Makes a symbolic link, or replaces the file or link of that name by it.
    fn put_link(&self, _key: &[u8], _target: &[u8]) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the storage has no links"))
    }

    /// Opens a content, or a part of it.
    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got>;

    /// Does what [`Store::get`] does with the current version, and returns only the reader.
    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        Ok(self.get(key, &Get { from, len, etag, version: None })?.content)
    }

    /// Puts an object, whole or not at all. Returns false if there was one already and `how` asks for `if_absent`. It returns
    /// true only after it has seen the object under its key, or the service has confirmed the digest.
    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool>;

    /// Creates a file for a large object, where [`Store::put_draft`] needs it: as a rule in TMPDIR.
    fn draft(&self) -> io::Result<Draft> {
        Draft::unnamed()
    }

    /// Puts a draft, starting at its first byte. See [`Store::put`].
    fn put_draft(&self, key: &[u8], mut draft: Draft, how: &Put) -> io::Result<bool> {
        draft.file.rewind()?;
        self.put(key, Body::Stream(&mut draft.file), how)
    }

    /// Returns when everything that was put so far is permanent. If objects get their names only here, `taken` is called for each
    /// key at which another writer was first.
    fn settle(&self, taken: &mut Taken<'_>) -> io::Result<()> {
        let _ = taken;
        Ok(())
    }

    /// Whether exactly one of several simultaneous puts of one key with `if_absent` returns true.
    fn puts_if_absent(&self) -> bool;

    /// Deletes objects, in as few requests as the service allows. Returns one result for each key, in order. An object that is
    /// gone already is no error. One that is still there although the service claims to have deleted it is an error.
    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>>;

    /// Whether there is [`Store::delete_if`]. A service can ignore its condition all the same.
    fn deletes_if(&self) -> bool {
        false
    }

    /// Deletes an object, with one request, on the condition that it still has this [`Object::identity`]. Returns true if it
    /// is deleted, and false if there is another one, which is left alone. If there was none, services answer one or the other.
    ///
    /// A service that ignores the condition deletes any object, and the result is true: a caller that relies on the condition has
    /// to find that out first.
    ///
    /// # Errors
    /// `Unsupported` without [`Store::deletes_if`], or if the service refuses the condition. Nothing is deleted then.
    fn delete_if(&self, _key: &[u8], _identity: &str) -> io::Result<bool> {
        Err(io::Error::new(io::ErrorKind::Unsupported, "the storage has no conditional deletions"))
    }

    /// Returns the number of calls to make at once if the user gives none.
    fn jobs(&self) -> usize {
        16
    }
}

/// Refuses keys that could lead to another object: empty ones, those with a NUL, or with a part `.` or `..`. It also refuses keys
/// that are not UTF-8, which no service accepts. Returns the key as text.
///
/// # Errors
/// `InvalidInput`, with the reason.
pub fn check_key(key: &[u8]) -> io::Result<&str> {
    name::check(key).or_else(refused)?;
    std::str::from_utf8(key).or_else(|_| refused("the storage takes no names that are not UTF-8"))
}

/// Refuses keys that are not a path in a folder: empty ones, those with a NUL, or with a part that is empty, `.` or `..`.
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
