//! The decision about each object.

use super::{Action, Options};
use crate::digest::Md5;
use crate::error::Result;
use crate::heap::condemned::{Condemned, Entry, Identity, Lists};
use crate::time::Time;

/// The time of a newly condemned object: the list replaces it by its own.
const NEW: Time = Time { sec: i64::MIN, nsec: 0 };

/// A condemned object that a writer has changed since.
pub const ANEW: Action = Action::Kept("stored anew");

/// What is to be done with an object.
pub enum Verdict {
    /// Nothing.
    Stays(Action),
    /// It is deleted: nothing else uses the heap.
    Delete,
    /// It is deleted if it still is the one of this entry.
    DeleteIf(Entry),
}

/// Whether an object is needed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// A snapshot refers to it.
    Referenced,
    /// A running backup may be about to refer to it: it is not condemned yet.
    Unclear,
    /// No snapshot refers to it.
    Unreferenced,
}

/// The decisions of a run.
pub struct Plan<'a> {
    pub options: Options<'a>,
    now: Time,
    condemned: &'a Condemned,
    /// What stays or becomes condemned.
    next: Vec<Entry>,
}

impl<'a> Plan<'a> {
    /// Returns the plan of a run at this time, by the clock of the heap's storage.
    pub fn new(options: Options<'a>, now: Time, condemned: &'a Condemned) -> Plan<'a> {
        Plan { options, now, condemned, next: Vec::new() }
    }

    /// Decides what happens to an object. Returns None if there is nothing to report.
    pub fn decide(&mut self, md5: &Md5, stored_size: u64, identity: Identity, need: Need) -> Option<Verdict> {
        let Options { exclusive, grace, .. } = self.options;
        let old = self.condemned.of(md5);
        let entry = old.iter().find(|e| e.is_of(stored_size, &identity)).cloned();
        let kept = |reason| Some(Verdict::Stays(Action::Kept(reason)));
        if need == Need::Referenced {
            // The entry stays as long as the object does not change: see the condemned module.
            let action = if entry.is_some() { Action::Kept("referenced") } else { ANEW };
            self.next.extend(entry.filter(|_| !exclusive));
            return (!old.is_empty()).then_some(Verdict::Stays(action));
        }
        if exclusive {
            return Some(Verdict::Delete);
        }
        match entry {
            Some(entry) if entry.age(self.now) >= grace.as_secs_f64() => Some(Verdict::DeleteIf(entry)),
            Some(entry) => {
                self.next.push(entry);
                kept("grace")
            }
            None if need == Need::Unclear => None,
            None => {
                let grace = grace.as_secs();
                self.next.push(Entry { md5: *md5, stored_size, identity, condemned: NEW, grace });
                Some(Verdict::Stays(Action::Condemned))
            }
        }
    }

    /// Writes the new list, after everything was deleted that is to be deleted. The old lists stay until then: no writer may rely
    /// on what they name.
    ///
    /// # Errors
    /// If the lists can't be written.
    pub fn write(mut self, lists: &dyn Lists) -> Result<()> {
        let is_known = self.next.len() == self.condemned.len() && self.next.iter().all(|e| e.condemned != NEW);
        match is_known && self.condemned.lists() <= 1 {
            true => Ok(()),
            false => self.condemned.replace(lists, &mut self.next),
        }
    }
}
