//! `snap-to-tar`: makes a tar archive of records and their contents.

use crate::archive::to_tar;
use crate::cli::args::Jobs;
use crate::cli::progress::Report;
use crate::cli::{self, Console, HeapRoot, Identity, Network, Output};
use crate::error::Error;
use crate::heap::Heap;
use anyhow::{Result, bail};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;

/// Make a tar archive of the records and their contents
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-to-tar", version)]
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
    pub jobs: Jobs,
    #[command(flatten)]
    pub report: Report,
    /// Write to FILE, which appears only when the archive is complete; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let is_file = args.output.as_ref().is_some_and(|path| path.as_os_str() != "-");
    if !is_file && cli::stdout()?.is_terminal() {
        bail!(Error::advise("standard output is a terminal, where an archive is of no use", "give -o FILE, or a pipe"));
    }
    let input = cli::records_in(args.input.as_deref())?;
    let root = args.heap.require()?;
    let heap = Arc::new(Heap::open(&root)?);
    let jobs = args.jobs.among(&[Some(&root)]);
    console.show(&args.report);
    let mut output = Output::new(args.output.as_deref())?;
    let failed = to_tar(input, heap, jobs, output.writer(), console)?;
    // A Makefile must not take an incomplete file for its target. Bytes on standard output can't be taken back.
    if failed == 0 || !is_file {
        output.finish()?;
    }
    Ok(())
}
