//! The objects that `snap-gc` condemned: lists in the heap name them, and they are deleted a grace period later unless they change.
//!
//! An entry names one object as it was: its size, time of change and inode number. A writer that wants to rely on a condemned
//! object gives it a new time or stores it again ([`super::Heap::renew`]): the entry then no longer fits. An entry is dropped only
//! if its object has changed or is gone, never because a snapshot refers to it: so a `snap-gc` that was stopped for a long time
//! and continues with what it read before can delete only objects that no writer has relied on since.

use super::small;
use crate::digest::Md5;
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::files::NewFile;
use crate::stat;
use crate::time::Time;
use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder of the lists below the heap root.
pub const FOLDER: &str = "gc";

/// A condemned object, as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The md5 of its content.
    pub md5: Md5,
    /// Its size in bytes.
    pub stored_size: u64,
    /// The time of its last change.
    pub modified: Time,
    /// Its inode number.
    pub ino: u64,
    /// When it was condemned.
    pub condemned: Time,
    /// The grace period of that run, in seconds.
    pub grace: u64,
}

/// A line of a list.
#[derive(Serialize, Deserialize)]
struct Line {
    condemned: String,
    grace: u64,
    ino: u64,
    md5: String,
    modified: String,
    stored_size: u64,
}

impl Entry {
    fn parse(line: &[u8]) -> Option<Entry> {
        let line: Line = serde_json::from_slice(line).ok()?;
        Some(Entry {
            md5: Md5::parse(&line.md5)?,
            stored_size: line.stored_size,
            modified: Time::parse_rfc3339(&line.modified)?,
            ino: line.ino,
            condemned: Time::parse_rfc3339(&line.condemned)?,
            grace: line.grace,
        })
    }

    /// Returns the line of a list; None for a time that RFC 3339 can't express: such an object is never condemned.
    fn line(&self) -> Option<String> {
        let line = Line {
            condemned: self.condemned.rfc3339()?,
            grace: self.grace,
            ino: self.ino,
            md5: self.md5.to_string(),
            modified: self.modified.rfc3339()?,
            stored_size: self.stored_size,
        };
        serde_json::to_string(&line).ok()
    }

    /// Whether the object is still the one that was condemned.
    pub fn is_of(&self, stat: &Stat) -> bool {
        self.ino == stat.st_ino && self.stored_size == stat.st_size as u64 && self.modified == stat::modified(stat)
    }

    /// Returns the seconds from the condemnation to `now`.
    pub fn age(&self, now: Time) -> f64 {
        (now.sec - self.condemned.sec) as f64 + (f64::from(now.nsec) - f64::from(self.condemned.nsec)) * 1e-9
    }
}

/// All condemned objects of a heap.
#[derive(Clone, Debug, Default)]
pub struct Condemned {
    entries: Vec<Entry>,
    /// When the folder of the lists was changed last: a list may have been created and deleted between two reads.
    changed: Option<(i64, i64)>,
    lists: Vec<PathBuf>,
}

