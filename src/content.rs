//! The content of a record on its way out of the heap.

use crate::error::Error;
use crate::record::Record;
use std::io::Read;
use std::sync::Arc;

/// A content. It is what the record says, or an error says why not.
pub enum Content {
    /// A small one: inflated and verified.
    Whole(Vec<u8>),
    /// A large one: verified at its end, where reading fails with `InvalidData` and the reason as text if it is not right.
    Stream(Box<dyn Read + Send>),
}

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

/// Where contents come from: the content of a file's record, or why there is none.
pub type Source = Arc<dyn Fn(&Record) -> Result<Content, Lack> + Send + Sync>;
