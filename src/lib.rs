//! Snapshooter: back up and restore a folder with a pipeline of small filters.
//!
//! The map. A stage is a function from an iterator of records to an iterator of records; a tool is reader, stage, writer. The
//! library never prints and never exits: it tells a [`monitor::Monitor`], and errors are values.
//!
//! Records and streams:
//! - [`record`] a record: known fields typed, the rest kept as it came; [`fields`] from JSON keys to the typed fields
//! - [`name`] the name of a record and the order of names; [`time`] nanoseconds, Python's doubles, RFC 3339; [`text`] JSON text
//! - [`stream`] reading and writing lines; [`end`] the end record, and whether a stream is what was listed; [`sort`] order in bounded memory
//! - [`parallel`] many items at once, results in order
//! - [`error`] what can stop a tool; [`monitor`] what a stage tells while it works
//!
//! Stages, one per tool:
//! - [`scan`] a root into records; [`source`] what can be backed up; [`filter`] what a scan is to leave out; [`stat`] from what
//!   the file system says to a record
//! - [`heapify`] contents into the heap, md5 into the records; [`base`] md5 taken over from an earlier snapshot, also alone;
//!   [`mod@union`] several streams as one
//! - [`mod@write`] a stream into a snapshot
//! - [`diff`] what two streams differ in; [`merge`] two streams in lock step
//! - [`restore`] records into a folder; [`cat`] contents to a writer
//! - [`verify`] is the heap what the records say; [`forget`] snapshots to drop; [`gc`] objects that nothing refers to
//!
//! What lies on disk:
//! - [`heap`] contents by md5; [`content`] a content on its way out; [`codec`] gzip and digests
//! - [`snapshot`] naming, choosing, reading and publishing
//! - [`files`] a file in one step; [`access`] who may read what roots hold
//! - [`storage`] where roots lie: folders, and what stores can do; [`rootdir`] a folder that nothing gets out of; [`cleanup`] temporary files and signals
//!
//! And [`cli`]: options, messages, exit statuses, input and output; [`commands`] the stages chained in one process, as the
//! commands of the Python tool; [`tools`] each tool: options, stage, output.

pub mod access;
pub mod base;
pub mod cat;
pub mod cleanup;
pub mod cli;
pub mod codec;
pub mod commands;
pub mod content;
pub mod diff;
pub mod end;
pub mod error;
pub mod etag;
pub mod fields;
pub mod files;
pub mod filter;
pub mod forget;
pub mod gc;
pub mod heap;
pub mod heapify;
pub mod merge;
pub mod monitor;
pub mod name;
pub mod parallel;
pub mod record;
pub mod restore;
pub mod rootdir;
pub mod scan;
pub mod snapshot;
pub mod sort;
pub mod source;
pub mod stat;
pub mod storage;
pub mod stream;
pub mod text;
pub mod time;
pub mod tools;
pub mod union;
pub mod verify;
pub mod write;
