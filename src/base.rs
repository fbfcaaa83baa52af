//! The base: an earlier snapshot. Unchanged files get their md5 from it. It is read in parallel with the records, in the same
//! order.

use crate::error::{Error, Result};
use crate::etag;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel::Weigh;
use crate::record::{Fields, Kind, Record, key};
use crate::snapshot::{self, Index, Opened, Place};
use crate::sort;
use crate::storage::attributes::KEYS;
use crate::stream::Records;
use crate::time::Time;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::ops::Bound;
use std::sync::Arc;

/// The smallest number of files of a base whose index is used.
const LONG: u64 = 50_000;
/// The smallest number of bytes of a base that are skipped.
const FAR: u64 = 1 << 20;

/// A snapshot that records are compared with.
pub struct Base {
    place: Place,
    /// The range of times that do not count as unchanged, from one second before the snapshot on, because a change in the same
    /// tick of the clock would be missed. Only for snapshots of other tools, which do not mark such records themselves.
    limit: Option<(Time, Time)>,
    monitor: Arc<dyn Monitor>,
    /// The number of its files and the sum of their sizes in bytes, if the snapshot has them.
    files: Option<(u64, u64)>,
    /// The records that were not reached yet.
    rest: Option<Opened>,
    next: Option<Next>,
}

/// The next record, which may not be parsed yet.
#[expect(clippy::large_enum_variant, reason = "one at a time; a box would cost an allocation each")]
enum Next {
    Line(Vec<u8>),
    Record(Record),
}

