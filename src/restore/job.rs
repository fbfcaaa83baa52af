//! The values that all parts of a restore share.

use super::options::Options;
use super::permit::Spared;
use crate::content::{Content, Contents, Lack};
use crate::monitor::{Counted, Monitor};
use crate::record::Record;
use std::sync::Arc;

/// The request of a restore, shared by several threads.
pub struct Job {
    pub contents: Arc<dyn Contents>,
    pub options: Options,
    pub monitor: Arc<dyn Monitor>,
    /// The names that are not deleted although they have no record.
    pub spared: Spared,
    /// Whether the input has rows of `snap-diff`, not records.
    pub is_rows: bool,
}

impl Job {
    /// Returns the content of a record. What is read of a large one is reported to the monitor.
    ///
    /// # Errors
    /// The reason why there is no content for this record.
    pub fn content(&self, record: &Record) -> Result<Content, Lack> {
        Ok(match self.contents.content(record)? {
            Content::Stream(stream) => {
                let monitor = self.monitor.clone();
                Content::Stream(Box::new(Counted::new(stream, move |bytes| monitor.under_way(bytes))))
            }
            whole => whole,
        })
    }
}
