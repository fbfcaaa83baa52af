//! `snap-gc`: drops the objects that no snapshot refers to, beside running writers and other gcs, without locks.
//!
//! It works in two phases. An object that no snapshot refers to is condemned: a list in the heap names it. An object that was
//! condemned a grace period ago, is still unreferenced, and has not changed since, is deleted. Writers renew a condemned object
//! before they rely on it ([`crate::heap::Heap::renew`]), and publish within the grace period or not at all
//! ([`crate::heap::Guard`]).

mod claim;
mod plan;
mod probe;
mod references;
mod remote;
mod temps;

use crate::digest::Md5;
use crate::display::printable;
use crate::encryption;
use crate::error::{Error, Malformed, Refusal, Result};
use crate::heap::condemned::Identity;
use crate::heap::{Lease, Names, roots, small};
use crate::monitor::Monitor;
use crate::part::Part;
use crate::storage::Location;
use crate::stream;
use crate::time::Time;
use references::Wanted;
use rustix::fs::Stat;
use std::fs::File;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How to clean a heap.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// Delete and condemn; otherwise only report.
    pub delete: bool,
    /// Nothing else uses the heap: delete at once.
    pub exclusive: bool,
    /// How long an object stays condemned before it is deleted.
    pub grace: Duration,
    /// The number of snapshots that are read at once.
    pub jobs: usize,
    /// Files that [`print_references`] wrote, and what messages call them. Snapshots that they name, in the version that they name,
    /// are not read again.
    pub references: &'a [(String, File)],
}

impl<'a> Options<'a> {
    /// Returns which snapshots are read for this run.
    fn wanted(self, roots: &'a [Location], names: &'a Names) -> Wanted<'a> {
        Wanted { roots, names, jobs: self.jobs, shard: None, given: self.references }
    }
}

/// What happens to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// It is condemned: a later run deletes it.
    Condemned,
    /// It is deleted.
    Deleted,
    /// It was condemned and is kept, for this reason.
    Kept(&'static str),
}

/// A line of the report.
#[derive(Clone, Copy, Debug)]
pub struct Outcome {
    /// The object.
    pub md5: Md5,
    /// Its size in bytes.
    pub stored_size: u64,
    /// What happens to it.
    pub action: Action,
}

impl Outcome {
    /// Returns the line as a JSON object.
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

/// A count and a sum of bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sum {
    /// The number.
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

/// The totals of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Totals {
    /// The number of snapshots whose references are known.
    pub snapshots: u64,
    /// Objects in the heap.
    pub objects: Sum,
    /// Objects condemned now.
    pub condemned: Sum,
    /// Objects deleted.
    pub deleted: Sum,
    /// Objects that were condemned before and are kept.
    pub kept: Sum,
    /// Leftovers of killed writers.
    pub temps: Sum,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        match outcome.action {
            Action::Condemned => self.condemned.add(outcome.stored_size),
            Action::Deleted => self.deleted.add(outcome.stored_size),
            Action::Kept(_) => self.kept.add(outcome.stored_size),
        }
    }
}

/// Looks at a heap and all snapshots that use it, and calls `report` for each object that is or was condemned.
///
/// # Errors
/// If a snap root that is noted in the heap was not given, a root has no snapshot, or anything can't be listed or read: then
/// nothing is condemned or deleted. If the heap can't be written.
pub fn gc(
    heap: &Location,
    snap_roots: &[Location],
    options: Options<'_>,
    report: &mut dyn FnMut(&Outcome) -> Result<()>,
    monitor: Arc<dyn Monitor>,
) -> Result<Totals> {
    check_roots(heap, snap_roots)?;
    let folder = match heap {
        Location::Folder(folder) => folder,
        Location::Remote(store) => return remote::gc(heap, store, snap_roots, options, report, &*monitor),
    };
    let names = names_of(heap)?;
    let lease = Lease::open(folder, names.clone())?;
    // Ages count up to here: snapshots published later are not seen below.
    let now = now(folder, options)?;
    lease.load_condemned()?;
    let condemned = lease.condemned();
    let referenced = references::gather(options.wanted(snap_roots, &names), &*monitor)?;
    let mut totals = Totals { snapshots: referenced.snapshots, ..Totals::default() };
    let mut plan = plan::Plan::new(options, now, &condemned);
    let recover = options.delete;
    lease.each(recover, &mut |md5, stat| {
        totals.objects.add(stat.st_size as u64);
        let Some(action) = handle(&mut plan, &lease, &md5, &stat, referenced.contains(&md5))? else { return Ok(()) };
        let outcome = Outcome { md5, stored_size: stat.st_size as u64, action };
        totals.add(&outcome);
        report(&outcome)
    })?;
    if options.delete {
        plan.write(&lease.lists())?;
        let age = if options.exclusive { Duration::ZERO } else { temps::AGE };
        totals.temps = temps::sweep(heap, snap_roots, now, age)?;
    }
    Ok(totals)
}

/// Reads the snapshots of a shard, and prints what they refer to, for [`Options::references`] of another process.
///
/// # Errors
/// Those of [`gc`] about snapshots, and those of the output.
pub fn print_references(
    heap: &Location,
    snap_roots: &[Location],
    shard: &Part,
    jobs: usize,
    out: &mut dyn Write,
    monitor: &dyn Monitor,
) -> Result<()> {
    check_roots(heap, snap_roots)?;
    let names = names_of(heap)?;
    let wanted = Wanted { roots: snap_roots, names: &names, jobs, shard: Some(shard), given: &[] };
    let references = references::gather(wanted, monitor)?;
    claim::print(&references.read, references.ids(), names.cipher().map(|cipher| cipher.heap()), out).map_err(stream::write_error)
}

/// Returns the names of the objects in the heap. Refuses an encrypted one without an identity: its snapshots could not be read.
fn names_of(heap: &Location) -> Result<Names> {
    let names = Names::of(heap, &encryption::given())?;
    names.cipher().map_or(Ok(()), |cipher| cipher.check_can_read(heap))?;
    Ok(names)
}

/// Checks that all snap roots that are noted in the heap were given.
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

/// Returns the time by the clock of the heap's storage, which also dates the lists of condemned objects.
fn now(heap: &Path, options: Options<'_>) -> Result<Time> {
    if options.delete && !options.exclusive { small::clock(heap) } else { Ok(Time::now()) }
}

/// Decides what happens to an object in a folder of this machine, and does it. Returns None if there is nothing to report.
fn handle(plan: &mut plan::Plan<'_>, lease: &Lease, md5: &Md5, stat: &Stat, referenced: bool) -> Result<Option<Action>> {
    let need = if referenced { plan::Need::Referenced } else { plan::Need::Unreferenced };
    let verdict = plan.decide(md5, stat.st_size as u64, Identity::of_file(stat), need);
    let delete = plan.options.delete;
    Ok(match verdict {
        None => None,
        Some(plan::Verdict::Stays(action)) => Some(action),
        Some(plan::Verdict::Delete) => (!delete || lease.delete(md5)?).then_some(Action::Deleted),
        Some(plan::Verdict::DeleteIf(entry)) => match !delete || lease.delete_unchanged(md5, &entry)? {
            true => Some(Action::Deleted),
            false => Some(plan::ANEW),
        },
    })
}

/// Parses a duration such as `0s`, `90m`, `24h` or `1d12h`.
///
/// # Errors
/// If the text is not a duration.
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
