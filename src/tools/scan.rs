//! `snap-scan`: lists a folder as records.

use crate::cli::args::{NoEnd, Out};
use crate::cli::part::{self, PartArgs};
use crate::cli::progress::Verbose;
use crate::cli::{self, Console, Output, Roots, work};
use crate::error::{Error, Result};
use crate::record::Kind;
use crate::scan::{self, Filter, Options, Versions};
use crate::storage::Location;
use crate::time::{self, Time};
use std::ffi::OsString;
use std::io::BufReader;
use std::path::PathBuf;
use std::sync::Arc;

/// List a folder as records, one per line, in order of name
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-scan", version)]
pub struct Args {
    /// The folder to list, instead of the file root
    #[arg(value_name = "ROOT", conflicts_with = "file_root")]
    pub root: Option<OsString>,
    #[command(flatten)]
    pub roots: Roots,
    #[command(flatten)]
    pub part: PartArgs,
    /// List these types only, separated by commas: f (files), l (links), d (folders)
    #[arg(
        help_heading = "Selection",
        short,
        long = "type",
        value_name = "TYPES",
        value_delimiter = ',',
        default_value = "f,l,d"
    )]
    pub types: Vec<Kind>,
    /// Leave out names that match GLOB, a pattern as in .gitignore; a folder goes with all its contents; repeatable
    #[arg(help_heading = "Selection", short, long, value_name = "GLOB")]
    pub exclude: Vec<OsString>,
    /// Leave out names that match a line of FILE, which has the syntax of .gitignore; repeatable
    #[arg(help_heading = "Selection", long, value_name = "FILE")]
    pub exclude_from: Vec<PathBuf>,
    /// List only names that match GLOB, and the contents of folders that do; excludes take precedence; repeatable
    #[arg(help_heading = "Selection", short, long, value_name = "GLOB")]
    pub include: Vec<OsString>,
    /// Apply the files of this NAME in every folder as git applies .gitignore; repeatable, the last one takes precedence
    #[arg(help_heading = "Selection", long, value_name = "NAME")]
    pub ignore_file: Vec<OsString>,
    /// List only the names in FILE, one per line, without patterns; - is standard input
    #[arg(help_heading = "Selection", long, value_name = "FILE", conflicts_with_all = ["exclude", "exclude_from", "include", "ignore_file", "one_file_system"])]
    pub files_from: Option<PathBuf>,
    /// Take the records in FILE, such as an inventory of a bucket, in any order, and complete them; - is standard input
    #[arg(help_heading = "Selection", long, value_name = "FILE", conflicts_with_all = ["files_from", "ignore_file", "one_file_system"])]
    pub records: Option<PathBuf>,
    /// Names in --files-from end with NUL, not with a newline
    #[arg(help_heading = "Selection", short = '0', long, requires = "files_from")]
    pub null: bool,
    /// Print a record of type gone for a name in --files-from that does not exist, not an error record; snap-patch removes it
    #[arg(help_heading = "Selection", long, requires = "files_from")]
    pub gone: bool,
    /// Stay on the file system of the root: record mount points, but do not enter them
    #[arg(help_heading = "Selection", short = 'x', long)]
    pub one_file_system: bool,
    /// List the objects of a bucket as they were at TIME (now, or a time as @TIME for snapshots), if it keeps versions
    #[arg(help_heading = "Selection", long, value_name = "TIME", value_parser = time, conflicts_with_all = ["files_from", "records"])]
    pub at: Option<Time>,
    /// List all versions of the objects of a bucket, with the deletions; not for snap-write
    #[arg(help_heading = "Selection", long, conflicts_with_all = ["at", "files_from", "records"])]
    pub versions: bool,
    /// Record extended attributes and ACLs
    #[arg(long)]
    pub xattrs: bool,
    #[command(flatten)]
    pub verbose: Verbose,
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
    let root = match &args.root {
        Some(root) => Location::parse(root, "ROOT", &args.roots.file.options()?)?,
        None => args.roots.file.require()?,
    };
    console.sum_up(args.verbose);
    let mut options = options(&args)?;
    let output = Output::new(args.out.output.as_deref())?;
    options.output = output.own();
    let records = match (&args.files_from, &args.records) {
        (None, None) => scan::scan(&root, options, console)?,
        (None, Some(path)) => scan::scan_records(&root, cli::records_in(Some(path))?, options, console)?,
        (Some(path), _) => {
            let (shown, file) = cli::file_in(path, "a list of names")?;
            scan::scan_names(&root, BufReader::new(file), &shown, args.null, options, console)?
        }
    };
    if let Some(parts) = args.part.split {
        return Ok(part::print_ranges(records, parts, output)?);
    }
    Ok(output.write_all(work::requested(cli::without_end(records, args.no_end.no_end)))?)
}

fn time(text: &str) -> Result<Time> {
    match text {
        "now" => Ok(Time::now()),
        _ => time::parse_human(text).ok_or_else(|| {
            Error::refused("not a time: use now, 2026-11-23, '2026-11-23 06:00' (local time) or 2026-11-23T05:00:00Z".to_string())
        }),
    }
}

fn options(args: &Args) -> Result<Options> {
    let mut filter = Filter::new(&args.exclude, &args.exclude_from, &args.include)?;
    filter.ignore_files.clone_from(&args.ignore_file);
    let roots = [(args.roots.heap.get()?, "heap root"), (args.roots.snap.get()?, "snap root")];
    Ok(Options {
        kinds: args.types.clone(),
        filter,
        part: args.part.part(),
        one_file_system: args.one_file_system,
        gone: args.gone,
        xattrs: args.xattrs,
        versions: if args.versions { Some(Versions::All) } else { args.at.map(Versions::At) },
        leave_out: roots.into_iter().filter_map(|(root, what)| Some((root?, what))).collect(),
        output: scan::Own::default(),
        unwanted: None,
    })
}
