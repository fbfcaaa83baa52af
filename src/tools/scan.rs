//! `snap-scan`: lists a folder as records.

use crate::cli::args::{Scan, TypeLetter};
use crate::cli::{self, Console, Outcome, Output};
use crate::error::{Error, OrFailed, Result};
use crate::record::Kind;
use crate::scan::{self, Filter, Options};
use crate::storage::Location;
use std::io::{BufReader, IsTerminal};
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Scan, console: Arc<Console>) -> Result<Outcome> {
    let root = match &args.root {
        Some(root) => Location::parse(root, "ROOT", &args.file.options()?)?,
        None => args.file.require()?,
    };
    let mut options = options(&args)?;
    let output = Output::new(args.out.output.as_deref())?;
    options.output = output.own();
    let records = match &args.files_from {
        None => scan::scan(&root, options, console)?,
        Some(path) if path.as_os_str() == "-" => {
            let stdin = cli::stdin()?;
            if stdin.is_terminal() {
                return Err(Error::advise("standard input is a terminal, not a list of names", "pipe names in, or name a file"));
            }
            scan::scan_names(&root, BufReader::new(stdin), "standard input", args.null, options, console)?
        }
        Some(path) => {
            let shown = path.display().to_string();
            let file = std::fs::File::open(path).or_failed(|| shown.clone())?;
            scan::scan_names(&root, BufReader::new(file), &shown, args.null, options, console)?
        }
    };
    output.write_all(cli::without_end(records, args.no_end.no_end))?;
    Ok(Outcome::Done)
}

fn options(args: &Scan) -> Result<Options> {
    let mut filter = Filter::new(&args.exclude, &args.exclude_from, &args.include)?;
    filter.ignore_files.clone_from(&args.ignore_file);
    let kind = |letter: &TypeLetter| match letter {
        TypeLetter::F => Kind::File,
        TypeLetter::L => Kind::Link,
        TypeLetter::D => Kind::Directory,
    };
    let roots = [(args.heap.get()?, "heap root"), (args.snap.get()?, "snap root")];
    Ok(Options {
        kinds: args.types.iter().map(kind).collect(),
        filter,
        one_file_system: args.one_file_system,
        xattrs: args.xattrs,
        leave_out: roots.into_iter().filter_map(|(root, what)| Some((root?, what))).collect(),
        output: scan::Own::default(),
        tell_unwanted: false,
    })
}
