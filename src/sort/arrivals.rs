//! Counts the records of a stream as they arrive.

use crate::end::Listing;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
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
    /// The files among the entries, and the sum of their sizes in bytes.
    pub files: (u64, u64),
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
        if record.kind() == Kind::File {
            let (files, bytes) = self.files;
            self.files = (files + 1, bytes.saturating_add(record.fields().size.unwrap_or(0)));
        }
    }

    /// Tells a monitor how many files come.
    pub fn tell(&self, monitor: &dyn Monitor) {
        monitor.expect(self.files.0, self.files.1);
    }

    /// Adds the numbers of other records.
    #[must_use]
    pub fn and(self, other: Counts) -> Counts {
        Counts {
            entries: self.entries + other.entries,
            changes: self.changes + other.changes,
            gone: self.gone + other.gone,
            errors: self.errors + other.errors,
            files: (self.files.0 + other.files.0, self.files.1.saturating_add(other.files.1)),
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
