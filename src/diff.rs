//! Comparing two streams of records: names only on the left, only on the right, different, or equal.

mod input;
mod moves;
mod same;
mod show;

pub use moves::moves;
pub use same::Key;
pub(crate) use same::{same_content, same_metadata};
pub use show::{Printer, Style};
pub(crate) use show::{local_time, readable};

use crate::end::{End, Listing};
use crate::error::Result;
use crate::join::{Join, Pair, Side};
use crate::json;
use crate::monitor::Monitor;
use crate::name::{Folders, Name};
use crate::record::{Fields, Kind, Record};
use crate::snapshot::Opened;
use crate::stream::Records;
use input::Input;
use std::fmt;
use std::sync::Arc;

/// The result of comparing the two sides of a name, in the words of the Python tool.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum), value(rename_all = "snake_case"))]
pub enum Status {
    /// Only on the left: gone since
    OnlyLeft,
    /// Only on the right: new
    OnlyRight,
    /// On both sides, not the same
    Different,
    /// The same on both sides
    Equal,
    /// On both sides, but too little is known of them; only with --by
    Unsure,
}

impl Status {
    /// The statuses of a comparison of contents, in the order for display.
    pub const OF_CONTENTS: [Status; 4] = [Status::OnlyLeft, Status::OnlyRight, Status::Different, Status::Equal];
    /// All statuses, in the order for display.
    pub const ALL: [Status; 5] = [Status::OnlyLeft, Status::OnlyRight, Status::Different, Status::Unsure, Status::Equal];
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Status::OnlyLeft => "only_left",
            Status::OnlyRight => "only_right",
            Status::Different => "different",
            Status::Equal => "equal",
            Status::Unsure => "unsure",
        })
    }
}

/// The options of a comparison: how to compare, and which rows to return.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Compare all metadata that a restore uses, too.
    pub metadata: bool,
    /// Compare files by these keys, as far as both sides have them, instead of by their contents.
    pub by: Vec<Key>,
    /// Both sides are of one root, so that inodes can be compared, too.
    pub one_root: bool,
    /// Return only rows of these statuses. All rows are counted.
    pub statuses: Vec<Status>,
    /// The types of records that the left and the right side cover; None for a side that may cover all types. Only types that
    /// both sides cover are compared: a snapshot of files only does not mean that the folders are gone.
    pub types: [Option<Vec<String>>; 2],
}

/// A row of the comparison.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time; a box would cost an allocation each")]
pub enum Row {
    /// The status of a name, and the records of both sides; at least one of them is present.
    Change(Status, Option<Record>, Option<Record>),
    /// A name that only one side has, and the name on the other side of the same content. See [`moves()`].
    Moved(Status, Record, Name),
    /// An error record of a side, or one for records that could not be compared.
    Failure(Record),
    /// The end record; only if both sides had one.
    End(Record),
}

impl Row {
    /// Returns the row as a record. The records of both sides are unchanged, byte for byte.
    pub fn into_record(self) -> Record {
        match self {
            Row::Failure(record) | Row::End(record) => record,
            Row::Change(status, left, right) => change(status, left.as_ref(), right.as_ref()),
            Row::Moved(Status::OnlyLeft, left, to) => {
                let row = change(Status::OnlyLeft, Some(&left), None);
                row.edit().set_name(["moved_to", "moved_to_bytes"], &to).finish()
            }
            Row::Moved(status, right, from) => {
                change(status, None, Some(&right)).edit().set_name(["moved_from", "moved_from_bytes"], &from).finish()
            }
        }
    }

    /// Returns the row of a record that [`Row::into_record`] made.
    fn of(record: Record) -> Row {
        let side = |key: &str| record.side(key).ok().flatten();
        match record.kind() {
            Kind::End => Row::End(record),
            Kind::Change => {
                let word = record.string("status").unwrap_or_default();
                let status = Status::ALL.into_iter().find(|status| status.to_string() == word).unwrap_or(Status::Different);
                Row::Change(status, side("left"), side("right"))
            }
            _ => Row::Failure(record),
        }
    }
}

