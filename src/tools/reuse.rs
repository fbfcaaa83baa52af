//! `snap-reuse`: adds the md5 of unchanged files to the records.

use crate::base;
use crate::cli::args::Out;
use crate::cli::{self, Console, FileRoot, Identity, Network, Output, SnapRoot};
use crate::error::Error;
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

/// Add the md5 of unchanged files to the records
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-reuse", version)]
pub struct Args {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub file: FileRoot,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    /// Use the md5 from this snapshot [default: the latest of the snap root]
    #[arg(short, long, value_name = "SNAPSHOT")]
    pub base: Option<OsString>,
    #[command(flatten)]
    pub out: Out,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let input = cli::records_in(args.input.as_deref())?;
    let file_root = args.file.get()?;
    if args.base.is_none() && args.snap.get()?.is_none() {
        bail!(Error::advise("no snapshot to take md5 over from", "give --base SNAPSHOT, or --snap-root ROOT or SNAP_ROOT"));
    }
    let base = args.snap.base(args.base.as_deref(), file_root.as_ref(), &console)?;
    Ok(Output::new(args.out.output.as_deref())?.write_all(base::reuse(input, base))?)
}
