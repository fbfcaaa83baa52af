//! Keeps `snap-write` from publishing records whose objects `snap-gc` has deleted, or may delete before it sees the snapshot.

use super::aside;
use super::condemned::{self, Condemned, Identity};
use super::lease::Lease;
use super::listing;
use super::path::Names;
use super::sizes::Sizes;
use super::small;
use super::store_lease::StoreLease;
use crate::digest::Md5;
use crate::encryption;
use crate::error::{Error, OrFailed, Result};
use crate::record::{Kind, Record};
use crate::storage::Location;
use crate::time::Time;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Looks at the object of every record that is to be published.
pub struct Guard {
    heap: Guarded,
    names: Names,
    condemned: Arc<Condemned>,
    now: Time,
}

enum Guarded {
    Folder(Lease),
    Store(StoreLease, Sizes),
}

/// Why a record can't be published.
enum Fault {
    Condemned,
    Gone,
}

impl Guard {
    /// Returns a guard for a heap; None if no `snap-gc` ever condemned anything in it, or there is no heap.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn new(root: &Location) -> Result<Option<Guard>> {
        let names = || Names::of(root, &encryption::given());
        match root {
            Location::Folder(folder) if folder.join(condemned::FOLDER).is_dir() => Guard::of_folder(folder, names()?).map(Some),
            Location::Folder(_) => Ok(None),
            Location::Remote(_) => Guard::of_store(root, names()?),
        }
    }

    fn of_folder(folder: &Path, names: Names) -> Result<Guard> {
        let lease = Lease::open(folder, names.clone())?;
        lease.load_condemned()?;
        let condemned = lease.condemned();
        // Without the right to write to the heap, there is only the clock of this machine.
        let now = match condemned.is_empty() {
            true => Time::now(),
            false => small::clock(folder).unwrap_or_else(|_| Time::now()),
        };
        Ok(Guard { heap: Guarded::Folder(lease), names, condemned, now })
    }

    fn of_store(root: &Location, names: Names) -> Result<Option<Guard>> {
        let store = root.store();
        let lease = StoreLease::new(store.clone(), names.clone());
        let condemned = match lease.load_condemned() {
            // A web server: nothing is deleted there.
            Err(Error::Io { source, .. }) if source.kind() == ErrorKind::Unsupported => return Ok(None),
            condemned => condemned?,
        };
        if condemned.lists() == 0 {
            return Ok(None);
        }
        let now = match condemned.is_empty() {
            true => Time::now(),
            false => small::clock_of(&*store).unwrap_or_else(|_| Time::now()),
        };
        let listed = listing::list(&store, &names).or_failed(|| format!("list the heap root {root}"))?;
        Ok(Some(Guard { heap: Guarded::Store(lease, listed), names, condemned, now }))
    }

    /// Checks that a record can be published: its object exists, and was not condemned longer ago than half of the grace period.
    /// The other half is left for the snapshot to appear.
    ///
    /// # Errors
    /// If not, or the heap can't be read.
    pub fn check(&self, record: &Record) -> Result<()> {
        let Some(md5) = record.fields().md5.filter(|_| record.kind() == Kind::File) else { return Ok(()) };
        let id = self.names.id(&md5);
        let fault = match &self.heap {
            Guarded::Folder(lease) => self.fault_in_folder(lease, &id)?,
            Guarded::Store(lease, listed) => self.fault_in_store(lease, listed, &id)?,
        };
        let why = match fault {
            None => return Ok(()),
            Some(Fault::Condemned) => "was condemned by snap-gc and may be deleted any time",
            Some(Fault::Gone) => "is not there; snap-gc may have deleted it since the records were made",
        };
        Err(Error::advise(
            format!("{}: its heap object {} {why}", record.name().printable(), self.names.path(&id)),
            "run snap-heapify on the records again, which stores it again",
        ))
    }

    fn is_old(&self, md5: &Md5, stored_size: u64, identity: &Identity) -> bool {
        self.condemned.find(md5, stored_size, identity).is_some_and(|entry| entry.is_old(self.now))
    }

    fn fault_in_folder(&self, lease: &Lease, md5: &Md5) -> Result<Option<Fault>> {
        // For an instant an object can be aside, to be put back.
        for _ in 0..50 {
            if let Some(stat) = lease.stat(md5)? {
                let is_old = self.is_old(md5, stat.st_size as u64, &Identity::of_file(&stat));
                return Ok(is_old.then_some(Fault::Condemned));
            }
            if aside::find(&lease.fd, md5).or_failed(|| format!("heap object {}", self.names.path(md5)))?.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        // It may have been put back between the two looks.
        Ok(lease.stat(md5)?.is_none().then_some(Fault::Gone))
    }

    /// The listing was made after the lists were read. Only what is named in a list for long enough is looked at again.
    fn fault_in_store(&self, lease: &StoreLease, listed: &Sizes, md5: &Md5) -> Result<Option<Fault>> {
        if listed.size(md5)?.is_none() {
            return Ok(Some(Fault::Gone));
        }
        if !self.condemned.of(md5).iter().any(|entry| entry.is_old(self.now)) {
            return Ok(None);
        }
        let Some(object) = lease.stat(md5)? else { return Ok(Some(Fault::Gone)) };
        // Where the identity is not known, snap-heapify has stored it anew in any case.
        let identity = lease.identity(&object);
        let is_old = identity.is_some_and(|identity| self.is_old(md5, object.size, &identity));
        Ok(is_old.then_some(Fault::Condemned))
    }
}
