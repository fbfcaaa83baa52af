//! The options of the tools that keep a repository tidy. Part of [`super::args`].

#![allow(missing_docs)] // clap shows the text of each option; the groups of options that are flattened in have none of their own.

use super::args::{Jobs, Out};
use super::roots::{HeapRoot, SnapRoot};
use clap::{Args, Parser, ValueEnum};
use std::ffi::OsString;
use std::path::PathBuf;

/// Check that the heap has the content of every record
#[derive(Parser, Debug)]
#[command(name = "snap-verify", version)]
pub struct Verify {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub how: VerifyHow,
    /// Show on stderr how far the work is
    #[arg(long, help_heading = "Output")]
    pub progress: bool,
    #[command(flatten)]
    pub out: Out,
}

/// How to verify.
#[derive(Args, Clone, Debug)]
pub struct VerifyHow {
    /// Only look whether objects are there and have the right size, without reading them
    #[arg(short, long)]
    pub quick: bool,
    #[command(flatten)]
    pub jobs: Jobs,
}

/// Drop objects that no snapshot refers to
#[derive(Parser, Debug)]
#[command(name = "snap-gc", version)]
pub struct Gc {
    #[command(flatten)]
    pub heap: HeapRoot,
    /// A snap root whose snapshots use the heap; repeat it until every such root is named [env: SNAP_ROOT]
    #[arg(long, value_name = "ROOT", help_heading = "Roots")]
    pub snap_root: Vec<OsString>,
    /// How to reach the snap roots: a JSON object of fsspec's names, or @FILE with one [env: SNAP_STORAGE_OPTIONS]
    #[arg(long, value_name = "JSON", help_heading = "Roots", hide_short_help = true)]
    pub snap_storage_options: Option<OsString>,
    #[command(flatten)]
    pub how: GcHow,
    #[command(flatten)]
    pub out: Out,
}

/// How to drop objects.
#[derive(Args, Clone, Debug)]
pub struct GcHow {
    /// Condemn and delete; without this option the plan is printed and nothing is done
    #[arg(long)]
    pub delete: bool,
    /// Delete what was condemned at least DURATION ago: minutes, hours or days, as in 90m, 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = crate::gc::parse_grace, conflicts_with = "exclusive")]
    pub grace: std::time::Duration,
    /// Nothing else uses the heap now: delete at once what is unreferenced
    #[arg(long)]
    pub exclusive: bool,
    #[command(flatten)]
    pub jobs: Jobs,
}

/// Choose the snapshots to drop by their age, and drop them
#[derive(Parser, Debug)]
#[command(name = "snap-forget", version)]
pub struct Forget {
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub how: ForgetHow,
    #[command(flatten)]
    pub out: Out,
}

/// Which snapshots to keep, and what to do with the others.
#[derive(Args, Clone, Debug)]
pub struct ForgetHow {
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
    /// Keep snapshots that have all tags of the list; may be repeated, for other lists
    #[arg(long, help_heading = "Rules", value_name = "TAG[,TAG...]")]
    pub keep_tag: Vec<String>,
    /// Apply the rules to each group of snapshots by itself: those of the same root, host, tags, or none for all together
    #[arg(short, long, help_heading = "Rules", value_enum, value_delimiter = ',', value_name = "WHAT", default_value = "root")]
    pub group_by: Vec<GroupBy>,
    /// Delete the snapshots to drop; without this option they are only printed
    #[arg(long)]
    pub delete: bool,
    /// Print a JSON object a line for every snapshot: kept or dropped, and why
    #[arg(long)]
    pub json: bool,
}

/// What makes snapshots a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
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
