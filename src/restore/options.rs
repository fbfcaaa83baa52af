//! The options of a restore.

use crate::error::{Malformed, Result};
use crate::join::Side;
use crate::storage::Location;
use std::str::FromStr;

/// The options of a restore.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Delete files that have no record.
    pub delete: bool,
    /// Also delete files that the scan left out.
    pub delete_excluded: bool,
    /// Refuse to restore if more than this would be deleted. Without a limit, a restore is refused if it would leave no file, or
    /// if the records are from another root and share no name with this one.
    pub max_delete: Option<MaxDelete>,
    /// Change nothing. Return rows that each have an `action`: `create`, `replace` (another content or type), `change` (only
    /// mode, owner, time or extended attributes), `link` (another name of the file `to`), `delete`, and `open` for a folder that
    /// can't be read without changing it. Unchanged files have no row.
    pub dry_run: bool,
    /// Read existing files instead of trusting their size and time.
    pub checksum: bool,
    /// Restore owner and group.
    pub owner: bool,
    /// Restore extended attributes and ACLs of files and folders. Other attributes of a file stay.
    pub xattrs: bool,
    /// Which side of rows of `snap-diff` to restore.
    pub side: Side,
    /// How many files to work on at once.
    pub jobs: usize,
    /// Return the current records of the files instead of the input records, which would be faster.
    pub report: bool,
    /// Files and folders that are never deleted: the heap root, the snap root, and the file that the tool itself writes.
    pub keep: Vec<Location>,
}

/// The limit of what can be deleted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxDelete {
    /// This many files and links.
    Count(u64),
    /// This share of the existing files and links, in percent.
    Percent(f64),
}

impl FromStr for MaxDelete {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<MaxDelete, Malformed> {
        let refused = || Malformed::new("expected a number of files, or a share of them such as 10%");
        match text.strip_suffix('%') {
            Some(share) => match share.parse() {
                Ok(share) if (0.0..=100.0).contains(&share) => Ok(MaxDelete::Percent(share)),
                _ => Err(refused()),
            },
            None => text.parse().map(MaxDelete::Count).map_err(|_| refused()),
        }
    }
}
