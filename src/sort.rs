//! Sorts a stream in bounded memory: sorted runs are written to an unnamed temporary file, and merged. Input that is already in
//! order is a single run, which is not merged. The whole input is read and checked before the first record is returned.

mod arrivals;

pub use arrivals::{Arrivals, Counts};

use crate::end::Listing;
use crate::error::{Error, OrFailed, Result};
use crate::files::{temporaries, temporary};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::stream::Records;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// The number of bytes of records ([`Record::footprint`]) that are held in memory.
pub const BUDGET: usize = 16 << 20;

/// The number of names that came twice, and that the monitor is told.
const NAMED: u64 = 10;

/// Returns the records in the order of their names. Error records are sorted with the others; the end record, if there is one,
/// stays the last.
///
/// If two records of one name say the same (same type and md5, two folders, or the same text), one is kept, with a warning.
///
/// # Errors
/// Errors of the input; a name with two different records; a temporary file that can't be written.
pub fn ordered(input: Records, monitor: Arc<dyn Monitor>) -> Result<Records> {
    Ok(Spool::collect(input, BUDGET, &*monitor)?.read())
}

/// A whole stream in order, held in memory or in a temporary file. It can be read more than once.
#[derive(Clone)]
pub struct Spool {
    held: Held,
    end: Option<Record>,
    counts: Counts,
}

/// Compares two names. Equal names are the same.
pub type Order = fn(&Name, &Name) -> Ordering;

#[derive(Clone)]
enum Held {
    Memory(Arc<Vec<Record>>),
    File(Arc<File>, Run),
}

impl Spool {
    /// Reads a whole stream, and holds about `budget` bytes of it in memory. Its errors are those of [`ordered`].
    pub fn collect(input: impl Iterator<Item = Result<Record>>, budget: usize, monitor: &dyn Monitor) -> Result<Spool> {
        Spool::sorted(input, budget, Name::cmp, Some(monitor))
    }

    /// Does what [`Spool::collect`] does, but keeps all records of a name, in the order in which they come.
    pub fn with_doubles(input: impl Iterator<Item = Result<Record>>, budget: usize) -> Result<Spool> {
        Spool::sorted(input, budget, Name::cmp, None)
    }

    /// Does what [`Spool::collect`] does, in another order of names. Without a monitor, all records of a name are kept.
    pub fn sorted(
        input: impl Iterator<Item = Result<Record>>,
        budget: usize,
        order: Order,
        monitor: Option<&dyn Monitor>,
    ) -> Result<Spool> {
        let mut sorter = Sorter {
            budget,
            order,
            monitor,
            records: Vec::new(),
            size: 0,
            in_order: true,
            file: None,
            runs: Vec::new(),
            last: None,
            unique: Unique::new(monitor),
            doubles: Listing::default(),
        };
        let mut arrivals = Arrivals::default();
        for record in input {
            if let Some(record) = arrivals.add(record?)? {
                sorter.push(record)?;
            }
        }
        let (held, doubles) = sorter.finish()?;
        let Arrivals { end, counts } = arrivals;
        Ok(Spool { held, end, counts: Counts { listing: counts.listing.without(doubles), ..counts } })
    }

    /// Returns the end record, if the stream had one.
    pub fn end(&self) -> Option<&Record> {
        self.end.as_ref()
    }

    /// Returns the numbers of records that were read.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Returns the records in order, then the end record.
    pub fn read(&self) -> Records {
        let end = self.end.clone().map(Ok);
        match &self.held {
            Held::Memory(records) => {
                let records = records.clone();
                Box::new((0..records.len()).map(move |i| Ok(records[i].clone())).chain(end))
            }
            Held::File(file, run) => Box::new(RunReader::new(file.clone(), *run, 1 << 18).chain(end)),
        }
    }
}

/// Sorted records from `start` to `end` of the temporary file, each after its length.
#[derive(Clone, Copy)]
struct Run {
    start: u64,
    end: u64,
}

