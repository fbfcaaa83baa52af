//! snap-diff: what changed between two snapshots or streams. Exits as diff(1) does.

use crate::cli::args::{self, Format, StatusArg};
use crate::cli::{Console, Outcome, Output, SnapRoot, records_in, run};
use crate::diff::{Options, Shower, Status, Style, diff};
use crate::end::End;
use crate::error::{Error, Result, counted};
use crate::monitor::Monitor;
use crate::snapshot;
use crate::sort::{BUDGET, Spool};
use crate::stream::Records;
use std::ffi::OsStr;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    run(arguments, work)
}

fn work(args: args::Diff, console: Arc<Console>) -> Result<Outcome> {
    if args.left == "-" && args.right == "-" {
        return Err(Error::advise("standard input can be one side only", "give a snapshot or a file for the other"));
    }
    let style = style(&args);
    let statuses = statuses(&args, style);
    let (left, left_types) = side(&args.snap, &args.left, &console)?;
    let (right, right_types) = side(&args.snap, &args.right, &console)?;
    let options = Options { metadata: args.metadata, statuses: statuses.clone(), types: [left_types, right_types] };

    let mut out = Output::new(args.out.output.as_deref())?;
    let mut rows = diff(left, right, options, console);
    let mut show = Shower::new(style, !args.no_end.no_end);
    for row in rows.by_ref() {
        show.row(out.writer(), row?)?;
    }
    show.finish(out.writer(), &rows, &statuses)?;
    out.finish()?;
    match (rows.errors(), rows.found()) {
        (0, false) => Ok(Outcome::Done),
        (0, true) => Ok(Outcome::Negative),
        (n, _) => Err(Error::refused(format!("{} failed, so the comparison is not whole", counted(n, "record")))),
    }
}

/// The records of a side in order, and their types where it is known that not all were asked for. What comes on standard input
/// may be in any order.
fn side(snap: &SnapRoot, spec: &OsStr, console: &Arc<Console>) -> Result<(Records, Option<Vec<String>>)> {
    if spec == "-" {
        let spool = Spool::collect(records_in(None)?, BUDGET, &**console)?;
        return Ok((spool.read(), spool.end().and_then(|end| End::of(end).types)));
    }
    let place = snapshot::choose(snap.get()?.as_ref(), spec, &snap.options()?, &mut |message| console.warn(message))?;
    snapshot::any(&place, console.clone())
}

fn style(args: &args::Diff) -> Style {
    match args.format {
        _ if args.stat => Style::Stat,
        Format::Jsonl => Style::Records,
        Format::Table => Style::Table,
        Format::Names => Style::Names,
        Format::Stat => Style::Stat,
    }
}

/// Those asked for; else all but equal, which is worth a line of counts and nothing more.
fn statuses(args: &args::Diff, style: Style) -> Vec<Status> {
    let asked = |status: &Status| match status {
        Status::OnlyLeft => args.status.contains(&StatusArg::OnlyLeft),
        Status::OnlyRight => args.status.contains(&StatusArg::OnlyRight),
        Status::Different => args.status.contains(&StatusArg::Different),
        Status::Equal => args.status.contains(&StatusArg::Equal),
    };
    let usual = |status: &Status| style == Style::Stat || *status != Status::Equal;
    Status::ALL.into_iter().filter(|s| if args.status.is_empty() { usual(s) } else { asked(s) }).collect()
}
