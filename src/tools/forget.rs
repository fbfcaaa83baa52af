//! `snap-forget`: chooses the snapshots to drop, and drops them.

use crate::cli::args::Forget;
use crate::cli::{self, Console, Outcome, Output, tidy};
use crate::error::Result;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Forget, console: Arc<Console>) -> Result<Outcome> {
    let root = args.snap.require()?;
    tidy::forget(&root, &args.how, Output::new(args.out.output.as_deref())?, &*console)?;
    Ok(Outcome::Done)
}
