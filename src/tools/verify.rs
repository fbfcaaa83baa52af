//! `snap-verify`: checks that the heap has the content of every record.

use crate::cli::args::{Jobs, Out};
use crate::cli::progress::Report;
use crate::cli::{self, Console, HeapRoot, Identity, Network, Output};
use crate::error::Result;
use crate::heap::Heap;
use crate::monitor::Monitor;
use crate::storage::Location;
use crate::stream::Records;
use crate::verify as stage;
use std::path::PathBuf;
use std::sync::Arc;

/// Check that the heap has the content of every record
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-verify", version)]
pub struct Args {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub report: Report,
    #[command(flatten)]
    pub out: Out,
}

/// How to verify.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct How {
    /// Check only that objects exist and have the right size, without reading them
    #[arg(short, long)]
    pub quick: bool,
    /// Compute the md5 of each content too, even if its record has a sha256
    #[arg(long, conflicts_with = "quick")]
    pub both: bool,
    #[command(flatten)]
    pub jobs: Jobs,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> anyhow::Result<()> {
    let records = cli::records_in(args.input.as_deref())?;
    console.show(&args.report);
    Ok(verify(records, &args.heap.require()?, &args.how, Output::new(args.out.output.as_deref())?, console)?)
}

/// Checks contents, and prints a record for each that is missing or damaged.
///
/// # Errors
/// If the heap or the records can't be read.
pub fn verify(records: Records, heap: &Location, how: &How, output: Output, monitor: Arc<dyn Monitor>) -> Result<()> {
    let options = stage::Options { quick: how.quick, both: how.both, jobs: how.jobs.among(&[Some(heap)]) };
    let heap = Arc::new(Heap::open(heap)?);
    output.write_all(stage::verify(records, heap, options, monitor))
}
