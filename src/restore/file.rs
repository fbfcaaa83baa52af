//! Changes one file, link or folder of this machine. A new file is made under a temporary name and then renamed.

use super::decide::{Action, STILL_BLOCKED, There, What};
use super::meta::{Meta, fresh, fresh_folder};
use super::root::{FolderRoot, Place, is};
use super::target::{Made, Task, Trouble};
use crate::content::Content;
use crate::error::Reason;
use crate::record::{Kind, Record};
use crate::rootdir::{Folder, Temp, split};
use crate::system;
use rustix::fs::{FileType, Stat};
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::os::unix::fs::FileExt;

impl There {
    fn is_something(&self) -> bool {
        !matches!(self.what, What::Nothing)
    }

    /// Checks whether a rename replaces the existing entry.
    fn is_replaced(&self) -> bool {
        !matches!(self.what, What::Nothing | What::Folder(_))
    }
}

impl FolderRoot {
    /// Carries out the decision.
    pub fn make(&self, task: &Task<Place>, there: &There, action: Action) -> Result<Made, Trouble> {
        let (record, folder, leaf) = (&task.record, &*task.place.folder, task.leaf());
        let mut set = Ok(());
        let now = match (action, record.kind()) {
            (Action::Keep, _) | (Action::Change, Kind::Directory) => there.stat,
            (Action::Change, Kind::Link) => {
                set = Meta::of(record, &self.job.options).set_link(record, folder, leaf, there.stat.as_ref().ok_or_else(gone)?);
                None
            }
            (Action::Change, _) => {
                let seen = there.stat.ok_or_else(gone)?;
                let (fd, meta) = (folder.open_same(leaf, &seen)?, Meta::of(record, &self.job.options));
                // Opening a file of ours can have changed its mode.
                let is_loosened = rustix::fs::fstat(&fd).map_err(io::Error::from)?.st_mode != seen.st_mode;
                set = if is_loosened { meta.or_mode(system::mode(&seen) & 0o7777) } else { meta }.set(&fd, self);
                Some(rustix::fs::fstat(&fd).map_err(io::Error::from)?)
            }
            (Action::Link, _) => {
                self.link(task, there)?;
                None
            }
            (_, Kind::Directory) => {
                self.make_folder(record, folder, leaf, there)?;
                None
            }
            (_, Kind::Link) => {
                make_way(folder, leaf, there)?;
                let target = record.fields().destination.as_deref().unwrap_or_default();
                folder.symlink(target, leaf, there.is_replaced())?;
                let stat = folder.lstat(leaf)?.ok_or_else(gone)?;
                set = Meta::of(record, &self.job.options).set_link(record, folder, leaf, &stat);
                None
            }
            _ => {
                let content = self.job.content(record)?;
                let mut temp = Temp::new(&task.place.folder, there.is_something())?;
                write(temp.file(), content, record.fields().sparse)?;
                set = Meta::of(record, &self.job.options).or_mode(0o666 & !self.umask).set(temp.file(), self);
                make_way(folder, leaf, there)?;
                temp.publish(leaf)?;
                Some(rustix::fs::fstat(temp.file()).map_err(io::Error::from)?)
            }
        };
        Ok(Made { action, now: self.report(record, folder, leaf, now)?, set })
    }

    /// Returns the record with the current metadata of the file system, if the options ask for it.
    fn report(&self, record: &Record, folder: &Folder, leaf: &[u8], now: Option<Stat>) -> io::Result<Option<Box<Record>>> {
        if !self.job.options.report {
            return Ok(None);
        }
        let now = match now {
            Some(stat) => stat,
            None => folder.lstat(leaf)?.ok_or_else(gone)?,
        };
        Ok(Some(Box::new(match record.kind() {
            Kind::Directory => fresh_folder(record, &now, &self.job.options),
            _ => fresh(record, &now),
        })))
    }

    fn make_folder(&self, record: &Record, folder: &Folder, leaf: &[u8], there: &There) -> io::Result<()> {
        if there.is_something() {
            folder.unlink(leaf)?;
        }
        // Other users get no access before the folder has its final mode.
        folder.make_folder(leaf, if record.fields().mode.is_some() { 0o700 } else { 0o777 })
    }

    /// Makes another name of a file that was restored before.
    fn link(&self, task: &Task<Place>, there: &There) -> Result<(), Trouble> {
        let first = task.first.as_ref().ok_or_else(gone)?;
        let (parent, first) = split(first.name.as_bytes());
        let parent = self.root.folder(parent)?;
        parent.lstat(first)?.filter(|s| is(s, FileType::RegularFile)).ok_or_else(gone)?;
        let (folder, leaf) = (&task.place.folder, task.leaf());
        make_way(folder, leaf, there)?;
        Ok(folder.link(leaf, &parent, first, there.is_replaced())?)
    }
}

fn gone() -> io::Error {
    io::Error::other("it was removed at once")
}

/// Removes an empty folder that is in the way.
fn make_way(folder: &Folder, leaf: &[u8], there: &There) -> Result<(), Trouble> {
    let removed = if let What::Folder(_) = there.what { folder.remove_folder(leaf) } else { Ok(()) };
    removed.map_err(|e| match e.kind() {
        io::ErrorKind::DirectoryNotEmpty => Trouble::Failed(STILL_BLOCKED.into()),
        _ => e.into(),
    })
}

/// Writes a content to a file.
fn write(file: &File, content: Content, sparse: bool) -> Result<(), Trouble> {
    let mut out = Writer { file, at: 0, sparse };
    match content {
        Content::Whole(bytes) => out.put(&bytes)?,
        // The chunks of our heap are whole blocks, so holes are found.
        Content::Stream(mut input) => loop {
            let chunk = input.fill_buf().map_err(Reason::from)?;
            if chunk.is_empty() {
                break;
            }
            out.put(chunk)?;
            let written = chunk.len();
            input.consume(written);
        },
    }
    if sparse { Ok(file.set_len(out.at)?) } else { Ok(()) }
}

struct Writer<'a> {
    file: &'a File,
    at: u64,
    sparse: bool,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        /// The size of a block, in bytes. Holes consist of whole blocks of the file system.
        const BLOCK: usize = 4096;
        if !self.sparse {
            let mut file = self.file;
            self.at += bytes.len() as u64;
            return file.write_all(bytes);
        }
        // Consecutive blocks of data are written at once.
        let mut data = 0..0;
        for block in bytes.chunks(BLOCK) {
            let end = data.end + block.len();
            if block == [0; BLOCK] {
                self.file.write_all_at(&bytes[data.clone()], self.at + data.start as u64)?;
                data = end..end;
            } else {
                data.end = end;
            }
        }
        self.file.write_all_at(&bytes[data.clone()], self.at + data.start as u64)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
