//! The line on a terminal. One tool of a pipeline draws it; messages of all tools erase it first.

use super::counts::{Counts, Now};
use crate::cli::terminal;
use crate::parallel::lock;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle, TermLike};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno;
use rustix::termios::{LocalModes, tcgetattr, tcgetpgrp, ttyname};
use std::io::{self, IsTerminal, Write, stderr};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The line that this process draws now.
static DRAWN: Mutex<Option<ProgressBar>> = Mutex::new(None);
/// Nothing is drawn any more.
static OVER: AtomicBool = AtomicBool::new(false);

/// The columns of a terminal that does not know its size.
const USUAL: usize = 80;
/// The least width for a bar.
const WIDE: usize = 60;
/// The width of a bar.
const BAR: usize = 16;

/// Writes to the terminal beside the line: it is erased first, and drawn again afterwards.
pub fn aside<T>(write: impl FnOnce() -> T) -> T {
    let bar = lock(&DRAWN).clone();
    match bar {
        Some(bar) => bar.suspend(write),
        None => write(),
    }
}

/// Writes a line to stderr. A write error is ignored, because there is no other place to report it.
pub fn message(line: &str) {
    let is_other = lock(&DRAWN).is_none() && other_draws();
    aside(|| {
        // In one write, so that the other tool does not draw in between.
        let line = if is_other { format!("{ERASE}{line}") } else { line.to_string() };
        drop(stderr().lock().write_all(line.as_bytes()));
    });
}

/// Erases the line for good, before the process ends at once. Waits for nobody.
pub fn erase() {
    OVER.store(true, Ordering::Relaxed);
    if DRAWN.try_lock().is_ok_and(|drawn| drawn.is_some()) {
        drop(stderr().write_all(ERASE.as_bytes()));
    }
}

const ERASE: &str = "\r\x1b[K";

/// Whether another process draws a line on the terminal.
fn other_draws() -> bool {
    stderr().is_terminal() && terminal::is_capable() && matches!(locked(), Err(Errno::WOULDBLOCK))
}

/// Locks the terminal for drawing. The terminal is opened once more, because processes share the lock of a descriptor that they
/// inherit. `/dev/tty` would be the same file for all terminals.
fn locked() -> Result<OwnedFd, Errno> {
    let name = ttyname(stderr(), Vec::new())?;
    let terminal = open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC, Mode::empty())?;
    flock(&terminal, FlockOperation::NonBlockingLockExclusive)?;
    Ok(terminal)
}

/// The line of this tool.
pub struct Drawn {
    tool: String,
    counts: Arc<Counts>,
    /// Held while no other tool may draw.
    lock: Option<OwnedFd>,
    bar: ProgressBar,
    is_drawn: bool,
    columns: Arc<AtomicUsize>,
    /// Whether the style has a bar.
    has_bar: bool,
}

impl Drawn {
    /// Returns a line that is not drawn yet.
    pub fn new(tool: &str, counts: Arc<Counts>) -> Drawn {
        let columns = Arc::new(AtomicUsize::new(USUAL));
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        bar.set_style(style(tool, counts.clone(), columns.clone(), false));
        Drawn { tool: tool.to_string(), counts, lock: None, bar, is_drawn: false, columns, has_bar: false }
    }

    /// Takes note of the progress, from which the time that is left is known. Then draws the line, if it `is_due` and the
    /// terminal is this tool's to draw on.
    pub fn draw(&mut self, is_due: bool) {
        let part = Now::of(&self.counts).part();
        let is_allowed = is_due && self.is_allowed();
        match is_allowed {
            true => self.prepare(part.is_some()),
            // The terminal is someone else's: the line is left as it is.
            false => self.hide(),
        }
        let length = part.map(|(_, all)| all);
        if self.bar.length() != length {
            length.map_or_else(|| self.bar.unset_length(), |all| self.bar.set_length(all));
        }
        match part {
            // This draws, too.
            Some((done, _)) => self.bar.set_position(done),
            None if is_allowed => self.bar.force_draw(),
            None => {}
        }
    }

