//! `snap-heapify`: contents into the heap, their md5 into the records.

mod file;
mod object;

use crate::base::{Base, Matched};
use crate::error::{Error, Result};
use crate::heap::{Cache, Heap, Used};
use crate::monitor::Monitor;
use crate::parallel::{self, Weigh};
use crate::record::{Kind, Record};
use crate::rootdir::RootDir;
use crate::storage::{Location, Store};
use crate::stream::{Records, Tally};
use crossbeam_channel::{Receiver, Sender, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;

/// Where contents come from.
pub enum Source {
    /// A folder of this machine.
    Folder(RootDir),
    /// A root in another storage.
    Store(Arc<dyn Store>),
}

impl Source {
    /// Opens a file root.
    ///
    /// # Errors
    /// If it is a folder that is not there.
    pub fn open(root: &Location) -> Result<Source> {
        match root {
            Location::Folder(folder) => RootDir::open(folder).map(Source::Folder),
            Location::Remote(store) => Ok(Source::Store(store.clone())),
        }
    }
}

/// What to do with contents.
pub struct Options {
    /// Where to store them; None to compute digests only.
    pub heap: Option<Arc<Heap>>,
    /// The snapshot to take md5 over from.
    pub base: Option<Base>,
    /// Inflate every object that is there already, and store bad ones anew.
    pub verify_existing: bool,
    /// Read also what the storage claims an md5 of, unless the base knows the content.
    pub verify_md5: bool,
    /// The list of objects to keep up.
    pub cache: Option<Arc<Cache>>,
    /// Files worked on at once.
    pub jobs: usize,
}

/// Records that go through the workers together: a channel's cost is shared.
const TASK: usize = 32;
/// Bytes of records after which a task is closed early.
const TASK_WEIGHT: usize = 1 << 20;
/// Records that are held back together until their objects are on disk; as many again are worked on meanwhile.
const BATCH: usize = 4096;
/// Bytes of records after which a batch is closed early: three of them are held at once.
const BATCH_WEIGHT: usize = 16 << 20;
/// Bytes in the heap after which a batch is closed early, so that an interrupted run loses little.
const BATCH_BYTES: u64 = 512 << 20;

/// Stores the contents of a stream's files, and puts md5 and sha256 into the records.
///
/// A record goes on when its object has its name and is on disk. What fails for one file is an error record in its place.
pub fn heapify(input: Records, root: Source, options: Options, monitor: Arc<dyn Monitor>) -> Records {
    let worker = Arc::new(file::Worker {
        root,
        heap: options.heap.clone(),
        verify_existing: options.verify_existing,
        verify_md5: options.verify_md5,
        cache: options.cache.clone(),
        monitor: monitor.clone(),
    });
    let tasks = Tasks { records: Matched::new(input, options.base, monitor), failed: false };
    let done = parallel::ordered_map(tasks, options.jobs, BATCH / TASK, move |task: Task| {
        let mut failed = false;
        let work = |item: Result<(Record, Option<Record>)>| item.and_then(|(record, base)| worker.work(record, base));
        // What stops everything stops here first: all others would ask a storage in vain that takes no login.
        let until = |done: &Result<Done>| !std::mem::replace(&mut failed, done.is_err());
        task.into_iter().map(work).take_while(until).collect::<Vec<_>>()
    });
    let (sender, receiver) = bounded(1);
    let committer =
        Committer { heap: options.heap, cache: options.cache, tally: Tally::default(), used: Used::default(), sender };
    let thread = std::thread::spawn(move || committer.run(done));
    Box::new(Committed { batches: Some(receiver), thread: Some(thread), current: Vec::new().into_iter() })
}

type Task = Vec<Result<(Record, Option<Record>)>>;

/// Cuts the records into tasks.
struct Tasks {
    records: Matched,
    failed: bool,
}

impl Iterator for Tasks {
    type Item = Task;

    fn next(&mut self) -> Option<Task> {
        let mut task = Vec::with_capacity(TASK);
        let mut weight = 0;
        while task.len() < TASK && weight < TASK_WEIGHT && !self.failed {
            let Some(item) = self.records.next() else { break };
            self.failed = item.is_err();
            weight += item.weight();
            task.push(item);
        }
        (!task.is_empty()).then_some(task)
    }
}

/// What became of a record.
enum Done {
    /// It goes on as it came.
    Passed(Record),
    /// It has its md5. With the bytes that were stored for it.
    Kept(Record, u64),
    /// It failed; the error record goes on.
    Failed(Record),
}

/// Holds records back until their objects are on disk.
struct Committer {
    heap: Option<Arc<Heap>>,
    cache: Option<Arc<Cache>>,
    tally: Tally,
    used: Used,
    sender: Sender<Result<Vec<Record>>>,
}

impl Committer {
    fn run(mut self, done: impl Iterator<Item = Vec<Result<Done>>>) {
        if let Err(e) = self.work(done) {
            // Nobody may be there to hear it.
            let _ = self.sender.send(Err(e));
        }
    }

    fn work(&mut self, done: impl Iterator<Item = Vec<Result<Done>>>) -> Result<()> {
        let (mut batch, mut bytes, mut weight) = (Vec::with_capacity(BATCH), 0, 0);
        let mut end = None;
        for item in done.flatten() {
            match item? {
                Done::Passed(record) if record.kind() == Kind::End => end = Some(record),
                Done::Passed(record) => {
                    self.tally.pass(&record);
                    self.rely_on(&record)?;
                    batch.push(record);
                }
                Done::Kept(record, stored) => {
                    self.tally.records += 1;
                    self.rely_on(&record)?;
                    bytes += stored;
                    batch.push(record);
                }
                Done::Failed(record) => {
                    self.tally.own += 1;
                    batch.push(record);
                }
            }
            weight += batch.last().map_or(0, Record::footprint);
            if batch.len() >= BATCH || bytes >= BATCH_BYTES || weight >= BATCH_WEIGHT {
                self.release(std::mem::replace(&mut batch, Vec::with_capacity(BATCH)))?;
                (bytes, weight) = (0, 0);
            }
        }
        self.release(batch)?;
        if let Some(heap) = &self.heap {
            // Records may speak of objects that another writer put there and did not sync yet.
            heap.sync()?;
            heap.confirm_used(std::mem::take(&mut self.used))?;
        }
        if let Some(cache) = &self.cache {
            cache.save()?;
        }
        if let Some(end) = end {
            let end = self.tally.close(&end);
            self.sender.send(Ok(vec![end])).map_err(|_| Error::ReaderGone)?;
        }
        Ok(())
    }

    /// Remembers an object that the stream speaks of, for the last look at the end.
    fn rely_on(&mut self, record: &Record) -> Result<()> {
        match record.fields().md5.filter(|_| record.kind() == Kind::File && self.heap.is_some()) {
            Some(md5) => self.used.push(md5),
            None => Ok(()),
        }
    }

    fn release(&self, batch: Vec<Record>) -> Result<()> {
        if let Some(heap) = &self.heap {
            heap.commit()?;
        }
        self.sender.send(Ok(batch)).map_err(|_| Error::ReaderGone)
    }
}

/// The records that were let go.
struct Committed {
    batches: Option<Receiver<Result<Vec<Record>>>>,
    thread: Option<JoinHandle<()>>,
    current: std::vec::IntoIter<Record>,
}

impl Iterator for Committed {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.current.next() {
                return Some(Ok(record));
            }
            match self.batches.as_ref()?.recv() {
                Ok(Ok(batch)) => self.current = batch.into_iter(),
                Ok(Err(e)) => {
                    self.batches = None;
                    return Some(Err(e));
                }
                Err(_) => {
                    self.batches = None;
                    self.join();
                    return None;
                }
            }
        }
    }
}

impl Committed {
    fn join(&mut self) {
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            std::panic::resume_unwind(panic);
        }
    }
}

impl Drop for Committed {
    /// Waits until what is being stored is stored.
    fn drop(&mut self) {
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was passed on already, or nobody wants to know.
            let _ = thread.join();
        }
    }
}
