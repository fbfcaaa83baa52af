//! Publishing a snapshot: one file, in one step, or nothing.

use super::label::{Label, Totals, ascii};
use super::path_for;
use crate::codec;
use crate::error::{Error, OrFailed, Result};
use crate::record::Record;
use crate::storage::{Location, make_folders};
use crate::time::Time;
use rayon::prelude::*;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// Bytes of text in a gzip member: enough to compress well, few enough to keep several in memory.
const MEMBER: usize = 1 << 20;
/// Members that are compressed at once.
const GROUP: usize = 4;
/// A snapshot is text that is read far more often than written.
const LEVEL: i32 = 6;

/// A snapshot that is being written. Dropped before [`Publisher::finish`], it leaves nothing.
pub struct Publisher {
    root: Location,
    time: Time,
    temp: NamedTempFile,
    comment: Option<String>,
    texts: Vec<Vec<u8>>,
    totals: Totals,
}

impl Publisher {
    /// Starts a snapshot of that time. The file lies beside its final place, under a name that nobody takes for a snapshot.
    ///
    /// # Errors
    /// If the snap root can't be written.
    pub fn new(root: &Location, time: Time, label: &Label) -> Result<Publisher> {
        let folder = folder_of(root, time)?;
        make_folders(&folder).or_failed(|| format!("write the snap root {root}"))?;
        let temp = tempfile::Builder::new().prefix(".snap-").suffix(".tmp").tempfile_in(&folder);
        let temp = temp.or_failed(|| format!("write the snap root {root}"))?;
        crate::cleanup::register(temp.path());
        let comment = Some(ascii(label));
        Ok(Publisher { root: root.clone(), time, temp, comment, texts: vec![Vec::new()], totals: Totals::default() })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn push(&mut self, record: &Record) -> Result<()> {
        if self.texts.last().is_some_and(|t| t.len() + record.text().len() >= MEMBER) {
            if self.texts.len() == GROUP {
                self.flush()?;
            }
            self.texts.push(Vec::with_capacity(MEMBER));
        }
        if let Some(text) = self.texts.last_mut() {
            text.extend_from_slice(record.text());
            text.push(b'\n');
        }
        self.totals.records += 1;
        Ok(())
    }

    /// Compresses and writes what has gathered.
    fn flush(&mut self) -> Result<()> {
        let first = self.comment.take();
        let texts = std::mem::take(&mut self.texts);
        let members: Vec<Vec<u8>> = texts
            .par_iter()
            .enumerate()
            .map(|(i, text)| codec::member(text, LEVEL, first.as_deref().filter(|_| i == 0), true))
            .collect();
        for member in members {
            self.temp.write_all(&member).or_failed(|| format!("write a snapshot to {}", self.root))?;
        }
        Ok(())
    }

    /// Publishes: the file is synced, gets its name (never in place of another), and the new folders are synced. Where the
    /// name is taken the next free microsecond is.
    ///
    /// # Errors
    /// If any of that fails; the snapshot is then not there.
    pub fn finish(mut self, errors: u64) -> Result<PathBuf> {
        self.flush()?;
        self.totals.errors = errors;
        let what = || format!("write a snapshot to {}", self.root);
        let last = codec::member(b"", LEVEL, Some(&ascii(&self.totals)), true);
        self.temp.write_all(&last).or_failed(what)?;
        let mode = 0o666 & !crate::stat::umask();
        self.temp.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).or_failed(what)?;
        self.temp.as_file().sync_all().or_failed(what)?;
        let mut time = self.time;
        let mut temp = self.temp;
        loop {
            let below = path_for(time).ok_or_else(|| Error::refused("the clock is out of range"))?;
            let path = self.root.path().join(&below);
            if let Some(folder) = path.parent() {
                make_folders(folder).or_failed(|| format!("write the snap root {}", self.root))?;
            }
            match temp.persist_noclobber(&path) {
                Ok(_) => match sync_folders(self.root.path(), &below) {
                    Ok(()) => return Ok(path),
                    Err(e) => {
                        // Whoever hears that it failed must not find it.
                        let _ = std::fs::remove_file(&path);
                        return Err(e).or_failed(|| format!("sync {}", path.display()));
                    }
                },
                Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {
                    temp = e.file;
                    time = Time { sec: time.sec + i64::from(time.nsec >= 999_999_000), nsec: (time.nsec + 1000) % 1_000_000_000 };
                }
                Err(e) => return Err(Error::io(format!("write a snapshot to {}", self.root), e.error)),
            }
        }
    }
}

fn folder_of(root: &Location, time: Time) -> Result<PathBuf> {
    let path = path_for(time).ok_or_else(|| Error::refused("the clock is out of range"))?;
    Ok(root.path().join(path.parent().unwrap_or(Path::new(""))))
}

/// Makes the new name last, and the folders' names that lead to it.
fn sync_folders(root: &Path, below: &Path) -> std::io::Result<()> {
    for folder in below.ancestors().skip(1) {
        let folder = root.join(folder);
        File::open(&folder)?.sync_all()?;
    }
    Ok(())
}
