//! The end of storing: objects get their names, and are permanent.

use super::opened::Heap;
use super::path::StoreError;
use super::used::Used;
use crate::digest::Md5;
use crate::error::{OrFailed, Result};
use crate::parallel::lock;
use std::collections::HashMap;
use std::io;

impl Heap {
    /// Gives their names to the objects that were stored, and returns when all of them are permanent.
    ///
    /// # Errors
    /// If the heap can't be written, or another writer put another content with the same md5 there.
    pub fn commit(&self) -> Result<()> {
        let batch: Vec<Md5> = lock(&self.new).keys().copied().collect();
        // Other storages have no batches, and their listing does not show what is new.
        if batch.is_empty() || self.lease.is_none() {
            return Ok(());
        }
        self.sync()?;
        let mut new = lock(&self.new);
        for md5 in batch {
            new.remove(&md5);
        }
        Ok(())
    }

    /// Completes the heap at the end of a run that relied on these objects: they are permanent then, and `snap-gc` does not
    /// delete them.
    ///
    /// # Errors
    /// If an object was deleted meanwhile, or the heap can't be read or written.
    pub fn complete(&self, used: Used) -> Result<()> {
        self.commit()?;
        // Another writer can have stored some of the objects without syncing them yet.
        self.sync()?;
        self.confirm_used(used)
    }

    /// Makes everything permanent that any process wrote to the heap, in a folder of this machine.
    ///
    /// # Errors
    /// See [`Heap::commit`].
    pub fn sync(&self) -> Result<()> {
        // The keys do not tell the md5 in an encrypted heap.
        let new: HashMap<Vec<u8>, Md5> = match self.lease {
            Some(_) => lock(&self.new).keys().map(|md5| (self.key(md5), *md5)).collect(),
            None => HashMap::new(),
        };
        let mut is_damaged = |key: &[u8]| -> io::Result<bool> {
            let Some(md5) = new.get(key).copied() else { return Ok(false) };
            match self.intact(&md5, self.new_object(&md5).map(|(_, sha256)| sha256)) {
                Ok(intact) => Ok(intact.is_none()),
                Err(StoreError::Collision(reason)) => Err(io::Error::other(reason)),
                Err(StoreError::Heap(e)) => Err(io::Error::other(e.to_string())),
                Err(StoreError::Source(e)) => Err(e),
            }
        };
        self.store.settle(&mut is_damaged).or_failed(|| format!("write to {}", self.root()))
    }
}
