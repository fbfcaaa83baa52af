//! `snap-forget`: which snapshots to keep, by rules with the names and the meaning of restic's.
//!
//! A rule of a period keeps the latest snapshot of each of the last N periods that have one; periods without one do not count.
//! While a rule has kept fewer than N, the oldest snapshot is kept too, so that history is as long as the rule allows.

mod policy;

pub use policy::{Decision, Policy, Within, parse_count, parse_within};

use crate::display::counted;
use crate::error::{Error, Refusal, Result};
use crate::json;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel;
use crate::snapshot::{self, Found, Label};
use crate::storage::Location;
use chrono::{DateTime, Local, TimeZone};
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;

/// The properties that snapshots of a group share. The rules are applied to each group separately.
#[derive(Clone, Copy, Debug, Default)]
pub struct Grouping {
    /// The file root.
    pub root: bool,
    /// The machine.
    pub host: bool,
    /// The tags.
    pub tags: bool,
}

/// The key of a group: whether its snapshots are safety copies from before a restore, and their root, host and tags, as far as
/// the user groups by them. Safety copies never replace an ordinary snapshot of the same period.
type Group = (bool, Option<String>, Option<String>, Vec<String>);

/// Decides for every snapshot of a snap root, newest first, whether to keep it; `jobs` snapshots are read at once. A damaged
/// snapshot is reported to the monitor as a failure. It gets no decision, is kept, and does not count for the rules.
///
/// # Errors
/// If the snap root can't be listed, the policy has no rule, or a group would lose all its snapshots.
pub fn plan(root: &Location, policy: &Policy, by: Grouping, jobs: usize, monitor: &dyn Monitor) -> Result<Vec<Decision>> {
    if policy.is_empty() {
        return Err(Error::rule(Refusal::NoRules, "no rule says what to keep, so all snapshots would be dropped"));
    }
    let found = snapshot::list_to_read(root)?;
    let mut groups: BTreeMap<Group, Vec<(Found, Label)>> = BTreeMap::new();
    let places: Vec<_> = found.iter().map(|found| found.place.clone()).collect();
    let jobs = jobs.min(snapshot::MOST_AT_ONCE);
    let labels = parallel::ordered_map(places.into_iter(), jobs, jobs, |place| snapshot::check(&place));
    for (found, label) in found.into_iter().zip(labels) {
        match label {
            Ok(label) => {
                let label = label.unwrap_or_default();
                groups.entry(group(&label, by)).or_default().push((found, label));
            }
            Err(e) => monitor.failure(&Name::new(found.place.as_given().as_bytes()), &format!("kept: {e}")),
        }
    }
    let mut all = Vec::new();
    for snapshots in groups.into_values() {
        let decided = policy.apply(snapshots, local);
        if decided.iter().all(|d| !d.keep) {
            let one = decided.first().map(|d| d.found.place.to_string()).unwrap_or_default();
            return Err(Error::rule(
                Refusal::KeepsNone,
                format!("the rules keep none of the group of {one} ({})", counted(decided.len() as u64, "snapshot")),
            ));
        }
        all.extend(decided);
    }
    all.sort_by(|a, b| b.found.time.cmp(&a.found.time).then_with(|| a.found.place.as_given().cmp(&b.found.place.as_given())));
    Ok(all)
}

/// Returns the local time of a moment.
fn local(time: crate::time::Time) -> DateTime<chrono::FixedOffset> {
    let utc = DateTime::from_timestamp(time.sec, time.nsec).unwrap_or_default();
    Local.from_utc_datetime(&utc.naive_utc()).fixed_offset()
}

fn group(label: &Label, by: Grouping) -> Group {
    let mut tags = if by.tags { label.tags.clone() } else { Vec::new() };
    tags.sort();
    tags.dedup();
    (label.before_restore, label.root.clone().filter(|_| by.root), label.host.clone().filter(|_| by.host), tags)
}

/// Returns a decision as a JSON object: `action` (`keep` or `drop`), the `reasons`, and the keys of `snap-list --json`.
///
/// # Errors
/// If the snapshot can't be read.
pub fn describe(decision: &Decision) -> Result<String> {
    let rest = snapshot::describe(&decision.found)?;
    let action = if decision.keep { "keep" } else { "drop" };
    let reasons: Vec<String> = decision.reasons.iter().map(|r| json::json_string(r.as_bytes())).collect();
    Ok(format!("{{\"action\":\"{action}\",\"reasons\":[{}],{}", reasons.join(","), rest.strip_prefix('{').unwrap_or_default()))
}
