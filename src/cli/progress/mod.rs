//! The progress of a tool on stderr: a line on a terminal that is redrawn while the tool works, lines in a log, or JSON; and the
//! line at the end.

mod counts;
mod drawn;

pub use counts::record;
pub use drawn::{aside, erase, message};

use super::work;
use clap::{Args, ValueEnum};
use counts::{Counts, Now};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use drawn::Drawn;
use serde_json::json;
use std::io::IsTerminal;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// The time before the first line on a terminal: a short run shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);
/// The time between two drawings on a terminal.
const TICK: Duration = Duration::from_millis(200);
/// The time between two lines of JSON.
const JSON_EVERY: Duration = Duration::from_secs(1);
/// The time between two lines in a log.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// When and how to show progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, after a second
    Auto,
    /// At once, on any stderr, and keep the last line
    Always,
    /// Never
    Never,
    /// A JSON object per second, and one at the end
    Json,
}

/// For tools that move contents.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(Args, Clone, Debug)]
pub struct Shown {
    /// Show progress on stderr: auto (on a terminal, after a second), always, never or json [default: auto]
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value_t = When::Auto,
        hide_default_value = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always",
        help_heading = "Output"
    )]
    pub progress: When,
}

/// For tools that do the work of a backup or a restore.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(Args, Clone, Copy, Debug)]
pub struct Verbose {
    /// Print a line on stderr at the end that says what was done
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
}

/// Both options.
#[allow(missing_docs)] // clap shows the text of each option.
#[derive(Args, Clone, Debug)]
pub struct Report {
    #[command(flatten)]
    pub shown: Shown,
    #[command(flatten)]
    pub verbose: Verbose,
}

/// Counts the progress of a tool, and shows it as the user wants it. Clones share the counts.
#[derive(Clone)]
pub struct Progress {
    tool: String,
    counts: Arc<Counts>,
    shower: Arc<Mutex<Option<Shower>>>,
}

/// The thread that shows the progress.
struct Shower {
    when: When,
    /// Dropped at the end.
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl Progress {
    /// Returns a progress with all counts at zero. It shows nothing yet.
    pub fn new(tool: &str) -> Progress {
        work::began();
        Progress { tool: tool.to_string(), counts: Arc::default(), shower: Arc::default() }
    }

    /// Returns the name of the tool, which starts every line.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Returns the counts.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Starts to show the progress.
    pub fn show(&self, shown: &Shown) {
        self.counts.move_contents();
        let when = shown.progress;
        let is_terminal = std::io::stderr().is_terminal();
        if when == When::Never || when == When::Auto && !is_terminal {
            return;
        }
        let (stop, stopped) = bounded(0);
        let showing = self.clone();
        // Without the thread, only the last line is written.
        let thread = crate::parallel::spawn(move || match (when, is_terminal) {
            (When::Json, _) => showing.every(JSON_EVERY, &stopped, || message(&showing.json(false))),
            (_, false) => showing.every(LOG_EVERY, &stopped, || message(&showing.line())),
            (_, true) => showing.draw(if when == When::Auto { PATIENCE } else { Duration::ZERO }, &stopped),
        });
        let thread = thread.ok();
        crate::parallel::lock(&self.shower).get_or_insert(Shower { when, stop, thread });
    }

    fn every(&self, time: Duration, stopped: &Receiver<()>, write: impl Fn()) {
        while stopped.recv_timeout(time) == Err(RecvTimeoutError::Timeout) {
            write();
        }
    }

    fn draw(&self, patience: Duration, stopped: &Receiver<()>) {
        let (mut drawn, began) = (Drawn::new(&self.tool, self.counts.clone()), Instant::now());
        loop {
            drawn.draw(began.elapsed() >= patience);
            if stopped.recv_timeout(TICK) != Err(RecvTimeoutError::Timeout) {
                break;
            }
        }
        drawn.clear();
    }

    /// Returns the counts of this moment in words.
    pub fn words(&self) -> String {
        Now::of(&self.counts).line(usize::MAX, None, false)
    }

    /// Returns the line of this moment.
    pub fn line(&self) -> String {
        format!("{}: {}\n", self.tool, self.words())
    }

    /// Returns the number of files in words, or that of records.
    pub fn counted(&self) -> String {
        Now::of(&self.counts).counted()
    }

    fn json(&self, is_end: bool) -> String {
        let now = Now::of(&self.counts);
        let seconds = (now.elapsed.as_secs_f64() * 1000.0).round() / 1000.0;
        let mut object = json!({
            "tool": self.tool, "files": now.files, "bytes": now.bytes, "requests": now.traffic.requests, "seconds": seconds,
        });
        if let Some((files, bytes)) = now.expected {
            object["expected_files"] = files.into();
            object["expected_bytes"] = bytes.into();
        }
        if is_end {
            object["end"] = true.into();
        }
        format!("{object}\n")
    }

    /// Ends the display, and writes the last line if the user asked for it. Returns whether it did.
    pub fn finish(&self) -> bool {
        let Some(Shower { when, stop, thread }) = crate::parallel::lock(&self.shower).take() else { return false };
        drop(stop);
        thread.map(JoinHandle::join);
        match when {
            When::Always => message(&format!("{}: {}\n", self.tool, Now::of(&self.counts).ended().line(usize::MAX, None, false))),
            When::Json => message(&self.json(true)),
            When::Auto | When::Never => return false,
        }
        true
    }
}
