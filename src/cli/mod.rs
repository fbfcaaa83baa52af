//! What all tools share at the command line: messages, exit statuses, signals, roots, input and output.

pub mod advice;
pub mod args;
mod closed;
pub mod completion;
mod console;
mod io;
mod progress;
mod roots;

pub use closed::{stdin, stdout};
pub use console::{Console, LogLevel};
pub use io::{Output, records_in, without_end};
pub use roots::{FileRoot, HeapRoot, Roots, SnapRoot};

use crate::error::{Error, Refusal, Result};
use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, FromArgMatches};
use std::env::ArgsOs;
use std::process::ExitCode;
use std::sync::Arc;

/// Runs a tool: parses its arguments, the first of which is its name, and does its work. Returns the exit status: 1 if a record
/// failed or the answer is negative, 2 after an error.
pub fn run<A: CommandFactory + FromArgMatches>(arguments: ArgsOs, work: fn(A, Arc<Console>) -> Result<()>) -> ExitCode {
    let console = Arc::new(Console::new(A::command().get_name(), None));
    match start(&console, arguments) {
        Ok(args) => finish(&console, work(args, console.clone())),
        Err(status) => status,
    }
}

/// Parses the arguments, the first of which is the tool's name, and sets up the handling of signals.
///
/// # Errors
/// The exit status, if there is nothing to do: the help, the version or a usage message was printed.
pub fn start<A: CommandFactory + FromArgMatches>(console: &Console, arguments: ArgsOs) -> Result<A, ExitCode> {
    let args = match A::command().try_get_matches_from(arguments).and_then(|mut m| A::from_arg_matches_mut(&mut m)) {
        Ok(args) => args,
        Err(e) if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            if let Err(closed) = closed::stdout() {
                return Err(finish(console, Err(closed)));
            }
            // A pager that was closed is no trouble.
            let _ = e.print();
            return Err(ExitCode::SUCCESS);
        }
        Err(e) => {
            console.error(&usage_message(&e));
            console.error(&format!("'{} --help' tells more", A::command().get_name()));
            return Err(ExitCode::from(2));
        }
    };
    clean_up_on_signals();
    allow_many_files();
    Ok(args)
}

/// SIGINT, SIGTERM and SIGHUP take the temporary files away and end the process with status 128 + the signal's number. SIGXFSZ
/// does nothing, so that a file that may grow no further is an error of writing like any other.
fn clean_up_on_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    // Where that fails, SIGXFSZ kills.
    let _ = signal_hook::flag::register(SIGXFSZ, Arc::default());
    // Where there can be no handler, or no thread for it, the signals just kill, as if there were none: it is set up by the
    // thread, because one that nobody listens to would make them do nothing.
    let (ready, is_ready) = crossbeam_channel::bounded::<()>(1);
    let started = crate::parallel::spawn(move || {
        let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
        drop(ready);
        if let Some(signal) = signals.forever().next() {
            crate::cleanup::run();
            std::process::exit(128 + signal);
        }
    });
    if started.is_ok() {
        // It fails when the thread lets go of its end, which is what is waited for.
        let _ = is_ready.recv();
    }
}

/// A deep tree takes an open folder a level: as many as the system lets us have.
fn allow_many_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    // Where that is refused the tool works with what there is.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}

/// Returns the exit status of a tool, after the message about an error.
pub fn finish(console: &Console, result: Result<()>) -> ExitCode {
    finish_with(console, result, advice::options, 2)
}

/// As [`finish`], with the advice and the exit status for an error.
pub fn finish_with(console: &Console, result: Result<()>, options: fn(&Refusal) -> Option<String>, status: u8) -> ExitCode {
    console.progress().finish();
    match result {
        Ok(()) if console.is_negative() => ExitCode::from(1),
        Ok(()) | Err(Error::ReaderGone) => ExitCode::SUCCESS,
        Err(e) => {
            console.error(&e.to_string());
            advice::advice(&e, options).iter().for_each(|help| console.error(help));
            ExitCode::from(status)
        }
    }
}

/// clap's message in one line.
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