impl Base {
    /// Opens a snapshot as a base.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn open(place: Place, monitor: Arc<dyn Monitor>) -> Result<Base> {
        let ours = snapshot::label(&place)?.is_some_and(|label| !label.unlabelled);
        let time = snapshot::time_of(place.file_name());
        // A time in the future does not tell when the snapshot was made. Then no file counts as unchanged by its times.
        let from = |t: Time| if snapshot::is_future(t) { Time { sec: i64::MIN, nsec: 0 } } else { t.minus_seconds(1) };
        let limit = time.filter(|_| !ours).map(|t| (from(t), t));
        // It is only an expectation. Damage is reported when the records are read.
        let totals = if ours { snapshot::totals(&place).ok() } else { None };
        let files = totals.and_then(|totals| totals.files.zip(totals.bytes));
        let mut base = Base { place, limit, monitor, files, rest: None, next: None };
        base.restart()?;
        Ok(base)
    }

    /// Tells a monitor how many files to expect.
    pub(crate) fn tell(&self, monitor: &dyn Monitor) {
        self.files.into_iter().for_each(|(files, bytes)| monitor.expect(files, bytes));
    }

    /// Reads from the first record again.
    fn restart(&mut self) -> Result<()> {
        self.rest = Some(snapshot::open(&self.place, self.monitor.clone())?);
        self.advance();
        Ok(())
    }

    /// Starts at the first record that can have this name or a later one, if that is far behind the start: the records to look up
    /// are a part of a listing. Without an index, or with a damaged one, the base is read from the start.
    fn skip_to(&mut self, name: &Name) {
        if self.files.is_none_or(|(files, _)| files < LONG) {
            return;
        }
        let names = (Bound::Included(name.clone()), Bound::Unbounded);
        let Ok(Some(index)) = Index::of(&self.place) else { return };
        if index.part(&names).is_ok_and(|part| part.start > FAR)
            && let Ok(records) = index.records(&names)
        {
            self.rest = Some(Opened::Others(records));
            self.advance();
        }
    }

    /// Reads the next record. If the base is damaged, its rest is not used, and the files are read instead.
    fn advance(&mut self) {
        let next = match &mut self.rest {
            Some(Opened::Ours(lines)) => lines.next_line().map(|line| line.map(Next::Line)),
            Some(Opened::Others(records)) => {
                let record = records.next().transpose();
                record.map(|record| record.filter(|record| record.kind() != Kind::End).map(Next::Record))
            }
            None => Ok(None),
        };
        self.next = self.usable(next).flatten();
        if self.next.is_none() {
            self.rest = None;
        }
    }

    fn usable<T>(&self, result: Result<T>) -> Option<T> {
        result.inspect_err(|e| self.monitor.warn(&format!("the rest of the base can't be used: {e}"))).ok()
    }

    /// Returns the base's record of the same name. The names have to be requested in order.
    fn find(&mut self, record: &Record) -> Option<Old> {
        loop {
            let next = match (self.next.take()?, &mut self.rest) {
                (Next::Record(next), _) => next,
                (Next::Line(line), Some(Opened::Ours(lines))) => match record.with_digests_of(line) {
                    Ok(record) => {
                        self.advance();
                        return Some(Old { record, is_new: true });
                    }
                    Err(line) => {
                        let next = lines.record(line);
                        self.usable(next)?
                    }
                },
                (Next::Line(_), _) => return None,
            };
            match next.name().cmp(record.name()) {
                Ordering::Less => self.advance(),
                Ordering::Equal => {
                    self.advance();
                    return Some(Old { record: next, is_new: false });
                }
                Ordering::Greater => {
                    self.next = Some(Next::Record(next));
                    return None;
                }
            }
        }
    }

    /// Checks whether a file is unchanged: the same size, mtime, ctime and inode number, or the same etag. The base also has to
    /// have an md5, and must not have been made in the same tick as the change.
    fn is_unchanged(&self, base: &Record, record: &Record) -> bool {
        let (old, new) = (base.fields(), record.fields());
        if base.kind() != Kind::File || old.md5.is_none() || old.racy || old.size.is_none() || old.size != new.size {
            return false;
        }
        if let (Some(old), Some(new)) = (&old.etag, &new.etag) {
            // Two contents of the same tick can have the same weak etag. So the times have to be equal as well.
            let times = || base.fields().modified.is_some() && base.fields().modified == record.fields().modified;
            return etag::same(old, new) && (!(etag::is_weak(old) || etag::is_weak(new)) || times());
        }
        // In a storage without etags, the modification time is all there is. Neither record is from a folder of this machine.
        let elsewhere = |f: &Fields| f.etag.is_none() && f.mtime.is_none() && f.created.is_none() && f.ino.is_none();
        if elsewhere(old) && elsewhere(new) {
            return old.modified.is_some() && old.modified == new.modified;
        }
        // An mtime in the future was set by hand. `created` is the time when that was done.
        let late = self.limit.is_some_and(|(from, to)| {
            let (from, to) = (from.as_double(), to.as_double());
            old.created.is_some_and(|t| t >= from) || old.mtime.is_some_and(|t| t >= from && t <= to)
        });
        let times = old.mtime.is_some() && old.mtime == new.mtime && old.created.is_some() && old.created == new.created;
        let exact = match (old.modified, new.modified) {
            (Some(old), Some(new)) => old == new,
            _ => true,
        };
        times && exact && old.ino.is_some() && old.ino == new.ino && !late
    }
}

/// The record of a file in a base.
pub struct Old {
    /// The record.
    pub record: Record,
    /// It is the new record of the same file with the digests added, byte for byte.
    is_new: bool,
}

impl Old {
    /// Returns the new record of the same, unchanged file with the values that the base has for the content. If the current
    /// stored size is known, it is used.
    pub fn inherited_by(self, record: &Record, stored_size: Option<u64>) -> Record {
        match self.is_new && stored_size.is_none_or(|size| self.record.fields().stored_size == Some(size)) {
            true => self.record,
            false => inherit(record, &self.record, stored_size),
        }
    }
}

impl Weigh for Old {
    fn weight(&self) -> usize {
        self.record.weight()
    }
}

