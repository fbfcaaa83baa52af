//! `snap-log`: prints the versions of names over all snapshots.

use crate::cli::args::{NoEnd, Out};
use crate::cli::{self, Console, Identity, Network, Output, SnapRoot};
use crate::display::printable;
use crate::error::{Error, Result};
use crate::filter::Filter;
use crate::log::{Options, log};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::snapshot::Choice;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

/// Print the versions of names over all snapshots
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-log", version)]
pub struct Args {
    /// The names, as the records have them
    #[arg(value_name = "NAME", required_unless_present = "globs", conflicts_with = "globs")]
    pub names: Vec<OsString>,
    /// Print all names that match GLOB, a pattern as in .gitignore, and the contents of folders that do; ! in front leaves out; repeatable
    #[arg(help_heading = "Selection", short, long = "glob", value_name = "GLOB")]
    pub globs: Vec<OsString>,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    /// Print a version for a change of mode, owner or other metadata, too
    #[arg(help_heading = "Selection", short, long)]
    pub metadata: bool,
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
    let names = args.names.iter().map(named).collect::<Result<BTreeSet<Name>>>()?;
    let choice = match names.is_empty() {
        true => Choice::Rules(Filter::choosing(&args.globs)?.rules),
        false => Choice::Names(names.clone()),
    };
    let root = args.snap.require()?;
    let output = Output::new(args.out.output.as_deref())?;
    let records = log(&root, Options { choice, metadata: args.metadata }, console.clone())?;
    let mut missing = names;
    let records = match missing.is_empty() {
        true => cli::unless_none(records, console.clone()),
        false => records,
    };
    output.write_all(cli::without_end(records, args.no_end.no_end).inspect(|record| {
        if let Ok(record) = record {
            missing.remove(record.name());
        }
    }))?;
    missing.iter().for_each(|name| console.failure(name, "is in no snapshot"));
    Ok(())
}

fn named(name: &OsString) -> Result<Name> {
    let checked = Name::new(name.as_bytes());
    let shown = || printable(name.as_bytes());
    checked
        .check()
        .map_err(|e| Error::advise(format!("'{}': {e}", shown()), "a name is below the root, as snap-read prints it"))?;
    Ok(checked)
}
