//! `snap-restore`: creates and changes files to match the records.

use crate::cli::args::Jobs;
use crate::cli::progress::Report;
use crate::cli::{self, Console, Identity, Output, Roots};
use crate::content::{Content, Contents};
use crate::heap::Heap;
use crate::join::Side;
use crate::record::Record;
use crate::restore::MaxDelete;
use crate::restore::{Options, restore};
use crate::storage::Location;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// Create and change files to match the records
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-restore", version)]
pub struct Args {
    /// Read records, or rows of snap-diff, from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub roots: Roots,
    #[command(flatten)]
    pub keys: Identity,
    /// Delete files, links and folders that have no record
    #[arg(long)]
    pub delete: bool,
    /// With --delete: also delete what was left out when the list was made
    #[arg(long, requires = "delete")]
    pub delete_excluded: bool,
    /// With --delete: delete at most N files and links, or P% of the existing ones; if there are more, do nothing
    #[arg(long, value_name = "N|P%", requires = "delete")]
    pub max_delete: Option<MaxDelete>,
    /// Print what would be done, and do nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Read existing files to check whether they changed, instead of comparing size and time
    #[arg(short, long)]
    pub checksum: bool,
    /// Restore owner and group
    #[arg(long)]
    pub owner: bool,
    /// Restore recorded extended attributes and ACLs
    #[arg(long)]
    pub xattrs: bool,
    /// Which side of rows of snap-diff to restore
    #[arg(long, value_enum, default_value_t = Side::Right)]
    pub side: Side,
    #[command(flatten)]
    pub jobs: Jobs,
    #[command(flatten)]
    pub report: Report,
    /// Write the records of the restored files to FILE; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output", conflicts_with = "dry_run")]
    pub output: Option<PathBuf>,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let input = cli::records_in(args.input.as_deref())?;
    let root = args.roots.file.require()?;
    let heap_root = if args.dry_run { args.roots.heap.get()? } else { Some(args.roots.heap.require()?) };
    let contents: Arc<dyn Contents> = match &heap_root {
        Some(heap_root) => Arc::new(Heap::open(heap_root)?),
        // A dry run reads no content, so it works without a heap. It then does not report missing objects.
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
        keep: [heap_root.clone(), args.roots.snap.get()?].into_iter().flatten().chain(own).collect(),
    };
    console.show(&args.report);
    let mut records = restore(input, &root, contents, options, console)?;
    match output {
        Some(output) => output.write_all(records)?,
        None => records.try_for_each(|record| record.map(drop))?,
    }
    Ok(())
}
