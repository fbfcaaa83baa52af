//! What a page is made of.

use super::changes::Changes;
use super::files::{Contents, Files};
use super::text::{LONGEST, cut};
use super::top::ROWS;
use crate::end::End;
use crate::record::{Kind, Record};
use crate::storage::Location;
use crate::time::Time;

/// What a report is about.
pub struct Options {
    /// The snapshot, for display. None for standard input.
    pub from: Option<String>,
    /// The time of the snapshot, if its name says it.
    pub time: Option<Time>,
    /// The snap root, to show the growth over its snapshots.
    pub growth: Option<Location>,
}

/// The records that are no entries.
#[derive(Default)]
pub struct Seen {
    /// The number of error records.
    pub failed: u64,
    /// The first of them, for display: name and reason.
    pub failures: Vec<(String, String)>,
    /// The end record.
    pub end: Option<End>,
}

impl Seen {
    /// Takes an error record or an end record, and returns every other one.
    pub fn entry(&mut self, record: Record) -> Option<Record> {
        match record.kind() {
            Kind::End => self.end = Some(End::of(&record)),
            Kind::Error => {
                self.failed += 1;
                if self.failures.len() < ROWS {
                    let reason = record.string("error").unwrap_or_default();
                    let reason = cut(reason.as_bytes(), LONGEST);
                    self.failures.push((cut(record.name().as_bytes(), LONGEST), reason));
                }
            }
            _ => return Some(record),
        }
        None
    }

    /// Returns the file root of the records; that of a side of a comparison for rows.
    pub fn root(&self, side: usize) -> Option<&str> {
        let end = self.end.as_ref()?;
        let of_side = || end.sides.as_ref()?[side].root.as_deref();
        end.root.as_deref().or_else(of_side)
    }

    /// Returns the number of failed records, also of those that only the end record counts.
    pub fn errors(&self) -> u64 {
        self.failed.max(self.end.as_ref().map_or(0, |end| end.errors))
    }
}

/// What the input turned out to be.
pub enum Facts {
    Files(Files, Contents),
    Changes(Changes),
}
