//! Both tools on one heap and snap root, in turns; and the commands of the Python tool's README as they stand there.

use super::{Tool, run_in, world};
use crate::util::trees::{self, Tree, contents};
use crate::util::{World, data, python_tool};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// Runs a command of one of the tools in a world.
#[track_caller]
fn with(world: &mut World, tool: Tool, arguments: &str) -> Vec<String> {
    match tool {
        Tool::Python => world.set("TOOL", python_tool()),
        Tool::Ours => world.set("TOOL", env!("CARGO_BIN_EXE_snapshooter")),
    }
    run_in(world, &format!("$SN {arguments}")).ok().lines()
}

#[test]
fn a_history_of_both_stays_readable_restorable_and_without_duplicates() {
    let mut world = world(Tool::Ours);
    for (from, to) in [("python-local/heap", "h"), ("python-local/snap", "s")] {
        world.sh(&format!("cp -r '{}' {to}", data(from).display())).ok();
    }
    trees::build(&world.path("f"), Tree::Files2);
    let mut states: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>> = BTreeMap::new();
    // What the fixture's latest snapshot says is what the tree is; its first is another test's.
    let first = with(&mut world, Tool::Ours, "list-snapshots")[0].clone();
    states.insert(first.clone(), contents(&world.path("f")));
    for round in 0..4_i128 {
        let tool = if round % 2 == 0 { Tool::Python } else { Tool::Ours };
        let time = 1_700_001_000_000_000_000 + round * 1_000_000_000;
        trees::put(&world.path("f"), "changing", format!("round {round}\n"), time, 0o644);
        trees::put(&world.path("f"), format!("new/{round}"), "the same each time\n", time, 0o600);
        let made = with(&mut world, tool, "make-snapshot").pop().expect("a path");
        states.insert(made, contents(&world.path("f")));
        if round == 1 {
            with(&mut world, Tool::Python, &format!("restore-snapshot --path '{first}'"));
            assert!(contents(&world.path("f")) == states[&first]);
        }
        if round == 2 {
            with(&mut world, Tool::Ours, &format!("restore-snapshot --path '{first}'"));
            assert!(contents(&world.path("f")) == states[&first]);
            // Either tool goes on from the state after, and finds nothing to do.
            let count = with(&mut world, Tool::Ours, "list-snapshots --limit 100").len();
            with(&mut world, Tool::Ours, "restore-snapshot");
            assert_eq!(with(&mut world, Tool::Ours, "list-snapshots --limit 100").len(), count);
            with(&mut world, Tool::Python, "restore-snapshot");
            assert!(contents(&world.path("f")) == states[&first]);
        }
    }
    let ours = with(&mut world, Tool::Ours, "list-snapshots --limit 100");
    assert_eq!(ours, with(&mut world, Tool::Python, "list-snapshots --limit 100"));
    assert!(ours.len() > 10, "{ours:?}");
    for (at, (snapshot, state)) in states.iter().enumerate() {
        for tool in [Tool::Ours, Tool::Python] {
            let folder = format!("{tool:?}{at}");
            let options = "--no-save-snapshot-before --no-save-snapshot-after";
            with(&mut world, tool, &format!("--file-root {folder} restore-snapshot --path '{snapshot}' {options}"));
            assert!(contents(&world.path(&folder)) == *state, "{tool:?} {snapshot}");
        }
    }
    // Each compares what the other wrote, and all of it.
    let [left, right] = [&ours[0], &ours[ours.len() - 1]];
    for tool in [Tool::Ours, Tool::Python] {
        let table = with(&mut world, tool, &format!("compare-snapshots --path1 '{left}' --path2 '{right}'"));
        assert!(table.iter().any(|l| l.contains("changing")), "{tool:?}");
    }
    every_object_once(&world);
}

/// Every record's object is in the heap, every object there is of a record, and each content is there once.
#[track_caller]
fn every_object_once(world: &World) {
    let recorded = world.sh("zcat s/*/*/*.gz | jq -Rr 'select(length > 0) | fromjson | .md5' | sort -u").ok().lines();
    let objects = world.files_below("h").into_iter().filter(|p| p.extension().is_some_and(|e| e == "gz"));
    let objects = objects.filter(|p| !p.starts_with(world.path("h/temp")));
    let names: Vec<String> =
        objects.map(|p| p.file_name().unwrap().to_string_lossy().trim_end_matches(".gz").to_string()).collect();
    let unique: BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    let recorded: BTreeSet<&String> = recorded.iter().collect();
    let missing: Vec<_> = recorded.difference(&unique).collect();
    assert!(missing.is_empty(), "{missing:?}");
    for name in &unique {
        world.sh(&format!("[ \"$(zcat h/{}/{name}.gz | md5sum | cut -c 1-32)\" = {name} ]", &name[..2])).ok();
    }
}

