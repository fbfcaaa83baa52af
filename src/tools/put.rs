//! `snap-put`: stores standard input, or the output of a command.

use crate::cli::args::{Level, NoEnd, Out};
use crate::cli::progress::Report;
use crate::cli::{self, Console, HeapRoot, LASTING, Network, Output, Recipients, work};
use crate::heap::Heap;
use crate::name::Name;
use crate::put::{self, put};
use anyhow::Result;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Store standard input, or the output of a command, and print its record
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(clap::Parser, Debug)]
#[command(name = "snap-put", version)]
pub struct Args {
    /// The name of the record, as a path below a root
    #[arg(value_name = "NAME")]
    pub name: OsString,
    /// Store the standard output of COMMAND, if it succeeds [default: store standard input]
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<OsString>,
    #[command(flatten)]
    pub heap: HeapRoot,
    #[command(flatten)]
    pub network: Network,
    #[command(flatten)]
    pub keys: Recipients,
    #[command(flatten)]
    pub level: Level,
    #[command(flatten)]
    pub report: Report,
    #[command(flatten)]
    pub out: Out,
    #[command(flatten)]
    pub no_end: NoEnd,
}

/// Does the work of the tool.
///
/// # Errors
/// The error that stops it.
pub fn work(args: Args, console: Arc<Console>) -> Result<()> {
    let name = Name::new(args.name.into_vec());
    // A name or a root that is wrong must not let a command run for nothing.
    put::check(&name)?;
    let root = cli::lasting(args.heap.require()?, LASTING)?;
    console.show(&args.report);
    let output = Output::new(args.out.output.as_deref())?;
    let records = match args.command.split_first() {
        Some((program, arguments)) => {
            let heap = Heap::create(&root, args.level.level)?;
            put(name, &mut put::Output::of(program, arguments), &heap, &*console)?
        }
        None => {
            let mut content = cli::content_in()?;
            put(name, &mut content, &Heap::create(&root, args.level.level)?, &*console)?
        }
    };
    Ok(output.write_all(work::worked(cli::without_end(records, args.no_end.no_end)))?)
}
