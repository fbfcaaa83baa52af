//! `snap-forget`: chooses the snapshots to drop, and drops them.

use crate::cli::args::{Jobs, Out};
use crate::cli::{Console, Identity, Network, Output, SnapRoot};
use crate::display::counted;
use crate::error::Result;
use crate::forget::{self, Decision, Grouping, Policy};
use crate::monitor::Monitor;
use crate::storage::Location;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Select snapshots to drop by age, and drop them
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-forget", version)]
pub struct Args {
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub out: Out,
}

/// Which snapshots to keep, and what to do with the others.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct How {
    /// Keep the last N snapshots; the N of every rule may be "unlimited"
    #[arg(short = 'l', long, help_heading = "Rules", value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_last: Option<u64>,
    /// Keep the last of each of the last N hours that have a snapshot
    #[arg(short = 'H', long, help_heading = "Rules", value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_hourly: Option<u64>,
    /// Keep the last of each of the last N days that have a snapshot
    #[arg(short = 'd', long, help_heading = "Rules", value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_daily: Option<u64>,
    /// Keep the last of each of the last N weeks that have a snapshot; a week begins on Monday
    #[arg(short = 'w', long, help_heading = "Rules", value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_weekly: Option<u64>,
    /// Keep the last of each of the last N months that have a snapshot
    #[arg(short = 'm', long, help_heading = "Rules", value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_monthly: Option<u64>,
    /// Keep the last of each of the last N years that have a snapshot
    #[arg(short = 'y', long, help_heading = "Rules", value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_yearly: Option<u64>,
    /// Keep snapshots made less than DURATION before the latest one: years, months, days and hours, as in 1y2m3d4h
    #[arg(long, help_heading = "Rules", value_name = "DURATION", value_parser = crate::forget::parse_within)]
    pub keep_within: Option<crate::forget::Within>,
    /// Keep snapshots that have all tags of the list; repeatable, for other lists
    #[arg(long, help_heading = "Rules", value_name = "TAG[,TAG...]")]
    pub keep_tag: Vec<String>,
    /// Apply the rules to each group of snapshots separately: by root, host or tags, or none for all together
    #[arg(short, long, help_heading = "Rules", value_enum, value_delimiter = ',', value_name = "WHAT", default_value = "root")]
    pub group_by: Vec<GroupBy>,
    /// Delete the snapshots to drop; without this option, only print them
    #[arg(long)]
    pub delete: bool,
    /// Print one JSON object per line for every snapshot: kept or dropped, and why
    #[arg(long)]
    pub json: bool,
}

/// The property that the snapshots of a group share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum GroupBy {
    /// The file root that was backed up
    Root,
    /// The machine
    Host,
    /// The tags
    Tags,
    /// Nothing: all are one group
    None,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> anyhow::Result<()> {
    let root = args.snap.require()?;
    Ok(forget(&root, &args.how, Output::new(args.out.output.as_deref())?, &*console)?)
}

/// Drops snapshots, and prints a line for each.
///
/// # Errors
/// Errors of [`forget::plan`], of deleting and of writing.
pub fn forget(root: &Location, how: &How, mut output: Output, monitor: &dyn Monitor) -> Result<()> {
    let by = Grouping {
        root: how.group_by.contains(&GroupBy::Root),
        host: how.group_by.contains(&GroupBy::Host),
        tags: how.group_by.contains(&GroupBy::Tags),
    };
    let decisions = forget::plan(root, &policy(how), by, Jobs::usual(&[Some(root)]), monitor)?;
    let mut line = |decision: &Decision| -> Result<()> {
        let line = match how.json {
            true => forget::describe(decision)?.into_bytes(),
            false => decision.found.place.as_given().into_vec(),
        };
        output.print(&[&line[..], b"\n"].concat())
    };
    // The oldest first: if an error stops this, the newest snapshots remain.
    let mut dropped = 0;
    for decision in decisions.iter().rev() {
        if !decision.keep {
            dropped += 1;
            line(decision)?;
            if how.delete {
                decision.found.place.delete()?;
            }
        } else if how.json {
            line(decision)?;
        }
    }
    output.finish()?;
    let what = if how.delete { "dropped" } else { "to drop" };
    monitor.note(&format!("{dropped} of {} {what}", counted(decisions.len() as u64, "snapshot")));
    Ok(())
}

fn policy(how: &How) -> Policy {
    let tags = how.keep_tag.iter().map(|list| list.split(',').filter(|t| !t.is_empty()).map(str::to_string).collect());
    Policy {
        last: how.keep_last.unwrap_or(0),
        hourly: how.keep_hourly.unwrap_or(0),
        daily: how.keep_daily.unwrap_or(0),
        weekly: how.keep_weekly.unwrap_or(0),
        monthly: how.keep_monthly.unwrap_or(0),
        yearly: how.keep_yearly.unwrap_or(0),
        within: how.keep_within,
        tags: tags.filter(|list: &Vec<String>| !list.is_empty()).collect(),
    }
}