fn change(status: Status, left: Option<&Record>, right: Option<&Record>) -> Record {
    let side = |r: Option<&Record>| r.map_or(&b"null"[..], Record::text).to_vec();
    let name = left.or(right).map_or_else(|| Name::new(&b""[..]), |r| r.name().clone());
    let mut middle = String::from(",\"name\":");
    json::push_string(&mut middle, name.as_bytes());
    json::push_bytes_key(&mut middle, "name_bytes", name.as_bytes());
    let tail = format!(",\"status\":\"{status}\"}}");
    let text = [b"{\"left\":", &side(left)[..], middle.as_bytes(), b",\"right\":", &side(right), tail.as_bytes()].concat();
    Record::from_parts(name, Kind::Change, Fields::default(), text)
}

/// The number of rows of a status, and the sizes of their files on both sides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// The number of rows.
    pub rows: u64,
    /// The bytes of the files on the left.
    pub left: u64,
    /// The bytes of the files on the right.
    pub right: u64,
}

/// The rows of a comparison. Its counts are available at any time, and complete after the last row.
pub struct Diff {
    pairs: Join<Input, Input>,
    options: Options,
    monitor: Arc<dyn Monitor>,
    sides: [Seen; 2],
    failures: u64,
    returned: Listing,
    counts: [Count; 5],
    closed: bool,
}

/// The error records and the end record of a side.
#[derive(Default)]
struct Seen {
    errors: u64,
    end: Option<End>,
    failed: Folders,
}

/// Compares two streams that are in order (see [`crate::sort`]).
///
/// Files are equal if their md5s are (and their sha256s, if both have one), links if their targets are, folders always. A file
/// without md5 can't be compared, and becomes an error record.
pub fn diff(left: Records, right: Records, options: Options, monitor: Arc<dyn Monitor>) -> Diff {
    sides(Opened::Others(left), Opened::Others(right), options, monitor)
}

/// Compares two sides as [`diff()`] does, and two snapshots in less time: what both have is read once.
pub fn sides(left: Opened, right: Opened, options: Options, monitor: Arc<dyn Monitor>) -> Diff {
    let types = covered(&options.types);
    Diff {
        pairs: Join::new(Input::left(left, types.clone()), Input::right(right, types)),
        options,
        monitor,
        sides: [Seen::default(), Seen::default()],
        failures: 0,
        returned: Listing::default(),
        counts: [Count::default(); 5],
        closed: false,
    }
}

/// Returns the types that both sides cover; None if they cover all.
fn covered(types: &[Option<Vec<String>>; 2]) -> Option<Vec<String>> {
    match types {
        [Some(left), Some(right)] => Some(left.iter().filter(|t| right.contains(t)).cloned().collect()),
        [Some(types), None] | [None, Some(types)] => Some(types.clone()),
        [None, None] => None,
    }
}

impl Diff {
    /// Returns the counts of a status so far, including rows that are not returned.
    pub fn count(&self, status: Status) -> Count {
        self.counts[status as usize]
    }

    /// Whether anything differs so far.
    pub fn found(&self) -> bool {
        Status::ALL.iter().any(|s| *s != Status::Equal && self.count(*s).rows > 0)
    }

    /// Returns the number of failed records so far: those of both sides, also if only an end record counts them, and those of
    /// this comparison.
    pub fn errors(&self) -> u64 {
        let stated = |seen: &Seen| seen.end.as_ref().map_or(0, |end| end.errors).max(seen.errors);
        self.sides.iter().map(stated).fold(self.failures, u64::saturating_add)
    }

    /// Returns the rows as records.
    pub fn records(self) -> Records {
        Box::new(self.map(|row| row.map(Row::into_record)))
    }

    /// Counts a row that is returned.
    fn list(&mut self, row: &Row) {
        match row {
            Row::Change(_, left, right) => left.as_ref().or(right.as_ref()).into_iter().for_each(|r| self.returned.add(r)),
            Row::Moved(_, record, _) | Row::Failure(record) => self.returned.add(record),
            Row::End(_) => {}
        }
    }

    fn next_row(&mut self) -> Result<Option<Row>> {
        loop {
            let row = if let Some(record) = self.pairs.same()? {
                self.compare(record, None)?
            } else if let Some(pair) = self.pairs.next().transpose()? {
                self.row(pair)?
            } else {
                return Ok(self.close());
            };
            if row.is_some() {
                return Ok(row);
            }
        }
    }

