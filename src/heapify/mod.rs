//! `snap-heapify` stores contents in the heap and adds their md5 to the records.

mod attributes;
mod file;
mod plan;

use crate::base::{Base, Matched, Old};
use crate::display::printable;
use crate::end::{End, Tally};
use crate::error::{Error, Result};
use crate::heap::{Cache, Heap, Used};
use crate::monitor::Monitor;
use crate::parallel::{self, Tasks, Weigh};
use crate::record::{Kind, Record};
use crate::source::Source;
use crate::storage::Location;
use crate::stream::Records;
use crate::work::Work;
use std::sync::Arc;

/// The options of [`heapify()`].
#[derive(Default)]
pub struct Options {
    /// The heap to store contents in; None to only compute digests. One from [`Heap::dry`] makes the run a dry one: it returns a
    /// row for each content that would be stored, and the failures.
    pub heap: Option<Arc<Heap>>,
    /// The snapshot to copy md5 values from.
    pub base: Option<Base>,
    /// Inflate every object that already exists, and store bad ones again.
    pub verify_existing: bool,
    /// Also read files whose md5 the storage claims, unless the base knows the content.
    pub verify_md5: bool,
    /// Request the tags of each object and add them to its record.
    pub object_tags: bool,
    /// The list of objects to keep up to date.
    pub cache: Option<Arc<Cache>>,
    /// How many files to work on at once.
    pub jobs: usize,
}

/// Largest number of records that a worker takes at once.
const TASK: usize = 32;
/// Number of records that are held back until their objects are on disk. As many records are processed meanwhile.
const BATCH: usize = 4096;
/// Size of a batch of records, in bytes, at which it is closed early. Three batches are held in memory at once.
const BATCH_WEIGHT: usize = 16 << 20;
/// Bytes stored in the heap after which a batch is closed early, so that an interrupted run loses little.
const BATCH_BYTES: u64 = 512 << 20;

/// Stores the contents of a stream's files, and adds md5 and sha256 to the records.
///
/// A record is passed on when its object has its name and is on disk. A file that fails becomes an error record. `source` has to
/// be the file root that was listed.
pub fn heapify(input: Records, source: Arc<dyn Source>, options: Options, monitor: Arc<dyn Monitor>) -> Records {
    let root = source.location().clone();
    let heap_name = options.heap.as_ref().and_then(|heap| root.name_of(heap.root()));
    let worker = Arc::new(file::Worker {
        heap_name,
        source,
        heap: options.heap.clone(),
        verify_existing: options.verify_existing,
        verify_md5: options.verify_md5,
        object_tags: options.object_tags,
        cache: options.cache.clone(),
        monitor: monitor.clone(),
    });
    let is_dry = options.heap.as_ref().is_some_and(|heap| heap.is_dry());
    let heap = options.heap.filter(|_| !is_dry);
    let committer = Committer { heap, cache: options.cache, root: Some(root), ..Committer::default() };
    options.base.iter().for_each(|base| base.tell(&*monitor));
    let matched = Matched::new(input, options.base);
    if is_dry {
        let plan = move |(record, base): (Record, Option<Old>)| worker.work(record, base).map(plan::planned);
        return plan::told(committed(matched, options.jobs, committer, plan), monitor);
    }
    committed(matched, options.jobs, committer, move |(record, base): (Record, Option<Old>)| worker.work(record, base))
}

/// Does the work for all items, `jobs` of them at once. Passes their records on in order, each when its object is on disk.
pub(crate) fn committed<T: Weigh + Send + 'static>(
    items: impl Iterator<Item = Result<T>> + Send + 'static,
    jobs: usize,
    committer: Committer,
    work: impl Fn(T) -> Result<Done> + Send + Sync + 'static,
) -> Records {
    let task = parallel::task_of(TASK, BATCH, jobs);
    let done = parallel::ordered_map(Tasks::new(items, task), jobs, BATCH / task, move |task: Vec<Result<T>>| {
        let mut failed = false;
        // After a fatal error, this task stops at once. A storage that refuses the login would refuse all other requests too.
        let until = |done: &Result<Done>| !std::mem::replace(&mut failed, done.is_err());
        task.into_iter().map(|item| item.and_then(&work)).take_while(until).collect::<Vec<_>>()
    });
    let batches = Batches { done: Box::new(done.flatten()), committer, end: None, over: false };
    let committed = parallel::ahead(batches, 1);
    Box::new(committed.flat_map(|batch| match batch {
        Ok(records) => records.into_iter().map(Ok).collect::<Vec<_>>(),
        Err(e) => vec![Err(e)],
    }))
}

