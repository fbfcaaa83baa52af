//! Each tool on one screen: its options, its call of the stage, its output. The `main` of an executable runs one of them.

pub mod all;
pub mod cat;
pub mod copy;
pub mod diff;
pub mod forget;
pub mod from_tar;
pub mod gc;
pub mod heapify;
pub mod list;
pub mod log;
pub mod merge;
pub mod patch;
pub mod put;
pub mod read;
pub mod report;
pub mod restore;
pub mod reuse;
pub mod scan;
pub mod to_tar;
pub mod verify;
pub mod write;

pub use crate::cli::run;
pub use mimalloc::MiMalloc;

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

/// Defines the `main` of an executable by an expression, its exit status.
///
/// The executables, unlike the library, choose the allocator: records that one thread reads and another one drops take half the
/// time with mimalloc.
#[macro_export]
macro_rules! executable {
    ($status:expr) => {
        #[global_allocator]
        static ALLOCATOR: $crate::tools::MiMalloc = $crate::tools::MiMalloc;

        fn main() -> std::process::ExitCode {
            $status
        }
    };
}

/// A row of the table for a filter.
macro_rules! tool {
    ($name:literal, $tool:ident) => {
        Tool { name: $name, command: $tool::Args::command, main: |arguments| run(arguments, $tool::work) }
    };
}

/// Every tool.
pub const ALL: [Tool; 21] = [
    tool!("snap-scan", scan),
    tool!("snap-heapify", heapify),
    tool!("snap-reuse", reuse),
    tool!("snap-merge", merge),
    tool!("snap-put", put),
    tool!("snap-write", write),
    tool!("snap-list", list),
    tool!("snap-read", read),
    tool!("snap-log", log),
    tool!("snap-diff", diff),
    tool!("snap-report", report),
    tool!("snap-patch", patch),
    tool!("snap-restore", restore),
    tool!("snap-cat", cat),
    tool!("snap-to-tar", to_tar),
    tool!("snap-from-tar", from_tar),
    tool!("snap-verify", verify),
    tool!("snap-copy", copy),
    tool!("snap-forget", forget),
    tool!("snap-gc", gc),
    Tool { name: "snapshooter", command: python::args::Snapshooter::command, main: python::main },
];

/// Returns the tool of that name.
pub fn find(name: &OsStr) -> Option<&'static Tool> {
    const { &ALL }.iter().find(|tool| name == tool.name)
}
