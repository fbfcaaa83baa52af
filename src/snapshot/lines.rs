//! The lines of a gzip file with records: a snapshot, or a compressed stream. Other threads inflate it.

use super::damage::{damaged, explain, explained};
use super::ends::{end_of, label_of, totals_of};
use super::label::{Label, Totals};
use super::place::{Input, Place};
use crate::codec::GzipReader;
use crate::end::{End, Listing};
use crate::error::Result;
use crate::join::SkipSame;
use crate::parallel::{self, Tasks, Weigh};
use crate::record::{Base64, Kind, Record, key};
use crate::stream::{Parser, Reader};

/// The number of lines in a task.
const TASK: usize = 256;

/// The lines of a gzip file with records.
pub struct Lines {
    reader: Reader<GzipReader<Input>>,
    parser: LineParser,
    label: Option<Label>,
    /// The number of lines so far.
    count: u64,
    done: bool,
}

impl Lines {
    pub(super) fn open(place: &Place, input: Input) -> Result<Lines> {
        let shown = place.to_string();
        let gzip = GzipReader::ahead(input).map_err(|e| explain(&shown, e))?;
        let label = label_of(gzip.first(), &shown)?;
        let reader = Reader::new(&shown, gzip);
        let parser = LineParser { parser: reader.parser().clone(), shown, ours: label.is_some() };
        Ok(Lines { reader, parser, label, count: 0, done: false })
    }

    /// Returns the label; None if another tool wrote the file.
    pub(super) fn label(&self) -> Option<&Label> {
        self.label.as_ref()
    }

    /// Returns the next line; None at the end, after the totals of one of our snapshots were compared.
    ///
    /// # Errors
    /// If the file can't be read, or is damaged.
    pub fn next_line(&mut self) -> Result<Option<Vec<u8>>> {
        let line = self.reader.next_line().map_err(|e| explained(&self.parser.shown, e))?;
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
    pub fn record(&self, line: Vec<u8>) -> Result<Record> {
        self.parser.record(self.reader.line(), line)
    }

    fn totals(&self) -> Result<Totals> {
        totals_of(&self.parser.shown, self.reader.get_ref().last(), self.count)
    }

    /// Returns the end of one of our snapshots, after all lines were read. It has no counts.
    fn end(&self) -> Result<Option<End>> {
        self.label.as_ref().map(|label| Ok(end_of(label, self.totals()?))).transpose()
    }

    fn next_item(&mut self) -> Result<Option<Item>> {
        if self.done {
            return Ok(None);
        }
        if let Some(line) = self.next_line()? {
            return Ok(Some(Item::Line(self.reader.line(), line)));
        }
        self.done = true;
        Ok(self.end()?.map(|end| Item::End(Box::new(end))))
    }

    /// Returns the records, which other threads read, and an end record for one of our snapshots. With `listed`, it has the counts
    /// of the listing, which take a twentieth of the time.
    pub fn ahead(mut self, listed: bool) -> impl Iterator<Item = Result<Record>> + Send {
        let parser = self.parser.clone();
        let jobs = parallel::processors().min(MOST_JOBS);
        let items = std::iter::from_fn(move || self.next_item().transpose());
        let tasks = parallel::ordered_map(Tasks::new(items, TASK), jobs, 2 * jobs, move |task| parser.task(task, listed));
        Ahead { tasks, task: Parsed::default(), listing: listed.then(Listing::default), done: false }
    }
}

/// More threads than these do not help: the reader of the records is slower.
const MOST_JOBS: usize = 4;

/// The records as [`Lines::ahead`] returns them, read by the thread that asks for them. The end record has no counts.
impl Iterator for Lines {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let record = self.next_item().transpose()?.and_then(|item| match item {
            Item::Line(number, line) => self.parser.record(number, line),
            Item::End(end) => Ok(end.record()),
        });
        self.done |= is_last(Some(&record));
        Some(record)
    }
}

impl SkipSame for Lines {
    fn skip_same(&mut self, record: &Record) -> Result<bool> {
        // The same line is the same record only if this reader would not add a key to it.
        if self.done || !record.is_entry() || !has_bytes(record) {
            return Ok(false);
        }
        let is_next = self.reader.skip_line(record.text()).map_err(|e| explained(&self.parser.shown, e))?;
        self.count += u64::from(is_next);
        Ok(is_next)
    }
}

