//! Snapshooter: back up and restore a folder with a pipeline of small filters.

pub mod cleanup;
pub mod cli;
pub mod codec;
pub mod content;
pub mod error;
pub mod fields;
pub mod heap;
pub mod monitor;
pub mod name;
pub mod record;
pub mod rootdir;
pub mod scan;
pub mod snapshot;
pub mod stat;
pub mod storage;
pub mod stream;
pub mod text;
pub mod time;
