//! `snap-heapify`: stores contents and puts md5 into the records.

use crate::cli::args::Heapify;
use crate::cli::{self, Console, Outcome, Output};
use crate::error::{Error, Result};
use crate::heap::{Cache, Heap};
use crate::heapify::{self, Options};
use crate::source;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Heapify, console: Arc<Console>) -> Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let file_root = args.file.require()?;
    let source = source::open(&file_root)?;
    let heap_root = if args.no_store { None } else { Some(args.heap.require()?) };
    if let Some(root) = heap_root.as_ref().filter(|root| root.ends_with_process()) {
        return Err(Error::advise(
            format!("{root} is gone when this process ends, and the records would refer to what was in it"),
            "give a heap root that lasts, or --no-store to compute md5 only",
        ));
    }
    let jobs = args.jobs.among(&[Some(&file_root), heap_root.as_ref()]);
    let heap = heap_root.map(|root| Heap::create(&root, args.level)).transpose()?.map(Arc::new);
    let cache = args.heap_cache_file.as_deref().map(Cache::load).transpose()?.map(Arc::new);
    let base = match args.no_base {
        true => None,
        false => cli::base(args.base.as_deref(), &args.snap, Some(&file_root), &console)?,
    };
    let (verify_existing, verify_md5) = (args.verify_existing, args.verify_md5);
    let options = Options { heap, base, verify_existing, verify_md5, cache, jobs };
    console.progress().show(args.progress);
    let output = Output::new(args.out.output.as_deref())?;
    output.write_all(heapify::heapify(input, source, options, console))?;
    Ok(Outcome::Done)
}
