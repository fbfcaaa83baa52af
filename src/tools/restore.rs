//! `snap-restore`: makes files as the records say.

use crate::cli::args::Jobs;
use crate::cli::{self, Console, Outcome, Output};
use crate::cli::{FileRoot, HeapRoot, SnapRoot};
use crate::content::{Content, Contents};
use crate::heap::Heap;
use crate::join::Side;
use crate::record::Record;
use crate::restore::MaxDelete;
use crate::restore::{Options, restore};
use crate::storage::Location;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Make files as the records say
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-restore", version)]
pub struct Args {
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

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Args, console: Arc<Console>) -> anyhow::Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let root = args.file.require()?;
    let heap_root = if args.dry_run { args.heap.get()? } else { Some(args.heap.require()?) };
    let contents: Arc<dyn Contents> = match &heap_root {
        Some(heap_root) => Arc::new(Heap::open(heap_root)?),
        // A dry run reads no content, so there need not be a heap; then nothing is said of what it lacks.
        None => Arc::new(|_: &Record| Ok(Content::Whole(Vec::new()))),
    };
    let shows = args.dry_run || args.output.is_some();
    let output = shows.then(|| Output::new(args.output.as_deref())).transpose()?;
    let own = output.iter().flat_map(|output| output.own().paths).map(Location::Folder);
    let options = Options {
        delete: args.delete,
        delete_excluded: args.delete_excluded,
        max_delete: args.max_delete,
        dry_run: args.dry_run,
        checksum: args.checksum,
        owner: args.owner,
        xattrs: args.xattrs,
        side: args.side,
        jobs: args.jobs.among(&[Some(&root), heap_root.as_ref()]),
        report: args.output.is_some(),
        keep: [heap_root.clone(), args.snap.get()?].into_iter().flatten().chain(own).collect(),
    };
    console.progress().show(args.progress);
    let mut records = restore(input, &root, contents, options, console)?;
    match output {
        Some(output) => output.write_all(records)?,
        None => records.try_for_each(|record| record.map(drop))?,
    }
    Ok(Outcome::Done)
}
