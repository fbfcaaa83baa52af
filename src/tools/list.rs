//! `snap-list`: lists the snapshots.

use crate::cli::args::{Jobs, Order, Out};
use crate::cli::color::{self, Color};
use crate::cli::long::long;
use crate::cli::plot::plot;
use crate::cli::{Console, Identity, Network, Output, SnapRoot};
use crate::snapshot;
use anyhow::Result;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// List the snapshots, newest first
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-list", version)]
pub struct Args {
    #[command(flatten)]
    pub snap: SnapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Identity,
    /// List at most N snapshots [default: all]
    #[arg(short, long, value_name = "N")]
    pub limit: Option<usize>,
    /// Skip the first N snapshots
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub offset: usize,
    /// Newest first (desc) or oldest first (asc)
    #[arg(long, value_enum, default_value_t = Order::Desc)]
    pub order: Order,
    /// Print one JSON object per line: path, time, root, host, tags, counts
    #[arg(long)]
    pub json: bool,
    /// Print a table: time, age, files, bytes, bytes that were new in the heap, tags, root
    #[arg(long, conflicts_with_all = ["json", "plot"])]
    pub long: bool,
    /// Draw the number of records and the size of each snapshot
    #[arg(long, conflicts_with = "json")]
    pub plot: bool,
    #[command(flatten)]
    pub color: Color,
    #[command(flatten)]
    pub out: Out,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let root = args.snap.require()?;
    let reads = args.json || args.long || args.plot;
    let mut found = if reads { snapshot::list_to_read(&root)? } else { snapshot::list(&root)? };
    if args.order == Order::Asc {
        found.reverse();
    }
    let mut output = Output::new(args.out.output.as_deref())?;
    let is_colored = args.color.is_wanted(&output);
    let chosen = found.iter().skip(args.offset).take(args.limit.unwrap_or(usize::MAX));
    if args.long {
        let jobs = Jobs::usual(&[Some(&root)]);
        long(chosen.cloned().collect(), jobs, &mut output, is_colored, &console)?;
        return Ok(output.finish()?);
    }
    if args.plot {
        plot(chosen, &mut output, is_colored, &console)?;
        return Ok(output.finish()?);
    }
    for found in chosen {
        let line = match args.json {
            false => color::path(found.place.as_given().into_vec(), is_colored),
            true => match snapshot::describe(found) {
                Ok(line) => line.into_bytes(),
                Err(e) => {
                    console.unread(found, &e);
                    continue;
                }
            },
        };
        output.print(&[&line[..], b"\n"].concat())?;
    }
    Ok(output.finish()?)
}
