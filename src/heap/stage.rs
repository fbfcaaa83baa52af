//! Storing a content: it is read once, hashed and looked up, and only if it is new, compressed and put into the heap.

use super::existing::{Existing, same};
use super::object;
use super::opened::Heap;
use super::path::{StoreError, Stored, WHOLE_LIMIT, read_up_to};
use super::pieces::Pieces;
use crate::codec;
use crate::digest::{Digests, Md5, md5_of, md5_of_all};
use crate::error::{Error, OrFailed, Result};
use crate::files::temporaries;
use crate::parallel::lock;
use crate::storage::{Attributes, Body, Draft, Put, Store};
use std::collections::hash_map::Entry;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::os::unix::fs::FileExt;

/// Reads a content and computes its digests, storing nothing.
///
/// # Errors
/// If it can't be read.
pub fn digest(source: &mut impl Read) -> io::Result<Stored> {
    let mut digests = Digests::default();
    let mut piece = vec![0; 1 << 20];
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => digests.update_large(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let (md5, sha256, size) = digests.finish();
    Ok(Stored { md5, sha256, size, stored_size: None, is_new: false })
}

impl Heap {
    /// Stores the content of a reader, about `expected` bytes. The object is permanent only after [`Heap::commit`].
    ///
    /// An object that exists already is stored again if it is damaged: with `verify` it is inflated to find that out, without
    /// only its ends are checked. `claimed` is the md5 that the content is said to have; the caller has to compare.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn store(
        &self,
        source: &mut (impl Read + Send),
        expected: u64,
        claimed: Option<Md5>,
        verify: bool,
    ) -> Result<Stored, StoreError> {
        let room = self.room_for(Some(expected));
        let head = read_up_to(source, WHOLE_LIMIT + 1, expected.min(WHOLE_LIMIT)).map_err(StoreError::Source)?;
        if head.len() as u64 > WHOLE_LIMIT {
            // Of a large content, only pieces are held.
            drop(room);
            return match claimed {
                // How much is encrypted has to be known before.
                Some(md5)
                    if self.lease.is_none()
                        && self.names.cipher.is_none()
                        && !self.is_dry()
                        && self.stored_size(&md5)?.is_none() =>
                {
                    self.store_straight(head, source, md5)
                }
                _ => self.store_large(head, source, verify),
            };
        }
        let (md5, sha256) = Digests::of(&head);
        let content = Stored { md5, sha256, size: head.len() as u64, stored_size: None, is_new: false };
        let replace = match self.existing(&content, verify)? {
            Existing::Good(stored_size) => return Ok(Stored { stored_size: Some(stored_size), ..content }),
            existing => matches!(existing, Existing::Bad),
        };
        let gzip = codec::member(&head, self.level, [object::sha256_field(&sha256)], false);
        drop(head);
        self.put_whole(content, replace, gzip)
    }

    /// Puts an object that is in memory.
    pub(super) fn put_whole(&self, content: Stored, replace: bool, mut gzip: Vec<u8>) -> Result<Stored, StoreError> {
        self.stamp(&content.md5)?.into_iter().for_each(|time| codec::set_time(&mut gzip, time));
        if let Some(cipher) = &self.names.cipher {
            let (id, len) = (cipher.id(&content.md5), gzip.len() as u64);
            let sealed = Vec::with_capacity(gzip.len() + 2048);
            gzip = cipher.seal_object(&id, len, &gzip[..], sealed).or_failed(|| self.sealing(&content.md5))?;
        }
        let stored = Stored { stored_size: Some(gzip.len() as u64), ..content };
        let gzip_md5 = self.lease.is_none().then(|| md5_of(&gzip));
        self.put(stored, replace, gzip_md5, |store, key, how| store.put(key, Body::Bytes(gzip), how))
    }

    fn sealing(&self, md5: &Md5) -> String {
        format!("encrypt {}", self.shown_object(md5))
    }

    /// Returns a file for a large object in plain: in an encrypted heap, it does not lie where the heap is.
    pub(super) fn draft(&self) -> io::Result<Draft> {
        if self.names.cipher.is_some() { Draft::unnamed() } else { self.store.draft() }
    }

    /// Puts an object that is in a draft.
    pub(super) fn put_draft(&self, stored: Stored, replace: bool, draft: Draft) -> Result<Stored, StoreError> {
        let what = || format!("write to {}", self.root());
        let (mut draft, mut stored) = (draft, stored);
        if let Some(cipher) = &self.names.cipher {
            let (id, len) = (cipher.id(&stored.md5), draft.file.seek(io::SeekFrom::End(0)).or_failed(temporaries)?);
            draft.file.rewind().or_failed(temporaries)?;
            let mut sealed = self.store.draft().or_failed(what)?;
            cipher.seal_object(&id, len, BufReader::new(&draft.file), BufWriter::new(&sealed.file)).or_failed(what)?;
            stored.stored_size = Some(sealed.file.seek(io::SeekFrom::End(0)).or_failed(what)?);
            draft = sealed;
        }
        if let Some(time) = self.stamp(&stored.md5)? {
            let mut head = [0; codec::PLAIN];
            draft.file.read_exact_at(&mut head, 0).or_failed(what)?;
            codec::set_time(&mut head, time);
            draft.file.write_all_at(&head, 0).or_failed(what)?;
        }
        let gzip_md5 = match self.lease {
            Some(_) => None,
            None => Some(draft.file.rewind().and_then(|()| md5_of_all(&mut draft.file)).or_failed(what)?),
        };
        self.put(stored, replace, gzip_md5, |store, key, how| store.put_draft(key, draft, how))
    }

    /// Stores a content that is too large for memory: in pieces, each a gzip member, compressed in parallel while the next ones
    /// are read and hashed. Only its end shows whether it is new; if not, the draft is dropped.
    fn store_large(&self, head: Vec<u8>, source: &mut (impl Read + Send), verify: bool) -> Result<Stored, StoreError> {
        let what = || format!("write to {}", self.root());
        if self.is_dry() {
            let mut bytes = Bytes(0);
            let content = write_pieces(&mut bytes, Pieces::new(head, source, self.level, true), what)?;
            return match self.existing(&content, verify)? {
                Existing::Good(stored_size) => Ok(Stored { stored_size: Some(stored_size), ..content }),
                Existing::Bad | Existing::None => {
                    let stored_size = match &self.names.cipher {
                        Some(cipher) => cipher.sealed_size(&content.md5, bytes.0).or_failed(what)?,
                        None => bytes.0,
                    };
                    self.was_put(Stored { stored_size: Some(stored_size), ..content }, Ok(true))
                }
            };
        }
        let mut draft = self.draft().or_failed(what)?;
        let content = write_pieces(&mut draft.file, Pieces::new(head, source, self.level, true), what)?;
        let replace = match self.existing(&content, verify)? {
            Existing::Good(stored_size) => return Ok(Stored { stored_size: Some(stored_size), ..content }),
            existing => matches!(existing, Existing::Bad),
        };
        // The digest is known only now; the first header has room for it.
        draft.file.write_all_at(&content.sha256.0, codec::BEHIND_LENGTHS).or_failed(what)?;
        let stored = Stored { stored_size: Some(draft.file.metadata().or_failed(what)?.len()), ..content };
        self.put_draft(stored, replace, draft)
    }

    /// Sends a content to another storage without keeping it: its md5 is known, and there is no such object. The object does not
    /// name its sha256, which is known only after its start was sent. A content with another md5 is not stored.
    fn store_straight(&self, head: Vec<u8>, source: &mut (impl Read + Send), claimed: Md5) -> Result<Stored, StoreError> {
        let mut pieces = Pieces::new(head, source, self.level, false);
        pieces.claim(claimed);
        self.stamp(&claimed)?.into_iter().for_each(|time| pieces.set_time(time));
        let how = Put { if_absent: true, attributes: attributes(), ..Put::default() };
        let put = self.store.put(&self.key(&claimed), Body::Stream(&mut pieces), &how);
        if let Some(e) = pieces.take_failure() {
            return Err(StoreError::Source(e));
        }
        let sent = pieces.sent();
        let content = pieces.finish();
        // The caller reports another md5.
        if content.md5 != claimed { Ok(content) } else { self.was_put(Stored { stored_size: Some(sent), ..content }, put) }
    }

    /// Puts an object.
    pub(super) fn put(
        &self,
        stored: Stored,
        replace: bool,
        gzip_md5: Option<Md5>,
        put: impl FnOnce(&dyn Store, &[u8], &Put) -> io::Result<bool>,
    ) -> Result<Stored, StoreError> {
        if self.is_dry() {
            return self.was_put(stored, Ok(true));
        }
        let (if_absent, attributes) = (!replace, attributes());
        let how = Put { if_absent, md5: gzip_md5, size: stored.stored_size, attributes, ..Put::default() };
        self.was_put(stored, put(&*self.store, &self.key(&stored.md5), &how))
    }

    /// Takes note of an object that was put, or that another writer was first with: then it has to have the same content.
    fn was_put(&self, mut stored: Stored, put: io::Result<bool>) -> Result<Stored, StoreError> {
        let what = || format!("store {}", self.shown_object(&stored.md5));
        let is_first = put.or_failed(what)?;
        if !is_first {
            stored.stored_size = self.intact(&stored.md5, Some(stored.sha256))?;
            if stored.stored_size.is_none() {
                let reason = format!("{}: another writer put something else there", self.shown_object(&stored.md5));
                return Err(Error::advise(reason, "run it again: damaged objects are stored again").into());
            }
        }
        let new = (stored.stored_size.unwrap_or_default(), stored.sha256);
        match lock(&self.new).entry(stored.md5) {
            // Another thread stored the same content meanwhile.
            Entry::Occupied(other) => {
                let (stored_size, sha256) = *other.get();
                same(&stored.md5, stored.sha256, sha256)?;
                // The first object stays, and what is encrypted does not have the same size again.
                stored.stored_size = Some(stored_size);
            }
            Entry::Vacant(place) => {
                place.insert(new);
                stored.is_new = is_first;
            }
        }
        self.check_stored(&stored.md5)?;
        Ok(stored)
    }
}

