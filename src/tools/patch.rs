//! `snap-patch`: applies changes to a snapshot or stream.

use crate::cli::args::{NoEnd, Out};
use crate::cli::{self, Console, Identity, Network, Output, SnapRoot};
use crate::error::Error;
use crate::patch::patch;
use anyhow::bail;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Apply changes to a snapshot or stream
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-patch", version)]
pub struct Args {
    /// What to change: latest, latest~N, @TIME, a path, or - for records on standard input
    #[arg(value_name = "BASE")]
    pub base: OsString,
    /// Read the changes from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub changes: Option<PathBuf>,
    #[command(flatten)]
    pub snap: SnapRoot,
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
pub fn work(args: Args, console: Arc<Console>) -> anyhow::Result<()> {
    if args.base == "-" && args.changes.as_deref().is_none_or(|path| path.as_os_str() == "-") {
        bail!(Error::advise("only one input can be standard input", "give a snapshot or a file for the other"));
    }
    let (base, types) = args.snap.open(&args.base, &console)?;
    let changes = cli::records_in(args.changes.as_deref())?;
    let output = Output::new(args.out.output.as_deref())?;
    let records = patch(base.records(), types, changes, console)?;
    Ok(output.write_all(cli::without_end(records, args.no_end.no_end))?)
}
