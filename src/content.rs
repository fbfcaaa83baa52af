//! The content of a record on its way out of the heap.

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

/// Where contents come from: the content of a file's record, or the reason why there is none, in words.
pub type Source = Arc<dyn Fn(&Record) -> Result<Content, String> + Send + Sync>;
