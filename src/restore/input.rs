//! The input: records, or rows of `snap-diff`, of which one side is restored.

use crate::end::End;
use crate::error::{Error, Reason, Result};
use crate::join::Side;
use crate::record::{Kind, Record};
use crate::sort::Spool;

/// The input, read completely, and its end record.
pub struct Input {
    pub spool: Spool,
    pub end: Option<End>,
    /// Whether the input has rows of `snap-diff`, not records.
    pub is_rows: bool,
    side: Side,
}

impl Input {
    pub fn new(spool: Spool, side: Side) -> Result<Input> {
        let (counts, end) = (spool.counts(), spool.end().map(End::of));
        if counts.gone > 0 {
            return Err(Error::advise("the input is a list of changes, not of files", "snap-patch applies it to a snapshot"));
        }
        let is_rows = match (counts.changes > 0, counts.entries > 0) {
            (true, true) => return Err(Error::refused("the input mixes records and rows of snap-diff")),
            (false, false) => end.as_ref().is_some_and(|end| end.diff),
            (is_rows, _) => is_rows,
        };
        Ok(Input { spool, end, is_rows, side })
    }

    /// Returns the records to restore, in order of name: the records of the input, or one side of its rows. Error records are
    /// among them.
    pub fn read(&self) -> impl Iterator<Item = Result<Chosen>> + Send + use<> {
        let side = self.side;
        let records = self.spool.read().filter(|record| !matches!(record, Ok(r) if r.kind() == Kind::End));
        records.map(move |record| Ok(chosen(record?, side)))
    }

    /// Checks whether there is a file or link to restore.
    pub fn has_files(&self) -> Result<bool> {
        for chosen in self.read() {
            if matches!(chosen?, Chosen::Record(record) if matches!(record.kind(), Kind::File | Kind::Link)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The record to restore: the record itself, or one side of a row of `snap-diff`.
pub enum Chosen {
    Record(Record),
    /// The row has nothing on this side: the name should not exist.
    Nothing(Record),
    /// The row is invalid. With the reason.
    Bad(Record, Reason),
}

impl Chosen {
    /// Returns the record or the row.
    pub fn record(&self) -> &Record {
        let (Chosen::Record(record) | Chosen::Nothing(record) | Chosen::Bad(record, _)) = self;
        record
    }
}

/// Returns the side of a row that is restored.
pub fn chosen(row: Record, side: Side) -> Chosen {
    if row.kind() != Kind::Change {
        return Chosen::Record(row);
    }
    let key = match side {
        Side::Left => "left",
        Side::Right => "right",
    };
    match row.side(key) {
        Ok(Some(record)) => Chosen::Record(record),
        Ok(None) => Chosen::Nothing(row),
        Err(reason) => Chosen::Bad(row, reason.into()),
    }
}
