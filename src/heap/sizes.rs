//! The stored sizes of all objects of a heap, by md5. Those of a large heap are in a temporary file.

use crate::digest::Md5;
use crate::error::{OrFailed, Result, named};
use crate::files::temporaries;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// The number of entries that are kept in memory, 24 bytes each.
const HELD: usize = 1 << 18;
/// The number of bytes of an entry in the file: the md5 and the size.
const ENTRY: usize = 24;
/// The number of entries of a block in the file. The first md5 of each block is in memory.
const BLOCK: usize = 170;

/// The md5 and the stored size of all objects, in order.
pub enum Sizes {
    /// Few of them.
    Held(Vec<(Md5, u64)>),
    /// Many of them.
    Spilled {
        /// The entries.
        file: File,
        /// The first md5 of each block.
        blocks: Vec<Md5>,
        /// The number of entries.
        count: u64,
    },
}

impl Sizes {
    /// Returns the size of an object in bytes; None if there is no such object.
    ///
    /// # Errors
    /// If the temporary file can't be read.
    pub fn size(&self, md5: &Md5) -> Result<Option<u64>> {
        match self {
            Sizes::Held(all) => Ok(all.binary_search_by_key(md5, |(md5, _)| *md5).ok().map(|at| all[at].1)),
            Sizes::Spilled { file, blocks, count } => {
                let Some(block) = blocks.partition_point(|first| first <= md5).checked_sub(1) else { return Ok(None) };
                let start = (block * BLOCK) as u64;
                let len = (*count - start).min(BLOCK as u64) as usize;
                let mut bytes = [0; BLOCK * ENTRY];
                file.read_exact_at(&mut bytes[..len * ENTRY], start * ENTRY as u64).or_failed(temporaries)?;
                let (entries, _) = bytes[..len * ENTRY].as_chunks::<ENTRY>();
                let found = entries.binary_search_by(|entry| entry[..16].cmp(&md5.0));
                let size = |at: usize| entries[at].last_chunk().map(|size| u64::from_le_bytes(*size));
                Ok(found.ok().and_then(size))
            }
        }
    }

    /// Returns the number of objects.
    #[cfg(test)]
    pub fn len(&self) -> u64 {
        match self {
            Sizes::Held(all) => all.len() as u64,
            Sizes::Spilled { count, .. } => *count,
        }
    }
}

fn temporary() -> io::Result<File> {
    tempfile::tempfile().map_err(|e| named(&temporaries(), &e))
}

/// Collects sizes.
#[derive(Default)]
pub struct Builder {
    held: Vec<(Md5, u64)>,
    /// The file, the first md5 of each block, and the number of entries.
    spilled: Option<(BufWriter<File>, Vec<Md5>, u64)>,
    /// The last md5 in the file.
    last: Option<Md5>,
}

impl Builder {
    /// Adds some objects, in any order. All of them come behind those that were added before, but for some that may come again.
    ///
    /// # Errors
    /// If the temporary file can't be written.
    pub fn add(&mut self, mut more: Vec<(Md5, u64)>) -> io::Result<()> {
        more.sort_unstable();
        more.dedup_by_key(|(md5, _)| *md5);
        let last = self.held.last().map(|(md5, _)| *md5).or(self.last);
        let from = last.map_or(0, |last| more.partition_point(|(md5, _)| *md5 <= last));
        let more = &more[from..];
        if self.spilled.is_none() && self.held.len() + more.len() <= HELD {
            if self.held.len() + more.len() > self.held.capacity() {
                // Room for all at once: copies of a growing vector would take as much again.
                self.held.reserve_exact(if self.held.is_empty() { more.len() } else { HELD - self.held.len() });
            }
            self.held.extend_from_slice(more);
            return Ok(());
        }
        let held = std::mem::take(&mut self.held);
        self.spill(&held)?;
        self.spill(more)
    }

    fn spill(&mut self, more: &[(Md5, u64)]) -> io::Result<()> {
        let (file, blocks, count) = match &mut self.spilled {
            Some(spilled) => spilled,
            none => none.insert((BufWriter::with_capacity(1 << 16, temporary()?), Vec::new(), 0)),
        };
        for &(md5, size) in more {
            if count.is_multiple_of(BLOCK as u64) {
                blocks.push(md5);
            }
            file.write_all(&md5.0)?;
            file.write_all(&size.to_le_bytes())?;
            *count += 1;
            self.last = Some(md5);
        }
        Ok(())
    }

    /// Returns all sizes.
    ///
    /// # Errors
    /// If the temporary file can't be written.
    pub fn finish(mut self) -> io::Result<Sizes> {
        match self.spilled {
            None => {
                self.held.shrink_to_fit();
                Ok(Sizes::Held(self.held))
            }
            Some((file, blocks, count)) => Ok(Sizes::Spilled { file: file.into_inner()?, blocks, count }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_sizes_are_found_in_the_file() {
        let md5 = |n: u32| {
            let mut bytes = [7; 16];
            bytes[..4].copy_from_slice(&n.to_be_bytes());
            Md5(bytes)
        };
        for count in [0, 1, HELD as u32, HELD as u32 + 1, 3 * HELD as u32 + 171] {
            let mut sizes = Builder::default();
            // Even numbers only, and each part begins with what the one before ended with.
            for part in 0..count.div_ceil(100_000) {
                let numbers = (part * 100_000).saturating_sub(3)..((part + 1) * 100_000).min(count);
                sizes.add(numbers.rev().map(|n| (md5(2 * n), u64::from(n) % 1000)).collect()).unwrap();
            }
            let sizes = sizes.finish().unwrap();
            assert_eq!((sizes.len(), matches!(sizes, Sizes::Spilled { .. })), (u64::from(count), count > HELD as u32));
            for n in (0..count).step_by(97).chain(count.saturating_sub(3)..count) {
                assert_eq!(sizes.size(&md5(2 * n)).unwrap(), Some(u64::from(n) % 1000));
                assert_eq!(sizes.size(&md5(2 * n + 1)).unwrap(), None);
            }
            assert_eq!(sizes.size(&md5(2 * count)).unwrap(), None);
            assert_eq!(sizes.size(&Md5([0; 16])).unwrap(), None);
        }
    }
}
