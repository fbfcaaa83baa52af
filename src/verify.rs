//! `snap-verify`: checks that the heap has the content of every file record, undamaged.
//!
//! Each content is checked once, however many records refer to it; for that, sixteen bytes of memory are kept for each. A quick
//! check remembers a limited number of contents and looks at the others again, which takes less than to remember them all.

use crate::content::{Lack, NO_MD5};
use crate::digest::{self, Md5};
use crate::end::Tally;
use crate::error::Result;
use crate::heap::{Health, Heap};
use crate::monitor::Monitor;
use crate::parallel::{self, Tasks, Weigh};
use crate::record::{Fields, Kind, Record, key};
use crate::stream::Records;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The options of a check.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Check only that objects exist and have the right size; damage inside is not found.
    pub quick: bool,
    /// Compute both digests. Otherwise the sha256 proves a content alone if its record has one.
    pub both: bool,
    /// The number of objects to read at once.
    pub jobs: usize,
}

/// The largest number of records that go through the workers together.
const TASK: usize = 16;
/// The number of contents that a quick check remembers: about five megabytes.
const REMEMBERED: usize = 200_000;
/// The maximum number of records in flight.
const WINDOW: usize = 4096;

/// Returns the failures among a stream's records: an error record with `name` and `md5` for each file whose content is missing or
/// wrong. Error records of the input are passed on, and so is its end record, with its counts brought up to date.
pub fn verify(input: Records, heap: Arc<Heap>, options: Options, monitor: Arc<dyn Monitor>) -> Records {
    // A set that grows is in memory twice for a while.
    let (mut seen, most) = match options.quick {
        true => (HashSet::with_capacity(REMEMBERED), REMEMBERED),
        false => (HashSet::new(), usize::MAX),
    };
    let items = input.map(move |record| record.map(|record| Item::new(record, &mut seen, most)));
    let progress = monitor.clone();
    let task = parallel::task_of(TASK, WINDOW, options.jobs);
    let checked = parallel::ordered_map(Tasks::new(items, task), options.jobs, WINDOW / task, move |task: Vec<Result<Item>>| {
        task.into_iter().map(|item| check(item?, &heap, options, &*progress)).collect::<Vec<_>>()
    });
    let mut report = Report { bad: HashMap::new(), tally: Tally::default(), monitor };
    Box::new(checked.flatten().filter_map(move |item| item.and_then(|item| report.add(item)).transpose()))
}

/// The properties of a record's object that are checked, digested to sixteen bytes.
type Key = [u8; 16];

/// A record on its way through the workers.
enum Item {
    /// The first file with this content, or one whose content is not remembered, without a key; and the fault of the content: None
    /// until it is checked.
    First(Record, Option<Key>, Option<String>),
    /// Another file with the same content. The result for the first file is known when this one is reported.
    Again(Record, Key),
    /// A record without content, or without md5.
    Other(Record),
}

impl Item {
    fn new(record: Record, seen: &mut HashSet<Key>, most: usize) -> Item {
        let Some(md5) = record.fields().md5.filter(|_| record.kind() == Kind::File) else { return Item::Other(record) };
        let key = key(&md5, record.fields());
        match seen.contains(&key) {
            true => Item::Again(record, key),
            false if seen.len() < most => {
                seen.insert(key);
                Item::First(record, Some(key), None)
            }
            false => Item::First(record, None, None),
        }
    }
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        let (Item::First(record, ..) | Item::Again(record, _) | Item::Other(record)) = self;
        record.footprint()
    }
}

/// Returns the key of a check. Records that agree in all checked properties share one check.
fn key(md5: &Md5, fields: &Fields) -> Key {
    let mut bytes = md5.0.to_vec();
    for number in [fields.size, fields.stored_size] {
        bytes.push(u8::from(number.is_some()));
        bytes.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
    bytes.extend_from_slice(&fields.sha256.map_or([0; 32], |s| s.0));
    digest::md5_of(&bytes).0
}

fn check(mut item: Item, heap: &Heap, options: Options, monitor: &dyn Monitor) -> Result<Item> {
    if let Item::First(record, _, fault) = &mut item {
        *fault = if options.quick { check_size(record, heap)? } else { check_content(record, heap, options.both)? };
    }
    if let Item::First(record, ..) | Item::Again(record, _) = &item {
        monitor.done(record.fields().size.unwrap_or(0));
    }
    Ok(item)
}

/// Checks an object without reading it. Only an object whose size has changed is read: it may have been stored again.
fn check_size(record: &Record, heap: &Heap) -> Result<Option<String>> {
    let fields = record.fields();
    let Some(md5) = &fields.md5 else { return Ok(Some(NO_MD5.to_string())) };
    let fault = |text: &str| Some(format!("heap object {} {text}", heap.object_path(md5)));
    let health = match (heap.stored_size(md5)?, fields.stored_size) {
        (None, _) => return Ok(fault("is missing")),
        (Some(now), Some(then)) if now == then => return Ok(None),
        (Some(_), Some(_)) => heap.verify(md5, fields.size)?,
        (Some(_), None) => heap.check_ends(md5, fields.size)?,
    };
    Ok(match health {
        Health::Good { .. } => None,
        Health::Cold { .. } => return check_content(record, heap, false),
        Health::Missing => fault("is missing"),
        Health::Bad => fault("has the wrong size or is damaged"),
    })
}

/// Inflates the object and compares its content with the record.
fn check_content(record: &Record, heap: &Heap, both: bool) -> Result<Option<String>> {
    match heap.check(record, both) {
        Ok(()) => Ok(None),
        Err(Lack::Record(reason)) => Ok(Some(reason)),
        Err(Lack::All(e)) => Err(e),
    }
}

/// Turns the checked items, in the order of the stream, into the records of the output.
struct Report {
    bad: HashMap<Key, String>,
    tally: Tally,
    monitor: Arc<dyn Monitor>,
}

impl Report {
    fn add(&mut self, item: Item) -> Result<Option<Record>> {
        let record = match item {
            Item::First(record, key, Some(fault)) => {
                let failure = self.failure(&record, &fault);
                self.bad.extend(key.map(|key| (key, fault)));
                return Ok(Some(failure));
            }
            Item::First(_, _, None) => return Ok(None),
            Item::Again(record, key) => {
                let fault = self.bad.get(&key).cloned();
                return Ok(fault.map(|fault| self.failure(&record, &fault)));
            }
            Item::Other(record) => record,
        };
        match record.kind() {
            Kind::File => Ok(Some(self.failure(&record, NO_MD5))),
            Kind::Error => {
                self.tally.pass(&record);
                Ok(Some(record))
            }
            Kind::End => Ok(Some(self.tally.close(&record))),
            Kind::Change | Kind::Gone | Kind::Link | Kind::Directory | Kind::Other => record.expect_entry().map(|()| None),
        }
    }

    fn failure(&mut self, record: &Record, reason: &str) -> Record {
        self.monitor.failure(record.name(), reason);
        self.tally.own += 1;
        Record::failure(record.name(), reason).edit().set_known(key::MD5, record.fields().md5).finish()
    }
}
