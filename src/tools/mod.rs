//! Each tool on one screen: its options, its call of the stage, its output. The `main` of an executable runs one of them.

pub mod all;
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
pub mod verify;
pub mod write;

pub use crate::cli::run;

use crate::python;
use clap::{Command, CommandFactory};
use std::env::ArgsOs;
use std::ffi::OsStr;
use std::process::ExitCode;

/// A tool.
pub struct Tool {
    /// The name of its executable.
    pub name: &'static str,
    /// Its options, for completions and for tests of the documents.
    pub command: fn() -> Command,
    /// Takes its arguments, the first of which is its name, and returns its exit status.
    pub main: fn(ArgsOs) -> ExitCode,
}

/// Every tool.
pub const ALL: [Tool; 14] = [
    Tool { name: "snap-scan", command: scan::Args::command, main: |arguments| run(arguments, scan::work) },
    Tool { name: "snap-heapify", command: heapify::Args::command, main: |arguments| run(arguments, heapify::work) },
    Tool { name: "snap-reuse", command: reuse::Args::command, main: |arguments| run(arguments, reuse::work) },
    Tool { name: "snap-merge", command: merge::Args::command, main: |arguments| run(arguments, merge::work) },
    Tool { name: "snap-write", command: write::Args::command, main: |arguments| run(arguments, write::work) },
    Tool { name: "snap-list", command: list::Args::command, main: |arguments| run(arguments, list::work) },
    Tool { name: "snap-read", command: read::Args::command, main: |arguments| run(arguments, read::work) },
    Tool { name: "snap-diff", command: diff::Args::command, main: |arguments| run(arguments, diff::work) },
    Tool { name: "snap-restore", command: restore::Args::command, main: |arguments| run(arguments, restore::work) },
    Tool { name: "snap-cat", command: cat::Args::command, main: |arguments| run(arguments, cat::work) },
    Tool { name: "snap-verify", command: verify::Args::command, main: |arguments| run(arguments, verify::work) },
    Tool { name: "snap-forget", command: forget::Args::command, main: |arguments| run(arguments, forget::work) },
    Tool { name: "snap-gc", command: gc::Args::command, main: |arguments| run(arguments, gc::work) },
    Tool { name: "snapshooter", command: python::args::Snapshooter::command, main: python::main },
];

/// Returns the tool of that name.
pub fn find(name: &OsStr) -> Option<&'static Tool> {
    const { &ALL }.iter().find(|tool| name == tool.name)
}
