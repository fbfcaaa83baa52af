//! `snap-gc`: drops the objects that no snapshot refers to, beside running writers and other gcs, without locks.
//!
//! It works in two phases. What is unreferenced now is condemned: written down in the heap. What was condemned a grace period
//! ago, still is unreferenced, and has not changed since, is deleted. Writers renew a condemned object before they rely on it
//! ([`crate::heap::Heap::renew`]), and publish within the grace or not at all ([`crate::heap::Guard`]).

mod objects;
mod references;
mod remote;
mod temps;

use crate::digest::Md5;
use crate::display::printable;
use crate::error::{Error, Malformed, Refusal, Result};
use crate::heap::condemned::{Condemned, Entry};
use crate::heap::{roots, small};
use crate::monitor::Monitor;
use crate::stat;
use crate::storage::Location;
use crate::time::Time;
use objects::Objects;
use rustix::fs::Stat;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// What to do.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Do it, not only say it.
    pub delete: bool,
    /// Nobody else uses the heap: delete at once.
    pub exclusive: bool,
    /// How long an object has to have been condemned before it is deleted.
    pub grace: Duration,
    /// Snapshots read at once.
    pub jobs: usize,
}

/// What becomes of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is written down to be deleted by a later run.
    Condemned,
    /// It goes.
    Deleted,
    /// It was condemned and stays, for this reason.
    Kept(&'static str),
}

/// A line of the report.
#[derive(Clone, Copy, Debug)]
pub struct Fate {
    /// The object.
    pub md5: Md5,
    /// Its size in bytes.
    pub stored_size: u64,
    /// What becomes of it.
    pub action: Action,
}

impl Fate {
    /// This as a JSON object.
    pub fn json(&self) -> String {
        let (action, reason) = match self.action {
            Action::Condemned => ("condemned", None),
            Action::Deleted => ("deleted", None),
            Action::Kept(reason) => ("kept", Some(reason)),
        };
        let reason = reason.map(|r| format!(",\"reason\":\"{r}\"")).unwrap_or_default();
        format!("{{\"action\":\"{action}\",\"md5\":\"{}\"{reason},\"stored_size\":{}}}", self.md5, self.stored_size)
    }
}

/// Counts and bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// How many.
    pub count: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What a run found and did.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// Snapshots read.
    pub snapshots: u64,
    /// Objects in the heap.
    pub objects: Sum,
    /// Objects condemned now.
    pub condemned: Sum,
    /// Objects deleted.
    pub deleted: Sum,
    /// Objects that were condemned and stay for now.
    pub kept: Sum,
    /// Leftovers of writers that died.
    pub temps: Sum,
}

/// A condemned object without a time yet: it gets that of the list.
const NEW: Time = Time { sec: i64::MIN, nsec: 0 };

/// Looks at a heap and all snapshots that use it, and tells `report` what becomes of each object that is or was condemned.
///
/// # Errors
/// If a snap root that is noted in the heap was not given, a root has no snapshot, or anything can't be listed or read:
/// nothing is condemned or deleted then. If the heap can't be written.
pub fn gc(
    heap: &Location,
    snap_roots: &[Location],
    options: Options,
    report: &mut dyn FnMut(&Fate) -> Result<()>,
    monitor: Arc<dyn Monitor>,
) -> Result<Totals> {
    check_roots(heap, snap_roots)?;
    let folder = match heap {
        Location::Folder(folder) => folder,
        Location::Remote(store) => return remote::gc(store, snap_roots, options, report, &*monitor),
    };
    let mut objects = Objects::open(folder)?;
    // Age counts up to here: what is published later is not seen below.
    let now = now(folder, options)?;
    let condemned = Condemned::load(folder)?;
    let referenced = references::gather(snap_roots, options.jobs, &*monitor)?;
    let mut totals = Totals { snapshots: referenced.snapshots, ..Totals::default() };
    let mut run = Run { options, now, condemned: &condemned, next: Vec::new() };
    let recover = options.delete;
    objects.each(recover, &mut |objects, md5, stat| {
        totals.objects.add(stat.st_size as u64);
        let Some(action) = run.judge(objects, &md5, &stat, referenced.contains(&md5))? else { return Ok(()) };
        let fate = Fate { md5, stored_size: stat.st_size as u64, action };
        match action {
            Action::Condemned => totals.condemned.add(fate.stored_size),
            Action::Deleted => totals.deleted.add(fate.stored_size),
            Action::Kept(_) => totals.kept.add(fate.stored_size),
        }
        report(&fate)
    })?;
    let mut next = run.next;
    if options.delete {
        // The old lists stand until all is deleted that they speak of: until then no writer may rely on it.
        let same = next.len() == condemned.len() && next.iter().all(|e| e.condemned != NEW) && condemned.lists().len() <= 1;
        if !same {
            condemned.replace(folder, &mut next)?;
        }
        let age = if options.exclusive { Duration::ZERO } else { temps::AGE };
        totals.temps = temps::sweep(heap, snap_roots, now, age)?;
    }
    Ok(totals)
}

