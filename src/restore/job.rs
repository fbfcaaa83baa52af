//! The values that all parts of a restore share.

use super::options::Options;
use super::permit::Spared;
use crate::content::Contents;
use crate::monitor::Monitor;
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
