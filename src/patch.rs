//! `snap-patch`: applies changes to a list of records, so that the result is a whole list again.

use crate::diff::same_content;
use crate::end::{self, End, Listing, Tally};
use crate::error::{Error, Result};
use crate::join::{Join, Pair, Side};
use crate::monitor::Monitor;
use crate::name::{Folders, Name};
use crate::record::{Kind, Record};
use crate::sort::{BUDGET, Spool};
use crate::stream::Records;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Returns the records of `base`, which are in order, with changes applied. `types` are the types that the base covers, if not
/// all; changes of others are dropped.
///
/// The changes, in any order, are rows of `snap-diff`, or records: a record takes the place of the one of its name; a record of
/// type `gone` removes that and all below it; an error record takes its place, too.
///
/// There is an end record if both inputs have one. After rows, it is that of their right side. After records, it is that of the
/// base: the list of changes leaves out what did not change. It is `filtered` if it was before, or if an input lacks records that
/// it listed.
///
/// # Errors
/// Errors of the inputs; rows and records mixed; a row whose left side is not the record of the base.
pub fn patch(base: Records, types: Option<Vec<String>>, changes: Records, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let changes = Spool::collect(changes, BUDGET, &*monitor)?;
    let counts = changes.counts();
    let end = changes.end().map(End::of);
    let others = counts.entries + counts.gone;
    if counts.changes > 0 && others > 0 {
        return Err(Error::refused("the changes mix records and rows of snap-diff"));
    }
    if end.as_ref().is_some_and(|end| end.log) {
        return Err(Error::refused("these are versions from snap-log or snap-scan --versions, not changes"));
    }
    let rows = counts.changes > 0 || others == 0 && end.as_ref().is_some_and(|end| end.diff);
    let short = end.as_ref().is_some_and(|end| !end.is_of(counts.listing));
    let change = Change { end, rows, short, types };
    let base = end::compared(base);
    let pairs = Join::new(base, changes.read());
    let patched = Patched {
        pairs,
        change,
        base: None,
        removed: Folders::default(),
        failed: BTreeSet::new(),
        tally: Tally::default(),
        listing: Listing::default(),
        done: false,
        monitor,
    };
    Ok(Box::new(patched))
}

/// What is known of the changes.
struct Change {
    end: Option<End>,
    rows: bool,
    /// Changes that were listed did not come.
    short: bool,
    /// The types that the base covers; None for all.
    types: Option<Vec<String>>,
}

impl Change {
    /// Whether records of this kind are in the result.
    fn covers(&self, kind: Kind) -> bool {
        match kind {
            Kind::Gone => false,
            _ => self.types.as_ref().is_none_or(|types| kind.word().is_none_or(|word| types.iter().any(|t| t == word))),
        }
    }
}

struct Patched {
    pairs: Join<Records, Records>,
    change: Change,
    /// The end record of the base.
    base: Option<End>,
    /// Names that are gone with all below them.
    removed: Folders,
    /// Names whose change failed.
    failed: BTreeSet<Name>,
    tally: Tally,
    listing: Listing,
    done: bool,
    monitor: Arc<dyn Monitor>,
}

impl Patched {
    fn next_record(&mut self) -> Result<Option<Record>> {
        while let Some(pair) = self.pairs.next().transpose()? {
            let record = match pair {
                Pair::Aside(Side::Left, record) if record.kind() == Kind::End => {
                    self.base = Some(End::of(&record));
                    None
                }
                Pair::Aside(_, record) if record.kind() == Kind::End => None,
                Pair::Aside(Side::Left, record) => Some(record),
                Pair::Aside(Side::Right, record) => {
                    self.failed.insert(record.name().clone());
                    Some(record)
                }
                Pair::Left(old) => {
                    old.expect_entry()?;
                    let is_gone = self.removed.cover(old.name());
                    Some(old).filter(|old| !self.has_failed(old.name()) && !is_gone)
                }
                Pair::Right(change) => self.changed(None, change)?,
                Pair::Both(old, change) => self.changed(Some(old), change)?,
            };
            if record.is_some() {
                return Ok(record);
            }
        }
        Ok(self.close())
    }

    /// Whether the change of this name failed. Names must be passed in order; those that were passed are forgotten.
    fn has_failed(&mut self, name: &Name) -> bool {
        while self.failed.first().is_some_and(|first| first < name) {
            self.failed.pop_first();
        }
        self.failed.contains(name)
    }

    /// Returns the record of a name after a change.
    fn changed(&mut self, old: Option<Record>, change: Record) -> Result<Option<Record>> {
        old.iter().try_for_each(Record::expect_entry)?;
        if self.change.rows {
            return after(old.as_ref(), &change);
        }
        let replaces_folder = match (&old, change.kind()) {
            (_, Kind::Directory) => false,
            (_, Kind::Gone | Kind::Link) => true,
            // Only in a bucket can an object have others below it.
            (Some(old), _) => old.kind() == Kind::Directory || change.fields().ino.is_some(),
            (None, _) => change.fields().ino.is_some(),
        };
        self.removed.cover(change.name());
        if replaces_folder {
            self.removed.insert(change.name().clone());
        }
        Ok(Some(change).filter(|change| self.change.covers(change.kind())))
    }

    /// Returns the end record, once.
    fn close(&mut self) -> Option<Record> {
        if std::mem::replace(&mut self.done, true) {
            return None;
        }
        let (base, change) = self.base.take().zip(self.change.end.take())?;
        let (errors, work) = (base.errors.max(change.errors), change.work);
        let end = match change.sides {
            Some(sides) if self.change.rows => {
                let [_, right] = *sides;
                End { errors: errors.max(right.errors), ..right }
            }
            _ => {
                if let (Some(root), Some(other)) =
                    (&base.root, change.root.as_ref().filter(|root| base.root.as_ref() != Some(root)))
                {
                    self.monitor.warn(&format!("the changes are of {other}, and the records are of {root}"));
                }
                let root_folder = change.root_folder.or(base.root_folder);
                End { errors, root_folder, ..base }
            }
        };
        let end = if self.change.short { End { filtered: true, rules: None, ..end } } else { end };
        let end = End { errors: self.tally.errors(end.errors), work, ..end };
        Some(end.listing(self.listing).record())
    }
}

/// Returns the right side of a row.
///
/// # Errors
/// If the base does not have the left side, or the row is none.
fn after(old: Option<&Record>, row: &Record) -> Result<Option<Record>> {
    let name = row.name().printable();
    let side = |key: &str| row.side(key).map_err(|reason| Error::refused(format!("{name}: {reason}")));
    let (left, right) = (side("left")?, side("right")?);
    let fits = match (old, &left) {
        (Some(old), Some(left)) => same_content(old, left),
        (None, None) => true,
        _ => false,
    };
    match fits {
        true => Ok(right),
        false => Err(Error::advise(
            format!("{name}: the rows are of another list: their left side is not what BASE has"),
            "compare again, with BASE as the left side",
        )),
    }
}

impl Iterator for Patched {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.done {
            return None;
        }
        let next = self.next_record();
        if let Ok(Some(record)) = &next {
            self.tally.pass(record);
            self.listing.add(record);
        }
        self.done |= next.is_err();
        next.transpose()
    }
}

#[cfg(test)]
mod tests;
