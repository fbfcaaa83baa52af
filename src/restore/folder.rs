//! A folder of this machine to restore to: what is there, seen through open descriptors. Nothing outside is reached, and no link is
//! followed.

use super::decide::{Action, Held, Read, Seen, There, What};
use super::delete::Walk;
use super::file;
use super::finish::{Loosened, TO_READ};
use super::meta::{self, Meta};
use super::names::is_past;
use super::permit::{Extent, Spared};
use super::pump::Worker;
use super::steps::{Feeder, named};
use super::target::{Deleted, Failed, First, Made, Steps, Target, Task, Trouble};
use super::{Input, Options};
use crate::content::Contents;
use crate::display::printable;
use crate::end::End;
use crate::error::{Error, OrFailed, Result};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::{Folder, RootDir, split};
use crate::stat;
use crate::storage::Location;
use rustix::fs::{FileType, Stat};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A folder that is restored to.
pub struct FolderRoot {
    pub root: RootDir,
    pub options: Arc<Options>,
    pub monitor: Arc<dyn Monitor>,
    pub umask: u32,
    pub euid: u32,
    /// Device and inode of what is never deleted.
    keep: Vec<(u64, u64)>,
    /// What is not deleted although no record has it.
    pub spared: Spared,
    /// Folders that were opened to us for the time of the work.
    pub loosened: Loosened,
    /// It was told once that set-user-id is left off.
    pub stripped: AtomicBool,
    pub found: Mutex<Found>,
    /// Folders in work, each in the one before it.
    open: Mutex<Vec<Record>>,
    /// What the root is to get at the end, if it was made here.
    facts: Option<serde_json::Value>,
}

/// Names of what was found on the way and matters later.
#[derive(Default)]
pub struct Found {
    /// What is, or was, no folder and gives way to one, because of what records are below it.
    pub gave_way: HashSet<Name>,
    /// Folders in the place of a file that are not emptied by what is deleted.
    pub stuck: HashSet<Name>,
    /// Folders that a dry run can't look into, and has told of; or in the place of a file, with such a folder in them.
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

impl Task<Place> {
    pub fn leaf(&self) -> &[u8] {
        split(self.record.name().as_bytes()).1
    }
}

impl FolderRoot {
    /// Opens the root; makes it first where it is missing, for its owner alone if it gets its mode at the end. In a dry run an
    /// empty folder that is gone already stands in for it.
    pub fn open(
        root: &Path,
        input: &Input,
        spared: Spared,
        options: Arc<Options>,
        monitor: Arc<dyn Monitor>,
    ) -> Result<FolderRoot> {
        let facts = input.end.as_ref().and_then(|end| end.root_folder.clone());
        let is_missing = matches!(root.symlink_metadata(), Err(e) if e.kind() == io::ErrorKind::NotFound);
        let dir = match is_missing {
            true if options.dry_run => RootDir::open(crate::files::temporary_folder()?.path())?,
            true => make_root(root, if facts.is_some() { 0o700 } else { 0o777 })?,
            false => open_root(root)?,
        };
        let facts = facts.filter(|_| is_missing && !options.dry_run);
        Ok(FolderRoot::of(dir, facts, spared, options, monitor))
    }

    /// The same for an open folder.
    pub fn of(
        root: RootDir,
        facts: Option<serde_json::Value>,
        spared: Spared,
        options: Arc<Options>,
        monitor: Arc<dyn Monitor>,
    ) -> FolderRoot {
        use std::os::unix::fs::MetadataExt;
        let both = |p: &Path| [p.metadata(), p.symlink_metadata()];
        let keep =
            options.keep.iter().filter_map(Location::folder).flat_map(both).flatten().map(|m| (m.dev(), m.ino())).collect();
        FolderRoot {
            root,
            options,
            monitor,
            umask: stat::umask(),
            euid: rustix::process::geteuid().as_raw(),
            keep,
            spared,
            loosened: Loosened::default(),
            stripped: AtomicBool::new(false),
            found: Mutex::default(),
            open: Mutex::default(),
            facts,
        }
    }

    /// Whether this is never deleted.
    pub fn keeps(&self, stat: &Stat) -> bool {
        self.keep.contains(&(stat.st_dev, stat.st_ino))
    }

    /// What a folder holds that is in the place of something else.
    fn held(&self, task: &Task<Place>, stat: &Stat) -> io::Result<Held> {
        let name = task.record.name();
        if self.keeps(stat) {
            return Ok(Held::Root);
        }
        let folder = self.open_in(&task.place.folder, name.as_bytes(), TO_READ)?;
        let Some(folder) = folder.filter(|_| !lock(&self.found).hidden.contains(name)) else {
            lock(&self.found).hidden.insert(name.clone());
            return Ok(Held::Hidden);
        };
        Ok(match folder.is_empty()? {
            true => Held::Nothing,
            false if self.options.delete && !lock(&self.found).stuck.contains(name) => Held::Extras,
            false => Held::Something,
        })
    }

