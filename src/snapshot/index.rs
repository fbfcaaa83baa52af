//! The index of a snapshot's members: the offset of each and its first name. With it, one name or one folder is found without
//! inflating the rest.
//!
//! It is in the header of the last member. If it is too long for that, it has levels: members without content before the last one
//! contain its pieces, and the last one has the offset and the first name of each piece. Only reading by name uses the index.
//! Reading a whole snapshot does not, so a damaged index hides no record.

use super::label::Totals;
use super::place::Place;
use super::{damage, ends, read};
use crate::codec::{self, Header, INDEX};
use crate::error::{Error, Result};
use crate::filter::reach::Range as NameRange;
use crate::name::Name;
use crate::record::Record;
use crate::stream::Records;
use std::ops::{Bound, Range, RangeBounds};

/// The longest piece, in bytes. A header can have 65,535, but busybox accepts 16,384, and a header contains more than the piece.
const PIECE: usize = 12_000;
/// Longer names are cut to this number of bytes, or at the start of the character there.
const NAME_LIMIT: usize = 1024;
/// The bit of an entry's length that marks a cut name.
const CUT: u16 = 0x8000;
/// No index needs more levels: a level has at least 11 times as many entries as the one above it.
const LEVELS: u8 = 8;

/// A member, or a piece of the level below.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    /// The offset of its start in the file.
    offset: u64,
    /// The name of its first record, or the start of that name.
    name: Name,
    /// The name was cut.
    cut: bool,
}

impl Entry {
    fn new(offset: u64, name: &Name) -> Entry {
        let len = cut(name.as_bytes());
        Entry { offset, name: Name::new(&name.as_bytes()[..len]), cut: len < name.as_bytes().len() }
    }

    /// Whether the first name is certainly not after this name.
    fn is_at_or_before(&self, name: &Name) -> bool {
        self.name <= *name && !(self.cut && name.as_bytes().starts_with(self.name.as_bytes()))
    }

    /// Whether the first name can be this name.
    fn is_of(&self, name: &Name) -> bool {
        if self.cut { name.as_bytes().starts_with(self.name.as_bytes()) } else { self.name == *name }
    }

    fn push(&self, out: &mut Vec<u8>) {
        let name = self.name.as_bytes();
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&(name.len() as u16 | if self.cut { CUT } else { 0 }).to_le_bytes());
        out.extend_from_slice(name);
    }
}

/// Returns the length to which a name is cut, so that it sorts like the same part of the whole name.
fn cut(name: &[u8]) -> usize {
    let mut end = 0;
    if name.len() <= NAME_LIMIT {
        return name.len();
    }
    for chunk in name.utf8_chunks() {
        let steps = chunk.valid().chars().map(char::len_utf8).chain(chunk.invalid().iter().map(|_| 1));
        for step in steps {
            if end + step > NAME_LIMIT {
                return end;
            }
            end += step;
        }
    }
    end
}

/// The entries of one level in one header.
#[derive(Clone, Debug, PartialEq)]
struct Piece {
    /// At level 1, the entries are members with records; above, they are pieces of the level below.
    level: u8,
    entries: Vec<Entry>,
}

impl Piece {
    fn value(level: u8, entries: &[u8]) -> Vec<u8> {
        [&[level][..], &libdeflater::crc32(entries).to_le_bytes(), entries].concat()
    }

    /// Reads a piece from a member that starts at `end`; None if it is damaged.
    fn parse(value: &[u8], end: u64) -> Option<Piece> {
        let (level, rest) = value.split_first()?;
        let (crc, mut rest) = rest.split_first_chunk::<4>()?;
        if !(1..=LEVELS).contains(level) || libdeflater::crc32(rest) != u32::from_le_bytes(*crc) {
            return None;
        }
        let mut entries: Vec<Entry> = Vec::new();
        while !rest.is_empty() {
            let (offset, more) = rest.split_first_chunk::<8>()?;
            let (len, more) = more.split_first_chunk::<2>()?;
            let len = u16::from_le_bytes(*len);
            let (name, more) = more.split_at_checked((len & !CUT).into())?;
            let entry = Entry { offset: u64::from_le_bytes(*offset), name: Name::new(name), cut: len & CUT != 0 };
            let follows = |last: &Entry| last.offset < entry.offset && last.name <= entry.name;
            if entry.offset >= end || name.is_empty() || !entries.last().is_none_or(follows) {
                return None;
            }
            entries.push(entry);
            rest = more;
        }
        Some(Piece { level: *level, entries })
    }
}

/// Builds the index of a snapshot that is being written.
#[derive(Default)]
pub(super) struct Builder {
    entries: Vec<Entry>,
    last: Option<Name>,
    /// The records are not in order, so they can't be found by name.
    disordered: bool,
}

