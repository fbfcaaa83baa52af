//! `snap-gc`: drops the objects that no snapshot refers to.

use snapshooter::cli::args::Gc;
use snapshooter::cli::{self, Console, Outcome, Output, SnapRoot};
use snapshooter::error::{Result, counted};
use snapshooter::gc::{self, Options, Sum};
use snapshooter::monitor::Monitor;
use snapshooter::storage::Location;
use snapshooter::stream::write_error;
use std::process::ExitCode;
use std::sync::Arc;

fn main() -> ExitCode {
    cli::run(work)
}

fn work(args: Gc, console: Arc<Console>) -> Result<Outcome> {
    let heap = args.heap.require()?;
    let roots = match args.snap_root.is_empty() {
        true => vec![SnapRoot { snap_root: None }.require()?],
        false => args.snap_root.iter().map(|r| Location::parse(r, "--snap-root")).collect::<Result<_>>()?,
    };
    let options = Options { delete: args.delete, exclusive: args.exclusive, grace: args.grace, jobs: args.jobs.get() };
    let mut output = Output::new(args.out.output.as_deref())?;
    let mut gone = false;
    let mut report = |fate: &gc::Fate| {
        // Whoever reads the report may go; the work is done all the same.
        if !gone {
            gone = output.writer().write_all((fate.json() + "\n").as_bytes()).map_err(write_error).is_err();
        }
        Ok(())
    };
    let totals = gc::gc(&heap, &roots, options, &mut report, console.clone())?;
    let sum = |sum: Sum| format!("{} ({} bytes)", sum.count, sum.bytes);
    let done = if args.delete { "" } else { "would be " };
    console.note(&format!(
        "{}, {} ({} bytes); {done}condemned {}, {done}deleted {}, condemned before and kept {}",
        counted(totals.snapshots, "snapshot"),
        counted(totals.objects.count, "object"),
        totals.objects.bytes,
        sum(totals.condemned),
        sum(totals.deleted),
        sum(totals.kept),
    ));
    if totals.temps.count > 0 {
        console.note(&format!("leftovers of writers that died: {} swept away", sum(totals.temps)));
    }
    output.finish()?;
    Ok(Outcome::Done)
}
