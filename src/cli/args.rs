//! The options of every tool, in one place so that `--help`, man pages, completions and tests speak of the same thing.

#![allow(missing_docs)] // clap shows the text of each option; the groups of options that are flattened in have none of their own.

pub use super::args_tidy::{Forget, ForgetHow, Gc, GcHow, GroupBy, Verify, VerifyHow};

use super::roots::{FileRoot, HeapRoot, SnapRoot};
use crate::parallel::MOST_JOBS;
use crate::restore::MaxDelete;
use crate::storage::Location;
use clap::{Args, Parser, ValueEnum};
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Where a tool's records go, and whether they end with an end record.
#[derive(Args, Clone, Debug)]
pub struct Out {
    /// Write to FILE, which appears only when all is written; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// For tools that start a stream.
#[derive(Args, Clone, Debug)]
pub struct NoEnd {
    /// Leave the end record off, which tells the next tool that nothing is missing
    #[arg(long, help_heading = "Output")]
    pub no_end: bool,
}

/// How many files are worked on at once.
#[derive(Args, Clone, Debug)]
pub struct Jobs {
    /// Work on N files at once [default: the number of processors, at least 2]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

impl Jobs {
    /// The number to use where these roots are worked on: as many as the storage that takes most at once likes.
    pub fn among(&self, roots: &[Option<&Location>]) -> usize {
        let remote = |root: &&Location| match root {
            Location::Folder(_) => None,
            Location::Remote(store) => Some(store.jobs()),
        };
        let most = roots.iter().flatten().filter_map(remote).max();
        self.jobs.map_or_else(|| most.unwrap_or(0).max(self.get()), NonZeroUsize::get).min(MOST_JOBS)
    }

    /// The number to use where these roots are worked on by a tool that has no option for it.
    pub fn usual(roots: &[Option<&Location>]) -> usize {
        Jobs { jobs: None }.among(roots)
    }

    /// The number to use.
    pub fn get(&self) -> usize {
        let processors = || std::thread::available_parallelism().map_or(2, NonZeroUsize::get).max(2);
        self.jobs.map_or_else(processors, NonZeroUsize::get).min(MOST_JOBS)
    }
}

/// The types of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TypeLetter {
    /// Regular files
    F,
    /// Symbolic links
    L,
    /// Folders
    D,
}

/// List a folder as records, one a line, in order of name
#[derive(Parser, Debug)]
#[command(name = "snap-scan", version)]
pub struct Scan {
    /// The folder to list, instead of the file root
    #[arg(value_name = "ROOT", conflicts_with = "file_root")]
    pub root: Option<OsString>,
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    /// List these types only, separated by commas: f (files), l (links), d (folders)
    #[arg(
        help_heading = "Selection",
        short,
        long = "type",
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "f,l,d"
    )]
    pub types: Vec<TypeLetter>,
    /// Leave out what matches GLOB, read as git reads a line of .gitignore, a folder with all in it; may be repeated
    #[arg(help_heading = "Selection", short, long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Leave out what matches a line of FILE, read as git reads .gitignore; may be repeated
    #[arg(help_heading = "Selection", long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// List only what matches GLOB, or lies in a folder that does; excludes are stronger; may be repeated
    #[arg(help_heading = "Selection", short, long, value_name = "GLOB")]
    pub include: Vec<OsString>,
    /// Obey files of this NAME in every folder, as git obeys .gitignore; may be repeated, and the last is strongest
    #[arg(help_heading = "Selection", long, value_name = "NAME")]
    pub ignore_file: Vec<OsString>,
    /// List only the names in FILE, one a line, taken literally; - is standard input
    #[arg(help_heading = "Selection", long, value_name = "FILE", conflicts_with_all = ["exclude", "exclude_from", "include", "ignore_file", "one_file_system"])]
    pub files_from: Option<PathBuf>,
    /// Names in --files-from end with NUL, not with a newline
    #[arg(help_heading = "Selection", short = '0', long, requires = "files_from")]
    pub null: bool,
    /// Stay on the file system of the root: record folders where others are mounted, and do not go into them
    #[arg(help_heading = "Selection", short = 'x', long)]
    pub one_file_system: bool,
    /// Record extended attributes and ACLs
    #[arg(long)]
    pub xattrs: bool,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Store contents that the heap lacks, and put md5 into the records
