//! Divides a listing into parts, and joins the end records of the parts again: it tells which one is missing.

use crate::end::End;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::part::{Part, PartOf};
use crate::record::Kind;
use crate::stream::Records;
use std::collections::BTreeSet;

/// The largest number of missing parts that a message names.
const NAMED: usize = 5;

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
}
