//! What all parts of the heap share: paths, limits, and the result of storing a content.

use crate::digest::{Md5, Sha256};
use crate::error::Error;
use crate::work::Work;
use std::io::{self, Read};

/// Contents of up to this many bytes are handled in memory as a whole; larger ones are streamed.
pub const WHOLE_LIMIT: u64 = 2 << 20;

/// The level of compression by default.
pub const LEVEL: i32 = 1;

/// Returns the path of an object below the heap root.
pub fn object_path(md5: &Md5) -> String {
    let hex = md5.to_string();
    format!("{}/{hex}.gz", &hex[..2])
}

/// Returns the message for two contents with the same md5.
pub fn collision(md5: &Md5) -> String {
    format!("another content has the same md5 {md5} and is in the heap; both can't be kept there")
}

/// Reads a file from its start: all of it, but at most `limit` bytes. About `expected` bytes are expected.
pub fn read_up_to(file: &mut impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected.min(limit) as usize + 1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A content that is in the heap, or staged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The md5 of the content.
    pub md5: Md5,
    /// The sha256 of the content.
    pub sha256: Sha256,
    /// The size of the content in bytes.
    pub size: u64,
    /// The size of the object in bytes; None if nothing had to be stored.
    pub stored_size: Option<u64>,
    /// The heap did not have the object, or had a damaged one.
    pub is_new: bool,
}

impl Stored {
    /// Returns the work that it took.
    pub fn work(&self) -> Work {
        Work { read: self.size, stored: self.stored_size.filter(|_| self.is_new).unwrap_or(0), ..Work::default() }
    }
}

/// Why a content was not stored. An error of the source concerns one record, an error of the heap concerns all.
#[derive(Debug)]
pub enum StoreError {
    /// The content can't be read.
    Source(io::Error),
    /// The content can't be stored: another content has the same md5.
    Collision(String),
    /// The heap can't be read or written.
    Heap(Error),
}

impl From<Error> for StoreError {
    fn from(e: Error) -> StoreError {
        StoreError::Heap(e)
    }
}
