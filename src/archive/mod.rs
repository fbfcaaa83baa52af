//! Tar archives. [`from_tar`] makes records of an archive and stores its contents; [`to_tar`] makes an archive of records and
//! their contents.
//!
//! The crate `tar` reads and writes the header block: its fields, its two forms of numbers, its checksum. The order of the
//! blocks is ours. The crate's own reader splits pax records at line feeds, so a binary attribute or an odd name with a line
//! feed hides the size that follows it. It does not know the sparse files of pax, and it takes an archive that was cut off
//! between two members for a complete one.

mod entry;
mod from;
mod header;
mod inodes;
mod links;
mod member;
mod pax;
mod sparse;
#[cfg(test)]
mod tests;
mod to;

pub use from::{Options as FromOptions, from_tar};
pub use to::to_tar;

/// The bytes of a block. Headers and contents start at a multiple of it.
const BLOCK: usize = 512;

/// Returns the number of bytes up to the end of the last block.
fn padding(size: u64) -> u64 {
    size.next_multiple_of(BLOCK as u64) - size
}
