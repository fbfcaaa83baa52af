//! Reading snapshots, ours and those of the Python tool.

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

/// The damage that an error of reading tells of. A disk that can't be read is another matter.
pub(super) fn explain(path: &str, e: std::io::Error) -> Error {
    match e.kind() {
        _ if e.raw_os_error().is_some() => Error::io(path, e),
        std::io::ErrorKind::UnexpectedEof => damaged(path, "it is cut off"),
        _ => damaged(path, &crate::error::reason(&e)),
    }
}

/// The label of a snapshot; None where it has none, as those of the Python tool.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn label(place: &Place) -> Result<Option<Label>> {
    let header = codec::read_header(&mut place.open()?).map_err(|e| explain(&place.to_string(), e))?;
    let header = header.ok_or_else(|| damaged(&place.to_string(), "it is empty"))?;
    label_of(&header, &place.to_string())
}

pub(super) fn label_of(first: &Header, path: &str) -> Result<Option<Label>> {
    Label::of(first).map_err(|reason| damaged(path, reason))
}

/// The types of records that a snapshot covers, None for all. Those of the Python tool, which have no label, cover files only.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn types(place: &Place) -> Result<Option<Vec<String>>> {
    Ok(label(place)?.map_or_else(|| Some(vec!["file".to_string()]), |label| label.types))
}

pub(super) fn totals(path: &str, last: Option<&Header>) -> Result<Totals> {
    last.and_then(Totals::of).ok_or_else(|| damaged(path, "its end is missing"))
}

/// What the last member of one of our snapshots says, without reading the others.
///
/// # Errors
/// If it is not there or the file can't be read.
pub(super) fn totals_at_end(place: &Place) -> Result<Totals> {
    totals(&place.to_string(), last_header(place)?.map(|(_, header)| header).as_ref())
}

