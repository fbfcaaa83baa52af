//! Messages to people: one line each on stderr, with the tool's name in front.

use super::progress::Progress;
use crate::display::{is_hostile, printable};
use crate::monitor::Monitor;
use crate::name::Name;
use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

/// The stderr of a tool. Counts the records that failed, for the exit status.
pub struct Console {
    failures: AtomicU64,
    progress: Progress,
}

impl Console {
    /// A console for the tool of that name.
    pub fn new(tool: &str) -> Console {
        Console { failures: AtomicU64::new(0), progress: Progress::new(tool) }
    }

    /// What shows how far the work is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many records failed so far.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// A line about what stopped the tool, or what to do about it.
    pub fn error(&self, message: &str) {
        self.line(message);
    }

    fn line(&self, message: &str) {
        self.progress.write(&format!("{}: {}\n", self.progress.tool(), harmless(message)));
    }
}

/// A message as a terminal may have it: whatever a path or an argument brought into it, one line of bearable length.
fn harmless(message: &str) -> Cow<'_, str> {
    const LIMIT: usize = 8 << 10;
    let (start, dots) = match message.len() > LIMIT {
        true => (&message[..(0..=LIMIT).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0)], "…"),
        false => (message, ""),
    };
    if dots.is_empty() && !start.chars().any(is_hostile) {
        return Cow::Borrowed(message);
    }
    let escaped = start.chars().map(|c| if is_hostile(c) { c.escape_unicode().to_string() } else { c.to_string() });
    Cow::Owned(escaped.chain([dots.to_string()]).collect())
}

impl Monitor for Console {
    fn failure(&self, name: &Name, reason: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.line(&format!("{}: {reason}", printable(name.as_bytes())));
    }

    fn warn(&self, message: &str) {
        self.line(&format!("warning: {message}"));
    }

    fn note(&self, message: &str) {
        self.line(message);
    }

    fn done(&self, bytes: u64) {
        self.progress.done(bytes);
    }
}