#[test]
fn fixtures_that_python_wrote_are_restored_compared_and_continued() {
    for (heap, snap, count) in [
        ("python-local/heap", "python-local/snap", 31),
        ("python-local/heap", "python-local/snap-after-restore", 31),
        ("python-local-tricky/heap", "python-local-tricky/snap", 25),
        ("python-azure/heap", "python-azure/snap", 19),
        ("python-azure/azure-written/heap", "python-azure/azure-written/snap", 19),
    ] {
        let mut world = world(Tool::Ours);
        for (from, to) in [(heap, "h"), (snap, "s")] {
            world.sh(&format!("cp -r '{}' {to}", data(from).display())).ok();
        }
        let before = with(&mut world, Tool::Ours, "list-snapshots").len();
        with(&mut world, Tool::Ours, "restore-snapshot");
        assert_eq!(contents(&world.path("f")).len(), count, "{snap}");
        assert_eq!(with(&mut world, Tool::Ours, "compare-snapshots --format names --diff-state equal").len(), count, "{snap}");
        trees::put(&world.path("f"), "more", "more\n", 1_700_000_000_000_000_000, 0o644);
        with(&mut world, Tool::Ours, "make-snapshot");
        assert_eq!(with(&mut world, Tool::Ours, "list-snapshots").len(), before + 2, "{snap}");
        let added = with(&mut world, Tool::Ours, "compare-snapshots --path1 latest~1 --format names --diff-state only_right");
        assert_eq!(added, ["+ more"], "{snap}");
    }
}

/// The commands of the Python tool's README, letter by letter.
const README: [&str; 6] = [
    r"snapshooter \
  --file-root tests/unit_test_data/sample_src \
  --heap-root tests/temp/sample_heap \
  --snap-root tests/temp/sample_snap \
  make-snapshot
",
    r"snapshooter \
  --file-root tests/unit_test_data/restored_src \
  --heap-root tests/temp/sample_heap \
  --snap-root tests/temp/sample_snap \
  restore-snapshot
",
    r"snapshooter \
  --file-root tests/unit_test_data/restored_src \
  --heap-root tests/temp/sample_heap \
  --snap-root tests/temp/sample_snap \
  restore-snapshot \
  --latest 2021-09-01T00:00:00  
",
    r"snapshooter \
  --file-root tests/unit_test_data/restored_src \
  --heap-root tests/temp/sample_heap \
  --snap-root tests/temp/sample_snap \
  restore-snapshot \
  --path tests/temp/sample_snap/2024/04/2024-04-10_14-30-40_086601Z.jsonl.gz  
",
    r"snapshooter \
  --file-root tests/unit_test_data/restored_src \
  --heap-root tests/temp/sample_heap \
  --snap-root tests/temp/sample_snap \
  list-snapshots
",
    r"snapshooter \
  --file-root tests/unit_test_data/sample_src \
  --heap-root tests/temp/sample_heap \
  --snap-root tests/temp/sample_snap \
  compare-snapshots \
  --path1 tests/temp/sample_snap/2024/04/2024-04-10_14-30-40_086601Z.jsonl.gz \
",
];

#[test]
fn the_commands_of_pythons_readme_run_as_they_stand() {
    let world = world(Tool::Ours);
    let [make, restore, restore_time, restore_path, list, compare] = README;
    let (source, restored) = (world.path("tests/unit_test_data/sample_src"), world.path("tests/unit_test_data/restored_src"));
    trees::build(&source, Tree::Files);
    let first = PathBuf::from(world.sh(make).ok().lines().pop().expect("a path"));
    assert!(first.starts_with(world.path("tests/temp/sample_snap")), "{first:?}");
    // The snapshots of the times that the README speaks of are this one under their names.
    for (folder, name) in [("2021/08", "2021-08-31_12-00-00_000000Z"), ("2024/04", "2024-04-10_14-30-40_086601Z")] {
        let folder = format!("tests/temp/sample_snap/{folder}");
        world.sh(&format!("mkdir -p {folder} && cp '{}' {folder}/{name}.jsonl.gz", first.display())).ok();
    }
    trees::second_state(&source);
    let second = PathBuf::from(world.sh(make).ok().lines().pop().expect("a path"));

    world.sh(restore).ok().says("");
    assert!(contents(&source) == contents(&restored));
    let state = |world: &World| contents(&world.path("tests/unit_test_data/restored_src"));
    let old = |world: &World| state(world).contains_key(&b"a0"[..]) && !state(world).contains_key(&b"added/new.txt"[..]);
    assert!(!old(&world));
    world.sh(restore_time).ok().says("");
    assert!(old(&world));
    world.sh(&format!("{} --path '{}'", restore.trim_end(), second.display())).ok();
    assert!(!old(&world));
    world.sh(restore_path).ok().says("");
    assert!(old(&world));

    // Two made, two copied, one restore to a new folder saved after, three of a folder with files before and after.
    let listed = world.sh(list).ok().lines();
    assert_eq!(listed.len(), 10 + 1, "{listed:?}");
    assert_eq!(listed[10], "...", "of eleven");
    assert!(listed[..10].iter().is_sorted_by(|a, b| a > b) && listed[0].starts_with('/'), "{listed:?}");
    let table = world.sh(compare).ok();
    assert!(table.out().starts_with("| name "), "{table}");
    assert!(table.lines().iter().any(|l| l.contains("equal")), "{table}");
}

#[test]
fn python_takes_what_we_make_as_its_own() {
    let mut world = world(Tool::Ours);
    trees::build(&world.path("f"), Tree::Files);
    let files = contents(&world.path("f"));
    with(&mut world, Tool::Ours, "make-snapshot");
    world.sh("rm -r f").ok();
    with(&mut world, Tool::Python, "restore-snapshot");
    assert!(contents(&world.path("f")) == files);
    // What Python restores has another time, and nothing else that differs.
    let names = with(&mut world, Tool::Ours, "compare-snapshots --path1 latest~2 --format names --diff-state different");
    assert_eq!(names, Vec::<String>::new());
}
