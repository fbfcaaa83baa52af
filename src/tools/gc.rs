//! `snap-gc`: drops the objects that no snapshot refers to.

use crate::cli::args::{Jobs, Out};
use crate::cli::part::shard;
use crate::cli::{self, Console, HeapRoot, Identity, Network, Output, SnapRoot};
use crate::display::counted;
use crate::error::Result;
use crate::gc::{self, Options, Sum};
use crate::monitor::Monitor;
use crate::part::Part;
use crate::storage::Location;
use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

/// Delete objects that no snapshot refers to
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-gc", version)]
pub struct Args {
    #[command(flatten)]
    pub heap: HeapRoot,
    /// A snap root whose snapshots use the heap; repeat this option for every such root [env: SNAP_ROOT]
    #[arg(long, value_name = "ROOT", help_heading = "Roots")]
    pub snap_root: Vec<OsString>,
    /// Options for the storage of the snap roots: a JSON object with fsspec's names, or @FILE [env: SNAP_STORAGE_OPTIONS]
    #[arg(long, value_name = "JSON", help_heading = "Roots", hide_short_help = true)]
    pub snap_storage_options: Option<OsString>,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    #[command(flatten)]
    pub how: How,
    #[command(flatten)]
    pub machines: Machines,
    #[command(flatten)]
    pub out: Out,
}

/// How to drop objects.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
pub struct How {
    /// Condemn and delete; without this option, only print the plan
    #[arg(long)]
    pub delete: bool,
    /// Delete objects that were condemned at least DURATION ago: minutes, hours or days, as in 90m, 24h, 7d
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = crate::gc::parse_grace, conflicts_with = "exclusive")]
    pub grace: std::time::Duration,
    /// Nothing else uses the heap now: delete unreferenced objects at once
    #[arg(long)]
    pub exclusive: bool,
    #[command(flatten)]
    pub jobs: Jobs,
}

/// Several processes that read the snapshots.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Args, Clone, Debug)]
#[command(next_help_heading = "Several machines")]
pub struct Machines {
    /// Read only the part K of N parts of the snapshots, K from 1 to N, and print what they refer to, for --references
    #[arg(long, value_name = "K/N", value_parser = shard, conflicts_with_all = ["delete", "exclusive", "references"])]
    pub shard: Option<Part>,
    /// Take from FILE what snapshots refer to, as --shard printed it, and read only the other snapshots; - is standard input
    #[arg(long, value_name = "FILE")]
    pub references: Vec<PathBuf>,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> anyhow::Result<()> {
    let heap = args.heap.require()?;
    let one = SnapRoot { snap_root: None, snap_storage_options: args.snap_storage_options };
    let roots = match args.snap_root.is_empty() {
        true => vec![one.require()?],
        false => {
            let options = one.options()?;
            args.snap_root.iter().map(|r| Location::parse(r, "--snap-root", &options)).collect::<Result<_>>()?
        }
    };
    let mut output = Output::new(args.out.output.as_deref())?;
    if let Some(shard) = args.machines.shard {
        let jobs = args.how.jobs.among(&roots.iter().map(Some).collect::<Vec<_>>());
        gc::print_references(&heap, &roots, &shard, jobs, output.writer(), &*console)?;
        return Ok(output.finish()?);
    }
    cli::check_one_stdin(&args.machines.references, "files of references")?;
    let files = args.machines.references.iter().map(|path| cli::file_in(path, "references")).collect::<Result<Vec<_>>>()?;
    Ok(gc(&heap, &roots, &args.how, &files, output, console)?)
}

/// Drops objects, and prints a line for each. `references` are files of other processes, see [`Options::references`].
///
/// # Errors
/// Errors of [`gc::gc`] and of writing.
pub fn gc(
    heap: &Location,
    roots: &[Location],
    how: &How,
    references: &[(String, File)],
    mut output: Output,
    monitor: Arc<dyn Monitor>,
) -> Result<()> {
    let all: Vec<_> = std::iter::once(heap).chain(roots).map(Some).collect();
    let jobs = how.jobs.among(&all);
    let options = Options { delete: how.delete, exclusive: how.exclusive, grace: how.grace, jobs, references };
    let mut gone = false;
    let mut report = |outcome: &gc::Outcome| {
        // The reader of the report may have closed it. The work continues without it.
        if !gone {
            gone = output.writer().write_all((outcome.json() + "\n").as_bytes()).is_err();
        }
        Ok(())
    };
    let totals = gc::gc(heap, roots, options, &mut report, monitor.clone())?;
    let sum = |sum: Sum| format!("{} ({})", sum.count, counted(sum.bytes, "byte"));
    let done = if how.delete { "" } else { "would be " };
    monitor.note(&format!(
        "{}, {} ({}); {done}condemned {}, {done}deleted {}, condemned before and kept {}",
        counted(totals.snapshots, "snapshot"),
        counted(totals.objects.count, "object"),
        counted(totals.objects.bytes, "byte"),
        sum(totals.condemned),
        sum(totals.deleted),
        sum(totals.kept),
    ));
    if totals.temps.count > 0 {
        monitor.note(&format!("leftovers of writers that died: {} swept away", sum(totals.temps)));
    }
    output.finish()
}
