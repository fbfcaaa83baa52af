//! A part of a listing, for one of several processes or machines.

use crate::name::{Name, compare, hash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;

/// The names of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// One of `of` parts, by a hash of the names. The number starts at 1.
    Shard {
        /// The number of this part.
        number: u32,
        /// The number of all parts.
        of: u32,
    },
    /// The names behind `after` up to and including `until`.
    Range {
        /// None: from the first name on.
        after: Option<Name>,
        /// None: up to the last name.
        until: Option<Name>,
    },
    /// The names that start with these bytes.
    Prefix(Name),
}

/// A part in JSON. A range without limits has no keys.
#[derive(Default, Serialize, Deserialize)]
struct Spelt {
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prefix: Option<Name>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shard: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Name>,
}

impl Part {
    /// Reads `K/N`, a shard.
    pub fn shard(text: &str) -> Option<Part> {
        let (number, of) = text.split_once('/')?;
        let number_of = |digits: &str| digits.parse().ok().filter(|_| digits.bytes().all(|b| b.is_ascii_digit()));
        let (number, of) = (number_of(number)?, number_of(of)?);
        (1..=of).contains(&number).then_some(Part::Shard { number, of })
    }

    /// Reads a range in JSON: `{"after": NAME, "until": NAME}`, without the limits that it does not have.
    pub fn range(text: &str) -> Option<Part> {
        let object: Map<String, Value> = serde_json::from_str(text).ok()?;
        let is_range = object.keys().all(|key| key == "after" || key == "until");
        let Spelt { after, until, .. } = serde_json::from_value(Value::Object(object)).ok().filter(|_| is_range)?;
        after.as_ref().zip(until.as_ref()).is_none_or(|(a, u)| a < u).then_some(Part::Range { after, until })
    }

    /// Returns the ranges between these names, which are in order: one more than there are names.
    pub fn ranges(cuts: Vec<Name>) -> Vec<Part> {
        let starts: Vec<_> = std::iter::once(None).chain(cuts.iter().cloned().map(Some)).collect();
        let ends = cuts.into_iter().map(Some).chain(std::iter::once(None));
        starts.into_iter().zip(ends).map(|(after, until)| Part::Range { after, until }).collect()
    }

    /// Whether the part has this name.
    pub fn has(&self, name: &[u8]) -> bool {
        match self {
            Part::Shard { number, of } => hash(name) % u64::from(*of) + 1 == u64::from(*number),
            Part::Range { after, until } => {
                after.as_ref().is_none_or(|after| compare(name, after.as_bytes()).is_gt())
                    && until.as_ref().is_none_or(|until| compare(name, until.as_bytes()).is_le())
            }
            Part::Prefix(prefix) => name.starts_with(prefix.as_bytes()),
        }
    }

    /// Whether the part can have names in this folder.
    pub fn reaches(&self, folder: &[u8]) -> bool {
        let start = [folder, b"/"].concat();
        let is_in = |name: &Name| name.as_bytes().starts_with(&start);
        let is_before = |name: &Name| compare(name.as_bytes(), &start) == Ordering::Less;
        match self {
            Part::Shard { .. } => true,
            Part::Range { after, until } => {
                after.as_ref().is_none_or(|after| is_in(after) || is_before(after))
                    && until.as_ref().is_none_or(|until| is_in(until) || !is_before(until))
            }
            Part::Prefix(prefix) => is_in(prefix) || start.starts_with(prefix.as_bytes()),
        }
    }

    fn spelt(&self) -> Spelt {
        match self.clone() {
            Part::Shard { number, of } => Spelt { shard: Some(format!("{number}/{of}")), ..Spelt::default() },
            Part::Range { after, until } => Spelt { after, until, ..Spelt::default() },
            Part::Prefix(prefix) => Spelt { prefix: Some(prefix), ..Spelt::default() },
        }
    }

    /// Returns the part as one line of JSON, as [`Part::range`] reads it.
    pub fn line(&self) -> String {
        serde_json::to_string(&self.spelt()).unwrap_or_default()
    }