    /// Whether something is the file that came first. In a dry run that may lie where it can't be looked at: then it is.
    fn is_first(&self, first: &First, stat: &Stat) -> bool {
        let (parent, leaf) = split(first.name.as_bytes());
        let origin = self.root.folder(parent).and_then(|folder| folder.lstat(leaf));
        !first.is_new
            && match origin {
                Ok(origin) => origin.is_some_and(|o| (o.st_dev, o.st_ino) == (stat.st_dev, stat.st_ino)),
                Err(e) => self.options.dry_run && e.kind() == io::ErrorKind::PermissionDenied,
            }
    }
}

fn shown(root: &Path) -> String {
    format!("file root {}", printable(root.as_os_str().as_encoded_bytes()))
}

fn open_root(root: &Path) -> Result<RootDir> {
    RootDir::open(root).map_err(|e| match e {
        Error::Io { source, .. } => Error::io(shown(root), source),
        e => e,
    })
}

fn make_root(root: &Path, mode: u32) -> Result<RootDir> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::create_dir_all(root.parent().unwrap_or(root)).or_failed(|| shown(root))?;
    match std::fs::DirBuilder::new().mode(mode).create(root) {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
        made => made.or_failed(|| shown(root))?,
    }
    open_root(root)
}

impl Target for FolderRoot {
    const WINDOW: usize = 32;
    type Place = Place;

    fn extent(&self, input: &Input) -> Result<Extent> {
        Walk::count(self, input)
    }

    fn steps(worker: Arc<Worker<FolderRoot>>, input: &Input) -> Result<Steps<Place>> {
        Ok(Feeder::steps(worker, input))
    }

    fn place(&self, record: &Record) -> Result<Place, Trouble> {
        let place = self.reach(split(record.name().as_bytes()).0, &mut |_, _| {})?;
        place.ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied).into())
    }

    fn look(&self, task: &Task<Place>) -> Result<There, Trouble> {
        let (record, folder, leaf) = (&task.record, &task.place.folder, task.leaf());
        let Some(mut stat) = folder.lstat(leaf)?.filter(|_| task.place.is_there) else {
            return Ok(There { is_first: task.first.as_ref().map(|_| false), ..There::nothing() });
        };
        let what = match (FileType::from_raw_mode(stat.st_mode), record.kind()) {
            (FileType::RegularFile, _) => {
                let (size, time) = (Some(stat.st_size as u64), Some(stat::modified(&stat)));
                What::File(Seen { size, time, ..Seen::default() })
            }
            (FileType::Symlink, Kind::Link) => What::Link(folder.read_link(leaf)?),
            (FileType::Directory, Kind::Directory) => What::Folder(Held::Nothing),
            (FileType::Directory, _) => What::Folder(self.held(task, &stat)?),
            _ => What::Special,
        };
        if is(&stat, FileType::Directory)
            && let Some(mode) = self.loosened.mode_of(record.name().as_bytes())
        {
            stat.st_mode = stat.st_mode & !0o7777 | mode;
        }
        let xattrs_differ =
            stat::kind(&stat) == Some(record.kind()) && Meta::of(record, &self.options).xattrs_differ(folder, leaf, &stat);
        let is_first = task.first.as_ref().map(|first| self.is_first(first, &stat));
        Ok(There { what, stat: Some(stat), xattrs_differ, is_first })
    }

    fn read(&self, task: &Task<Place>, there: &There) -> Result<Read, Trouble> {
        match self.root.open_file(task.record.name().as_bytes()) {
            Ok(mut file) => Ok(Read::Is(file::md5_of(&mut file)?)),
            // To read it would take another mode: it is made anew rather than changed and changed back.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && there.stat.is_some_and(|s| s.st_uid == self.euid) => {
                Ok(Read::Refused)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn apply(&self, task: &Task<Place>, there: &There, action: Action, contents: &dyn Contents) -> Result<Made, Trouble> {
        self.make(task, there, action, contents).map_err(|trouble| named(trouble, task.record.name()))
    }

    fn delete(&self, input: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()> {
        Walk::delete(self, input, report)
    }

    fn finish_before(&self, name: &Name) -> Vec<Failed> {
        let mut failed = Vec::new();
        loop {
            let past = lock(&self.open).pop_if(|folder| is_past(folder.name(), name));
            let Some(folder) = past else { return failed };
            failed.extend(self.finish(&folder));
        }
    }

    fn enter(&self, folder: &Record) {
        lock(&self.open).push(folder.clone());
    }

    fn close(&self) -> Vec<Failed> {
        let open = std::mem::take(&mut *lock(&self.open));
        let failed = open.iter().rev().filter_map(|folder| self.finish(folder)).collect();
        self.tighten();
        failed
    }

    fn conclude(&self) -> Result<(), String> {
        self.facts.as_ref().map_or(Ok(()), |facts| meta::set_root(facts, self))
    }

    fn end(&self, end: End) -> End {
        End { root_folder: crate::scan::facts::of(&self.root, self.options.xattrs).ok(), ..end }
    }
}
