//! The stage of `snap-from-tar`: reads an archive, stores its contents, and makes records.

use super::entry::{Member, What, cleaned, facts, record};
use super::links::{self, BUDGET, failure};
use super::member::Members;
use crate::digest::Md5;
use crate::display::counted;
use crate::end::{self, End};
use crate::error::{Error, Result};
use crate::heap::{self, Heap, StoreError, Stored, Used};
use crate::monitor::{Counted, Monitor};
use crate::name::Name;
use crate::parallel::{self, Weigh, lock};
use crate::record::{Kind, Record, key};
use crate::sort::Spool;
use crate::stream::Records;
use crate::work::Work;
use serde_json::Value;
use std::io::Read;
use std::sync::{Arc, Mutex};

/// Contents of up to this many bytes are read into memory and stored by several threads. Of larger ones, only parts are held.
const SMALL: u64 = 2 << 20;
/// The number of files between two commits, and the number of bytes stored between them.
const BATCH: (u64, u64) = (4096, 512 << 20);
/// The options of [`from_tar`].
pub struct Options {
    /// The heap to store contents in; None to only compute digests.
    pub heap: Option<Arc<Heap>>,
    /// Inflate every object that already exists, and store bad ones again.
    pub verify_existing: bool,
    /// How many files to store at once.
    pub jobs: usize,
}

/// Stores the contents of an archive, and returns the records of its members in order, with an end record. Messages name the
/// input `from`.
///
/// The whole archive is read, and its contents are on disk, before the first record is returned. A member that can't be recorded
/// is an error record. Of several members of one name, the last one counts.
///
/// # Errors
/// If the archive is damaged or cut off, or the heap can't be written.
pub fn from_tar(input: impl Read + Send + 'static, from: String, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let seen = Arc::new(Mutex::new(Seen::default()));
    let store = Store { heap: options.heap.clone(), verify: options.verify_existing, work: Arc::default() };
    let reader = Reading {
        members: Members::new(input, from.clone()),
        store: store.clone(),
        seen: seen.clone(),
        monitor: monitor.clone(),
        number: 0,
        is_over: false,
    };
    let (reporter, work) = (monitor.clone(), store.work.clone());
    let done = parallel::ordered_map(reader, options.jobs, options.jobs * 8, move |item: Result<Item>| {
        item.and_then(|item| item.done(&store, &*reporter))
    });
    let mut committer = Committer { heap: options.heap, used: Used::default(), files: 0, bytes: 0 };
    let all = Spool::with_doubles(done.map(|record| record.and_then(|record| committer.take(record))), BUDGET)?;
    committer.finish()?;
    let seen = std::mem::take(&mut *lock(&seen));
    seen.tell(&from, &*monitor);
    let records = if seen.hard_links > 0 { links::resolved(&all, &*monitor)? } else { links::last_of_each(&all) };
    Ok(end::ended(records, move |listing, errors| {
        let work = Some(*lock(&work));
        End { errors, work, ..seen.end() }.listing(listing)
    }))
}

/// What has no record.
#[derive(Default)]
struct Seen {
    fifos: u64,
    devices: u64,
    acls: u64,
    hard_links: u64,
    /// The bytes behind the end of the archive.
    behind: u64,
    /// Mode, owner and time of the folder that was archived.
    root: Option<Value>,
}

impl Seen {
    fn tell(&self, from: &str, monitor: &dyn Monitor) {
        let kinds = [(self.fifos, "fifo"), (self.devices, "device")];
        let words: Vec<String> = kinds.iter().filter(|(n, _)| *n > 0).map(|(n, what)| counted(*n, what)).collect();
        if !words.is_empty() {
            monitor.note(&format!("skipped {}: not recorded", words.join(", ")));
        }
        if self.acls > 0 {
            monitor.note(&format!("ACLs of {} left out: SCHILY.acl is not read", counted(self.acls, "member")));
        }
        if self.behind > 0 {
            monitor.warn(&format!("{from}: something follows the end of the archive and was not read: another archive?"));
        }
    }

    fn end(self) -> End {
        End { root_folder: self.root, ..End::default() }
    }
}

/// A member that is read.
enum Item {
    /// A record, complete.
    Record(Record),
    /// The record of a file, and its content, which is not stored yet.
    File(Record, Vec<u8>),
}

impl Item {
    fn done(self, store: &Store, monitor: &dyn Monitor) -> Result<Record> {
        let (record, content) = match self {
            Item::Record(record) => return Ok(record),
            Item::File(record, content) => (record, content),
        };
        let stored = store.store(&mut &content[..], content.len() as u64);
        store.complete(record, stored, monitor, |e| Error::io("read a content in memory", e))
    }
}

impl Weigh for Item {
    fn weight(&self) -> usize {
        match self {
            Item::Record(record) => record.footprint(),
            // While it is stored, there is a copy of it.
            Item::File(record, content) => record.footprint() + 2 * content.len(),
        }
    }
}

/// Stores contents, or only computes their digests.
#[derive(Clone)]
struct Store {
    heap: Option<Arc<Heap>>,
    verify: bool,
    work: Arc<Mutex<Work>>,
}

impl Store {
    fn store(&self, content: &mut (impl Read + Send), size: u64) -> Result<Stored, StoreError> {
        match &self.heap {
            Some(heap) => heap.store(content, size, None, self.verify),
            None => heap::digest(content).map_err(StoreError::Source),
        }
    }

