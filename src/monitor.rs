//! What a stage tells while it works. The library never prints; the binary decides what a person sees.

use crate::name::Name;
use std::sync::Mutex;

/// Hears what happens in a stage, from several threads.
pub trait Monitor: Send + Sync {
    /// Something failed for one record; the work goes on.
    fn failure(&self, name: &Name, reason: &str);
    /// Something that the user should know and that is no failure.
    fn warn(&self, message: &str);
    /// Something that a curious user may like to know: counts, skipped things.
    fn note(&self, message: &str);
    /// What was done to one file, for users who want to see every file.
    fn detail(&self, _what: &str, _name: &Name) {}
    /// A file is done, well or not: so many bytes it has.
    fn done(&self, _bytes: u64) {}
}

/// Keeps everything it hears, for tests and for callers that look at it afterwards.
#[derive(Default)]
pub struct Recorder {
    heard: Mutex<Vec<String>>,
}

impl Recorder {
    /// Everything heard so far, a line each.
    pub fn heard(&self) -> Vec<String> {
        self.heard.lock().map(|h| h.clone()).unwrap_or_default()
    }

    fn push(&self, line: String) {
        if let Ok(mut heard) = self.heard.lock() {
            heard.push(line);
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
