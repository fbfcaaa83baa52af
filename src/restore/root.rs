//! The open folder that is restored to, and what is remembered of it during the restore.

use super::input::Input;
use super::job::Job;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::name::Name;
use crate::record::Record;
use crate::rootdir::{Folder, RootDir};
use crate::stat;
use crate::storage::Location;
use rustix::fs::{FileType, Stat};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What it takes to read a folder.
pub const TO_READ: u32 = 0o500;
/// What it takes to work in it.
pub const TO_WRITE: u32 = 0o700;

/// A folder that is restored to.
pub struct FolderRoot {
    pub root: RootDir,
    pub job: Job,
    pub umask: u32,
    pub euid: u32,
    /// Device and inode of what is never deleted.
    keep: Vec<(u64, u64)>,
    /// Folders that were made readable and writable for the time of the work, with the mode that they had.
    pub loosened: Mutex<HashMap<Vec<u8>, u32>>,
    /// The monitor was notified that set-user-id is left off.
    pub stripped: AtomicBool,
    pub found: Mutex<Found>,
    /// Folders in work, each in the one before it.
    pub open: Mutex<Vec<Record>>,
    /// What the root is to get at the end, if it was made here.
    pub facts: Option<serde_json::Value>,
}

/// Names of what was found on the way and matters later.
#[derive(Default)]
pub struct Found {
    /// What is, or was, no folder and gives way to one, because of what records are below it.
    pub gave_way: HashSet<Name>,
    /// Folders in the place of a file that are not emptied by what is deleted.
    pub stuck: HashSet<Name>,
    /// Folders that a dry run can't look into and has reported; or folders in the place of a file that contain one.
    pub hidden: HashSet<Name>,
}

/// What another thread left, also if it panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// The open folder that a name is in.
#[derive(Clone)]
pub struct Place {
    pub folder: Arc<Folder>,
    /// In a dry run it may be one above, because the folder itself is still to be made.
    pub is_there: bool,
}

impl FolderRoot {
    /// Opens the root; makes it first where it is missing, for its owner alone if it gets its mode at the end. In a dry run an
    /// empty folder that is gone already stands in for it.
    pub fn open(root: &Path, input: &Input, job: Job) -> Result<FolderRoot> {
        let facts = input.end.as_ref().and_then(|end| end.root_folder.clone());
        let is_missing = matches!(root.symlink_metadata(), Err(e) if e.kind() == io::ErrorKind::NotFound);
        let dir = match is_missing {
            true if job.options.dry_run => RootDir::open(crate::files::temporary_folder()?.path()),
            true => make_root(root, if facts.is_some() { 0o700 } else { 0o777 }),
            false => RootDir::open(root),
        };
        let dir = dir.or_failed(|| format!("file root {}", printable(root.as_os_str().as_encoded_bytes())))?;
        let facts = facts.filter(|_| is_missing && !job.options.dry_run);
        Ok(FolderRoot::of(dir, facts, job))
    }

    /// A root that is open already.
    pub fn of(root: RootDir, facts: Option<serde_json::Value>, job: Job) -> FolderRoot {
        use std::os::unix::fs::MetadataExt;
        let both = |p: &Path| [p.metadata(), p.symlink_metadata()];
        let keep =
            job.options.keep.iter().filter_map(Location::folder).flat_map(both).flatten().map(|m| (m.dev(), m.ino())).collect();
        FolderRoot {
            root,
            job,
            umask: stat::umask(),
            euid: rustix::process::geteuid().as_raw(),
            keep,
            loosened: Mutex::default(),
            stripped: AtomicBool::new(false),
            found: Mutex::default(),
            open: Mutex::default(),
            facts,
        }
    }

    /// Remembers the mode that a folder had before it was changed for the time of the work.
    pub fn note_mode(&self, name: &[u8], mode: u32) {
        lock(&self.loosened).entry(name.to_vec()).or_insert(mode);
    }

    /// Whether this is never deleted.
    pub fn keeps(&self, stat: &Stat) -> bool {
        self.keep.contains(&(stat.st_dev, stat.st_ino))
    }
}

fn make_root(root: &Path, mode: u32) -> io::Result<RootDir> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::create_dir_all(root.parent().unwrap_or(root))?;
    match std::fs::DirBuilder::new().mode(mode).create(root) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => made?,
    }
    RootDir::open(root)
}
