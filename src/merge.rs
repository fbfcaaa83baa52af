//! `snap-merge`: joins several ordered streams, such as parts of a backup that were made in parallel on several machines or
//! disks.

use crate::end::Tally;
use crate::end::{self, End};
use crate::error::{Error, Refusal, Result};
use crate::monitor::Monitor;
use crate::parallel::lock;
use crate::parts;
use crate::record::Kind;
use crate::sort::{self, Spool};
use crate::stream::Records;
use crate::work::Work;
use std::sync::{Arc, Mutex};

/// Returns the records of all inputs in order. If several inputs have the same record, it is kept once.
///
/// There is an end record if every input has one. It is `filtered` if one of them is, or if an input lacks listed records; parts of
/// a listing are not filtered if all of them are there ([`parts::joined`]). It has
/// all types that were requested of any input, the root if all inputs have the same one, and the `kept_out` of all. Inputs of
/// `snap-put` have neither types nor a root, and change nothing of these.
///
/// # Errors
/// Errors of the inputs, and different records of the same name.
pub fn merge(inputs: Vec<Records>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let count = inputs.len();
    let (spool, ends) = collect(inputs.into_iter().map(end::compared).collect(), &*monitor)?;
    let end = (ends.len() == count).then(|| join(ends, &*monitor).listing(spool.counts().listing));
    Ok(closed(&spool, end))
}

/// Returns the records of the slices of one listing in order. One of them has the end record of the listing, or several have the
/// same one. The result has it too, with the failures of all slices.
///
/// # Errors
/// Errors of [`fn@merge`], and end records of different listings.
pub fn slices(inputs: Vec<Records>, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let (spool, mut ends) = collect(inputs, &*monitor)?;
    let errors = ends.iter_mut().map(|end| std::mem::take(&mut end.errors)).max();
    let work = summed(&ends);
    ends.iter_mut().for_each(|end| end.work = None);
    if ends.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(Error::rule(Refusal::DifferentListings, "the inputs end with end records of different listings"));
    }
    let end = ends.pop().map(|end| End { errors: errors.unwrap_or(0), work, ..end });
    Ok(closed(&spool, end))
}

/// Returns all records in order, and the end records separately.
fn collect(inputs: Vec<Records>, monitor: &dyn Monitor) -> Result<(Spool, Vec<End>)> {
    let ends = Arc::new(Mutex::new(Vec::new()));
    let seen = ends.clone();
    // The reader of the input refuses records after an end record. So the end records can be removed here.
    let records = inputs.into_iter().flatten().filter(move |record| match record {
        Ok(record) if record.kind() == Kind::End => {
            lock(&seen).push(End::of(record));
            false
        }
        _ => true,
    });
    let spool = Spool::collect(Box::new(records), sort::BUDGET, monitor)?;
    let ends = std::mem::take(&mut *lock(&ends));
    Ok((spool, ends))
}

/// Returns the records, then an end record that counts at least the error records among them.
fn closed(spool: &Spool, end: Option<End>) -> Records {
    let tally = Tally { passed: spool.counts().errors, ..Tally::default() };
    let end = end.map(|end| End { errors: tally.errors(end.errors), ..end });
    Box::new(spool.read().chain(end.map(|end| Ok(end.record()))))
}

/// Returns the combined end record, without the count of the listing, which the caller adds.
fn join(ends: Vec<End>, monitor: &dyn Monitor) -> End {
    let ends = &parts::joined(ends, monitor)[..];
    let sides = ends.iter().map(|end| end.sides.clone()).collect::<Option<Vec<_>>>().filter(|sides| !sides.is_empty());
    let sides = sides.map(|sides| {
        let (left, right) = sides.into_iter().map(|both| <(End, End)>::from(*both)).unzip();
        Box::new([join(left, monitor), join(right, monitor)])
    });
    let is_filtered = match &sides {
        // Rows are filtered if one of the sides is, which may be a part.
        Some(sides) => sides.iter().any(|side| side.filtered),
        None => ends.iter().any(|end| end.filtered),
    };
    let put = !ends.is_empty() && ends.iter().all(|end| end.put);
    // A stream of snap-put says nothing about a root, so it adds names to a listing and changes nothing else of it.
    let listings: Vec<&End> = ends.iter().filter(|end| put || !end.put).collect();
    let mut types = Some(Vec::new());
    for end in &listings {
        types = types.zip(end.types.clone()).map(|(all, more): (Vec<String>, _)| {
            let new: Vec<String> = more.into_iter().filter(|t| !all.contains(t)).collect();
            [all, new].concat()
        });
    }
    let root = listings.first().and_then(|end| end.root.clone());
    let root_folder = listings.first().and_then(|end| end.root_folder.clone());
    let mut kept_out: Vec<_> = ends.iter().flat_map(|end| end.kept_out.clone()).collect();
    kept_out.sort();
    kept_out.dedup();
    // The rules explain all missing records only if every listing that left records out has the same rules.
    let mut rules: Vec<_> = ends.iter().filter_map(|end| end.rules.clone()).collect();
    rules.dedup();
    let known = rules.len() <= 1 && !ends.iter().any(End::is_short);
    End {
        errors: ends.iter().map(|end| end.errors).fold(0, u64::saturating_add),
        filtered: is_filtered || sides.is_none() && !known,
        rules: rules.pop().filter(|_| known),
        kept_out,
        diff: ends.iter().any(|end| end.diff),
        types: types.filter(|t| !t.is_empty()),
        root_folder: root_folder.filter(|facts| listings.iter().all(|end| end.root_folder.as_ref() == Some(facts))),
        root: root.filter(|root| listings.iter().all(|end| end.root.as_ref() == Some(root))),
        put,
        v: ends.iter().filter_map(|end| end.v).max(),
        log: ends.iter().any(|end| end.log),
        work: summed(ends),
        sides,
        ..End::default()
    }
}

