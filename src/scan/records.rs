//! Completes the records of a list that another program made, such as an inventory of a bucket: `--records`.

use crate::end::{End, Listing};
use crate::error::Result;
use crate::parallel::lock;
use crate::record::{Kind, Record};
use crate::source::{Selection, Source};
use crate::storage::Location;
use crate::storage::attributes::KEYS;
use crate::stream::Records;
use std::sync::{Arc, Mutex};

/// The records of a list without its end record, which is looked at in the end.
pub(super) struct Listed {
    records: Records,
    came: Listing,
    /// The root that is listed.
    root: Location,
    /// Whether the list ended with an end record of all its records, and of this root.
    is_whole: Arc<Mutex<bool>>,
}

impl Listed {
    pub(super) fn new(records: Records, root: &Location) -> Listed {
        Listed { records, came: Listing::default(), root: root.clone(), is_whole: Arc::default() }
    }

    /// Returns whether the list was whole. It is known when all records were read.
    pub(super) fn is_whole(&self) -> Arc<Mutex<bool>> {
        self.is_whole.clone()
    }
}

impl Iterator for Listed {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            match self.records.next()? {
                Ok(record) if record.kind() == Kind::End => {
                    let end = End::of(&record);
                    let is_listing = !end.filtered && !end.diff && !end.log && end.types.is_none();
                    let is_ours = end.root.as_deref().is_none_or(|root| self.root.is_called(root));
                    *lock(&self.is_whole) = is_listing && is_ours && end.is_of(self.came);
                }
                Ok(record) => {
                    self.came.add(&record);
                    return Some(Ok(record));
                }
                failed => return Some(failed),
            }
        }
    }
}

/// Returns a record with what a backup needs of it: that of the list, or else the one that the storage has, with the attributes that
/// only the list has. None if the selection does not want it.
///
/// # Errors
/// If it is no record of an entry, or every other record would fail too.
pub(super) fn completed(record: Record, source: &dyn Source, selection: &Selection) -> Result<Option<Record>> {
    if record.kind() == Kind::Error {
        return Ok(Some(record));
    }
    record.expect_entry()?;
    if !selection.selects(record.name().as_bytes(), record.kind()) {
        return Ok(None);
    }
    if source.is_complete(&record) {
        return Ok(Some(record));
    }
    let looked = source.look(record.name().clone(), selection)?;
    Ok(looked.map(|looked| if looked.is_entry() { with_attributes(&looked, &record) } else { looked }))
}

/// Returns a record with the attributes that only the other one has.
fn with_attributes(record: &Record, other: &Record) -> Record {
    let mut edit = record.edit();
    for (key, json) in other.raws(&KEYS).into_iter().filter(|(key, _)| record.raw(key).is_none()) {
        edit.set_json(key, &json);
    }
    edit.finish()
}
