//! Reading snapshots, our own and the Python tool's.

use super::label::{Label, Totals};
use super::place::{Input, Place};
use crate::codec::{self, GzipReader, Header};
use crate::digest::Md5;
use crate::display::counted;
use crate::end::{End, Listing};
use crate::error::{Error, OrFailed, Result};
use crate::monitor::Monitor;
use crate::record::{Base64, Kind, Record, key};
use crate::sort::{self, Spool};
use crate::stream::{Reader, Records};
use std::io::BufRead;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

pub(super) fn damaged(path: &str, reason: &str) -> Error {
    Error::refused(format!("snapshot {path} is damaged: {reason}"))
}

/// Returns the error for a failure to read a snapshot: the snapshot is damaged, unless the system reported the failure.
pub(super) fn explain(path: &str, e: std::io::Error) -> Error {
    match e.kind() {
        _ if e.raw_os_error().is_some() => Error::io(path, e),
        std::io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
        _ => damaged(path, &crate::error::reason(&e)),
    }
}

/// Does what [`explain`] does, for an error of the reader of records.
fn explained(path: &str, e: Error) -> Error {
    match e {
        Error::Io { source, .. } => explain(path, source),
        e => e,
    }
}

/// Starts to read a gzip file, and returns the label in its first header.
pub(super) fn begin(path: &str, input: Input) -> Result<(GzipReader<Input>, Option<Label>)> {
    let gzip = GzipReader::new(input).map_err(|e| explain(path, e))?;
    let label = label_of(gzip.first(), path)?;
    Ok((gzip, label))
}

/// Returns the label of a snapshot; None if it has none, as snapshots of the Python tool.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn label(place: &Place) -> Result<Option<Label>> {
    let header = codec::read_header(&mut place.open()?).map_err(|e| explain(&place.to_string(), e))?;
    let header = header.ok_or_else(|| damaged(&place.to_string(), "it is empty"))?;
    label_of(&header, &place.to_string())
}

fn label_of(first: &Header, path: &str) -> Result<Option<Label>> {
    Label::of(first).map_err(|reason| damaged(path, reason))
}

/// Returns the types of records that a snapshot covers; None for all. Snapshots of the Python tool have no label and cover files
/// only.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn types(place: &Place) -> Result<Option<Vec<String>>> {
    Ok(label(place)?.map_or_else(|| Some(vec!["file".to_string()]), |label| label.types))
}

pub(super) fn totals(path: &str, last: Option<&Header>) -> Result<Totals> {
    last.and_then(Totals::of).ok_or_else(|| damaged(path, "its end is missing"))
}

/// Returns the totals of a snapshot. Their number of records has to be the number of records that were read.
fn totals_of(path: &str, last: Option<&Header>, records: u64) -> Result<Totals> {
    let totals = totals(path, last)?;
    if totals.records != records {
        return Err(damaged(path, &format!("it has {}, not {}", counted(records, "record"), totals.records)));
    }
    Ok(totals)
}

/// Returns the totals in the last member of one of our snapshots, without reading the others.
///
/// # Errors
/// If that member is missing, or the file can't be read.
pub(super) fn totals_at_end(place: &Place) -> Result<Totals> {
    totals(&place.to_string(), last_header(place)?.map(|(_, header)| header).as_ref())
}

/// Returns the offset and the header of the last member, if it is one of ours without content.
pub(super) fn last_header(place: &Place) -> Result<Option<(u64, Header)>> {
    // Most last members are not longer.
    const TAIL: u64 = 4 << 10;
    let size = place.size()?;
    let from = size.saturating_sub(TAIL);
    let mut tail = place.part(from, size - from)?;
    let Some(len) = last_length(&tail) else { return Ok(last_of_first_form(&tail).map(|(at, h)| (size - at as u64, h))) };
    let Some(at) = size.checked_sub(len) else { return Ok(None) };
    if len > tail.len() as u64 {
        tail = place.part(at, len)?;
    }
    let Some(last) = tail.len().checked_sub(len as usize).map(|at| &tail[at..]) else { return Ok(None) };
    let header = codec::read_header(&mut &last[..]).ok().flatten();
    Ok(header.filter(|header| header.lengths() == Some((len as u32, 0))).map(|header| (at, header)))
}

/// Returns the length of the last member, from the last of its subfields.
fn last_length(tail: &[u8]) -> Option<u64> {
    let at = tail.len().checked_sub(codec::BEHIND_LAST + 8)?;
    let [a, b, 4, 0, ref len @ ..] = tail[at..at + 8] else { return None };
    let len = u32::from_le_bytes(len.try_into().ok()?);
    ([a, b] == codec::LAST && len as usize <= 12 + codec::FIELDS_LIMIT + codec::BEHIND_LAST).then_some(len.into())
}

