//! Folders get their mode, owner and time when everything in them is done: a stack of those that are still in work.

use super::Context;
use super::meta::Meta;
use crate::name::{Name, compare};
use crate::record::Record;
use crate::rootdir::{Folder, split};
use rustix::fs::{self, Mode};
use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

/// Whether nothing that is still to come, in order, from `name` on is below `above`.
pub fn is_past(above: &Name, name: &Name) -> bool {
    if above.is_above(name) {
        return false;
    }
    let mut below = above.as_bytes().to_vec();
    below.push(b'/');
    compare(name.as_bytes(), &below).is_gt()
}

/// Folders that were made writable for a time, with the mode that they had.
#[derive(Default)]
pub struct Loosened(Mutex<HashMap<Vec<u8>, u32>>);

impl Loosened {
    /// Opens `parent/leaf`; makes it writable if it is ours and is not.
    pub fn open(&self, parent: &Folder, name: &[u8], context: &Context) -> io::Result<Folder> {
        let leaf = split(name).1;
        let folder = match parent.folder(leaf) {
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let (fd, stat) = parent.open_own(leaf)?;
                self.note(name, stat.st_mode & 0o7777);
                Folder::of(fd)
            }
            other => other?,
        };
        self.loosen(&folder, name, context)?;
        Ok(folder)
    }

    /// Makes an open folder writable. The superuser needs none of this.
    pub fn loosen(&self, folder: &Folder, name: &[u8], context: &Context) -> io::Result<()> {
        if context.euid == 0 || name.is_empty() {
            return Ok(());
        }
        let stat = folder.stat()?;
        let mode = stat.st_mode & 0o7777;
        if stat.st_uid == context.euid && mode & 0o700 != 0o700 {
            fs::fchmod(folder.fd(), Mode::from_raw_mode(mode | 0o700))?;
            self.note(name, mode);
        }
        Ok(())
    }

    fn note(&self, name: &[u8], mode: u32) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(name.to_vec()).or_insert(mode);
    }

    /// The mode that a folder had; it is forgotten.
    fn take(&self, name: &[u8]) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(name)
    }

    fn all(&self) -> Vec<(Vec<u8>, u32)> {
        let mut all: Vec<_> = self.0.lock().unwrap_or_else(PoisonError::into_inner).drain().collect();
        // What is below comes before what is above, which may not let us through any more.
        all.sort_by(|a, b| b.cmp(a));
        all
    }
}

/// The folders in work.
pub struct Finisher {
    context: Arc<Context>,
    open: Vec<Record>,
}

/// A folder that could not be brought to what its record says, and why.
pub type Unfinished = (Record, String);

impl Finisher {
    pub fn new(context: Arc<Context>) -> Finisher {
        Finisher { context, open: Vec::new() }
    }

    /// Finishes the folders that nothing from `name` on is in.
    pub fn advance(&mut self, name: &Name) -> Vec<Unfinished> {
        let mut failed = Vec::new();
        while let Some(record) = self.open.pop_if(|folder| is_past(folder.name(), name)) {
            failed.extend(self.finish(record));
        }
        failed
    }

    /// Takes a folder in.
    pub fn push(&mut self, folder: Record) {
        self.open.push(folder);
    }

    /// Finishes all that are still in work, and gives the others that were made writable their mode back.
    pub fn close(&mut self) -> Vec<Unfinished> {
        let mut failed = Vec::new();
        while let Some(record) = self.open.pop() {
            failed.extend(self.finish(record));
        }
        for (name, mode) in self.context.loosened.all() {
            // It was ours to change, so it still is, unless somebody took it away.
            if let Ok(folder) = self.context.root.folder(&name) {
                let _ = fs::fchmod(folder.fd(), Mode::from_raw_mode(mode));
            }
        }
        failed
    }

    fn finish(&self, record: Record) -> Option<Unfinished> {
        let (context, name) = (&self.context, record.name().as_bytes());
        let folder = context.root.folder(name).or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => context.loosened.open(&context.root.folder(split(name).0)?, name, context),
            _ => Err(e),
        });
        let mut meta = Meta::of(&record, context);
        meta.mode = context.loosened.take(name).filter(|_| meta.mode.is_none()).or(meta.mode);
        let set = match folder {
            Ok(folder) => meta.set(folder.fd(), context),
            Err(e) => Err(crate::error::reason(&e)),
        };
        set.err().map(|reason| (record, reason))
    }
}

impl Drop for Finisher {
    fn drop(&mut self) {
        // Whatever stopped the work, no folder is left with a mode that was for us alone.
        self.close();
    }
}
