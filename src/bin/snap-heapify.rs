//! `snap-heapify`: stores contents and puts md5 into the records.

use snapshooter::base::Base;
use snapshooter::cli::args::Heapify;
use snapshooter::cli::{self, Console, Outcome, Output};
use snapshooter::error::Result;
use snapshooter::heap::{Cache, Heap};
use snapshooter::heapify::{self, Options};
use snapshooter::monitor::Monitor;
use snapshooter::rootdir::RootDir;
use snapshooter::snapshot;
use snapshooter::storage::Location;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Heapify, console: Arc<Console>) -> Result<Outcome> {
    let input = cli::records_in(args.input.as_deref())?;
    let file_root = args.file.require()?;
    let root = RootDir::open(file_root.path())?;
    let heap = match args.no_store {
        true => None,
        false => Some(Arc::new(Heap::create(&args.heap.require()?, args.level)?)),
    };
    let cache = args.heap_cache_file.as_deref().map(Cache::load).transpose()?.map(Arc::new);
    let base = base(&args, &file_root, &console)?;
    let options = Options { heap, base, verify_existing: args.verify_existing, cache, jobs: args.jobs.get() };
    let output = Output::new(args.out.output.as_deref())?;
    output.write_all(heapify::heapify(input, root, options, console))?;
    Ok(Outcome::Done)
}

/// The snapshot that was asked for, or else the latest of this root.
fn base(args: &Heapify, file_root: &Location, console: &Arc<Console>) -> Result<Option<Base>> {
    let snap_root = args.snap.get()?;
    let path = match (&args.base, &snap_root) {
        _ if args.no_base => None,
        (Some(spec), root) => Some(snapshot::choose(root.as_ref(), spec)?),
        (None, Some(root)) => {
            let file_root = file_root.absolute().to_string_lossy().into_owned();
            snapshot::base(root, &file_root, &mut |message| console.warn(message))?.map(|found| found.path)
        }
        (None, None) => None,
    };
    path.map(|path| Base::open(path, console.clone())).transpose()
}