impl Condemned {
    /// Reads the lists of a heap. A heap that `snap-gc` never worked on has none.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn load(heap: &Path) -> Result<Condemned> {
        let folder = heap.join(FOLDER);
        let what = || format!("read {}", printable(folder.as_os_str().as_encoded_bytes()));
        for _ in 0..1000 {
            // A snap-gc may be replacing the lists: all of them have to be read in one state.
            let Some(before) = listing(&folder).or_failed(what)? else { return Ok(Condemned::default()) };
            let read = before.1.iter().map(|list| read(list)).collect::<Result<Option<Vec<_>>>>()?;
            let after = listing(&folder).or_failed(what)?;
            let (Some(entries), true) = (read, after.as_ref() == Some(&before)) else { continue };
            let mut entries = entries.concat();
            // Several lists may name one object: the earliest entry counts.
            entries.sort_unstable_by_key(|e| (e.md5, e.ino, e.stored_size, e.modified, e.condemned));
            entries.dedup_by_key(|e| (e.md5, e.ino, e.stored_size, e.modified));
            return Ok(Condemned { entries, changed: Some(before.0), lists: before.1 });
        }
        Err(Error::refused(format!("{}: it does not stop changing", printable(folder.as_os_str().as_encoded_bytes()))))
    }

    /// Whether nothing is condemned.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the lists that this was read from.
    pub fn lists(&self) -> &[PathBuf] {
        &self.lists
    }

    /// Returns the entries with an md5. There can be several, for objects that had it one after the other.
    pub fn of(&self, md5: &Md5) -> &[Entry] {
        let from = self.entries.partition_point(|e| e.md5 < *md5);
        let rest = &self.entries[from..];
        &rest[..rest.iter().take_while(|e| e.md5 == *md5).count()]
    }

    /// Returns the entry of exactly this object.
    pub fn find(&self, md5: &Md5, stat: &Stat) -> Option<&Entry> {
        self.of(md5).iter().find(|e| e.is_of(stat))
    }

    /// Whether another read saw the same lists, and none was created and deleted in between.
    pub fn is_same(&self, other: &Condemned) -> bool {
        (self.changed, &self.lists) == (other.changed, &other.lists)
    }

    /// Replaces the lists that this was read from by a new one. New entries (those with `condemned` before 1970) get the time at
    /// which the list was begun, by the clock of the storage.
    ///
    /// # Errors
    /// If that fails: the old lists still exist then.
    pub fn replace(&self, heap: &Path, entries: &mut [Entry]) -> Result<()> {
        let folder = heap.join(FOLDER);
        let what = || format!("write {}", printable(folder.as_os_str().as_encoded_bytes()));
        if !entries.is_empty() {
            let now = small::clock(heap)?;
            let stamp = now.rfc3339().unwrap_or_default().replace(':', "-");
            let name = format!("condemned-{stamp}-{}.jsonl", std::process::id());
            let mut out = io::BufWriter::new(small::create(heap, FOLDER, &name)?);
            for entry in entries {
                if entry.condemned.sec < 0 {
                    entry.condemned = now;
                }
                if let Some(line) = entry.line() {
                    writeln!(out, "{line}").or_failed(what)?;
                }
            }
            out.into_inner().map_err(|e| e.into_error()).and_then(NewFile::finish).or_failed(what)?;
        }
        for list in &self.lists {
            match fs::remove_file(list) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e).or_failed(what),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Returns when a list was begun, by its name.
fn begun(list: &Path) -> Option<Time> {
    let (date, rest) = list.file_name()?.to_str()?.strip_prefix("condemned-")?.split_once('T')?;
    let (time, _) = rest.rsplit_once('-')?;
    Time::parse_rfc3339(&format!("{date}T{}", time.replace('-', ":")))
}

/// When the folder was changed last, and the lists in it.
type Listing = ((i64, i64), Vec<PathBuf>);

/// Lists the folder; None if it does not exist.
fn listing(folder: &Path) -> io::Result<Option<Listing>> {
    let changed = match fs::metadata(folder) {
        Ok(meta) => (meta.mtime(), meta.mtime_nsec()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e),
    };
    let mut lists = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name.starts_with("condemned-") && name.ends_with(".jsonl") {
            lists.push(path);
        }
    }
    lists.sort();
    Ok(Some((changed, lists)))
}

/// Reads the entries of a list; None if the list has just been replaced.
fn read(list: &Path) -> Result<Option<Vec<Entry>>> {
    let shown = || printable(list.as_os_str().as_encoded_bytes());
    let file = match File::open(list) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).or_failed(shown),
    };
    // New entries count from when the list got its name, which is its ctime: a snap-gc may have been stopped for a long time since
    // it began the list, and no writer could see the list meanwhile.
    let meta = file.metadata().or_failed(shown)?;
    let named = Time { sec: meta.ctime(), nsec: meta.ctime_nsec() as u32 };
    let begun = begun(list);
    let mut entries = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        let line = line.or_failed(shown)?;
        let mut entry = Entry::parse(&line).ok_or_else(|| Error::refused(format!("{}: it is damaged", shown())))?;
        if begun == Some(entry.condemned) {
            entry.condemned = entry.condemned.max(named);
        }
        entries.push(entry);
    }
    Ok(Some(entries))
}