    /// Returns the row of a pair; None if it has none.
    fn row(&mut self, pair: Pair) -> Result<Option<Row>> {
        Ok(match pair {
            Pair::Aside(side, record) => self.beside(side, record),
            Pair::Both(left, right) => self.compare(left, Some(right))?,
            Pair::Left(left) if !self.lacks(Side::Right, &left)? => None,
            Pair::Left(left) => self.shown(Status::OnlyLeft, Some(left), None),
            Pair::Right(right) if !self.lacks(Side::Left, &right)? => None,
            Pair::Right(right) => self.shown(Status::OnlyRight, None, Some(right)),
        })
    }

    /// Counts an entry of one side, and returns it if rows of its status are returned.
    fn shown(&mut self, status: Status, left: Option<Record>, right: Option<Record>) -> Option<Row> {
        self.tally(status, left.as_ref(), right.as_ref());
        self.options.statuses.contains(&status).then_some(Row::Change(status, left, right))
    }

    fn beside(&mut self, side: Side, record: Record) -> Option<Row> {
        let seen = &mut self.sides[side as usize];
        if record.kind() == Kind::End {
            seen.end = Some(End::of(&record));
            return None;
        }
        seen.errors += 1;
        seen.failed.insert(record.name().clone());
        Some(Row::Failure(record))
    }

    /// Whether an entry is missing on a side where no record has its name. If the name or a folder above it failed on that side,
    /// this is unknown, and the error record takes the entry's place.
    fn lacks(&mut self, side: Side, record: &Record) -> Result<bool> {
        record.expect_entry()?;
        Ok(!self.sides[side as usize].failed.cover(record.name()))
    }

    /// Compares a record with the one of the same name on the right; None if that is the same record.
    fn compare(&mut self, left: Record, right: Option<Record>) -> Result<Option<Row>> {
        let other = right.as_ref().unwrap_or(&left);
        left.expect_entry()?;
        other.expect_entry()?;
        let Some(status) = same::status(&left, other, &self.options) else {
            let reason = "has no md5; run snap-heapify first, or compare by other keys";
            self.monitor.failure(left.name(), reason);
            self.failures += 1;
            return Ok(Some(Row::Failure(Record::failure(left.name(), reason))));
        };
        self.tally(status, Some(&left), Some(other));
        if !self.options.statuses.contains(&status) {
            return Ok(None);
        }
        let right = right.unwrap_or_else(|| left.clone());
        Ok(Some(Row::Change(status, Some(left), Some(right))))
    }

    fn tally(&mut self, status: Status, left: Option<&Record>, right: Option<&Record>) {
        let bytes = |r: Option<&Record>| r.filter(|r| r.kind() == Kind::File).and_then(|r| r.fields().size).unwrap_or(0);
        let count = &mut self.counts[status as usize];
        count.rows += 1;
        count.left = count.left.saturating_add(bytes(left));
        count.right = count.right.saturating_add(bytes(right));
    }

    /// Returns the end record, once, if both sides had one.
    fn close(&mut self) -> Option<Row> {
        if std::mem::replace(&mut self.closed, true) {
            return None;
        }
        let end_of = |seen: &Seen| {
            let end = seen.end.clone()?;
            Some(End { records: None, names: None, errors: end.errors.max(seen.errors), sides: None, ..end })
        };
        let (left, right) = end_of(&self.sides[0]).zip(end_of(&self.sides[1]))?;
        let end = End {
            errors: self.errors(),
            filtered: left.filtered || right.filtered,
            diff: true,
            types: covered(&self.options.types),
            sides: Some(Box::new([left, right])),
            ..End::default()
        };
        let end = end.listing(self.returned);
        Some(Row::End(end.record()))
    }
}

impl Iterator for Diff {
    type Item = Result<Row>;

    fn next(&mut self) -> Option<Result<Row>> {
        let next = self.next_row();
        if let Ok(Some(row)) = &next {
            self.list(row);
        }
        // After an error, no end record may say that the stream is whole.
        self.closed |= next.is_err();
        next.transpose()
    }
}

#[cfg(test)]
mod tests;
