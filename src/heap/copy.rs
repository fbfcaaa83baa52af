//! Copying an object from another heap as it is: its content is inflated only to prove that it is the right one.

use super::existing::{Existing, same};
use super::object;
use super::opened::Heap;
use super::path::{StoreError, Stored, WHOLE_LIMIT, read_up_to};
use super::proof::{Expected, explain};
use super::{Health, object::Proved};
use crate::content::{Lack, NO_MD5};
use crate::digest::Md5;
use crate::error::{Error, Result, reason};
use crate::parallel::lock;
use crate::record::Record;
use crate::storage::LoginRefused;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::sync::{Arc, Mutex};

/// An object that a heap has after a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Its size in bytes.
    pub stored_size: u64,
    /// It was not there before, or was damaged.
    pub is_new: bool,
}

impl Heap {
    /// Makes sure that this heap has the object of a record, which is copied from another heap if it is missing here. The copy is
    /// permanent only after [`Heap::commit`]. It gets its name only after all of it was read and inflated, and its content has
    /// the size and the digests of the record.
    ///
    /// # Errors
    /// The reason why there is no such object to copy, or why this heap can't be written.
    pub fn copy(&self, from: &Heap, record: &Record) -> Result<Copied, Lack> {
        let md5 = record.fields().md5.ok_or_else(|| NO_MD5.to_string())?;
        let replace = match self.before_copy(&md5, from, record).map_err(lacking)? {
            Existing::Good(stored_size) => return Ok(Copied { stored_size, is_new: false }),
            existing => matches!(existing, Existing::Bad),
        };
        let stored = self.copy_anew(from, record, replace)?;
        Ok(Copied { stored_size: stored.stored_size.unwrap_or_default(), is_new: true })
    }

    /// Looks for the object of a record. One that is as large as its record says, or else as the one in the other heap, counts as
    /// good. All others are inflated. A condemned one is renewed, or counts as missing.
    fn before_copy(&self, md5: &Md5, from: &Heap, record: &Record) -> Result<Existing, StoreError> {
        let fields = record.fields();
        let Some(now) = self.stored_size(md5)? else { return Ok(Existing::None) };
        // Objects of the two heaps have the same size only if both are in plain.
        let is_plain = self.names.cipher.is_none() && from.names.cipher.is_none();
        let right = match fields.stored_size {
            Some(size) if is_plain => Some(size),
            None if is_plain => size_in(from, md5)?,
            _ => None,
        };
        let stored_size = match right == Some(now) {
            true => now,
            false => match if is_plain { self.verify(md5, fields.size)? } else { self.check_both_ends(md5, fields.size)? } {
                Health::Missing => return Ok(Existing::None),
                Health::Bad => return Ok(Existing::Bad),
                Health::Cold { stored_size } => stored_size,
                Health::Good { stored_size, sha256 } => {
                    fields.sha256.zip(sha256).map_or(Ok(()), |(ours, theirs)| same(md5, ours, theirs))?;
                    stored_size
                }
            },
        };
        Ok(if self.renew(md5)? { Existing::Good(stored_size) } else { Existing::None })
    }

    pub(super) fn copy_anew(&self, from: &Heap, record: &Record, replace: bool) -> Result<Stored, Lack> {
        let _room = from.room_for(record.fields().size);
        let (mut reader, expected) = from.opened(record)?;
        // One of the digests is computed in any case: the other one has to be computed, too, if the record does not have it.
        let expected = Expected { both: expected.sha256.is_none(), ..expected };
        let mut gzip = Vec::new();
        if let Some(size) = expected.size.filter(|size| *size <= WHOLE_LIMIT) {
            let about = record.fields().stored_size.unwrap_or(size);
            gzip = read_up_to(&mut reader, 2 * WHOLE_LIMIT, about).map_err(|e| from.lack(&expected.md5, e))?;
            if (gzip.len() as u64) < 2 * WHOLE_LIMIT {
                return self.copy_whole(from, gzip, size, expected, replace);
            }
        }
        self.copy_through(from, Box::new(Cursor::new(gzip).chain(reader)), expected, replace)
    }

    /// Copies an object that is in memory.
    fn copy_whole(&self, from: &Heap, gzip: Vec<u8>, size: u64, expected: Expected, replace: bool) -> Result<Stored, Lack> {
        let stored_size = gzip.len() as u64;
        let bad = |reason: &dyn std::fmt::Display| Lack::Record(format!("{}: {reason}", from.object_of(&expected.md5)));
        let (_, sha256) = object::inflate(&gzip, size, expected).map_err(|reason| bad(&reason))?;
        let head = &gzip[..gzip.len().min(object::HEAD as usize)];
        if let Some(fault) = object::header_fault(head, expected.sha256) {
            return Err(bad(&fault));
        }
        let stored = stored(expected, Proved { stored_size, size, sha256 })?;
        self.put_whole(stored, replace, gzip).map_err(lacking)
    }

    /// Copies an object of any size through a draft, which is dropped if the object is not good.
    fn copy_through(&self, from: &Heap, reader: Box<dyn Read + Send>, expected: Expected, replace: bool) -> Result<Stored, Lack> {
        let what = || format!("write to {}", self.root());
        let fatal = |e: io::Error| Lack::All(Error::io(what(), e));
        let draft = self.draft().map_err(fatal)?;
        let failure = Arc::new(Mutex::new(None));
        let copying = Copying { reader, to: draft.file.try_clone().map_err(fatal)?, failure: failure.clone() };
        let proved = object::prove(Box::new(copying), expected);
        if let Some(e) = lock(&failure).take() {
            return Err(fatal(e));
        }
        let proved = proved.map_err(|e| match LoginRefused::is(&e) {
            true => from.lack(&expected.md5, e),
            false => Lack::Record(format!("{}: {}", from.object_of(&expected.md5), explain(e))),
        })?;
        let stored = stored(expected, proved)?;
        self.put_draft(stored, replace, draft).map_err(lacking)
    }
}