#[derive(Parser, Debug)]
#[command(name = "snap-heapify", version)]
pub struct Heapify {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    /// Take md5 over from this snapshot where nothing changed [default: the latest of the snap root]
    #[arg(short, long, value_name = "SNAPSHOT", conflicts_with = "no_base")]
    pub base: Option<OsString>,
    /// Read every file, whatever an earlier snapshot says of it
    #[arg(long)]
    pub no_base: bool,
    /// Compute md5, store nothing; no heap is needed
    #[arg(short, long)]
    pub no_store: bool,
    /// Inflate and check every object that is there already, and store bad ones anew
    #[arg(long, conflicts_with = "no_store")]
    pub verify_existing: bool,
    /// How hard to compress: 0 (not at all) to 12 (slowest, smallest)
    #[arg(short, long, value_name = "N", default_value_t = crate::heap::LEVEL, value_parser = clap::value_parser!(i32).range(0..=12))]
    pub level: i32,
    /// Read also files whose md5 the storage claims, unless the base knows it
    #[arg(long)]
    pub verify_md5: bool,
    /// Keep the list of objects in FILE, as the Python tool does; what it says is checked
    #[arg(long, value_name = "FILE")]
    pub heap_cache_file: Option<PathBuf>,
    #[command(flatten)]
    pub jobs: Jobs,
    /// Show on stderr how far the work is
    #[arg(long, help_heading = "Output")]
    pub progress: bool,
    #[command(flatten)]
    pub out: Out,
}

/// Put the md5 of unchanged files into the records
#[derive(Parser, Debug)]
#[command(name = "snap-reuse", version)]
pub struct Reuse {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    /// Take md5 over from this snapshot [default: the latest of the snap root]
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub base: Option<OsString>,
    #[command(flatten)]
    pub out: Out,
}

