//! What all parts of a restore share.

use super::options::Options;
use super::permit::Spared;
use crate::content::Contents;
use crate::monitor::Monitor;
use std::sync::Arc;

/// What a restore was asked for. Several threads share it.
pub struct Job {
    pub contents: Arc<dyn Contents>,
    pub options: Options,
    pub monitor: Arc<dyn Monitor>,
    /// What is not deleted although no record has it.
    pub spared: Spared,
    /// The input has rows of `snap-diff`, not records.
    pub is_rows: bool,
}
