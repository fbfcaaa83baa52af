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

use std::env::ArgsOs;
use std::ffi::OsStr;
use std::process::ExitCode;

/// A tool: takes its arguments, the first of which is its name, and returns its exit status.
pub type Tool = fn(ArgsOs) -> ExitCode;

/// Every tool by its name.
pub const ALL: [(&str, Tool); 14] = [
    ("snap-scan", scan::main),
    ("snap-heapify", heapify::main),
    ("snap-reuse", reuse::main),
    ("snap-merge", merge::main),
    ("snap-write", write::main),
    ("snap-list", list::main),
    ("snap-read", read::main),
    ("snap-diff", diff::main),
    ("snap-restore", restore::main),
    ("snap-cat", cat::main),
    ("snap-verify", verify::main),
    ("snap-forget", forget::main),
    ("snap-gc", gc::main),
    ("snapshooter", snapshooter::main),
];

/// The tool of that name.
pub fn find(name: &OsStr) -> Option<Tool> {
    ALL.iter().find(|(known, _)| name == *known).map(|(_, tool)| *tool)
}
