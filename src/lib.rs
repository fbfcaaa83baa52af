//! Snapshooter: back up and restore a folder with a pipeline of small filters.

pub mod cli;
pub mod diff;
pub mod error;
pub mod fields;
pub mod merge;
pub mod monitor;
pub mod name;
pub mod parallel;
pub mod record;
pub mod rootdir;
pub mod sort;
pub mod storage;
pub mod stream;
pub mod text;
pub mod time;