/// Returns the record of a file with the values that its unchanged record in a base has for the content: md5, sha256 and the
/// stored size. If the current stored size is known, it is used. An object that was not written again also has the attributes of
/// the base, if its record has none.
pub fn inherit(record: &Record, base: &Record, stored_size: Option<u64>) -> Record {
    let old = base.fields();
    let mut edit = record.edit();
    let is_object = old.mtime.is_none() && old.modified.is_some() && old.modified == record.fields().modified;
    let attributes = if is_object && record.raw(KEYS[0]).is_none() { base.raws(&KEYS) } else { Vec::new() };
    attributes.iter().for_each(|(key, json)| _ = edit.set_json(key, json));
    edit.set_known(key::MD5, old.md5).set_known(key::SHA256, old.sha256);
    edit.set_known(key::STORED_SIZE, stored_size.or(old.stored_size)).finish()
}

/// Does only the base step of [`mod@crate::heapify`]: unchanged files get the md5 of their record in the base, whether or not the
/// heap has the content.
pub fn reuse(input: Records, base: Option<Base>) -> impl Iterator<Item = Result<Record>> {
    let fits = |record: &Record| record.kind() == Kind::File && record.fields().md5.is_none();
    Matched::new(input, base).map(move |item| {
        let (record, old) = item?;
        Ok(match old.filter(|_| fits(&record)) {
            Some(old) => old.inherited_by(&record, None),
            None => record,
        })
    })
}

/// A record, and the base's record of the same file if the file is unchanged.
type Match = (Record, Option<Old>);

/// Each record with the base's record of the same file, if the file is unchanged. The order stays the same.
pub struct Matched {
    input: Records,
    base: Option<Base>,
    /// The last name that was looked up. The base can only be searched for later names.
    last: Option<Name>,
    /// The records that were looked up together.
    ready: VecDeque<Result<Match>>,
}

impl Matched {
    /// Matches a stream with a base. The records can come in any order, which is kept. If a record is not in order of name, as
    /// many records as fit in memory are looked up together, and the base is read once more for them.
    pub fn new(input: Records, base: Option<Base>) -> Matched {
        Matched { input, base, last: None, ready: VecDeque::new() }
    }

    fn match_up(&mut self, record: Record) -> Result<Match> {
        let Some(base) = self.base.as_mut().filter(|_| record.is_entry()) else { return Ok((record, None)) };
        match &self.last {
            Some(last) if last > record.name() => return self.look_up_together(record),
            Some(_) => {}
            None => base.skip_to(record.name()),
        }
        let found = base.find(&record).filter(|old| base.is_unchanged(&old.record, &record));
        self.last = Some(record.name().clone());
        Ok((record, found))
    }

    /// Looks up this record and as many of the following ones as fit in memory. Returns the first.
    fn look_up_together(&mut self, first: Record) -> Result<Match> {
        let mut size = first.text().len();
        let mut batch = vec![first];
        let mut failed = None;
        while size < sort::BUDGET {
            match self.input.next() {
                Some(Ok(record)) => {
                    size += record.text().len();
                    batch.push(record);
                }
                Some(Err(e)) => {
                    failed = Some(Err(e));
                    break;
                }
                None => break,
            }
        }
        let mut order: Vec<usize> = (0..batch.len()).filter(|at| batch[*at].is_entry()).collect();
        order.sort_by(|a, b| batch[*a].name().cmp(batch[*b].name()));
        let mut found: Vec<Option<Old>> = batch.iter().map(|_| None).collect();
        if let Some(base) = self.base.as_mut() {
            base.restart()?;
            for at in &order {
                found[*at] = base.find(&batch[*at]).filter(|old| base.is_unchanged(&old.record, &batch[*at]));
            }
        }
        self.last = order.last().map(|at| batch[*at].name().clone());
        self.ready.extend(batch.into_iter().zip(found).map(Ok));
        self.ready.extend(failed);
        self.ready.pop_front().unwrap_or_else(|| Err(Error::refused("the records went away while they were looked up")))
    }
}

impl Iterator for Matched {
    type Item = Result<Match>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        let record = self.input.next()?;
        Some(record.and_then(|r| self.match_up(r)))
    }
}
