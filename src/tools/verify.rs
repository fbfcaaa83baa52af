//! `snap-verify`: checks that the heap has the content of every record.

use crate::cli::args::Verify;
use crate::cli::{self, Console, Outcome, Output, tidy};
use crate::error::Result;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Verify, console: Arc<Console>) -> Result<Outcome> {
    let records = cli::records_in(args.input.as_deref())?;
    console.progress().show(args.progress);
    tidy::verify(records, &args.heap.require()?, &args.how, Output::new(args.out.output.as_deref())?, console)?;
    Ok(Outcome::Done)
}