/// Returns the work of all; None if no end record names any.
fn summed(ends: &[End]) -> Option<Work> {
    ends.iter().filter_map(|end| end.work).reduce(|mut sum, work| {
        sum += work;
        sum
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Recorder;
    use crate::record::Record;
    use crate::stream::Reader;

    fn join(ends: &[End]) -> End {
        super::join(ends.to_vec(), &Recorder::default())
    }

    fn input(text: &str) -> Records {
        Box::new(Reader::new("input", std::io::Cursor::new(text.as_bytes().to_vec())))
    }

    fn joined(inputs: &[&str]) -> Result<Vec<String>> {
        let inputs = inputs.iter().map(|text| input(text)).collect();
        merge(inputs, Arc::new(Recorder::default()))?.map(|r| Ok(String::from_utf8_lossy(r?.text()).into_owned())).collect()
    }

    #[test]
    fn the_whole_covers_the_types_of_all_and_has_a_root_if_they_have_one() {
        let end = |types: &[&str], root: &str| End {
            types: (!types.is_empty()).then(|| types.iter().map(ToString::to_string).collect()),
            root: Some(root.to_string()),
            ..End::default()
        };
        let joined = join(&[end(&["file"], "a"), end(&["file", "link"], "a")]);
        assert_eq!(joined.types.unwrap(), ["file", "link"]);
        assert_eq!(joined.root.as_deref(), Some("a"));
        let joined = join(&[end(&["file"], "a"), end(&[], "b")]);
        assert_eq!((joined.types, joined.root), (None, None));
    }

    #[test]
    fn what_was_put_changes_nothing_of_a_listing() {
        let put = End { put: true, ..End::default() };
        let listing = End {
            root: Some("/r".into()),
            root_folder: Some(serde_json::json!({"mode": 16832})),
            types: Some(vec!["file".into()]),
            rules: Some(serde_json::json!({"exclude": ["*.o"]})),
            filtered: true,
            ..End::default()
        };
        for ends in [[put.clone(), listing.clone()], [listing.clone(), put.clone()]] {
            assert_eq!(join(&ends), listing);
        }
        assert_eq!(join(&[put.clone(), put.clone()]), put);
        // A record of a put that did not arrive is missing in the whole.
        let short = End { filtered: true, ..put };
        assert!(join(&[listing, short]).is_short());
    }

    const END: &str = "{\"errors\":0,\"name\":\"\",\"records\":";

    #[test]
    fn streams_become_one_in_order_and_whole_only_if_all_are() {
        let a = format!("{{\"name\":\"b\"}}\n{{\"name\":\"d\"}}\n{END}2,\"root\":\"/r\",\"type\":\"end\"}}\n");
        let b = format!("{{\"name\":\"a\"}}\n{END}1,\"root\":\"/r\",\"type\":\"end\"}}\n");
        let end = |lines: &[String]| End::of(&Record::parse(lines.last().unwrap().as_bytes()).unwrap());
        let whole = joined(&[&a, &b]).unwrap();
        assert_eq!(whole[..3], [r#"{"name":"a"}"#, r#"{"name":"b"}"#, r#"{"name":"d"}"#]);
        let whole = end(&whole);
        assert_eq!((whole.records, whole.filtered, whole.root.as_deref()), (Some(3), false, Some("/r")));
        let short = end(&joined(&[&a.replace("{\"name\":\"d\"}\n", ""), &b]).unwrap());
        assert_eq!((short.records, short.filtered), (Some(2), true), "a record that was listed did not come");
        assert_eq!(joined(&[&a, "{\"name\":\"c\"}\n"]).unwrap().len(), 3, "one is not whole");
    }

    #[test]
    fn slices_are_as_whole_as_their_listing() {
        let end = format!("{END}3,\"type\":\"end\"}}\n");
        let of = |inputs: &[&str]| -> Result<End> {
            let inputs = inputs.iter().map(|text| input(text)).collect();
            let lines: Vec<_> = slices(inputs, Arc::new(Recorder::default()))?.collect::<Result<_>>()?;
            Ok(End::of(lines.last().unwrap()))
        };
        let failed = "{\"error\":\"x\",\"name\":\"a\",\"type\":\"error\"}\n";
        let whole = of(&[failed, &format!("{{\"name\":\"b\"}}\n{{\"name\":\"c\"}}\n{end}")]).unwrap();
        assert_eq!((whole.records, whole.errors), (Some(3), 1));
        assert_eq!(of(&[&end, &end.replace("\"errors\":0", "\"errors\":2")]).unwrap().errors, 2, "the same listing");
        assert!(of(&[&end, &end.replace("3", "4")]).is_err(), "two listings");
    }

    #[test]
    fn rules_hold_for_the_whole_only_where_nothing_else_was_left_out() {
        let ruled = |rule: &str| End { filtered: true, rules: Some(serde_json::json!(rule)), ..End::default() };
        let all = End::default();
        assert!(join(&[ruled("a"), all.clone(), ruled("a")]).rules.is_some());
        let unused = |rule: &str| End { filtered: false, ..ruled(rule) };
        assert!(join(&[ruled("a"), ruled("b")]).is_short() && join(&[unused("a"), unused("b")]).is_short());
        assert!(join(&[ruled("a"), End { filtered: true, ..all }]).is_short());
    }

    #[test]
    fn one_name_for_two_things_is_refused() {
        assert!(joined(&["{\"name\":\"a\",\"size\":1}\n", "{\"name\":\"a\",\"size\":2}\n"]).is_err());
        assert_eq!(joined(&["{\"name\":\"a\"}\n", "{\"name\":\"a\"}\n"]).unwrap().len(), 1);
    }
}
