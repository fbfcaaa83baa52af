//! One file on its way into the heap.

use super::{Done, Source};
use crate::base::take_over;
use crate::error::{Error, Result};
use crate::heap::{self, Cache, Health, Heap, StoreError, Stored};
use crate::monitor::Monitor;
use crate::record::{Kind, Md5, Record, key};
use crate::rootdir::RootDir;
use crate::stat;
use crate::storage::LoginRefused;
use crate::time::Time;
use rustix::fs::{self, Stat};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::Arc;

pub(super) struct Worker {
    pub root: Source,
    pub heap: Option<Arc<Heap>>,
    pub verify_existing: bool,
    pub verify_md5: bool,
    pub cache: Option<Arc<Cache>>,
    pub monitor: Arc<dyn Monitor>,
    /// The name of the heap root, where it lies in the file root.
    pub heap_name: Option<Vec<u8>>,
}

/// Why a file has no content to record.
pub(super) enum Trouble {
    /// This file.
    Reason(String),
    /// Everything.
    Fatal(Error),
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Trouble {
        let reason = crate::error::reason(&e);
        // No other file would fare better.
        if LoginRefused::is(&e) { Trouble::Fatal(Error::refused(reason)) } else { Trouble::Reason(reason) }
    }
}

impl Worker {
    /// What [`Worker::process`] does, told when it is done.
    pub fn work(&self, record: Record, base: Option<Record>) -> Result<Done> {
        let size = (record.kind() == Kind::File).then(|| record.fields().size.unwrap_or(0));
        let done = self.process(record, base)?;
        size.into_iter().for_each(|size| self.monitor.done(size));
        if let Done::Kept(record, bytes) = &done {
            self.monitor.detail(if *bytes > 0 { "stored" } else { "known" }, record.name());
        }
        Ok(done)
    }

    /// A heap that is stored in itself grows with every backup: a listing that has it was made without knowing of it.
    fn refuse_heap(&self, record: &Record) -> Result<()> {
        let (Some(heap), true) = (&self.heap_name, record.is_entry()) else { return Ok(()) };
        match record.name().as_bytes().strip_prefix(&heap[..]) {
            Some(rest) if rest.is_empty() || heap.is_empty() || rest[0] == b'/' => Err(Error::advise(
                format!("{}: this is in the heap root", record.name().printable()),
                "give snap-scan the heap root, too, so that it leaves it out: --heap-root or HEAP_ROOT",
            )),
            _ => Ok(()),
        }
    }

    /// Puts the md5 into a file's record; others go on as they came. `base` is the record of the same file, unchanged.
    fn process(&self, record: Record, base: Option<Record>) -> Result<Done> {
        self.refuse_heap(&record)?;
        if record.kind() != Kind::File {
            return Ok(match record.kind() {
                Kind::Change => {
                    return Err(Error::refused(format!("{}: a row of snap-diff, not a file", record.name().printable())));
                }
                _ => Done::Passed(record),
            });
        }
        let fields = record.fields();
        if let Some(md5) = fields.md5 {
            if let Some(done) = self.claimed(&record, md5, base.as_ref())? {
                return Ok(done);
            }
        } else if let Some(base) = base {
            let old = base.fields();
            if let Some(md5) = old.md5 {
                let stored_size = self.confirm(md5, old.size, old.stored_size)?;
                if self.heap.is_none() || stored_size.is_some() {
                    return Ok(Done::Kept(take_over(&record, &base, stored_size), 0));
                }
            }
        }
        let read = match &self.root {
            Source::Folder(root, _) => self.read(root, &record),
            Source::Store(store) => self.read_object(store, record.clone()),
        };
        match read {
            Ok(done) => Ok(done),
            Err(Trouble::Fatal(e)) => Err(e),
            Err(Trouble::Reason(reason)) => {
                self.monitor.failure(record.name(), &reason);
                Ok(Done::Failed(Record::failure(record.name(), &reason)))
            }
        }
    }

    /// What becomes of a record that has an md5 already: a storage claims it, or an earlier run found it. None where the content
    /// has to be read.
    fn claimed(&self, record: &Record, md5: Md5, base: Option<&Record>) -> Result<Option<Done>> {
        let fields = record.fields();
        let known = base.and_then(|base| base.fields().md5);
        // The content that had this etag then had another md5: the claim is wrong, or was.
        if known.is_some_and(|known| known != md5) || (self.verify_md5 && known.is_none()) {
            return Ok(None);
        }
        let before = fields.stored_size.or(base.and_then(|base| base.fields().stored_size));
        let there = self.confirm(md5, fields.size, before)?;
        if self.heap.is_some() && there.is_none() {
            return Ok(None);
        }
        // What comes of a listing takes along what is known beside; other records stay as they are.
        Ok(Some(match (base, there) {
            (Some(base), _) if fields.stored_size.is_none() => Done::Kept(take_over(record, base, there), 0),
            (None, Some(stored_size)) if fields.stored_size.is_none() && fields.etag.is_some() => {
                Done::Kept(record.edit().set(key::STORED_SIZE, stored_size).finish(), 0)
            }
            _ => Done::Passed(record.clone()),
        }))
    }