/// Returns the last member of a snapshot of the first form, which does not say its length: the last bytes that are a header of
/// that length. The number is the distance of its start from the end of the file.
fn last_of_first_form(tail: &[u8]) -> Option<(usize, Header)> {
    let starts = (0..tail.len()).rev().filter(|at| tail[*at..].starts_with(&[0x1f, 0x8b, 8]));
    let mut headers = starts.filter_map(|at| Some((tail.len() - at, codec::read_header(&mut &tail[at..]).ok()??)));
    headers.find(|(len, header)| header.lengths() == Some((*len as u32, 0)))
}

/// Returns the records in a part of a snapshot that consists of whole members.
pub(super) fn part(place: &Place, part: std::ops::Range<u64>) -> Result<Records> {
    let shown = place.to_string();
    let input = place.open_part(part.start, part.end - part.start)?;
    let gzip = GzipReader::new(input).map_err(|e| explain(&shown, e))?;
    let records = Reader::new(&shown, gzip);
    Ok(Box::new(records.map(move |record| record.map(with_bytes).map_err(|e| explained(&shown, e)))))
}

/// Returns the records of a snapshot in order, with an end record. Records of the Python tool get `name_bytes` if their names
/// need it, and are sorted if they are not in order.
///
/// # Errors
/// If the file can't be read or is not gzip. Damage further on, or a name twice, is an error among the records.
pub fn read(place: &Place, monitor: Arc<dyn Monitor>) -> Result<Records> {
    match open(place)? {
        Opened::Plain(_) => Err(Error::advise(
            format!("{place} is no snapshot but a stream of records"),
            "tools read it as it is, on standard input or as FILE; snap-diff takes it for a side",
        )),
        Opened::Gzip(reading) => Ok(in_order(reading, monitor)?.0),
    }
}

/// Returns the records of a file in order, and their types if the file is known to cover only some types. The file is a snapshot
/// or a stream, plain or compressed. A plain stream without an end record gets none.
///
/// # Errors
/// If the file can't be read or is neither. Damage further on, or a name twice, is an error among the records.
pub fn any(place: &Place, monitor: Arc<dyn Monitor>) -> Result<(Records, Option<Vec<String>>)> {
    match open(place)? {
        Opened::Plain(records) => plain(records, &*monitor),
        Opened::Gzip(reading) => in_order(reading, monitor),
    }
}

/// Returns the records of a stream in order, and their types if its end record names them.
///
/// # Errors
/// See [`Spool::collect`].
pub fn plain(records: Records, monitor: &dyn Monitor) -> Result<(Records, Option<Vec<String>>)> {
    let spool = Spool::collect(records, sort::BUDGET, monitor)?;
    Ok((spool.read(), spool.end().and_then(|end| End::of(end).types)))
}

/// The kind of a file, by its first bytes.
enum Opened {
    Plain(Records),
    Gzip(Box<Reading>),
}

fn open(place: &Place) -> Result<Opened> {
    let shown = place.to_string();
    let mut input = place.open()?;
    let start = input.fill_buf().or_failed(|| format!("snapshot {shown}"))?;
    // A plain file with the name of a snapshot is a damaged snapshot.
    let named_gzip = place.file_name().as_bytes().ends_with(b".gz");
    if !named_gzip && start.trim_ascii_start().first() == Some(&b'{') {
        return Ok(Opened::Plain(Box::new(Reader::new(shown, input))));
    }
    Ok(Opened::Gzip(Box::new(Reading { lines: Lines::open(place, input)?, listing: Listing::default(), done: false })))
}

/// Returns the records of a gzip file, and their types. A file without our label is sorted, and is a snapshot of the Python tool
/// if it has no end record.
fn in_order(reading: Box<Reading>, monitor: Arc<dyn Monitor>) -> Result<(Records, Option<Vec<String>>)> {
    if let Some(label) = &reading.lines.label {
        let types = label.types.clone();
        return Ok((reading, types));
    }
    let spool = Spool::collect(reading, sort::BUDGET, &*monitor)?;
    if let Some(end) = spool.end() {
        return Ok((spool.read(), End::of(end).types));
    }
    // The Python tool records files only.
    let types = Some(vec!["file".to_string()]);
    let end = End { types: types.clone(), ..End::default() }.listing(spool.counts().listing);
    Ok((Box::new(spool.read().chain(std::iter::once(Ok(end.record())))), types))
}

