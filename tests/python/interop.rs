//! Side by side with the Python tool, version 1.0.19: the same records, the same repositories, both ways.

use crate::util::trees::{self, Tree, contents, expected, listing};
use crate::util::{Done, World, data, python_tool};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const BACKUP: &str = "snap-scan --type f | snap-heapify | snap-write";

/// Compares two files of records by Python's own reading of JSON: the twelve keys of the Python tool have to be there with the
/// same values (numbers as numbers, whatever their spelling), and in the same order of records.
const SAME_RECORDS: &str = r#"
import gzip, json, sys
keys = "created gid ino islink md5 mode mtime name nlink size type uid".split()
def read(path):
    data = open(path, "rb").read()
    if path.endswith(".gz"): data = gzip.decompress(data)
    return [r for r in map(json.loads, filter(None, data.decode().split("\n"))) if r.get("type") != "end"]
python, ours = read(sys.argv[1]), read(sys.argv[2])
assert [r["name"] for r in python] == [r["name"] for r in ours], ([r["name"] for r in python], [r["name"] for r in ours])
for p, o in zip(python, ours):
    assert set(p) == set(keys), p
    for key in keys:
        assert key in o and p[key] == o[key] and (type(p[key]) == type(o[key]) or key in ("mtime", "created")), (key, p, o)
print(len(python))
"#;

fn python(world: &mut World, script: &str, arguments: &str) -> Done {
    let interpreter = python_tool().with_file_name("python");
    let script = world.put("tmp/script.py", script);
    world.sh(&format!("{} {} {arguments}", interpreter.display(), script.display()))
}

/// The path of the one snapshot in the last line of what a command said.
fn path_said(done: &Done) -> PathBuf {
    PathBuf::from(done.lines().pop().unwrap_or_default())
}

#[test]
fn records_of_files_are_those_of_the_python_tool() {
    for (tree, count) in [(Tree::Files, "31\n"), (Tree::Tricky, "25\n")] {
        let mut world = World::with(tree);
        let snapshot = path_said(&world.py("make-snapshot").ok());
        world.sh("snap-scan --type f | snap-heapify --no-store --no-base > ours.jsonl").ok().silent();
        python(&mut world, SAME_RECORDS, &format!("'{}' ours.jsonl", snapshot.display())).ok().says(count);
        // What is published is what was piped.
        world.sh("snap-scan --type f | snap-heapify > piped.jsonl").ok().silent();
        let ours = path_said(&world.sh("snap-write < piped.jsonl").ok());
        python(&mut world, SAME_RECORDS, &format!("'{}' '{}'", snapshot.display(), ours.display())).ok().says(count);
        world.sh("snap-read latest --no-end > read.jsonl; head -n -1 piped.jsonl | cmp - read.jsonl").ok();
    }
}

#[test]
fn python_restores_what_we_wrote() {
    for tree in [Tree::Files, Tree::Tricky] {
        let mut world = World::with(tree);
        world.sh(BACKUP).ok();
        let files = contents(&world.path("files"));
        world.set("FILE_ROOT", world.path("back"));
        world.py("restore-snapshot --no-save-snapshot-before --no-save-snapshot-after").ok();
        assert!(contents(&world.path("back")) == files, "{tree:?}");
    }
}

#[test]
fn we_restore_what_python_wrote() {
    for tree in [Tree::Files, Tree::Tricky] {
        let mut world = World::with(tree);
        world.py("make-snapshot").ok();
        world.sh("snap-read latest | snap-restore --file-root back").ok().silent();
        same_files(&world.path("files"), &world.path("back"));
    }
}

/// Files are the same in name, content, mode, and in time as far as a double tells.
#[track_caller]
fn same_files(left: &Path, right: &Path) {
    let files = |root: &Path| -> BTreeMap<Vec<u8>, (Vec<u8>, u32, f64)> {
        let files = listing(root).into_iter().filter(|(_, e)| e.kind == "file");
        files.map(|(n, e)| (n, (e.content, e.mode, e.mtime.0 as f64 + 1e-9 * e.mtime.1 as f64))).collect()
    };
    let (left, right) = (files(left), files(right));
    assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>());
    for (name, entry) in &left {
        assert!(right[name] == *entry, "{}: {:?} and {:?}", String::from_utf8_lossy(name), entry, right[name]);
    }
}

