//! The content of a record, read from the heap.

use crate::error::Error;
use crate::record::Record;
use std::io::BufRead;

/// A content that matches its record.
pub enum Content {
    /// A small content, inflated and verified.
    Whole(Vec<u8>),
    /// A large content, verified at its end. If it is damaged, reading fails there with `InvalidData` and the reason as text.
    Stream(Box<dyn BufRead + Send>),
}

/// The reason why a record without md5 has no content.
pub const NO_MD5: &str = "the record has no md5; snap-heapify puts it in";

/// The reason why there is no content.
#[derive(Debug)]
pub enum Lack {
    /// The reason why this content can't be read.
    Record(String),
    /// An error that affects all contents, such as a refused login.
    All(Error),
}

impl From<String> for Lack {
    fn from(reason: String) -> Lack {
        Lack::Record(reason)
    }
}

/// A source of contents: a heap, or a function.
pub trait Contents: Send + Sync {
    /// Returns the content of a file's record.
    ///
    /// # Errors
    /// The reason why there is no content for this record.
    fn content(&self, record: &Record) -> Result<Content, Lack>;

    /// Checks whether the content exists, without reading it. It can still be damaged.
    ///
    /// # Errors
    /// The errors of [`Contents::content`].
    fn look(&self, record: &Record) -> Result<(), Lack> {
        self.content(record).map(drop)
    }
}

impl<F: Fn(&Record) -> Result<Content, Lack> + Send + Sync> Contents for F {
    fn content(&self, record: &Record) -> Result<Content, Lack> {
        self(record)
    }
}