    /// Returns the part in words.
    pub fn words(&self) -> String {
        match self {
            Part::Shard { number, of } => format!("shard {number}/{of}"),
            Part::Range { after: None, until: None } => "the range of all names".to_string(),
            Part::Range { after: None, until: Some(until) } => format!("the range up to {}", until.printable()),
            Part::Range { after: Some(after), until: None } => format!("the range behind {}", after.printable()),
            Part::Range { after: Some(after), until: Some(until) } => {
                format!("the range behind {} up to {}", after.printable(), until.printable())
            }
            Part::Prefix(prefix) => format!("prefix {}", prefix.printable()),
        }
    }
}

/// A part in an end record, with what holds for the whole listing.
#[derive(Clone, Debug, PartialEq)]
pub struct PartOf {
    /// The names of the part.
    pub part: Part,
    /// See [`End::filtered`].
    pub filtered: bool,
    /// See [`End::rules`].
    pub rules: Option<Value>,
    /// The file name of the snapshot that has the whole; None for a listing of a root.
    pub snapshot: Option<String>,
}

impl PartOf {
    /// Reads the value of the key `part`.
    pub fn of(value: &Value) -> Option<PartOf> {
        let spelt: Spelt = serde_json::from_value(value.clone()).ok()?;
        let part = match (spelt.shard, spelt.prefix) {
            (Some(shard), _) => Part::shard(&shard)?,
            (None, Some(prefix)) => Part::Prefix(prefix),
            (None, None) => Part::Range { after: spelt.after, until: spelt.until },
        };
        Some(PartOf {
            part,
            filtered: value.get("filtered") == Some(&Value::Bool(true)),
            rules: value.get("rules").filter(|rules| !rules.is_null()).cloned(),
            snapshot: value.get("snapshot").and_then(Value::as_str).map(str::to_string),
        })
    }

    /// Returns the value of the key `part`.
    pub fn value(&self) -> Value {
        let mut value = serde_json::to_value(self.part.spelt()).unwrap_or_default();
        if let Some(object) = value.as_object_mut() {
            object.extend(self.filtered.then(|| ("filtered".to_string(), json!(true))));
            object.extend(self.rules.clone().map(|rules| ("rules".to_string(), rules)));
            object.extend(self.snapshot.clone().map(|snapshot| ("snapshot".to_string(), json!(snapshot))));
        }
        value
    }

    /// Marks that records of the part are missing.
    #[must_use]
    pub fn short(self) -> PartOf {
        PartOf { filtered: true, rules: None, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes())
    }

    #[test]
    fn what_is_no_part_is_none() {
        for text in ["", "1", "0/2", "3/2", "1/0", "+1/2", "1/2/3", " 1/2"] {
            assert_eq!(Part::shard(text), None, "{text}");
        }
        for text in
            ["", "x", "[]", r#"{"after":1}"#, r#"{"shard":"1/2"}"#, r#"{"after":"b","until":"a"}"#, r#"{"after":"a","to":"b"}"#]
        {
            assert_eq!(Part::range(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn each_name_is_in_one_part_which_reaches_its_folders(
            names in proptest::collection::btree_set("[a-c/-]{1,5}", 1..6),
            cuts in proptest::collection::btree_set("[a-c/-]{1,4}", 0..4),
            of in 1..5u32,
        ) {
            let shards: Vec<Part> = (1..=of).map(|number| Part::Shard { number, of }).collect();
            let ranges = Part::ranges(cuts.iter().map(|cut| name(cut)).collect());
            let prefixes: Vec<Part> = ["a", "b", "c", "/", "-"].iter().map(|start| Part::Prefix(name(start))).collect();
            for parts in [shards, ranges, prefixes] {
                for each in &names {
                    let has: Vec<&Part> = parts.iter().filter(|part| part.has(each.as_bytes())).collect();
                    prop_assert_eq!(has.len(), 1, "{}", each);
                    for at in each.match_indices('/').map(|(at, _)| at) {
                        prop_assert!(has[0].reaches(&each.as_bytes()[..at]), "{} {:?}", each, has[0]);
                    }
                }
                for part in &parts {
                    let of = PartOf { part: part.clone(), filtered: true, rules: Some(json!({"exclude": []})), snapshot: Some("x".to_string()) };
                    prop_assert_eq!(PartOf::of(&of.value()), Some(of));
                }
            }
        }
    }
}
