//! A folder of ours whose mode denies us access is made accessible during the restore and gets its mode back at the end. A folder
//! gets the mode, owner and time of its record when everything in it is done.

use super::meta::Meta;
use super::root::{FolderRoot, TO_READ, TO_WRITE, is};
use super::target::Failed;
use crate::parallel::lock;
use crate::record::Record;
use crate::rootdir::{Folder, split};
use crate::system;
use rustix::fs::{self, FileType, Stat};
use std::io;

impl FolderRoot {
    /// Opens a folder in an open one. If it belongs to us and its mode lacks the bits that we need, it gets them until the end. A
    /// dry run returns None then, because the contents are unknown.
    pub fn open_in(&self, parent: &Folder, name: &[u8], needed: u32) -> io::Result<Option<Folder>> {
        let leaf = split(name).1;
        let folder = match parent.folder(leaf) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let is_ours = |stat: &Stat| is(stat, FileType::Directory) && stat.st_uid == self.euid;
                match parent.lstat(leaf)? {
                    Some(stat) if is_ours(&stat) && self.job.options.dry_run => return Ok(None),
                    Some(stat) if is_ours(&stat) => {}
                    _ => return Err(e),
                }
                let (fd, stat) = parent.open_own(leaf)?;
                self.note_mode(name, system::mode(&stat) & 0o7777);
                Folder::of(fd)
            }
            opened => opened?,
        };
        Ok(self.loosen(&folder, name, needed)?.then_some(folder))
    }

    /// Opens a folder by its whole name. If it belongs to us and we can't open it, it gets the bits that we need. Returns None as
    /// [`FolderRoot::open_in`] does.
    pub fn open_loosened(&self, name: &[u8], needed: u32) -> io::Result<Option<Folder>> {
        match self.root.folder(name) {
            Ok(folder) => Ok(self.loosen(&folder, name, needed)?.then_some(folder)),
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied && !name.is_empty() => {
                self.open_in(&self.root.folder(split(name).0)?, name, needed)
            }
            Err(e) => Err(e),
        }
    }

    /// Adds the bits that we need to the mode of an open folder of ours. Returns false if a dry run would have to change it. The
    /// superuser needs no bits.
    pub fn loosen(&self, folder: &Folder, name: &[u8], needed: u32) -> io::Result<bool> {
        if self.euid == 0 || name.is_empty() || needed == 0 {
            return Ok(true);
        }
        let stat = folder.stat()?;
        let mode = system::mode(&stat) & 0o7777;
        if stat.st_uid != self.euid || mode & needed == needed {
            return Ok(true);
        }
        if self.job.options.dry_run {
            return Ok(mode & needed & TO_READ == needed & TO_READ);
        }
        fs::fchmod(folder.fd(), system::permissions(mode | TO_WRITE))?;
        self.note_mode(name, mode);
        Ok(true)
    }

    /// Gives a folder the mode, owner and time of its record.
    pub fn finish(&self, record: &Record) -> Option<Failed> {
        let name = record.name().as_bytes();
        let folder = self.open_loosened(name, 0);
        let mut meta = Meta::of(record, &self.job.options);
        let before = lock(&self.loosened).remove(name);
        meta.mode = before.filter(|_| meta.mode.is_none()).or(meta.mode);
        let set = match folder {
            Ok(None) => Err(io::Error::from(io::ErrorKind::PermissionDenied).into()),
            Ok(Some(folder)) => meta.set(folder.fd(), self),
            Err(e) => Err(e.into()),
        };
        set.err().map(|reason| (record.name().clone(), reason))
    }

    /// Gives the folders without a record their mode back.
    pub fn tighten(&self) {
        let mut all: Vec<_> = lock(&self.loosened).drain().collect();
        // A folder comes after the folders in it, because its mode can deny us access to them.
        all.sort_by(|a, b| b.cmp(a));
        for (name, mode) in all {
            // We could change its mode before, so this fails only if the folder changed meanwhile.
            if let Ok(folder) = self.root.folder(&name) {
                let _ = fs::fchmod(folder.fd(), system::permissions(mode));
            }
        }
    }
}
