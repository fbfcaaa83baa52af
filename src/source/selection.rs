//! Selects the entries of a source to list, and counts those that are left out.

use super::kept::{self, Kept};
use super::options::Options;
use crate::display::counted;
use crate::end::{End, Listing};
use crate::filter::{Lines, Met, Rules};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel::lock;
use crate::record::{Kind, Record};
use crate::storage::Location;
use rustix::fs::Stat;
use std::sync::{Arc, Mutex, MutexGuard};

/// A type of entry that has no record. [`WORDS`] has its name for messages.
#[derive(Clone, Copy)]
pub(super) enum Unlisted {
    Socket,
    Fifo,
    Device,
    /// A link, if links are not among the kinds to list.
    Link,
    /// An empty folder, if folders are not among the kinds to list.
    EmptyFolder,
}

const WORDS: [&str; 5] = ["socket", "fifo", "device", "link", "empty folder"];

/// The entries that a listing is asked for, and the tally of what it left out.
pub struct Selection {
    pub(crate) options: Options,
    kept: Kept,
    seen: Mutex<Seen>,
    pub(super) monitor: Arc<dyn Monitor>,
}

/// The entries that were not listed.
struct Seen {
    filtered: bool,
    rules: Met,
    /// The names of left-out roots, outputs and mount points. `--delete` spares them and everything below them.
    kept_out: Vec<Name>,
    /// Those of the names that were found and reported.
    reported: Vec<Name>,
    /// The count of each [`Unlisted`].
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
    /// Returns the selection that the options ask for, for this root.
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
        lock(&self.seen)
    }

    pub(super) fn wants(&self, kind: Kind) -> bool {
        self.options.kinds.is_empty() || self.options.kinds.contains(&kind)
    }

    /// Checks whether a name is in the part to list.
    pub(crate) fn has(&self, name: &[u8]) -> bool {
        self.options.part.as_ref().is_none_or(|part| part.has(name))
    }

    /// Checks whether the part to list can have names in a folder.
    pub(super) fn reaches(&self, folder: &[u8]) -> bool {
        self.options.part.as_ref().is_none_or(|part| part.reaches(folder))
    }

    /// Checks whether an entry is wanted that is not found on the way through folders, but by its whole name.
    pub(crate) fn selects(&self, name: &[u8], kind: Kind) -> bool {
        !self.keeps_out_below(name, false) && self.wants(kind) && self.passes(name)
    }

    /// Checks whether the filter accepts a name, and notes it if not.
    pub(super) fn passes(&self, name: &[u8]) -> bool {
        let is_left_out = self.rules().leaves_out(name, false);
        if is_left_out {
            self.note_filtered();
        }
        !is_left_out
    }

    pub(super) fn rules(&self) -> &Rules {
        &self.options.filter.rules
    }

    /// Notes that the filter left out an entry.
    pub(super) fn note_filtered(&self) {
        self.lock().filtered = true;
    }

    /// Notes the lines of a folder's ignore files.
    pub(super) fn note_ignored(&self, folder: &[u8], lines: &Arc<Lines>) {
        self.lock().rules.add(folder, lines);
    }

    /// Notes that a list of names selects the entries. Such a list is not a rule.
    pub(crate) fn note_chosen(&self) {
        let mut seen = self.lock();
        seen.filtered = true;
        seen.rules = Met::unknown();
    }

    /// Notes an entry that has no record.
    pub(super) fn note_unlisted(&self, what: Unlisted) {
        self.lock().unlisted[what as usize] += 1;
    }

    /// Notes a name that is left out whatever the filter says.
    pub(super) fn note_kept_out(&self, name: &[u8]) {
        self.lock().keep_out(name);
    }

    /// Returns the record of a name that does not exist: of type `gone` if the options ask for that, else an error record.
    pub(super) fn absent(&self, name: &Name, reason: &str) -> Record {
        match self.options.gone {
            true => Record::build(name.clone(), Kind::Gone).finish(),
            false => self.failure(name, reason),
        }
    }

    /// Notifies the monitor of a failure and returns the error record for it.
    pub(super) fn failure(&self, name: &Name, reason: &str) -> Record {
        self.monitor.failure(name, reason);
        Record::failure(name, reason)
    }

    /// Checks whether there are roots or outputs to leave out.
    pub(super) fn may_keep_out(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Checks whether an entry is one of the roots and outputs to leave out. If so, notes it, and reports it once.
    pub(super) fn keeps_out(&self, name: &[u8], stat: &Stat) -> bool {
        self.kept.at(name, stat).inspect(|what| self.report_kept_out(name, what)).is_some()
    }

    /// Checks whether a name is below one of the roots and outputs to leave out. With `itself`, it can also be one of them.
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

    /// Returns the end record of a listing and notifies the monitor of what was left out. `end` has the values that are known
    /// already.
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
            // Unknown rules can leave out a file tomorrow that does not exist today.
            filtered: seen.filtered || seen.rules.is_unknown(),
            rules: seen.rules.rules().and_then(|rules| serde_json::to_value(rules).ok()),
            kept_out: seen.kept_out.clone(),
            types: all.iter().any(|k| !self.wants(*k)).then(wanted),
            ..end
        };
        let end = end.listing(listing);
        match self.options.part.clone() {
            Some(part) => end.part_of(part, None),
            None => end,
        }
    }
}
