//! `snap-verify`: checks that the heap has the content of every record.

use snapshooter::cli::args::Verify;
use snapshooter::cli::{self, Console, Outcome, Output};
use snapshooter::error::Result;
use snapshooter::heap::Heap;
use snapshooter::verify::{self, Options};
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Verify, console: Arc<Console>) -> Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let heap = Arc::new(Heap::open(&args.heap.require()?)?);
    let options = Options { quick: args.quick, jobs: args.jobs.get() };
    let output = Output::new(args.out.output.as_deref())?;
    output.write_all(verify::verify(input, heap, options, console))?;
    Ok(Outcome::Done)
}
