//! `snap-cat`: prints the contents of the records.

use crate::cat::cat;
use crate::cli::HeapRoot;
use crate::cli::{self, Console, Outcome, Output};
use crate::heap::Heap;
use std::path::PathBuf;
use std::process::ExitCode;
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
    /// Write to FILE, which appears only when the output is complete; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Args, console: Arc<Console>) -> anyhow::Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let heap = Heap::open(&args.heap.require()?)?;
    let mut output = Output::new(args.output.as_deref())?;
    let failed = cat(input, &heap, output.writer(), &*console)?;
    // Half a content is no target for a Makefile; on standard output it has been seen already.
    if failed == 0 || args.output.is_none_or(|path| path.as_os_str() == "-") {
        output.finish()?;
    }
    Ok(Outcome::Done)
}
