//! What all of a heap shares: the path of an object, limits, and what becomes of a content.

use crate::digest::{Md5, Sha256};
use crate::error::Error;
use std::io::{self, Read};

/// A content up to so many bytes is worked on in memory, whole; larger ones go through piece by piece.
pub const WHOLE_LIMIT: u64 = 2 << 20;

/// How hard contents are compressed, where nobody says it.
pub const LEVEL: i32 = 1;

/// The path of an object below the heap root.
pub fn object_path(md5: &Md5) -> String {
    let hex = md5.to_string();
    format!("{}/{hex}.gz", &hex[..2])
}

/// What is said when two contents have one md5.
pub fn collision(md5: &Md5) -> String {
    format!("another content has the same md5 {md5} and is in the heap; both can't be kept there")
}

/// The bytes of a file from its start, at most `limit`.
pub fn read_up_to(file: &mut impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected.min(limit) as usize + 1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

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