/// Join several streams of records into one, in order
#[derive(Parser, Debug)]
#[command(name = "snap-merge", version)]
pub struct Merge {
    /// Read records from these files; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub inputs: Vec<PathBuf>,
    /// The inputs are parts of one listing, and one of them has its end record
    #[arg(long)]
    pub slices: bool,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Publish a stream of records as a snapshot, whole or not at all
#[derive(Parser, Debug)]
#[command(name = "snap-write", version)]
pub struct Write {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    /// Give the snapshot a tag, for snap-forget and jq; may be repeated
    #[arg(short, long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// The host to name in the snapshot [default: the name of this machine]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Mark the snapshot as the state before a restore: "latest" passes it over
    #[arg(long)]
    pub before_restore: bool,
    /// Publish also when records failed; the snapshot says how many are missing
    #[arg(short, long)]
    pub partial: bool,
    /// Accept a stream without an end record; the snapshot is marked as filtered
    #[arg(long)]
    pub unterminated: bool,
    /// Refuse a stream from which records were left out, unless exclude or include rules of the scan did it
    #[arg(long, conflicts_with = "complete")]
    pub whole: bool,
    /// Say that records left out on the way are meant to be missing: the snapshot is not marked as filtered
    #[arg(long)]
    pub complete: bool,
    /// Publish a snapshot without records, even if the latest one of the same root has some
    #[arg(long)]
    pub allow_empty: bool,
    /// Check the records and the heap, and publish nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// List the snapshots, newest first
#[derive(Parser, Debug)]
#[command(name = "snap-list", version)]
pub struct List {
    #[command(flatten)]
    pub snap: SnapRoot,
    /// List at most N snapshots [default: all]
    #[arg(short, long, value_name = "N")]
    pub limit: Option<usize>,
    /// Pass over the first N snapshots of the list
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: usize,
    /// Newest first (desc) or oldest first (asc)
    #[arg(long, value_enum, default_value_t = Order::Desc)]
    pub order: Order,
    /// Print a JSON object a line: path, time, root, host, tags, counts
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub out: Out,
}

/// The order of a listing of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Newest first
    Desc,
    /// Oldest first
    Asc,
}

/// Print the records of a snapshot
#[derive(Parser, Debug)]
#[command(name = "snap-read", version)]
pub struct Read {
    /// The snapshot: latest, latest~N, @TIME, a path or a URL
    #[arg(value_name = "SNAPSHOT", default_value = "latest")]
    pub snapshot: OsString,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Compare two snapshots or streams: older left, newer right
#[derive(Parser, Debug)]
#[command(name = "snap-diff", version)]
pub struct Diff {
    /// The older side: latest, latest~N, @TIME, a path, or - for records on standard input
    #[arg(value_name = "LEFT", default_value = "latest~1")]
    pub left: OsString,
    /// The newer side: latest, latest~N, @TIME, a path, or - for records on standard input
    #[arg(value_name = "RIGHT", default_value = "latest")]
    pub right: OsString,
    #[command(flatten)]
    pub snap: SnapRoot,
    /// How to show the differences
    #[arg(short, long, value_enum, default_value_t = Format::Jsonl)]
    pub format: Format,
    /// Only count the differences: --format stat
    #[arg(long, conflicts_with = "format")]
    pub stat: bool,
    /// Show these rows only, separated by commas [default: all but equal]
    #[arg(short, long, value_enum, value_delimiter = ',', value_name = "STATUS")]
    pub status: Vec<StatusArg>,
    /// Compare mode, owner and times too
    #[arg(short, long)]
    pub metadata: bool,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// How `snap-diff` shows differences.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Rows for programs, an object a line
    Jsonl,
    /// A table for people
    Table,
    /// The names, each with a sign in front: - + ! =
    Names,
    /// Counts and sizes
    Stat,
}

/// The statuses of rows, in the words of the Python tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum StatusArg {
    /// Only on the left: gone since
    OnlyLeft,
    /// Only on the right: new
    OnlyRight,
    /// On both sides, not the same
    Different,
    /// The same on both sides
    Equal,
}

/// Make files as the records say
#[derive(Parser, Debug)]
#[command(name = "snap-restore", version)]
pub struct Restore {
    /// Read records, or rows of snap-diff, from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    /// Delete what the records do not have
    #[arg(long)]
    pub delete: bool,
    /// With --delete: delete also what was left out when the list was made
    #[arg(long, requires = "delete")]
    pub delete_excluded: bool,
    /// With --delete: delete at most N files and links, or P% of those that are there; if there are more, do nothing
    #[arg(long, value_name = "N|P%", requires = "delete")]
    pub max_delete: Option<MaxDelete>,
    /// Print what would be done and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Read the files that are there to see whether they changed, instead of comparing size and time
    #[arg(short, long)]
    pub checksum: bool,
    /// Bring the owner and group back
    #[arg(long)]
    pub owner: bool,
    /// Bring recorded extended attributes and ACLs back
    #[arg(long)]
    pub xattrs: bool,
    /// Which side of rows of snap-diff to restore
    #[arg(long, value_enum, default_value_t = Side::Right)]
    pub side: Side,
    #[command(flatten)]
    pub jobs: Jobs,
    /// Show on stderr how far the work is
    #[arg(long, help_heading = "Output")]
    pub progress: bool,
    /// Pass the records on to FILE as the files are now; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output", conflicts_with = "dry_run")]
    pub output: Option<PathBuf>,
}

/// A side of a row of `snap-diff`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// The older one
    Left,
    /// The newer one
    Right,
}

/// Print the contents of the records
#[derive(Parser, Debug)]
#[command(name = "snap-cat", version)]
pub struct Cat {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub heap: HeapRoot,
    /// Write to FILE, which appears only when all is written; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}
