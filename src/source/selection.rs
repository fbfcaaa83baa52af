//! What of a source is listed, and what is left out on the way.

use super::kept::{self, Kept};
use super::options::Options;
use crate::display::counted;
use crate::end::{End, Listing};
use crate::filter::{Lines, Met, Rules};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::storage::Location;
use rustix::fs::Stat;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is there and has no record, by the words for it.
#[derive(Clone, Copy)]
pub(super) enum Unlisted {
    Socket,
    Fifo,
    Device,
    /// Not of the kinds to list.
    Link,
    /// Not of the kinds to list.
    EmptyFolder,
}

const WORDS: [&str; 5] = ["socket", "fifo", "device", "link", "empty folder"];

/// What is asked for of a listing, and the tally of what it left out.
pub struct Selection {
    pub(crate) options: Options,
    kept: Kept,
    seen: Mutex<Seen>,
    pub(super) monitor: Arc<dyn Monitor>,
}

/// What was not listed.
struct Seen {
    filtered: bool,
    rules: Met,
    /// Names left out for what they are, with all below them; `--delete` spares them.
    kept_out: Vec<Name>,
    /// Those that were found and reported.
    reported: Vec<Name>,
    /// How many there are of each [`Unlisted`].
    unlisted: [u64; WORDS.len()],
}

impl Seen {
    fn keep_out(&mut self, name: &[u8]) {
        if !self.kept_out.iter().any(|kept| kept.as_bytes() == name) {
            self.kept_out.push(Name::new(name));
        }
    }
}

impl Selection {
    /// What the options ask for of a root.
    ///
    /// # Errors
    /// If one of the folders to leave out is the root itself.
    pub fn new(root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> crate::error::Result<Selection> {
        kept::refuse_itself(root, &options)?;
        let kept = Kept::new(root, &options);
        let rules = Met::new(options.filter.rules.clone());
        let mut seen = Seen { filtered: false, rules, kept_out: Vec::new(), reported: Vec::new(), unlisted: [0; WORDS.len()] };
        kept.names().for_each(|name| seen.keep_out(name));
        Ok(Selection { options, kept, seen: Mutex::new(seen), monitor })
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn wants(&self, kind: Kind) -> bool {
        self.options.kinds.is_empty() || self.options.kinds.contains(&kind)
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.options.filter.rules
    }

    /// Notes that the filter left something out.
    pub(super) fn note_filtered(&self) {
        self.lock().filtered = true;
    }

    /// Notes the lines of a folder's ignore files.
    pub(super) fn note_ignored(&self, folder: &[u8], lines: &Arc<Lines>) {
        self.lock().rules.add(folder, lines);
    }

    /// Notes that what is left out was chosen by a list of names, which is no rule.
    pub(crate) fn note_chosen(&self) {
        let mut seen = self.lock();
        seen.filtered = true;
        seen.rules = Met::unknown();
    }

    /// Notes something that has no record.
    pub(super) fn note_unlisted(&self, what: Unlisted) {
        self.lock().unlisted[what as usize] += 1;
    }

    /// Notes a name that is left out for what it is.
    pub(super) fn note_kept_out(&self, name: &[u8]) {
        self.lock().keep_out(name);
    }

    /// The record in place of what failed, which the monitor is notified of.
    pub(super) fn failure(&self, name: &Name, reason: &str) -> Record {
        self.monitor.failure(name, reason);
        Record::failure(name, reason)
    }

    /// Whether there may be something to leave out for what it is.
    pub(super) fn may_keep_out(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whether this is to be left out for what it is. If so, this is noted, and reported once.
    pub(super) fn keeps_out(&self, name: &[u8], stat: &Stat) -> bool {
        self.kept.at(name, stat).inspect(|what| self.report_kept_out(name, what)).is_some()
    }

    /// Whether this is below a name that is left out for what it is; or, with `itself`, that name.
    pub(super) fn keeps_out_below(&self, name: &[u8], itself: bool) -> bool {
        let found = self.kept.above(name, itself);
        found.inspect(|(name, what)| self.report_kept_out(name, what)).is_some()
    }

    fn report_kept_out(&self, name: &[u8], what: &str) {
        let mut seen = self.lock();
        seen.keep_out(name);
        if !seen.reported.iter().any(|reported| reported.as_bytes() == name) {
            seen.reported.push(Name::new(name));
            self.monitor.note(&format!("{}: left out, it is the {what}", crate::display::printable(name)));
        }
    }

    /// The end record of a listing, by what was left out, which the monitor is notified of. `end` says what else is known.
    pub(crate) fn end(&self, listing: Listing, end: End) -> End {
        let seen = self.lock();
        let some = |from: usize, to: usize| {
            let counts = seen.unlisted[from..to].iter().zip(&WORDS[from..to]).filter(|(n, _)| **n > 0);
            let words: Vec<String> = counts.map(|(n, what)| counted(*n, what)).collect();
            (!words.is_empty()).then(|| words.join(", "))
        };
        if let Some(words) = some(0, Unlisted::Link as usize) {
            self.monitor.note(&format!("skipped {words}: not recorded"));
        }
        if let Some(words) = some(Unlisted::Link as usize, WORDS.len()).filter(|_| self.options.unwanted.is_some()) {
            self.monitor.note(&format!("not recorded: {words}{}", self.options.unwanted.unwrap_or_default()));
        }
        let all = [Kind::File, Kind::Link, Kind::Directory];
        let wanted = || all.iter().filter(|k| self.wants(**k)).filter_map(|k| k.word()).map(str::to_string).collect();
        let end = End {
            // Rules that can't be told may leave out tomorrow what is not there today.
            filtered: seen.filtered || seen.rules.is_unknown(),
            rules: seen.rules.rules().and_then(|rules| serde_json::to_value(rules).ok()),
            kept_out: seen.kept_out.clone(),
            types: all.iter().any(|k| !self.wants(*k)).then(wanted),
            ..end
        };
        end.listing(listing)
    }
}
