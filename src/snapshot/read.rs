//! Reading snapshots, our own and the Python tool's.

use super::damage::{damaged, explain, explained};
use super::ends::{label_of, totals_of};
use super::label::Label;
use super::lines::{Lines, with_bytes};
use super::place::{Input, Place};
use crate::codec::GzipReader;
use crate::digest::Md5;
use crate::end::End;
use crate::error::{Error, OrFailed, Result};
use crate::monitor::Monitor;
use crate::record::{Kind, Record};
use crate::sort::{self, Spool};
use crate::stream::{Reader, Records};
use std::io::BufRead;
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Starts to read a gzip file, and returns the label in its first header.
pub(super) fn begin(path: &str, input: Input) -> Result<(GzipReader<Input>, Option<Label>)> {
    let gzip = GzipReader::new(input).map_err(|e| explain(path, e))?;
    let label = label_of(gzip.first(), path)?;
    Ok((gzip, label))
}

/// Returns the records in a part of a snapshot that consists of whole members.
pub(super) fn part(place: &Place, part: std::ops::Range<u64>) -> Result<Records> {
    let shown = place.to_string();
    let input = place.open_part(part.start, part.end - part.start)?;
    let gzip = GzipReader::new(input).map_err(|e| explain(&shown, e))?;
    let records = Reader::new(&shown, gzip);
    Ok(Box::new(records.map(move |record| record.map(with_bytes).map_err(|e| explained(&shown, e)))))
}

/// The records of a file, in order.
pub enum Opened {
    /// One of our snapshots.
    Ours(Box<Lines>),
    /// A snapshot of the Python tool, or a stream.
    Others(Records),
}

impl Opened {
    /// Returns the root, if the file names it at its start.
    pub fn root(&self) -> Option<&str> {
        match self {
            Opened::Ours(lines) => lines.label().and_then(|label| label.root.as_deref()),
            Opened::Others(_) => None,
        }
    }

    /// Returns the records. Those of a snapshot have an end record.
    pub fn records(self) -> Records {
        match self {
            Opened::Ours(lines) => Box::new(lines.ahead(true)),
            Opened::Others(records) => records,
        }
    }
}

/// Returns the records of a snapshot in order, with an end record. Records of the Python tool get `name_bytes` if their names
/// need it, and are sorted if they are not in order.
///
/// # Errors
/// If the file can't be read or is not gzip. Damage further on, or a name twice, is an error among the records.
pub fn read(place: &Place, monitor: Arc<dyn Monitor>) -> Result<Records> {
    Ok(open(place, monitor)?.records())
}

/// Opens a snapshot to read it as [`read`] does.
///
/// # Errors
/// Those of [`read`].
pub fn open(place: &Place, monitor: Arc<dyn Monitor>) -> Result<Opened> {
    match start(place)? {
        Start::Plain(_) => Err(Error::advise(
            format!("{place} is no snapshot but a stream of records"),
            "tools read it as it is, on standard input or as FILE; snap-diff takes it for a side",
        )),
        Start::Gzip(lines) => Ok(in_order(lines, monitor)?.0),
    }
}

/// Opens a file, and returns its types if the file is known to cover only some types. The file is a snapshot or a stream, plain
/// or compressed. A plain stream without an end record gets none.
///
/// # Errors
/// If the file can't be read or is neither. Damage further on, or a name twice, is an error among the records.
pub fn any(place: &Place, monitor: Arc<dyn Monitor>) -> Result<(Opened, Option<Vec<String>>)> {
    match start(place)? {
        Start::Plain(records) => plain(records, &*monitor),
        Start::Gzip(lines) => in_order(lines, monitor),
    }
}

/// Returns the records of a stream in order, and their types if its end record names them.
///
/// # Errors
/// See [`Spool::collect`].
pub fn plain(records: Records, monitor: &dyn Monitor) -> Result<(Opened, Option<Vec<String>>)> {
    let spool = Spool::collect(records, sort::BUDGET, monitor)?;
    Ok((Opened::Others(spool.read()), spool.end().and_then(|end| End::of(end).types)))
}

/// The kind of a file, by its first bytes.
enum Start {
    Plain(Records),
    Gzip(Box<Lines>),
}

fn start(place: &Place) -> Result<Start> {
    let shown = place.to_string();
    let mut input = place.open()?;
    let start = input.fill_buf().or_failed(|| format!("snapshot {shown}"))?;
    // A plain file with the name of a snapshot is a damaged snapshot.
    let named_gzip = place.file_name().as_bytes().ends_with(b".gz") || place.is_encrypted();
    if !named_gzip && start.trim_ascii_start().first() == Some(&b'{') {
        return Ok(Start::Plain(Box::new(Reader::new(shown, input))));
    }
    Ok(Start::Gzip(Box::new(Lines::open(place, input)?)))
}

/// Returns the records of a gzip file, and their types. A file without our label is sorted, and is a snapshot of the Python tool
/// if it has no end record.
fn in_order(lines: Box<Lines>, monitor: Arc<dyn Monitor>) -> Result<(Opened, Option<Vec<String>>)> {
    if let Some(label) = lines.label() {
        let types = label.types.clone();
        return Ok((Opened::Ours(lines), types));
    }
    // Inflating one long member takes more time than reading its records, so one thread is enough for them.
    let spool = Spool::collect(lines, sort::BUDGET, &*monitor)?;
    if let Some(end) = spool.end() {
        return Ok((Opened::Others(spool.read()), End::of(end).types));
    }
    // The Python tool records files only.
    let types = Some(vec!["file".to_string()]);
    let end = End { types: types.clone(), ..End::default() }.listing(spool.counts().listing);
    Ok((Opened::Others(Box::new(spool.read().chain(std::iter::once(Ok(end.record()))))), types))
}

/// Calls `take` with each md5 in a snapshot, or in another file among the snapshots, until it breaks. Error records, end records
/// and rows of snap-diff are accepted here, because the caller wants to know which objects must not be deleted.
///
/// # Errors
/// If the file is damaged or can't be read, or a line is no record, up to where `take` broke.
pub fn references(place: &Place, take: &mut dyn FnMut(Md5) -> ControlFlow<()>) -> Result<()> {
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
        let mut sides = Vec::new();
        for side in ["left", "right"].iter().filter(|_| record.kind() == Kind::Change) {
            let Some(side) = record.raw(side).filter(|json| json != "null") else { continue };
            sides.push(Record::parse_owned(side.into_bytes()).map_err(|e| damaged(&shown, &e.reason))?);
        }
        if std::iter::once(&record).chain(&sides).filter_map(|record| record.fields().md5).try_for_each(&mut *take).is_break() {
            return Ok(());
        }
    }
    if label.is_some() {
        totals_of(&shown, reader.get_ref().last(), count)?;
    }
    Ok(())
}
