//! `snap-read`: prints the records of a snapshot.

use crate::cli::args::{NoEnd, Out};
use crate::cli::part::{self, PartArgs};
use crate::cli::{self, Console, Identity, Network, Output, SnapRoot};
use crate::filter::Filter;
use crate::snapshot::{self, Choice};
use anyhow::Result;
use std::ffi::OsString;
use std::sync::Arc;

/// Print the records of a snapshot
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-read", version)]
pub struct Args {
    /// The snapshot: latest, latest~N, @TIME, a path or a URL
    #[arg(value_name = "SNAPSHOT", default_value = "latest")]
    pub snapshot: OsString,
    /// Print only names that match GLOB, a pattern as in .gitignore, and the contents of folders that do; ! in front leaves out
    #[arg(value_name = "GLOB", last = true, conflicts_with = "part")]
    pub patterns: Vec<OsString>,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub part: PartArgs,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let place = args.snap.choose(&args.snapshot, &console)?;
    let output = Output::new(args.out.output.as_deref())?;
    if let Some(parts) = args.part.split {
        return Ok(part::print_ranges(snapshot::read(&place, console)?, parts, output)?);
    }
    let records = match args.part.part() {
        Some(part) => snapshot::chosen(&place, Arc::new(Choice::Part(part)), console)?,
        None if args.patterns.is_empty() => snapshot::read(&place, console)?,
        None => {
            let choice = Choice::Rules(Filter::choosing(&args.patterns)?.rules);
            cli::unless_none(snapshot::chosen(&place, Arc::new(choice), console.clone())?, console)
        }
    };
    Ok(output.write_all(cli::without_end(records, args.no_end.no_end))?)
}
