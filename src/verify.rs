//! `snap-verify`: is the content of every file record in the heap, and is it that content.
//!
//! Each content is looked at once, whatever number of records speak of it: sixteen bytes are remembered of each.

use crate::content::{Content, Contents, Lack, NO_MD5};
use crate::digest;
use crate::digest::Md5;
use crate::end::Tally;
use crate::error::{Error, Result};
use crate::heap::{Health, Heap};
use crate::monitor::Monitor;
use crate::parallel::{self, Weigh};
use crate::record::{Fields, Kind, Record, key};
use crate::stream::Records;
use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::Arc;

/// How to look.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Only that objects are there and have the size they should have; damage inside is not found.
    pub quick: bool,
    /// Objects read at once.
    pub jobs: usize,
}

/// Records that go through the workers together: a channel's cost is shared.
const TASK: usize = 16;
/// Bytes of records after which a task is closed early.
const TASK_WEIGHT: usize = 1 << 20;
/// Tasks in flight.
const WINDOW: usize = 256;

/// The failures among a stream's records: an error record with `name` and `md5` for each file whose content is missing or
/// wrong. Error records of the input are passed on, and so is its end record, with its counts brought up to date.
pub fn verify(input: Records, heap: Arc<Heap>, options: Options, monitor: Arc<dyn Monitor>) -> Records {
    let tasks = Tasks { input, seen: HashSet::new(), failed: false };
    let told = monitor.clone();
    let looked = parallel::ordered_map(tasks, options.jobs, WINDOW, move |task: Vec<Item>| {
        task.into_iter().map(|item| look(item, &heap, options.quick, &*told)).collect::<Vec<_>>()
    });
    let mut judge = Judge { bad: HashMap::new(), tally: Tally::default(), monitor };
    Box::new(looked.flatten().filter_map(move |seen| judge.judge(seen).transpose()))
}

/// What a record asks of its object, in sixteen bytes.
type Key = [u8; 16];

/// A record on its way to the workers.
enum Item {
    /// The first that speaks of this content.
    First(Record, Key, Md5),
    /// Another one: what became of the first is known before this one's turn comes.
    Again(Record, Key),
    Other(Record),
    Failed(Error),
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        match self {
            Item::First(record, ..) | Item::Again(record, _) | Item::Other(record) => record.footprint(),
            Item::Failed(_) => 0,
        }
    }
}

struct Tasks {
    input: Records,
    seen: HashSet<Key>,
    failed: bool,
}

impl Tasks {
    fn item(&mut self, record: Result<Record>) -> Item {
        match record {
            Err(e) => {
                self.failed = true;
                Item::Failed(e)
            }
            Ok(record) => match record.fields().md5.filter(|_| record.kind() == Kind::File) {
                None => Item::Other(record),
                Some(md5) => {
                    let key = key(&md5, record.fields());
                    if self.seen.insert(key) { Item::First(record, key, md5) } else { Item::Again(record, key) }
                }
            },
        }
    }
}

/// Records that agree in all that is checked share one look.
fn key(md5: &Md5, fields: &Fields) -> Key {
    let mut bytes = md5.0.to_vec();
    for number in [fields.size, fields.stored_size] {
        bytes.push(u8::from(number.is_some()));
        bytes.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }
    bytes.extend_from_slice(&fields.sha256.map_or([0; 32], |s| s.0));
    digest::md5_of(&bytes).0
}

impl Iterator for Tasks {
    type Item = Vec<Item>;

    fn next(&mut self) -> Option<Vec<Item>> {
        let mut task = Vec::with_capacity(TASK);
        let mut weight = 0;
        while task.len() < TASK && weight < TASK_WEIGHT && !self.failed {
            let Some(record) = self.input.next() else { break };
            let item = self.item(record);
            weight += item.weight();
            task.push(item);
        }
        (!task.is_empty()).then_some(task)
    }
}

/// What was seen of a record's object: the reason why it is wrong, if it is.
enum Seen {
    First(Record, Key, Option<String>),
    Again(Record, Key),
    Other(Record),
    Failed(Error),
}

