//! Messages to people on stderr: one line each, with the tool's name in front, or a log with time and level.

use super::progress::{self, Progress, Report, Shown, Verbose};
use super::work;
use crate::display::is_hostile;
use crate::error::Error;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::snapshot::Found;
use std::borrow::Cow;
use std::os::unix::ffi::OsStringExt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Seconds between two log lines about progress, as in the Python tool.
const PROGRESS_SECONDS: u64 = 10;

/// How much a log contains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "UPPER")]
pub enum LogLevel {
    /// Only what stopped the command
    Critical,
    /// What failed
    Error,
    /// What may be wrong, too
    Warning,
    /// What is done, too
    Info,
    /// What is done to every file, too
    Debug,
    /// What failed and what may be wrong, without time and level
    None,
}

/// The stderr of a tool. Remembers whether the exit status is 1.
pub struct Console {
    log: Option<LogLevel>,
    is_negative: AtomicBool,
    is_verbose: AtomicBool,
    progress: Progress,
    /// The second in which the last log line about progress was written.
    reported: AtomicU64,
}

impl Console {
    /// Returns the console of a tool. With `log`, messages are log lines of that level, as in the Python tool; otherwise plain
    /// lines.
    pub fn new(tool: &str, log: Option<LogLevel>) -> Console {
        let (is_negative, is_verbose) = (AtomicBool::new(false), AtomicBool::new(false));
        Console { log, is_negative, is_verbose, progress: Progress::new(tool), reported: AtomicU64::new(0) }
    }

    /// Returns a console of the same tool and the same progress that writes a log of this level.
    #[must_use]
    pub fn with_log(&self, level: LogLevel) -> Console {
        Console { progress: self.progress.clone(), ..Console::new(self.progress.tool(), Some(level)) }
    }

    /// Starts to show the progress, as the options say.
    pub fn show(&self, report: &Report) {
        self.show_progress(&report.shown);
        self.sum_up(report.verbose);
    }

    /// Starts to show the progress, as the option says.
    pub fn show_progress(&self, shown: &Shown) {
        self.progress.show(shown);
    }

    /// Takes note whether to write a line at the end that says what was done.
    pub fn sum_up(&self, verbose: Verbose) {
        self.is_verbose.store(verbose.verbose, Ordering::Relaxed);
    }

    /// Ends the display of progress, and writes what the user wants to see at the end.
    pub fn finish(&self) {
        let has_written = self.progress.finish();
        if !self.is_verbose.load(Ordering::Relaxed) {
            return;
        }
        match work::last() {
            Some(work) => self.note(&format!("{}: {}", self.progress.counted(), work::words(&work))),
            None if !has_written => progress::message(&self.progress.line()),
            None => {}
        }
    }

    /// Returns the display of progress.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Sets the exit status to 1: a record failed, or the answer is negative (differences were found, for example).
    pub fn set_negative(&self) {
        self.is_negative.store(true, Ordering::Relaxed);
    }

    /// Whether a record failed or the answer is negative.
    pub fn is_negative(&self) -> bool {
        self.is_negative.load(Ordering::Relaxed)
    }

    /// Reports a snapshot of a list that can't be read. The list goes on.
    pub fn unread(&self, found: &Found, e: &Error) {
        self.failure(&Name::new(found.place.as_given().into_vec()), &e.to_string());
    }

    /// Writes a line about the error that stopped the tool, or the advice for it, at every log level.
    pub fn error(&self, message: &str) {
        self.line(LogLevel::Critical, "ERROR", message);
    }

    fn line(&self, level: LogLevel, word: &str, message: &str) {
        let (tool, message) = (self.progress.tool(), harmless(message));
        let line = match self.log {
            None if level == LogLevel::Warning => format!("{tool}: warning: {message}\n"),
            None if level < LogLevel::Debug => format!("{tool}: {message}\n"),
            Some(LogLevel::None) if level <= LogLevel::Warning => format!("{tool}: {message}\n"),
            Some(log) if level <= log && log != LogLevel::None => {
                format!("{} {word:<8} {tool} - {message}\n", chrono::Local::now().format("%H:%M:%S"))
            }
            None | Some(_) => return,
        };
        progress::message(&line);
    }
}

/// Makes a message safe for a terminal, even if a path or an argument added control characters: one line of limited length.
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
        self.set_negative();
        self.line(LogLevel::Error, "ERROR", &format!("{}: {reason}", name.printable()));
    }

    fn warn(&self, message: &str) {
        self.line(LogLevel::Warning, "WARNING", message);
    }

    fn note(&self, message: &str) {
        self.line(LogLevel::Info, "INFO", message);
    }

    fn detail(&self, what: &str, name: &Name) {
        // A tool that logs nothing does this for every file.
        if self.log == Some(LogLevel::Debug) {
            self.line(LogLevel::Debug, "DEBUG", &format!("{what}: {}", name.printable()));
        }
    }

    fn done(&self, bytes: u64) {
        self.progress.counts().done(bytes);
        if self.log.is_none() {
            return;
        }
        let (seconds, reported) = (work::began().elapsed().as_secs(), self.reported.load(Ordering::Relaxed));
        let due = seconds >= reported + PROGRESS_SECONDS;
        // Only one of the threads reports it.
        if due && self.reported.compare_exchange(reported, seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.note(&format!("progress: {}", self.progress.words()));
        }
    }

    fn under_way(&self, bytes: i64) {
        self.progress.counts().under_way(bytes);
    }

    fn expect(&self, files: u64, bytes: u64) {
        self.progress.counts().expect(files, bytes);
    }
}
