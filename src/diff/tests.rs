//! Tests of the comparison: against the rules one by one, and against a naive model.

use super::*;
use crate::monitor::Recorder;
use crate::snapshot::{self, Label, Place, Publisher};
use crate::storage::{Location, Options as StorageOptions};
use crate::time::Time;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};

const A: &str = "0cc175b9c0f1b6a831c399e269772661";
const B: &str = "92eb5ffee6ae2fec3ad71c777531578f";

fn records(lines: &[String]) -> Records {
    let all: Vec<Result<Record>> = lines.iter().map(|l| Ok(Record::parse(l.as_bytes()).expect(l))).collect();
    Box::new(all.into_iter())
}

fn all(metadata: bool) -> Options {
    Options { metadata, statuses: Status::ALL.to_vec(), ..Options::default() }
}

/// Returns the rows as `status name`, errors as `error name`, the end as its text.
fn rows(left: &[String], right: &[String], options: Options) -> Vec<String> {
    let monitor = Arc::new(Recorder::default());
    let shown = |row: Result<Row>| match row.unwrap() {
        Row::Change(status, l, r) => format!("{status} {}", r.or(l).unwrap().name().printable()),
        Row::Moved(..) => unreachable!("nobody looks for them"),
        Row::Failure(r) => format!("error {}", r.name().printable()),
        Row::End(r) => String::from_utf8(r.text().to_vec()).unwrap(),
    };
    diff(records(left), records(right), options, monitor).map(shown).collect()
}

/// Returns the status of one name with these keys on each side.
fn one(left: &str, right: &str, metadata: bool) -> String {
    let side = |keys: &str| vec![format!("{{\"name\":\"x\",{keys}}}")];
    let rows = rows(&side(left), &side(right), all(metadata));
    rows[0].split(' ').next().unwrap_or_default().to_string()
}

#[test]
fn rows_that_are_not_put_out_count_as_found_and_equal_ones_do_not() {
    let line = |md5: &str| vec![format!("{{\"name\":\"x\",\"type\":\"file\",\"md5\":\"{md5}\"}}")];
    for (right, found) in [(A, false), (B, true)] {
        let options = Options { statuses: vec![Status::OnlyLeft], ..Options::default() };
        let mut rows = diff(records(&line(A)), records(&line(right)), options, Arc::new(Recorder::default()));
        assert!(!rows.found());
        assert_eq!(rows.by_ref().filter(|row| matches!(row, Ok(Row::Change(..)))).count(), 0);
        assert_eq!((rows.found(), rows.errors()), (found, 0));
    }
}

#[test]
fn failures_are_counted_where_no_end_counts_them() {
    let line = |name: &str, more: &str| format!("{{\"name\":\"{name}\",{more}}}");
    let left = [line("a", "\"type\":\"error\""), line("b", "\"type\":\"file\"")];
    let right = [line("b", "\"type\":\"file\"")];
    let mut rows = diff(records(&left), records(&right), all(false), Arc::new(Recorder::default()));
    assert_eq!(rows.by_ref().filter(|row| matches!(row, Ok(Row::Failure(_)))).count(), 2);
    // One error record of the input, and a file without md5.
    assert_eq!((rows.errors(), rows.found()), (2, false));
}

#[test]
fn files_are_compared_by_digest_links_by_target_folders_by_type() {
    let file = |md5: &str, more: &str| format!("\"type\":\"file\",\"md5\":\"{md5}\"{more}");
    let link = |to: &str| format!("\"type\":\"link\",\"destination\":\"{to}\"");
    let (l0, r0) = (format!(",\"sha256\":\"{}\"", "0".repeat(64)), format!(",\"sha256\":\"{}\"", "1".repeat(64)));
    assert_eq!(one(&file(A, ""), &file(A, ",\"size\":3,\"mtime\":5"), false), "equal");
    assert_eq!(one(&file(A, ""), &file(B, ""), false), "different");
    assert_eq!(one(&file(A, &l0), &file(A, ""), false), "equal");
    assert_eq!(one(&file(A, &l0), &file(A, &r0), false), "different");
    assert_eq!(one(&link("a"), &link("a"), false), "equal");
    assert_eq!(one(&link("a"), &link("b"), false), "different");
    assert_eq!(one("\"type\":\"directory\"", "\"type\":\"directory\"", false), "equal");
    assert_eq!(one("\"type\":\"directory\"", &link("a"), false), "different");
    assert_eq!(one("\"type\":\"file\"", &link("a"), false), "different");
    assert_eq!(one("\"type\":\"file\"", &file(A, ""), false), "error");
    assert_eq!(one("\"type\":\"fifo\"", "\"type\":\"socket\"", false), "different");
}

