//! `snap-read`: prints the records of a snapshot.

use crate::cli::args::{NoEnd, Out};
use crate::cli::{self, Console, Network, Output, SnapRoot};
use crate::snapshot;
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
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
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
    let records = snapshot::read(&args.snap.choose(&args.snapshot, &console)?, console)?;
    let output = Output::new(args.out.output.as_deref())?;
    Ok(output.write_all(cli::without_end(records, args.no_end.no_end))?)
}
