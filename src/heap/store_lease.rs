//! The agreement between writers and `snap-gc` about a heap in another storage: before a writer relies on an object that is
//! condemned, it stores the object anew, with other bytes.

use super::condemned::{Condemned, Identity, StoreLists};
use super::path::Names;
use crate::digest::Md5;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::parallel::lock;
use crate::storage::{Object, Store};
use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A heap in another storage, and what is condemned in it. Objects go by their ids.
pub struct StoreLease {
    pub(super) store: Arc<dyn Store>,
    pub(super) names: Names,
    /// What `snap-gc` has condemned, as it was when it was read last.
    condemned: Mutex<Option<Arc<Condemned>>>,
    /// The objects that this process has stored anew since then, where the storage does not tell their identity.
    anew: Mutex<HashSet<Md5>>,
    began: Instant,
    /// Whether there was a list when that was looked up last, and when that was.
    has_list: Mutex<Option<(bool, Instant)>>,
}

/// A writer that knows of no list looks again after this time. It has to be shorter than a grace period.
const LOOK_AGAIN: Duration = Duration::from_secs(600);

/// What an object is to a writer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// `snap-gc` does not delete it before the grace period is over.
    Kept,
    /// It has to be stored anew.
    Condemned,
    /// It is not there.
    Gone,
}

impl StoreLease {
    /// Returns the agreement about this heap. Sends no request yet.
    pub fn new(store: Arc<dyn Store>, names: Names) -> StoreLease {
        StoreLease {
            store,
            names,
            condemned: Mutex::default(),
            anew: Mutex::default(),
            began: Instant::now(),
            has_list: Mutex::default(),
        }
    }

    /// Reads what is condemned now.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn load_condemned(&self) -> Result<Arc<Condemned>> {
        let mut held = lock(&self.condemned);
        let condemned = Arc::new(Condemned::load(&StoreLists::new(&*self.store))?);
        lock(&self.anew).clear();
        *lock(&self.has_list) = Some((condemned.lists() > 0, Instant::now()));
        *held = Some(condemned.clone());
        Ok(condemned)
    }

    /// Returns what was condemned when it was read last. It is read now if it never was: a writer has to do that before it looks
    /// at the first object.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn condemned(&self) -> Result<Arc<Condemned>> {
        let known = lock(&self.condemned).clone();
        known.map_or_else(|| self.load_condemned(), Ok)
    }

    /// Whether `snap-gc` ever condemned anything, as was true some minutes ago at the latest: nothing that was condemned since then
    /// is deleted yet.
    ///
    /// # Errors
    /// If that can't be read.
    pub fn has_list(&self) -> Result<bool> {
        self.condemned()?;
        let mut known = lock(&self.has_list);
        if let Some((has_list, looked)) = *known
            && (has_list || looked.elapsed() < LOOK_AGAIN)
        {
            return Ok(has_list);
        }
        let has_list = Condemned::load(&StoreLists::new(&*self.store))?.lists() > 0;
        *known = Some((has_list, Instant::now()));
        Ok(has_list)
    }

    /// Looks whether an object is the one that was condemned. One that no list names is not looked at.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn claim(&self, id: &Md5) -> Result<Claim> {
        let condemned = self.condemned()?;
        if condemned.of(id).is_empty() {
            return Ok(Claim::Kept);
        }
        let Some(object) = self.stat(id)? else { return Ok(Claim::Gone) };
        let is_condemned = match self.identity(&object) {
            Some(identity) => condemned.find(id, object.size, &identity).is_some(),
            None => !lock(&self.anew).contains(id),
        };
        Ok(if is_condemned { Claim::Condemned } else { Claim::Kept })
    }

    /// Takes note of an object that this process has stored.
    pub fn stored(&self, id: &Md5) {
        lock(&self.anew).insert(*id);
    }

    /// Looks at an object; None if there is none.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn stat(&self, id: &Md5) -> Result<Option<Object>> {
        let key = self.names.path(id).into_bytes();
        self.store.stat(&key).or_failed(|| printable(&self.store.name_of(&key)))
    }

    /// Returns the identity of an object as the lists have it. None if another way to this heap, such as rclone, does not tell it.
    pub fn identity(&self, object: &Object) -> Option<Identity> {
        Identity::of(object).filter(|_| self.store.deletes_if())
    }

    /// Whether `snap-gc` condemned the first object since this writer began, and can have deleted it already. Until it began, no
    /// object was stored with a time, so that one can have the bytes of one that was deleted.
    pub fn is_overtaken(&self, before: &Condemned, now: &Condemned) -> bool {
        let grace = Duration::from_secs(now.least_grace().unwrap_or(0));
        before.lists() == 0 && now.lists() > 0 && self.began.elapsed() >= grace
    }
}
