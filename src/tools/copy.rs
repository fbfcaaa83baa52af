//! `snap-copy`: copies the contents of the records to another heap.

use crate::cli::args::{Jobs, Out};
use crate::cli::progress::Report;
use crate::cli::{self, Console, HeapRoot, LASTING, Network, Output, Recipients, work};
use crate::copy::{Options, copy};
use crate::error::Error;
use crate::heap::{Heap, LEVEL};
use crate::storage::{self, Location};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Copy the contents of the records to another heap
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-copy", version)]
pub struct Args {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub heap: HeapRoot,
    /// The heap root to copy to: a path or a URL
    #[arg(long, value_name = "ROOT", help_heading = "Roots")]
    pub to_heap_root: OsString,
    /// Options for the storage of the heap root to copy to: a JSON object with fsspec's names, or @FILE
    #[arg(long, value_name = "JSON", help_heading = "Roots", hide_short_help = true)]
    pub to_heap_storage_options: Option<OsString>,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Recipients,
    #[command(flatten)]
    pub jobs: Jobs,
    #[command(flatten)]
    pub report: Report,
    #[command(flatten)]
    pub out: Out,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let input = cli::records_in(args.input.as_deref())?;
    let from = args.heap.require()?;
    let json = args.to_heap_storage_options.as_deref();
    let options = json.map(|json| storage::Options::parse(json, "--to-heap-storage-options")).transpose()?.unwrap_or_default();
    let to = cli::lasting(Location::parse(&args.to_heap_root, "--to-heap-root", &options)?, LASTING)?;
    if from.is_called(&to.identity()) {
        bail!(Error::refused(format!("--to-heap-root: {to} is the heap root to copy from")));
    }
    let jobs = args.jobs.among(&[Some(&from), Some(&to)]);
    // Nothing is made there if there is nothing to copy from.
    let from = Arc::new(Heap::open(&from)?);
    // The objects are not compressed again, so the level does not matter.
    let to = Arc::new(Heap::create(&to, LEVEL)?);
    console.show(&args.report);
    let output = Output::new(args.out.output.as_deref())?;
    Ok(output.write_all(work::worked(copy(input, Options { from, to, jobs }, console)))?)
}