    /// The size of the stored object, if it is there and what it should be: `stored_size` says what it was when last seen.
    fn confirm(&self, md5: Md5, size: Option<u64>, stored_size: Option<u64>) -> Result<Option<u64>> {
        let Some(heap) = &self.heap else { return Ok(None) };
        let good = |health| match health {
            Health::Good { stored_size, .. } => Some(stored_size),
            Health::Missing | Health::Bad => None,
        };
        let found = if self.verify_existing {
            good(heap.inspect(&md5, size)?)
        } else {
            match (heap.stored_size(&md5)?, stored_size) {
                (None, _) => None,
                (Some(now), Some(then)) if now == then => Some(now),
                // Nobody said how large it was: its end tells. Where that does not fit, or it was of another size, all of it.
                (Some(now), None) if matches!(heap.glance(&md5, size)?, Health::Good { .. }) => Some(now),
                (Some(_), _) => good(heap.inspect(&md5, size)?),
            }
        };
        // One that snap-gc is about to delete is made to stay, or is as good as absent.
        let found = match found {
            Some(size) if heap.renew(&md5)? => Some(size),
            _ => None,
        };
        if let Some(cache) = &self.cache {
            cache.note(md5, found.is_some());
        }
        Ok(found)
    }

    /// Reads a file, stores it, and makes its record. One that changes meanwhile is read once more.
    fn read(&self, root: &RootDir, record: &Record) -> Result<Done, Trouble> {
        for _ in 0..2 {
            let file = root.open_file(record.name().as_bytes())?;
            let before = fs::fstat(&file).map_err(io::Error::from)?;
            let started = Time::now();
            // One that grows faster than it is read would have no end.
            let mut file = file.take(before.st_size as u64);
            let stored = match &self.heap {
                None => heap::digest(&mut file)?,
                Some(heap) => match heap.store(&mut file, before.st_size as u64, record.fields().md5, self.verify_existing) {
                    Ok(stored) => stored,
                    Err(StoreError::Source(e)) => return Err(e.into()),
                    Err(StoreError::Collision(reason)) => return Err(Trouble::Reason(reason)),
                    Err(StoreError::Heap(e)) => return Err(Trouble::Fatal(e)),
                },
            };
            let whole = stored.size == before.st_size as u64 && is_at_end(&mut file)?;
            let after = fs::fstat(file.get_ref()).map_err(io::Error::from)?;
            let grew = match (same(&before, &after), whole) {
                (true, true) => false,
                (true, false) => return Err(Trouble::Reason(format!("{NO_SIZE} of {} bytes", before.st_size))),
                (false, _) if only_grew(file.get_ref(), &stored, &before, &after)? => true,
                (false, _) => continue,
            };
            if let Some(cache) = self.cache.as_ref().filter(|_| self.heap.is_some()) {
                cache.note(stored.md5, true);
            }
            return self.finish(record, &stored, &before, started, grew);
        }
        Err(Trouble::Reason("it changes while it is read".to_string()))
    }

    /// The record of what was read, as the file was at that time. With `grew` there is more in it by now.
    fn finish(&self, record: &Record, stored: &Stored, now: &Stat, read_at: Time, grew: bool) -> Result<Done, Trouble> {
        let fields = record.fields();
        if let Some(claimed) = fields.md5.filter(|md5| *md5 != stored.md5) {
            return Err(Trouble::Reason(format!("its content has the md5 {}, the record says {claimed}", stored.md5)));
        }
        // The file may have changed since it was listed: content and metadata have to be of one moment.
        let listed = fields.size.is_none_or(|s| s == stored.size)
            && record.has_time(stat::modified(now))
            && fields.created.is_none_or(|c| c == stat::changed(now).as_double())
            && fields.ino.is_none_or(|i| i == now.st_ino);
        let mut edit = record.edit();
        if !listed {
            stat::set(&mut edit, now);
        }
        edit.set_known(key::SIZE, (fields.size.is_none() && listed).then_some(stored.size));
        // A change in the same tick of the clock would not show: such a record is no base. A second is more than any tick. An
        // mtime in the future was set by hand, and the time of that is the ctime.
        let limit = read_at.minus_seconds(1);
        let racy = stat::changed(now) > limit || (stat::modified(now) > limit && stat::modified(now) <= read_at);
        edit.set(key::MD5, stored.md5).set(key::SHA256, stored.sha256).set(key::STORED_SIZE, stored.stored_size);
        edit.set(key::GREW, grew.then_some(true)).set(key::RACY, (racy || grew).then_some(true));
        Ok(Done::Kept(edit.finish(), stored.stored_size.unwrap_or(0)))
    }
}

/// What is said of files of the kernel and the like.
const NO_SIZE: &str = "it is no ordinary file: its content is not what its size says,";

/// Whether reading on finds nothing more than was asked for so far.
fn is_at_end(file: &mut io::Take<File>) -> io::Result<bool> {
    file.set_limit(1);
    Ok(io::copy(file, &mut io::sink())? == 0)
}

/// Whether what was read of a file that changed meanwhile is still its start: then nothing happened but that more came behind it,
/// as with a log.
fn only_grew(file: &File, stored: &Stored, before: &Stat, after: &Stat) -> io::Result<bool> {
    if stored.size != before.st_size as u64 || after.st_size <= before.st_size {
        return Ok(false);
    }
    let mut again = file;
    again.rewind()?;
    Ok(heap::digest(&mut again.take(stored.size))?.md5 == stored.md5)
}

fn same(a: &Stat, b: &Stat) -> bool {
    (a.st_size, stat::modified(a), stat::changed(a)) == (b.st_size, stat::modified(b), stat::changed(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn only_what_comes_behind_the_end_is_growth() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"first").unwrap();
        let before = fs::fstat(&file).unwrap();
        let stored = heap::digest(&mut &b"first"[..]).unwrap();
        let grew = |file: &File| only_grew(file, &stored, &before, &fs::fstat(file).unwrap()).unwrap();
        assert!(!grew(&file));
        file.write_all(b" and more").unwrap();
        assert!(grew(&file));
        file.rewind().unwrap();
        file.write_all(b"F").unwrap();
        assert!(!grew(&file));
        file.set_len(3).unwrap();
        assert!(!grew(&file));
    }
}
