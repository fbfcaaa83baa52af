//! What can be backed up. A [`Source`] lists what it has, looks at one name, opens a content together with its version, and says
//! whether it has another version by now; [`mod@crate::scan`] and [`mod@crate::heapify`] are written once for all of them.
//!
//! - `folder` a folder of this machine, behind descriptors: `walk` lists it, `xattrs` and [`facts`] are what it alone has
//! - [`objects`] a root in another storage
//! - `selection` what of a source is listed, and what is left out on the way; `kept` what is left out for what it is
//!
//! A stream (a tar archive, standard input) can be one as well: what comes in no order is sorted before it is listed, and a content
//! that can't be opened a second time says so.

mod entry;
pub mod facts;
mod folder;
mod kept;
pub mod objects;
mod options;
mod selection;
mod walk;
mod xattrs;

pub use options::{Options, Own};
pub use selection::Selection;

use crate::error::Result;
use crate::heap::Stored;
use crate::name::Name;
use crate::record::Record;
use crate::storage::Location;
use crate::stream::Records;
use crate::time::Time;
use std::io::{self, Read};
use std::sync::Arc;

/// A root whose files can be backed up.
pub trait Source: Send + Sync {
    /// The root as it was given.
    fn location(&self) -> &Location;

    /// Whether it is a folder of this machine: it has inodes and extended attributes, and its names have no empty parts.
    fn is_folder(&self) -> bool {
        false
    }

    /// What is known of the root itself, which has no record (see [`facts::of`]); with extended attributes if asked for. None
    /// where nothing is known.
    fn root_facts(&self, _with_xattrs: bool) -> Option<serde_json::Value> {
        None
    }

    /// The records of all that is selected, in order of name. What can't be read is a record of type `error` in its place.
    ///
    /// # Errors
    /// If the root can't be listed. Later errors end the records.
    fn list(self: Arc<Self>, selection: Arc<Selection>) -> Result<Records>;

    /// The record of one name, without regard to the filter; an error record where nothing is there. None if it is left out for
    /// what it is, or if its type is not wanted.
    ///
    /// # Errors
    /// If no other name would fare better.
    fn look(&self, name: Name, selection: &Selection) -> Result<Option<Record>>;

    /// How many looks at once make sense.
    fn jobs(&self) -> usize {
        1
    }

    /// Opens the content of a record's file.
    ///
    /// # Errors
    /// What the system or the storage says. If it is that the version of the record is not there any more, [`Source::newer`] has
    /// the one that is.
    fn open(&self, record: &Record) -> io::Result<Opened>;

    /// The record as it would be now; None if it is as good as it was, or what has its name is no file any more.
    ///
    /// # Errors
    /// What the system or the storage says: mostly that nothing is there.
    fn newer(&self, record: &Record) -> io::Result<Option<Record>>;
}

/// A content that was opened.
pub struct Opened {
    /// The record of what was opened, where that is not what was listed any more.
    pub record: Option<Record>,
    /// Its version.
    pub version: Version,
    /// Its bytes.
    pub content: Box<dyn Content>,
}

/// What tells one version of a content from another.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Version {
    /// Bytes of the content.
    pub size: Option<u64>,
    /// Time of the last change of the content.
    pub modified: Option<Time>,
    /// Time of the last change of the inode.
    pub changed: Option<Time>,
    /// The storage's token of equality.
    pub etag: Option<String>,
}

/// The bytes of a version.
pub trait Content: Read + Send {
    /// What became of it while it was read. Asked once, when all was read; `read` has the digests of what came.
    ///
    /// # Errors
    /// What the system or the storage says; that what came is not as long as the version.
    fn settle(&mut self, read: &Stored) -> io::Result<Settled>;
}

/// What became of a content while it was read.
#[derive(Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is one version, from the first byte to the last.
    Whole,
    /// It is that version, and by now there is more behind its end.
    Grew,
    /// It may be of two versions.
    Changed,
    /// It never is what its size says: the reason, in words.
    Odd(String),
}

/// Opens the root that files are backed up from. This is the one place that tells folders and other storages apart.
///
/// # Errors
/// If it is a folder that is not there.
pub fn open(root: &Location) -> Result<Arc<dyn Source>> {
    Ok(match root {
        Location::Folder(path) => Arc::new(entry::FolderSource::open(path)?),
        Location::Remote(store) => Arc::new(objects::ObjectSource::new(store)),
    })
}
