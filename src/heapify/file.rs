//! Stores one file in the heap.

use super::{Done, attributes};
use crate::base::{Old, inherit};
use crate::digest::Md5;
use crate::error::{Error, Refusal, Result};
use crate::heap::{self, Cache, Health, Heap, StoreError};
use crate::monitor::{Counted, Monitor};
use crate::name::Name;
use crate::record::{Kind, Record, key};
use crate::source::{Settled, Source, Version};
use crate::storage::LoginRefused;
use crate::time::Time;
use crate::work::Work;
use std::borrow::Cow;
use std::io;
use std::sync::Arc;

pub(super) struct Worker {
    pub source: Arc<dyn Source>,
    pub heap: Option<Arc<Heap>>,
    pub verify_existing: bool,
    pub verify_md5: bool,
    pub object_tags: bool,
    pub cache: Option<Arc<Cache>>,
    pub monitor: Arc<dyn Monitor>,
    /// The name of the heap root below the file root, if it is in there.
    pub heap_name: Option<Vec<u8>>,
}

/// The reason why a file has no content to record.
enum Trouble {
    /// This file could not be read, perhaps because it was replaced meanwhile.
    Failed(String),
    /// This file fails, however often it is read.
    Reason(String),
    /// All files fail.
    Fatal(Error),
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Trouble {
        let reason = crate::error::reason(&e);
        // Every other file would fail too.
        if LoginRefused::is(&e) { Trouble::Fatal(Error::refused(reason)) } else { Trouble::Failed(reason) }
    }
}

impl From<StoreError> for Trouble {
    fn from(e: StoreError) -> Trouble {
        match e {
            StoreError::Source(e) => e.into(),
            StoreError::Collision(reason) => Trouble::Reason(reason),
            StoreError::Heap(e) => Trouble::Fatal(e),
        }
    }
}

impl Worker {
    /// Calls [`Worker::process`] and notifies the monitor when it is done.
    pub fn work(&self, record: Record, base: Option<Old>) -> Result<Done> {
        let size = (record.kind() == Kind::File).then(|| record.fields().size.unwrap_or(0));
        let done = self.process(record, base)?;
        size.into_iter().for_each(|size| self.monitor.done(size));
        if let Done::Kept(record, work) = &done {
            self.monitor.detail(if work.stored > 0 { "stored" } else { "known" }, record.name());
        }
        Ok(done)
    }

    /// Refuses a record of a file in the heap: a heap that is stored in itself grows with every backup. A listing has such
    /// records only if the scan did not know the heap root.
    fn refuse_heap(&self, record: &Record) -> Result<()> {
        let (Some(heap), true) = (&self.heap_name, record.is_entry()) else { return Ok(()) };
        match record.name().as_bytes().strip_prefix(&heap[..]) {
            Some(rest) if rest.is_empty() || heap.is_empty() || rest[0] == b'/' => {
                Err(Error::rule(Refusal::HeapInFileRoot, format!("{}: this is in the heap root", record.name().printable())))
            }
            _ => Ok(()),
        }
    }

    /// Adds the md5 to a file's record. Other records pass unchanged. `base` is the record of the same, unchanged file.
    fn process(&self, record: Record, base: Option<Old>) -> Result<Done> {
        self.refuse_heap(&record)?;
        match record.kind() {
            Kind::File => {}
            Kind::Change => {
                return Err(Error::refused(format!("{}: a row of snap-diff, not a file", record.name().printable())));
            }
            _ => return Ok(Done::Passed(record)),
        }
        let fields = record.fields();
        if let Some(md5) = fields.md5 {
            if let Some(claimed) = self.claimed(&record, md5, base.as_ref().map(|base| &base.record))? {
                let reused = reused(&record);
                return self.kept(record.name(), self.tagged(claimed).map(|record| (record, reused)));
            }
        } else if let Some(base) = base {
            let old = base.record.fields();
            if let Some(md5) = old.md5 {
                let stored_size = self.confirm(md5, old.size, old.stored_size)?;
                if self.heap.is_none() || stored_size.is_some() {
                    let (reused, inherited) = (reused(&record), base.inherited_by(&record, stored_size));
                    return self.kept(
                        record.name(),
                        attributes::described(&*self.source, inherited)
                            .map_err(Trouble::from)
                            .and_then(|record| self.tagged(record))
                            .map(|record| (record, reused)),
                    );
                }
            }
        }
        let read = self.read(&record).and_then(|(kept, work)| Ok((self.tagged(kept)?, work)));
        self.kept(record.name(), read)
    }