/// Runs a command under strace and gives its last line of output as a path, and the opens of files below the file root. Each
/// thread has its trace in a file of its own, so that calls are not cut in two by those of others.
fn traced(world: &World, command: &str) -> (PathBuf, Vec<String>) {
    world.sh("rm -rf trace; mkdir trace").ok();
    let done = world.sh(&format!("strace -ff -y -qq -e trace=open,openat,openat2 -o trace/of {command}")).ok();
    let root = format!("<{}/", world.path("files").display());
    let traces = world.files_below("trace").into_iter().map(|path| fs::read(path).expect("what strace wrote"));
    let text: String = traces.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect();
    assert!(text.contains("open"), "strace wrote nothing");
    let opened = |line: &&str| {
        let result = line.rsplit(" = ").next().unwrap_or_default();
        result.contains(&root) && !line.contains("O_DIRECTORY") && !line.contains("O_PATH")
    };
    // A file whose time is in the future may change without showing it, and so is read each time.
    let opened = text.lines().filter(opened).filter(|l| !l.contains("y2300"));
    (path_said(&done), opened.map(str::to_string).collect())
}

#[test]
fn each_continues_the_others_history_without_reading_unchanged_files() {
    let ours = format!("bash -c '{BACKUP}'");
    let theirs = "\"$PY\" --file-root \"$FILE_ROOT\" --heap-root \"$HEAP_ROOT\" --snap-root \"$SNAP_ROOT\" make-snapshot";
    let mut world = World::with(Tree::Files);
    world.settle();
    world.py("make-snapshot").ok();
    let (second, opened) = traced(&world, &ours);
    assert_eq!(opened, Vec::<String>::new());
    let (third, opened) = traced(&world, theirs);
    assert_eq!(opened, Vec::<String>::new());
    python(&mut world, SAME_RECORDS, &format!("'{}' '{}'", third.display(), second.display())).ok().says("31\n");

    // The counting itself: a changed file is opened, and only that.
    for (command, round) in [(ours.as_str(), 1_i128), (theirs, 2)] {
        let time = 1_700_000_200_000_000_000 + round * 1_000_000_000;
        trees::put(&world.path("files"), "a.txt", format!("changed {round}\n"), time, 0o644);
        let (_, opened) = traced(&world, command);
        assert!(!opened.is_empty() && opened.iter().all(|l| l.contains("a.txt")), "{opened:?}");
    }
}

#[test]
fn each_compares_the_others_snapshots() {
    let expected = "! a.txt\n- a0\n+ added/new.txt\n";
    let mut world = World::with(Tree::Files);
    world.py("make-snapshot").ok();
    trees::second_state(&world.path("files"));
    world.py("make-snapshot").ok();
    world.sh("snap-diff --format names").status(1).says(expected).silent();

    let mut world = World::with(Tree::Files);
    let first = path_said(&world.sh(BACKUP).ok());
    trees::second_state(&world.path("files"));
    let second = path_said(&world.sh(BACKUP).ok());
    let arguments = format!("compare-snapshots --path1 '{}' --path2 '{}'", first.display(), second.display());
    let table = world.py(&arguments).ok();
    for (name, status) in [("a.txt", "different"), ("a0", "only_left"), ("added/new.txt", "only_right")] {
        let row = |l: &String| l.contains(name) && l.contains(status);
        assert!(table.lines().iter().any(row), "{name}: {status}{table}");
    }
    table.complains("{'different': 1, 'equal': 29, 'only_left': 1, 'only_right': 1}");
}

#[test]
fn what_we_write_of_files_is_what_python_accepts() {
    // By the list of what the Python tool was seen to refuse: unique names, a string of lower-case hex as md5 in every line,
    // files only, no byte order mark, nothing behind the gzip members, no name in the heap that looks like another md5.
    const CHECK: &str = r#"
import gzip, json, os, re, sys, zlib
text = gzip.open(sys.argv[1], "rb").read().decode("utf-8")
assert not text.startswith("\ufeff")
records = [json.loads(line) for line in text.split("\n") if line]
assert len({r["name"] for r in records}) == len(records) > 0
for r in records:
    assert r["type"] == "file" and re.fullmatch("[0-9a-f]{32}", r["md5"]) and isinstance(r["mtime"], float), r
names = [n for _, _, files in os.walk(sys.argv[2]) for n in files]
assert {r["md5"] + ".gz" for r in records} == {n for n in names if n.endswith(".gz")}, names
for r in records:
    assert os.path.exists(f"{sys.argv[2]}/{r['md5'][:2]}/{r['md5']}.gz")
assert re.search(r"/\d{4}/\d\d/\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d_\d{6}Z\.jsonl\.gz$", sys.argv[1])
"#;
    for tree in [Tree::Files, Tree::Tricky] {
        let mut world = World::with(tree);
        // Links, empty folders and fifos are what --type f leaves out.
        world.sh("ln -s a.txt files/link; ln -s gone files/dangling; mkdir files/empty-folder; mkfifo files/fifo").ok();
        let snapshot = path_said(&world.sh(BACKUP).ok());
        world.sh(&format!("gzip -t '{0}' && find heap -name '*.gz' -exec gzip -t {{}} +", snapshot.display())).ok().silent();
        python(&mut world, CHECK, &format!("'{}' heap", snapshot.display())).ok();
    }
}

