//! What is there and is not in the records: a walk of the tree in the order of the records, side by side with them; and the
//! rows of `snap-diff` that say that a name should not be there.

use super::Context;
use super::file::is;
use super::finish::is_past;
use super::permit::Extent;
use super::plan::{Chosen, chosen};
use crate::end::End;
use crate::error::{Result, reason};
use crate::name::{Name, units};
use crate::record::{Kind, Record};
use crate::rootdir::{Folder, Listing, split};
use crate::sort::Spool;
use crate::stream::Records;
use rustix::fs::FileType;
use std::io;
use std::iter::Peekable;

/// Something that was deleted, or (in a dry run) would be, or could not be.
pub struct Deleted {
    pub name: Name,
    pub kind: FileType,
    pub result: Result<(), String>,
}

/// Deletes, or says what it would delete.
pub struct Deleter<'a> {
    context: &'a Context,
    /// Delete these types only: `file`, `link`, `directory`.
    types: Option<Vec<String>>,
    dry_run: bool,
    report: &'a mut dyn FnMut(Deleted),
    /// Sockets, fifos and devices, which no record could have.
    pub special: u64,
    /// What was seen on the way.
    pub extent: Extent,
}

impl Deleter<'_> {
    /// One that deletes, or does not in a dry run, and reports each name.
    pub fn new<'a>(context: &'a Context, spool: &Spool, dry_run: bool, report: &'a mut dyn FnMut(Deleted)) -> Deleter<'a> {
        let types = spool.end().and_then(|end| End::of(end).types);
        Deleter { context, types, dry_run, report, special: 0, extent: Extent::default() }
    }

    /// Deletes what the records do not have, or what the rows say should not be there.
    pub fn run(&mut self, spool: &Spool, rows: bool) -> Result<()> {
        if rows { self.rows(spool) } else { self.extras(spool) }
    }

    /// Deletes what the records do not have.
    fn extras(&mut self, spool: &Spool) -> Result<()> {
        let entries: Records = Box::new(spool.read().filter(|r| !matches!(r, Ok(r) if !r.is_entry())));
        Walk { records: entries.peekable(), deleter: self }.folder(b"", false).map(|_| ())
    }

    /// Deletes what rows say should not be there.
    fn rows(&mut self, spool: &Spool) -> Result<()> {
        let mut folders: Vec<Name> = Vec::new();
        for row in spool.read() {
            let Chosen::Nothing(row) = chosen(row?, self.context.side) else { continue };
            while let Some(folder) = folders.pop_if(|folder| is_past(folder, row.name())) {
                self.row(&folder, &mut None);
            }
            self.row(row.name(), &mut Some(&mut folders));
        }
        while let Some(folder) = folders.pop() {
            self.row(&folder, &mut None);
        }
        Ok(())
    }

    /// Deletes a file, or puts a folder aside until what is in it is done.
    fn row(&mut self, name: &Name, folders: &mut Option<&mut Vec<Name>>) {
        let (parent, leaf) = split(name.as_bytes());
        let look = || {
            let parent = self.context.root.folder(parent)?;
            let stat = parent.lstat(leaf)?;
            io::Result::Ok((parent, stat))
        };
        match look() {
            Ok((_, None)) => {}
            Ok((_, Some(stat))) if self.context.keeps(&stat) => {}
            Ok((_, Some(stat))) if self.context.spared.spares(name, is(&stat, FileType::Directory)) => {}
            Ok((parent, Some(stat))) => match folders {
                Some(folders) if is(&stat, FileType::Directory) => folders.push(name.clone()),
                _ => {
                    self.remove(&parent, name.as_bytes(), FileType::from_raw_mode(stat.st_mode));
                }
            },
            // What it was in is gone already, or no folder any more.
            Err(e) if is_gone(&e) => {}
            Err(e) => self.tell(name.as_bytes(), FileType::Unknown, Err(reason(&e))),
        }
    }

    fn tell(&mut self, name: &[u8], kind: FileType, result: Result<(), String>) {
        let name = Name::new(name);
        if result.is_ok() && !self.dry_run {
            self.context.monitor.detail("deleted", &name);
        }
        (self.report)(Deleted { name, kind, result });
    }

    /// Removes a file, or a folder that is empty. Says whether it is gone.
    fn remove(&mut self, folder: &Folder, name: &[u8], kind: FileType) -> bool {
        // The tool's own output is nothing that the records could have.
        if matches!(folder.lstat(split(name).1), Ok(Some(stat)) if self.context.keeps(&stat)) {
            return false;
        }
        let shown = Name::new(name);
        if self.context.spared.holds(&shown) {
            return false;
        }
        if self.dry_run {
            self.count(kind, true);
            self.tell(name, kind, Ok(()));
            return true;
        }
        let (parent, leaf) = split(name);
        let remove = || match kind {
            FileType::Directory => folder.remove_folder(leaf),
            _ => folder.unlink(leaf),
        };
        let result = remove().or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => {
                self.context.loosened.loosen(folder, parent, self.context)?;
                remove()
            }
            io::ErrorKind::NotFound => Ok(()),
            _ => Err(e),
        });
        if matches!(&result, Err(e) if e.kind() == io::ErrorKind::DirectoryNotEmpty) && self.context.spared.may_hold(&shown) {
            return false;
        }
        let gone = result.is_ok();
        self.count(kind, gone);
        self.tell(name, kind, result.map_err(|e| format!("can't be deleted: {}", reason(&e))));
        gone
    }

    fn count(&mut self, kind: FileType, gone: bool) {
        self.extent.deleted += u64::from(gone && kind != FileType::Directory);
    }

    fn is_wanted(&self, kind: FileType) -> bool {
        let word = match kind {
            FileType::RegularFile => "file",
            FileType::Symlink => "link",
            _ => "directory",
        };
        self.types.as_ref().is_none_or(|types| types.iter().any(|t| t == word))
    }
}

