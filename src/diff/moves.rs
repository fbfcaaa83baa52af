//! Rows of files that have another name now: a row of a name that is gone and one of a new name with the same content.

use super::{Row, Status};
use crate::error::Result;
use crate::json::{from_base64, to_base64};
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::sort::{BUDGET, Spool};
use std::collections::HashMap;

/// The number of files with the same content up to which they are joined. Very many copies of one content say nothing.
const COPIES: usize = 1000;

/// Returns all rows again, the moved ones with the other name. Memory does not grow with their number.
///
/// # Errors
/// Those of the rows, and of temporary files.
pub fn moves(rows: impl Iterator<Item = Result<Row>>) -> Result<impl Iterator<Item = Result<Row>>> {
    let rows = Spool::with_doubles(rows.map(|row| row.map(Row::into_record)), BUDGET / 2)?;
    let ends = Spool::with_doubles(rows.read().filter_map(|row| row.map(|row| candidate(&row)).transpose()), BUDGET / 4)?;
    let moved = Spool::with_doubles(Pairs { ends: ends.read().peekable(), ready: Vec::new() }, BUDGET / 4)?;
    let mut moved = moved.read().peekable();
    Ok(rows.read().map(move |record| {
        let row = Row::of(record?);
        let Row::Change(status, left, right) = row else { return Ok(row) };
        let Some(record) = left.as_ref().or(right.as_ref()) else { return Ok(Row::Change(status, left, right)) };
        match moved.next_if(|to| to.as_ref().map_or(true, |to| to.name() == record.name())).transpose()? {
            Some(to) => Ok(Row::Moved(status, record.clone(), name_in(&to))),
            None => Ok(Row::Change(status, left, right)),
        }
    }))
}

/// Returns a record of one end of a possible move, under the md5 of its content.
fn candidate(row: &Record) -> Option<Record> {
    let Row::Change(status, left, right) = Row::of(row.clone()) else { return None };
    let record = match (status, left, right) {
        (Status::OnlyLeft, Some(record), None) | (Status::OnlyRight, None, Some(record)) => record,
        _ => return None,
    };
    let md5 = record.fields().md5.filter(|_| record.kind() == Kind::File && record.fields().size != Some(0))?;
    let side = if status == Status::OnlyLeft { "true" } else { "false" };
    Some(named(Name::new(md5.to_string().into_bytes()), record.name()).edit().set_json("old", side).finish())
}

/// Returns a record that has another name in its text.
fn named(name: Name, other: &Name) -> Record {
    Record::build(name, Kind::Other).set_json("at", &format!("\"{}\"", to_base64(other.as_bytes()))).finish()
}

fn name_in(record: &Record) -> Name {
    Name::new(record.string("at").and_then(|text| from_base64(&text)).unwrap_or_default())
}

/// Joins the ends of moves, which are in order of md5.
struct Pairs<I: Iterator<Item = Result<Record>>> {
    ends: std::iter::Peekable<I>,
    ready: Vec<Record>,
}

impl<I: Iterator<Item = Result<Record>>> Pairs<I> {
    /// Reads the ends of one content. Returns false if there is none.
    fn read(&mut self) -> Result<bool> {
        let Some(first) = self.ends.next().transpose()? else { return Ok(false) };
        let (md5, mut sides) = (first.name().clone(), [Vec::new(), Vec::new()]);
        let mut next = Some(first);
        while let Some(end) = next {
            let side = &mut sides[usize::from(end.raw("old").as_deref() == Some("false"))];
            if side.len() < COPIES {
                side.push(name_in(&end));
            }
            next = self.ends.next_if(|end| end.as_ref().map_or(true, |end| *end.name() == md5)).transpose()?;
        }
        let [old, new] = sides;
        for (old, new) in joined(old, new) {
            self.ready.push(named(new.clone(), &old));
            self.ready.push(named(old, &new));
        }
        Ok(true)
    }
}

/// Joins names in order: first those with the same last part, then the others.
fn joined(old: Vec<Name>, new: Vec<Name>) -> Vec<(Name, Name)> {
    let last = |name: &Name| name.as_bytes().rsplit(|b| *b == b'/').next().unwrap_or_default().to_vec();
    let mut by_last: HashMap<Vec<u8>, Vec<Name>> = HashMap::new();
    new.iter().rev().for_each(|name| by_last.entry(last(name)).or_default().push(name.clone()));
    let (mut pairs, mut others) = (Vec::new(), Vec::new());
    for old in old {
        match by_last.get_mut(&last(&old)).and_then(Vec::pop) {
            Some(new) => pairs.push((old, new)),
            None => others.push(old),
        }
    }
    let mut rest: Vec<Name> = by_last.into_values().flatten().collect();
    rest.sort();
    pairs.extend(others.into_iter().zip(rest));
    pairs
}

impl<I: Iterator<Item = Result<Record>>> Iterator for Pairs<I> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.ready.pop() {
                return Some(Ok(record));
            }
            match self.read() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(e) => return Some(Err(e)),
            }
        }
    }
}