/// Calls `take` with each md5 in a snapshot, or in another file among the snapshots. Error records, end records and rows of
/// snap-diff are accepted here, because the caller wants to know which objects must not be deleted.
///
/// # Errors
/// If the file is damaged or can't be read, or a line is no record.
pub fn references(place: &Place, take: &mut dyn FnMut(Md5)) -> Result<()> {
    let shown = place.to_string();
    let (gzip, label) = begin(&shown, place.open()?)?;
    if label.as_ref().is_some_and(Label::is_later) {
        return Err(Error::refused(format!(
            "snapshot {shown} was written by a later version, and may refer to more than this one knows"
        )));
    }
    let mut reader = Reader::new(&shown, gzip);
    let mut count = 0;
    for record in reader.by_ref() {
        let record = record.map_err(|e| explained(&shown, e))?;
        count += 1;
        record.fields().md5.into_iter().for_each(&mut *take);
        for side in ["left", "right"].iter().filter(|_| record.kind() == Kind::Change) {
            let Some(side) = record.raw(side).filter(|json| json != "null") else { continue };
            let side = Record::parse_owned(side.into_bytes()).map_err(|e| damaged(&shown, &e.reason))?;
            side.fields().md5.into_iter().for_each(&mut *take);
        }
    }
    if label.is_some() {
        totals_of(&shown, reader.get_ref().last(), count)?;
    }
    Ok(())
}

/// The lines of a gzip file with records.
pub struct Lines {
    reader: Reader<GzipReader<Input>>,
    shown: String,
    label: Option<Label>,
    /// The number of lines so far.
    count: u64,
}

impl Lines {
    fn open(place: &Place, input: Input) -> Result<Lines> {
        let shown = place.to_string();
        let (gzip, label) = begin(&shown, input)?;
        Ok(Lines { reader: Reader::new(&shown, gzip), shown, label, count: 0 })
    }

    /// Returns the next line; None at the end, after the totals of one of our snapshots were compared.
    ///
    /// # Errors
    /// If the file can't be read, or is damaged.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.reader.next_line().map_err(|e| explained(&self.shown, e))?;
        match &line {
            Some(_) => self.count += 1,
            None if self.label.is_some() => drop(self.totals()?),
            None => {}
        }
        Ok(line)
    }

    /// Returns the record of the line that was read last.
    ///
    /// # Errors
    /// If it is no record, or none that can be in such a file.
    pub fn record(&mut self, line: Vec<u8>) -> Result<Record> {
        let record = self.reader.record(line).map_err(|e| explained(&self.shown, e))?;
        // A compressed stream, which is not one of our snapshots, can also have error records and an end record.
        if record.is_entry() || (self.label.is_none() && matches!(record.kind(), Kind::Error | Kind::End)) {
            return Ok(with_bytes(record));
        }
        let text = record.text().escape_ascii().to_string();
        Err(damaged(&self.shown, &format!("{text:?} is no record of a file")))
    }

    fn totals(&self) -> Result<Totals> {
        totals_of(&self.shown, self.reader.get_ref().last(), self.count)
    }
}

/// Returns the lines of one of our snapshots, which are in order. None if another tool wrote the file.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn lines(place: &Place) -> Result<Option<Lines>> {
    Ok(Some(Lines::open(place, place.open()?)?).filter(|lines| lines.label.is_some()))
}

struct Reading {
    lines: Lines,
    listing: Listing,
    done: bool,
}

impl Reading {
    fn read(&mut self) -> Result<Option<Record>> {
        let Some(line) = self.lines.next_line()? else {
            return self.lines.label.as_ref().map(|label| self.end(label)).transpose();
        };
        let record = self.lines.record(line)?;
        self.listing.add(&record);
        Ok(Some(record))
    }

    /// Returns the end record of one of our snapshots, after all records were read.
    fn end(&self, label: &Label) -> Result<Record> {
        let totals = self.lines.totals()?;
        let end = End {
            errors: totals.errors,
            filtered: label.filtered,
            rules: label.rules.clone(),
            kept_out: label.kept_out.clone(),
            types: label.types.clone(),
            root: label.root.clone(),
            root_folder: label.root_folder.clone(),
            // A tool that deletes has to know that the snapshot may contain more than this version understands.
            v: label.is_later().then(|| label.v.into()),
            ..End::default()
        };
        Ok(end.listing(self.listing).record())
    }
}

impl Iterator for Reading {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.done {
            return None;
        }
        let record = self.read();
        self.done = !record.as_ref().is_ok_and(|record| record.as_ref().is_some_and(|record| record.kind() != Kind::End));
        record.transpose()
    }
}

/// Adds `name_bytes` and `destination_bytes` if they are needed and missing, as in the records of the Python tool.
fn with_bytes(record: Record) -> Record {
    let name = (!record.name().is_utf8() && record.raw("name_bytes").is_none()).then(|| record.name().as_bytes());
    let target = record.fields().destination.as_deref().filter(|t| std::str::from_utf8(t).is_err());
    let target = target.filter(|_| record.kind() == Kind::Link && record.raw("destination_bytes").is_none());
    if name.is_none() && target.is_none() {
        return record;
    }
    let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| Base64(bytes.into()));
    record.edit().set_known(key::NAME_BYTES, bytes(name)).set_known(key::DESTINATION_BYTES, bytes(target)).finish()
}