#[test]
fn metadata_counts_where_both_sides_know_it() {
    let file = |more: &str| format!("\"md5\":\"{A}\",{more}");
    let equal = |l: &str, r: &str| one(&file(l), &file(r), true) == "equal" && one(&file(r), &file(l), true) == "equal";
    assert!(equal("\"mode\":33188", "\"mode\":33188"));
    assert!(equal("\"mode\":33188", "\"uid\":0"));
    assert!(!equal("\"mode\":33188", "\"mode\":33261"));
    assert!(!equal("\"uid\":1", "\"uid\":0"));
    assert!(!equal("\"gid\":1", "\"gid\":0"));
    let exact = "\"mtime\":1700000000.1234567,\"modified\":\"2023-11-14T22:13:20.123456789Z\"";
    let near = "\"mtime\":1700000000.1234567,\"modified\":\"2023-11-14T22:13:20.123456788Z\"";
    assert!(equal(exact, exact));
    assert!(!equal(exact, near));
    assert!(equal(exact, "\"mtime\":1700000000.1234567"));
    assert!(!equal(exact, "\"mtime\":1700000000.1234569"));
    assert!(equal(exact, "\"modified\":\"2023-11-14T22:13:20.123456789Z\""));
    assert_eq!(one(&file(exact), &file(near), false), "equal");
}

#[test]
fn rows_embed_the_sides_byte_for_byte_and_are_records() {
    let left = r#"{"z": 1e3,  "name": "bad\udcff", "md5":"0cc175b9c0f1b6a831c399e269772661"}"#.to_string();
    let mut diff = diff(records(std::slice::from_ref(&left)), records(&[]), all(false), Arc::new(Recorder::default()));
    let record = diff.next().unwrap().unwrap().into_record();
    let text = String::from_utf8(record.text().to_vec()).unwrap();
    assert_eq!(
        text,
        format!(
            "{{\"left\":{left},\"name\":\"bad\\udcff\",\"name_bytes\":\"YmFk/w==\",\"right\":null,\"status\":\"only_left\"}}"
        )
    );
    let again = Record::parse(text.as_bytes()).unwrap();
    assert_eq!(again, record);
    assert_eq!(again.raw("left").unwrap(), left);
}

fn lines(text: &[&str]) -> Vec<String> {
    text.iter().map(ToString::to_string).collect()
}

