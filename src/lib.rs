//! Snapshooter: back up and restore a folder with a pipeline of small filters.

pub mod cat;
pub mod cli;
pub mod content;
pub mod error;
pub mod fields;
pub mod monitor;
pub mod name;
pub mod parallel;
pub mod record;
pub mod restore;
pub mod rootdir;
pub mod sort;
pub mod storage;
pub mod stream;
pub mod text;
pub mod time;
