//! `snap-forget`: chooses the snapshots to drop, and drops them.

use snapshooter::cli::args::Forget;
use snapshooter::cli::{self, Console, Outcome, Output, tidy};
use snapshooter::error::Result;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Forget, console: Arc<Console>) -> Result<Outcome> {
    let root = args.snap.require()?;
    tidy::forget(&root, &args.how, Output::new(args.out.output.as_deref())?, &*console)?;
    Ok(Outcome::Done)
}
