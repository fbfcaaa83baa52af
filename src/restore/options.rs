//! How to restore.

use crate::error::{Malformed, Result};
use crate::join::Side;
use crate::storage::Location;
use std::str::FromStr;

/// How to restore.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Delete files that have no record.
    pub delete: bool,
    /// Also delete what was left out when the list was made.
    pub delete_excluded: bool,
    /// Refuse to restore if more than this would be deleted. Without a limit, a restore that would leave no file, or that is of another root
    /// and shares no name with what is there, is refused.
    pub max_delete: Option<MaxDelete>,
    /// Change nothing; give out rows with an `action` each: `create`, `replace` (another content or type), `change` (mode, owner,
    /// time or extended attributes only), `link` (another name of the file `to`), `delete`, and `open` for a folder that can't be
    /// looked into without changing it. What is as it should be has none.
    pub dry_run: bool,
    /// Read files that are there instead of trusting their size and time.
    pub checksum: bool,
    /// Restore owner and group.
    pub owner: bool,
    /// Restore extended attributes and ACLs of files and folders. Other attributes that a file has stay.
    pub xattrs: bool,
    /// Which side of rows of `snap-diff` to restore.
    pub side: Side,
    /// How many files to work on at once.
    pub jobs: usize,
    /// Return the records of the files as they are now, instead of the input records, which is faster.
    pub report: bool,
    /// What is never deleted: the heap root, the snap root, and the file that the tool itself writes.
    pub keep: Vec<Location>,
}

/// How much may be deleted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum MaxDelete {
    /// This many files and links.
    Count(u64),
    /// This share of the files and links that are there, in percent.
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
