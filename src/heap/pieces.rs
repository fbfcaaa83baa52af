//! A large content as gzip members, which are compressed in parallel while the next piece is read and hashed.

use super::object::{self, PIECE};
use super::path::{Stored, WHOLE_LIMIT};
use crate::codec;
use crate::digest::{Digests, Md5, Sha256};
use crate::parallel::{self, Job};
use std::convert::Infallible;
use std::io::{self, Cursor, Read};
use std::sync::OnceLock;

/// Stands in the first header until the digest is known.
const NOT_YET: Sha256 = Sha256([0; 32]);

/// A piece of zeros.
static ZEROS: [u8; PIECE] = [0; PIECE];

/// The members of a content, a group at a time.
pub struct Pieces<'a, R> {
    source: &'a mut R,
    level: i32,
    /// The next group of pieces, and the number of its bytes.
    group: (Vec<u8>, usize),
    /// The buffer for the group after that. It starts with a byte that was read already, if this is the first group.
    after: Vec<u8>,
    carried: usize,
    digests: Digests,
    /// The member of a piece of zeros, as in a hole.
    zeros: OnceLock<Vec<u8>>,
    /// The first header has room for the sha256.
    keep_place: bool,
    first: bool,
    claimed: Option<Md5>,
    time: Option<u32>,
    out: Cursor<Vec<u8>>,
    sent: u64,
    failure: Option<io::Error>,
}

impl<'a, R: Read> Pieces<'a, R> {
    /// The content is `head`, which is one byte longer than [`WHOLE_LIMIT`], and then the rest of `source`. With `keep_place` the
    /// first header has room for the sha256, which is written later.
    pub fn new(head: Vec<u8>, source: &'a mut R, level: i32, keep_place: bool) -> Pieces<'a, R> {
        // The limit is a whole number of pieces: the odd byte goes to the next group.
        let mut after = vec![0; WHOLE_LIMIT as usize];
        after[0] = head[WHOLE_LIMIT as usize];
        Pieces {
            source,
            level,
            group: (head, WHOLE_LIMIT as usize),
            after,
            carried: 1,
            digests: Digests::default(),
            zeros: OnceLock::new(),
            keep_place,
            first: true,
            claimed: None,
            time: None,
            out: Cursor::default(),
            sent: 0,
            failure: None,
        }
    }

    /// Makes reading fail at the end if the content does not have this md5.
    pub fn claim(&mut self, md5: Md5) {
        self.claimed = Some(md5);
    }

    /// Sets the time of the first header, if the members are read as one stream.
    pub fn set_time(&mut self, time: u32) {
        self.time = Some(time);
    }

    /// Returns the next members; none at the end. Other threads compress them and compute both digests, while the thread of the
    /// caller does `meanwhile`, as a rule writing the members before these, and then reads the next pieces.
    ///
    /// # Errors
    /// Those of `meanwhile` and of the source.
    pub fn next<E>(&mut self, meanwhile: impl FnOnce() -> Result<(), E>) -> Result<io::Result<Vec<Vec<u8>>>, E> {
        let (group, level, place) = (&self.group.0[..self.group.1], self.level, self.first && self.keep_place);
        if group.is_empty() {
            return meanwhile().map(|()| Ok(Vec::new()));
        }
        let mut members = vec![Vec::new(); group.len().div_ceil(PIECE)];
        // The md5 takes longest and can't be cut, so it begins first.
        let mut jobs: Vec<Job> = self.digests.update_in_two(group).into();
        for (i, (piece, member)) in group.chunks(PIECE).zip(&mut members).enumerate() {
            let field = (place && i == 0).then(|| object::sha256_field(&NOT_YET));
            let zeros = &self.zeros;
            jobs.push(Box::new(move || {
                *member = match field {
                    None if piece == ZEROS => zeros.get_or_init(|| codec::member(piece, level, None, true)).clone(),
                    field => codec::member(piece, level, field, true),
                };
            }));
        }
        let (source, after, carried) = (&mut *self.source, &mut self.after, self.carried);
        let read = parallel::beside(jobs, || meanwhile().map(|()| fill(source, after, carried)))?;
        Ok(read.map(|len| {
            std::mem::swap(&mut self.group.0, &mut self.after);
            self.group.1 = len;
            self.after.resize(WHOLE_LIMIT as usize, 0);
            (self.first, self.carried) = (false, 0);
            members
        }))
    }

    /// Returns the digests and the size of everything that was read.
    pub fn finish(self) -> Stored {
        let (md5, sha256, size) = self.digests.finish();
        Stored { md5, sha256, size, stored_size: None, is_new: false }
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

impl<R: Read> Read for Pieces<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut n = self.out.read(out)?;
        if n == 0 && !out.is_empty() {
            match self.next(|| Ok::<(), Infallible>(())).unwrap_or_else(|never| match never {}) {
                Ok(members) if members.is_empty() => {
                    let md5 = self.digests.clone().finish().0;
                    return match self.claimed.is_none_or(|claimed| claimed == md5) {
                        true => Ok(0),
                        false => Err(io::Error::new(io::ErrorKind::InvalidData, "the content has another md5")),
                    };
                }
                Ok(members) => {
                    let mut members = members.concat();
                    self.time.take().into_iter().for_each(|time| codec::set_time(&mut members, time));
                    self.out = Cursor::new(members);
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

/// Fills a buffer from byte `at` on, as far as the source goes. Returns the number of bytes that are then in it.
fn fill(source: &mut impl Read, buffer: &mut [u8], mut at: usize) -> io::Result<usize> {
    while at < buffer.len() {
        match source.read(&mut buffer[at..]) {
            Ok(0) => break,
            Ok(n) => at += n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(at)
}