#[test]
fn end_records_add_up_and_only_two_make_one() {
    let left = lines(&[
        r#"{"name":"a","type":"error","error":"e"}"#,
        r#"{"name":"","type":"end","records":1,"errors":3,"filtered":true}"#,
    ]);
    let right = lines(&[r#"{"name":"b","type":"directory"}"#, r#"{"name":"","type":"end","records":1,"errors":0}"#]);
    let end = |lines: &[String]| End::of(&Record::parse(lines.last().unwrap().as_bytes()).unwrap());
    let both = rows(&left, &right, all(false));
    assert_eq!(both[..2], ["error a", "only_right b"]);
    let both = end(&both);
    assert_eq!((both.diff, both.errors, both.filtered, both.records), (true, 3, true, Some(2)));
    let [l, r] = *both.sides.unwrap();
    assert_eq!((l.errors, l.filtered, r.errors, r.filtered), (3, true, 0, false), "each side says its own");
    assert_eq!(rows(&left[..1], &right, all(false)), ["error a", "only_right b"]);
    let none = Options { statuses: vec![Status::Equal], ..Options::default() };
    assert_eq!(end(&rows(&left, &right, none)).records, Some(1));
}

#[test]
fn only_types_that_both_sides_cover_are_compared() {
    let left = lines(&[r#"{"name":"a","md5":"0cc175b9c0f1b6a831c399e269772661"}"#]);
    let right = lines(&[
        r#"{"name":"a","md5":"0cc175b9c0f1b6a831c399e269772661"}"#,
        r#"{"name":"d","type":"directory"}"#,
        r#"{"name":"l","type":"link","destination":"a"}"#,
    ]);
    assert_eq!(rows(&left, &right, all(false)).len(), 3);
    let types = [Some(vec!["file".to_string()]), None];
    assert_eq!(rows(&left, &right, Options { types, ..all(false) }), ["equal a"]);
    let types = [Some(vec!["file".to_string(), "link".to_string()]), Some(vec!["link".to_string()])];
    assert_eq!(rows(&left, &right, Options { types, ..all(false) }), ["only_right l"]);
}

#[test]
fn what_failed_on_one_side_is_not_gone_there() {
    let entry = |n: &str| format!(r#"{{"name":"{n}","md5":"{A}"}}"#);
    let error = |n: &str| format!(r#"{{"name":"{n}","type":"error","error":"e"}}"#);
    let left: Vec<String> = ["a", "d-x", "d/in", "d/sub/in", "e", "f"].map(entry).to_vec();
    let right = [error("a"), error("d"), entry("e")];
    assert_eq!(rows(&left, &right, all(false)), ["error a", "error d", "only_left d-x", "equal e", "only_left f"]);
}

#[test]
fn rows_of_a_comparison_are_no_side() {
    let row = lines(&[r#"{"left":null,"name":"a","right":null,"status":"equal"}"#]);
    let mut diff = diff(records(&row), records(&[]), all(false), Arc::new(Recorder::default()));
    assert!(diff.next().unwrap().unwrap_err().to_string().contains("row of snap-diff"));
}

fn shown(style: Style, left: &[String], right: &[String]) -> String {
    let mut diff = diff(records(left), records(right), all(false), Arc::new(Recorder::default()));
    let mut show = Printer::new(style, true);
    let mut out = Vec::new();
    for row in diff.by_ref() {
        show.row(&mut out, row.unwrap()).unwrap();
    }
    show.finish(&mut out, &diff, &Status::OF_CONTENTS).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn people_see_names_tables_and_counts() {
    let left = [
        format!(r#"{{"name":"a\n|b","md5":"{A}","size":5000,"mtime":1700000000}}"#),
        format!(r#"{{"name":"gone","md5":"{A}","size":5}}"#),
    ];
    let right = [
        format!(r#"{{"name":"a\n|b","md5":"{B}","size":7000000,"mtime":1700000000}}"#),
        r#"{"name":"l","type":"link","destination":"to\u001b"}"#.to_string(),
        r#"{"name":"z","type":"error","error":"no\nluck"}"#.to_string(),
    ];
    assert_eq!(shown(Style::Names, &left, &right), "! a\\n|b\n- gone\n+ l\n");
    let table = shown(Style::Table, &left, &right);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    let at = lines[0].find("NAME").unwrap();
    let name = |line: &str| line.chars().skip(at).collect::<String>();
    assert!(lines[1].contains("4.9 KiB→6.7 MiB"), "{table}");
    assert_eq!(lines[1..].iter().map(|l| name(l)).collect::<Vec<_>>(), ["a\\n|b", "gone", "l -> to\\u{1b}", "z: no\\nluck"]);
    let stat = shown(Style::Stat, &left, &right);
    let stat: Vec<Vec<&str>> = stat.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(stat[0], ["only_left", "1", "5", "B"]);
    assert_eq!(stat[2], ["different", "1", "4.9", "KiB", "→", "6.7", "MiB"]);
    assert_eq!(stat[3], ["equal", "0", "0", "B"]);
}

/// Returns a strategy for the keys of an entry.
fn entry() -> impl Strategy<Value = String> {
    prop_oneof![
        (0..3_u8).prop_map(|n| format!("\"type\":\"file\",\"md5\":\"{:032x}\"", n)),
        (0..3_u8).prop_map(|n| format!("\"type\":\"link\",\"destination\":\"t{n}\"")),
        Just("\"type\":\"directory\"".to_string()),
    ]
}

fn tree() -> impl Strategy<Value = BTreeMap<Name, String>> {
    // Few letters, so that both sides share names; among them neighbours of `/` and a byte that is not UTF-8.
    let letter = proptest::sample::select(vec![&b"a"[..], b"-", b"0", b"\xff", "é".as_bytes(), "\u{f8ff}".as_bytes()]);
    let part = proptest::collection::vec(letter, 1..3).prop_map(|p| p.concat());
    let name = proptest::collection::vec(part, 1..3).prop_map(|parts| Name::new(parts.join(&b'/')));
    proptest::collection::btree_map(name, entry(), 0..20)
}

/// Publishes a snapshot of these lines, of which few are in a member.
fn published(lines: &[String]) -> Place {
    let (root, publisher) =
        (Location::parse("memory://diff/snap".as_ref(), "root", &StorageOptions::default()).unwrap(), Publisher::default());
    let mut publisher = publisher.with_members_of(100);
    for line in lines {
        publisher.push(&Record::parse(line.as_bytes()).expect(line)).unwrap();
    }
    publisher.finish(&root, Time::now(), &Label { v: snapshot::VERSION, ..Label::default() }, 0).unwrap()
}

/// Returns the text of the rows of two snapshots and the counts; the last row can be an error.
fn compared(sides: Diff) -> (Vec<String>, [Count; 5]) {
    let mut sides = sides;
    let shown = |row: Result<Row>| row.map_or_else(|e| e.to_string(), |row| format!("{:?}", row.into_record()));
    (sides.by_ref().map(shown).collect(), sides.counts)
}

fn as_snapshots_and_as_streams(left: &[String], right: &[String], metadata: bool) -> [(Vec<String>, [Count; 5]); 2] {
    let monitor = Arc::new(Recorder::default());
    let places = [published(left), published(right)];
    let [l, r] = places.each_ref().map(|place| snapshot::open(place, monitor.clone()).unwrap());
    let snapshots = compared(super::sides(l, r, all(metadata), monitor.clone()));
    let [l, r] = places.each_ref().map(|place| snapshot::read(place, monitor.clone()).unwrap());
    [snapshots, compared(diff(l, r, all(metadata), monitor))]
}

#[test]
fn what_is_wrong_on_both_sides_is_found_though_it_is_the_same() {
    let line = |name: &str, more: &str| format!("{{\"name\":\"{name}\"{more}}}");
    let good = format!(",\"md5\":\"{A}\"");
    for (lines, message) in [
        ([line("b", &good), line("a", &good)], "left side: a: the record is not in order of name"),
        ([line("a", &good), line("a", &good)], "left side: a: the name stands twice"),
        ([line("a", &good), line("b", "")], "Record({\"error\":\"has no md5; run snap-heapify first, or compare by other keys\""),
    ] {
        let [snapshots, streams] = as_snapshots_and_as_streams(&lines, &lines, false);
        assert_eq!(snapshots, streams);
        assert!(snapshots.0[1].starts_with(message), "{:?}", snapshots.0);
    }
    let (left, right) = ([line("a", &good)], [line("a", &good), line("a", &good)]);
    let [snapshots, streams] = as_snapshots_and_as_streams(&left, &right, false);
    assert_eq!(snapshots, streams);
    assert_eq!(snapshots.0[1], "right side: a: the name stands twice");
}

proptest! {
    #[test]
    fn two_snapshots_differ_as_their_records_do(left in tree(), right in tree(), metadata in any::<bool>()) {
        let text = |tree: &BTreeMap<Name, String>| -> Vec<String> {
            let bytes = |name: &Name| { let mut out = String::new(); json::push_bytes_key(&mut out, "name_bytes", name.as_bytes()); out };
            tree.iter().map(|(n, e)| format!("{{\"name\":{}{},{e}}}", json::json_string(n.as_bytes()), bytes(n))).collect()
        };
        let [snapshots, streams] = as_snapshots_and_as_streams(&text(&left), &text(&right), metadata);
        prop_assert_eq!(snapshots, streams);
    }

    #[test]
    fn says_what_a_naive_comparison_says(left in tree(), right in tree()) {
        let text = |tree: &BTreeMap<Name, String>| -> Vec<String> {
            tree.iter().map(|(n, e)| format!("{{\"name\":{},{e}}}", json::json_string(n.as_bytes()))).collect()
        };
        let names: BTreeSet<&Name> = left.keys().chain(right.keys()).collect();
        let expected: Vec<String> = names.into_iter().map(|name| {
            let status = match (left.get(name), right.get(name)) {
                (Some(_), None) => "only_left",
                (None, Some(_)) => "only_right",
                (l, r) if l == r => "equal",
                _ => "different",
            };
            format!("{status} {}", name.printable())
        }).collect();
        prop_assert_eq!(rows(&text(&left), &text(&right), all(false)), expected);
    }
}
