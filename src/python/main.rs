//! The entry point: parses the arguments and runs the command.

use super::args::{Choice, Command, Global, Snapshooter};
use super::{compare, list, make, restore, settings};
use crate::cli::advice;
use crate::cli::args::Order;
use crate::cli::{self, Console, Output, completion};
use crate::error::{Error, Refusal, Result};
use crate::tools::{forget, gc, verify};
use crate::{snapshot, storage::Location, stream::write_error};
use clap::CommandFactory;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs the tool with these arguments, the first of which is its name; returns its exit status.
pub fn main(arguments: std::env::ArgsOs) -> ExitCode {
    let console = Console::new("snapshooter", None);
    let args: Snapshooter = match cli::start(&console, arguments) {
        Ok(args) => args,
        Err(status) => return status,
    };
    let shown = args.shown.clone();
    // An error in the options is a usage error, as for the options that clap checks.
    let keys = cli::keys::give_from_variables();
    let prepared = keys.and_then(|()| settings::log_level(&args.global)).and_then(|level| {
        let log = Arc::new(console.with_log(level));
        Ok((prepare(args, &log)?, log))
    });
    match prepared {
        Ok((work, log)) => {
            log.show_progress(&shown);
            cli::finish_with(&log, work().map_err(anyhow::Error::from), options, 1)
        }
        Err(e) => cli::finish(&console, Err(e.into())),
    }
}

type Work = Box<dyn FnOnce() -> Result<()>>;

fn prepare(args: Snapshooter, log: &Arc<Console>) -> Result<Work> {
    if let Some(text) = completion::asked(args.install_completion, args.show_completion, Snapshooter::command())? {
        return Ok(Box::new(move || put(&text)));
    }
    let Some(command) = args.command else {
        return Err(Error::advise("no command given", "see 'snapshooter --help'"));
    };
    settings::check_storage_options(&args.global, &**log)?;
    settings::parallel(&args.global)?;
    work(command, &args.global, log.clone())
}

fn work(command: Command, global: &Global, log: Arc<Console>) -> Result<Work> {
    let snap = settings::absolute(global.roots.snap.require())?;
    let options = global.roots.snap.options()?;
    Ok(match command {
        Command::MakeSnapshot(args) => {
            let setup = settings::setup(global)?;
            Box::new(move || {
                let made = make::make(&setup, &args, log)?;
                let path = made.place.map_or_else(|| "None".into(), |place| place.as_given());
                put(&[path.as_bytes(), b"\n"].concat())
            })
        }
        Command::RestoreSnapshot(mut args) => {
            let setup = settings::setup(global)?;
            args.choice.options = options;
            Box::new(move || {
                let mut out = Output::new(None)?;
                restore::restore(&setup, &args, &mut |row| out.write(row), log)?;
                out.finish()
            })
        }
        Command::ListSnapshots(args) => Box::new(move || put(&list(&snap, args.order == Order::Asc, args.offset, args.limit)?)),
        Command::CompareSnapshots(args) => Box::new(move || {
            let left = Choice { path: args.path1, latest: args.latest1, options: options.clone() };
            let right = Choice { path: args.path2, latest: args.latest2, options };
            let mut out = Output::new(None)?;
            let differ = compare::compare(&snap, [left, right], &args.diff_state, args.format, out.writer(), log.clone())?;
            if args.exit_code && differ {
                log.set_negative();
            }
            out.finish()
        }),
        Command::ShowSnapshot(args) => Box::new(move || {
            let choice = Choice { options, ..args.choice };
            let records = snapshot::read(&choice.find(&snap, &*log)?, log)?;
            Output::new(None)?.write_all(cli::without_end(records, args.no_end))
        }),
        Command::VerifySnapshot(args) => {
            let heap = settings::absolute(global.roots.heap.require())?;
            Box::new(move || {
                let choice = Choice { options, ..args.choice };
                let records = snapshot::read(&choice.find(&snap, &*log)?, log.clone())?;
                verify::verify(cli::without_end(records, true), &heap, &args.how, Output::new(None)?, log)
            })
        }
        Command::ForgetSnapshots(mut args) => Box::new(move || {
            args.how.delete &= !args.dry_run;
            forget::forget(&snap, &args.how, Output::new(None)?, &*log)
        }),
        Command::CollectGarbage(mut args) => {
            let heap = settings::absolute(global.roots.heap.require())?;
            let others = args.other_snap_root.iter().map(|root| Location::parse(root, "--other-snap-root", &options));
            let roots = std::iter::once(Ok(snap)).chain(others).collect::<Result<Vec<_>>>()?;
            Box::new(move || {
                args.how.delete &= !args.dry_run;
                gc::gc(&heap, &roots, &args.how, &[], Output::new(None)?, log)
            })
        }
    })
}

/// Writes to standard output.
fn put(text: &[u8]) -> Result<()> {
    let mut out = cli::stdout()?;
    out.write_all(text).and_then(|()| out.flush()).map_err(write_error)
}

/// Returns the options of this command line that lift a rule. This tool deletes by default.
fn options(refusal: &Refusal) -> Option<String> {
    let text = match refusal {
        Refusal::OtherSnapRoot { file } => {
            return Some(format!("give --other-snap-root for it; if it is gone for good, delete {file}"));
        }
        Refusal::NoListing => "give the names to snap-scan --files-from, and pass its records to snap-heapify and snap-write",
        Refusal::DeletesUnterminated | Refusal::DeletesPut => "give --no-delete",
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
        Refusal::NoIdentity | Refusal::WrongIdentity => {
            "set HEAP_IDENTITY to the file with the private key of one of the recipients"
        }
        Refusal::NoRecipients => "set HEAP_RECIPIENTS to the file with the public keys to encrypt to",
        Refusal::NoHeapKey => "set HEAP_KEY_FILE to the key file of the heap, from the machine that made it, or HEAP_IDENTITY",
        other => return advice::options(other),
    };
    Some(text.to_string())
}
