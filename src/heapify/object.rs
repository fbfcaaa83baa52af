//! One object of another storage on its way into the heap.

use super::Done;
use super::file::{Trouble, Worker};
use crate::heap::{self, StoreError, Stored};
use crate::record::Record;
use crate::scan::objects;
use crate::storage::Store;
use crate::time::Time;
use std::io::{self, Read};
use std::sync::Arc;

/// Times of storages without etags may be as coarse as this many seconds.
const COARSE: i64 = 2;

impl Worker {
    /// Reads an object, stores it, and makes its record. One that changed since it was listed is looked at and read once more.
    pub(super) fn read_object(&self, store: &Arc<dyn Store>, mut record: Record) -> Result<Done, Trouble> {
        for last in [false, true] {
            let started = Time::now();
            let stored = match self.fetch(store, &record) {
                Ok(stored) => stored,
                Err(Trouble::Fatal(e)) => return Err(Trouble::Fatal(e)),
                Err(trouble) => match self.newer(store, &record)? {
                    Some(newer) if !last => {
                        record = newer;
                        continue;
                    }
                    Some(_) => return Err(Trouble::Reason("it changes while it is read".to_string())),
                    None => return Err(trouble),
                },
            };
            let fields = record.fields();
            if let Some(claimed) = fields.md5.filter(|md5| *md5 != stored.md5) {
                return Err(Trouble::Reason(format!("its content has the md5 {}, the storage says {claimed}", stored.md5)));
            }
            if fields.size.is_some_and(|size| size != stored.size) {
                match self.newer(store, &record)? {
                    Some(newer) if !last => {
                        record = newer;
                        continue;
                    }
                    _ => return Err(Trouble::Reason(format!("{} bytes came, not {}", stored.size, fields.size.unwrap_or(0)))),
                }
            }
            if let Some(cache) = self.cache.as_ref().filter(|_| self.heap.is_some()) {
                cache.note(stored.md5, true);
            }
            // Without an etag only size and time tell of a change, and one in the same tick would not show.
            let limit = started.minus_seconds(COARSE);
            let racy = fields.etag.is_none() && fields.modified.is_none_or(|m| m > limit);
            let mut changes = vec![
                ("md5", Some(format!("\"{}\"", stored.md5))),
                ("sha256", Some(format!("\"{}\"", stored.sha256))),
                ("racy", racy.then(|| "true".to_string())),
                ("stored_size", stored.stored_size.map(|n| n.to_string())),
            ];
            if fields.size.is_none() {
                changes.push(("size", Some(stored.size.to_string())));
            }
            return Ok(Done::Kept(record.with(&changes), stored.stored_size.unwrap_or(0)));
        }
        Err(Trouble::Reason("it changes while it is read".to_string()))
    }

    fn fetch(&self, store: &Arc<dyn Store>, record: &Record) -> Result<Stored, Trouble> {
        let fields = record.fields();
        let reader = store.open(record.name().as_bytes(), 0, None, fields.etag.as_deref())?;
        // A byte more than it had shows that it changed.
        let size = fields.size.unwrap_or(u64::MAX - 1);
        let mut reader = reader.take(size + 1);
        match &self.heap {
            None => Ok(heap::digest(&mut reader)?),
            Some(heap) => match heap.store(&mut reader, fields.size.unwrap_or(0), fields.md5, self.verify_existing) {
                Ok(stored) => Ok(stored),
                Err(StoreError::Source(e)) => Err(e.into()),
                Err(StoreError::Collision(reason)) => Err(Trouble::Reason(reason)),
                Err(StoreError::Heap(e)) => Err(Trouble::Fatal(e)),
            },
        }
    }

    /// The object as it is now, if it is not what its record says any more.
    fn newer(&self, store: &Arc<dyn Store>, record: &Record) -> Result<Option<Record>, Trouble> {
        let object = store.stat(record.name().as_bytes())?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))?;
        let fields = record.fields();
        let same = fields.etag.as_deref().map(plain) == object.etag.as_deref().map(plain)
            && fields.size.is_none_or(|size| size == object.size)
            && (fields.modified.is_none() || object.modified.is_none() || fields.modified == object.modified);
        Ok((!same).then(|| objects::record(&object)))
    }
}

fn plain(etag: &str) -> &str {
    etag.trim_matches('"')
}
