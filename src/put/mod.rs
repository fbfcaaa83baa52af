//! `snap-put`: stores one content that is not a file, such as a dump of a database.

mod command;

pub use command::Output;

use crate::end::{End, Listing};
use crate::error::{Error, Result, reason};
use crate::heap::{Heap, StoreError, Stored, Used};
use crate::monitor::{Counted, Monitor};
use crate::name::Name;
use crate::record::{Kind, Record, key};
use crate::stream::Records;
use crate::time::Time;
use crate::work::Work;
use std::io::Read;

/// The mode of a file with a content that had none: only its owner reads it. A dump often has what nobody else may see.
const MODE: u32 = 0o100_600;

/// Stores a content under a name. Returns its record, or an error record if the content can't be read to its end, and an end
/// record.
///
/// The object has its name and is on disk then. Nothing is stored of a content that fails.
///
/// # Errors
/// If the name is not one that can be restored, or the heap can't be written.
pub fn put(name: Name, content: &mut (impl Read + Send), heap: &Heap, monitor: &dyn Monitor) -> Result<Records> {
    check(&name)?;
    let mut work = Work::default();
    let (record, errors) = match heap.store(&mut Counted::new(content, |bytes| monitor.under_way(bytes)), 0, None, false) {
        Ok(stored) => {
            work = stored.work();
            (stored_record(name, &stored), 0)
        }
        Err(StoreError::Heap(e)) => return Err(e),
        Err(StoreError::Source(e)) => (failed(&name, &reason(&e), monitor), 1),
        Err(StoreError::Collision(reason)) => (failed(&name, &reason, monitor), 1),
    };
    if let Some(md5) = record.fields().md5 {
        let mut used = Used::default();
        used.push(md5)?;
        heap.complete(used)?;
    }
    monitor.done(record.fields().size.unwrap_or(0));
    let mut listing = Listing::default();
    listing.add(&record);
    let end = End { errors, put: true, work: Some(work), ..End::default() }.listing(listing).record();
    Ok(Box::new([record, end].into_iter().map(Ok)))
}

/// Refuses a name that could not be restored to a folder.
///
/// # Errors
/// If it is one.
pub fn check(name: &Name) -> Result<()> {
    let has_empty_part = name.as_bytes().split(|b| *b == b'/').any(<[u8]>::is_empty);
    let fault = match name.check() {
        Ok(()) if has_empty_part => Err("the name has an empty part, so it could not be restored to a folder"),
        checked => checked,
    };
    fault.map_err(|fault| Error::refused(format!("{}: {fault}", name.printable())))
}

fn stored_record(name: Name, stored: &Stored) -> Record {
    let mut record = Record::build(name, Kind::File);
    record.set(key::MD5, stored.md5).set(key::MODE, MODE).set(key::MODIFIED, Time::now()).set(key::SHA256, stored.sha256);
    record.set(key::SIZE, stored.size).set(key::STORED_SIZE, stored.stored_size).finish()
}

fn failed(name: &Name, reason: &str, monitor: &dyn Monitor) -> Record {
    monitor.failure(name, reason);
    Record::failure(name, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::{Content, Contents};
    use crate::monitor::Recorder;
    use crate::storage::{Location, Options};
    use proptest::prelude::*;
    use std::io;

    fn heaps(folder: &std::path::Path, apart: &str) -> [Heap; 2] {
        let memory = Location::parse(format!("memory://{apart}").as_ref(), "", &Options::default()).unwrap();
        [Location::Folder(folder.into()), memory].map(|root| Heap::create(&root, 1).unwrap())
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_put_comes_back(bytes in prop::collection::vec(any::<u8>(), 0..3000), times in 1usize..2000) {
            let content = bytes.repeat(times);
            let folder = tempfile::tempdir().unwrap();
            for heap in heaps(folder.path(), "put-good") {
                let monitor = Recorder::default();
                let records = put(Name::new(&b"d/x"[..]), &mut &content[..], &heap, &monitor).unwrap();
                let records: Vec<_> = records.collect::<Result<_>>().unwrap();
                prop_assert_eq!(records.len(), 2);
                prop_assert_eq!(records[0].fields().size, Some(content.len() as u64));
                let back = match heap.content(&records[0]).unwrap() {
                    Content::Whole(back) => back,
                    Content::Stream(mut back) => {
                        let mut all = Vec::new();
                        back.read_to_end(&mut all).unwrap();
                        all
                    }
                };
                prop_assert!(back == content);
                let end = End::of(&records[1]);
                prop_assert!(end.put && end.errors == 0 && end.records == Some(1) && end.root.is_none());
                prop_assert!(monitor.messages().is_empty());
            }
        }
    }

    #[test]
    fn nothing_is_stored_of_a_content_that_fails_at_its_end() {
        struct Fails(usize);
        impl Read for Fails {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                let n = self.0.min(out.len());
                self.0 -= n;
                out[..n].fill(7);
                if n == 0 { Err(io::Error::other("dump: exit status 3")) } else { Ok(n) }
            }
        }
        let folder = tempfile::tempdir().unwrap();
        for heap in heaps(folder.path(), "put-bad") {
            for size in [0, 10, 2 << 20, (2 << 20) + 1, 9 << 20] {
                let monitor = Recorder::default();
                let records = put(Name::new(&b"x"[..]), &mut Fails(size), &heap, &monitor).unwrap();
                let records: Vec<_> = records.collect::<Result<_>>().unwrap();
                assert_eq!(records[0].text(), br#"{"error":"dump: exit status 3","name":"x","type":"error"}"#, "{size}");
                assert_eq!(End::of(&records[1]).errors, 1);
                assert_eq!(monitor.messages(), ["x: dump: exit status 3"]);
                let md5 = crate::digest::md5_of(&vec![7; size]);
                assert_eq!(heap.stored_size(&md5).unwrap(), None, "{size}");
            }
        }
    }

    #[test]
    fn names_that_could_not_be_restored_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [heap, _] = heaps(folder.path(), "put-none");
        for bad in ["", "/a", "a/", "a//b", ".", "a/..", "a\0b"] {
            let put = put(Name::new(bad.as_bytes()), &mut &b""[..], &heap, &Recorder::default());
            assert!(put.is_err(), "{bad:?}");
        }
    }
}
