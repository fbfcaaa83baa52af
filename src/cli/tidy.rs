//! Verifying, thinning out and cleaning up, for the filters and for `snapshooter`: from options to stages, and what is printed of them.

use super::Output;
use super::args::{ForgetHow, GcHow, GroupBy, Jobs, VerifyHow};
use crate::error::{Result, counted};
use crate::forget::{self, Decision, Grouping, Policy};
use crate::gc::{self, Options, Sum};
use crate::heap::Heap;
use crate::monitor::Monitor;
use crate::storage::Location;
use crate::stream::{Records, write_error};
use crate::verify;
use std::os::unix::ffi::OsStringExt;
use std::sync::Arc;

/// Checks contents, and prints a record for each that is missing or damaged.
///
/// # Errors
/// If the heap can't be read, or the records can't.
pub fn verify(records: Records, heap: &Location, how: &VerifyHow, output: Output, monitor: Arc<dyn Monitor>) -> Result<()> {
    let options = verify::Options { quick: how.quick, jobs: how.jobs.among(&[Some(heap)]) };
    let heap = Arc::new(Heap::open(heap)?);
    output.write_all(verify::verify(records, heap, options, monitor))
}

/// Drops objects, and prints a line for each.
///
/// # Errors
/// Those of [`gc::gc`], and of writing.
pub fn gc(heap: &Location, roots: &[Location], how: &GcHow, mut output: Output, monitor: Arc<dyn Monitor>) -> Result<()> {
    let all: Vec<_> = std::iter::once(heap).chain(roots).map(Some).collect();
    let jobs = how.jobs.among(&all);
    let options = Options { delete: how.delete, exclusive: how.exclusive, grace: how.grace, jobs };
    let mut gone = false;
    let mut report = |fate: &gc::Fate| {
        // Whoever reads the report may go; the work is done all the same.
        if !gone {
            gone = output.writer().write_all((fate.json() + "\n").as_bytes()).is_err();
        }
        Ok(())
    };
    let totals = gc::gc(heap, roots, options, &mut report, monitor.clone())?;
    let sum = |sum: Sum| format!("{} ({})", sum.count, counted(sum.bytes, "byte"));
    let done = if how.delete { "" } else { "would be " };
    monitor.note(&format!(
        "{}, {} ({}); {done}condemned {}, {done}deleted {}, condemned before and kept {}",
        counted(totals.snapshots, "snapshot"),
        counted(totals.objects.count, "object"),
        counted(totals.objects.bytes, "byte"),
        sum(totals.condemned),
        sum(totals.deleted),
        sum(totals.kept),
    ));
    if totals.temps.count > 0 {
        monitor.note(&format!("leftovers of writers that died: {} swept away", sum(totals.temps)));
    }
    output.finish()
}

/// Drops snapshots, and prints a line for each.
///
/// # Errors
/// Those of [`forget::plan`] and of deleting, and of writing.
pub fn forget(root: &Location, how: &ForgetHow, mut output: Output, monitor: &dyn Monitor) -> Result<()> {
    let by = Grouping {
        root: how.group_by.contains(&GroupBy::Root),
        host: how.group_by.contains(&GroupBy::Host),
        tags: how.group_by.contains(&GroupBy::Tags),
    };
    let decisions = forget::plan(root, &policy(how), by, Jobs::usual(&[Some(root)]), monitor)?;
    let mut line = |decision: &Decision| -> Result<()> {
        let line = match how.json {
            true => forget::describe(decision)?.into_bytes(),
            false => decision.found.place.as_given().into_vec(),
        };
        output.writer().write_all(&[&line[..], b"\n"].concat()).map_err(write_error)
    };
    // The oldest first: whatever stops this, the newest are there.
    let mut dropped = 0;
    for decision in decisions.iter().rev() {
        if !decision.keep {
            dropped += 1;
            line(decision)?;
            if how.delete {
                decision.found.place.delete()?;
            }
        } else if how.json {
            line(decision)?;
        }
    }
    output.finish()?;
    let what = if how.delete { "dropped" } else { "to drop" };
    monitor.note(&format!("{dropped} of {} {what}", counted(decisions.len() as u64, "snapshot")));
    Ok(())
}

fn policy(how: &ForgetHow) -> Policy {
    let tags = how.keep_tag.iter().map(|list| list.split(',').filter(|t| !t.is_empty()).map(str::to_string).collect());
    Policy {
        last: how.keep_last.unwrap_or(0),
        hourly: how.keep_hourly.unwrap_or(0),
        daily: how.keep_daily.unwrap_or(0),
        weekly: how.keep_weekly.unwrap_or(0),
        monthly: how.keep_monthly.unwrap_or(0),
        yearly: how.keep_yearly.unwrap_or(0),
        within: how.keep_within,
        tags: tags.filter(|list: &Vec<String>| !list.is_empty()).collect(),
    }
}
