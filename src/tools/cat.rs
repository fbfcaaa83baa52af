//! `snap-cat`: prints the contents of the records.

use crate::cat::cat;
use crate::cli::{self, Console, HeapRoot, Identity, Network, Output};
use crate::heap::Heap;
use anyhow::Result;
use std::path::PathBuf;
use std::sync::Arc;

/// Print the contents of the records
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-cat", version)]
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
    /// Write to FILE, which appears only when the output is complete; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let input = cli::records_in(args.input.as_deref())?;
    let heap = Heap::open(&args.heap.require()?)?;
    let mut output = Output::new(args.output.as_deref())?;
    let failed = cat(input, &heap, output.writer(), &*console)?;
    // A Makefile must not take an incomplete file for its target. Bytes on standard output can't be taken back.
    if failed == 0 || args.output.is_none_or(|path| path.as_os_str() == "-") {
        output.finish()?;
    }
    Ok(())
}
