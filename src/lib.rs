//! Back up and restore a folder on any storage, as a pipeline of small filters.
//!
//! A *record* is one line of JSON that describes a file, a link or a folder. A *stage* is a function from an iterator of records
//! to an iterator of records. The *heap* keeps each content once, by its md5. A *snapshot* is a file of records. A [`Location`]
//! is a folder of this machine or a place in another storage; every stage accepts both. Each command-line tool is a reader, one
//! stage and a writer; a program can chain the same stages in one process:
//!
//! ```
//! use snapshooter::{
//!     Heap, HeapifyOptions, Location, Monitor, Recorder, RestoreOptions, ScanOptions, StorageOptions, Time,
//!     WriteOptions, choose_snapshot, heapify, open_source, read_snapshot, restore, scan, write,
//! };
//! use std::sync::Arc;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let folder = tempfile::tempdir()?;
//! std::fs::write(folder.path().join("hello.txt"), "hello")?;
//! let root = |text: &str| Location::parse(text.as_ref(), "root", &StorageOptions::default());
//! let files = root(folder.path().to_str().unwrap())?;
//! let (heap_root, snap_root) = (root("memory://example/heap")?, root("memory://example/snap")?);
//! let monitor: Arc<dyn Monitor> = Arc::new(Recorder::default());
//!
//! // Back up: scan the folder, store the contents, publish the records.
//! let heap = Arc::new(Heap::create(&heap_root, 1)?);
//! let records = scan(&files, ScanOptions::default(), monitor.clone())?;
//! let options = HeapifyOptions { heap: Some(heap), ..HeapifyOptions::default() };
//! let records = heapify(records, open_source(&files)?, options, monitor.clone());
//! write(records, &snap_root, Time::now(), WriteOptions::default(), monitor.clone())?;
//!
//! // Restore the latest snapshot to an empty place.
//! let place = choose_snapshot(Some(&snap_root), "latest".as_ref(), &StorageOptions::default(), &mut |_| {})?;
//! let records = read_snapshot(&place, monitor.clone())?;
//! let contents = Arc::new(Heap::open(&heap_root)?);
//! let copy = root("memory://example/copy")?;
//! for record in restore(records, &copy, contents, RestoreOptions::default(), monitor)? {
//!     record?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! The library never prints and never exits: a stage reports to a [`Monitor`], and errors are values. A failure of one file is a
//! record of kind [`Kind::Error`] in the stream. An [`Error`] stops the stage.
//!
//! # The tour
//!
//! - Records: [`Record`], its [`Kind`] and [`Fields`]; [`Name`] and [`Time`]; [`Md5`] and [`Sha256`]
//! - Streams: [`Records`], [`Reader`], [`open_records`], [`write_record`]; [`End`], the end record
//! - Backing up: [`scan()`], [`heapify()`] or [`reuse()`], [`merge()`], [`write()`]
//! - Looking: [`list_snapshots`], [`choose_snapshot`], [`read_snapshot`], [`diff()`], [`cat()`]
//! - Restoring: [`restore()`]
//! - Keeping: [`verify()`], [`plan_forget`], [`gc()`]
//! - Roots: [`Location`], [`Heap`]; [`Keys`] for encrypted ones
//!
//! # Features
//!
//! `cli` (default) has the command-line tools. `azure`, `gcs`, `http`, `rclone`, `s3`, `sftp` and `webdav` (all default) have a
//! storage each; local folders and `memory://` are always there.

// A link to a private item helps readers of the source. In the published pages it is plain text.
#![allow(rustdoc::private_intra_doc_links)]
// Without the tools or all storages, some code is unused.
#![cfg_attr(not(all(feature = "cli", feature = "network")), allow(dead_code, unused_imports))]

// The modules, group by group. Records and their parts:
mod digest;
mod display;
mod error;
mod etag;
mod json;
mod name;
mod record;
mod time;
mod work;

// Streams of records:
mod end;
mod join;
mod monitor;
mod parallel;
mod part;
mod parts;
mod sort;
mod stream;

// Stages, one for each tool:
mod archive;
mod base;
mod cat;
mod copy;
mod diff;
mod filter;
mod forget;
mod gc;
mod heapify;
mod log;
mod merge;
mod patch;
mod put;
mod report;
mod restore;
mod scan;
mod verify;
mod write;

// Storages, folders and their contents:
mod access;
mod cleanup;
mod codec;
mod content;
mod encryption;
mod files;
mod heap;
mod rootdir;
mod snapshot;
mod source;
mod stat;
mod storage;
mod system;

// The command line: the parts that all tools share, the tools, and the Python tool's command line.
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod python;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod tools;

pub use base::{Base, reuse};
pub use cat::cat;
pub use content::{Content, Contents};
pub use diff::{Diff, Options as DiffOptions, Row, Status, diff};
pub use digest::{Md5, Sha256};
pub use encryption::Keys;
pub use end::End;
pub use error::{Error, Malformed, Refusal, Result};
pub use filter::Filter;
pub use forget::{Decision, Grouping, Policy, plan as plan_forget};
pub use gc::{Options as GcOptions, gc};
pub use heap::Heap;
pub use heapify::{Options as HeapifyOptions, heapify};
pub use join::Side;
pub use merge::merge;
pub use monitor::{Monitor, Recorder};
pub use name::Name;
pub use record::{Fields, Kind, Record};
pub use restore::{MaxDelete, Options as RestoreOptions, restore};
pub use scan::{scan, scan_names};
pub use snapshot::{Label, Place, choose as choose_snapshot, list as list_snapshots, read as read_snapshot};
pub use source::{Options as ScanOptions, open as open_source};
pub use storage::{Location, Options as StorageOptions};
pub use stream::{Reader, Records, open as open_records, write as write_record};
pub use time::Time;
pub use verify::{Options as VerifyOptions, verify};
pub use write::{Options as WriteOptions, write};

/// The modules, for the tests and the fuzz targets of this package. Nothing here is stable.
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals {
    macro_rules! rooms {
        ($($room:ident)*) => { $(pub mod $room { pub use crate::$room::*; })* };
    }
    rooms! { codec content diff digest display end error heap json monitor name record restore snapshot sort storage stream time }
}
