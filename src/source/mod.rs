//! The sources of a backup. A [`Source`] lists its entries, looks at one name, opens a content together with its version, and
//! returns the newer version of a file that changed. [`mod@crate::scan`] and [`mod@crate::heapify`] work with every source.
//!
//! - `folder`: a folder of this machine, read through descriptors. `walk` lists it; only a folder has `xattrs` and [`facts`].
//! - [`objects`]: a root in another storage
//! - `selection`: selects the entries of a source to list. `kept`: the roots and files that are always left out
//!
//! A stream (a tar archive, standard input) can be a source too: its entries are sorted before they are listed, and a content
//! that can't be opened a second time returns an error.

mod entry;
pub mod facts;
mod folder;
mod kept;
pub mod objects;
mod options;
mod selection;
mod versions;
mod walk;
mod xattrs;

pub use options::{Options, Own, Versions};
pub use selection::Selection;

use crate::error::Result;
use crate::heap::Stored;
use crate::name::Name;
use crate::record::Record;
use crate::storage::Location;
use crate::storage::attributes::{Keys, Texts};
use crate::stream::Records;
use crate::time::Time;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

/// A root whose files can be backed up.
pub trait Source: Send + Sync {
    /// Returns the root as the user gave it.
    fn location(&self) -> &Location;

    /// Checks whether it is a folder of this machine. Such a source has inodes and extended attributes, and its names have no
    /// empty parts.
    fn is_folder(&self) -> bool {
        false
    }

    /// Returns the metadata of the root itself, which has no record (see [`facts::of`]); with extended attributes on request.
    /// None if nothing is known.
    fn root_facts(&self, _with_xattrs: bool) -> Option<serde_json::Value> {
        None
    }

    /// Returns the records of all selected entries, in order of name. An entry that can't be read becomes a record of type
    /// `error`.
    ///
    /// # Errors
    /// If the root can't be listed. A later error ends the records.
    fn list(self: Arc<Self>, selection: Arc<Selection>) -> Result<Records>;

    /// Returns the record of one name and ignores the filter; an error record if the name does not exist. None if the name is one
    /// of the roots and outputs that a scan leaves out, or if its type is not wanted.
    ///
    /// # Errors
    /// If every other name would fail too.
    fn look(&self, name: Name, selection: &Selection) -> Result<Option<Record>>;

    /// Checks whether a record has all that a backup needs to know before it reads the content.
    fn is_complete(&self, _: &Record) -> bool {
        false
    }

    /// Returns how many calls of [`Source::look`] should run in parallel.
    fn jobs(&self) -> usize {
        1
    }

    /// Opens the content of a record's file.
    ///
    /// # Errors
    /// The error of the system or of the storage. If the version of the record no longer exists, [`Source::newer`] returns the
    /// current one.
    fn open(&self, record: &Record) -> io::Result<Opened>;

    /// Returns the keys of a record that the listing does not have, and that otherwise come with the content. None if the listing
    /// has all of them, or the record has them already.
    ///
    /// # Errors
    /// The error of the storage.
    fn describe(&self, _: &Record) -> io::Result<Option<Keys>> {
        Ok(None)
    }

    /// Whether the storage keeps tags of objects.
    fn has_tags(&self) -> bool {
        false
    }

    /// Returns the tags of a record's object.
    ///
    /// # Errors
    /// The error of the storage; `Unsupported` without [`Source::has_tags`].
    fn tags(&self, _: &Record) -> io::Result<Texts> {
        Err(ErrorKind::Unsupported.into())
    }

    /// Returns the updated record of a file that changed; None if it did not change, or if it is not a file any more.
    ///
    /// # Errors
    /// The error of the system or of the storage, usually that the file does not exist.
    fn newer(&self, record: &Record) -> io::Result<Option<Record>>;
}

/// An opened content.
pub struct Opened {
    /// The updated record, if the file changed since it was listed.
    pub record: Option<Record>,
    /// The version of the content.
    pub version: Version,
    /// Further keys of the record, which came with the content.
    pub more: Keys,
    /// The bytes of the content.
    pub content: Box<dyn Content>,
}

/// The values that distinguish one version of a content from another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// Size of the content, in bytes.
    pub size: Option<u64>,
    /// Time of the last change of the content.
    pub modified: Option<Time>,
    /// Time of the last change of the inode.
    pub changed: Option<Time>,
    /// The storage's token for this version.
    pub etag: Option<String>,
}

/// The bytes of a version.
pub trait Content: Read + Send {
    /// Returns what happened to the content while it was read. Called once, after all of it was read; `read` has the digests of
    /// the bytes.
    ///
    /// # Errors
    /// The error of the system or of the storage, or a length that differs from the size of the version.
    fn settle(&mut self, read: &Stored) -> io::Result<Settled>;
}

/// What happened to a content while it was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// All bytes are of one version.
    Whole,
    /// All bytes are of one version, and data was appended to the file meanwhile.
    Grew,
    /// The bytes can be of two versions.
    Changed,
    /// The content never has the size that its metadata says. With the reason.
    Odd(String),
}

/// Opens the root to back up. Only this function distinguishes folders from other storages.
///
/// # Errors
/// If the root is a folder that does not exist.
pub fn open(root: &Location) -> Result<Arc<dyn Source>> {
    Ok(match root {
        Location::Folder(path) => Arc::new(entry::FolderSource::open(path)?),
        Location::Remote(store) => Arc::new(objects::ObjectSource::new(store)),
    })
}
