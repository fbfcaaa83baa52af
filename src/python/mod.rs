//! `snapshooter`: the command line of the Python tool of that name, over the same stages as the filters. Each command chains the
//! stages in one process: make, restore, list, compare, show and verify snapshots, forget some, and collect garbage.

pub mod args;
mod compare;
mod main;
mod make;
mod markdown;
mod restore;
mod settings;

pub use args::{Choice, Format, Make, Restore};
pub use compare::compare;
pub use main::main;
pub use make::{Made, make};
pub use restore::restore;

use crate::display::shell_word;
use crate::error::{OrFailed, Result};
use crate::monitor::Monitor;
use crate::snapshot::{self, Place};
use crate::storage::Location;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The settings for making and restoring snapshots.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The folder to back up or to restore to.
    pub file: Location,
    /// The heap, which keeps the contents.
    pub heap: Location,
    /// The snap root, which keeps the snapshots.
    pub snap: Location,
    /// The file with the list of objects, which is kept up to date.
    pub heap_cache_file: Option<PathBuf>,
    /// The number of files to store at once.
    pub store_jobs: usize,
    /// The number of files to restore at once.
    pub restore_jobs: usize,
}

impl Choice {
    /// Returns the snapshot that the options select.
    ///
    /// # Errors
    /// If there is none.
    pub fn find(&self, snap: &Location, monitor: &dyn Monitor) -> Result<Place> {
        let spec = match (&self.path, &self.latest) {
            (Some(path), _) => path.clone(),
            (None, Some(time)) => format!("@{time}").into(),
            (None, None) => "latest".into(),
        };
        snapshot::choose(Some(snap), &spec, &self.options, &mut |message| monitor.warn(message))
    }
}

/// Returns the paths of a page of snapshots, newest first or oldest first, one per line, and `...` if more follow. A snap root
/// that does not exist yet has none.
///
/// # Errors
/// If the snap root can't be listed.
pub fn list(snap: &Location, oldest_first: bool, offset: usize, limit: usize) -> Result<Vec<u8>> {
    if !snap.is_there().or_failed(|| format!("snap root {snap}"))? {
        return Ok(Vec::new());
    }
    let mut found = snapshot::list(snap)?;
    if oldest_first {
        found.reverse();
    }
    let more = found.len() > offset.saturating_add(limit);
    let page = found.iter().skip(offset).take(limit).map(|f| [f.place.as_given().as_bytes(), b"\n"].concat());
    let more = more.then(|| b"...\n".to_vec());
    Ok(page.chain(more).flatten().collect())
}

/// Quotes a word for a shell.
fn quoted(word: &OsStr) -> String {
    shell_word(word.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_a_shell() {
        assert_eq!(quoted(OsStr::new("/a/b-c.gz")), "/a/b-c.gz");
        assert_eq!(quoted(OsStr::new("it's here")), "'it'\\''s here'");
        assert_eq!(quoted(OsStr::from_bytes(b"\xff\n'")), "$'\\xff\\n\\''");
        assert_eq!(quoted(OsStr::new("")), "''");
    }
}
