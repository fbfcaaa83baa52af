//! Storing a content: read once, hashed, looked up, and only if it is new compressed and put into the heap.

use super::local::{LocalHeap, Staged};
use super::object::{self, Health};
use super::opened::{Heap, Kind};
use super::path::{StoreError, Stored, WHOLE_LIMIT, collision, read_up_to};
use super::pieces::Pieces;
use super::remote::{Fresh, RemoteHeap, attributes};
use super::temp::{self, TempFile};
use crate::codec::{self};
use crate::digest::{Digests, Md5, Sha256, md5_of};
use crate::storage::{Body, Put};

use crate::error::{Error, OrFailed, Result};
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::FileExt;

/// Reads a content and computes its digests, storing nothing.
///
/// # Errors
/// If it can't be read.
pub fn digest(source: &mut impl Read) -> io::Result<Stored> {
    let mut digests = Digests::default();
    let mut piece = vec![0; 256 << 10];
    loop {
        match source.read(&mut piece) {
            Ok(0) => break,
            Ok(n) => digests.update(&piece[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    let (md5, sha256, size) = digests.finish();
    Ok(Stored { md5, sha256, size, stored_size: None })
}

impl Heap {
    /// Stores what a reader has, about `expected` bytes. The object has its name only after [`Heap::commit`].
    ///
    /// With `inspect`, an object that is there already is inflated and stored anew if it is bad; without, only one whose end
    /// does not fit is. `claimed` is the md5 that somebody says the content has; whoever calls has to compare.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn store(
        &self,
        source: &mut (impl Read + Send),
        expected: u64,
        claimed: Option<Md5>,
        inspect: bool,
    ) -> Result<Stored, StoreError> {
        store(self, source, expected, claimed, inspect)
    }
}

/// See [`Heap::store`].
fn store(
    heap: &Heap,
    source: &mut (impl Read + Send),
    expected: u64,
    claimed: Option<Md5>,
    inspect: bool,
) -> Result<Stored, StoreError> {
    let head = read_up_to(source, WHOLE_LIMIT + 1, expected.min(WHOLE_LIMIT)).map_err(StoreError::Source)?;
    if head.len() as u64 > WHOLE_LIMIT {
        return match (&heap.kind, claimed) {
            (Kind::Local(local), _) => local.store_large(heap, head, source, inspect),
            (Kind::Remote(remote), Some(md5)) if remote.stored_size(&md5)?.is_none() => {
                remote.store_straight(heap, head, source, md5)
            }
            (Kind::Remote(remote), _) => remote.store_large(heap, head, source, inspect),
        };
    }
    let (md5, sha256) = Digests::of(&head);
    let size = head.len() as u64;
    let replace = match existing(heap, &md5, sha256, size, inspect)? {
        Existing::Good(stored_size) => return Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) }),
        Existing::None => false,
        Existing::Bad => true,
    };
    let gzip = codec::member(&head, heap.level(), [object::sha256_field(&sha256)], false);
    drop(head);
    let stored_size = match &heap.kind {
        Kind::Local(local) => {
            let (temp, mut file) = local.temp_file()?;
            file.write_all(&gzip).or_failed(|| format!("write {}/temp", heap.root))?;
            let stored_size = gzip.len() as u64;
            local.staged(md5, Staged { temp, stored_size, sha256, replace }, &file)?;
            stored_size
        }
        Kind::Remote(remote) => {
            let digest = md5_of(&gzip);
            let fresh = Fresh { md5, sha256, stored_size: gzip.len() as u64, digest, replace };
            remote.put_whole(heap, &fresh, gzip)?
        }
    };
    Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) })
}

/// What the heap has of a content that was just read.
fn existing(heap: &Heap, md5: &Md5, sha256: Sha256, size: u64, inspect: bool) -> Result<Existing, StoreError> {
    let known = match &heap.kind {
        Kind::Local(local) => local.in_flight(md5),
        Kind::Remote(remote) => remote.added(md5),
    };
    if let Some((stored_size, other)) = known {
        return same(md5, sha256, other, stored_size);
    }
    let mut health = if inspect { heap.inspect(md5, Some(size))? } else { heap.glance_whole(md5, Some(size))? };
    let known =
        matches!(health, Health::Missing) || matches!(health, Health::Good { sha256: Some(named), .. } if named == sha256);
    if !known {
        // Another writer's object, or one that does not fit: only its content can tell. One that has the md5 of its name is
        // another content with this md5, of whatever size; one that has not is damaged, whatever its header names.
        health = heap.inspect(md5, None)?;
    }
    let existing = match health {
        Health::Missing => Existing::None,
        Health::Bad => Existing::Bad,
        Health::Good { stored_size, sha256: Some(other) } => same(md5, sha256, other, stored_size)?,
        Health::Good { stored_size, sha256: None } => Existing::Good(stored_size),
    };
    match existing {
        Existing::Good(_) if !heap.renew(md5)? => Ok(Existing::None),
        existing => Ok(existing),
    }
}

