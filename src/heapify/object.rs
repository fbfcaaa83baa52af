//! One object of another storage on its way into the heap.

use super::Done;
use super::file::{Trouble, Worker};
use crate::etag;
use crate::heap::{self, StoreError, Stored};
use crate::record::{Record, key};
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
            let size = fields.size.is_none().then_some(stored.size);
            let mut edit = record.edit();
            edit.set(key::MD5, stored.md5).set(key::SHA256, stored.sha256).set_known(key::SIZE, size);
            edit.set(key::RACY, racy.then_some(true)).set(key::STORED_SIZE, stored.stored_size);
            return Ok(Done::Kept(edit.finish(), stored.stored_size.unwrap_or(0)));
        }
        Err(Trouble::Reason("it changes while it is read".to_string()))
    }

    fn fetch(&self, store: &Arc<dyn Store>, record: &Record) -> Result<Stored, Trouble> {
        match store.open(record.name().as_bytes(), 0, None, record.fields().etag.as_deref()) {
            Ok(reader) => self.take_in(reader, record),
            Err(e) if etag::is_changed(&e) => self.fetch_between(store, record, e),
            Err(e) => Err(e.into()),
        }
    }

    /// Reads an object whose storage tells another etag with its content than in its listing: between two looks of one kind,
    /// which have to show the same. The etag of the listing stays in the record, for the next listing to be compared with.
    fn fetch_between(&self, store: &Arc<dyn Store>, record: &Record, changed: io::Error) -> Result<Stored, Trouble> {
        let key = record.name().as_bytes();
        let look = || store.stat(key)?.ok_or_else(|| io::Error::from(io::ErrorKind::NotFound));
        let before = look()?;
        let fields = record.fields();
        let times = fields.modified.zip(before.modified);
        if fields.size != Some(before.size) || !times.is_some_and(|(a, b)| same_time(a, b)) {
            return Err(changed.into());
        }
        let stored = self.take_in(store.open(key, 0, None, None)?, record)?;
        if look()? != before {
            return Err(changed.into());
        }
        Ok(stored)
    }

    fn take_in(&self, reader: Box<dyn Read + Send>, record: &Record) -> Result<Stored, Trouble> {
        let fields = record.fields();
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
        let etags = match (&fields.etag, &object.etag) {
            (Some(old), Some(new)) => etag::same(old, new),
            (old, new) => old.is_none() && new.is_none(),
        };
        let times = fields.modified.zip(object.modified);
        let same = etags
            && fields.size.is_none_or(|size| size == object.size)
            && times.is_none_or(|(listed, now)| same_time(listed, now));
        Ok((!same).then(|| objects::record(&object)))
    }
}

/// A listing may tell times more exactly than an answer, whose headers have whole seconds.
fn same_time(a: Time, b: Time) -> bool {
    a.sec == b.sec && (a.nsec == b.nsec || a.nsec == 0 || b.nsec == 0)
}
