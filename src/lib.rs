//! Snapshooter: back up and restore a folder with a pipeline of small filters.

pub mod base;
pub mod cleanup;
pub mod cli;
pub mod codec;
pub mod content;
pub mod error;
pub mod fields;
pub mod heap;
pub mod heapify;
pub mod monitor;
pub mod name;
pub mod parallel;
pub mod record;
pub mod rootdir;
pub mod scan;
pub mod snapshot;
pub mod sort;
pub mod stat;
pub mod storage;
pub mod stream;
pub mod text;
pub mod time;
pub mod write;
