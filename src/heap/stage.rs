//! Storing a content: read once, hashed, looked up, and only if it is new compressed into `temp`.

use super::object::{self, Health, PIECE};
use super::temp::{self, TempFile};
use super::{Heap, Staged, WHOLE_LIMIT, collision, read_up_to};
use crate::codec::{self, Digests};
use crate::error::{Error, OrFailed, Result};
use crate::record::{Md5, Sha256};
use rayon::prelude::*;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;

/// A content that is in the heap, or staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// md5 of the content.
    pub md5: Md5,
    /// sha256 of the content.
    pub sha256: Sha256,
    /// Bytes of the content.
    pub size: u64,
    /// Bytes of the object; None where nothing was to be stored.
    pub stored_size: Option<u64>,
}

/// Why a content was not stored. The two are never the same thing: the source concerns one record, the heap concerns all.
#[derive(Debug)]
pub enum StoreError {
    /// The content could not be read.
    Source(io::Error),
    /// The content can't be kept: another one has its md5.
    Collision(String),
    /// The heap could not be read or written.
    Heap(Error),
}

impl From<Error> for StoreError {
    fn from(e: Error) -> StoreError {
        StoreError::Heap(e)
    }
}

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
    /// does not fit is.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub fn store(&self, source: &mut (impl Read + Send), expected: u64, inspect: bool) -> Result<Stored, StoreError> {
        let head = read_up_to(source, WHOLE_LIMIT + 1, expected.min(WHOLE_LIMIT)).map_err(StoreError::Source)?;
        if head.len() as u64 > WHOLE_LIMIT {
            return self.store_large(head, source, inspect);
        }
        let (md5, sha256) = Digests::of(&head);
        let size = head.len() as u64;
        let replace = match self.existing(&md5, sha256, size, inspect)? {
            Existing::Good(stored_size) => return Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) }),
            Existing::None => false,
            Existing::Bad => true,
        };
        let gzip = codec::member(&head, self.level, Some(&object::comment(sha256)), false);
        drop(head);
        let (temp, mut file) = self.temp_file()?;
        let what = || format!("write {}/temp", self.shown);
        file.write_all(&gzip).or_failed(what)?;
        self.staged(md5, Staged { temp, stored_size: gzip.len() as u64, sha256, replace }, &file)?;
        Ok(Stored { md5, sha256, size, stored_size: Some(gzip.len() as u64) })
    }

    /// Stores a content that is too large for memory: in pieces, each a gzip member, compressed side by side while the next
    /// ones are read and hashed. Whether it is new shows only at its end; then the temp is dropped.
    fn store_large(&self, head: Vec<u8>, source: &mut (impl Read + Send), inspect: bool) -> Result<Stored, StoreError> {
        let (temp, mut file) = self.temp_file()?;
        let written = self
            .write_pieces(&mut file, head, source)
            .and_then(|(md5, sha256, size)| Ok((md5, sha256, size, self.existing(&md5, sha256, size, inspect)?)));
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
        let what = || format!("write {}/temp", self.shown);
        let stored_size = file.metadata().or_failed(what)?.len();
        // The digest is known only now; its place in the first header was kept.
        file.write_all_at(object::comment(sha256).as_bytes(), COMMENT_AT).or_failed(what)?;
        self.staged(md5, Staged { temp, stored_size, sha256, replace }, &file)?;
        Ok(Stored { md5, sha256, size, stored_size: Some(stored_size) })
    }

    fn write_pieces(
        &self,
        file: &mut File,
        head: Vec<u8>,
        source: &mut (impl Read + Send),
    ) -> Result<(Md5, Sha256, u64), StoreError> {
        let blank = object::comment(Sha256([0; 32]));
        let level = self.level;
        let mut digests = Digests::default();
        digests.update(&head);
        // The head is one byte longer than its limit, which is a whole number of pieces: the odd byte goes to the next group.
        let mut carry = head[WHOLE_LIMIT as usize..].to_vec();
        let mut group = head;
        group.truncate(WHOLE_LIMIT as usize);
        let mut first = true;
        while !group.is_empty() {
            let compress = || -> Vec<Vec<u8>> {
                let pieces = group.par_chunks(PIECE).enumerate();
                pieces.map(|(i, piece)| codec::member(piece, level, (first && i == 0).then_some(&blank), true)).collect()
            };
            let read = || -> io::Result<(Vec<u8>, Digests)> {
                let mut next = std::mem::take(&mut carry);
                let room = WHOLE_LIMIT - next.len() as u64;
                next.reserve_exact(room as usize);
                let start = next.len();
                source.take(room).read_to_end(&mut next)?;
                let mut digests = digests.clone();
                digests.update(&next[start..]);
                Ok((next, digests))
            };
            let (members, next) = rayon::join(compress, read);
            for member in members {
                file.write_all(&member).or_failed(|| format!("write {}/temp", self.shown))?;
            }
            (group, digests) = next.map_err(StoreError::Source)?;
            first = false;
        }
        Ok(digests.finish())
    }

    /// What the heap has of a content that was just read.
    fn existing(&self, md5: &Md5, sha256: Sha256, size: u64, inspect: bool) -> Result<Existing, StoreError> {
        let known = self.lock().staged.get(md5).map(|s| (s.stored_size, s.sha256));
        if let Some((stored_size, other)) = known {
            return same(md5, sha256, other, stored_size);
        }
        let mut health = if inspect { self.inspect(md5, Some(size))? } else { self.glance(md5, Some(size))? };
        if !inspect && !matches!(health, Health::Missing | Health::Good { sha256: Some(_), .. }) {
            // Another writer's object, or one whose end does not fit: only its content can tell. Its size may be another's.
            health = self.inspect(md5, None)?;
        }
        let existing = match health {
            Health::Missing => Existing::None,
            Health::Bad => Existing::Bad,
            Health::Good { stored_size, sha256: Some(other) } => same(md5, sha256, other, stored_size)?,
            Health::Good { stored_size, sha256: None } => Existing::Good(stored_size),
        };
        match existing {
            Existing::Good(_) if !self.renew(md5)? => Ok(Existing::None),
            existing => Ok(existing),
        }
    }

    /// Notes a finished temp. Where another thread staged the same content meanwhile, that one stays.
    fn staged(&self, md5: Md5, staged: Staged, file: &File) -> Result<(), StoreError> {
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
        let temp = self.lock().temps.next(&self.path, what)?;
        let file = temp::create(&temp, what)?;
        Ok((temp, file))
    }
}

/// Where the comment of a member with our extra field starts: behind ten bytes and the field with its length.
const COMMENT_AT: u64 = 10 + 2 + 12;

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
