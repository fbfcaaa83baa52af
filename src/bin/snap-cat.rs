//! `snap-cat`: prints the contents of the records.

use snapshooter::cat::cat;
use snapshooter::cli::args::Cat;
use snapshooter::cli::{self, Console, Outcome, Output};
use snapshooter::content::Source;
use snapshooter::error::Result;
use snapshooter::heap::Heap;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Cat, console: Arc<Console>) -> Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let heap = Heap::open(&args.heap.require()?)?;
    let source: Source = Arc::new(move |record| heap.content(record));
    let mut output = Output::new(args.output.as_deref())?;
    let failed = cat(input, &source, output.writer(), &*console)?;
    // Half a content is no target for a Makefile; on standard output it has been seen already.
    if failed == 0 || args.output.is_none_or(|path| path.as_os_str() == "-") {
        output.finish()?;
    }
    Ok(Outcome::Done)
}