    /// Returns the record of a file with its digests.
    fn complete(
        &self,
        record: Record,
        stored: Result<Stored, StoreError>,
        monitor: &dyn Monitor,
        unread: impl FnOnce(std::io::Error) -> Error,
    ) -> Result<Record> {
        let stored = match stored {
            Ok(stored) => stored,
            Err(StoreError::Heap(e)) => return Err(e),
            Err(StoreError::Source(e)) => return Err(unread(e)),
            Err(StoreError::Collision(reason)) => return Ok(failure(record.name(), &reason, monitor)),
        };
        monitor.done(stored.size);
        *lock(&self.work) += stored.work();
        monitor.detail(if self.heap.is_some() { "stored" } else { "known" }, record.name());
        let mut edit = record.edit();
        Ok(edit.set(key::MD5, stored.md5).set(key::SHA256, stored.sha256).set(key::STORED_SIZE, stored.stored_size).finish())
    }
}

/// Reads the members. Large contents are stored here, because they can't wait for another thread.
struct Reading<R> {
    members: Members<R>,
    store: Store,
    seen: Arc<Mutex<Seen>>,
    monitor: Arc<dyn Monitor>,
    /// The number of the last member.
    number: u64,
    is_over: bool,
}

impl<R: Read + Send> Iterator for Reading<R> {
    type Item = Result<Item>;

    fn next(&mut self) -> Option<Result<Item>> {
        while !self.is_over {
            match self.members.next() {
                Ok(Some(member)) => {
                    if let Some(item) = self.item(member).transpose() {
                        self.is_over = item.is_err();
                        return Some(item);
                    }
                }
                Ok(None) => {
                    self.is_over = true;
                    lock(&self.seen).behind = self.members.behind();
                }
                Err(e) => {
                    self.is_over = true;
                    return Some(Err(e));
                }
            }
        }
        None
    }
}

impl<R: Read + Send> Reading<R> {
    /// Returns the item of a member; None if it has no record.
    fn item(&mut self, member: Member) -> Result<Option<Item>> {
        self.number += 1;
        match self.unlisted(&member) {
            Some(true) => return Ok(None),
            Some(false) => return Ok(Some(self.failed(&member.name, "its type is not known"))),
            None => {}
        }
        let name = match cleaned(&member.name, member.what == What::Folder) {
            Ok(Some(name)) => name,
            Ok(None) if member.what == What::Folder => {
                lock(&self.seen).root = facts(&member);
                return Ok(None);
            }
            Ok(None) => return Ok(Some(self.failed(&member.name, "the folder itself is something else here"))),
            Err(reason) => return Ok(Some(self.failed(&member.name, reason))),
        };
        let record = match record(&name, &member, self.number) {
            Ok(record) => record,
            Err(reason) => return Ok(Some(self.failed(name.as_bytes(), &reason))),
        };
        match member.what {
            What::File if member.size <= SMALL => {
                let mut content = Vec::with_capacity(member.size as usize);
                let read = self.members.content(&member).read_to_end(&mut content);
                read.map_err(|e| self.members.unread(e))?;
                Ok(Some(Item::File(record, content)))
            }
            What::File => {
                let report = |bytes| self.monitor.under_way(bytes);
                let stored = self.store.store(&mut Counted::new(self.members.content(&member), report), member.size);
                let unread = |e| self.members.unread(e);
                self.store.complete(record, stored, &*self.monitor, unread).map(|record| Some(Item::Record(record)))
            }
            _ => Ok(Some(Item::Record(record))),
        }
    }

    /// Counts a member that has no record as in a scan. Returns false if its type is unknown, and None if it has a record.
    fn unlisted(&self, member: &Member) -> Option<bool> {
        let mut seen = lock(&self.seen);
        seen.acls += u64::from(member.has_acl);
        match &member.what {
            What::Fifo => seen.fifos += 1,
            What::Device => seen.devices += 1,
            What::Label => {}
            What::Other(_) => return Some(false),
            What::HardLink(_) => {
                seen.hard_links += 1;
                return None;
            }
            What::File | What::Folder | What::Link(_) => return None,
        }
        Some(true)
    }

    fn failed(&self, name: &[u8], reason: &str) -> Item {
        Item::Record(failure(&Name::new(name), reason, &*self.monitor))
    }
}

/// Makes sure that the objects of the records are on disk.
struct Committer {
    heap: Option<Arc<Heap>>,
    used: Used,
    files: u64,
    bytes: u64,
}

impl Committer {
    fn take(&mut self, record: Record) -> Result<Record> {
        let md5: Option<Md5> = record.fields().md5.filter(|_| record.kind() == Kind::File);
        if let (Some(heap), Some(md5)) = (&self.heap, md5) {
            self.used.push(md5)?;
            self.files += 1;
            self.bytes += record.fields().stored_size.unwrap_or(0);
            if self.files >= BATCH.0 || self.bytes >= BATCH.1 {
                heap.commit()?;
                (self.files, self.bytes) = (0, 0);
            }
        }
        Ok(record)
    }

    fn finish(self) -> Result<()> {
        self.heap.map_or(Ok(()), |heap| heap.complete(self.used))
    }
}
