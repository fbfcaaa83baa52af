//! `snap-read`: prints the records of a snapshot.

use crate::cli::args::Read;
use crate::cli::{self, Console, Outcome, Output};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::snapshot;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Read, console: Arc<Console>) -> Result<Outcome> {
    let place =
        snapshot::choose(args.snap.get()?.as_ref(), &args.snapshot, &args.snap.options()?, &mut |message| console.warn(message))?;
    let records = snapshot::read(&place, console)?;
    let output = Output::new(args.out.output.as_deref())?;
    output.write_all(cli::without_end(records, args.no_end.no_end))?;
    Ok(Outcome::Done)
}
