//! `snap-from-tar`: stores the contents of a tar archive and prints its records.

use crate::archive::{FromOptions, from_tar};
use crate::cli::args::{Jobs, Level, NoEnd, Out};
use crate::cli::progress::Report;
use crate::cli::{self, Console, HeapRoot, LASTING_OR_NONE, Network, Output, Recipients, work};
use crate::heap::Heap;
use anyhow::Result;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Store the contents of a tar archive, and print its records
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-from-tar", version)]
pub struct Args {
    /// Read the archive from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Recipients,
    /// Compute md5 only, without storing contents; no heap is needed
    #[arg(short, long)]
    pub no_store: bool,
    /// Decompress and check every existing object, and replace damaged ones
    #[arg(long, conflicts_with = "no_store")]
    pub verify_existing: bool,
    #[command(flatten)]
    pub level: Level,
    #[command(flatten)]
    pub jobs: Jobs,
    #[command(flatten)]
    pub report: Report,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let (from, file) = cli::file_in(args.input.as_deref().unwrap_or(Path::new("-")), "an archive")?;
    let root = if args.no_store { None } else { Some(cli::lasting(args.heap.require()?, LASTING_OR_NONE)?) };
    let jobs = args.jobs.among(&[root.as_ref()]);
    let heap = root.map(|root| Heap::create(&root, args.level.level)).transpose()?.map(Arc::new);
    console.show(&args.report);
    let output = Output::new(args.out.output.as_deref())?;
    let options = FromOptions { heap, verify_existing: args.verify_existing, jobs };
    let records = from_tar(BufReader::with_capacity(1 << 16, file), from, options, console)?;
    Ok(output.write_all(work::worked(cli::without_end(records, args.no_end.no_end)))?)
}
