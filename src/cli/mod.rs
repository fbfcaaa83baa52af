//! The command-line parts that all tools share: messages, exit statuses, signals, roots, input and output.

pub mod advice;
pub mod args;
mod closed;
pub mod color;
pub mod completion;
mod console;
mod io;
pub mod keys;
mod like;
pub mod long;
pub mod part;
pub mod plot;
pub mod progress;
mod roots;
mod terminal;
pub mod work;

pub use closed::stdout;
pub use console::{Console, LogLevel};
pub use io::{Output, check_one_stdin, content_in, file_in, records_in, unless_none, without_end};
pub use like::Like;
pub use roots::{FileRoot, HeapRoot, LASTING, LASTING_OR_NONE, Network, Roots, SnapRoot, lasting};

pub use keys::{Identity, Recipients};

use crate::error::{Error, Refusal};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use progress::Progress;
use std::env::ArgsOs;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs a tool: parses its arguments, the first of which is its name, and does its work. Returns the exit status: 1 if a record
/// failed or the answer is negative, 2 after an error.
pub fn run<A: CommandFactory + FromArgMatches>(arguments: ArgsOs, work: fn(A, Arc<Console>) -> anyhow::Result<()>) -> ExitCode {
    let console = Arc::new(Console::new(A::command().get_name(), None));
    match start(&console, arguments) {
        Ok(args) => finish(&console, work(args, console.clone())),
        Err(status) => status,
    }
}

/// Parses the arguments, the first of which is the tool's name, and sets up the handling of signals.
///
/// # Errors
/// The exit status, if there is nothing more to do: the help, the version or a usage message was printed.
pub fn start<A: CommandFactory + FromArgMatches>(console: &Console, arguments: ArgsOs) -> Result<A, ExitCode> {
    let parse = |mut given| {
        let limited = Network::limit(&given).and_then(|()| keys::give(&given));
        Ok((A::from_arg_matches_mut(&mut given)?, limited))
    };
    let args = match A::command().try_get_matches_from(arguments).and_then(parse) {
        Ok((args, Ok(()))) => args,
        Ok((_, Err(e))) => return Err(finish(console, Err(e.into()))),
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            if let Err(closed) = closed::stdout() {
                return Err(finish(console, Err(closed.into())));
            }
            // A closed pager is not an error.
            let _ = e.print();
            return Err(ExitCode::SUCCESS);
        }
        Err(e) => {
            console.error(&usage_message(&e));
            console.error(&format!("see '{} --help'", A::command().get_name()));
            return Err(ExitCode::from(2));
        }
    };
    handle_signals(console.progress().clone());
    allow_many_files();
    Ok(args)
}

/// Sets up the handling of signals. SIGINT, SIGTERM and SIGHUP remove the temporary files and end the process with status 128 +
/// the signal's number. SIGUSR1 prints the progress. SIGXFSZ is ignored, so that a file at its size limit is an ordinary write
/// error.
fn handle_signals(progress: Progress) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
    // If that fails, SIGXFSZ kills the process.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    // Without the thread, a handler would only swallow the signals. So the thread itself installs the handler. If that fails, the
    // signals kill the process as usual.
    let (ready, is_ready) = crossbeam_channel::bounded::<()>(1);
    let started = crate::parallel::spawn(move || {
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGUSR1]) else { return };
        drop(ready);
        for signal in signals.forever() {
            if signal == SIGUSR1 {
                progress::message(&progress.line());
                continue;
            }
            progress::erase();
            crate::cleanup::run();
            std::process::exit(128 + signal);
        }
    });
    if started.is_ok() {
        // Waits until the thread drops its end. The error is expected: no message is ever sent.
        let _ = is_ready.recv();
    }
}

/// Raises the limit of open files as far as the system allows: a deep tree needs one open folder for each level.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // If the system refuses, the tool works with the present limit.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Prints the message about an error, if there is one, and returns the exit status of the tool.
pub fn finish(console: &Console, result: anyhow::Result<()>) -> ExitCode {
    finish_with(console, result, advice::options, 2)
}

/// Does what [`finish`] does, with this advice and this exit status for an error.
pub fn finish_with(
    console: &Console,
    result: anyhow::Result<()>,
    options: fn(&Refusal) -> Option<String>,
    status: u8,
) -> ExitCode {
    console.finish();
    match result {
        Ok(()) if console.is_negative() => ExitCode::from(1),
        Ok(()) => ExitCode::SUCCESS,
        Err(e) if matches!(e.downcast_ref(), Some(Error::ReaderGone)) => ExitCode::SUCCESS,
        Err(e) => {
            console.error(&advice::message(&e));
            advice::advice(&e, options).iter().for_each(|help| console.error(help));
            ExitCode::from(status)
        }
    }
}

/// Returns clap's message in one line.
fn usage_message(e: &clap::Error) -> String {
    let text = e.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|l| !l.trim().is_empty()).map(str::trim).collect();
    let message = first.join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message);
    match e.get(ContextKind::SuggestedArg) {
        Some(suggestion) => format!("{message}; did you mean '{suggestion}'?"),
        None => message.to_string(),
    }
}
