//! The content of a record on its way out of the heap.

use crate::error::Error;
use crate::record::Record;
use std::io::Read;

/// A content. It is what the record says, or an error says why not.
pub enum Content {
    /// A small one: inflated and verified.
    Whole(Vec<u8>),
    /// A large one: verified at its end, where reading fails with `InvalidData` and the reason as text if it is not right.
    Stream(Box<dyn Read + Send>),
}

/// Why there is no content for a record without md5.
pub const NO_MD5: &str = "the record has no md5; snap-heapify puts it in";

/// Why there is no content.
#[derive(Debug)]
pub enum Lack {
    /// What is wrong with this one, in words.
    Record(String),
    /// What keeps all of them from being read: a login that is refused.
    All(Error),
}

impl From<String> for Lack {
    fn from(reason: String) -> Lack {
        Lack::Record(reason)
    }
}

/// Where contents come from: a heap, or a function.
pub trait Contents: Send + Sync {
    /// The content of a file's record.
    ///
    /// # Errors
    /// Why there is none.
    fn content(&self, record: &Record) -> Result<Content, Lack>;

    /// Looks whether there is one, and reads nothing of it. One that is there may still be damaged.
    ///
    /// # Errors
    /// What [`Contents::content`] would say.
    fn look(&self, record: &Record) -> Result<(), Lack> {
        self.content(record).map(drop)
    }
}

impl<F: Fn(&Record) -> Result<Content, Lack> + Send + Sync> Contents for F {
    fn content(&self, record: &Record) -> Result<Content, Lack> {
        self(record)
    }
}