fn look(item: Item, heap: &Heap, quick: bool, monitor: &dyn Monitor) -> Seen {
    match item {
        Item::First(record, key, md5) => {
            let looked = if quick { glance(&record, &md5, heap) } else { read(&record, heap) };
            monitor.done(record.fields().size.unwrap_or(0));
            match looked {
                Ok(reason) => Seen::First(record, key, reason),
                Err(e) => Seen::Failed(e),
            }
        }
        Item::Again(record, key) => {
            monitor.done(record.fields().size.unwrap_or(0));
            Seen::Again(record, key)
        }
        Item::Other(record) => Seen::Other(record),
        Item::Failed(e) => Seen::Failed(e),
    }
}

/// Looks from outside; only an object of another size than it had is read: it may have been stored anew.
fn glance(record: &Record, md5: &Md5, heap: &Heap) -> Result<Option<String>> {
    let fields = record.fields();
    let said = |reason: &str| Some(format!("heap object {} {reason}", Heap::object_path(md5)));
    let health = match (heap.stored_size(md5)?, fields.stored_size) {
        (None, _) => return Ok(said("is missing")),
        (Some(now), Some(then)) if now == then => return Ok(None),
        (Some(_), Some(_)) => heap.verify(md5, fields.size)?,
        (Some(_), None) => heap.check_ends(md5, fields.size)?,
    };
    Ok(match health {
        Health::Good { .. } => None,
        Health::Missing => said("is missing"),
        Health::Bad => said("has the wrong size or is damaged"),
    })
}

/// Inflates the object and compares size, md5 and sha256.
fn read(record: &Record, heap: &Heap) -> Result<Option<String>> {
    let mut content = match heap.content(record) {
        Ok(Content::Whole(_)) => return heap.header_fault(record),
        Ok(Content::Stream(content)) => content,
        Err(Lack::Record(reason)) => return Ok(Some(reason)),
        Err(Lack::All(e)) => return Err(e),
    };
    let mut buffer = vec![0; 128 << 10];
    loop {
        match content.read(&mut buffer) {
            Ok(0) => return heap.header_fault(record),
            Ok(_) => {}
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => {
                let path = record.fields().md5.map(|md5| Heap::object_path(&md5)).unwrap_or_default();
                return Ok(Some(format!("heap object {path}: {}", crate::error::reason(&e))));
            }
        }
    }
}

/// Turns what was seen into the records that go on. Sees everything in the order of the stream.
struct Judge {
    bad: HashMap<Key, String>,
    tally: Tally,
    monitor: Arc<dyn Monitor>,
}

impl Judge {
    fn judge(&mut self, seen: Seen) -> Result<Option<Record>> {
        match seen {
            Seen::First(record, key, Some(reason)) => {
                let failure = self.failure(&record, &reason);
                self.bad.insert(key, reason);
                Ok(Some(failure))
            }
            Seen::First(_, _, None) => Ok(None),
            Seen::Again(record, key) => {
                let reason = self.bad.get(&key).cloned();
                Ok(reason.map(|reason| self.failure(&record, &reason)))
            }
            Seen::Other(record) => self.other(record),
            Seen::Failed(e) => Err(e),
        }
    }

    fn other(&mut self, record: Record) -> Result<Option<Record>> {
        match record.kind() {
            Kind::File => Ok(Some(self.failure(&record, NO_MD5))),
            Kind::Error => {
                self.tally.pass(&record);
                Ok(Some(record))
            }
            Kind::End => Ok(Some(self.tally.close(&record))),
            Kind::Change => Err(Error::refused(format!("{}: a row of snap-diff, not a file", record.name().printable()))),
            Kind::Link | Kind::Directory | Kind::Other => Ok(None),
        }
    }

    fn failure(&mut self, record: &Record, reason: &str) -> Record {
        self.monitor.failure(record.name(), reason);
        self.tally.own += 1;
        Record::failure(record.name(), reason).edit().set_known(key::MD5, record.fields().md5).finish()
    }
}
