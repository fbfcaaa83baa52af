//! The list of objects that the Python tool keeps with `--heap-cache-file`: one md5 a line.
//!
//! It is kept up to date for that tool only: here, an object exists if the heap has it, not if the list names it.

use crate::digest::Md5;
use crate::error::{OrFailed, Result};
use crate::files::NewFile;
use crate::parallel::lock;
use std::collections::HashSet;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// A heap cache file.
pub struct Cache {
    path: PathBuf,
    known: Mutex<(HashSet<Md5>, bool)>,
}

impl Cache {
    /// Reads the file; it is empty if it does not exist. Lines that are not an md5 (temporary names of the Python tool) are dropped.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn load(path: &Path) -> Result<Cache> {
        let what = || format!("heap cache file {}", path.display());
        let mut known = HashSet::new();
        match std::fs::File::open(path) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    let line = line.or_failed(what)?;
                    known.extend(std::str::from_utf8(&line).ok().and_then(Md5::parse));
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(e).or_failed(what),
        }
        Ok(Cache { path: path.to_path_buf(), known: Mutex::new((known, false)) })
    }

    fn lock(&self) -> MutexGuard<'_, (HashSet<Md5>, bool)> {
        lock(&self.known)
    }

    /// Notes whether the heap has an object.
    pub fn note(&self, md5: Md5, present: bool) {
        let mut known = self.lock();
        let changed = if present { known.0.insert(md5) } else { known.0.remove(&md5) };
        known.1 |= changed;
    }

    /// Replaces the file atomically, if anything changed.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn save(&self) -> Result<()> {
        let known = self.lock();
        if !known.1 {
            return Ok(());
        }
        let what = || format!("heap cache file {}", self.path.display());
        let mut out = BufWriter::new(NewFile::create(&self.path).or_failed(what)?);
        for md5 in &known.0 {
            writeln!(out, "{md5}").or_failed(what)?;
        }
        out.into_inner().map_err(|e| e.into_error()).and_then(NewFile::finish).or_failed(what)
    }
}
