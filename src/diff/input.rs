//! What a comparison reads: the entries of a side, of the types that both sides cover.

use crate::end;
use crate::error::Result;
use crate::join::SkipSame;
use crate::record::{Kind, Record};
use crate::snapshot::{Lines, Opened};
use crate::stream::Records;

/// The records of a side.
pub struct Input {
    from: From,
    /// The types that both sides cover; None for all.
    types: Option<Vec<String>>,
}

enum From {
    Records(Records),
    /// The right side, of which most lines are those of the left side.
    Lines(Box<Lines>),
}

impl Input {
    /// Returns the left side. All of its records are read, by other threads if it is a snapshot.
    pub fn left(side: Opened, types: Option<Vec<String>>) -> Input {
        let records = match side {
            Opened::Ours(lines) => Box::new(lines.ahead(false)),
            Opened::Others(records) => end::compared(records),
        };
        Input { from: From::Records(records), types }
    }

    /// Returns the right side. A record of a snapshot that the left side has, too, is not read but only compared.
    pub fn right(side: Opened, types: Option<Vec<String>>) -> Input {
        let from = match side {
            Opened::Ours(lines) => From::Lines(lines),
            Opened::Others(records) => From::Records(end::compared(records)),
        };
        Input { from, types }
    }

    fn has(&self, record: &Record) -> bool {
        let Some(types) = &self.types else { return true };
        match record.kind() {
            Kind::Error | Kind::End | Kind::Change | Kind::Gone => true,
            kind => kind.word().is_some_and(|word| types.iter().any(|t| t == word)),
        }
    }
}

impl Iterator for Input {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            let record = match &mut self.from {
                From::Records(records) => records.next()?,
                From::Lines(lines) => lines.next()?,
            };
            if record.as_ref().map_or(true, |record| self.has(record)) {
                return Some(record);
            }
        }
    }
}

impl SkipSame for Input {
    fn skip_same(&mut self, record: &Record) -> Result<bool> {
        match &mut self.from {
            From::Records(_) => Ok(false),
            From::Lines(lines) => lines.skip_same(record),
        }
    }
}
