//! Uploads in pieces: their sizes, reading them, and sending several at once.

use super::service::Failed;
use crate::digest::Md5;
use crate::storage::intake::Intake;
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Put};
use std::collections::VecDeque;
use std::io;
use tokio::task::JoinSet;

/// The smallest size of a piece in bytes, if there are several.
pub const PIECE: usize = 8 << 20;

/// Requests of one upload that run at the same time. Dropping it stops those that still run.
pub struct Flight<T> {
    most: usize,
    running: JoinSet<Result<T, Failed>>,
    done: Vec<T>,
}

impl<T: Send + 'static> Flight<T> {
    /// Returns a flight of at most this number of requests at once.
    pub fn new(most: usize) -> Flight<T> {
        Flight { most, running: JoinSet::new(), done: Vec::new() }
    }

    /// Starts a request as soon as not too many are running.
    ///
    /// # Errors
    /// That of an earlier request.
    pub fn send(&mut self, piece: impl Future<Output = Result<T, Failed>> + Send + 'static) -> Result<(), Failed> {
        block_on(async {
            while self.running.len() >= self.most {
                self.land().await?;
            }
            self.running.spawn(piece);
            Ok(())
        })?
    }

    async fn land(&mut self) -> Result<bool, Failed> {
        let Some(landed) = self.running.join_next().await else { return Ok(false) };
        self.done.push(landed.map_err(io::Error::other)??);
        Ok(true)
    }

    /// Waits for all requests, and returns their results in no order.
    ///
    /// # Errors
    /// That of one of them.
    pub fn all(&mut self) -> Result<Vec<T>, Failed> {
        block_on(async {
            while self.land().await? {}
            Ok::<_, Failed>(())
        })??;
        Ok(std::mem::take(&mut self.done))
    }
}

/// A body that is read in pieces. Two of them are read ahead, because a body of one piece is sent in another way.
pub struct Pieces<'a, 'h> {
    intake: Intake<'a>,
    how: &'h Put,
    sizes: Box<dyn Iterator<Item = usize> + 'h>,
    ahead: VecDeque<Vec<u8>>,
}

impl<'a, 'h> Pieces<'a, 'h> {
    /// Reads the first two pieces. `sizes` are the sizes of all pieces in bytes; only the last piece can be shorter.
    ///
    /// # Errors
    /// If the body can't be read.
    pub fn new(body: Body<'a>, how: &'h Put, sizes: impl Iterator<Item = usize> + 'h) -> io::Result<Pieces<'a, 'h>> {
        let mut pieces = Pieces { intake: Intake::new(body), how, sizes: Box::new(sizes), ahead: VecDeque::new() };
        pieces.ahead = [pieces.read()?, pieces.read()?].into();
        Ok(pieces)
    }

    fn read(&mut self) -> io::Result<Vec<u8>> {
        let too_long = || io::Error::new(io::ErrorKind::FileTooLarge, "too long for this storage");
        self.intake.next(self.sizes.next().ok_or_else(too_long)?)
    }

    /// Whether the body is empty.
    pub fn is_empty(&self) -> bool {
        self.ahead.iter().all(Vec::is_empty)
    }

    /// Returns the whole body with its md5 and its size in bytes if it is a single piece, else None.
    ///
    /// # Errors
    /// `InvalidData` if the body does not have the announced size or md5.
    pub fn single(&mut self) -> io::Result<Option<(Vec<u8>, Md5, u64)>> {
        if self.ahead.back().is_some_and(|second| !second.is_empty()) {
            return Ok(None);
        }
        let (md5, size) = self.check()?;
        Ok(self.ahead.pop_front().map(|body| (body, md5, size)))
    }

    /// Returns the next piece, or None after the last one.
    ///
    /// # Errors
    /// If the body can't be read, or is longer than announced.
    pub fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        let piece = self.ahead.pop_front().map_or_else(|| self.read(), Ok)?;
        if piece.is_empty() {
            return Ok(None);
        }
        self.intake.check_so_far(self.how)?;
        Ok(Some(piece))
    }

    /// Returns the md5 and the size in bytes of the bytes that were read. All bytes must have been read.
    ///
    /// # Errors
    /// `InvalidData` if the body does not have the announced size or md5.
    pub fn check(&self) -> io::Result<(Md5, u64)> {
        self.intake.check(self.how)
    }
}

/// The maximum number of parts that a service accepts.
const PARTS: u64 = 10_000;

/// Returns the sizes of the parts in bytes: equal if the size of the whole is known, else growing, which suffices for 472 GB.
pub fn part_sizes(size: Option<u64>) -> Box<dyn Iterator<Item = usize>> {
    const MIB: u64 = 1 << 20;
    match size {
        Some(size) => {
            let each = size.div_ceil(PARTS).next_multiple_of(MIB).max(PIECE as u64);
            let each = usize::try_from(each).unwrap_or(usize::MAX);
            Box::new(std::iter::repeat_n(each, PARTS as usize))
        }
        None => Box::new((0..PARTS).map(|n| match n {
            0..1000 => PIECE,
            1000..2000 => 2 * PIECE,
            2000..4000 => 4 * PIECE,
            _ => 8 * PIECE,
        })),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_suffice_for_what_is_to_be_sent() {
        for size in [0, 1, 8 << 20, 80 << 30, 1 << 40, 5 << 40] {
            let sizes: Vec<_> = part_sizes(Some(size)).collect();
            assert!(sizes.iter().map(|s| *s as u64).sum::<u64>() >= size && sizes.len() <= 10_000);
            assert!(sizes.iter().all(|s| *s == sizes[0] && *s >= PIECE && *s <= 5 << 30));
        }
        assert_eq!(part_sizes(Some(80 << 30)).next(), Some(9 << 20));
        assert!(part_sizes(None).map(|s| s as u64).sum::<u64>() > 470_000_000_000);
        assert_eq!((part_sizes(None).next(), part_sizes(None).count()), (Some(PIECE), 10_000));
    }
}
