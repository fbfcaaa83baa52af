//! Options that several tools share. The options of a single tool are in its module in [`crate::tools`].

#![allow(missing_docs)] // clap shows the text of each option; the groups of options that are flattened in have none of their own.

use crate::heap::LEVEL;
use crate::parallel::{self, MOST_JOBS};
use crate::record::Kind;
use crate::storage::Location;
use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use std::num::NonZeroUsize;
use std::path::PathBuf;

/// Where a tool's records go.
#[derive(Args, Clone, Debug)]
pub struct Out {
    /// Write to FILE, which appears only when the output is complete; - is standard output
    #[arg(short, long, value_name = "FILE", help_heading = "Output")]
    pub output: Option<PathBuf>,
}

/// For tools that start a stream.
#[derive(Args, Clone, Debug)]
pub struct NoEnd {
    /// Omit the end record, which tells the next tool that nothing is missing
    #[arg(long, help_heading = "Output")]
    pub no_end: bool,
}

/// How much to compress what is stored.
#[derive(Args, Clone, Copy, Debug)]
pub struct Level {
    /// Compression level: 0 (none) to 12 (slowest, smallest)
    #[arg(short, long, value_name = "N", default_value_t = LEVEL, value_parser = clap::value_parser!(i32).range(0..=12))]
    pub level: i32,
}

/// The number of files to work on at once.
#[derive(Args, Clone, Debug)]
pub struct Jobs {
    /// Work on N files at once [default: the number of processors, at least 2]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,
}

impl Jobs {
    /// Returns the number of jobs for work on these roots. The default is the number of processors, or more if a storage suits
    /// more.
    pub fn among(&self, roots: &[Option<&Location>]) -> usize {
        let usual = || {
            let processors = parallel::processors().max(2);
            roots.iter().flatten().filter_map(|root| root.jobs()).fold(processors, usize::max)
        };
        self.jobs.map_or_else(usual, NonZeroUsize::get).min(MOST_JOBS)
    }

    /// Returns the number of jobs for work on these roots, for a tool without an option for it.
    pub fn usual(roots: &[Option<&Location>]) -> usize {
        Jobs { jobs: None }.among(roots)
    }
}

/// The kinds that a letter of `--type` selects.
impl ValueEnum for Kind {
    fn value_variants<'a>() -> &'a [Kind] {
        &[Kind::File, Kind::Link, Kind::Directory]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        match self {
            Kind::File => Some(PossibleValue::new("f").help("Regular files")),
            Kind::Link => Some(PossibleValue::new("l").help("Symbolic links")),
            Kind::Directory => Some(PossibleValue::new("d").help("Folders")),
            Kind::Error | Kind::End | Kind::Gone | Kind::Change | Kind::Other => None,
        }
    }
}

/// The order of a listing of snapshots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Order {
    /// Newest first
    Desc,
    /// Oldest first
    Asc,
}
