//! The stderr of `snapshooter`: lines with time and level, as the Python tool has them.

use super::args::LogLevel;
use crate::cli::Progress;
use crate::display::printable;
use crate::monitor::Monitor;
use crate::name::Name;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

/// Seconds between two lines about progress, as the Python tool has it.
const EVERY: u64 = 10;

/// Writes log lines up to a level. Counts the records that failed, for the exit status.
pub struct Log {
    level: LogLevel,
    failures: AtomicU64,
    progress: Progress,
    since: Instant,
    /// The second in which progress was told last.
    told: AtomicU64,
}

impl Log {
    /// A log of that level.
    pub fn new(level: LogLevel) -> Log {
        Log {
            level,
            failures: AtomicU64::new(0),
            progress: Progress::new("snapshooter"),
            since: Instant::now(),
            told: AtomicU64::new(0),
        }
    }

    /// What shows how far the work is.
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// How many records failed so far.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// What stopped the command. Said at every level.
    pub fn fatal(&self, message: &str) {
        self.line(LogLevel::Critical, "ERROR", message);
    }

    fn line(&self, level: LogLevel, word: &str, message: &str) {
        let line = match self.level {
            LogLevel::None if level <= LogLevel::Warning => format!("snapshooter: {message}\n"),
            asked if asked >= level && asked != LogLevel::None => {
                format!("{} {word:<8} snapshooter - {message}\n", chrono::Local::now().format("%H:%M:%S"))
            }
            _ => return,
        };
        self.progress.write(&line);
    }
}

impl Monitor for Log {
    fn failure(&self, name: &Name, reason: &str) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        self.line(LogLevel::Error, "ERROR", &format!("{}: {reason}", printable(name.as_bytes())));
    }

    fn warn(&self, message: &str) {
        self.line(LogLevel::Warning, "WARNING", message);
    }

    fn note(&self, message: &str) {
        self.line(LogLevel::Info, "INFO", message);
    }

    fn detail(&self, what: &str, name: &Name) {
        self.line(LogLevel::Debug, "DEBUG", &format!("{what}: {}", printable(name.as_bytes())));
    }

    fn done(&self, bytes: u64) {
        self.progress.done(bytes);
        let seconds = self.since.elapsed().as_secs();
        let told = self.told.load(Ordering::Relaxed);
        // One of the threads says it.
        let due = seconds >= told + EVERY;
        if due && self.told.compare_exchange(told, seconds, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            self.note(&format!("progress: {}", self.progress.so_far(self.since)));
        }
    }
}
