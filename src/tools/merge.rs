//! `snap-merge`: joins several streams of records into one.

use crate::cli::args::Merge;
use crate::cli::{self, Console, Outcome, Output};
use crate::error::{Error, Result};
use crate::union;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Merge, console: Arc<Console>) -> Result<Outcome> {
    if args.inputs.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        return Err(Error::refused("standard input can be one of the inputs only"));
    }
    let inputs = args.inputs.iter().map(|path| cli::records_in(Some(path))).collect::<Result<_>>()?;
    let records = if args.slices { union::slices(inputs, console)? } else { union::union(inputs, console)? };
    Output::new(args.out.output.as_deref())?.write_all(cli::without_end(records, args.no_end.no_end))?;
    Ok(Outcome::Done)
}
