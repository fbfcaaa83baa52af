//! Reading snapshots, ours and those of the Python tool.

use super::label::{Label, Totals};
use super::place::{Input, Place};
use crate::codec::{self, GzipReader};
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::record::{Kind, Md5, Record};
use crate::sort;
use crate::stream::{End, Reader, Records};
use crate::text;
use std::io::BufRead;
use std::sync::Arc;

fn damaged(path: &str, reason: &str) -> Error {
    Error::refused(format!("snapshot {path} is damaged: {reason}"))
}

/// The damage that an error of reading tells of. A disk that can't be read is another matter.
fn explain(path: &str, e: std::io::Error) -> Error {
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
    Ok(header.comment.and_then(|c| Label::parse(&c)))
}

/// The types of records that a snapshot covers, None for all. Those of the Python tool, which have no label, cover files only.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn types(place: &Place) -> Result<Option<Vec<String>>> {
    Ok(label(place)?.map_or_else(|| Some(vec!["file".to_string()]), |label| label.types))
}

/// Inflates all of a snapshot and looks at its end, without looking at the records. Gives its label.
///
/// # Errors
/// If it is damaged or can't be read.
pub fn check(place: &Place) -> Result<Option<Label>> {
    let shown = place.to_string();
    let mut gzip = GzipReader::new(place.open()?).map_err(|e| explain(&shown, e))?;
    let label = gzip.first_comment().and_then(Label::parse);
    loop {
        match gzip.fill_buf().map_err(|e| explain(&shown, e))?.len() {
            0 => break,
            n => gzip.consume(n),
        }
    }
    if label.is_some() {
        totals(&shown, gzip.last_comment())?;
    }
    Ok(label)
}

fn totals(path: &str, comment: Option<&[u8]>) -> Result<Totals> {
    let totals = comment.and_then(|c| serde_json::from_slice(c).ok());
    totals.ok_or_else(|| damaged(path, "its end is missing"))
}

/// What the last member of one of our snapshots says, without reading the others.
///
/// # Errors
/// If it is not there or the file can't be read.
pub(super) fn totals_at_end(place: &Place) -> Result<Totals> {
    // A member without content has about 90 bytes.
    const TAIL: u64 = 1024;
    let shown = place.to_string();
    let tail = place.tail(TAIL)?;
    let starts = (0..tail.len()).rev().filter(|at| tail[*at..].starts_with(&[0x1f, 0x8b, 8]));
    let last = starts.filter_map(|at| Some((at, codec::read_header(&mut &tail[at..]).ok()??)));
    let last = last.filter(|(at, header)| header.lengths == Some(((tail.len() - at) as u32, 0))).map(|(_, header)| header).next();
    totals(&shown, last.and_then(|header| header.comment).as_deref())
}

/// The records of a snapshot in order, with an end record. Those of the Python tool get `name_bytes` where their names need it,
/// and are sorted where they are not.
///
/// # Errors
/// If the file can't be read or is not gzip. Damage further on, or a name twice, is an error among the records.
pub fn read(place: &Place, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let shown = place.to_string();
    let gzip = GzipReader::new(place.open()?).map_err(|e| explain(&shown, e))?;
    let label = gzip.first_comment().and_then(Label::parse);
    let ours = label.is_some();
    let reader = Reader::new(&shown, gzip);
    let records = Box::new(Reading { reader, shown, label, count: 0, done: false });
    if ours { Ok(records) } else { Ok(counted(sort::ordered(records, monitor)?)) }
}

/// The end record says how many records there are, a name that came twice counted once.
fn counted(records: Records) -> Records {
    let mut count = 0_u64;
    Box::new(records.map(move |record| {
        let record = record?;
        if record.kind() == Kind::End {
            return Ok(record.with(&[("records", Some(count.to_string()))]));
        }
        count += 1;
        Ok(record)
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
    let ours = gzip.first_comment().and_then(Label::parse).is_some();
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
            let side = Record::parse_owned(side.into_bytes()).map_err(|(_, reason)| damaged(&shown, &reason))?;
            side.fields().md5.into_iter().for_each(&mut *take);
        }
    }
    if ours {
        let totals = totals(&shown, reader.get_ref().last_comment())?;
        if totals.records != count {
            return Err(damaged(&shown, &format!("it has {}, not {}", crate::error::counted(count, "record"), totals.records)));
        }
    }
    Ok(())
}

struct Reading {
    reader: Reader<GzipReader<Input>>,
    shown: String,
    label: Option<Label>,
    count: u64,
    done: bool,
}

impl Reading {
    /// The end record, once all records were read and are as many as they should be.
    fn end(&self) -> Result<Record> {
        let mut end = End { records: self.count, ..End::default() };
        match &self.label {
            // The Python tool records files only.
            None => end.types = Some(vec!["file".to_string()]),
            Some(label) => {
                let totals = totals(&self.shown, self.reader.get_ref().last_comment())?;
                if totals.records != self.count {
                    let reason = format!("it has {}, not {}", crate::error::counted(self.count, "record"), totals.records);
                    return Err(damaged(&self.shown, &reason));
                }
                end.errors = totals.errors;
                end.filtered = label.filtered;
                end.types.clone_from(&label.types);
                end.root.clone_from(&label.root);
            }
        }
        Ok(end.record())
    }
}

impl Iterator for Reading {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.done {
            return None;
        }
        match self.reader.next() {
            Some(Ok(record)) if record.is_entry() => {
                self.count += 1;
                Some(Ok(with_bytes(record)))
            }
            Some(Ok(record)) => {
                self.done = true;
                Some(Err(damaged(&self.shown, &format!("{:?} is no record of a file", record.text().escape_ascii().to_string()))))
            }
            Some(Err(Error::Io { source, .. })) => {
                self.done = true;
                Some(Err(explain(&self.shown, source)))
            }
            Some(Err(e)) => {
                self.done = true;
                Some(Err(e))
            }
            None => {
                self.done = true;
                Some(self.end())
            }
        }
    }
}

/// Adds `name_bytes` and `destination_bytes` where they are needed and missing, as in what the Python tool wrote.
fn with_bytes(record: Record) -> Record {
    let mut changes = Vec::new();
    let quoted = |bytes: &[u8]| Some(format!("\"{}\"", text::to_base64(bytes)));
    if !record.name().is_utf8() && record.raw("name_bytes").is_none() {
        changes.push(("name_bytes", quoted(record.name().as_bytes())));
    }
    let target = record.fields().destination.as_ref().filter(|t| std::str::from_utf8(t).is_err());
    if let Some(target) = target.filter(|_| record.kind() == Kind::Link && record.raw("destination_bytes").is_none()) {
        changes.push(("destination_bytes", quoted(target)));
    }
    if changes.is_empty() { record } else { record.with(&changes) }
}
