//! A folder of this machine to restore to: what is there, seen through open descriptors. Nothing outside is reached, and no link is
//! followed.

use super::decide::{self, Action, Chosen, Held, Read, Seen, There, What};
use super::delete::Walk;
use super::file;
use super::finish::Loosened;
use super::meta::{self, Meta};
use super::names::{HardLinks, Names, is_past};
use super::permit::{Extent, Spared};
use super::pump::Worker;
use super::target::{Deleted, Done, Failed, First, Made, Step, Steps, Target, Task, Trouble, WRITE};
use super::{Input, Options};
use crate::content::Contents;
use crate::end::End;
use crate::error::{Error, OrFailed, Result, printable};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::{Folder, RootDir, split};
use crate::stat;
use crate::storage::Location;
use rustix::fs::{FileType, Mode, Stat};
use std::collections::{HashSet, VecDeque};
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
    pub options: Arc<Options>,
    pub monitor: Arc<dyn Monitor>,
    pub umask: u32,
    euid: u32,
    /// Device and inode of what is never deleted.
    keep: Vec<(u64, u64)>,
    /// What is not deleted although no record has it.
    pub spared: Spared,
    /// Folders that were opened to us for the time of the work.
    pub loosened: Loosened,
    /// It was told once that set-user-id is left off.
    pub stripped: AtomicBool,
    pub seen: Found,
    /// Folders in work, each in the one before it.
    open: Mutex<Vec<Record>>,
    /// What the root is to get at the end, if it was made here.
    facts: Option<serde_json::Value>,
}

/// What was found on the way and matters later.
#[derive(Default)]
pub struct Found {
    /// What is, or was, no folder and gives way to one, because of what records are below it.
    pub gave_way: Mutex<HashSet<Name>>,
    /// Folders in the place of a file that are not emptied by what is deleted.
    pub stuck: Mutex<HashSet<Name>>,
    /// Folders that a dry run can't look into, and has told of.
    pub hidden: Mutex<HashSet<Name>>,
}