    /// Returns the result for a file; a failure is reported.
    fn kept(&self, name: &Name, result: Result<(Record, Work), Trouble>) -> Result<Done> {
        match result {
            Ok((record, work)) => Ok(Done::Kept(record, work)),
            Err(Trouble::Fatal(e)) => Err(e),
            Err(Trouble::Reason(reason) | Trouble::Failed(reason)) => {
                self.monitor.failure(name, &reason);
                Ok(Done::Failed(Record::failure(name, &reason)))
            }
        }
    }

    /// Adds the tags of an object, if the user wants them.
    fn tagged(&self, record: Record) -> Result<Record, Trouble> {
        if self.object_tags { Ok(attributes::tagged(&*self.source, &record)?) } else { Ok(record) }
    }

    /// Handles a record that already has an md5, from a storage or from an earlier run. Returns None if the content has to be
    /// read.
    fn claimed(&self, record: &Record, md5: Md5, base: Option<&Record>) -> Result<Option<Record>> {
        let fields = record.fields();
        let known = base.and_then(|base| base.fields().md5);
        // The base has another md5 for the content with this etag. So the storage's md5 is wrong, or was wrong.
        if known.is_some_and(|known| known != md5) || (self.verify_md5 && known.is_none()) {
            return Ok(None);
        }
        let before = fields.stored_size.or(base.and_then(|base| base.fields().stored_size));
        let there = self.confirm(md5, fields.size, before)?;
        if self.heap.is_some() && there.is_none() {
            return Ok(None);
        }
        // A record from a listing also gets the other values of the base. Other records stay unchanged.
        Ok(Some(match (base, there) {
            (Some(base), _) if fields.stored_size.is_none() => inherit(record, base, there),
            (None, Some(stored_size)) if fields.stored_size.is_none() && fields.etag.is_some() => {
                record.edit().set(key::STORED_SIZE, stored_size).finish()
            }
            _ => record.clone(),
        }))
    }

    /// Returns the size of the stored object; None if it is missing or bad. `stored_size` is the size that was recorded earlier.
    fn confirm(&self, md5: Md5, size: Option<u64>, stored_size: Option<u64>) -> Result<Option<u64>> {
        let Some(heap) = &self.heap else { return Ok(None) };
        let good = |health| match health {
            // What is in an archive can't be checked, and is not stored again for that.
            Health::Good { stored_size, .. } | Health::Cold { stored_size } => Some(stored_size),
            Health::Missing | Health::Bad => None,
        };
        let found = if self.verify_existing {
            good(heap.verify(&md5, size)?)
        } else {
            match (heap.stored_size(&md5)?, stored_size) {
                (None, _) => None,
                (Some(now), Some(then)) if now == then => Some(now),
                // Without a recorded size, the end of the object is checked. If that fails, or if the size has changed, the whole
                // object is checked, if it can be read.
                (Some(now), None) if good(heap.check_ends(&md5, size)?).is_some() => Some(now),
                (Some(_), _) => good(heap.check_changed(&md5, size)?),
            }
        };
        // An object that snap-gc is about to delete is renewed. If that fails, it counts as missing.
        let found = match found {
            Some(size) if heap.renew(&md5)? => Some(size),
            _ => None,
        };
        if let Some(cache) = &self.cache {
            cache.note(md5, found.is_some());
        }
        Ok(found)
    }

    /// Reads a content, stores it, and makes its record. A content that changes meanwhile is read once more.
    fn read(&self, record: &Record) -> Result<(Record, Work), Trouble> {
        let mut record = Cow::Borrowed(record);
        for _ in 0..2 {
            let failed = match self.read_once(&record) {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => None,
                Err(Trouble::Failed(reason)) => Some(reason),
                Err(trouble) => return Err(trouble),
            };
            match (self.source.newer(&record)?, failed) {
                (Some(newer), _) => record = Cow::Owned(newer),
                (None, Some(reason)) => return Err(Trouble::Reason(reason)),
                (None, None) => {}
            }
        }
        Err(Trouble::Reason("it changes while it is read".to_string()))
    }