/// Returns the size of an object in the heap to copy from, if that can be listed.
fn size_in(from: &Heap, md5: &Md5) -> Result<Option<u64>> {
    match from.stored_size(md5) {
        // A web server.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::Unsupported => Ok(None),
        size => size,
    }
}

fn stored(expected: Expected, proved: Proved) -> Result<Stored, Lack> {
    let sha256 = proved.sha256.or(expected.sha256).ok_or_else(|| "its sha256 is not known".to_string())?;
    Ok(Stored { md5: expected.md5, sha256, size: proved.size, stored_size: Some(proved.stored_size), is_new: false })
}

/// A heap that can't be read or written concerns all records, everything else concerns this one.
fn lacking(e: StoreError) -> Lack {
    match e {
        StoreError::Source(e) => Lack::Record(reason(&e)),
        StoreError::Collision(reason) => Lack::Record(reason),
        StoreError::Heap(e) => Lack::All(e),
    }
}

/// A reader that writes everything that is read to a file.
struct Copying {
    reader: Box<dyn Read + Send>,
    to: File,
    /// The error of writing, which says nothing about the object.
    failure: Arc<Mutex<Option<io::Error>>>,
}

impl Read for Copying {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(out)?;
        match self.to.write_all(&out[..n]) {
            Ok(()) => Ok(n),
            Err(e) => {
                let again = io::Error::new(e.kind(), reason(&e));
                *lock(&self.failure) = Some(e);
                Err(again)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::content::Contents;
    use crate::storage::{Location, Options};
    use proptest::prelude::*;
    use std::path::Path;

    fn record(stored: &Stored, with_sha256: bool) -> Record {
        let sha256 = if with_sha256 { format!(r#","sha256":"{}""#, stored.sha256) } else { String::new() };
        let line = format!(r#"{{"md5":"{}","name":"x"{sha256},"size":{}}}"#, stored.md5, stored.size);
        Record::parse(line.as_bytes()).unwrap()
    }

    fn object(heap: &Heap, md5: &Md5) -> Vec<u8> {
        let mut bytes = Vec::new();
        heap.store.open(heap.object_path(md5).as_bytes(), 0, None, None).unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    /// Roots of all pairs of kinds.
    fn pairs(folder: &Path, apart: &str) -> [[Location; 2]; 4] {
        let near = |name: &str| Location::Folder(folder.join(name));
        let far = |name: &str| Location::parse(format!("memory://{apart}/{name}").as_ref(), "", &Options::default()).unwrap();
        [[near("a"), near("b")], [near("c"), far("d")], [far("e"), near("f")], [far("g"), far("h")]]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_copy_is_the_same_object_and_a_second_copy_copies_nothing(
            parts in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..200), 1usize..20_000), 1..5),
            level in 0..=12i32,
            apart in any::<u64>(),
            with_sha256 in any::<bool>(),
        ) {
            let folder = tempfile::tempdir().unwrap();
            for [from, to] in pairs(folder.path(), &format!("{apart:x}")) {
                let heap = Heap::create(&from, level).unwrap();
                let keep = |(part, times): &(Vec<u8>, usize)| {
                    let content = part.repeat(*times);
                    record(&heap.store(&mut &content[..], content.len() as u64, None, false).unwrap(), with_sha256)
                };
                let mut records: Vec<_> = parts.iter().map(keep).collect();
                heap.commit().unwrap();
                records.sort_by_key(|record| record.fields().md5);
                records.dedup_by_key(|record| record.fields().md5);
                let from = Heap::open(&from).unwrap();
                for is_new in [true, false] {
                    let heap = Heap::create(&to, 1).unwrap();
                    for record in &records {
                        prop_assert_eq!(heap.copy(&from, record).unwrap().is_new, is_new);
                        // Also before the first one has its name.
                        prop_assert!(!heap.copy(&from, record).unwrap().is_new);
                    }
                    heap.commit().unwrap();
                    let heap = Heap::open(&to).unwrap();
                    for record in &records {
                        let md5 = record.fields().md5.unwrap();
                        prop_assert!(object(&heap, &md5) == object(&from, &md5));
                        prop_assert!(heap.content(record).is_ok());
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_not_the_content_of_the_record_gets_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..1_500_000u32).flat_map(u32::to_le_bytes).collect();
        for [from, to] in pairs(folder.path(), "copy-bad") {
            let (from, to) = (Heap::create(&from, 1).unwrap(), Heap::create(&to, 1).unwrap());
            for content in [&b"content"[..], &large] {
                let stored = from.store(&mut &content[..], content.len() as u64, None, false).unwrap();
                from.commit().unwrap();
                let good = record(&stored, true);
                let other = Stored { sha256: crate::digest::Sha256([7; 32]), ..stored };
                let longer = Stored { size: stored.size + 1, ..stored };
                let shorter = Stored { size: stored.size - 1, ..stored };
                for bad in [record(&other, true), record(&longer, true), record(&shorter, false)] {
                    assert!(matches!(to.copy(&from, &bad), Err(Lack::Record(_))), "{bad:?}");
                }
                to.commit().unwrap();
                assert_eq!(to.stored_size(&stored.md5).unwrap(), None);
                assert!(to.copy(&from, &good).unwrap().is_new);
            }
        }
    }
}