impl Builder {
    /// Whether a name comes after all others, in order.
    pub fn precedes(&self, name: &Name) -> bool {
        self.last.as_ref().is_none_or(|last| last < name)
    }

    /// Adds a record that is written.
    pub fn see(&mut self, name: &Name) {
        self.disordered |= !self.precedes(name);
        self.last = Some(name.clone());
    }

    /// Adds the offset of a member and its first record.
    pub fn begin(&mut self, offset: u64, first: &Name) {
        self.entries.push(Entry::new(offset, first));
    }

    /// Adds the first member of all, which has this length, and the name of its first record. The offsets of the other members
    /// are counted from its end until now.
    pub fn begin_all(&mut self, len: u64, first: Option<&Name>) {
        self.entries.iter_mut().for_each(|entry| entry.offset += len);
        self.entries.splice(..0, first.map(|name| Entry::new(0, name)));
    }

    /// Returns the value for the last member's header; None if the records are not in order. If the index is too long for one
    /// header, its pieces are given to `put`, which writes a piece and returns its offset.
    pub fn finish(self, put: &mut dyn FnMut(&[u8]) -> Result<u64>) -> Result<Option<Vec<u8>>> {
        if self.disordered {
            return Ok(None);
        }
        let (mut level, mut entries) = (1, self.entries);
        loop {
            let mut above: Vec<Entry> = Vec::new();
            let mut piece = Vec::new();
            let mut first = 0;
            for (i, entry) in entries.iter().enumerate() {
                if piece.len() + 10 + entry.name.as_bytes().len() > PIECE {
                    above.push(Entry { offset: put(&Piece::value(level, &piece))?, ..entries[first].clone() });
                    (piece, first) = (Vec::new(), i);
                }
                entry.push(&mut piece);
            }
            if above.is_empty() {
                return Ok(Some(Piece::value(level, &piece)));
            }
            above.push(Entry { offset: put(&Piece::value(level, &piece))?, ..entries[first].clone() });
            (level, entries) = (level + 1, above);
        }
    }
}

/// The index of one of our snapshots.
pub struct Index {
    place: Place,
    size: u64,
    top: Piece,
    totals: Option<Totals>,
}

impl Index {
    /// Reads the index of a snapshot from its last bytes. None if there is none: the Python tool and the first form have no
    /// index.
    ///
    /// # Errors
    /// If it is damaged or the file can't be read.
    pub fn of(place: &Place) -> Result<Option<Index>> {
        let Some((at, header)) = ends::last_header(place)? else { return Ok(None) };
        let Some(value) = header.field(INDEX) else { return Ok(None) };
        let top = Piece::parse(value, at).ok_or_else(|| damaged(place))?;
        let size = at + header.lengths().map_or(0, |(member, _)| u64::from(member));
        Ok(Some(Index { place: place.clone(), size, top, totals: Totals::of(&header) }))
    }

    /// Returns the part of the file with all records whose names are in a range: whole members, which a
    /// [`GzipReader`](crate::codec::GzipReader) can read. The part can have other records, too.
    ///
    /// # Errors
    /// If a piece of the index is damaged or can't be read.
    pub fn part(&self, names: &impl RangeBounds<Name>) -> Result<Range<u64>> {
        let end = match self.last(&|entry| match names.end_bound() {
            Bound::Included(name) => entry.name <= *name,
            Bound::Excluded(name) => entry.name < *name,
            Bound::Unbounded => true,
        })? {
            None => 0,
            Some((_, Some(next))) => next,
            Some((last, None)) => last.offset + self.member(last.offset)?.0,
        };
        Ok(self.first(names)?.map_or(0, |entry| entry.offset).min(end)..end)
    }

    /// Returns the records whose names are in a range, in order. The other parts of the snapshot are not read.
    ///
    /// # Errors
    /// If the index is damaged or can't be read; damage that is found later is an error among the records.
    pub fn records(&self, names: &impl RangeBounds<Name>) -> Result<Records> {
        let part = self.part(names)?;
        if part.is_empty() {
            return Ok(Box::new(std::iter::empty()));
        }
        let records = self.members_of(part, self.first(names)?.as_ref())?;
        let names = (names.start_bound().cloned(), names.end_bound().cloned());
        let past = (Bound::Unbounded, names.1.clone());
        let some = records.take_while(move |record| record.as_ref().map_or(true, |record| past.contains(record.name())));
        Ok(Box::new(some.filter(move |record| record.as_ref().map_or(true, |record| names.contains(record.name())))))
    }

