//! The options of `snapshooter`: those of the Python tool of that name, and a few more.

#![allow(missing_docs)] // clap shows the text of each option; the groups of options that are flattened in have none of their own.

use crate::cli::args::Order;
use crate::cli::progress::Shown;
use crate::cli::{LogLevel, Roots};
use crate::diff::{Status, Style};
use crate::error::Malformed;
use crate::record::Kind;
use crate::restore::MaxDelete;
use crate::storage::Options;
use crate::tools::{forget, gc, verify};
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Back up and restore a folder: the command line of the Python tool of the same name
#[derive(Parser, Debug)]
#[command(
    name = "snapshooter",
    version,
    args_override_self = true,
    disable_help_subcommand = true,
    after_help = "Options can be placed before or after the command. See snapshooter(1)."
)]
pub struct Snapshooter {
    /// Install completion for SHELL [default: the shell in $SHELL]
    #[arg(long, value_name = "SHELL", num_args = 0..=1, require_equals = true)]
    pub install_completion: Option<Option<Shell>>,
    /// Print the completion script for SHELL [default: the shell in $SHELL]
    #[arg(long, value_name = "SHELL", num_args = 0..=1, require_equals = true)]
    pub show_completion: Option<Option<Shell>>,
    #[command(flatten)]
    pub shown: Shown,
    #[command(subcommand)]
    pub command: Option<Command>,
    #[command(flatten, next_help_heading = "Options of all commands")]
    pub global: Global,
}

/// What all commands share. Each option may be given by the environment variable of its name too.
#[derive(Args, Clone, Debug)]
pub struct Global {
    #[command(flatten)]
    pub roots: Roots,
    /// Keep the list of objects in FILE; its contents are checked [env: HEAP_CACHE_FILE]
    #[arg(long, global = true, value_name = "FILE")]
    pub heap_cache_file: Option<PathBuf>,
    /// Store at most N files at once [env: PARALLEL_COPY_TO_HEAP] [default: 20]
    #[arg(long, global = true, value_name = "N")]
    pub parallel_copy_to_heap: Option<NonZeroUsize>,
    /// Restore at most N files at once [env: PARALLEL_COPY_TO_FILE] [default: 20]
    #[arg(long, global = true, value_name = "N")]
    pub parallel_copy_to_file: Option<NonZeroUsize>,
    /// Has no effect, as one thread deletes: accepted for compatibility with scripts [env: PARALLEL_DELETE_IN_FILE]
    #[arg(long, global = true, value_name = "N")]
    pub parallel_delete_in_file: Option<NonZeroUsize>,
    /// Has no effect, as one thread lists: accepted for compatibility with scripts [env: PARALLEL_LISTING]
    #[arg(long, global = true, value_name = "N")]
    pub parallel_listing: Option<NonZeroUsize>,
    /// Has no effect, as the heap is not listed: accepted for compatibility with scripts [env: PARALLEL_HEAP_LISTING]
    #[arg(long, global = true, value_name = "N")]
    pub parallel_heap_listing: Option<NonZeroUsize>,
    /// How much to print on stderr [env: LOGLEVEL] [default: INFO]
    #[arg(long, global = true, value_enum, ignore_case = true, value_name = "LEVEL")]
    pub loglevel: Option<LogLevel>,
}

/// What to do.
#[derive(Subcommand, Debug)]
pub enum Command {
    MakeSnapshot(Make),
    RestoreSnapshot(Restore),
    ListSnapshots(List),
    CompareSnapshots(Compare),
    ShowSnapshot(Show),
    VerifySnapshot(Verify),
    ForgetSnapshots(Forget),
    CollectGarbage(Collect),
}

/// Save the state of the file root: contents to the heap, a snapshot to the snap root, whose path is printed
#[derive(Args, Clone, Debug, Default)]
pub struct Make {
    /// Save the snapshot (the default)
    #[arg(long, overrides_with = "no_save_snapshot")]
    pub save_snapshot: bool,
    /// Store contents only, and print None
    #[arg(long, overrides_with = "save_snapshot")]
    pub no_save_snapshot: bool,
    /// Store what the heap lacks (the default)
    #[arg(long, overrides_with = "no_download_missing_files")]
    pub download_missing_files: bool,
    /// Has no effect: a snapshot with missing contents could not be restored
    #[arg(long, overrides_with = "download_missing_files")]
    pub no_download_missing_files: bool,
    /// Record these types: f (files), l (links), d (folders); the Python tool restores snapshots of files alone
    #[arg(short = 't', long = "type", value_name = "TYPES", value_delimiter = ',', default_value = "f")]
    pub kinds: Vec<Kind>,
    /// Save the snapshot even if files failed, without those files
    #[arg(short, long)]
    pub partial: bool,
    /// Save a snapshot without records, even if the latest one has some
    #[arg(long)]
    pub allow_empty: bool,
    /// Read the files and print what would be saved; write nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Save the state before a restore: the snapshot is labelled so, and it is not saved if there are no records.
    #[arg(skip)]
    pub before_restore: bool,
}

/// Which snapshot: a path takes precedence over a time, and without either it is the latest.
#[derive(Args, Clone, Debug, Default)]
pub struct Choice {
    /// The snapshot: a path, a URL, latest, latest~N or @TIME
    #[arg(long, value_name = "SNAPSHOT")]
    pub path: Option<OsString>,
    /// The latest snapshot at or before TIME: 2026-11-23T04:49:00, in local time unless it has an offset [default: the latest]
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub latest: Option<String>,
    /// Options of the storage, if the path is a URL.
    #[arg(skip)]
    pub options: Options,
}

