//! `snap-reuse`: puts the md5 of unchanged files into the records.

use crate::base;
use crate::cli::args::Reuse;
use crate::cli::{self, Console, Outcome, Output};
use crate::error::{Error, Result};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Reuse, console: Arc<Console>) -> Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let file_root = args.file.get()?;
    if args.base.is_none() && args.snap.get()?.is_none() {
        return Err(Error::advise("no snapshot to take md5 over from", "give --base SNAPSHOT, or --snap-root ROOT or SNAP_ROOT"));
    }
    let base = cli::base(args.base.as_deref(), &args.snap, file_root.as_ref(), &console)?;
    Output::new(args.out.output.as_deref())?.write_all(base::reuse(input, base))?;
    Ok(Outcome::Done)
}
