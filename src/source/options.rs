//! What a scan is asked for.

use crate::filter::Filter;
use crate::record::Kind;
use crate::storage::Location;
use std::path::PathBuf;

/// What to list and how.
#[derive(Default)]
pub struct Options {
    /// The kinds to list; empty for all.
    pub kinds: Vec<Kind>,
    /// What to leave out.
    pub filter: Filter,
    /// Do not go into folders on other file systems.
    pub one_file_system: bool,
    /// Record extended attributes.
    pub xattrs: bool,
    /// Folders to leave out with a note, wherever they lie: the heap root and the snap root, with a word for each.
    pub leave_out: Vec<(Location, &'static str)>,
    /// What the scan itself writes to, which is no part of what it lists.
    pub output: Own,
    /// Note how many links and empty folders are there that are not of the kinds to list, with these words behind.
    pub unwanted: Option<&'static str>,
}

/// Files that a tool itself writes, by path or by device and inode.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Names that files have, or will have.
    pub paths: Vec<PathBuf>,
    /// Device and inode of existing files, under any name.
    pub ids: Vec<(u64, u64)>,
}
