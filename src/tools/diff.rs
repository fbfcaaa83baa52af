//! snap-diff: what changed between two snapshots or streams. Exits as diff(1) does.

use crate::cli::args::{NoEnd, Out};
use crate::cli::color::Color;
use crate::cli::{Console, Identity, Network, Output, SnapRoot};
use crate::diff::{Key, Options, Printer, Row, Status, Style, moves, sides};
use crate::display::counted;
use crate::error::{Error, Result};
use anyhow::bail;
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
    #[command(flatten)]
    pub keys: Identity,
    /// How to show the differences
    #[arg(short, long, value_enum, default_value_t = Style::Jsonl)]
    pub format: Style,
    /// Only count the differences: --format stat
    #[arg(long, conflicts_with = "format")]
    pub stat: bool,
    /// Show only rows with these statuses, separated by commas [default: all but equal]
    #[arg(short, long, value_enum, value_delimiter = ',', value_name = "STATUS")]
    pub status: Vec<Status>,
    /// Compare all metadata that a restore uses, too: mode, owner, time, attributes, hard links
    #[arg(short, long)]
    pub metadata: bool,
    /// Compare files by these keys, as far as both sides have them, instead of by their contents; separated by commas
    #[arg(long, value_enum, value_delimiter = ',', value_name = "KEYS")]
    pub by: Vec<Key>,
    /// Find files that have another name now, by their contents
    #[arg(long, conflicts_with = "stat")]
    pub moves: bool,
    #[command(flatten)]
    pub color: Color,
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
    let (left, left_types) = args.snap.open(&args.left, &console)?;
    let (right, right_types) = args.snap.open(&args.right, &console)?;
    let options = Options {
        metadata: args.metadata,
        by: args.by.clone(),
        one_root: left.root().is_some() && left.root() == right.root(),
        statuses: statuses.clone(),
        types: [left_types, right_types],
    };

    let mut out = Output::new(args.out.output.as_deref())?;
    let mut rows = sides(left, right, options, console.clone());
    let mut show = Printer::new(style, !args.no_end.no_end).colored(args.color.is_wanted(&out));
    let shown: Box<dyn Iterator<Item = Result<Row>>> =
        if args.moves { Box::new(moves(rows.by_ref())?) } else { Box::new(rows.by_ref()) };
    for row in shown {
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

/// Returns the statuses to show: those given, or else all but `equal`, which only the counts include.
fn statuses(args: &Args, style: Style) -> Vec<Status> {
    let usual = |status: &Status| match status {
        Status::Equal => style == Style::Stat,
        Status::Unsure => !args.by.is_empty(),
        _ => true,
    };
    Status::ALL.into_iter().filter(|s| if args.status.is_empty() { usual(s) } else { args.status.contains(s) }).collect()
}
