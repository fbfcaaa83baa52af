//! Folders get their mode, owner and time when everything in them is done; those that were opened to us for that long get their own
//! mode back.

use super::folder::{FolderRoot, TO_READ, lock};
use super::meta::Meta;
use super::target::Failed;
use crate::record::Record;
use crate::rootdir::split;
use rustix::fs::{self, Mode};
use std::collections::HashMap;
use std::io;
use std::sync::Mutex;

/// Folders that were made readable and writable for a time, with the mode that they had.
#[derive(Default)]
pub struct Loosened(Mutex<HashMap<Vec<u8>, u32>>);

impl Loosened {
    /// Takes in a folder that had this mode.
    pub fn note(&self, name: &[u8], mode: u32) {
        lock(&self.0).entry(name.to_vec()).or_insert(mode);
    }

    /// The mode that a folder had.
    pub fn mode_of(&self, name: &[u8]) -> Option<u32> {
        lock(&self.0).get(name).copied()
    }
}

impl FolderRoot {
    /// Brings a folder to what its record says.
    pub fn finish(&self, record: &Record) -> Option<Failed> {
        let name = record.name().as_bytes();
        let folder = self.root.folder(name).or_else(|e| match e.kind() {
            io::ErrorKind::PermissionDenied => self.open_in(&self.root.folder(split(name).0)?, name, TO_READ)?.ok_or(e),
            _ => Err(e),
        });
        let mut meta = Meta::of(record, &self.options);
        let before = lock(&self.loosened.0).remove(name);
        meta.mode = before.filter(|_| meta.mode.is_none()).or(meta.mode);
        let set = match folder {
            Ok(folder) => meta.set(folder.fd(), self),
            Err(e) => Err(crate::error::reason(&e)),
        };
        set.err().map(|reason| (record.name().clone(), reason))
    }

    /// Gives the folders that are no record's their mode back.
    pub fn tighten(&self) {
        let mut all: Vec<_> = lock(&self.loosened.0).drain().collect();
        // What is below comes before what is above, which may not let us through any more.
        all.sort_by(|a, b| b.cmp(a));
        for (name, mode) in all {
            // It was ours to change, so it still is, unless somebody took it away.
            if let Ok(folder) = self.root.folder(&name) {
                let _ = fs::fchmod(folder.fd(), Mode::from_raw_mode(mode));
            }
        }
    }
}
