//! The laws of patching, for any lists.

use super::*;
use crate::diff::{Options, Status, diff};
use crate::monitor::Recorder;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 7] = ["a", "a/b", "a-b", "a/c/d", "b", "b/x", "\u{e9}"];

fn records(lines: &[String]) -> Records {
    let all: Vec<Result<Record>> = lines.iter().map(|l| Ok(Record::parse(l.as_bytes()).expect(l))).collect();
    Box::new(all.into_iter())
}

fn lines(records: Records) -> Vec<String> {
    records.map(|r| String::from_utf8(r.unwrap().text().to_vec()).unwrap()).collect()
}

fn monitor() -> Arc<dyn Monitor> {
    Arc::new(Recorder::default())
}

/// Any entry: content, mode, links, holes, attributes.
fn entry() -> impl Strategy<Value = String> {
    let md5 = |n: u8| crate::digest::md5_of(&[n]).to_string();
    let file =
        (0..3u8, 0..2u32, 1..3u64, 0..2u64, any::<bool>(), 0..2u8).prop_map(move |(content, mode, nlink, ino, sparse, xattr)| {
            let sparse = if sparse { ",\"sparse\":true" } else { "" };
            let md5 = md5(content);
            // The inode of a file with one name is of no use to a restore.
            let ino = if nlink > 1 { ino } else { 0 };
            format!(
                r#""ino":{ino},"md5":"{md5}","mode":{mode},"nlink":{nlink}{sparse},"type":"file","xattrs":{{"user.x":"{xattr}"}}"#
            )
        });
    let link = (0..2u8).prop_map(|to| format!(r#""destination":"{to}","type":"link""#));
    let folder = (0..2u32).prop_map(|mode| format!(r#""mode":{mode},"type":"directory""#));
    prop_oneof![4 => file, 1 => link, 2 => folder]
}

fn list() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), entry(), 0..7).prop_map(
        |names: BTreeMap<&str, String>| {
            let mut lines: Vec<String> = names.iter().map(|(name, keys)| format!(r#"{{"name":"{name}",{keys}}}"#)).collect();
            let mut listing = Listing::default();
            lines.iter().for_each(|line| listing.add(&Record::parse(line.as_bytes()).unwrap()));
            let end = End { root: Some("/r".into()), ..End::default() }.listing(listing).record();
            lines.push(String::from_utf8(end.text().to_vec()).unwrap());
            lines
        },
    )
}

fn rows(left: &[String], right: &[String], metadata: bool) -> Records {
    let statuses = [Status::OnlyLeft, Status::OnlyRight, Status::Different].to_vec();
    let options = Options { metadata, one_root: true, statuses, ..Options::default() };
    diff(records(left), records(right), options, monitor()).records()
}

/// The keys by which `snap-diff` compares without `-m`.
fn contents(lines: &[String]) -> Vec<String> {
    let keys = |line: &String| {
        let record = Record::parse(line.as_bytes()).unwrap();
        let md5 = record.fields().md5.map(|md5| md5.to_string());
        format!("{} {:?} {md5:?} {:?}", record.name().printable(), record.kind(), record.fields().destination)
    };
    lines.iter().map(keys).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn what_a_comparison_finds_makes_the_right_side_of_the_left_one(left in list(), right in list()) {
        let patched = |metadata| lines(patch(records(&left), None, rows(&left, &right, metadata), monitor()).unwrap());
        prop_assert_eq!(patched(true), right.clone());
        prop_assert_eq!(contents(&patched(false)), contents(&right));
    }

    #[test]
    fn records_and_names_that_are_gone_do_what_a_map_does(
        base in list(),
        new in list(),
        gone in proptest::collection::btree_set(proptest::sample::select(&NAMES[..]), 0..4),
    ) {
        let name = |line: &String| String::from_utf8(Record::parse(line.as_bytes()).unwrap().name().as_bytes().to_vec()).unwrap();
        let new: Vec<String> = new.into_iter().filter(|line| !gone.contains(name(line).as_str()) && !line.contains("\"end\"")).collect();
        let mut model: BTreeMap<String, String> = base.iter().map(|line| (name(line), line.clone())).collect();
        model.remove("");
        let is_leaf = |line: &String| !line.contains("\"directory\"");
        for folder in gone.iter().map(ToString::to_string).chain(new.iter().filter(|line| is_leaf(line)).map(name)) {
            model.retain(|name, _| *name != folder && !name.starts_with(&format!("{folder}/")));
        }
        model.extend(new.iter().map(|line| (name(line), line.clone())));
        let mut changes = new;
        changes.extend(gone.iter().map(|name| format!(r#"{{"name":"{name}","type":"gone"}}"#)));
        let mut listing = Listing::default();
        changes.iter().for_each(|line| listing.add(&Record::parse(line.as_bytes()).unwrap()));
        let end = End { filtered: true, ..End::default() }.listing(listing).record();
        changes.push(String::from_utf8(end.text().to_vec()).unwrap());
        changes.reverse();
        changes.rotate_left(1);
        let mut patched = lines(patch(records(&base), None, records(&changes), monitor()).unwrap());
        let end = End::of(&Record::parse(patched.pop().unwrap().as_bytes()).unwrap());
        prop_assert_eq!(&patched, &model.into_values().collect::<Vec<_>>());
        prop_assert!(!end.filtered && end.records == Some(patched.len() as u64) && end.root.as_deref() == Some("/r"));
    }
}

fn one(name: &str, content: u8) -> String {
    format!(r#"{{"md5":"{}","name":"{name}","type":"file"}}"#, crate::digest::md5_of(&[content]))
}

fn ended(mut entries: Vec<String>, end: &str) -> Vec<String> {
    let n = entries.len();
    entries.push(format!(r#"{{"errors":0,"name":"","records":{n},"type":"end"{end}}}"#));
    entries
}

fn patched(base: &[String], changes: &[String]) -> Result<Vec<String>> {
    patch(records(base), None, records(changes), monitor())?
        .map(|r| Ok(String::from_utf8_lossy(r?.text()).into_owned()))
        .collect()
}

#[test]
fn rows_of_another_list_are_refused_by_name() {
    let base = ended(vec![one("a", 1)], "");
    let other = lines(rows(&ended(vec![one("a", 2)], ""), &ended(vec![one("a", 3)], ""), false));
    assert!(patched(&base, &other).unwrap_err().to_string().starts_with("a: the rows are of another list"));
    let new = lines(rows(&ended(vec![], ""), &ended(vec![one("a", 1)], ""), false));
    assert!(patched(&base, &new).is_err(), "the row says that the name is new");
    let mixed = [one("b", 1), other[0].clone()];
    assert!(patched(&base, &mixed).unwrap_err().to_string().contains("mix"));
}

#[test]
fn an_error_takes_the_place_of_its_record_and_is_counted() {
    let base = ended(vec![one("a", 1), one("a/x", 1), one("b", 1)], "");
    let changes = ended(vec![r#"{"error":"no","name":"a","type":"error"}"#.to_string(), one("c", 1)], "");
    let mut out = patched(&base, &changes).unwrap();
    let end = End::of(&Record::parse(out.pop().unwrap().as_bytes()).unwrap());
    out.sort();
    let names: Vec<String> = out.iter().map(|line| Record::parse(line.as_bytes()).unwrap().name().printable()).collect();
    assert_eq!((names.join(" ").as_str(), end.errors), ("a a/x b c", 1));
    assert!(out[0].contains("\"error\""));
}

#[test]
fn the_result_is_whole_only_if_both_inputs_are() {
    let base = || ended(vec![one("a", 1)], "");
    let end = |out: Vec<String>| End::of(&Record::parse(out.last().unwrap().as_bytes()).unwrap());
    assert_eq!(patched(&base(), &[one("b", 1)]).unwrap().len(), 2, "the changes have no end");
    assert_eq!(patched(&base()[..1], &ended(vec![one("b", 1)], "")).unwrap().len(), 2, "the base has no end");
    assert!(!end(patched(&base(), &ended(vec![one("b", 1)], r#","filtered":true"#)).unwrap()).filtered);
    let mut short = ended(vec![one("b", 1), one("c", 1)], "");
    short.remove(0);
    assert!(end(patched(&base(), &short).unwrap()).is_short(), "a change was lost");
    assert!(end(patched(&ended(vec![one("a", 1)], r#","filtered":true"#), &ended(vec![], "")).unwrap()).filtered);
}
