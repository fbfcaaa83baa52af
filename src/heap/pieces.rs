//! A large content as gzip members, which are compressed in parallel while the next piece is read and hashed.

use super::object::{self, PIECE};
use super::path::{Stored, WHOLE_LIMIT};
use crate::codec;
use crate::digest::{Digests, Md5, Sha256};
use crate::parallel;
use std::io::{self, Cursor, Read};

/// Stands in the first header until the digest is known.
const NOT_YET: Sha256 = Sha256([0; 32]);

/// The members of a content, a group at a time.
pub struct Pieces<'a, R> {
    source: &'a mut R,
    level: i32,
    /// The next group of pieces, and what was read after it.
    group: Vec<u8>,
    carry: Vec<u8>,
    digests: Digests,
    /// The first header has room for the sha256.
    keep_place: bool,
    first: bool,
    claimed: Option<Md5>,
    out: Cursor<Vec<u8>>,
    sent: u64,
    failure: Option<io::Error>,
}

impl<'a, R: Read + Send> Pieces<'a, R> {
    /// The content is `head`, which is one byte longer than [`WHOLE_LIMIT`], and then the rest of `source`. With `keep_place` the
    /// first header has room for the sha256, which is written later.
    pub fn new(head: Vec<u8>, source: &'a mut R, level: i32, keep_place: bool) -> Pieces<'a, R> {
        let mut digests = Digests::default();
        digests.update(&head);
        // The limit is a whole number of pieces: the odd byte goes to the next group.
        let carry = head[WHOLE_LIMIT as usize..].to_vec();
        let mut group = head;
        group.truncate(WHOLE_LIMIT as usize);
        Pieces {
            source,
            level,
            group,
            carry,
            digests,
            keep_place,
            first: true,
            claimed: None,
            out: Cursor::default(),
            sent: 0,
            failure: None,
        }
    }

    /// Makes reading fail at the end if the content does not have this md5.
    pub fn claim(&mut self, md5: Md5) {
        self.claimed = Some(md5);
    }

    /// Returns the next members; none at the end.
    ///
    /// # Errors
    /// Those of the source.
    pub fn next(&mut self) -> io::Result<Vec<Vec<u8>>> {
        if self.group.is_empty() {
            return Ok(Vec::new());
        }
        let (group, level, place) = (&self.group, self.level, self.first && self.keep_place);
        let (source, carry, digests) = (&mut *self.source, &mut self.carry, &self.digests);
        let compress = || -> Vec<Vec<u8>> {
            let pieces: Vec<&[u8]> = group.chunks(PIECE).collect();
            let field = |i: usize| (place && i == 0).then(|| object::sha256_field(&NOT_YET));
            parallel::map(&pieces, |i, piece| codec::member(piece, level, field(i), true))
        };
        let read = || -> io::Result<(Vec<u8>, Digests)> {
            let mut next = std::mem::take(carry);
            let room = WHOLE_LIMIT - next.len() as u64;
            next.reserve_exact(room as usize);
            let start = next.len();
            source.take(room).read_to_end(&mut next)?;
            let mut digests = digests.clone();
            digests.update(&next[start..]);
            Ok((next, digests))
        };
        let (members, next) = parallel::both(compress, read);
        (self.group, self.digests) = next?;
        self.first = false;
        Ok(members)
    }

    /// Returns the digests and the size of everything that was read.
    pub fn finish(self) -> Stored {
        let (md5, sha256, size) = self.digests.finish();
        Stored { md5, sha256, size, stored_size: None }
    }

    /// Returns the bytes of the members that were read.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns the error of the source, if it failed.
    pub fn take_failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }
}

impl<R: Read + Send> Read for Pieces<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut n = self.out.read(out)?;
        if n == 0 && !out.is_empty() {
            match self.next() {
                Ok(members) if members.is_empty() => {
                    let md5 = self.digests.clone().finish().0;
                    return match self.claimed.is_none_or(|claimed| claimed == md5) {
                        true => Ok(0),
                        false => Err(io::Error::new(io::ErrorKind::InvalidData, "the content has another md5")),
                    };
                }
                Ok(members) => {
                    self.out = Cursor::new(members.concat());
                    n = self.out.read(out)?;
                }
                Err(e) => {
                    let again = io::Error::new(e.kind(), crate::error::reason(&e));
                    self.failure = Some(e);
                    return Err(again);
                }
            }
        }
        self.sent += n as u64;
        Ok(n)
    }
}