/// All roots that are noted in the heap have to be given.
fn check_roots(heap: &Location, snap_roots: &[Location]) -> Result<()> {
    for noted in roots::noted(heap)? {
        let given = |root: &Location| roots::is_same(&root.absolute(), &noted.root);
        if !snap_roots.iter().any(given) {
            let shown = printable(noted.root.as_os_str().as_bytes());
            let file = &noted.file;
            return Err(Error::rule(
                Refusal::OtherSnapRoot { file: file.to_string() },
                format!("the snap root {shown} uses this heap too"),
            ));
        }
    }
    Ok(())
}

/// The time, by the clock of the storage that wrote down when an object was condemned.
fn now(heap: &Path, options: Options) -> Result<Time> {
    if options.delete && !options.exclusive { small::clock(heap) } else { Ok(Time::now()) }
}

struct Run<'a> {
    options: Options,
    now: Time,
    condemned: &'a Condemned,
    next: Vec<Entry>,
}

impl Run<'_> {
    /// What becomes of an object, done already if it is to be done. None where there is nothing to say.
    fn judge(&mut self, objects: &Objects, md5: &Md5, stat: &Stat, referenced: bool) -> Result<Option<Action>> {
        let Options { delete, exclusive, grace, .. } = self.options;
        let old = self.condemned.of(md5);
        let entry = old.iter().find(|e| e.is_of(stat));
        if referenced {
            // The entry stays as long as the object is what it was: see the condemned module.
            self.next.extend(entry.filter(|_| !exclusive));
            let reason = if entry.is_some() { "referenced" } else { "stored anew" };
            return Ok((!old.is_empty()).then_some(Action::Kept(reason)));
        }
        if exclusive {
            return match !delete || objects.delete(md5)? {
                true => Ok(Some(Action::Deleted)),
                false => Ok(None),
            };
        }
        match entry {
            Some(entry) if entry.age(self.now) >= grace.as_secs_f64() => {
                if !delete || objects.delete_unchanged(md5, entry)? {
                    return Ok(Some(Action::Deleted));
                }
                Ok(Some(Action::Kept("stored anew")))
            }
            Some(entry) => {
                self.next.push(*entry);
                Ok(Some(Action::Kept("grace")))
            }
            None => {
                let modified = stat::modified(stat);
                let stored_size = stat.st_size as u64;
                let grace = grace.as_secs();
                self.next.push(Entry { md5: *md5, stored_size, modified, ino: stat.st_ino, condemned: NEW, grace });
                Ok(Some(Action::Condemned))
            }
        }
    }
}

/// A span such as `0s`, `90m`, `24h` or `1d12h`.
///
/// # Errors
/// If it is none.
pub fn parse_grace(text: &str) -> std::result::Result<Duration, Malformed> {
    let bad = || Malformed::new("expected a duration such as 0s, 90m, 24h or 7d");
    let mut seconds = 0u64;
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| !c.is_ascii_digit()) {
        let number: u64 = rest[..at].parse().map_err(|_| bad())?;
        let unit = match rest.as_bytes()[at] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86400,
            b'w' => 7 * 86400,
            _ => return Err(bad()),
        };
        seconds = number.checked_mul(unit).and_then(|n| seconds.checked_add(n)).filter(|n| *n < 1 << 40).ok_or_else(bad)?;
        rest = &rest[at + 1..];
    }
    if rest.is_empty() && !text.is_empty() { Ok(Duration::from_secs(seconds)) } else { Err(bad()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_or_refused() {
        for (text, seconds) in [("0s", 0), ("90m", 5400), ("24h", 86400), ("1d12h", 129_600), ("1w", 604_800)] {
            assert_eq!(parse_grace(text), Ok(Duration::from_secs(seconds)), "{text}");
        }
        for bad in ["", "24", "h", "1.5h", "-1h", "1y", "99999999999999999999s", "9999999999999w"] {
            assert!(parse_grace(bad).is_err(), "{bad}");
        }
    }
}
