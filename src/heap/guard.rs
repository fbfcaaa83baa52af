//! Keeps `snap-write` from publishing records whose objects `snap-gc` has deleted, or may delete before it sees the snapshot.

use super::aside;
use super::condemned::{self, Condemned, Entry};
use super::lease::Lease;
use super::path::object_path;
use super::small;
use crate::error::{Error, OrFailed, Result};
use crate::record::{Kind, Record};
use crate::storage::Location;
use crate::time::Time;
use std::sync::Arc;
use std::time::Duration;

/// Looks at the object of every record that is to be published.
pub struct Guard {
    lease: Lease,
    condemned: Arc<Condemned>,
    now: Time,
}

impl Guard {
    /// Returns a guard for a heap; None if no `snap-gc` ever worked on it, or there is no heap.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn new(root: &Location) -> Result<Option<Guard>> {
        // In other storages nothing is ever condemned.
        let Some(folder) = root.folder().filter(|folder| folder.join(condemned::FOLDER).is_dir()) else { return Ok(None) };
        let lease = Lease::open(folder)?;
        lease.load_condemned()?;
        let condemned = lease.condemned();
        // Without the right to write to the heap, there is only the clock of this machine.
        let now = match condemned.is_empty() {
            true => Time::now(),
            false => small::clock(folder).unwrap_or_else(|_| Time::now()),
        };
        Ok(Some(Guard { lease, condemned, now }))
    }

    /// Checks that a record can be published: its object exists, and was not condemned longer ago than half of the grace period.
    /// The other half is left for the snapshot to appear.
    ///
    /// # Errors
    /// If not, or the heap can't be read.
    pub fn check(&self, record: &Record) -> Result<()> {
        let Some(md5) = record.fields().md5.filter(|_| record.kind() == Kind::File) else { return Ok(()) };
        let path = object_path(&md5);
        let refused = |why: &str| {
            Error::advise(
                format!("{}: its heap object {path} {why}", record.name().printable()),
                "run snap-heapify on the records again, which stores it again",
            )
        };
        let is_old = |e: &Entry| e.age(self.now) > e.grace as f64 / 2.0;
        // For an instant an object can be aside, to be put back.
        for _ in 0..50 {
            if let Some(stat) = self.lease.stat(&md5)? {
                return match self.condemned.find(&md5, &stat).is_some_and(is_old) {
                    true => Err(refused("was condemned by snap-gc and may be deleted any time")),
                    false => Ok(()),
                };
            }
            if aside::find(&self.lease.fd, &md5).or_failed(|| format!("heap object {path}"))?.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It may have been put back between the two looks.
        match self.lease.stat(&md5)? {
            Some(_) => Ok(()),
            None => Err(refused("is not there; snap-gc may have deleted it since the records were made")),
        }
    }
}
