//! The options of a scan.

use crate::filter::Filter;
use crate::part::Part;
use crate::record::Kind;
use crate::storage::Location;
use crate::time::Time;
use std::path::PathBuf;

/// The options of a scan: which entries to list, and how.
#[derive(Default)]
pub struct Options {
    /// The kinds to list. If empty, all kinds.
    pub kinds: Vec<Kind>,
    /// The filter that leaves entries out.
    pub filter: Filter,
    /// List only the names of this part.
    pub part: Option<Part>,
    /// Do not enter folders on other file systems.
    pub one_file_system: bool,
    /// Return a record of type `gone` for a listed name that does not exist, not an error record.
    pub gone: bool,
    /// Record extended attributes.
    pub xattrs: bool,
    /// List versions instead of the current objects; only in storages that keep them.
    pub versions: Option<Versions>,
    /// Folders to leave out with a note, wherever they are: the heap root and the snap root, with a description of each.
    pub leave_out: Vec<(Location, &'static str)>,
    /// The files that the scan itself writes. They are not listed.
    pub output: Own,
    /// The end of a note that counts the links and empty folders whose kinds are not listed. Without it, there is no such note.
    pub unwanted: Option<&'static str>,
}

/// Files that a tool itself writes, by path or by device and inode.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// The paths that the files have or will have.
    pub paths: Vec<PathBuf>,
    /// The devices and inodes of existing files, whatever their names are.
    pub ids: Vec<(u64, u64)>,
}

/// The versions to list instead of the current ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Those that were current at this time.
    At(Time),
    /// All of them, with the deletions, those of a name from the oldest to the latest.
    All,
}