    /// Makes the line fit the terminal, and able to be drawn.
    fn prepare(&mut self, is_expected: bool) {
        let columns = terminal::columns_of(stderr()).or_else(terminal::given).unwrap_or(USUAL);
        self.columns.store(columns, Ordering::Relaxed);
        let has_bar = columns >= WIDE && is_expected;
        if has_bar != self.has_bar {
            self.bar.set_style(style(&self.tool, self.counts.clone(), self.columns.clone(), has_bar));
            self.has_bar = has_bar;
        }
        if !std::mem::replace(&mut self.is_drawn, true) {
            let line = Line { columns: self.columns.clone(), text: Mutex::default() };
            self.bar.set_draw_target(ProgressDrawTarget::term_like(Box::new(line)));
            *lock(&DRAWN) = Some(self.bar.clone());
        }
    }

    fn hide(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            *lock(&DRAWN) = None;
            self.bar.set_draw_target(ProgressDrawTarget::hidden());
        }
    }

    /// Whether the tool may draw: no other one does, it is in the foreground, and no pager or editor has taken the terminal.
    fn is_allowed(&mut self) -> bool {
        let is_in_front = tcgetpgrp(stderr()).is_ok_and(|group| group == rustix::process::getpgrp());
        let is_plain = tcgetattr(stderr()).is_ok_and(|modes| modes.local_modes.contains(LocalModes::ICANON));
        if !is_in_front || !is_plain || !terminal::is_capable() {
            return false;
        }
        if self.lock.is_none() {
            match locked() {
                Ok(lock) => self.lock = Some(lock),
                Err(Errno::WOULDBLOCK) => return false,
                // The terminal of another user, after su: nobody can lock it.
                Err(_) => {}
            }
        }
        true
    }

    /// Erases the line.
    pub fn clear(self) {
        if self.is_drawn {
            *lock(&DRAWN) = None;
            self.bar.finish_and_clear();
        }
    }
}

fn style(tool: &str, counts: Arc<Counts>, columns: Arc<AtomicUsize>, has_bar: bool) -> ProgressStyle {
    let template = match has_bar {
        true => format!("{tool}: [{{bar:{BAR}}}] {{percent:>3}}% {{line}}"),
        false => format!("{tool}: {{line}}"),
    };
    let taken = tool.len() + ": ".len() + if has_bar { BAR + "[] 100% ".len() } else { 0 };
    let line = move |state: &ProgressState, out: &mut dyn std::fmt::Write| {
        let room = columns.load(Ordering::Relaxed).saturating_sub(taken + 1);
        // Nothing is known of a time before something is done.
        let left = Some(state.eta()).filter(|left| has_bar && !left.is_zero());
        let _ = out.write_str(&Now::of(&counts).line(room, left, has_bar));
    };
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_spinner());
    style.progress_chars("█▉▊▋▌▍▎▏ ").with_key("line", line)
}

/// The line as indicatif sees it: a terminal with one line. Each drawing is one write, after which the cursor is at the start of
/// the line, so that what another process writes there stands where it should.
#[derive(Debug)]
struct Line {
    columns: Arc<AtomicUsize>,
    text: Mutex<String>,
}

impl TermLike for Line {
    fn width(&self) -> u16 {
        self.columns.load(Ordering::Relaxed).saturating_sub(1).clamp(1, u16::MAX.into()) as u16
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.write_str(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        let mut line = lock(&self.text);
        match text {
            "\r" => line.clear(),
            text => line.push_str(text),
        }
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        lock(&self.text).clear();
        Ok(())
    }

    fn flush(&self) -> io::Result<()> {
        let text = std::mem::take(&mut *lock(&self.text));
        let text: String = text.trim_end().chars().take(self.width().into()).collect();
        let end = if text.is_empty() { "" } else { "\r" };
        match OVER.load(Ordering::Relaxed) {
            true => Ok(()),
            false => stderr().lock().write_all(format!("{ERASE}{text}{end}").as_bytes()),
        }
    }
}