/// The result for a record.
pub(crate) enum Done {
    /// The record passes unchanged.
    Passed(Record),
    /// The record with its md5, and the work that it took.
    Kept(Record, Work),
    /// The error record of a file that failed.
    Failed(Record),
    /// The record is left out of a dry run.
    Nothing(Work),
}

/// The records in batches. Each batch comes when its objects are on disk. The end record comes last, when all objects are.
struct Batches {
    done: Box<dyn Iterator<Item = Result<Done>> + Send>,
    committer: Committer,
    end: Option<Record>,
    over: bool,
}

impl Iterator for Batches {
    type Item = Result<Vec<Record>>;

    fn next(&mut self) -> Option<Result<Vec<Record>>> {
        if self.over {
            return None;
        }
        let batch = self.batch();
        self.over |= batch.is_err();
        Some(batch)
    }
}

impl Batches {
    fn batch(&mut self) -> Result<Vec<Record>> {
        let committer = &mut self.committer;
        let (mut batch, mut bytes, mut weight) = (Vec::with_capacity(BATCH), 0, 0);
        for item in self.done.by_ref() {
            match item? {
                Done::Passed(record) if record.kind() == Kind::End => {
                    committer.check_root(&record)?;
                    self.end = Some(record);
                }
                Done::Passed(record) => {
                    committer.tally.pass(&record);
                    committer.rely_on(&record)?;
                    batch.push(record);
                }
                Done::Kept(record, work) => {
                    committer.rely_on(&record)?;
                    committer.tally.work += work;
                    bytes += work.stored;
                    batch.push(record);
                }
                Done::Nothing(work) => committer.tally.work += work,
                Done::Failed(record) => {
                    committer.tally.own += 1;
                    batch.push(record);
                }
            }
            weight += batch.last().map_or(0, Record::footprint);
            if batch.len() >= BATCH || bytes >= BATCH_BYTES || weight >= BATCH_WEIGHT {
                committer.commit()?;
                return Ok(batch);
            }
        }
        self.over = true;
        batch.extend(committer.finish(self.end.take())?);
        Ok(batch)
    }
}

/// Makes sure that the objects of the records are on disk.
#[derive(Default)]
pub(crate) struct Committer {
    /// The heap of the objects; None if there are only digests.
    heap: Option<Arc<Heap>>,
    /// The list of objects to keep up to date.
    cache: Option<Arc<Cache>>,
    /// The root that the records have to list; None for any.
    root: Option<Location>,
    tally: Tally,
    used: Used,
}

impl Committer {
    /// Returns the committer for a heap, and for records of any root.
    pub fn of(heap: Arc<Heap>) -> Committer {
        Committer { heap: Some(heap), ..Committer::default() }
    }

    fn commit(&self) -> Result<()> {
        self.heap.as_ref().map_or(Ok(()), |heap| heap.commit())
    }

    /// Completes the heap after all records. Returns the end record, if there is one.
    fn finish(&mut self, end: Option<Record>) -> Result<Option<Record>> {
        if let Some(heap) = &self.heap {
            heap.complete(std::mem::take(&mut self.used))?;
        }
        if let Some(cache) = &self.cache {
            cache.save()?;
        }
        Ok(end.map(|end| self.tally.close(&end)))
    }

    /// Refuses records that list another folder than the source of the contents.
    fn check_root(&self, end: &Record) -> Result<()> {
        let Some((root, listed)) = self.root.as_ref().zip(End::of(end).root) else { return Ok(()) };
        match root.is_called(&listed) {
            true => Ok(()),
            false => Err(Error::advise(
                format!("the records list {}, but contents were read from {root}", printable(listed.as_bytes())),
                "give the same file root to the tool that lists and to the one that reads",
            )),
        }
    }

    /// Remembers the object of a record, so that it is checked again at the end.
    fn rely_on(&mut self, record: &Record) -> Result<()> {
        match record.fields().md5.filter(|_| record.kind() == Kind::File && self.heap.is_some()) {
            Some(md5) => self.used.push(md5),
            None => Ok(()),
        }
    }
}
