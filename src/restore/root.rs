//! The open folder that is the target of a restore, and the state of the restore.

use super::input::Input;
use super::job::Job;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::name::Name;
use crate::parallel::lock;
use crate::record::Record;
use crate::rootdir::{Folder, RootDir};
use crate::stat;
use crate::storage::Location;
use crate::system;
use rustix::fs::{FileType, Stat};
use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// The mode bits needed to read a folder.
pub const TO_READ: u32 = 0o500;
/// The mode bits needed to change the entries of a folder.
pub const TO_WRITE: u32 = 0o700;

/// A folder as the target of a restore.
pub struct FolderRoot {
    pub root: RootDir,
    pub job: Job,
    pub umask: u32,
    pub euid: u32,
    /// Device and inode of the files and folders that are never deleted.
    keep: Vec<(u64, u64)>,
    /// Folders that are readable and writable only during the restore, with their original mode.
    pub loosened: Mutex<HashMap<Vec<u8>, u32>>,
    /// Whether the monitor was notified that set-user-id is omitted.
    pub stripped: AtomicBool,
    pub found: Mutex<Found>,
    /// The folders whose entries are being restored, each in the one before it.
    pub open: Mutex<Vec<Record>>,
    /// The metadata that the root gets at the end, if this restore made it.
    pub facts: Option<serde_json::Value>,
}

/// Names that were found during the restore and matter later.
#[derive(Default)]
pub struct Found {
    /// Names of files and links that a folder replaces, or has replaced, because of the records below them.
    pub gave_way: HashSet<Name>,
    /// Folders in the place of a file that deleting does not empty.
    pub stuck: HashSet<Name>,
    /// Folders that a dry run can't read and has reported, and folders in the place of a file that contain such a folder.
    pub hidden: HashSet<Name>,
}

pub fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// The open folder that contains a name.
#[derive(Clone)]
pub struct Place {
    pub folder: Arc<Folder>,
    /// False in a dry run if the folder does not exist yet. Then `folder` is a folder above it.
    pub is_there: bool,
}

impl FolderRoot {
    /// Opens the root. A missing root is made, accessible to its owner only if it gets its mode at the end. In a dry run, an
    /// empty folder that is already removed stands for a missing root.
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

    /// Makes the target from a root that is already open.
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

    /// Remembers the original mode of a folder that is changed only during the restore.
    pub fn note_mode(&self, name: &[u8], mode: u32) {
        lock(&self.loosened).entry(name.to_vec()).or_insert(mode);
    }

    /// Checks whether this file or folder must never be deleted.
    pub fn keeps(&self, stat: &Stat) -> bool {
        self.keep.contains(&(system::device(stat), stat.st_ino))
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