struct Sorter<'a> {
    budget: usize,
    order: Order,
    /// Told of duplicates. If there is none, they are kept.
    monitor: Option<&'a dyn Monitor>,
    records: Vec<Record>,
    size: usize,
    in_order: bool,
    file: Option<BufWriter<File>>,
    runs: Vec<Run>,
    /// The last name of the last run.
    last: Option<Name>,
    /// Finds the duplicates in the last run.
    unique: Unique<'a>,
    /// The records that were not kept.
    doubles: Listing,
}

impl Sorter<'_> {
    fn push(&mut self, record: Record) -> Result<()> {
        self.in_order = self.in_order && self.records.last().is_none_or(|last| (self.order)(last.name(), record.name()).is_le());
        self.size += record.footprint();
        self.records.push(record);
        if self.size > self.budget { self.spill() } else { Ok(()) }
    }

    /// Sorts the records in memory. Records of equal names keep their order.
    fn sort(&mut self) {
        if !self.in_order {
            self.records.sort_by(|a, b| (self.order)(a.name(), b.name()));
        }
        (self.in_order, self.size) = (true, 0);
    }

    /// Writes the records in memory to the file: to the end of the last run if that keeps it in order, else as a new run.
    fn spill(&mut self) -> Result<()> {
        self.sort();
        let Some(first) = self.records.first() else { return Ok(()) };
        let start = self.runs.last().map_or(0, |run| run.end);
        if self.last.as_ref().is_none_or(|last| (self.order)(last, first.name()).is_gt()) {
            self.runs.push(Run { start, end: start });
            self.unique = Unique::new(self.monitor);
        }
        self.last = self.records.last().map(|r| r.name().clone());
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(BufWriter::with_capacity(1 << 16, temporary()?)),
        };
        if let Some(run) = self.runs.last_mut() {
            for record in self.records.drain(..) {
                if self.unique.keeps(&record, &mut self.doubles)? {
                    run.end += append(file, &record)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the sorted records, and the listing of those that were not kept.
    fn finish(mut self) -> Result<(Held, Listing)> {
        if self.runs.is_empty() {
            self.sort();
            let mut outcome = Ok(());
            self.records.retain(|record| {
                self.unique.keeps(record, &mut self.doubles).unwrap_or_else(|e| {
                    outcome = Err(e);
                    true
                })
            });
            return outcome.map(|()| (Held::Memory(Arc::new(self.records)), self.doubles));
        }
        self.spill()?;
        let Some(file) = self.file.take() else { return Ok((Held::Memory(Arc::default()), self.doubles)) };
        let file = Arc::new(file.into_inner().or_failed(temporaries)?);
        match self.runs[..] {
            [run] => Ok((Held::File(file, run), self.doubles)),
            _ => self.merged(&file),
        }
    }

    /// Merges several runs into one, in a new file.
    fn merged(&self, file: &Arc<File>) -> Result<(Held, Listing)> {
        let buffer = (self.budget / self.runs.len()).clamp(1 << 12, 1 << 18);
        let mut heads = BinaryHeap::with_capacity(self.runs.len());
        for (number, run) in self.runs.iter().enumerate() {
            let mut rest = RunReader::new(file.clone(), *run, buffer);
            if let Some(record) = rest.next().transpose()? {
                heads.push(Head { record, number, rest, order: self.order });
            }
        }
        let mut out = BufWriter::with_capacity(1 << 16, temporary()?);
        let (mut unique, mut end, mut doubles) = (Unique::new(self.monitor), 0, self.doubles);
        while let Some(mut head) = heads.pop() {
            if unique.keeps(&head.record, &mut doubles)? {
                end += append(&mut out, &head.record)?;
            }
            if let Some(record) = head.rest.next().transpose()? {
                head.record = record;
                heads.push(head);
            }
        }
        let out = out.into_inner().or_failed(temporaries)?;
        Ok((Held::File(Arc::new(out), Run { start: 0, end }), doubles))
    }
}

/// The next record of a run. The greatest in a heap is the first by name; of equal names, the one from the earlier run.
struct Head {
    record: Record,
    number: usize,
    rest: RunReader,
    order: Order,
}

impl Ord for Head {
    fn cmp(&self, other: &Head) -> Ordering {
        (self.order)(other.record.name(), self.record.name()).then(other.number.cmp(&self.number))
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

/// Finds names that occur twice in sorted records.
struct Unique<'a> {
    monitor: Option<&'a dyn Monitor>,
    /// The last record that is not an error record.
    entry: Option<Record>,
}

impl<'a> Unique<'a> {
    fn new(monitor: Option<&'a dyn Monitor>) -> Unique<'a> {
        Unique { monitor, entry: None }
    }

    /// Whether to keep a record. A record that is not kept is added to `doubles`.
    fn keeps(&mut self, record: &Record, doubles: &mut Listing) -> Result<bool> {
        let Some(monitor) = self.monitor.filter(|_| record.kind() != Kind::Error) else { return Ok(true) };
        let Some(last) = self.entry.as_ref().filter(|last| last.name() == record.name()) else {
            self.entry = Some(record.clone());
            return Ok(true);
        };
        let name = record.name().printable();
        if !same(last, record) {
            return Err(Error::refused(format!("{name}: this name stands for two different things in the input")));
        }
        match doubles.records {
            // A whole part of a listing may come twice.
            NAMED => monitor.warn("more names came twice, each is kept once"),
            count if count < NAMED => monitor.warn(&format!("{name}: this name came twice with the same content, once is kept")),
            _ => {}
        }
        doubles.add(record);
        Ok(false)
    }
}

fn same(a: &Record, b: &Record) -> bool {
    let md5 = |r: &Record| r.fields().md5;
    a.text() == b.text() || a.kind() == b.kind() && (a.kind() == Kind::Directory || md5(a).is_some() && md5(a) == md5(b))
}

/// Writes the length of a record and the record. Returns the number of bytes written.
fn append(file: &mut impl Write, record: &Record) -> Result<u64> {
    let text = record.text();
    let length = u32::try_from(text.len())
        .map_err(|_| Error::refused(format!("{}: the record is too long", record.name().printable())))?;
    file.write_all(&length.to_le_bytes()).and_then(|()| file.write_all(text)).or_failed(temporaries)?;
    Ok(u64::from(length) + 4)
}

/// Reads a run by positions, so that many readers can share one file.
struct RunReader {
    input: std::io::BufReader<At>,
}

struct At {
    file: Arc<File>,
    run: Run,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let most = usize::try_from(self.run.end - self.run.start).unwrap_or(usize::MAX).min(buffer.len());
        let n = self.file.read_at(&mut buffer[..most], self.run.start)?;
        self.run.start += n as u64;
        Ok(n)
    }
}

impl RunReader {
    fn new(file: Arc<File>, run: Run, buffer: usize) -> RunReader {
        RunReader { input: std::io::BufReader::with_capacity(buffer, At { file, run }) }
    }

    fn next_record(&mut self) -> std::io::Result<Option<Record>> {
        use std::io::{BufRead, Error, ErrorKind};
        if self.input.fill_buf()?.is_empty() {
            return Ok(None);
        }
        let mut length = [0; 4];
        self.input.read_exact(&mut length)?;
        let mut text = vec![0; u32::from_le_bytes(length) as usize];
        self.input.read_exact(&mut text)?;
        Record::parse_owned(text).map(Some).map_err(|e| Error::new(ErrorKind::InvalidData, e.reason))
    }
}

impl Iterator for RunReader {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        self.next_record().or_failed(temporaries).transpose()
    }
}

#[cfg(test)]
mod tests;
