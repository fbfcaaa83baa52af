//! Keys that are being put: one put of a key at a time, because rclone has no conditions. Other processes are not held up.

use crate::parallel::lock;
use std::collections::HashSet;
use std::sync::{Condvar, Mutex, PoisonError};

/// The keys that are being put.
#[derive(Default)]
pub struct Busy {
    keys: Mutex<HashSet<String>>,
    changed: Condvar,
}

/// A put that is under way, until it is dropped.
pub struct Entered<'a> {
    busy: &'a Busy,
    key: &'a str,
}

impl Busy {
    /// Waits until nobody else puts this key.
    pub fn enter<'a>(&'a self, key: &'a str) -> Entered<'a> {
        let mut keys = lock(&self.keys);
        while !keys.insert(key.to_string()) {
            keys = self.changed.wait(keys).unwrap_or_else(PoisonError::into_inner);
        }
        Entered { busy: self, key }
    }
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        lock(&self.busy.keys).remove(self.key);
        self.busy.changed.notify_all();
    }
}