/// Nothing follows an error. What follows the end record of a stream is refused by those that read the stream.
fn is_last(record: Option<&Result<Record>>) -> bool {
    !matches!(record, Some(Ok(_)))
}

/// A line with its number, or the end behind all lines.
enum Item {
    Line(u64, Vec<u8>),
    End(Box<End>),
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        match self {
            // A record takes about twice as much.
            Item::Line(_, line) => 2 * line.len(),
            Item::End(_) => 0,
        }
    }
}

/// Makes records of the lines of a file.
#[derive(Clone)]
struct LineParser {
    parser: Parser,
    shown: String,
    /// The file is one of our snapshots.
    ours: bool,
}

impl LineParser {
    fn record(&self, number: u64, line: Vec<u8>) -> Result<Record> {
        let record = self.parser.record(number, line)?;
        // A compressed stream, which is not one of our snapshots, can also have error records and an end record.
        if record.is_entry() || (!self.ours && matches!(record.kind(), Kind::Error | Kind::End)) {
            return Ok(with_bytes(record));
        }
        let text = record.text().escape_ascii().to_string();
        Err(damaged(&self.shown, &format!("{text:?} is no record of a file")))
    }

    fn task(&self, task: Vec<Result<Item>>, listed: bool) -> Parsed {
        let mut parsed = Parsed::default();
        let mut records = Vec::with_capacity(task.len());
        for item in task {
            match item {
                Ok(Item::Line(number, line)) => records.push(self.record(number, line)),
                Ok(Item::End(end)) => parsed.end = Some(end),
                Err(e) => records.push(Err(e)),
            }
        }
        if listed {
            records.iter().flatten().for_each(|record| parsed.listing.add(record));
        }
        Parsed { records: records.into_iter(), ..parsed }
    }
}

/// The records of a task, and the end behind all records.
#[derive(Default)]
struct Parsed {
    records: std::vec::IntoIter<Result<Record>>,
    end: Option<Box<End>>,
    listing: Listing,
}

struct Ahead<I> {
    tasks: I,
    task: Parsed,
    /// The records of all tasks so far; None if they are not counted.
    listing: Option<Listing>,
    done: bool,
}

impl<I: Iterator<Item = Parsed>> Ahead<I> {
    /// Returns the end record, or the first record of the next task.
    fn go_on(&mut self) -> Result<Option<Record>> {
        loop {
            if let Some(end) = self.task.end.take() {
                return Ok(Some(self.listing.map_or_else(|| end.record(), |listing| end.clone().listing(listing).record())));
            }
            let Some(task) = self.tasks.next() else { return Ok(None) };
            self.listing = self.listing.map(|listing| listing.and(task.listing));
            self.task = task;
            if let Some(record) = self.task.records.next() {
                return record.map(Some);
            }
        }
    }
}

impl<I: Iterator<Item = Parsed>> Iterator for Ahead<I> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        if self.done {
            return None;
        }
        let record = self.task.records.next().or_else(|| self.go_on().transpose());
        self.done = is_last(record.as_ref());
        record
    }
}

/// Whether a record can't need `name_bytes` or `destination_bytes`.
fn has_bytes(record: &Record) -> bool {
    let target = record.fields().destination.as_deref();
    record.name().is_utf8() && target.is_none_or(|target| std::str::from_utf8(target).is_ok())
}

/// Adds `name_bytes` and `destination_bytes` if they are needed and missing, as in the records of the Python tool.
pub(super) fn with_bytes(record: Record) -> Record {
    if has_bytes(&record) {
        return record;
    }
    let name = (!record.name().is_utf8() && record.raw("name_bytes").is_none()).then(|| record.name().as_bytes());
    let target = record.fields().destination.as_deref().filter(|t| std::str::from_utf8(t).is_err());
    let target = target.filter(|_| record.kind() == Kind::Link && record.raw("destination_bytes").is_none());
    if name.is_none() && target.is_none() {
        return record;
    }
    let bytes = |bytes: Option<&[u8]>| bytes.map(|bytes| Base64(bytes.into()));
    record.edit().set_known(key::NAME_BYTES, bytes(name)).set_known(key::DESTINATION_BYTES, bytes(target)).finish()
}
