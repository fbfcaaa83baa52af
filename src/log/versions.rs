//! Versions of the differences between snapshots.

use crate::end::{End, Listing};
use crate::error::Result;
use crate::json::json_string;
use crate::record::{Kind, Record};
use crate::stream::Records;
use std::collections::{BTreeMap, VecDeque};

/// A version of a name.
struct Version {
    record: Record,
    /// The time of the first snapshot without it.
    until: Option<String>,
    status: &'static str,
}

impl Version {
    fn into_record(self) -> Record {
        let until = self.until.map_or_else(|| "null".to_string(), |time| json_string(time.as_bytes()));
        self.record.edit().set_json("status", &json_string(self.status.as_bytes())).set_json("until", &until).finish()
    }
}

/// Returns the versions of these differences, which are in order of name and then of time. Those without a root are of the first
/// one.
pub fn of(
    events: Records,
    first_root: Option<String>,
    is_same: impl Fn(&Record, &Record) -> bool + Send + 'static,
    end: End,
) -> Records {
    let (mut events, mut end) = (events.peekable(), Some(end));
    let (mut ready, mut listing): (VecDeque<Record>, _) = (VecDeque::new(), Listing::default());
    let mut next = move || -> Result<Option<Record>> {
        loop {
            if let Some(record) = ready.pop_front() {
                listing.add(&record);
                return Ok(Some(record));
            }
            let Some(first) = events.next().transpose()? else {
                return Ok(end.take().map(|end| end.listing(listing).record()));
            };
            let mut name = vec![first];
            while let Some(Ok(event)) = events.next_if(|e| e.as_ref().is_ok_and(|e| e.name() == name[0].name())) {
                name.push(event);
            }
            ready.extend(versions(name, first_root.as_ref(), &is_same).into_iter().map(Version::into_record));
        }
    };
    Box::new(std::iter::from_fn(move || next().transpose()))
}

/// Returns the versions of one name.
fn versions(events: Vec<Record>, first_root: Option<&String>, is_same: &impl Fn(&Record, &Record) -> bool) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    // The present version in each root, by its place among the versions.
    let mut present: BTreeMap<Option<String>, usize> = BTreeMap::new();
    for record in events {
        let (root, time) = (root_of(&record, first_root), record.string("time"));
        let before = present.remove(&root);
        if let Some(at) = before.filter(|at| record.kind() != Kind::Gone && is_same(&versions[*at].record, &record)) {
            present.insert(root, at);
            continue;
        }
        let is_gone = record.kind() == Kind::Gone;
        if let Some(at) = before {
            versions[at].until = time;
            versions[at].status = if is_gone { "gone" } else { "replaced" };
        }
        if !is_gone {
            present.insert(root, versions.len());
            versions.push(Version { record, until: None, status: "current" });
        }
    }
    versions
}

/// Returns the root of a difference; an empty one for contents that were put.
fn root_of(record: &Record, first_root: Option<&String>) -> Option<String> {
    if record.raw("put").is_some() { Some(String::new()) } else { record.string("root").or_else(|| first_root.cloned()) }
}
