//! Tells whether standard input and output were open when the process started. If they were closed, Rust's runtime opens
//! `/dev/null` in their place, so that no other file gets their numbers. All output would then be lost silently.

use crate::error::{Error, Result};
use std::io::{Stdin, StdoutLock};
use std::sync::atomic::{AtomicBool, Ordering};

static STDIN_CLOSED: AtomicBool = AtomicBool::new(false);
static STDOUT_CLOSED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's runtime, because afterwards a closed stream can't be distinguished from an open `/dev/null`.
#[ctor::ctor]
fn look() {
    let is_closed = |fd| rustix::io::fcntl_getfd(fd) == Err(rustix::io::Errno::BADF);
    STDIN_CLOSED.store(is_closed(rustix::stdio::stdin()), Ordering::Relaxed);
    STDOUT_CLOSED.store(is_closed(rustix::stdio::stdout()), Ordering::Relaxed);
}

/// Returns standard input.
///
/// # Errors
/// If it was closed when the process started.
pub fn stdin() -> Result<Stdin> {
    match STDIN_CLOSED.load(Ordering::Relaxed) {
        true => Err(Error::advise("standard input is closed", "pipe records in, or name a file")),
        false => Ok(std::io::stdin()),
    }
}

/// Returns standard output.
///
/// # Errors
/// If it was closed when the process started.
pub fn stdout() -> Result<StdoutLock<'static>> {
    match STDOUT_CLOSED.load(Ordering::Relaxed) {
        true => Err(Error::advise("standard output is closed", "send it somewhere; >/dev/null throws it away")),
        false => Ok(std::io::stdout().lock()),
    }
}
