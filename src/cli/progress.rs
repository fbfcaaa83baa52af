//! The progress of a tool: a line on stderr that is redrawn while the tool works, and a last one at the end.

use crate::storage::traffic;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Counts the progress of a tool. Shows it in a line if the user asked for it.
pub struct Progress {
    tool: String,
    shown: OnceLock<Shown>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    files: AtomicU64,
    bytes: AtomicU64,
}

struct Shown {
    bar: ProgressBar,
    since: Instant,
}

impl Progress {
    /// Returns a progress with all counts at zero. It shows nothing yet.
    pub fn new(tool: &str) -> Progress {
        Progress { tool: tool.to_string(), shown: OnceLock::new(), counts: Arc::default() }
    }

    /// Returns the name of the tool, which starts every line.
    pub fn tool(&self) -> &str {
        &self.tool
    }

    /// Starts to draw the line if `asked`. If stderr is not a terminal, only the last line is written.
    pub fn show(&self, asked: bool) {
        if !asked {
            return;
        }
        let (counts, since) = (self.counts.clone(), Instant::now());
        let line = move |_: &ProgressState, out: &mut dyn std::fmt::Write| {
            let _ = out.write_str(&counts.line(since, traffic::so_far().under_way));
        };
        let style = ProgressStyle::with_template(&format!("{}: {{line}}", self.tool))
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()).with_style(style.with_key("line", line));
        if self.shown.set(Shown { bar: bar.clone(), since }).is_ok() {
            // If the thread can't be started, only the last line is shown. The bar's own ticker would panic instead.
            let _ = crate::parallel::spawn(move || {
                while !bar.is_finished() {
                    bar.tick();
                    std::thread::sleep(Duration::from_millis(200));
                }
            });
        }
    }

    /// Describes the progress so far, with the rate since a time.
    pub fn so_far(&self, since: Instant) -> String {
        self.counts.line(since, traffic::so_far().under_way)
    }

    /// Counts a file.
    pub fn done(&self, bytes: u64) {
        self.counts.files.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Writes a line to stderr, above the progress line. A write error is ignored, because there is no other place to report it.
    pub fn write(&self, line: &str) {
        let write = || drop(std::io::stderr().lock().write_all(line.as_bytes()));
        match self.shown.get() {
            Some(shown) => shown.bar.suspend(write),
            None => write(),
        }
    }

    /// Removes the progress line and writes the last one, if the user asked for progress.
    pub fn finish(&self) {
        if let Some(shown) = self.shown.get() {
            shown.bar.finish_and_clear();
            // Nothing is under way any more.
            let line = self.counts.line(shown.since, traffic::so_far().most_under_way);
            self.write(&format!("{}: {line}\n", self.tool));
        }
    }
}

impl Counts {
    /// Returns the line, with this number of requests at once.
    fn line(&self, since: Instant, at_once: usize) -> String {
        let (files, bytes) = (self.files.load(Ordering::Relaxed), self.bytes.load(Ordering::Relaxed));
        let elapsed = since.elapsed();
        let size = |bytes| indicatif::DecimalBytes(bytes);
        let rate = |bytes| size((bytes as f64 / elapsed.as_secs_f64().max(0.001)) as u64);
        let many = |n: u64, what: &str| format!("{} {what}{}", indicatif::HumanCount(n), if n == 1 { "" } else { "s" });
        let mut line = format!("{}, {}, {}/s", many(files, "file"), size(bytes), rate(bytes));
        let traffic = traffic::so_far();
        if traffic.requests > 0 {
            let (requests, network) = (many(traffic.requests, "request"), rate(traffic.bytes));
            line += &format!(", {requests} ({at_once} at once, {network}/s)");
        }
        line + &format!(", {}", indicatif::FormattedDuration(elapsed))
    }
}
