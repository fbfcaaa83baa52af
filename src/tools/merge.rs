//! `snap-merge`: joins several streams of records into one.

use crate::cli::args::{NoEnd, Out};
use crate::cli::{self, Console, Output};
use crate::merge::{merge, slices};
use crate::stream::Records;
use std::path::PathBuf;
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

/// Returns the records of a file, which is open only while they are read: there may be more inputs than descriptors.
fn opened_later(path: PathBuf) -> Records {
    let records = move || cli::records_in(Some(&path)).unwrap_or_else(|e| Box::new(std::iter::once(Err(e))));
    Box::new(std::iter::once_with(records).flatten())
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> anyhow::Result<()> {
    cli::check_one_stdin(&args.inputs, "inputs")?;
    let inputs = args.inputs.into_iter().map(opened_later).collect();
    let records = if args.slices { slices(inputs, console)? } else { merge(inputs, console)? };
    Ok(Output::new(args.out.output.as_deref())?.write_all(cli::without_end(records, args.no_end.no_end))?)
}
