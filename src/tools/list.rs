//! `snap-list`: lists the snapshots.

use crate::cli::args::{List, Order};
use crate::cli::{self, Console, Outcome, Output};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::snapshot;
use crate::stream::write_error;
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: List, console: Arc<Console>) -> Result<Outcome> {
    let mut found = snapshot::list(&args.snap.require()?)?;
    if args.order == Order::Asc {
        found.reverse();
    }
    let mut output = Output::new(args.out.output.as_deref())?;
    for found in found.iter().skip(args.offset).take(args.limit.unwrap_or(usize::MAX)) {
        let line = match args.json {
            false => found.place.as_given().into_vec(),
            true => match snapshot::describe(found) {
                Ok(line) => line.into_bytes(),
                Err(e) => {
                    console.failure(&crate::name::Name::new(found.place.as_given().into_vec()), &e.to_string());
                    continue;
                }
            },
        };
        output.writer().write_all(&[&line[..], b"\n"].concat()).map_err(write_error)?;
    }
    output.finish()?;
    Ok(Outcome::Done)
}
