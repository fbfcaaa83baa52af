//! `snap-merge`: joins several streams of records into one.

use crate::cli::args::{NoEnd, Out};
use crate::cli::{self, Console, Outcome, Output};
use crate::error::{Error, Result};
use crate::merge::{merge, slices};
use anyhow::bail;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// Join several streams of records into one, in order
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-merge", version)]
pub struct Args {
    /// Read records from these files; - is standard input
    #[arg(value_name = "FILE", required = true)]
    pub inputs: Vec<PathBuf>,
    /// The inputs are parts of one listing, and one of them has its end record
    #[arg(long)]
    pub slices: bool,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Args, console: Arc<Console>) -> anyhow::Result<Outcome> {
    if args.inputs.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
        bail!(Error::refused("standard input can be one of the inputs only"));
    }
    let inputs = args.inputs.iter().map(|path| cli::records_in(Some(path))).collect::<Result<_>>()?;
    let records = if args.slices { slices(inputs, console)? } else { merge(inputs, console)? };
    Output::new(args.out.output.as_deref())?.write_all(cli::without_end(records, args.no_end.no_end))?;
    Ok(Outcome::Done)
}