#[test]
fn a_history_of_both_stays_restorable() {
    let mut world = World::with(Tree::Files);
    let mut states = Vec::new();
    for round in 0..4_i128 {
        let time = 1_700_001_000_000_000_000 + round * 1_000_000_000;
        trees::put(&world.path("files"), "changing", format!("round {round}\n"), time, 0o644);
        trees::put(&world.path("files"), format!("new/{round}"), format!("new {round}\n"), time, 0o600);
        let done = if round % 2 == 0 { world.py("make-snapshot") } else { world.sh(BACKUP) };
        states.push((path_said(&done.ok()), listing(&world.path("files"))));
    }
    let listed: Vec<String> = states.iter().rev().map(|(path, _)| path.display().to_string()).collect();
    assert_eq!(world.sh("snap-list").ok().lines(), listed);
    assert_eq!(world.py("list-snapshots").ok().lines(), listed);
    for (at, (snapshot, state)) in states.iter().enumerate() {
        let files: BTreeMap<_, _> =
            state.iter().filter(|(_, e)| e.kind == "file").map(|(n, e)| (n.clone(), e.content.clone())).collect();
        world.sh(&format!("snap-read '{}' | snap-restore --file-root ours{at}", snapshot.display())).ok();
        assert!(contents(&world.path(format!("ours{at}"))) == files, "{}", snapshot.display());
        world.set("FILE_ROOT", world.path(format!("python{at}")));
        let arguments =
            format!("restore-snapshot --path '{}' --no-save-snapshot-before --no-save-snapshot-after", snapshot.display());
        world.py(&arguments).ok();
        assert!(contents(&world.path(format!("python{at}"))) == files, "{}", snapshot.display());
    }
}

/// A world whose heap and snap root are those of `tests/data`.
fn world_of(heap: &str, snap: &str) -> World {
    let mut world = World::new();
    world.set("HEAP_ROOT", data(heap));
    world.set("SNAP_ROOT", data(snap));
    world
}

