//! `snap-write`: publishes a stream as a snapshot.

use crate::cli::args::Write as Args;
use crate::cli::{self, Console, Outcome};
use crate::error::{Result, counted};
use crate::monitor::Monitor;
use crate::snapshot::Label;
use crate::stream;
use crate::time::Time;
use crate::write::{self, Options};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    cli::run(arguments, work)
}

fn work(args: Args, console: Arc<Console>) -> Result<Outcome> {
    let started = Time::now();
    // Nothing is published where nobody could be told of it.
    let mut out = cli::stdout()?;
    let input = cli::records_in(args.input.as_deref())?;
    let root = args.snap.require()?;
    let host = || rustix::system::uname().nodename().to_string_lossy().into_owned();
    // The option says it, else the end record knows what was scanned, else the variable.
    let file_root = args.file.get()?.map(|r| r.identity());
    let explicit = args.file.is_explicit();
    let label = Label {
        host: Some(args.host.unwrap_or_else(host)),
        root: file_root.clone().filter(|_| explicit),
        tags: args.tag,
        before_restore: args.before_restore,
        ..Label::default()
    };
    let heap = args.heap.get()?;
    let options = Options {
        label,
        root: file_root,
        partial: args.partial,
        unterminated: args.unterminated,
        whole: args.whole,
        complete: args.complete,
        allow_empty: args.allow_empty,
        dry_run: args.dry_run,
        heap,
    };
    let written = write::write(input, &root, started, options, console.clone())?;
    match written.place {
        Some(place) => {
            let line = [place.as_given().as_bytes(), b"\n"].concat();
            // The snapshot is there; whoever asked may have gone.
            out.write_all(&line).and_then(|()| out.flush()).map_err(stream::write_error)?;
        }
        None => console.note(&format!("{} would be published in {root}", counted(written.records, "record"))),
    }
    if let Some((listed, came)) = written.short {
        let what = match came < listed {
            true => format!("{came} of {} came", counted(listed, "listed record")),
            false => "other records came than were listed".to_string(),
        };
        console.note(&format!("{what}: the snapshot is marked as filtered; --complete says that this is meant"));
    }
    if written.errors > 0 {
        console.warn(&format!("{} missing in the snapshot, because of failures", counted(written.errors, "record")));
    }
    Ok(Outcome::Done)
}
