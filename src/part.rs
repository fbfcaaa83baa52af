//! A part of a listing, for one of several processes or machines. `snap-merge` joins the parts again, and tells which one is
//! missing.

use crate::end::{End, hash};
use crate::error::Result;
use crate::monitor::Monitor;
use crate::name::{Name, compare};
use crate::record::Kind;
use crate::stream::Records;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// The largest number of missing parts that a message names.
const NAMED: usize = 5;

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
    fn ranges(cuts: Vec<Name>) -> Vec<Part> {
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
    fn words(&self) -> String {
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

impl End {
    /// Returns the end record of a part of the listing or snapshot that this one is of. Alone, it is `filtered`.
    #[must_use]
    pub fn part_of(self, part: Part, snapshot: Option<String>) -> End {
        let of = PartOf { part, filtered: self.filtered, rules: self.rules, snapshot };
        End { filtered: true, rules: None, part: Some(Box::new(of)), ..self }
    }
}

/// Joins the end records of parts: if they are all parts of one listing, the result is those of the whole, each part once.
/// Otherwise they stay as they are, so `filtered`, and the monitor is told why.
pub fn joined(ends: Vec<End>, monitor: &dyn Monitor) -> Vec<End> {
    if ends.iter().all(|end| end.part.is_none()) {
        return ends;
    }
    let mut once: Vec<End> = Vec::new();
    for end in ends {
        match once.iter_mut().find(|other| end.part.is_some() && other.part == end.part) {
            Some(other) => {
                let words = end.part.map(|of| of.part.words()).unwrap_or_default();
                monitor.warn(&format!("{words} came twice"));
                other.errors = other.errors.max(end.errors);
            }
            None => once.push(end),
        }
    }
    match refusal(&once) {
        Some(reason) => {
            monitor.warn(&format!("{reason}, so the result is marked as filtered"));
            once
        }
        None => once.into_iter().map(of_whole).collect(),
    }
}

/// Returns the end record of a part without the marks of a part.
fn of_whole(end: End) -> End {
    match end.part {
        Some(of) => End { filtered: of.filtered, rules: of.rules, part: None, ..end },
        None => end,
    }
}

/// Returns why these end records, whose parts all differ, are not those of one whole listing.
fn refusal(ends: &[End]) -> Option<String> {
    let parts: Vec<&PartOf> = ends.iter().filter_map(|end| end.part.as_deref()).collect();
    if parts.len() < ends.len() {
        return Some("only some of the inputs are parts of a listing".to_string());
    }
    let is_other =
        |end: &End, of: &PartOf| end.root != ends[0].root || end.types != ends[0].types || of.snapshot != parts[0].snapshot;
    if ends.iter().zip(&parts).any(|(end, of)| is_other(end, of)) {
        return Some("the inputs are parts of different listings".to_string());
    }
    let missing = missing(&parts.iter().map(|of| &of.part).collect::<Vec<_>>());
    if !missing.is_empty() {
        let more = if missing.len() > NAMED { format!(" and {} more", missing.len() - NAMED) } else { String::new() };
        let words: Vec<String> = missing.iter().take(NAMED).map(Part::words).collect();
        let is = if missing.len() == 1 { "is" } else { "are" };
        return Some(format!("{}{more} {is} missing", words.join(", ")));
    }
    None
}

/// Returns the parts that are missing.
fn missing(parts: &[&Part]) -> Vec<Part> {
    if let Some(Part::Shard { of, .. }) = parts.first() {
        let number = |part: &&Part| match part {
            Part::Shard { number, of: same } => (same == of).then_some(*number),
            _ => None,
        };
        let there: BTreeSet<u32> = parts.iter().filter_map(number).collect();
        return (1..=*of).filter(|number| !there.contains(number)).map(|number| Part::Shard { number, of: *of }).collect();
    }
    let range = |part: &&Part| match part {
        Part::Range { after, until } => Some((after.clone(), until.clone())),
        _ => None,
    };
    let mut ranges: Vec<_> = parts.iter().filter_map(range).collect();
    ranges.sort();
    let (mut missing, mut until) = (Vec::new(), Some(None));
    for (after, end) in ranges {
        let Some(reached) = until.clone() else { break };
        if after > reached {
            missing.push(Part::Range { after: reached.clone(), until: after });
        }
        until = end.map(|end| reached.max(Some(end))).map(Some).unwrap_or_default();
    }
    missing.extend(until.map(|after| Part::Range { after, until: None }));
    missing
}

/// Returns ranges that divide these records into `parts` parts of almost the same size; fewer if there are not enough records.
///
/// # Errors
/// Those of the records.
pub fn split(records: Records, parts: usize) -> Result<Vec<Part>> {
    // Every `step`th name. With this number of them, a part is at most a hundredth too large.
    let most = parts.saturating_mul(200);
    let (mut names, mut step, mut count) = (Vec::new(), 1, 0);
    for record in records {
        let record = record?;
        if record.kind() == Kind::End {
            continue;
        }
        count += 1;
        if count % step == 0 {
            names.push(record.name().clone());
        }
        if names.len() > most {
            names = names.into_iter().skip(1).step_by(2).collect();
            step *= 2;
        }
    }
    let at = |number: usize| (number * names.len()).div_ceil(parts);
    let cuts = (1..parts).map(at).filter(|at| (1..names.len()).contains(at)).map(|at| names[at - 1].clone());
    let mut cuts: Vec<Name> = cuts.collect();
    cuts.dedup();
    Ok(Part::ranges(cuts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::end::Listing;
    use crate::monitor::Recorder;
    use proptest::prelude::*;

    fn name(text: &str) -> Name {
        Name::new(text.as_bytes())
    }

    fn end(part: Part, names: &[&str]) -> End {
        let mut listing = Listing::default();
        names.iter().for_each(|name| listing.add(&crate::record::Record::failure(&self::name(name), "x")));
        End { root: Some("/r".to_string()), ..End::default() }.part_of(part, None).listing(listing)
    }

    /// Returns whether these parts are the whole, and what was told.
    fn told(parts: &[&str]) -> (bool, String) {
        let part = |text: &&str| Part::shard(text).or_else(|| Part::range(text)).unwrap_or_else(|| Part::Prefix(name(text)));
        let recorder = Recorder::default();
        let ends = joined(parts.iter().map(|text| end(part(text), &[])).collect(), &recorder);
        (ends.iter().all(|end| !end.filtered && end.part.is_none()), recorder.messages().join("; "))
    }

    #[test]
    fn all_parts_are_the_whole_and_a_missing_one_is_named() {
        let (a, b, c) = (r#"{"until":"a"}"#, r#"{"after":"a","until":"b"}"#, r#"{"after":"b"}"#);
        for whole in [&["1/1"][..], &["2/2", "1/2"], &["{}"], &[c, a, b], &[a, c, b, r#"{"after":"A","until":"B"}"#]] {
            assert_eq!(told(whole), (true, String::new()), "{whole:?}");
        }
        assert_eq!(told(&["1/2", "2/2", "1/2"]), (true, "shard 1/2 came twice".to_string()));
        for (short, words) in [
            (&["1/3"][..], "shard 2/3, shard 3/3 are missing"),
            (&["1/3", "2/3", "3/4"], "shard 3/3 is missing"),
            (&["1/9"], "shard 2/9, shard 3/9, shard 4/9, shard 5/9, shard 6/9 and 3 more are missing"),
            (&[a, c], "the range behind a up to b is missing"),
            (&[b], "the range up to a, the range behind b are missing"),
            (&["docs"], "the range of all names is missing"),
            (&["1/2", c], "shard 2/2 is missing"),
            (&[c, "1/2"], "the range up to b is missing"),
        ] {
            assert_eq!(told(short), (false, format!("{words}, so the result is marked as filtered")), "{short:?}");
        }
    }

    #[test]
    fn parts_of_different_listings_are_no_whole() {
        let shard = |number| Part::Shard { number, of: 2 };
        let (one, two) = (end(shard(1), &["a"]), end(shard(2), &["b"]));
        let is_whole = |ends: Vec<End>| joined(ends, &Recorder::default()).iter().all(|end| !end.filtered);
        assert!(is_whole(vec![one.clone(), two.clone()]));
        assert!(!is_whole(vec![one.clone(), End { root: None, ..two.clone() }]));
        assert!(!is_whole(vec![one.clone(), End { types: Some(vec!["file".to_string()]), ..two.clone() }]));
        assert!(!is_whole(vec![one.clone(), two.clone(), End::default()]), "one is no part");
        let read = |end: &End, from: &str| {
            let of = end.part.clone().map(|of| Box::new(PartOf { snapshot: Some(from.to_string()), ..*of }));
            End { part: of, ..end.clone() }
        };
        assert!(is_whole(vec![read(&one, "x"), read(&two, "x")]));
        assert!(!is_whole(vec![read(&one, "x"), read(&two, "y")]));
        assert!(!is_whole(vec![one.compared_with(Listing::default()), two]), "a record was lost on the way");
    }

    #[test]
    fn ranges_have_almost_the_same_size() {
        for (count, parts) in [(0, 3), (1, 3), (3, 2), (90, 4), (4, 8), (10_000, 7), (123_456, 16)] {
            let names: Vec<Name> = (0..count).map(|n| name(&format!("{n:06}"))).collect();
            let records = names.iter().map(|name| Ok(crate::record::Record::failure(name, "x"))).collect::<Vec<_>>();
            let ranges = split(Box::new(records.into_iter()), parts).unwrap();
            assert_eq!(ranges.len(), parts.min(count).max(1), "{count} names");
            let sizes = ranges.iter().map(|range| names.iter().filter(|name| range.has(name.as_bytes())).count());
            let sizes: Vec<usize> = sizes.collect();
            assert_eq!(sizes.iter().sum::<usize>(), count);
            let most = count.div_ceil(parts) + count / parts / 50;
            assert!(sizes.iter().all(|size| *size <= most), "{count} names: {sizes:?}");
        }
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
