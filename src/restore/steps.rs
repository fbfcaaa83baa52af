//! The steps of records into a folder, in order: names that can't be restored, folders above, folders, names of the same file.

use super::decide::{self, Action};
use super::input::{Chosen, Input};
use super::names::{HardLinks, Names};
use super::root::{FolderRoot, Place, TO_WRITE, is};
use super::target::{Done, First, Made, Step, Steps, Target, Task};
use crate::name::Name;
use crate::parallel::lock;
use crate::record::Kind;
use crate::rootdir::{Folder, split};
use rustix::fs::FileType;
use std::collections::VecDeque;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

impl FolderRoot {
    /// Opens a folder to put something in. Missing folders on the way are made, and anything else in their place is replaced. A
    /// dry run returns the deepest existing folder, or None if a folder can't be read. `report` gets what is done or, in a dry
    /// run, would be done.
    pub fn reach(&self, name: &[u8], report: &mut dyn FnMut(Action, Name)) -> io::Result<Option<Place>> {
        let place = |folder| Place { folder: Arc::new(folder), is_there: true };
        let hidden = |name: &[u8], report: &mut dyn FnMut(Action, Name)| {
            let name = Name::new(name);
            if lock(&self.found).hidden.insert(name.clone()) {
                report(Action::Open, name);
            }
            Ok(None)
        };
        if let Ok(folder) = self.root.folder(name) {
            return if self.loosen(&folder, name, TO_WRITE)? { Ok(Some(place(folder))) } else { hidden(name, report) };
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
                Ok(None) => return hidden(path, report),
                Err(e) if there.as_ref().is_some_and(|stat| is(stat, FileType::Directory)) => return Err(e),
                Err(_) => {
                    if there.is_some() && lock(&self.found).gave_way.insert(Name::new(path)) {
                        report(Action::Replace, Name::new(path));
                    }
                    match self.job.options.dry_run {
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
}

/// Makes the steps of the records, in order: refuses names that can't be restored, makes folders, recognizes names of the same
/// file.
pub struct Feeder {
    root: Arc<FolderRoot>,
    names: Names,
    links: HardLinks,
    /// The folder of the last record; None if it can't be read.
    current: Option<(Vec<u8>, Option<Place>)>,
    ready: VecDeque<Step<Place>>,
}

impl Feeder {
    /// Returns the steps of all records.
    pub fn steps(root: Arc<FolderRoot>, input: &Input) -> Steps<Place> {
        let (names, links, ready) = (Names::default(), HardLinks::default(), VecDeque::new());
        let mut feeder = Feeder { root, names, links, current: None, ready };
        let mut records = input.read();
        Box::new(std::iter::from_fn(move || {
            while feeder.ready.is_empty() {
                match records.next()? {
                    Ok(chosen) => {
                        let step = feeder.step(chosen);
                        feeder.ready.extend(step);
                    }
                    Err(e) => return Some(Err(e)),
                }
            }
            feeder.ready.pop_front().map(Ok)
        }))
    }

    fn step(&mut self, chosen: Chosen) -> Option<Step<Place>> {
        let record = match Step::restores(chosen) {
            ControlFlow::Continue(record) => record,
            ControlFlow::Break(step) => return Some(step),
        };
        if let Err(reason) = self.names.check(&record).and_then(|()| decide::check(&record)) {
            return Some(Step::failed(record, reason));
        }
        let first = self.links.first_of(&record).map(|name| First { name, is_new: false });
        let place = match self.enter(split(record.name().as_bytes()).0) {
            Ok(place) => place?,
            Err(e) => return Some(Step::Done(Done { record, first, made: Err(e.into()) })),
        };
        let task = Task { record, place, first };
        if task.record.kind() != Kind::Directory {
            return Some(Step::Task(task));
        }
        let done = self.root.done(task);
        if matches!(done.made, Ok(Made { action: Action::Replace, .. })) {
            lock(&self.root.found).gave_way.insert(done.record.name().clone());
        }
        Some(Step::Done(done))
    }

    fn enter(&mut self, name: &[u8]) -> io::Result<Option<Place>> {
        let place = match self.current.take().filter(|(current, _)| current == name) {
            Some((_, place)) => place,
            None => {
                let ready = &mut self.ready;
                self.root.reach(name, &mut |action, name| ready.push_back(Step::Folder(action, name)))?
            }
        };
        self.current = Some((name.to_vec(), place.clone()));
        Ok(place)
    }
}