impl LocalHeap {
    /// Stores a content that is too large for memory: in pieces, each a gzip member, compressed side by side while the next
    /// ones are read and hashed. Whether it is new shows only at its end; then the temp is dropped.
    fn store_large(
        &self,
        heap: &Heap,
        head: Vec<u8>,
        source: &mut (impl Read + Send),
        inspect: bool,
    ) -> Result<Stored, StoreError> {
        let (temp, mut file) = self.temp_file()?;
        let what = || format!("write {}/temp", heap.root);
        let written = write_pieces(&mut file, Pieces::new(head, source, heap.level(), true), what)
            .and_then(|(md5, sha256, size)| Ok((md5, sha256, size, existing(heap, &md5, sha256, size, inspect)?)));
        let (md5, sha256, size, existing) = match written {
            Ok(all) => all,
            Err(e) => {
                temp.remove();
                return Err(e);
            }
        };
        let replace = match existing {
            Existing::Good(stored_size) => {
                temp.remove();
                return Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) });
            }
            Existing::None => false,
            Existing::Bad => true,
        };
        let stored_size = file.metadata().or_failed(what)?.len();
        // The digest is known only now; its place in the first header was kept.
        file.write_all_at(&sha256.0, codec::BEHIND_LENGTHS).or_failed(what)?;
        self.staged(md5, Staged { temp, stored_size, sha256, replace }, &file)?;
        Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) })
    }

    /// Notes a finished temp. Where another thread staged the same content meanwhile, that one stays.
    pub(super) fn staged(&self, md5: Md5, staged: Staged, file: &File) -> Result<(), StoreError> {
        if self.sync_each {
            file.sync_all().or_failed(|| format!("sync {}/temp", self.shown))?;
        }
        let mut pending = self.lock();
        if let Some(other) = pending.staged.get(&md5) {
            if other.sha256 != staged.sha256 {
                return Err(StoreError::Collision(collision(&md5)));
            }
            drop(pending);
            staged.temp.remove();
            return Ok(());
        }
        pending.staged.insert(md5, staged);
        Ok(())
    }

    /// A new file in a folder of this process.
    pub(super) fn temp_file(&self) -> Result<(TempFile, File)> {
        let what = || format!("write {}/temp", self.shown);
        let temp = self.lock().temps.next(&self.path, self.access, what)?;
        let file = temp::create(&temp, self.access, what)?;
        Ok((temp, file))
    }
}

impl RemoteHeap {
    /// Puts a small object. Gives the size of what is there then.
    pub fn put_whole(&self, heap: &Heap, fresh: &Fresh, gzip: Vec<u8>) -> Result<u64, StoreError> {
        self.put(heap, fresh, Body::Bytes(gzip))
    }

    /// Puts a large object.
    pub fn put_file(&self, heap: &Heap, fresh: &Fresh, mut gzip: File) -> Result<u64, StoreError> {
        self.put(heap, fresh, Body::Stream(&mut gzip))
    }

    fn put(&self, heap: &Heap, fresh: &Fresh, body: Body<'_>) -> Result<u64, StoreError> {
        let how =
            Put { if_absent: !fresh.replace, md5: Some(fresh.digest), size: Some(fresh.stored_size), attributes: attributes() };
        let done = self.store.put(&RemoteHeap::key(&fresh.md5), body, &how);
        let stored_size = match done.or_failed(|| format!("store {}", heap.shown_object(&fresh.md5)))? {
            true => fresh.stored_size,
            false => self.settle(heap, fresh)?,
        };
        self.add(fresh.md5, stored_size, fresh.sha256);
        Ok(stored_size)
    }

    /// Another writer was quicker: what is there has to be this content.
    pub fn settle(&self, heap: &Heap, fresh: &Fresh) -> Result<u64, StoreError> {
        match heap.inspect(&fresh.md5, None)? {
            Health::Good { sha256: Some(other), .. } if other != fresh.sha256 => {
                Err(StoreError::Collision(collision(&fresh.md5)))
            }
            Health::Good { stored_size, .. } => Ok(stored_size),
            Health::Bad | Health::Missing => Err(StoreError::Heap(Error::advise(
                format!("{}: another writer put something else there", heap.shown_object(&fresh.md5)),
                "run it again; what is wrong there is stored anew",
            ))),
        }
    }

