//! Reports of a stage while it works. The library never prints; the tool decides what the user sees.

use crate::name::Name;
use std::io::{self, BufRead, Read};
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
    /// This many bytes of a content were moved that is not done yet, or are taken back because it is done or failed.
    fn under_way(&self, _bytes: i64) {}
    /// About this many files and bytes will be done.
    fn expect(&self, _files: u64, _bytes: u64) {}
}

/// A reader of one content that reports the bytes as they are read.
pub(crate) struct Counted<R, F: Fn(i64)> {
    inner: R,
    report: F,
    so_far: i64,
}

impl<R, F: Fn(i64)> Counted<R, F> {
    /// Returns the reader of a content that is not done yet. `report` calls [`Monitor::under_way`].
    pub fn new(inner: R, report: F) -> Counted<R, F> {
        Counted { inner, report, so_far: 0 }
    }

    fn count(&mut self, bytes: usize) {
        self.so_far += bytes as i64;
        (self.report)(bytes as i64);
    }
}

impl<R: Read, F: Fn(i64)> Read for Counted<R, F> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect(|n| self.count(*n))
    }
}

impl<R: BufRead, F: Fn(i64)> BufRead for Counted<R, F> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.inner.consume(n);
        self.count(n);
    }
}

impl<R, F: Fn(i64)> Drop for Counted<R, F> {
    fn drop(&mut self) {
        (self.report)(-self.so_far);
    }
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
