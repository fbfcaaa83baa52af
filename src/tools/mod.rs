//! Each tool as a function: parses its options, calls the stage, reports. An executable is a `main` that calls one of them.

pub mod cat;
pub mod diff;
pub mod forget;
pub mod gc;
pub mod heapify;
pub mod list;
pub mod merge;
pub mod read;
pub mod restore;
pub mod reuse;
pub mod scan;
pub mod snapshooter;
pub mod verify;
pub mod write;