    /// The same, with a file without a name in `TMPDIR`.
    fn store_large(
        &self,
        heap: &Heap,
        head: Vec<u8>,
        source: &mut (impl Read + Send),
        inspect: bool,
    ) -> Result<Stored, StoreError> {
        let what = || "write a temporary file".to_string();
        let mut file = crate::files::temporary()?;
        let (md5, sha256, size) = write_pieces(&mut file, Pieces::new(head, source, heap.level(), true), what)?;
        let replace = match existing(heap, &md5, sha256, size, inspect)? {
            Existing::Good(stored_size) => return Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) }),
            Existing::None => false,
            Existing::Bad => true,
        };
        file.write_all_at(&sha256.0, codec::BEHIND_LENGTHS).or_failed(what)?;
        file.rewind().or_failed(what)?;
        let gzip = digest(&mut file).or_failed(what)?;
        file.rewind().or_failed(what)?;
        let fresh = Fresh { md5, sha256, stored_size: gzip.size, digest: gzip.md5, replace };
        let stored_size = self.put_file(heap, &fresh, file)?;
        Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) })
    }

    /// Sends a content on its way without keeping it: its md5 is known, and nothing is there of it. The object does not name
    /// its sha256, which comes after its start. A content that turns out to be another one is not stored.
    fn store_straight(
        &self,
        heap: &Heap,
        head: Vec<u8>,
        source: &mut (impl Read + Send),
        claimed: Md5,
    ) -> Result<Stored, StoreError> {
        let mut pieces = Pieces::new(head, source, heap.level(), false);
        pieces.claim(claimed);
        let put = self.put_pieces(&claimed, &mut pieces);
        if let Some(e) = pieces.take_failure() {
            return Err(StoreError::Source(e));
        }
        let sent = pieces.sent();
        let (md5, sha256, size) = pieces.finish();
        if md5 != claimed {
            // Whoever calls tells it.
            return Ok(Stored { md5, sha256, size, stored_size: None });
        }
        let stored_size = match put.or_failed(|| format!("store {}", heap.shown_object(&md5)))? {
            true => sent,
            false => self.settle(heap, &Fresh { md5, sha256, stored_size: sent, digest: md5, replace: false })?,
        };
        self.add(md5, stored_size, sha256);
        Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) })
    }
}

fn write_pieces<R: Read + Send>(
    file: &mut File,
    mut pieces: Pieces<'_, R>,
    what: impl Fn() -> String,
) -> Result<(Md5, Sha256, u64), StoreError> {
    loop {
        let members = pieces.next().map_err(StoreError::Source)?;
        if members.is_empty() {
            return Ok(pieces.finish());
        }
        for member in members {
            file.write_all(&member).or_failed(&what)?;
        }
    }
}

enum Existing {
    None,
    Bad,
    Good(u64),
}

/// Two contents of one md5 are one content only if they have one sha256.
fn same(md5: &Md5, ours: Sha256, theirs: Sha256, stored_size: u64) -> Result<Existing, StoreError> {
    match ours == theirs {
        true => Ok(Existing::Good(stored_size)),
        false => Err(StoreError::Collision(collision(md5))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Body, Location, Options, Put};

    fn write(heap: &Location, md5: &Md5, object: &[u8]) {
        match heap {
            Location::Folder(folder) => std::fs::write(folder.join(Heap::object_path(md5)), object).unwrap(),
            Location::Remote(store) => {
                store.put(Heap::object_path(md5).as_bytes(), Body::Bytes(object.to_vec()), &Put::default()).unwrap();
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
                    std::fs::read(apart.path().join(Heap::object_path(&stored.md5))).unwrap()
                };
                let md5 = keep(&root, good).md5;
                // A copy of another object, and what another tool would write.
                let theirs = codec::member(other, 1, None, false);
                for damaged in [object(other), theirs, object(other)[..20].to_vec()] {
                    write(&root, &md5, &damaged);
                    assert_eq!(keep(&root, good).md5, md5);
                    let heap = Heap::open(&root).unwrap();
                    let health = heap.inspect(&md5, Some(good.len() as u64)).unwrap();
                    assert!(matches!(health, Health::Good { .. }), "{root}: {} bytes", good.len());
                }
            }
        }
    }
}