/// Counts the bytes that are written to it.
struct Bytes(u64);

impl Write for Bytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the members of a content, and returns its digests.
fn write_pieces(
    file: &mut impl Write,
    mut pieces: Pieces<'_, impl Read>,
    what: impl Fn() -> String,
) -> Result<Stored, StoreError> {
    let mut members = Vec::<Vec<u8>>::new();
    loop {
        let next = pieces.next(|| members.iter().try_for_each(|member| file.write_all(member)).or_failed(&what))?;
        members = next.map_err(StoreError::Source)?;
        if members.is_empty() {
            return Ok(pieces.finish());
        }
    }
}

fn attributes() -> Attributes {
    Attributes { content_type: Some("application/octet-stream".to_string()), ..Attributes::default() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap::{Health, Names};
    use crate::storage::{Body, Location, Options, Put};

    fn write(heap: &Location, md5: &Md5, object: &[u8]) {
        match heap {
            Location::Folder(folder) => std::fs::write(folder.join(Names::default().path(md5)), object).unwrap(),
            Location::Remote(store) => {
                store.put(Names::default().path(md5).as_bytes(), Body::Bytes(object.to_vec()), &Put::default()).unwrap();
            }
        }
    }

    fn keep(root: &Location, content: &[u8]) -> Stored {
        let heap = Heap::create(root, 1).unwrap();
        let stored = heap.store(&mut &content[..], content.len() as u64, None, false).unwrap();
        heap.commit().unwrap();
        stored
    }

    #[test]
    fn an_object_with_another_content_is_damage_and_is_healed() {
        let temp = tempfile::tempdir().unwrap();
        let large: Vec<u8> = (0..3_000_000u32).flat_map(|n| (n % 251).to_le_bytes()).collect();
        for root in
            [Location::Folder(temp.path().into()), Location::parse("memory://healed".as_ref(), "", &Options::default()).unwrap()]
        {
            for (good, other) in [(&b"good"[..], &b"evil"[..]), (b"good", b"much longer"), (&large, b"short"), (b"short", &large)]
            {
                let object = |content: &[u8]| {
                    let apart = tempfile::tempdir().unwrap();
                    let stored = keep(&Location::Folder(apart.path().into()), content);
                    std::fs::read(apart.path().join(Names::default().path(&stored.md5))).unwrap()
                };
                let md5 = keep(&root, good).md5;
                // A copy of another object, and what another tool would write.
                let theirs = codec::member(other, 1, None, false);
                for damaged in [object(other), theirs, object(other)[..20].to_vec()] {
                    write(&root, &md5, &damaged);
                    assert_eq!(keep(&root, good).md5, md5);
                    let heap = Heap::open(&root).unwrap();
                    let health = heap.verify(&md5, Some(good.len() as u64)).unwrap();
                    assert!(matches!(health, Health::Good { .. }), "{root}: {} bytes", good.len());
                }
            }
        }
    }

    #[test]
    fn a_pipe_in_the_place_of_an_object_is_damage_and_never_waited_for() {
        let temp = tempfile::tempdir().unwrap();
        let root = Location::Folder(temp.path().into());
        let stored = keep(&root, b"content");
        let object = temp.path().join(Names::default().path(&stored.md5));
        std::fs::remove_file(&object).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &object, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        assert_eq!(Heap::open(&root).unwrap().verify(&stored.md5, Some(7)).unwrap(), Health::Bad);
        keep(&root, b"content");
        assert!(object.metadata().unwrap().is_file());
    }
}