    /// Returns the records of all members that can have names of these ranges. The members of several ranges are read once.
    ///
    /// # Errors
    /// Those of [`Index::records`].
    pub(super) fn around(self, ranges: &[NameRange]) -> Result<impl Iterator<Item = Result<Record>> + use<>> {
        let mut parts: Vec<(Range<u64>, Option<Entry>)> = Vec::new();
        for range in ranges {
            parts.push((self.part(range)?, self.first(range)?));
        }
        parts.retain(|(part, _)| !part.is_empty());
        parts.sort_by_key(|(part, _)| part.start);
        parts.dedup_by(|next, last| {
            let is_same = next.0.start <= last.0.end;
            last.0.end = if is_same { last.0.end.max(next.0.end) } else { last.0.end };
            is_same
        });
        Ok(parts.into_iter().flat_map(move |(part, first)| {
            self.members_of(part, first.as_ref()).unwrap_or_else(|e| Box::new(std::iter::once(Err(e))))
        }))
    }

    /// Returns the records of these members. The first one has to have the name in the index.
    fn members_of(&self, part: Range<u64>, entry: Option<&Entry>) -> Result<Records> {
        let mut records = read::part(&self.place, part)?.peekable();
        let fits = |first: &Record| entry.is_none_or(|entry| entry.is_of(first.name()));
        if records.peek().is_some_and(|first| first.as_ref().is_ok_and(|first| !fits(first))) {
            return Err(damaged(&self.place));
        }
        Ok(Box::new(records))
    }

    /// Returns the totals of the snapshot.
    ///
    /// # Errors
    /// If its end does not have them.
    pub(super) fn totals(&self) -> Result<Totals> {
        self.totals.ok_or_else(|| damaged(&self.place))
    }

    /// Returns the entries of all members with records.
    fn members(&self) -> Result<Vec<Entry>> {
        let mut level = vec![self.top.clone()];
        while level.first().is_some_and(|piece| piece.level > 1) {
            let below = level.iter().flat_map(|piece| piece.entries.iter().map(|entry| self.below(entry, piece.level)));
            level = below.collect::<Result<_>>()?;
        }
        Ok(level.into_iter().flat_map(|piece| piece.entries).collect())
    }

    /// Compares the index with the members in the file: the offset of each member with records, and its first name.
    ///
    /// # Errors
    /// If they differ, or a piece is damaged.
    pub(super) fn compare(&self, found: &[(u64, Name)]) -> Result<()> {
        let entries = self.members()?;
        let same = |(entry, (offset, name)): (&Entry, &(u64, Name))| entry.offset == *offset && entry.is_of(name);
        match entries.len() == found.len() && entries.iter().zip(found).all(same) {
            true => Ok(()),
            false => Err(damaged(&self.place)),
        }
    }

    /// Returns the first member that can have a name of the range; None if that is the first of all.
    fn first(&self, names: &impl RangeBounds<Name>) -> Result<Option<Entry>> {
        match names.start_bound() {
            Bound::Included(name) | Bound::Excluded(name) => {
                Ok(self.last(&|entry| entry.is_at_or_before(name))?.map(|(entry, _)| entry))
            }
            Bound::Unbounded => Ok(None),
        }
    }

    /// Returns the last member for which `before` is true, and the offset of the next one if it is in the same piece. `before`
    /// has to be true for the first members and false for all others.
    fn last(&self, before: &dyn Fn(&Entry) -> bool) -> Result<Option<(Entry, Option<u64>)>> {
        let mut piece = self.top.clone();
        loop {
            let behind = piece.entries.partition_point(before);
            let Some(entry) = behind.checked_sub(1).map(|at| &piece.entries[at]) else { return Ok(None) };
            if piece.level == 1 {
                return Ok(Some((entry.clone(), piece.entries.get(behind).map(|next| next.offset))));
            }
            piece = self.below(entry, piece.level)?;
        }
    }

    /// Reads the piece that an entry of a level above 1 points to.
    fn below(&self, entry: &Entry, level: u8) -> Result<Piece> {
        let (_, header) = self.member(entry.offset)?;
        let piece = header.field(INDEX).and_then(|value| Piece::parse(value, entry.offset));
        let first = |piece: &Piece| piece.entries.first().is_some_and(|first| first.name == entry.name);
        piece.filter(|piece| piece.level + 1 == level && first(piece)).ok_or_else(|| damaged(&self.place))
    }

    /// Returns the length and the header of the member at an offset.
    fn member(&self, offset: u64) -> Result<(u64, Header)> {
        let longest = ((12 + codec::FIELDS_LIMIT) as u64).min(self.size.saturating_sub(offset));
        let header = codec::read_header(&mut self.place.open_part(offset, longest)?);
        let header = header.ok().flatten().ok_or_else(|| damaged(&self.place))?;
        let (len, _) =
            header.lengths().filter(|(len, _)| offset + u64::from(*len) <= self.size).ok_or_else(|| damaged(&self.place))?;
        Ok((len.into(), header))
    }
}

fn damaged(place: &Place) -> Error {
    damage::damaged(&place.to_string(), "its index is wrong")
}

#[cfg(test)]
mod tests;
