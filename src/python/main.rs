//! From arguments to work: which command, with which options.

use super::args::{Command, Global, Snapshooter};
use super::log::Log;
use super::{Choice, compare, list, make, restore, settings};
use crate::cli::advice;
use crate::cli::args::Order;
use crate::cli::{self, Console, Output, completion};
use crate::error::{Error, Refusal};
use crate::tools::{forget, gc, verify};
use crate::{snapshot, storage::Location, stream::write_error};
use anyhow::bail;
use clap::CommandFactory;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    let console = Console::new("snapshooter");
    let args: Snapshooter = match cli::start(&console, arguments) {
        Ok(args) => args,
        Err(status) => return status,
    };
    let shows_progress = args.progress;
    // What is wrong with the options is usage, as it is for the options that clap looks at.
    let prepared =
        settings::log_level(&args.global).map_err(anyhow::Error::from).map(|level| Arc::new(Log::new(level))).and_then(|log| {
            let work = prepare(args, &log)?;
            Ok((work, log))
        });
    let (work, log) = match prepared {
        Ok(prepared) => prepared,
        Err(e) => return cli::finish(&console, Err(e)),
    };
    log.progress().show(shows_progress);
    let done = work();
    log.progress().finish();
    match done {
        Ok(true) if log.failures() == 0 => ExitCode::SUCCESS,
        Err(e) if matches!(e.downcast_ref(), Some(Error::ReaderGone)) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::from(1),
        Err(e) => {
            log.fatal(&advice::message(&e));
            advice::advice(&e, options).iter().for_each(|help| log.fatal(help));
            ExitCode::from(1)
        }
    }
}

/// Work that says whether the answer is a good one.
type Work = Box<dyn FnOnce() -> anyhow::Result<bool>>;

fn prepare(args: Snapshooter, log: &Arc<Log>) -> anyhow::Result<Work> {
    let (global, log) = (args.global, log.clone());
    if let Some(text) = completion::asked(args.install_completion, args.show_completion, Snapshooter::command())? {
        return Ok(Box::new(move || put(&text)));
    }
    let Some(command) = args.command else {
        bail!(Error::advise("no command given", "'snapshooter --help' tells more"));
    };
    settings::check_storage_options(&global, &*log)?;
    settings::parallel(&global)?;
    work(command, &global, log)
}

fn work(command: Command, global: &Global, log: Arc<Log>) -> anyhow::Result<Work> {
    let snap = settings::absolute(global.snap.require())?;
    let options = global.snap.options()?;
    Ok(match command {
        Command::MakeSnapshot(args) => {
            let (setup, make) = (settings::setup(global)?, settings::making(&args));
            Box::new(move || {
                let made = make::make(&setup, &make, log)?;
                let path = made.place.map_or_else(|| "None".into(), |place| place.as_given());
                put(&[path.as_bytes(), b"\n"].concat())
            })
        }
        Command::RestoreSnapshot(args) => {
            let (setup, plan) = (settings::setup(global)?, settings::planned(args, options));
            Box::new(move || {
                let mut out = Output::new(None)?;
                restore::restore(&setup, &plan, &mut |row| Ok(out.write(row)?), log)?;
                whole(out.finish())
            })
        }
        Command::ListSnapshots(args) => Box::new(move || put(&list(&snap, args.order == Order::Asc, args.offset, args.limit)?)),
        Command::CompareSnapshots(args) => Box::new(move || {
            let left = Choice { path: args.path1, latest: args.latest1, options: options.clone() };
            let right = Choice { path: args.path2, latest: args.latest2, options };
            let (statuses, shown) = (settings::statuses(&args.diff_state), settings::shown(args.format));
            let mut out = Output::new(None)?;
            let found = compare::compare(&snap, [left, right], &statuses, shown, out.writer(), log)?;
            out.finish()?;
            Ok(!(args.exit_code && found))
        }),
        Command::ShowSnapshot(args) => Box::new(move || {
            let path = Choice { path: args.path, latest: args.latest, options }.find(&snap, &*log)?;
            let records = snapshot::read(&path, log)?;
            whole(Output::new(None)?.write_all(cli::without_end(records, args.no_end)))
        }),
        Command::VerifySnapshot(args) => {
            let heap = settings::absolute(global.heap.require())?;
            Box::new(move || {
                let path = Choice { path: args.path, latest: args.latest, options }.find(&snap, &*log)?;
                let records = cli::without_end(snapshot::read(&path, log.clone())?, true);
                whole(verify::verify(records, &heap, &args.how, Output::new(None)?, log))
            })
        }
        Command::ForgetSnapshots(mut args) => Box::new(move || {
            args.how.delete &= !args.dry_run;
            whole(forget::forget(&snap, &args.how, Output::new(None)?, &*log))
        }),
        Command::CollectGarbage(mut args) => {
            let heap = settings::absolute(global.heap.require())?;
            let others = args.other_snap_root.iter().map(|root| Location::parse(root, "--other-snap-root", &options));
            let roots = std::iter::once(Ok(snap)).chain(others).collect::<Result<Vec<_>, Error>>()?;
            Box::new(move || {
                args.how.delete &= !args.dry_run;
                whole(gc::gc(&heap, &roots, &args.how, Output::new(None)?, log))
            })
        }
    })
}

/// A good answer, where nothing stopped the work.
fn whole(done: Result<(), Error>) -> anyhow::Result<bool> {
    Ok(done.map(|()| true)?)
}

/// Writes to standard output; a good answer.
fn put(text: &[u8]) -> anyhow::Result<bool> {
    let mut out = cli::stdout()?;
    out.write_all(text).and_then(|()| out.flush()).map_err(write_error)?;
    Ok(true)
}

/// The options of this command line that lift a rule. It deletes unless it is told not to.
fn options(refusal: &Refusal) -> Option<String> {
    let text = match refusal {
        Refusal::OtherSnapRoot { file } => {
            return Some(format!("give --other-snap-root for it; if it is gone for good, delete {file}"));
        }
        Refusal::DeletesUnterminated => "give --no-delete",
        Refusal::DeletesLaterVersion => "use that version, or give --no-delete",
        Refusal::DeletesFailed => "give --no-delete, or make a snapshot without errors",
        Refusal::DeletesFiltered | Refusal::DeletesShort | Refusal::DeletesChanged => {
            "give --no-delete, or give --delete-excluded"
        }
        Refusal::DeletesTooMany { deleted } => {
            return Some(format!(
                "give --no-delete, or say how many files it may delete: --max-delete {deleted}, or --max-delete 100%"
            ));
        }
        other => return advice::options(other),
    };
    Some(text.to_string())
}