/// Restores a snapshot and compares with the table of what is expected.
#[track_caller]
fn restores_exactly(world: &World, snapshot: &str, table: &str) {
    let back = world.path("back");
    if back.exists() {
        fs::remove_dir_all(&back).unwrap();
    }
    world.sh(&format!("snap-read {snapshot} | snap-restore --file-root back")).ok().silent();
    let restored = listing(&back).into_iter().filter(|(_, e)| e.kind == "file");
    let restored: BTreeMap<Vec<u8>, trees::Entry> = restored.collect();
    let expected = expected(table);
    assert_eq!(restored.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    let md5s = world.sh(&format!("snap-read {snapshot} | jq -c 'select(.type == \"file\") | .md5'")).ok().lines();
    assert_eq!(
        md5s.iter().collect::<BTreeSet<_>>(),
        expected.values().map(|e| format!("\"{}\"", e.md5)).collect::<BTreeSet<_>>().iter().collect()
    );
    for (name, entry) in restored {
        let expected = &expected[&name];
        let mtime = entry.mtime.0 as f64 + 1e-9 * entry.mtime.1 as f64;
        let shown = String::from_utf8_lossy(&name).into_owned();
        assert_eq!(md5_of(&entry.content), expected.md5, "{shown}");
        assert_eq!((entry.content.len() as u64, mtime, entry.mode), (expected.size, expected.mtime, expected.mode), "{shown}");
    }
}

fn md5_of(content: &[u8]) -> String {
    use md5::{Digest, Md5};
    Md5::digest(content).iter().map(|b| format!("{b:02x}")).collect()
}

#[test]
fn a_local_repository_of_python_is_listed_read_compared_and_restored() {
    let world = world_of("python-local/heap", "python-local/snap");
    let names = ["2026-11-23_05-09-09_997153Z", "2026-11-23_05-09-08_618057Z"];
    let paths: String = names.iter().map(|n| format!("{}/2026/11/{n}.jsonl.gz\n", data("python-local/snap").display())).collect();
    world.sh("snap-list").ok().silent().says(&paths);
    world.sh("snap-diff --format names").status(1).silent().says("! a.txt\n- a0\n+ added/new.txt\n");
    world.sh("snap-diff --format names -m --status different").status(1).silent().says("! B\n! a.txt\n");
    world.sh("snap-diff latest latest").ok().silent();
    world.sh("snap-read latest~1 | jq -r .name | head -n 2").ok().silent().says("-dash\n.config/settings.ini\n");
    restores_exactly(&world, "latest", "python-local/expected-files2.tsv");
    trees::build(&world.path("files"), Tree::Files2);
    same_files(&world.path("files"), &world.path("back"));
    restores_exactly(&world, "latest~1", "python-local/expected-files.tsv");
    restores_exactly(&world, "@2026-11-23T05:09:09Z", "python-local/expected-files.tsv");
}

#[test]
fn what_python_saves_after_a_restore_is_read_though_it_is_not_in_order() {
    let world = world_of("python-local/heap", "python-local/snap-after-restore");
    assert_eq!(world.sh("snap-list").ok().lines().len(), 2);
    world.sh("snap-read latest~1 | jq -r .type").ok().says("end\n");
    world.sh("snap-read latest | snap-restore --file-root back").ok();
    let md5s =
        |entries: BTreeMap<Vec<u8>, Vec<u8>>| entries.into_iter().map(|(n, c)| (n, md5_of(&c))).collect::<BTreeMap<_, _>>();
    let expected: BTreeMap<_, _> = expected("python-local/expected-files.tsv").into_iter().map(|(n, e)| (n, e.md5)).collect();
    assert_eq!(md5s(contents(&world.path("back"))), expected);
    let lines = world.sh("snap-diff latest~1 latest --format names").status(1).lines();
    assert_eq!(lines.len(), expected.len());
    assert!(lines.iter().all(|l| l.starts_with("+ ")), "{lines:?}");
}

#[test]
fn names_that_are_odd_come_back_byte_for_byte() {
    let world = world_of("python-local-tricky/heap", "python-local-tricky/snap");
    restores_exactly(&world, "latest", "python-local-tricky/expected.tsv");
    trees::build(&world.path("files"), Tree::Tricky);
    same_files(&world.path("files"), &world.path("back"));
    // jq has no lone surrogates: name_bytes carries the names through.
    world.sh("snap-read | jq -c . | snap-restore --file-root jq").ok().silent();
    same_files(&world.path("files"), &world.path("jq"));
    let bytes = world
        .sh("snap-read | jq -r 'select(.name_bytes) | .name_bytes' | while read -r b; do echo \"$b\" | base64 -d; echo; done")
        .ok();
    let mut names: Vec<&[u8]> = bytes.bytes().split(|b| *b == b'\n').filter(|n| !n.is_empty()).collect();
    names.sort_unstable();
    assert_eq!(names, [&b"bad\xff/in"[..], b"latin1_\xe9.txt", b"\xff\xfe"]);
}

#[test]
fn a_repository_that_python_made_of_azure_blobs_is_restored() {
    for (root, count) in [("python-azure", 19), ("python-azure/azure-written", 19)] {
        let world = world_of(&format!("{root}/heap"), &format!("{root}/snap"));
        world.sh("snap-read latest | snap-restore --file-root back").ok();
        let md5s: BTreeMap<Vec<u8>, String> = contents(&world.path("back")).into_iter().map(|(n, c)| (n, md5_of(&c))).collect();
        assert_eq!(md5s.len(), count);
        let recorded = world.sh("snap-read latest | jq -r 'select(.type == \"file\") | \"\\(.md5) \\(.name)\"'").ok();
        let recorded: BTreeMap<Vec<u8>, String> =
            recorded.lines().iter().map(|l| (l.as_bytes()[33..].to_vec(), l[..32].to_string())).collect();
        assert_eq!(md5s, recorded, "{root}");
    }
}

#[test]
fn a_name_twice_counts_once_where_both_say_the_same_and_is_an_error_where_not() {
    let world = world_of("python-azure/heap", "python-azure/snap-marker-duplicates");
    let done = world.sh("snap-read latest | snap-restore --file-root back").ok().complains("marker/child");
    assert_eq!(done.err().lines().filter(|l| l.contains("marker/child")).count(), 1, "{done}");
    assert_eq!(contents(&world.path("back")).len(), 20);
    let other = r#"s/"md5": "[0-9a-f]*"/"md5": "d41d8cd98f00b204e9800998ecf8427e"/"#;
    let end = r#"{"name":"","type":"end","records":21,"errors":0}"#;
    world.sh(&format!("(zcat \"$SNAP_ROOT\"/*/*/*.gz | sed '10{other}'; echo; echo '{end}') > bad.jsonl")).ok();
    world.sh("grep -c marker/child bad.jsonl").ok().says("2\n");
    for tool in ["snap-restore --file-root bad", "snap-diff - latest", "snap-write --snap-root bad-snap"] {
        world.sh(&format!("{tool} < bad.jsonl")).status(2).complains("marker/child");
    }
    assert!(contents_or_none(&world.path("bad")).is_empty());
    assert!(!world.path("bad-snap").exists());
}

fn contents_or_none(root: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    if root.exists() { contents(root) } else { BTreeMap::new() }
}