    /// Reads a content once; None if it changed meanwhile.
    fn read_once(&self, record: &Record) -> Result<Option<(Record, Work)>, Trouble> {
        let started = Time::now();
        let mut opened = self.source.open(record)?;
        let record = opened.record.as_ref().unwrap_or(record);
        let claimed = record.fields().md5;
        let mut counted = Counted::new(&mut opened.content, |bytes| self.monitor.under_way(bytes));
        let stored = match &self.heap {
            None => heap::digest(&mut counted)?,
            Some(heap) => heap.store(&mut counted, opened.version.size.unwrap_or(0), claimed, self.verify_existing)?,
        };
        drop(counted);
        let grew = match opened.content.settle(&stored)? {
            Settled::Whole => false,
            Settled::Grew => true,
            Settled::Changed => return Ok(None),
            Settled::Odd(reason) => return Err(Trouble::Reason(reason)),
        };
        if let Some(cache) = self.cache.as_ref().filter(|_| self.heap.is_some()) {
            cache.note(stored.md5, true);
        }
        if let Some(claimed) = claimed.filter(|md5| *md5 != stored.md5) {
            return Err(Trouble::Reason(format!("its content has the md5 {}, the record says {claimed}", stored.md5)));
        }
        let racy = grew || is_racy(&opened.version, started);
        let mut edit = record.edit();
        edit.set_known(key::SIZE, record.fields().size.is_none().then_some(stored.size));
        edit.set(key::MD5, stored.md5).set(key::SHA256, stored.sha256).set(key::STORED_SIZE, stored.stored_size);
        edit.set(key::GREW, grew.then_some(true)).set(key::RACY, racy.then_some(true));
        opened.more.iter().for_each(|(key, json)| _ = edit.set_json(key, json));
        Ok(Some((edit.finish(), stored.work())))
    }
}

/// Returns the work for a file whose content was not read.
fn reused(record: &Record) -> Work {
    Work { reused: record.fields().size.unwrap_or(0), ..Work::default() }
}

/// How coarse the times of other storages can be, in seconds.
const COARSE: i64 = 2;

