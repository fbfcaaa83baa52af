//! A folder of this machine as the target of a restore. Its entries are reached through open descriptors. Nothing outside of it
//! is reached, and no link is followed.

use super::decide::{Action, Held, Read, Seen, There, What};
use super::delete::Walk;
use super::input::Input;
use super::job::Job;
use super::meta::{self, Meta};
use super::names::is_past;
use super::permit::Extent;
use super::root::{FolderRoot, Place, TO_READ, is};
use super::steps::Feeder;
use super::target::{Deleted, Failed, First, Made, Steps, Target, Task, Trouble};
use crate::digest::md5_of_all;
use crate::end::End;
use crate::error::{Reason, Result};
use crate::name::Name;
use crate::parallel::lock;
use crate::record::{Kind, Record};
use crate::rootdir::split;
use crate::stat;
use crate::system;
use rustix::fs::{FileType, Stat};
use std::io;
use std::sync::Arc;

impl Task<Place> {
    pub fn leaf(&self) -> &[u8] {
        split(self.record.name().as_bytes()).1
    }
}

impl FolderRoot {
    /// Returns what a folder in the place of a file or link contains.
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
            false if self.job.options.delete && !lock(&self.found).stuck.contains(name) => Held::Extras,
            false => Held::Something,
        })
    }

    /// Checks whether an entry is the same file as an earlier name. In a dry run, the earlier name can be in a folder that can't
    /// be read; then the answer is true.
    fn is_first(&self, first: &First, stat: &Stat) -> bool {
        let (parent, leaf) = split(first.name.as_bytes());
        let origin = self.root.folder(parent).and_then(|folder| folder.lstat(leaf));
        !first.is_new
            && match origin {
                Ok(origin) => origin.is_some_and(|o| (o.st_dev, o.st_ino) == (stat.st_dev, stat.st_ino)),
                Err(e) => self.job.options.dry_run && e.kind() == io::ErrorKind::PermissionDenied,
            }
    }
}

impl Target for FolderRoot {
    const WINDOW: usize = 32;
    type Place = Place;

    fn job(&self) -> &Job {
        &self.job
    }

    fn extent(&self, input: &Input) -> Result<Extent> {
        Walk::count(self, input)
    }

    fn steps(self: Arc<FolderRoot>, input: &Input) -> Result<Steps<Place>> {
        Ok(Feeder::steps(self, input))
    }

    fn place(&self, record: &Record) -> Result<Place, Trouble> {
        let place = self.reach(split(record.name().as_bytes()).0, &mut |_, _| {})?;
        place.ok_or_else(|| io::Error::from(io::ErrorKind::PermissionDenied).into())
    }

    fn look(&self, task: &Task<Place>) -> Result<There, Trouble> {
        let (record, folder, leaf) = (&task.record, &task.place.folder, task.leaf());
        let Some(mut stat) = folder.lstat(leaf)?.filter(|_| task.place.is_there) else {
            return Ok(There { is_first: task.first.as_ref().map(|_| false), ..There::default() });
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
            && let Some(mode) = lock(&self.loosened).get(record.name().as_bytes()).copied()
        {
            system::set_permissions(&mut stat, mode);
        }
        let xattrs_differ =
            stat::kind(&stat) == Some(record.kind()) && Meta::of(record, &self.job.options).xattrs_differ(folder, leaf, &stat);
        let is_first = task.first.as_ref().map(|first| self.is_first(first, &stat));
        Ok(There { what, stat: Some(stat), xattrs_differ, attributes_differ: false, is_first })
    }

    fn read(&self, task: &Task<Place>, there: &There) -> Result<Read, Trouble> {
        match self.root.open_file(task.record.name().as_bytes()) {
            Ok(mut file) => Ok(Read::Is(md5_of_all(&mut file)?)),
            // Reading it would need another mode. Instead of changing the mode twice, the file is made again.
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && there.stat.is_some_and(|s| s.st_uid == self.euid) => {
                Ok(Read::Refused)
            }
            Err(e) => Err(e.into()),
        }
    }

    fn apply(&self, task: &Task<Place>, there: &There, action: Action) -> Result<Made, Trouble> {
        self.make(task, there, action)
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

    fn conclude(&self) -> Result<(), Reason> {
        self.facts.as_ref().map_or(Ok(()), |facts| meta::set_root(facts, self))
    }

    fn end(&self, end: End) -> End {
        End { root_folder: crate::scan::facts::of(&self.root, self.job.options.xattrs).ok(), ..end }
    }
}
