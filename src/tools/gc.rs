//! `snap-gc`: drops the objects that no snapshot refers to.

use crate::cli::args::Gc;
use crate::cli::{self, Console, Outcome, Output, SnapRoot, tidy};
use crate::error::Result;
use crate::storage::Location;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Gc, console: Arc<Console>) -> Result<Outcome> {
    let heap = args.heap.require()?;
    let one = SnapRoot { snap_root: None, snap_storage_options: args.snap_storage_options };
    let roots = match args.snap_root.is_empty() {
        true => vec![one.require()?],
        false => {
            let options = one.options()?;
            args.snap_root.iter().map(|r| Location::parse(r, "--snap-root", &options)).collect::<Result<_>>()?
        }
    };
    tidy::gc(&heap, &roots, &args.how, Output::new(args.out.output.as_deref())?, console)?;
    Ok(Outcome::Done)
}