/// Checks whether a version that is read from `read_at` on can change later in the same tick of the clock. Its times would not
/// show such a change, so its record can't be a base.
fn is_racy(version: &Version, read_at: Time) -> bool {
    match (&version.etag, version.changed) {
        (Some(_), _) => false,
        // No tick is longer than a second. An mtime in the future was set by hand, and the ctime is the time when that was done.
        (None, Some(changed)) => {
            let limit = read_at.minus_seconds(1);
            changed > limit || version.modified.is_some_and(|m| m > limit && m <= read_at)
        }
        (None, None) => version.modified.is_none_or(|m| m > read_at.minus_seconds(COARSE)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::Stored;
    use crate::monitor::Recorder;
    use crate::source::{Content, Opened, Selection};
    use crate::storage::Location;
    use crate::stream::Records;
    use std::sync::Mutex;

    /// A source whose `turns` are the results of opening the content; the last one is used first. `newer` is the current record.
    struct Scripted {
        turns: Mutex<Vec<io::Result<(&'static str, Settled)>>>,
        newer: Option<Record>,
    }

    struct Text(&'static [u8], Option<Settled>);

    impl io::Read for Text {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.0.read(buffer)
        }
    }

    impl Content for Text {
        fn settle(&mut self, _: &Stored) -> io::Result<Settled> {
            self.1.take().ok_or_else(|| io::Error::other("asked twice"))
        }
    }

    impl Source for Scripted {
        fn location(&self) -> &Location {
            unreachable!("contents are read, nothing else")
        }
        fn list(self: Arc<Self>, _: Arc<Selection>) -> Result<Records> {
            unreachable!("contents are read, nothing else")
        }
        fn look(&self, _: Name, _: &Selection) -> Result<Option<Record>> {
            unreachable!("contents are read, nothing else")
        }
        fn open(&self, _: &Record) -> io::Result<Opened> {
            let (text, settled) = self.turns.lock().unwrap().pop().expect("it is not opened so often")?;
            let version = Version { etag: Some("e".to_string()), ..Version::default() };
            Ok(Opened { record: None, version, more: Vec::new(), content: Box::new(Text(text.as_bytes(), Some(settled))) })
        }
        fn newer(&self, record: &Record) -> io::Result<Option<Record>> {
            Ok(self.newer.clone().filter(|newer| newer != record))
        }
    }

    fn record(text: &str) -> Record {
        Record::parse(text.as_bytes()).unwrap()
    }

    /// Returns the result for a record whose content has these turns, and the number of turns left.
    fn done(listed: &Record, turns: Vec<io::Result<(&'static str, Settled)>>, newer: Option<&str>) -> (Result<Record>, usize) {
        let source = Arc::new(Scripted { turns: Mutex::new(turns), newer: newer.map(record) });
        let monitor = Arc::new(Recorder::default());
        let (verify_existing, verify_md5, object_tags) = (false, true, false);
        let worker = Worker {
            source: source.clone(),
            heap: None,
            verify_existing,
            verify_md5,
            object_tags,
            cache: None,
            monitor,
            heap_name: None,
        };
        let done = worker.work(listed.clone(), None).map(|done| match done {
            Done::Passed(record) | Done::Kept(record, _) | Done::Failed(record) => record,
            Done::Nothing(_) => unreachable!("this is no dry run"),
        });
        let left = source.turns.lock().unwrap().len();
        (done, left)
    }

    #[test]
    fn what_changes_while_it_is_read_is_read_once_more_and_then_reported() {
        let (listed, newer) = (record(r#"{"name":"f","size":1}"#), r#"{"name":"f","size":2}"#);
        let broken = || Err(io::Error::other("broken"));
        let md5 = crate::digest::md5_of(b"ab");
        for first in [Ok(("a", Settled::Changed)), broken()] {
            let (kept, _) = done(&listed, vec![Ok(("ab", Settled::Whole)), first], Some(newer));
            let kept = kept.unwrap();
            assert_eq!((kept.fields().md5, kept.fields().size, kept.fields().racy), (Some(md5), Some(2), false), "{kept:?}");
        }
        let (kept, _) = done(&listed, vec![Ok(("a", Settled::Grew))], Some(newer));
        let kept = kept.unwrap();
        assert!(kept.fields().racy && kept.raw("grew").is_some() && kept.fields().size == Some(1), "{kept:?}");
        for second in [Ok(("b", Settled::Changed)), broken()] {
            let other = r#"{"name":"f","size":3}"#;
            let is_broken = second.is_err();
            let (failed, left) = done(&listed, vec![second, Ok(("a", Settled::Changed))], Some(other));
            let told = if is_broken { "broken" } else { "it changes while it is read" };
            assert_eq!((failed.unwrap().string("error").as_deref(), left), (Some(told), 0));
        }
    }

    #[test]
    fn what_would_be_the_same_again_is_not_read_again() {
        let listed = record(r#"{"name":"f","md5":"d41d8cd98f00b204e9800998ecf8427e"}"#);
        let again = || Ok(("", Settled::Whole));
        let failed = |first, newer: Option<&str>| {
            let (failed, left) = done(&listed, vec![again(), first], newer);
            assert_eq!(left, 1);
            failed.map(|failed| failed.string("error").unwrap())
        };
        assert_eq!(failed(Err(io::Error::other("broken")), None).unwrap(), "broken");
        assert_eq!(failed(Ok(("", Settled::Odd("odd".to_string()))), Some(r#"{"name":"f"}"#)).unwrap(), "odd");
        assert!(failed(Ok(("other", Settled::Whole)), Some(r#"{"name":"f"}"#)).unwrap().contains("the record says d41d8cd"));
        let refused = LoginRefused("the login has expired".to_string()).into();
        assert!(failed(Err(refused), Some(r#"{"name":"f"}"#)).unwrap_err().to_string().contains("expired"));
    }

    #[test]
    fn what_may_have_changed_in_the_same_tick_is_racy() {
        let at = |sec: i64| Time { sec, nsec: 0 };
        let file = |modified, changed| Version { modified: Some(at(modified)), changed: Some(at(changed)), ..Version::default() };
        for (modified, changed, racy) in [(10, 10, false), (98, 98, false), (99, 99, false), (50, 100, true), (100, 50, true)] {
            assert_eq!(is_racy(&file(modified, changed), at(100)), racy, "{modified} {changed}");
        }
        assert!(!is_racy(&file(200, 50), at(100)), "a time that was set by hand");
        let object = |modified: Option<i64>, etag: Option<&str>| {
            is_racy(&Version { modified: modified.map(at), etag: etag.map(str::to_string), ..Version::default() }, at(100))
        };
        assert!(object(None, None) && object(Some(99), None) && !object(Some(98), None));
        assert!(!object(Some(100), Some("x")) && !object(None, Some("x")));
    }
}
