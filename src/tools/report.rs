//! `snap-report`: makes a page about a snapshot, a stream of records, or the rows of a comparison.

use crate::cli::args::Out;
use crate::cli::{self, Console, Identity, Network, Output, SnapRoot};
use crate::monitor::Monitor;
use crate::report::{Options, report};
use crate::snapshot;
use anyhow::Result;
use std::ffi::OsString;
use std::sync::Arc;

/// Make a page about a snapshot or changes
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-report", version)]
pub struct Args {
    /// A snapshot (latest, latest~N, @TIME, a path or a URL), or a file of records or of rows of snap-diff; - is standard input
    #[arg(value_name = "INPUT", default_value = "-")]
    pub input: OsString,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    /// Show the growth over the snapshots of the same folder, too; reads each of them
    #[arg(short, long)]
    pub growth: bool,
    #[command(flatten)]
    pub out: Out,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let mut options = Options { from: None, time: None, growth: None };
    if args.growth {
        options.growth = Some(args.snap.require()?);
    }
    let monitor: Arc<dyn Monitor> = console.clone();
    let (input, _) = if args.input == "-" {
        snapshot::plain(cli::records_in(None)?, &*monitor)?
    } else {
        let place = args.snap.choose(&args.input, &console)?;
        options.from = Some(place.to_string());
        options.time = snapshot::time_of(place.file_name());
        snapshot::any(&place, monitor.clone())?
    };
    let mut output = Output::new(args.out.output.as_deref())?;
    report(input, &options, output.writer(), &monitor)?;
    Ok(output.finish()?)
}
