//! Deletes files that should not exist. Walks through the tree in the order of the records and compares it with them. With
//! records, files without a record are deleted; with rows of `snap-diff`, files that should not exist according to a row.

use super::decide::Action;
use super::input::{Chosen, Input};
use super::names::is_past;
use super::permit::Extent;
use super::root::{FolderRoot, TO_READ, TO_WRITE};
use super::target::{Deleted, NOT_DELETED};
use crate::display::counted;
use crate::error::{OrFailed, Reason, Result};
use crate::name::Name;
use crate::parallel::lock;
use crate::record::Kind;
use crate::rootdir::{Entry, Folder, Listing, split};
use rustix::fs::FileType;
use rustix::io::Errno;
use std::io;
use std::iter::Peekable;

/// What happens to an existing name. For a folder, it is kept until the contents of the folder were visited.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Decision {
    /// It has a record, or no row has it.
    Stays,
    Spared,
    /// It is deleted, unless something in it stays.
    Deleted,
    /// It is replaced by a file or link.
    Replaced,
}

/// The names that have a record or a row, in order.
type Wanted = Box<dyn Iterator<Item = Result<Chosen>> + Send>;

/// A walk through the tree.
pub struct Walk<'a> {
    root: &'a FolderRoot,
    wanted: Peekable<Wanted>,
    /// Whether the walk only counts, before anything is changed.
    counts: bool,
    report: &'a mut dyn FnMut(Deleted),
    /// The last record that the walk passed.
    last: Option<Name>,
    /// The last folder that could not be read.
    hidden: Option<Name>,
    /// The number of sockets, fifos and devices, which never have a record.
    special: u64,
    extent: Extent,
}

