//! `snap-gc`: drops the objects that no snapshot refers to.

use snapshooter::cli::args::Gc;
use snapshooter::cli::{self, Console, Outcome, Output, SnapRoot, tidy};
use snapshooter::error::Result;
use snapshooter::storage::Location;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Gc, console: Arc<Console>) -> Result<Outcome> {
    let heap = args.heap.require()?;
    let one = SnapRoot { snap_root: None, snap_storage_options: args.snap_storage_options };
    let roots = match args.snap_root.is_empty() {
        true => vec![one.require()?],
        false => {
            let options = one.options()?;
            args.snap_root.iter().map(|r| Location::parse(r, "--snap-root", &options)).collect::<Result<_>>()?
        }
    };
    tidy::gc(&heap, &roots, &args.how, Output::new(args.out.output.as_deref())?, console)?;
    Ok(Outcome::Done)
}