struct Walk<'w, 'a> {
    records: Peekable<Records>,
    deleter: &'w mut Deleter<'a>,
}

impl Walk<'_, '_> {
    /// Works through a folder; says whether something stays in it. In a folder that has to make room for a file, folders go
    /// too, whatever the types.
    fn folder(&mut self, name: &[u8], makes_room: bool) -> Result<bool> {
        let context = self.deleter.context;
        let listed = open(context, name).and_then(|folder| match context.keeps(&folder.stat()?) {
            true => Ok(None),
            false => Ok(Some((folder.list()?, folder))),
        });
        let (listing, mut here) = match listed {
            Ok(Some((listing, folder))) => (listing, Some(folder)),
            Ok(None) => return Ok(true),
            Err(e) if is_gone(&e) => return Ok(false),
            Err(e) => {
                self.deleter.tell(name, FileType::Directory, Err(format!("can't be listed: {}", reason(&e))));
                return Ok(true);
            }
        };
        let (entries, mut stays) = (Entries::new(&listing), false);
        // What is known of a folder between its own place and that of what is in it.
        let mut extra: Vec<&[u8]> = Vec::new();
        let mut replaced: Vec<&[u8]> = Vec::new();
        let mut spared: Vec<&[u8]> = Vec::new();
        for (leaf, kind, is_inside) in entries.in_order() {
            let path = if name.is_empty() { leaf.to_vec() } else { [name, b"/", leaf].concat() };
            if is_inside && spared.pop_if(|s| *s == leaf).is_some() {
                continue;
            }
            if is_inside {
                // It may be opened again; a deep tree must not hold a descriptor for every level.
                here = None;
                let makes_room = makes_room || replaced.pop_if(|r| *r == leaf).is_some();
                let filled = self.folder(&path, makes_room)?;
                let goes = extra.pop_if(|e| *e == leaf).is_some() && !filled && (makes_room || self.deleter.is_wanted(kind));
                stays |= !(goes && self.remove(&mut here, name, &path, kind));
                continue;
            }
            let shown = Name::new(path.clone());
            let recorded = self.recorded(&shown)?;
            let extent = &mut self.deleter.extent;
            extent.there += u64::from(matches!(kind, FileType::RegularFile | FileType::Symlink));
            extent.shared += u64::from(recorded.is_some());
            match recorded {
                Some(Kind::Directory) => {}
                Some(_) if kind == FileType::Directory => replaced.push(leaf),
                Some(_) => stays = true,
                None if context.spared.spares(&shown, kind == FileType::Directory) => {
                    spared.push(leaf);
                    stays = true;
                }
                None if kind == FileType::Directory => extra.push(leaf),
                None if !matches!(kind, FileType::RegularFile | FileType::Symlink) => {
                    self.deleter.special += 1;
                    stays = true;
                }
                None if self.deleter.is_wanted(kind) => stays |= !self.remove(&mut here, name, &path, kind),
                None => stays = true,
            }
        }
        Ok(stays)
    }

