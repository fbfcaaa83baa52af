//! What keeps `snap-write` from publishing records whose objects `snap-gc` has deleted, or may delete before it sees the snapshot.

use super::Heap;
use super::condemned::{self, Condemned};
use super::small;
use crate::error::{Error, OrFailed, Result};
use crate::record::{Kind, Record};
use crate::storage::Location;
use crate::time::Time;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::time::Duration;

/// Looks at the object of every record that is to be published.
pub struct Guard {
    heap: OwnedFd,
    condemned: Condemned,
    now: Time,
}

impl Guard {
    /// A guard for a heap; None where no `snap-gc` was ever at work, or there is no heap.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn new(root: &Location) -> Result<Option<Guard>> {
        // In other storages nothing is ever condemned.
        let Some(folder) = root.folder().filter(|folder| folder.join(condemned::FOLDER).is_dir()) else { return Ok(None) };
        let what = || format!("heap root {root}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let heap = fs::open(folder, flags, Mode::empty()).or_failed(what)?;
        let condemned = Condemned::load(folder)?;
        // Who may not write there has only the clock of this machine.
        let now = if condemned.is_empty() { Time::now() } else { small::clock(folder).unwrap_or_else(|_| Time::now()) };
        Ok(Some(Guard { heap, condemned, now }))
    }

    /// Whether a record may be published: its object is there, and not condemned for more than half of the grace. The other
    /// half is left for the snapshot to appear.
    ///
    /// # Errors
    /// If not, or the heap can't be read.
    pub fn check(&self, record: &Record) -> Result<()> {
        let Some(md5) = record.fields().md5.filter(|_| record.kind() == Kind::File) else { return Ok(()) };
        let path = Heap::object_path(&md5);
        let refused = |why: &str| {
            Error::advise(
                format!("{}: its heap object {path} {why}", record.name().printable()),
                "run snap-heapify on the records again, which stores it anew",
            )
        };
        // For an instant an object may be aside, to be put back.
        for _ in 0..50 {
            match fs::statat(&self.heap, &path, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => {
                    let old = |e: &condemned::Entry| e.age(self.now) > e.grace as f64 / 2.0;
                    return match self.condemned.find(&md5, &stat).filter(|e| old(e)) {
                        Some(_) => Err(refused("was condemned by snap-gc and may be deleted any time")),
                        None => Ok(()),
                    };
                }
                Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(e) => return Err(Error::io(format!("heap object {path}"), e.into())),
            }
            if super::aside::find(&self.heap, &md5).or_failed(|| format!("heap object {path}"))?.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // Put back between the two looks, perhaps.
        match fs::statat(&self.heap, &path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Ok(()),
            Err(_) => Err(refused("is not there; snap-gc may have deleted it since the records were made")),
        }
    }
}
