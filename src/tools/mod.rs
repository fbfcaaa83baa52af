//! Each tool on one screen: its options, its call of the stage, its output. An executable is a `main` that calls one of them.

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
    Tool { name: "snap-scan", command: scan::Args::command, main: scan::main },
    Tool { name: "snap-heapify", command: heapify::Args::command, main: heapify::main },
    Tool { name: "snap-reuse", command: reuse::Args::command, main: reuse::main },
    Tool { name: "snap-merge", command: merge::Args::command, main: merge::main },
    Tool { name: "snap-write", command: write::Args::command, main: write::main },
    Tool { name: "snap-list", command: list::Args::command, main: list::main },
    Tool { name: "snap-read", command: read::Args::command, main: read::main },
    Tool { name: "snap-diff", command: diff::Args::command, main: diff::main },
    Tool { name: "snap-restore", command: restore::Args::command, main: restore::main },
    Tool { name: "snap-cat", command: cat::Args::command, main: cat::main },
    Tool { name: "snap-verify", command: verify::Args::command, main: verify::main },
    Tool { name: "snap-forget", command: forget::Args::command, main: forget::main },
    Tool { name: "snap-gc", command: gc::Args::command, main: gc::main },
    Tool { name: "snapshooter", command: python::args::Snapshooter::command, main: python::main },
];

/// The tool of that name.
pub fn find(name: &OsStr) -> Option<&'static Tool> {
    const { &ALL }.iter().find(|tool| name == tool.name)
}
