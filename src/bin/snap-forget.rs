//! `snap-forget`: chooses the snapshots to drop, and drops them.

use snapshooter::cli::args::{Forget, GroupBy};
use snapshooter::cli::{self, Console, Outcome, Output};
use snapshooter::error::Result;
use snapshooter::forget::{self, Decision, Grouping, Policy};
use snapshooter::monitor::Monitor;
use snapshooter::stream::write_error;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Forget, console: Arc<Console>) -> Result<Outcome> {
    let root = args.snap.require()?;
    let by = Grouping {
        root: args.group_by.contains(&GroupBy::Root),
        host: args.group_by.contains(&GroupBy::Host),
        tags: args.group_by.contains(&GroupBy::Tags),
    };
    let decisions = forget::plan(&root, &policy(&args), by, &*console)?;
    let mut output = Output::new(args.out.output.as_deref())?;
    let mut line = |decision: &Decision| -> Result<()> {
        let line = match args.json {
            true => forget::describe(decision)?.into_bytes(),
            false => decision.found.path.as_os_str().as_bytes().to_vec(),
        };
        output.writer().write_all(&[&line[..], b"\n"].concat()).map_err(write_error)
    };
    // The oldest first: whatever stops this, the newest are there.
    let mut dropped = 0;
    for decision in decisions.iter().rev() {
        if !decision.keep {
            dropped += 1;
            line(decision)?;
            if args.delete {
                forget::delete(&decision.found)?;
            }
        } else if args.json {
            line(decision)?;
        }
    }
    output.finish()?;
    let what = if args.delete { "dropped" } else { "to drop" };
    console.note(&format!("{dropped} of {} snapshots {what}", decisions.len()));
    Ok(Outcome::Done)
}

fn policy(args: &Forget) -> Policy {
    let tags = args.keep_tag.iter().map(|list| list.split(',').filter(|t| !t.is_empty()).map(str::to_string).collect());
    Policy {
        last: args.keep_last.unwrap_or(0),
        hourly: args.keep_hourly.unwrap_or(0),
        daily: args.keep_daily.unwrap_or(0),
        weekly: args.keep_weekly.unwrap_or(0),
        monthly: args.keep_monthly.unwrap_or(0),
        yearly: args.keep_yearly.unwrap_or(0),
        within: args.keep_within,
        tags: tags.filter(|list: &Vec<String>| !list.is_empty()).collect(),
    }
}
