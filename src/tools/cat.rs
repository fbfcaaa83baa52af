//! `snap-cat`: prints the contents of the records.

use crate::cat::cat;
use crate::cli::args::Cat;
use crate::cli::{self, Console, Outcome, Output};
use crate::error::Result;
use crate::heap::Heap;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Cat, console: Arc<Console>) -> Result<Outcome> {
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