impl<'a> Walk<'a> {
    fn new(root: &'a FolderRoot, input: &Input, counts: bool, report: &'a mut dyn FnMut(Deleted)) -> Walk<'a> {
        let entries = input.read().filter(|c| !matches!(c, Ok(Chosen::Record(record)) if !record.is_entry()));
        Walk {
            root,
            wanted: (Box::new(entries) as Wanted).peekable(),
            counts,
            report,
            last: None,
            hidden: None,
            special: 0,
            extent: Extent::default(),
        }
    }

    /// Counts what would be deleted. Also finds folders in the place of a file that would not be emptied.
    pub fn count(root: &FolderRoot, input: &Input) -> Result<Extent> {
        let mut ignore = |_: Deleted| {};
        let mut walk = Walk::new(root, input, true, &mut ignore);
        walk.folder(b"", false)?;
        Ok(walk.extent)
    }

    /// Deletes what should not exist. A dry run only reports it.
    pub fn delete(root: &FolderRoot, input: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()> {
        let mut walk = Walk::new(root, input, false, report);
        walk.folder(b"", false)?;
        if walk.special > 0 {
            let files = counted(walk.special, "special file");
            root.job.monitor.note(&format!("{files} left alone: sockets, fifos or devices"));
        }
        Ok(())
    }

    fn report_one(&mut self, action: Action, name: &Name, kind: FileType, result: Result<(), Reason>) {
        (self.report)(Deleted { action, name: name.clone(), kind: word(kind), result });
    }

    /// Visits a folder. Returns whether something in it stays. In a folder that has to make room for a file, folders are deleted
    /// even if their type was not listed.
    fn folder(&mut self, name: &[u8], makes_room: bool) -> Result<bool> {
        let shown = Name::new(name);
        let (listing, folder) = match self.list(&shown) {
            Ok(Some(listed)) => listed,
            Err(e) if is_gone(&e) => return self.passes(&shown),
            unseen => {
                if let Err(e) = unseen {
                    self.report_one(Action::Delete, &shown, FileType::Directory, Err(e).or_reason("can't be listed"));
                }
                // Its contents are not visited.
                self.passes(&shown)?;
                return Ok(true);
            }
        };
        let (mut here, mut stays) = (Some(folder), false);
        let mut decisions: Vec<Decision> = Vec::new();
        for Entry { name: leaf, kind, is_inside } in listing.iter() {
            let path = Name::new(if name.is_empty() { leaf.to_vec() } else { [name, b"/", leaf].concat() });
            let decision = match is_inside {
                false => self.decision(&path, kind)?,
                true => decisions.pop().unwrap_or(Decision::Stays),
            };
            if kind == FileType::Directory && !is_inside {
                decisions.push(decision);
                continue;
            }
            // The folder can be opened again. A deep tree must not need an open descriptor per level.
            here = here.filter(|_| !is_inside);
            let goes = match is_inside {
                true => self.is_emptied(&path, decision, makes_room)? && (makes_room || self.deletes(kind)),
                false => decision == Decision::Deleted && self.deletes(kind),
            };
            stays |= !(goes && self.remove_in(&mut here, name, &path, kind));
        }
        Ok(self.passes(&shown)? || stays)
    }

    /// Lists a folder. None if it is not visited; then everything in it stays.
    fn list(&mut self, name: &Name) -> io::Result<Option<(Listing, Folder)>> {
        let (root, path) = (self.root, name.as_bytes());
        let Some(folder) = root.open_loosened(path, TO_READ)? else {
            self.hidden = Some(name.clone());
            if !self.counts && root.job.options.dry_run && lock(&root.found).hidden.insert(name.clone()) {
                self.report_one(Action::Open, name, FileType::Directory, Ok(()));
            }
            return Ok(None);
        };
        Ok(if root.keeps(&folder.stat()?) { None } else { Some((Listing::of(folder.fd())?, folder)) })
    }

    /// Returns what happens to an existing name. The names have to come in order.
    fn decision(&mut self, name: &Name, kind: FileType) -> Result<Decision> {
        let is_folder = kind == FileType::Directory;
        let found = self.find(name)?;
        self.extent.there += u64::from(matches!(kind, FileType::RegularFile | FileType::Symlink));
        self.extent.shared += u64::from(found.is_some());
        Ok(match found {
            Some(Chosen::Record(record)) if is_folder && record.kind() != Kind::Directory => Decision::Replaced,
            Some(Chosen::Record(_) | Chosen::Bad(..)) => Decision::Stays,
            None if self.root.job.is_rows => Decision::Stays,
            _ if lock(&self.root.found).gave_way.contains(name) => Decision::Stays,
            _ if self.root.job.spared.spares(name, is_folder) => Decision::Spared,
            _ if !matches!(kind, FileType::RegularFile | FileType::Symlink | FileType::Directory) => {
                self.special += 1;
                Decision::Stays
            }
            _ => Decision::Deleted,
        })
    }

    /// Visits a folder, if that can matter. Returns whether the folder is deleted and nothing in it stays.
    fn is_emptied(&mut self, name: &Name, decision: Decision, makes_room: bool) -> Result<bool> {
        // Rows of a folder that was not visited can come before the rows of this folder.
        self.pass(|next| !name.is_above(next) && !is_past(name, next))?;
        let has_rows = matches!(self.wanted.peek(), Some(Ok(chosen)) if name.is_above(chosen.record().name()));
        if decision == Decision::Spared || decision == Decision::Stays && self.root.job.is_rows && !self.counts && !has_rows {
            self.passes(name)?;
            return Ok(false);
        }
        let filled = self.folder(name.as_bytes(), makes_room || decision == Decision::Replaced)?;
        // A folder that a dry run can't read can still be emptied.
        let is_unknown = self.hidden.as_ref().is_some_and(|hidden| hidden == name || name.is_above(hidden));
        if filled && decision == Decision::Replaced {
            let mut found = lock(&self.root.found);
            if is_unknown { &mut found.hidden } else { &mut found.stuck }.insert(name.clone());
        }
        let is_needed = self.root.job.spared.may_hold(name) || self.last.as_ref().is_some_and(|last| name.is_above(last));
        if filled && decision == Decision::Deleted && self.root.job.is_rows && !is_needed && !is_unknown {
            self.report_one(Action::Delete, name, FileType::Directory, Err(Errno::NOTEMPTY).or_reason(NOT_DELETED));
        }
        Ok(decision == Decision::Deleted && !filled)
    }

    fn remove_in(&mut self, here: &mut Option<Folder>, parent: &[u8], name: &Name, kind: FileType) -> bool {
        if here.is_none() {
            *here = self.root.root.folder(parent).ok();
        }
        match here {
            Some(folder) => self.remove(folder, name, kind),
            // The folder was there a moment ago. If another one has its name now, it was not visited.
            None => false,
        }
    }

    /// Removes a file or an empty folder. Returns whether it is gone.
    fn remove(&mut self, folder: &Folder, name: &Name, kind: FileType) -> bool {
        let (root, (parent, leaf)) = (self.root, split(name.as_bytes()));
        // The tool's own output can't have a record.
        if matches!(folder.lstat(leaf), Ok(Some(stat)) if root.keeps(&stat)) || root.job.spared.holds(name) {
            return false;
        }
        let remove = || match kind {
            FileType::Directory => folder.remove_folder(leaf),
            _ => folder.unlink(leaf),
        };
        let result = match self.counts || root.job.options.dry_run {
            false => remove().or_else(|e| match e.kind() {
                io::ErrorKind::PermissionDenied => {
                    root.loosen(folder, parent, TO_WRITE)?;
                    remove()
                }
                io::ErrorKind::NotFound => Ok(()),
                _ => Err(e),
            }),
            true => Ok(()),
        };
        if matches!(&result, Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty) && root.job.spared.may_hold(name) {
            return false;
        }
        let gone = result.is_ok();
        self.extent.deleted += u64::from(gone && kind != FileType::Directory);
        self.report_one(Action::Delete, name, kind, result.or_reason(NOT_DELETED));
        gone
    }

    fn deletes(&self, kind: FileType) -> bool {
        self.root.job.spared.deletes(word(kind))
    }

    /// Returns the record or row with this name, if there is one.
    fn find(&mut self, name: &Name) -> Result<Option<Chosen>> {
        self.pass(|next| next < name)?;
        let found = self.wanted.next_if(|c| matches!(c, Ok(c) if c.record().name() == name)).transpose()?;
        if let Some(Chosen::Record(record)) = &found {
            self.last = Some(record.name().clone());
        }
        Ok(found)
    }

    /// Passes the records below a folder. Returns whether there was one: it exists already, or is still to be made.
    fn passes(&mut self, folder: &Name) -> Result<bool> {
        self.pass(|next| folder.is_above(next))?;
        Ok(self.last.as_ref().is_some_and(|last| folder.is_above(last)))
    }

    fn pass(&mut self, is_passed: impl Fn(&Name) -> bool) -> Result<()> {
        while let Some(chosen) = self.wanted.next_if(|c| !matches!(c, Ok(c) if !is_passed(c.record().name()))) {
            if let Chosen::Record(record) = chosen? {
                self.last = Some(record.name().clone());
            }
        }
        Ok(())
    }
}

fn word(kind: FileType) -> &'static str {
    match kind {
        FileType::Symlink => "link",
        FileType::Directory => "directory",
        _ => "file",
    }
}

fn is_gone(e: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(e.kind(), NotFound | NotADirectory) || e.raw_os_error() == Some(Errno::LOOP.raw_os_error())
}
