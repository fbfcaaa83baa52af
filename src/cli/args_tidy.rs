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
    #[arg(long)]
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
    /// A snap root whose snapshots use the heap; may be repeated, and has to be for every one [env: SNAP_ROOT]
    #[arg(long, value_name = "ROOT")]
    pub snap_root: Vec<OsString>,
    /// how to reach the snap roots: a JSON object of fsspec's names, or @FILE [env: SNAP_STORAGE_OPTIONS]
    #[arg(long, value_name = "JSON", hide_short_help = true)]
    pub snap_storage_options: Option<OsString>,
    #[command(flatten)]
    pub how: GcHow,
    #[command(flatten)]
    pub out: Out,
}

/// How to drop objects.
#[derive(Args, Clone, Debug)]
pub struct GcHow {
    /// Condemn and delete; without it the plan is printed and nothing done
    #[arg(long)]
    pub delete: bool,
    /// Delete what was condemned at least so long ago, as in 90m, 24h, 7d
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
    /// Keep the last N snapshots; here and below N may be "unlimited"
    #[arg(short = 'l', long, value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_last: Option<u64>,
    /// Keep the last of each of the last N hours that have a snapshot
    #[arg(short = 'H', long, value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_hourly: Option<u64>,
    /// The same for days
    #[arg(short = 'd', long, value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_daily: Option<u64>,
    /// The same for weeks, which begin on Monday
    #[arg(short = 'w', long, value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_weekly: Option<u64>,
    /// The same for months
    #[arg(short = 'm', long, value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_monthly: Option<u64>,
    /// The same for years
    #[arg(short = 'y', long, value_name = "N", value_parser = crate::forget::parse_count)]
    pub keep_yearly: Option<u64>,
    /// Keep what is younger than the latest snapshot by less than DURATION, as in 1y2m3d4h
    #[arg(long, value_name = "DURATION", value_parser = crate::forget::parse_within)]
    pub keep_within: Option<crate::forget::Within>,
    /// Keep snapshots that have all of these tags; may be repeated
    #[arg(long, value_name = "TAG[,TAG...]")]
    pub keep_tag: Vec<String>,
    /// Apply the rules to the snapshots of each group by themselves
    #[arg(short, long, value_enum, value_delimiter = ',', value_name = "WHAT", default_value = "root")]
    pub group_by: Vec<GroupBy>,
    /// Delete the snapshots to drop; without it they are only printed
    #[arg(long)]
    pub delete: bool,
    /// A JSON object a line for every snapshot: kept or dropped, and why
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
