//! The options for a part of a listing, which `snap-scan` and `snap-read` share.

#![allow(missing_docs)] // clap shows the text of each option.

use super::Output;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::part::Part;
use crate::parts;
use crate::stream::Records;
use clap::Args;
use std::ffi::OsString;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStringExt;

/// A part of the names, for one of several processes.
#[derive(Args, Clone, Debug)]
pub struct PartArgs {
    /// List only names that start with PREFIX
    #[arg(help_heading = "Parts", long, value_name = "PREFIX", group = "part")]
    pub prefix: Option<OsString>,
    /// List the part K of N parts, K from 1 to N, which have the same names each time; snap-merge joins the parts
    #[arg(help_heading = "Parts", long, value_name = "K/N", group = "part", value_parser = shard)]
    pub shard: Option<Part>,
    /// List the names of RANGE, a line that --split has printed; snap-merge joins the parts
    #[arg(help_heading = "Parts", long, value_name = "RANGE", group = "part", value_parser = range)]
    pub range: Option<Part>,
    /// Print N ranges with about the same number of names, one per line, for --range
    #[arg(help_heading = "Parts", long, value_name = "N", group = "part")]
    pub split: Option<NonZeroUsize>,
}

impl PartArgs {
    /// Returns the part to list, if not the whole.
    pub fn part(&self) -> Option<Part> {
        let prefix = self.prefix.clone().map(|prefix| Part::Prefix(Name::new(prefix.into_vec())));
        prefix.or_else(|| self.shard.clone()).or_else(|| self.range.clone())
    }
}

/// Prints `parts` ranges of records, each with a line.
///
/// # Errors
/// Those of the records and of the output.
pub fn print_ranges(records: Records, parts: NonZeroUsize, mut output: Output) -> Result<()> {
    for range in parts::split(records, parts.get())? {
        output.print((range.line() + "\n").as_bytes())?;
    }
    output.finish()
}

/// Reads `K/N`, a shard.
///
/// # Errors
/// If it is none.
pub fn shard(text: &str) -> Result<Part> {
    Part::shard(text).ok_or_else(|| Error::refused("not K/N with whole numbers and K from 1 to N"))
}

fn range(text: &str) -> Result<Part> {
    Part::range(text).ok_or_else(|| Error::refused("not a line of --split, such as {\"after\":\"docs/a\",\"until\":\"docs/m\"}"))
}
