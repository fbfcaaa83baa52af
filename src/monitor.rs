//! Reports of a stage while it works. The library never prints; the tool decides what the user sees.

use crate::name::Name;
use std::sync::Mutex;

/// Receives the reports of a stage, from several threads.
pub trait Monitor: Send + Sync {
    /// Something failed for one record; the work goes on.
    fn failure(&self, name: &Name, reason: &str);
    /// Something that the user should know, but not a failure.
    fn warn(&self, message: &str);
    /// Information for the user, such as counts and skipped files.
    fn note(&self, message: &str);
    /// The result for one file, for users who want one line per file.
    fn detail(&self, _what: &str, _name: &Name) {}
    /// A file of this many bytes is done, successfully or not.
    fn done(&self, _bytes: u64) {}
}

/// Keeps all reports, for tests and for callers that evaluate them afterwards.
#[derive(Default)]
pub struct Recorder {
    messages: Mutex<Vec<String>>,
}

impl Recorder {
    /// Returns all reports so far, one line each.
    pub fn messages(&self) -> Vec<String> {
        self.messages.lock().map(|h| h.clone()).unwrap_or_default()
    }

    fn push(&self, line: String) {
        if let Ok(mut messages) = self.messages.lock() {
            messages.push(line);
        }
    }
}

impl Monitor for Recorder {
    fn failure(&self, name: &Name, reason: &str) {
        self.push(format!("{}: {reason}", name.printable()));
    }
    fn warn(&self, message: &str) {
        self.push(message.to_string());
    }
    fn note(&self, message: &str) {
        self.push(message.to_string());
    }
}
