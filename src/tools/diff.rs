//! snap-diff: what changed between two snapshots or streams. Exits as diff(1) does.

use crate::cli::args::{NoEnd, Out};
use crate::cli::{Console, Network, Output, SnapRoot, records_in};
use crate::diff::{Options, Printer, Status, Style, sides};
use crate::display::counted;
use crate::error::{Error, Result};
use crate::snapshot::{self, Opened};
use anyhow::bail;
use std::ffi::OsStr;
use std::ffi::OsString;
use std::sync::Arc;

/// Compare two snapshots or streams: older left, newer right
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-diff", version)]
pub struct Args {
    /// The older side: latest, latest~N, @TIME, a path, or - for records on standard input
    #[arg(value_name = "LEFT", default_value = "latest~1")]
    pub left: OsString,
    /// The newer side: latest, latest~N, @TIME, a path, or - for records on standard input
    #[arg(value_name = "RIGHT", default_value = "latest")]
    pub right: OsString,
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
    /// How to show the differences
    #[arg(short, long, value_enum, default_value_t = Style::Jsonl)]
    pub format: Style,
    /// Only count the differences: --format stat
    #[arg(long, conflicts_with = "format")]
    pub stat: bool,
    /// Show only rows with these statuses, separated by commas [default: all but equal]
    #[arg(short, long, value_enum, value_delimiter = ',', value_name = "STATUS")]
    pub status: Vec<Status>,
    /// Compare mode, owner and times too
    #[arg(short, long)]
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
    if args.left == "-" && args.right == "-" {
        bail!(Error::advise("only one side can be standard input", "give a snapshot or a file for the other"));
    }
    let style = if args.stat { Style::Stat } else { args.format };
    let statuses = statuses(&args, style);
    let (left, left_types) = side(&args.snap, &args.left, &console)?;
    let (right, right_types) = side(&args.snap, &args.right, &console)?;
    let options = Options { metadata: args.metadata, statuses: statuses.clone(), types: [left_types, right_types] };

    let mut out = Output::new(args.out.output.as_deref())?;
    let mut rows = sides(left, right, options, console.clone());
    let mut show = Printer::new(style, !args.no_end.no_end);
    for row in rows.by_ref() {
        show.row(out.writer(), row?)?;
    }
    show.finish(out.writer(), &rows, &statuses)?;
    out.finish()?;
    match (rows.errors(), rows.found()) {
        (0, false) => {}
        (0, true) => console.set_negative(),
        (n, _) => bail!(Error::refused(format!("{} failed, so the comparison is not whole", counted(n, "record")))),
    }
    Ok(())
}

/// Returns the records of a side in order, and their types if it is known that some types were left out. Records on standard
/// input can be in any order.
fn side(snap: &SnapRoot, spec: &OsStr, console: &Arc<Console>) -> Result<(Opened, Option<Vec<String>>)> {
    if spec == "-" {
        return snapshot::plain(records_in(None)?, &**console);
    }
    snapshot::any(&snap.choose(spec, console)?, console.clone())
}

/// Returns the statuses to show: those given, or else all but `equal`, which only the counts include.
fn statuses(args: &Args, style: Style) -> Vec<Status> {
    let usual = |status: &Status| style == Style::Stat || *status != Status::Equal;
    Status::ALL.into_iter().filter(|s| if args.status.is_empty() { usual(s) } else { args.status.contains(s) }).collect()
}