/// What another thread left, also if it panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// The open folder that a name is in.
pub struct Place {
    pub folder: Arc<Folder>,
    /// In a dry run it may be one above, because the folder itself is still to be made.
    is_there: bool,
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
            seen: Found::default(),
            open: Mutex::default(),
            facts,
        }
    }

    /// Whether this is never deleted.
    pub fn keeps(&self, stat: &Stat) -> bool {
        self.keep.contains(&(stat.st_dev, stat.st_ino))
    }

    /// Opens a folder in an open one. One of ours whose mode lacks what we need of it gets that until all is done; in a dry run it
    /// is None, for what is in it can't be known.
    pub fn open_in(&self, parent: &Folder, name: &[u8], needed: u32) -> io::Result<Option<Folder>> {
        let leaf = split(name).1;
        let folder = match parent.folder(leaf) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let is_ours = |stat: &Stat| is(stat, FileType::Directory) && stat.st_uid == self.euid;
                match parent.lstat(leaf)? {
                    Some(stat) if is_ours(&stat) && self.options.dry_run => return Ok(None),
                    Some(stat) if is_ours(&stat) => {}
                    _ => return Err(e),
                }
                let (fd, stat) = parent.open_own(leaf)?;
                self.loosened.note(name, stat.st_mode & 0o7777);
                Folder::of(fd)
            }
            opened => opened?,
        };
        Ok(self.loosen(&folder, name, needed)?.then_some(folder))
    }

    /// The same for a folder that could be opened: whether all that is needed of it is allowed now. The superuser needs none of
    /// this.
    pub fn loosen(&self, folder: &Folder, name: &[u8], needed: u32) -> io::Result<bool> {
        if self.euid == 0 || name.is_empty() {
            return Ok(true);
        }
        let stat = folder.stat()?;
        let mode = stat.st_mode & 0o7777;
        if stat.st_uid != self.euid || mode & needed == needed {
            return Ok(true);
        }
        if self.options.dry_run {
            return Ok(mode & needed & TO_READ == needed & TO_READ);
        }
        rustix::fs::fchmod(folder.fd(), Mode::from_raw_mode(mode | TO_WRITE))?;
        self.loosened.note(name, mode);
        Ok(true)
    }

    /// Whether a folder that can't be looked into is told of for the first time.
    pub fn is_new_hidden(&self, name: &Name) -> bool {
        lock(&self.seen.hidden).insert(name.clone())
    }

    /// Opens a folder to put something in; makes it, and those above, where they are missing or something else is there. A dry run
    /// goes as far as there are folders; it has None if one can't be looked into. What is done, or is to be done, is said.
    fn reach(&self, name: &[u8], say: &mut dyn FnMut(Action, Name)) -> io::Result<Option<Place>> {
        let place = |folder| Place { folder: Arc::new(folder), is_there: true };
        let hidden = |name: &[u8], say: &mut dyn FnMut(Action, Name)| {
            let name = Name::new(name);
            if self.is_new_hidden(&name) {
                say(Action::Open, name);
            }
            Ok(None)
        };
        if let Ok(folder) = self.root.folder(name) {
            return if self.loosen(&folder, name, TO_WRITE)? { Ok(Some(place(folder))) } else { hidden(name, say) };
        }
        let mut at = place(self.root.folder(b"")?);
        let ends = name.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(end, _)| end).chain([name.len()]);
        for path in ends.map(|end| &name[..end]).filter(|path| !path.is_empty()) {
            let (folder, leaf) = (&at.folder, split(path).1);
            let there = folder.lstat(leaf)?;
            if !at.is_there {
                continue;
            }
            at = match self.open_in(folder, path, TO_WRITE) {
                Ok(Some(next)) => place(next),
                Ok(None) => return hidden(path, say),
                Err(e) if there.as_ref().is_some_and(|stat| is(stat, FileType::Directory)) => return Err(e),
                Err(_) => {
                    if there.is_some() && lock(&self.seen.gave_way).insert(Name::new(path)) {
                        say(Action::Replace, Name::new(path));
                    }
                    match self.options.dry_run {
                        true => Place { folder: folder.clone(), is_there: false },
                        false => place(self.make_in(folder, path, there.is_some())?),
                    }
                }
            };
        }
        Ok(Some(at))
    }

    /// Makes and opens a folder that has no record.
    fn make_in(&self, parent: &Folder, name: &[u8], replace: bool) -> io::Result<Folder> {
        let leaf = split(name).1;
        if replace {
            parent.unlink(leaf)?;
        }
        match parent.make_folder(leaf, 0o777) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
            _ => self.open_in(parent, name, TO_WRITE)?.ok_or_else(|| io::ErrorKind::PermissionDenied.into()),
        }
    }

    /// What a folder holds that is in the place of something else.
    fn held(&self, task: &Task<Place>, stat: &Stat) -> io::Result<Held> {
        let name = task.record.name();
        if self.keeps(stat) {
            return Ok(Held::Root);
        }
        let Some(folder) = self.open_in(&task.place.folder, name.as_bytes(), TO_READ)? else {
            self.is_new_hidden(name);
            return Ok(Held::Hidden);
        };
        Ok(match folder.is_empty()? {
            true => Held::Nothing,
            false if self.options.delete && !lock(&self.seen.stuck).contains(name) => Held::Extras,
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
        let (extent, stuck) = Walk::count(self, input)?;
        *lock(&self.seen.stuck) = stuck;
        Ok(extent)
    }

    fn steps(worker: Arc<Worker<FolderRoot>>, input: &Input) -> Result<Steps<Place>> {
        let mut planner =
            Planner { worker, names: Names::default(), links: HardLinks::default(), current: None, ready: VecDeque::new() };
        let mut records = input.read();
        Ok(Box::new(std::iter::from_fn(move || {
            while planner.ready.is_empty() {
                let step = planner.step(records.next()?);
                planner.ready.extend(step);
            }
            planner.ready.pop_front()
        })))
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

/// A failure that stops all says for which name.
fn named(trouble: Trouble, name: &Name) -> Trouble {
    match trouble {
        Trouble::Fatal(Error::Io { what, source }) if what == WRITE => {
            Trouble::Fatal(Error::io(format!("{WRITE} {}", name.printable()), source))
        }
        trouble => trouble,
    }
}

/// Takes records to their places, in order: names that can't be restored, folders, names of one file.
struct Planner {
    worker: Arc<Worker<FolderRoot>>,
    names: Names,
    links: HardLinks,
    /// The last folder that something was put in; None if it can't be looked into.
    current: Option<(Vec<u8>, Option<(Arc<Folder>, bool)>)>,
    ready: VecDeque<Step<Place>>,
}

impl Planner {
    fn step(&mut self, chosen: Result<Chosen>) -> Option<Step<Place>> {
        let record = match chosen {
            Err(e) => return Some(Step::Fatal(e)),
            Ok(Chosen::Nothing(_)) => return Some(Step::Extra),
            Ok(Chosen::Bad(row, reason)) => return Some(Step::failed(row, reason)),
            Ok(Chosen::Record(record)) if !record.is_entry() => return Some(Step::Pass(record)),
            Ok(Chosen::Record(record)) => record,
        };
        if let Err(reason) = self.names.check(&record).and_then(|()| decide::check(&record)) {
            return Some(Step::failed(record, reason));
        }
        let first = self.links.first_of(&record).map(|name| First { name, is_new: false });
        let place = match self.enter(split(record.name().as_bytes()).0) {
            Ok(place) => place?,
            Err(e) => {
                let made = Err(named(e.into(), record.name()));
                return Some(Step::Done(Done { record, first, made }));
            }
        };
        let task = Task { record, place, first };
        if task.record.kind() != Kind::Directory {
            return Some(Step::Task(task));
        }
        let done = self.worker.done(task);
        if matches!(done.made, Ok(Made { action: Action::Replace, .. })) {
            lock(&self.worker.target.seen.gave_way).insert(done.record.name().clone());
        }
        Some(Step::Done(done))
    }

    fn enter(&mut self, name: &[u8]) -> io::Result<Option<Place>> {
        let current = self.current.take().filter(|(current, _)| current == name);
        let entered = match current {
            Some((_, entered)) => entered,
            None => {
                let ready = &mut self.ready;
                let place = self.worker.target.reach(name, &mut |action, name| ready.push_back(Step::Folder(action, name)))?;
                place.map(|place| (place.folder, place.is_there))
            }
        };
        self.current = Some((name.to_vec(), entered.clone()));
        Ok(entered.map(|(folder, is_there)| Place { folder, is_there }))
    }
}
