//! The work of a backup: what was read, stored and spared, for the end record of a stream and the label of a snapshot.

use crate::json::whole;
use serde_json::{Map, Value, json};
use std::ops::AddAssign;

/// The work of one or more tools.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Work {
    /// The bytes of contents that were read.
    pub read: u64,
    /// The bytes that the heap grew by: the sizes of the new objects.
    pub stored: u64,
    /// The bytes of contents that were not read, because an earlier snapshot or the storage has their md5.
    pub reused: u64,
    /// The requests to other storages.
    pub requests: u64,
    /// The time in seconds. Tools of a pipeline run at the same time, so the longest time counts.
    pub seconds: f64,
}

/// Adds the work of another tool.
impl AddAssign for Work {
    fn add_assign(&mut self, other: Work) {
        self.read = self.read.saturating_add(other.read);
        self.stored = self.stored.saturating_add(other.stored);
        self.reused = self.reused.saturating_add(other.reused);
        self.requests = self.requests.saturating_add(other.requests);
        self.seconds = self.seconds.max(other.seconds);
    }
}

impl Work {
    /// Reads the work in a record or label. A value that is missing or is no number counts as zero. None if it is no object.
    pub fn of(value: &Value) -> Option<Work> {
        let Value::Object(values) = value else { return None };
        let number = |key| values.get(key).and_then(whole).unwrap_or(0);
        let seconds = values.get("seconds").and_then(Value::as_f64).filter(|n| *n > 0.0).unwrap_or(0.0);
        let (read, stored, reused) = (number("read"), number("stored"), number("reused"));
        Some(Work { read, stored, reused, requests: number("requests"), seconds })
    }

    /// Returns the work in a label or an end record with these other keys.
    pub fn among(more: &Map<String, Value>) -> Option<Work> {
        more.get("work").and_then(Work::of)
    }

    /// Returns the work as JSON. Seconds have three decimals.
    pub fn json(&self) -> Value {
        let seconds = (self.seconds * 1000.0).round() / 1000.0;
        json!({
            "read": self.read, "requests": self.requests, "reused": self.reused, "seconds": seconds, "stored": self.stored,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_comes_back_and_adds_up() {
        let one = Work { read: 1, stored: 2, reused: u64::MAX, requests: 4, seconds: 1.234_5 };
        let mut sum = Work { seconds: 7.0, ..Work::of(&one.json()).unwrap() };
        sum += one;
        assert_eq!(sum, Work { read: 2, stored: 4, reused: u64::MAX, requests: 8, seconds: 7.0 });
        assert_eq!(one.json()["seconds"], json!(1.235));
        let odd = json!({"read": 2e3, "stored": "x", "requests": -1, "seconds": -1.0});
        assert_eq!(Work::of(&odd), Some(Work { read: 2000, ..Work::default() }));
        assert_eq!(Work::of(&json!(7)), None);
    }
}
