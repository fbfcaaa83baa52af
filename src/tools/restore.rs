//! `snap-restore`: makes files as the records say.

use crate::cli::args::{Restore, Side};
use crate::cli::{self, Console, Outcome, Output};
use crate::content::{Content, Contents};
use crate::error::Result;
use crate::heap::Heap;
use crate::record::Record;
use crate::restore::{self, Options, restore};
use crate::storage::Location;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Restore, console: Arc<Console>) -> Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let root = args.file.require()?;
    let heap_root = if args.dry_run { args.heap.get()? } else { Some(args.heap.require()?) };
    let contents: Arc<dyn Contents> = match &heap_root {
        Some(heap_root) => Arc::new(Heap::open(heap_root)?),
        // A dry run reads no content, so there need not be a heap; then nothing is said of what it lacks.
        None => Arc::new(|_: &Record| Ok(Content::Whole(Vec::new()))),
    };
    let shows = args.dry_run || args.output.is_some();
    let output = shows.then(|| Output::new(args.output.as_deref())).transpose()?;
    let own = output.iter().flat_map(|output| output.own().paths).map(Location::Folder);
    let options = Options {
        delete: args.delete,
        delete_excluded: args.delete_excluded,
        max_delete: args.max_delete,
        dry_run: args.dry_run,
        checksum: args.checksum,
        owner: args.owner,
        xattrs: args.xattrs,
        side: match args.side {
            Side::Left => restore::Side::Left,
            Side::Right => restore::Side::Right,
        },
        jobs: args.jobs.among(&[Some(&root), heap_root.as_ref()]),
        report: args.output.is_some(),
        keep: [heap_root.clone(), args.snap.get()?].into_iter().flatten().chain(own).collect(),
    };
    console.progress().show(args.progress);
    let mut records = restore(input, &root, contents, options, console)?;
    match output {
        Some(output) => output.write_all(records)?,
        None => records.try_for_each(|record| record.map(drop))?,
    }
    Ok(Outcome::Done)
}