    fn remove(&mut self, here: &mut Option<Folder>, name: &[u8], path: &[u8], kind: FileType) -> bool {
        if here.is_none() {
            *here = open(self.deleter.context, name).ok();
        }
        match here {
            Some(folder) => self.deleter.remove(folder, path, kind),
            // It was there a moment ago; then it is not for us to say what is in it.
            None => false,
        }
    }

    /// The type of the record of that name, if there is one. Names have to be asked for in order.
    fn recorded(&mut self, name: &Name) -> Result<Option<Kind>> {
        while let Some(record) = self.records.next_if(|r| !matches!(r, Ok(r) if r.name() >= name)) {
            record?;
        }
        let found = self.records.next_if(|r| matches!(r, Ok(r) if r.name() == name));
        found.transpose().map(|r| r.map(|r: Record| r.kind()))
    }
}

/// Opens a folder, and makes it readable if it is ours.
fn open(context: &Context, name: &[u8]) -> io::Result<Folder> {
    match context.root.folder(name) {
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !context.dry_run => {
            let parent = context.root.folder(split(name).0)?;
            context.loosened.open(&parent, name, context)
        }
        other => other,
    }
}

fn is_gone(e: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(e.kind(), NotFound | NotADirectory) || e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

/// The entries of a folder in the order of records: a folder twice, for itself and, as if a `/` came behind its name, for what
/// is in it.
struct Entries<'a> {
    names: Vec<(&'a [u8], FileType, bool)>,
}

impl<'a> Entries<'a> {
    fn new(listing: &'a Listing) -> Entries<'a> {
        let mut names: Vec<_> = listing
            .iter()
            .flat_map(|(name, kind)| [Some((name, kind, false)), (kind == FileType::Directory).then_some((name, kind, true))])
            .flatten()
            .collect();
        let slash = |inside: bool| inside.then_some(b'/');
        match listing.iter().all(|(name, _)| std::str::from_utf8(name).is_ok()) {
            true => names.sort_unstable_by(|(a, _, x), (b, _, y)| {
                a.iter().copied().chain(slash(*x)).cmp(b.iter().copied().chain(slash(*y)))
            }),
            false => names.sort_unstable_by(|(a, _, x), (b, _, y)| {
                let slash = |inside: bool| slash(inside).map(u32::from);
                units(a).chain(slash(*x)).cmp(units(b).chain(slash(*y)))
            }),
        }
        Entries { names }
    }

    fn in_order(self) -> impl Iterator<Item = (&'a [u8], FileType, bool)> {
        self.names.into_iter()
    }
}

/// What a restore would delete.
///
/// # Errors
/// Those of the records, and of what can't be listed.
pub fn extent(context: &Context, spool: &Spool, rows: bool) -> Result<Extent> {
    let mut ignore = |_: Deleted| {};
    let mut deleter = Deleter::new(context, spool, true, &mut ignore);
    deleter.run(spool, rows)?;
    let extent = deleter.extent;
    if !rows {
        return Ok(extent);
    }
    // Rows do not say what else is there.
    let mut counter = Deleter::new(context, spool, true, &mut ignore);
    Walk { records: (Box::new(std::iter::empty()) as Records).peekable(), deleter: &mut counter }.folder(b"", false)?;
    Ok(Extent { there: counter.extent.there, ..extent })
}
