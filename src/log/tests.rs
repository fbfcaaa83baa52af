//! Versions against a naive model: every snapshot is read whole, and every name is looked up in each.

use super::*;
use crate::filter::Filter;
use crate::monitor::Recorder;
use crate::name::Name;
use crate::snapshot::{Label, Publisher};
use crate::storage::Options as StorageOptions;
use crate::time::Time;
use proptest::prelude::*;
use std::collections::BTreeMap;

const NAMES: [&str; 7] = ["a", "a/b", "a-b", "a/c/d", "b", "b/x", "\u{e9}"];

/// A snapshot: the content of each name, the root, and what it may have left out.
#[derive(Clone, Debug)]
struct State {
    files: BTreeMap<&'static str, u8>,
    root: Option<&'static str>,
    gap: Gap,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Gap {
    None,
    /// Anything.
    Filtered,
    /// All below `a`.
    Rules,
    Errors,
}

fn state() -> impl Strategy<Value = State> {
    let files = proptest::collection::btree_map(proptest::sample::select(&NAMES[..]), 0..3u8, 0..6);
    let root = prop_oneof![3 => Just(Some("/r")), 1 => Just(None), 1 => Just(Some("/other"))];
    let gap = prop_oneof![6 => Just(Gap::None), 1 => Just(Gap::Filtered), 1 => Just(Gap::Rules), 1 => Just(Gap::Errors)];
    (files, root, gap).prop_map(|(files, root, gap)| State { files, root, gap })
}

fn md5(content: u8) -> String {
    crate::digest::md5_of(&[content]).to_string()
}

/// Publishes the states, a second apart. Members are small, so that the index matters.
fn published(root: &Location, states: &[State]) {
    for (i, state) in states.iter().enumerate() {
        let mut publisher = Publisher::default().with_members_of(100);
        for (name, content) in &state.files {
            let line = format!(r#"{{"md5":"{}","name":"{name}","size":1,"type":"file"}}"#, md5(*content));
            publisher.push(&Record::parse(line.as_bytes()).unwrap()).unwrap();
        }
        let label = Label {
            v: 1,
            root: state.root.map(str::to_string),
            filtered: matches!(state.gap, Gap::Filtered | Gap::Rules),
            rules: (state.gap == Gap::Rules).then(|| serde_json::json!({"exclude": ["/a/"]})),
            ..Label::default()
        };
        let errors = u64::from(state.gap == Gap::Errors);
        publisher.finish(root, Time { sec: i as i64, nsec: 0 }, &label, errors).unwrap();
    }
}

/// Returns `name root time until status md5` of each version, by the rules of the man page.
fn model(states: &[State], chosen: impl Fn(&str) -> bool) -> Vec<String> {
    let mut roots: Vec<Option<&str>> = Vec::new();
    for state in states {
        let before = roots.last().copied().flatten();
        roots.push(state.root.or(before));
    }
    // Snapshots without a root before all others count for the first root.
    let first = roots.iter().flatten().next().copied();
    let of: Vec<Option<&str>> = roots.iter().map(|root| root.or(first)).collect();
    let mut lines = Vec::new();
    for name in NAMES.into_iter().filter(|name| chosen(name)) {
        let mut versions: Vec<(usize, Option<usize>, &str, u8)> = Vec::new();
        let mut present: BTreeMap<Option<&str>, usize> = BTreeMap::new();
        for (i, state) in states.iter().enumerate() {
            let before = present.get(&of[i]).copied();
            match state.files.get(name) {
                Some(content) if before.is_some_and(|at| versions[at].3 == *content) => {}
                Some(content) => {
                    if let Some(at) = before {
                        (versions[at].1, versions[at].2) = (Some(i), "replaced");
                    }
                    present.insert(of[i], versions.len());
                    versions.push((i, None, "current", *content));
                }
                None => {
                    let knows = match state.gap {
                        Gap::None => true,
                        Gap::Filtered | Gap::Errors => false,
                        Gap::Rules => !name.starts_with("a/"),
                    };
                    if let Some(at) = before.filter(|_| knows) {
                        (versions[at].1, versions[at].2) = (Some(i), "gone");
                        present.remove(&of[i]);
                    }
                }
            }
        }
        for (from, until, status, content) in versions {
            let time = |at: usize| format!("1970-01-01T00:00:{at:02}.000000000Z");
            let until = until.map_or("null".to_string(), |at| format!("\"{}\"", time(at)));
            let root = roots[from].unwrap_or("none");
            lines.push(format!("{name} {root} {} {until} {status} {}", time(from), md5(content)));
        }
    }
    lines
}

fn found(root: &Location, choice: Choice) -> Vec<String> {
    let options = Options { choice, metadata: false };
    let records = log(root, options, Arc::new(Recorder::default())).unwrap();
    let mut records: Vec<Record> = records.map(Result::unwrap).collect();
    let end = End::of(&records.pop().unwrap());
    assert!(end.log && end.records == Some(records.len() as u64), "{end:?}");
    let text = |r: &Record, key: &str| r.string(key).unwrap_or("none".to_string());
    let shown = |r: &Record| {
        let name = String::from_utf8(r.name().as_bytes().to_vec()).unwrap();
        let md5 = r.fields().md5.unwrap();
        format!("{name} {} {} {} {} {md5}", text(r, "root"), text(r, "time"), r.raw("until").unwrap(), text(r, "status"))
    };
    records.iter().map(shown).collect()
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(250))]

    #[test]
    fn versions_are_what_a_look_into_every_snapshot_finds(
        states in proptest::collection::vec(state(), 1..7),
        names in proptest::collection::btree_set(proptest::sample::select(&NAMES[..]), 1..4),
        glob in proptest::sample::select(&["/a/", "a/*", "*", "b*", "/a-*"][..]),
        place in any::<u64>(),
    ) {
        let root = Location::parse(format!("memory://log-{place}").as_ref(), "", &StorageOptions::default()).unwrap();
        published(&root, &states);
        let by_name = Choice::Names(names.iter().map(|name| Name::new(name.as_bytes())).collect());
        prop_assert_eq!(sorted(found(&root, by_name)), sorted(model(&states, |name| names.contains(name))));
        let rules = Filter::choosing(&[glob.into()]).unwrap().rules;
        let matches = Filter::choosing(&[glob.into()]).unwrap().rules;
        let expected = model(&states, |name| !matches.leaves_out(name.as_bytes(), false));
        prop_assert_eq!(sorted(found(&root, Choice::Rules(rules))), sorted(expected));
    }
}
