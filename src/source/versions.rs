//! The versions of objects: those of one time, or all of them.

use crate::display::many;
use crate::monitor::Monitor;
use crate::storage::ObjectVersion;
use crate::time::Time;
use std::io;
use std::sync::Arc;

/// The versions of a listing that were current at a time.
pub(super) struct Current<I> {
    versions: I,
    at: Time,
    /// When the listing began.
    begun: Time,
    /// The last version that was read: perhaps the current one of its key.
    held: Option<ObjectVersion>,
    /// The objects that were deleted at an unknown time, and are listed.
    unknown: u64,
    monitor: Arc<dyn Monitor>,
}

impl<I: Iterator<Item = io::Result<ObjectVersion>>> Current<I> {
    /// Returns those of these versions that were current at a time. The versions of a key have to follow one another, the oldest
    /// one first.
    pub(super) fn new(versions: I, at: Time, monitor: Arc<dyn Monitor>) -> Current<I> {
        Current { versions, at, begun: Time::now(), held: None, unknown: 0, monitor }
    }

    /// Returns the object if this is the last version of its key that was made until the time, and was not deleted until then.
    fn current(&mut self, version: ObjectVersion, next: Option<&ObjectVersion>) -> Option<ObjectVersion> {
        let is_made = version.created.is_none_or(|created| created <= self.at);
        let is_next_made = next.is_some_and(|next| next.created.is_none_or(|created| created <= self.at));
        if !is_made || is_next_made || version.is_deletion || version.until.is_some_and(|until| until <= self.at) {
            return None;
        }
        // Azure does not say when a blob was deleted.
        if next.is_none() && !version.is_latest && version.until.is_none() {
            if self.at >= self.begun {
                return None;
            }
            self.unknown += 1;
        }
        // The records do not say which of them is the latest today, so that they are those of a listing at that time.
        Some(ObjectVersion { is_latest: false, ..version })
    }
}

impl<I: Iterator<Item = io::Result<ObjectVersion>>> Iterator for Current<I> {
    type Item = io::Result<ObjectVersion>;

    fn next(&mut self) -> Option<io::Result<ObjectVersion>> {
        loop {
            let next = match self.versions.next().transpose() {
                Ok(next) => next,
                Err(e) => return Some(Err(e)),
            };
            let is_end = next.is_none();
            let held = std::mem::replace(&mut self.held, next.clone());
            if let Some(held) = held {
                let same_key = next.filter(|next| next.object.key == held.object.key);
                if let Some(current) = self.current(held, same_key.as_ref()) {
                    return Some(Ok(current));
                }
            }
            if is_end {
                let unknown = std::mem::take(&mut self.unknown);
                if unknown > 0 {
                    let which = many(unknown, "object");
                    self.monitor
                        .note(&format!("{which} listed that the storage does not have any more: it does not say since when"));
                }
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Recorder;
    use crate::storage::Object;

    fn at(sec: i64) -> Time {
        Time { sec, nsec: 0 }
    }

    fn version(key: &str, created: i64) -> ObjectVersion {
        let object = Object { key: key.into(), ..Object::default() };
        ObjectVersion { object, id: Some(created.to_string()), created: Some(at(created)), ..ObjectVersion::default() }
    }

    /// Returns the ids of the versions that were current at a time, and the notes.
    fn current(versions: &[ObjectVersion], time: Time) -> (String, usize) {
        let monitor = Arc::new(Recorder::default());
        let current = Current::new(versions.iter().cloned().map(Ok), time, monitor.clone());
        let ids: Vec<String> = current
            .map(|v| v.unwrap())
            .map(|v| format!("{}{}", String::from_utf8(v.object.key).unwrap(), v.id.unwrap()))
            .collect();
        (ids.join(" "), monitor.messages().len())
    }

    #[test]
    fn what_was_current_at_a_time_is_the_last_version_until_then_that_was_not_deleted() {
        let latest = |v: ObjectVersion| ObjectVersion { is_latest: true, ..v };
        let deletion = |v: ObjectVersion| ObjectVersion { is_deletion: true, ..v };
        let versions = [
            version("a", 10),
            version("a", 20),
            deletion(version("a", 30)),
            latest(version("a", 40)),
            version("b", 15),
            latest(deletion(version("b", 25))),
            ObjectVersion { until: Some(at(35)), ..version("c", 5) },
            latest(version("d", 50)),
        ];
        for (time, expected) in [
            (4, ""),
            (5, "c5"),
            (10, "a10 c5"),
            (19, "a10 b15 c5"),
            (20, "a20 b15 c5"),
            (25, "a20 c5"),
            (30, "c5"),
            (35, ""),
            (45, "a40"),
            (50, "a40 d50"),
        ] {
            assert_eq!(current(&versions, at(time)), (expected.to_string(), 0), "{time}");
        }
    }

    #[test]
    fn what_was_deleted_at_an_unknown_time_is_listed_for_the_past_and_told() {
        let versions = [version("a", 10), version("a", 20)];
        assert_eq!(current(&versions, at(15)), ("a10".to_string(), 0));
        assert_eq!(current(&versions, at(25)), ("a20".to_string(), 1));
        assert_eq!(current(&versions, at(i64::MAX)), (String::new(), 0));
    }
}