/// The header of the last member, if it is one of ours and has no content, and where it starts.
pub(super) fn last_header(place: &Place) -> Result<Option<(u64, Header)>> {
    // Most are in it.
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

/// How long the last member says it is, in the last of its subfields.
fn last_length(tail: &[u8]) -> Option<u64> {
    let at = tail.len().checked_sub(codec::BEHIND_LAST + 8)?;
    let [a, b, 4, 0, ref len @ ..] = tail[at..at + 8] else { return None };
    let len = u32::from_le_bytes(len.try_into().ok()?);
    ([a, b] == codec::LAST && len as usize <= 12 + codec::FIELDS_LIMIT + codec::BEHIND_LAST).then_some(len.into())
}

/// The first form does not say it, but has nothing of anybody else's in that header. How far before the end it starts.
fn last_of_first_form(tail: &[u8]) -> Option<(usize, Header)> {
    let starts = (0..tail.len()).rev().filter(|at| tail[*at..].starts_with(&[0x1f, 0x8b, 8]));
    let mut headers = starts.filter_map(|at| Some((tail.len() - at, codec::read_header(&mut &tail[at..]).ok()??)));
    headers.find(|(len, header)| header.lengths() == Some((*len as u32, 0)))
}

/// The records in a part of a snapshot that is whole members.
pub(super) fn part(place: &Place, part: std::ops::Range<u64>) -> Result<Records> {
    let shown = place.to_string();
    let input = place.open_part(part.start, part.end - part.start)?;
    let gzip = GzipReader::new(input).map_err(|e| explain(&shown, e))?;
    let records = Reader::new(&shown, gzip).map(move |record| match record {
        Ok(record) => Ok(with_bytes(record)),
        Err(Error::Io { source, .. }) => Err(explain(&shown, source)),
        Err(e) => Err(e),
    });
    Ok(Box::new(records))
}

/// The records of a snapshot in order, with an end record. Those of the Python tool get `name_bytes` where their names need it,
/// and are sorted where they are not.
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

/// The records of what a file holds, in order, and their types where it is known that not all were asked for: of a snapshot, or
/// of a stream, plain or compressed. A plain stream without an end record has none here either.
///
/// # Errors
/// If the file can't be read or is neither. Damage further on, or a name twice, is an error among the records.
pub fn any(place: &Place, monitor: Arc<dyn Monitor>) -> Result<(Records, Option<Vec<String>>)> {
    match open(place)? {
        Opened::Plain(records) => {
            let spool = Spool::collect(records, sort::BUDGET, &*monitor)?;
            Ok((spool.read(), spool.end().and_then(|end| End::of(end).types)))
        }
        Opened::Gzip(reading) => in_order(reading, monitor),
    }
}

/// What a file is, by its first bytes.
enum Opened {
    Plain(Records),
    Gzip(Box<Reading>),
}

fn open(place: &Place) -> Result<Opened> {
    let shown = place.to_string();
    let mut input = place.open()?;
    let start = input.fill_buf().or_failed(|| format!("snapshot {shown}"))?;
    // What stands where snapshots do and is plain is a damaged one.
    let named_gzip = place.file_name().as_bytes().ends_with(b".gz");
    if !named_gzip && start.trim_ascii_start().first() == Some(&b'{') {
        return Ok(Opened::Plain(Box::new(Reader::new(shown, input))));
    }
    let gzip = GzipReader::new(input).map_err(|e| explain(&shown, e))?;
    let label = label_of(gzip.first(), &shown)?;
    let reader = Reader::new(&shown, gzip);
    Ok(Opened::Gzip(Box::new(Reading { reader, shown, label, listing: Listing::default(), done: false })))
}

/// The records of a gzip file, and their types. What is not ours is sorted, and is a snapshot of the Python tool if it has no
/// end record.
fn in_order(reading: Box<Reading>, monitor: Arc<dyn Monitor>) -> Result<(Records, Option<Vec<String>>)> {
    if let Some(label) = &reading.label {
        let types = label.types.clone();
        return Ok((reading, types));
    }
    let spool = Spool::collect(reading, sort::BUDGET, &*monitor)?;
    match spool.end() {
        Some(end) => Ok((spool.read(), End::of(end).types)),
        // The Python tool records files only.
        None => {
            let types = Some(vec!["file".to_string()]);
            Ok((ended(spool.read(), End { types: types.clone(), ..End::default() }), types))
        }
    }
}

/// The records with an end record behind them, which says which there were.
fn ended(records: Records, end: End) -> Records {
    let (mut records, mut listing) = (Some(records), Listing::default());
    Box::new(std::iter::from_fn(move || {
        let next = records.as_mut()?.next();
        match &next {
            Some(Ok(record)) => listing.add(record),
            Some(Err(_)) | None => records = None,
        }
        Some(next.unwrap_or_else(|| Ok(end.clone().listing(listing).record())))
    }))
}

/// The md5 of everything in a snapshot, or in what stands where snapshots do: error records, end records and the rows of
/// snap-diff are no reason to refuse here, because whoever asks wants to know what must not be deleted.
///
/// # Errors
/// If the file is damaged or can't be read, or a line is no record.
pub fn references(place: &Place, take: &mut dyn FnMut(Md5)) -> Result<()> {
    let shown = place.to_string();
    let gzip = GzipReader::new(place.open()?).map_err(|e| explain(&shown, e))?;
    let label = label_of(gzip.first(), &shown)?;
    if label.as_ref().is_some_and(Label::is_later) {
        return Err(Error::refused(format!(
            "snapshot {shown} was written by a later version, and may refer to more than this one knows"
        )));
    }
    let mut reader = Reader::new(&shown, gzip);
    let mut count = 0;
    for record in reader.by_ref() {
        let record = record.map_err(|e| match e {
            Error::Io { source, .. } => explain(&shown, source),
            e => e,
        })?;
        count += 1;
        record.fields().md5.into_iter().for_each(&mut *take);
        for side in ["left", "right"].iter().filter(|_| record.kind() == Kind::Change) {
            let Some(side) = record.raw(side).filter(|json| json != "null") else { continue };
            let side = Record::parse_owned(side.into_bytes()).map_err(|e| damaged(&shown, &e.reason))?;
            side.fields().md5.into_iter().for_each(&mut *take);
        }
    }
    if label.is_some() {
        let totals = totals(&shown, reader.get_ref().last())?;
        if totals.records != count {
            return Err(damaged(&shown, &format!("it has {}, not {}", counted(count, "record"), totals.records)));
        }
    }
    Ok(())
}

struct Reading {
    reader: Reader<GzipReader<Input>>,
    shown: String,
    label: Option<Label>,
    listing: Listing,
    done: bool,
}

impl Reading {
    /// The end record of one of our snapshots, once all records were read and are as many as they should be.
    fn end(&self, label: &Label) -> Result<Record> {
        let totals = totals(&self.shown, self.reader.get_ref().last())?;
        if totals.records != self.listing.records {
            let reason = format!("it has {}, not {}", counted(self.listing.records, "record"), totals.records);
            return Err(damaged(&self.shown, &reason));
        }
        let end = End {
            errors: totals.errors,
            filtered: label.filtered,
            rules: label.rules.clone(),
            kept_out: label.kept_out.clone(),
            types: label.types.clone(),
            root: label.root.clone(),
            root_folder: label.root_folder.clone(),
            // Whoever deletes has to know that the snapshot may mean more than was read of it.
            v: label.is_later().then(|| label.v.into()),
            ..End::default()
        };
        Ok(end.listing(self.listing).record())
    }

    /// Whether a record of this kind may be here. A stream in a file that is none of our snapshots has errors and an end, too.
    fn may_be(&self, record: &Record) -> bool {
        record.is_entry() || (self.label.is_none() && matches!(record.kind(), Kind::Error | Kind::End))
    }
}

impl Iterator for Reading {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.done {
            return None;
        }
        let record = match self.reader.next() {
            Some(Ok(record)) if self.may_be(&record) => {
                self.listing.add(&record);
                return Some(Ok(with_bytes(record)));
            }
            Some(Ok(record)) => {
                let text = record.text().escape_ascii().to_string();
                Some(Err(damaged(&self.shown, &format!("{text:?} is no record of a file"))))
            }
            Some(Err(Error::Io { source, .. })) => Some(Err(explain(&self.shown, source))),
            Some(Err(e)) => Some(Err(e)),
            None => self.label.as_ref().map(|label| self.end(label)),
        };
        self.done = true;
        record
    }
}

/// Adds `name_bytes` and `destination_bytes` where they are needed and missing, as in what the Python tool wrote.
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