/// Restore the file root: restore what changed, delete what is not in the snapshot
#[derive(Args, Clone, Debug, Default)]
pub struct Restore {
    #[command(flatten)]
    pub choice: Choice,
    /// Save the state before, to be able to go back (the default)
    #[arg(long, overrides_with = "no_save_snapshot_before")]
    pub save_snapshot_before: bool,
    /// Do not save the state before; nothing of it goes to the heap either
    #[arg(long, overrides_with = "save_snapshot_before")]
    pub no_save_snapshot_before: bool,
    /// Save the state after (the default)
    #[arg(long, overrides_with = "no_save_snapshot_after")]
    pub save_snapshot_after: bool,
    /// Do not save the state after
    #[arg(long, overrides_with = "save_snapshot_after")]
    pub no_save_snapshot_after: bool,
    /// Delete nothing: keep files that are not in the snapshot
    #[arg(long, conflicts_with = "delete_excluded")]
    pub no_delete: bool,
    /// Delete also what was left out when the snapshot was made
    #[arg(long)]
    pub delete_excluded: bool,
    /// Delete at most N files and links, or P% of the existing ones; if there are more, do nothing
    #[arg(long, value_name = "N|P%", conflicts_with = "no_delete")]
    pub max_delete: Option<MaxDelete>,
    /// Read existing files to check whether they changed, instead of comparing size and time
    #[arg(short, long)]
    pub checksum: bool,
    /// Continue even if the state before can't be saved completely
    #[arg(short, long)]
    pub partial: bool,
    /// Print what would be done, one JSON object per line, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Print the paths of the snapshots
#[derive(Args, Debug)]
pub struct List {
    /// Print at most N paths; a line ... follows if there are more
    #[arg(short, long, value_name = "N", default_value_t = 10)]
    pub limit: usize,
    /// Skip the first N snapshots
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: usize,
    /// Newest first (desc) or oldest first (asc)
    #[arg(long, value_enum, default_value_t = Order::Desc)]
    pub order: Order,
}

/// Compare two snapshots, 1 left and 2 right; each is the latest unless told otherwise
#[derive(Args, Debug)]
pub struct Compare {
    /// The left snapshot: a path, a URL, latest, latest~N or @TIME [default: the latest]
    #[arg(long, value_name = "SNAPSHOT")]
    pub path1: Option<OsString>,
    /// The left snapshot: the latest at or before TIME
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub latest1: Option<String>,
    /// The right snapshot: a path, a URL, latest, latest~N or @TIME [default: the latest]
    #[arg(long, value_name = "SNAPSHOT")]
    pub path2: Option<OsString>,
    /// The right snapshot: the latest at or before TIME
    #[arg(long, value_name = "TIME", value_parser = when)]
    pub latest2: Option<String>,
    /// Show rows of this state only; may be repeated [default: all]
    #[arg(long, value_parser = states(), value_delimiter = ',', value_name = "STATE")]
    pub diff_state: Vec<Status>,
    /// How to show the rows
    #[arg(short, long, value_enum, default_value_t = Format(None))]
    pub format: Format,
    /// Exit with 1 if there are differences
    #[arg(long)]
    pub exit_code: bool,
}

/// How `compare-snapshots` shows rows: as `snap-diff` does, or as a Markdown table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Format(pub Option<Style>);

impl ValueEnum for Format {
    fn value_variants<'a>() -> &'a [Format] {
        use Style::{Jsonl, Names, Stat, Table};
        &[Format(None), Format(Some(Jsonl)), Format(Some(Table)), Format(Some(Names)), Format(Some(Stat))]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let help = "A Markdown table with both sides of every key, as the Python tool has it";
        self.0.map_or_else(|| Some(PossibleValue::new("markdown").help(help)), |style| style.to_possible_value())
    }
}

/// Print the records of a snapshot, one JSON object per line
#[derive(Args, Debug)]
pub struct Show {
    #[command(flatten)]
    pub choice: Choice,
    /// Omit the end record, which tells the next tool that nothing is missing
    #[arg(long)]
    pub no_end: bool,
}

/// Check that the heap has every content of a snapshot; print what is missing or damaged, one JSON object per line
#[derive(Args, Debug)]
pub struct Verify {
    #[command(flatten)]
    pub choice: Choice,
    #[command(flatten)]
    pub how: verify::How,
}

/// Select snapshots to drop by age, and drop them
#[derive(Args, Debug)]
pub struct Forget {
    #[command(flatten)]
    pub how: forget::How,
    /// Print what would be dropped and drop nothing, also with --delete
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Delete objects that no snapshot refers to
#[derive(Args, Debug)]
pub struct Collect {
    /// Another snap root whose snapshots use the heap; repeat it until every such root is named
    #[arg(long, value_name = "ROOT")]
    pub other_snap_root: Vec<OsString>,
    #[command(flatten)]
    pub how: gc::How,
    /// Print what would be dropped and drop nothing, also with --delete
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// Checks that a text is a time in one of the supported forms.
fn when(text: &str) -> Result<String, Malformed> {
    let error = "not a time; times look like 2026-11-23, 2026-11-23T04:49:00 or 2026-11-23T04:49:00Z";
    crate::time::parse_human(text).map(|_| text.to_string()).ok_or_else(|| Malformed::new(error))
}

/// Returns the parser of a state that the Python tool knows.
fn states() -> impl TypedValueParser<Value = Status> {
    let known = Status::OF_CONTENTS.iter().filter_map(ValueEnum::to_possible_value);
    PossibleValuesParser::new(known).try_map(|word| <Status as ValueEnum>::from_str(&word, false))
}
