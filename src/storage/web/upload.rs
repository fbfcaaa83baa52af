//! Uploads in pieces: how large these are, and several of them on their way at once.

use super::service::Failed;
use crate::storage::runtime::block_on;
use std::io;
use tokio::task::JoinSet;

/// The least bytes of a piece, where there are several.
pub const PIECE: usize = 8 << 20;

/// Pieces of one upload on their way at the same time. Those that still run when it is dropped are stopped.
pub struct Flight<T> {
    most: usize,
    running: JoinSet<Result<T, Failed>>,
    done: Vec<T>,
}

impl<T: Send + 'static> Flight<T> {
    /// With at most this number of them at once.
    pub fn new(most: usize) -> Flight<T> {
        Flight { most, running: JoinSet::new(), done: Vec::new() }
    }

    /// Sends a piece, as soon as not too many are on their way.
    ///
    /// # Errors
    /// That of one that was sent before.
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

    /// Waits for all, and gives what they have given, in no order.
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

/// The most parts that a service takes.
const PARTS: u64 = 10_000;

/// The sizes of parts, in bytes: all the same where the size of all is known, else growing, so that they suffice for 472 GB.
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
