//! Counts the records of a stream as they arrive.

use crate::end::Listing;
use crate::error::{Error, Result};
use crate::record::{Kind, Record};

/// The numbers of records that were read. Entries and changes include duplicates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Files, links, folders and others.
    pub entries: u64,
    /// Rows of `snap-diff`.
    pub changes: u64,
    /// Names that a list of changes says are gone.
    pub gone: u64,
    /// Error records.
    pub errors: u64,
    /// All records, duplicates counted once.
    pub listing: Listing,
}

impl Counts {
    /// Counts a record that is not an end record.
    pub fn add(&mut self, record: &Record) {
        self.listing.add(record);
        match record.kind() {
            Kind::Error => self.errors += 1,
            Kind::Change => self.changes += 1,
            Kind::Gone => self.gone += 1,
            _ => self.entries += 1,
        }
    }

    /// Adds the numbers of other records.
    #[must_use]
    pub fn and(self, other: Counts) -> Counts {
        Counts {
            entries: self.entries + other.entries,
            changes: self.changes + other.changes,
            gone: self.gone + other.gone,
            errors: self.errors + other.errors,
            listing: self.listing.and(other.listing),
        }
    }
}

/// The records of a stream, counted as they arrive, and the end record.
#[derive(Default)]
pub struct Arrivals {
    /// The end record, after it has arrived.
    pub end: Option<Record>,
    /// The records so far. Duplicates count in the listing each time.
    pub counts: Counts,
}

impl Arrivals {
    /// Counts a record, and returns it unless it is the end record.
    ///
    /// # Errors
    /// If the end record came before.
    pub fn add(&mut self, record: Record) -> Result<Option<Record>> {
        if self.end.is_some() {
            return Err(Error::refused(format!("{}: a record after the end record", record.name().printable())));
        }
        if record.kind() == Kind::End {
            self.end = Some(record);
            return Ok(None);
        }
        self.counts.add(&record);
        Ok(Some(record))
    }
}
