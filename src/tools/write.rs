//! `snap-write`: publishes a stream as a snapshot.

use crate::cli::progress::{self, Verbose};
use crate::cli::{self, Console, Like, Recipients, Roots, work};
use crate::display::{counted, many};
use crate::monitor::Monitor;
use crate::snapshot::Label;
use crate::stream;
use crate::time::Time;
use crate::write::{self, Options};
use anyhow::Result;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::Arc;

/// Publish a stream of records as a complete snapshot, or publish nothing
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-write", version)]
pub struct Args {
    /// Read records from FILE; - is standard input
    #[arg(value_name = "FILE")]
    pub input: Option<PathBuf>,
    #[command(flatten)]
    pub roots: Roots,
    #[command(flatten)]
    pub keys: Recipients,
    /// Add a tag to the snapshot, for snap-forget and jq; repeatable
    #[arg(short, long, value_name = "TAG")]
    pub tag: Vec<String>,
    /// The host name to record in the snapshot [default: that of the --like snapshot, or else the name of this machine]
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// Mark the snapshot as the state before a restore; "latest" skips it
    #[arg(long)]
    pub before_restore: bool,
    #[command(flatten)]
    pub like: Like,
    /// Publish even if records failed; the snapshot says how many are missing
    #[arg(short, long)]
    pub partial: bool,
    /// Accept a stream without an end record, and mark the snapshot as filtered
    #[arg(long)]
    pub unterminated: bool,
    /// Refuse a stream if records are missing, except those that rules of the scan left out
    #[arg(long, conflicts_with = "complete")]
    pub whole: bool,
    /// Declare that records left out on the way are intentionally missing: do not mark the snapshot as filtered
    #[arg(long)]
    pub complete: bool,
    /// Publish a snapshot without records even if the latest one of the same root has some
    #[arg(long)]
    pub allow_empty: bool,
    /// Check the records and the heap, and publish nothing
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    #[command(flatten)]
    pub verbose: Verbose,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let started = Time::now();
    // Nothing is published if the path can't be printed.
    let mut out = cli::stdout()?;
    let input = work::worked(cli::records_in(args.input.as_deref())?);
    let input = Box::new(input.inspect(|record| record.iter().for_each(progress::record)));
    let root = args.roots.snap.require()?;
    let like = args.like.place(&args.roots.snap, &console)?;
    let time = args.like.time(like.as_ref())?;
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    // The option takes precedence over the end record, which names the scanned root. The end record takes precedence over the
    // variable.
    let file_root = args.roots.file.get()?.map(|r| r.identity());
    let explicit = args.roots.file.file_root.is_some();
    let label = Label {
        host: args.host.or_else(|| like.is_none().then(host)),
        root: file_root.clone().filter(|_| explicit),
        tags: args.tag,
        before_restore: args.before_restore,
        ..Label::default()
    };
    let heap = args.roots.heap.get()?;
    let options = Options {
        label,
        root: file_root,
        like,
        exact: time.is_some(),
        replace: args.like.replace,
        partial: args.partial,
        unterminated: args.unterminated,
        whole: args.whole,
        complete: args.complete,
        allow_empty: args.allow_empty,
        dry_run: args.dry_run,
        heap,
    };
    let written = write::write(input, &root, time.unwrap_or(started), options, console.clone())?;
    match written.place {
        Some(place) => {
            let line = [place.as_given().as_bytes(), b"\n"].concat();
            // The snapshot is published. The reader of the output may be gone.
            out.write_all(&line).and_then(|()| out.flush()).map_err(stream::write_error)?;
        }
        None => console.note(&format!("{} would be published in {root}", counted(written.records, "record"))),
    }
    if let Some((listed, came)) = written.short {
        let what = match came < listed {
            true => format!("{came} of {} came", counted(listed, "listed record")),
            false => "other records came than were listed".to_string(),
        };
        console.note(&format!("{what}: the snapshot is marked as filtered; --complete declares that this is intended"));
    }
    if args.verbose.verbose {
        console.note(&format!("{}: {}", many(written.records, "record"), work::words(&written.work)));
    }
    if written.errors > 0 {
        console.warn(&format!("{} missing in the snapshot, because of failures", counted(written.errors, "record")));
    }
    Ok(())
}
