//! Joins two ordered streams of records by name.

use crate::error::{Error, Result};
use crate::name::Name;
use crate::record::{Kind, Record};
use std::cmp::Ordering;

/// One of the two streams, or of the two sides of a row of `snap-diff`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Side {
    /// The older one
    Left,
    /// The newer one
    #[default]
    Right,
}

/// The records of the next name.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time; a box would cost an allocation each")]
pub enum Pair {
    /// Only the left stream has the name.
    Left(Record),
    /// Only the right stream has the name.
    Right(Record),
    /// Both streams have the name.
    Both(Record, Record),
    /// An error or end record, which has no place in the order. It is returned as soon as it is read.
    Aside(Side, Record),
}

/// Joins two streams by name in lock step. At most one record of each is kept in memory.
///
/// Both have to be in order, without duplicate names (see [`crate::sort`]). This is checked, because a join of unordered records
/// would report false differences.
pub struct Join<L, R> {
    left: Head<L>,
    right: Head<R>,
    failed: bool,
}

/// A stream that can skip a record without reading its fields.
pub trait SkipSame {
    /// Skips the next record if it is this one, with the same text. Otherwise nothing is read. Returns whether it was skipped.
    ///
    /// # Errors
    /// Those of reading the next record.
    fn skip_same(&mut self, record: &Record) -> Result<bool>;
}

/// A stream and its next entry.
struct Head<I> {
    items: I,
    next: Option<Record>,
    /// A record without a place in the order that was read, and comes before `next`.
    aside: Option<Record>,
    last: Option<Name>,
    side: &'static str,
}

impl<I: Iterator<Item = Result<Record>>> Head<I> {
    fn new(items: I, side: &'static str) -> Head<I> {
        Head { items, next: None, aside: None, last: None, side }
    }

    /// Reads until there is a next entry, or a record that has no place in the order.
    fn fill(&mut self) -> Result<()> {
        while self.next.is_none() && self.aside.is_none() {
            let Some(record) = self.items.next().transpose()? else { break };
            if matches!(record.kind(), Kind::Error | Kind::End) {
                self.aside = Some(record);
                break;
            }
            self.follow(record.name())?;
            self.next = Some(record);
        }
        Ok(())
    }

    /// Checks that an entry of this name follows the last one.
    fn follow(&mut self, name: &Name) -> Result<()> {
        let order = self.last.as_ref().map_or(Ordering::Less, |last| last.cmp(name));
        let reason = match order {
            Ordering::Less => None,
            Ordering::Equal => Some("the name stands twice"),
            Ordering::Greater => Some("the record is not in order of name"),
        };
        if let Some(reason) = reason {
            return Err(Error::refused(format!("{} side: {}: {reason}", self.side, name.printable())));
        }
        self.last = Some(name.clone());
        Ok(())
    }
}

impl<L, R> Join<L, R>
where
    L: Iterator<Item = Result<Record>>,
    R: Iterator<Item = Result<Record>>,
{
    /// Joins these two streams.
    pub fn new(left: L, right: R) -> Join<L, R> {
        Join { left: Head::new(left, "left"), right: Head::new(right, "right"), failed: false }
    }

    fn next_pair(&mut self) -> Result<Option<Pair>> {
        self.left.fill()?;
        if let Some(record) = self.left.aside.take() {
            return Ok(Some(Pair::Aside(Side::Left, record)));
        }
        self.right.fill()?;
        if let Some(record) = self.right.aside.take() {
            return Ok(Some(Pair::Aside(Side::Right, record)));
        }
        let order = match (&self.left.next, &self.right.next) {
            (Some(left), Some(right)) => left.name().cmp(right.name()),
            (Some(_), None) => Ordering::Less,
            (None, _) => Ordering::Greater,
        };
        let left = if order.is_le() { self.left.next.take() } else { None };
        let right = if order.is_ge() { self.right.next.take() } else { None };
        Ok(match (left, right) {
            (Some(left), Some(right)) => Some(Pair::Both(left, right)),
            (Some(left), None) => Some(Pair::Left(left)),
            (None, Some(right)) => Some(Pair::Right(right)),
            (None, None) => None,
        })
    }
}

impl<L, R> Join<L, R>
where
    L: Iterator<Item = Result<Record>>,
    R: Iterator<Item = Result<Record>> + SkipSame,
{
    /// Returns the next record if it comes next in both streams, with the same text. Then it is read only once.
    ///
    /// # Errors
    /// Those of the streams. Nothing follows an error.
    pub fn same(&mut self) -> Result<Option<Record>> {
        if self.failed {
            return Ok(None);
        }
        let same = self.next_same();
        self.failed = same.is_err();
        same
    }

    fn next_same(&mut self) -> Result<Option<Record>> {
        self.left.fill()?;
        let (None, None, None, Some(record)) = (&self.left.aside, &self.right.aside, &self.right.next, &self.left.next) else {
            return Ok(None);
        };
        if !self.right.items.skip_same(record)? {
            return Ok(None);
        }
        self.right.follow(record.name())?;
        Ok(self.left.next.take())
    }
}

impl<L, R> Iterator for Join<L, R>
where
    L: Iterator<Item = Result<Record>>,
    R: Iterator<Item = Result<Record>>,
{
    type Item = Result<Pair>;

    fn next(&mut self) -> Option<Result<Pair>> {
        if self.failed {
            return None;
        }
        let next = self.next_pair();
        self.failed = next.is_err();
        next.transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Reader;

    fn read(text: &'static str) -> Reader<&'static [u8]> {
        Reader::new("input", text.as_bytes())
    }

    fn shown(left: &'static str, right: &'static str) -> Vec<String> {
        let shown = |pair: Result<Pair>| match pair {
            Ok(Pair::Left(l)) => format!("- {}", l.name().printable()),
            Ok(Pair::Right(r)) => format!("+ {}", r.name().printable()),
            Ok(Pair::Both(l, r)) if l.name() == r.name() => format!("= {}", l.name().printable()),
            Ok(Pair::Both(..)) => "two names".to_string(),
            Ok(Pair::Aside(side, r)) => format!("{side:?} {:?} {}", r.kind(), r.name().printable()),
            Err(e) => e.to_string(),
        };
        Join::new(read(left), read(right)).map(shown).collect()
    }

    #[test]
    fn joins_by_name_and_keeps_errors_and_ends_beside() {
        let left = "{\"name\":\"z\",\"type\":\"error\"}\n{\"name\":\"a\"}\n{\"name\":\"b\"}\n{\"name\":\"\",\"type\":\"end\"}\n";
        let right = "{\"name\":\"b\"}\n{\"name\":\"a\",\"type\":\"error\"}\n{\"name\":\"c\"}\n";
        let expected = ["Left Error z", "- a", "= b", "Left End ", "Right Error a", "+ c"];
        assert_eq!(shown(left, right), expected);
        assert_eq!(shown("", ""), Vec::<String>::new());
    }

    #[test]
    fn disorder_and_names_that_stand_twice_are_refused_by_name() {
        let out = shown("{\"name\":\"b\"}\n{\"name\":\"a\"}\n", "");
        assert_eq!(out, ["- b", "left side: a: the record is not in order of name"]);
        let out = shown("", "{\"name\":\"b\"}\n{\"name\":\"b\"}\n");
        assert_eq!(out, ["+ b", "right side: b: the name stands twice"]);
    }
}
