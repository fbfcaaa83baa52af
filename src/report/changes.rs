//! The facts about rows of snap-diff: counts and bytes of each status, and the largest changes.

use super::text::{LONGEST, cut};
use super::top::{ROWS, Top};
use super::tree::Tree;
use crate::diff::{Count, Status};
use crate::error::{Error, Result};
use crate::json;
use crate::record::{Kind, Record};
use std::borrow::Cow;
use std::cmp::Reverse;

/// What the rows say.
pub struct Changes {
    /// The rows of each status, and the bytes of their files on both sides.
    pub counts: [Count; 5],
    /// The pairs of rows that say that a file has another name now.
    pub moved: u64,
    /// The rows by the bytes that changed.
    pub tree: Tree,
    pub largest: Top<Change>,
}

/// A row, for display.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// The bytes that changed.
    pub bytes: u64,
    pub name: Reverse<String>,
    pub sign: char,
    pub left: Option<u64>,
    pub right: Option<u64>,
    /// The other name of a moved file.
    pub other: Option<String>,
}

/// Returns the sign of a status, as in the list of names that snap-diff prints.
pub fn sign(status: Status) -> char {
    match status {
        Status::OnlyLeft => '-',
        Status::OnlyRight => '+',
        Status::Different => '!',
        Status::Equal => '=',
        Status::Unsure => '?',
    }
}

impl Changes {
    /// Returns the facts of no rows.
    pub fn new() -> Changes {
        Changes { counts: [Count::default(); 5], moved: 0, tree: Tree::new(), largest: Top::new(ROWS) }
    }

    /// Counts a row. Rows come in order of name.
    ///
    /// # Errors
    /// If it is no row of snap-diff.
    pub fn add(&mut self, row: &Record) -> Result<()> {
        let name = row.name();
        let refused = |reason: &str| Error::refused(format!("{}: {reason}", name.printable()));
        if row.kind() != Kind::Change {
            return Err(refused("a record among rows of snap-diff"));
        }
        let word = row.string("status").unwrap_or_default();
        let status = Status::ALL.into_iter().find(|status| status.to_string() == word);
        let status = status.ok_or_else(|| refused("a row with an unknown status"))?;
        let side = |side: &str| row.side(side).map_err(|reason| refused(&reason));
        let (left, right) = (side("left")?, side("right")?);
        let size = |side: &Option<Record>| side.as_ref().filter(|r| r.kind() == Kind::File).and_then(|r| r.fields().size);
        let md5 = |side: &Option<Record>| side.as_ref().and_then(|r| r.fields().md5);
        let (before, after) = (size(&left), size(&right));
        let count = &mut self.counts[status as usize];
        count.rows += 1;
        count.left = count.left.saturating_add(before.unwrap_or(0));
        count.right = count.right.saturating_add(after.unwrap_or(0));
        let other = ["moved_to", "moved_from"].into_iter().find_map(|key| name_in(row, key));
        self.moved += u64::from(other.is_some() && status == Status::OnlyLeft);
        if status == Status::Equal {
            return Ok(());
        }
        // The content of a row that only has other metadata did not change.
        let is_same = md5(&left).is_some() && md5(&left) == md5(&right);
        let bytes = if is_same { 0 } else { before.max(after).unwrap_or(0) };
        self.tree.add(name.as_bytes(), bytes, sign(status));
        let change = || Change {
            bytes,
            name: Reverse(cut(name.as_bytes(), LONGEST)),
            sign: sign(status),
            left: before,
            right: after,
            other: other.map(|name| cut(&name, LONGEST)),
        };
        self.largest.add(|least| bytes > least.bytes, change);
        Ok(())
    }
}

/// Returns the bytes of the name that a key of a row has.
fn name_in(row: &Record, key: &str) -> Option<Vec<u8>> {
    let raw = row.raw(key)?;
    json::unescape(&json::decode(&raw)?).map(Cow::into_owned)
}
