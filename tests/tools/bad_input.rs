//! Bad input: one clear line (at most a second that says what to do), the status that is documented, nothing changed.

use crate::util::trees::{Tree, listing};
use crate::util::{Done, World, data};
use std::fs;

/// A world with a backup, so that there is something that could be changed.
fn world() -> World {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("snap-read > good.jsonl; head -n -1 good.jsonl > unended.jsonl").ok();
    world
}

/// Asserts that a command was refused as it should be.
#[track_caller]
fn refused(world: &World, done: Done, part: &str) {
    let done = done.status(2).complains(part);
    let err = done.err();
    let lines: Vec<&str> = err.lines().collect();
    assert!((1..=2).contains(&lines.len()), "one line or two{done}");
    for line in &lines {
        assert!(line.starts_with("snap-") && line.contains(": "), "a line without the tool's name: {line}{done}");
        assert!(line.chars().count() < 300, "a long line{done}");
    }
    assert!(!err.contains("panicked") && !err.contains("os error") && !err.contains("Error {"), "{done}");
    assert!(world.files_below("tmp").is_empty(), "temporary files were left: {:?}{done}", world.files_below("tmp"));
}

/// Runs each command with its input; all have to be refused with this in the message, and leave the world as it was.
#[track_caller]
fn all_refused(world: &World, table: &[(&str, &str, &str)]) {
    let before = listing(&world.path(""));
    for (command, input, part) in table {
        let words: Vec<&str> = command.split(' ').collect();
        refused(world, world.run(&words, input.as_bytes()), part);
        let changed = |(name, entry): (&Vec<u8>, &crate::util::trees::Entry)| {
            // The folder of temporary files has been used, which shows in its time.
            (before.get(name) != Some(entry) && name != b"tmp").then(|| String::from_utf8_lossy(name).into_owned())
        };
        let after = listing(&world.path(""));
        let changed: Vec<String> = after.iter().filter_map(changed).collect();
        assert!(changed.is_empty() && before.len() == after.len(), "{command} < {input:?} changed {changed:?}");
    }
}

#[test]
fn roots_that_are_none() {
    let world = world();
    let good = fs::read_to_string(world.path("good.jsonl")).unwrap();
    all_refused(
        &world,
        &[
            ("snap-scan nowhere", "", "nowhere"),
            ("snap-scan files/a.txt", "", "a.txt"),
            ("snap-scan --file-root=", "", "--file-root"),
            ("snap-scan --file-root ftp://x/y", "", "ftp"),
            ("snap-heapify --no-base --file-root nowhere", &good, "nowhere"),
            ("snap-heapify --no-base --heap-root files/a.txt", &good, "a.txt"),
            ("snap-heapify --no-base --heap-root files/a.txt/below", &good, "a.txt"),
            ("snap-write --snap-root files/a.txt", &good, "a.txt"),
            ("snap-write --snap-root files/a.txt/below", &good, "a.txt"),
            ("snap-read --snap-root nowhere", "", "nowhere"),
            ("snap-list --snap-root nowhere", "", "nowhere"),
            ("snap-diff --snap-root nowhere", "", "nowhere"),
            ("snap-restore --heap-root nowhere", &good, "nowhere"),
            ("snap-restore --file-root files/a.txt", &good, "a.txt"),
            ("snap-cat --heap-root nowhere", &good, "nowhere"),
        ],
    );
}

#[test]
fn lines_that_are_no_records() {
    let world = world();
    let lines: [(&str, &str); 20] = [
        ("hello\n", "line 1: not JSON"),
        ("{\"name\":\"a\"\n", "line 1: not JSON"),
        ("{\"name\":\"a\"} {}\n", "line 1: not JSON"),
        ("\n\n[]\n", "line 3: not a JSON object"),
        ("3\n", "line 1: not a JSON object"),
        ("{}\n", "line 1: no \"name\""),
        ("{\"name\":null}\n", "name: expected a string"),
        ("{\"name\":5}\n", "name: expected a string"),
        ("{\"name\":\"\"}\n", "the name is empty"),
        ("{\"name\":\"a\",\"name\":\"b\"}\n", "twice"),
        ("{\"name\":\"a\",\"size\":\"5\"}\n", "line 1: a: size: expected a whole number"),
        ("{\"name\":\"a\",\"size\":-5}\n", "line 1: a: size: expected a whole number"),
        ("{\"name\":\"a\",\"mode\":\"rw\"}\n", "a: mode: expected"),
        ("{\"name\":\"a\",\"md5\":\"xyz\"}\n", "a: md5: expected 32 lower-case hex digits"),
        ("{\"name\":\"a\",\"md5\":\"../../../../../../etc/passwd1234\"}\n", "a: md5: expected 32 lower-case hex digits"),
        ("{\"name\":\"a\",\"md5\":\"D41D8CD98F00B204E9800998ECF8427E\"}\n", "a: md5: expected 32 lower-case hex digits"),
        ("{\"name\":\"../a\",\"md5\":\"d41d8cd98f00b204e9800998ecf8427e\"}\n", "../a: the name has a part"),
        ("{\"name\":\"a/../../b\",\"md5\":\"d41d8cd98f00b204e9800998ecf8427e\"}\n", "the name has a part"),
        ("{\"name\":\"a\\u0000b\"}\n", "NUL"),
        ("{\"name\":\"l\",\"type\":\"link\"}\n", "l: destination"),
    ];
    let tools = [
        "snap-heapify",
        "snap-write",
        "snap-restore",
        "snap-restore --delete",
        "snap-cat",
        "snap-to-tar",
        "snap-diff latest -",
        "snap-diff - latest",
    ];
    let table: Vec<(&str, &str, &str)> = tools.iter().flat_map(|t| lines.iter().map(move |(l, p)| (*t, *l, *p))).collect();
    all_refused(&world, &table);
}

#[test]
fn bytes_that_are_not_utf8_and_names_that_do_not_match_their_bytes() {
    let world = world();
    for tool in ["snap-heapify", "snap-write", "snap-restore", "snap-cat"] {
        refused(
            &world,
            world.run(&[tool], b"{\"name\":\"d\",\"type\":\"directory\"}\n{\"name\":\"\xff\"}\n"),
            "line 2: not UTF-8",
        );
        refused(&world, world.run(&[tool], b"{\"name\":\"a\",\"name_bytes\":\"Li4v\"}\n"), "name_bytes");
        refused(&world, world.run(&[tool], b"{\"name\":\"\\ud800\"}\n"), "surrogate");
    }
}

#[test]
fn a_name_twice_with_two_contents() {
    let world = world();
    let twice = concat!(
        "{\"md5\":\"d41d8cd98f00b204e9800998ecf8427e\",\"name\":\"a\",\"size\":0}\n",
        "{\"md5\":\"900150983cd24fb0d6963f7d28e17f72\",\"name\":\"a\",\"size\":3}\n",
        "{\"errors\":0,\"name\":\"\",\"records\":2,\"type\":\"end\"}\n",
    );
    all_refused(
        &world,
        &[
            ("snap-write", twice, "a: "),
            ("snap-restore", twice, "a: "),
            ("snap-restore --delete", twice, "a: "),
            ("snap-diff latest -", twice, "a: "),
        ],
    );
}

#[test]
fn options_that_there_are_none_of() {
    let world = world();
    let tools = ["scan", "heapify", "write", "list", "read", "diff", "restore", "cat"].map(|t| format!("snap-{t} --frobnicate"));
    let mut table: Vec<(&str, &str, &str)> = tools.iter().map(|t| (t.as_str(), "", "--frobnicate")).collect();
    table.extend([
        ("snap-scan a b", "", "b"),
        ("snap-scan --type x", "", "x"),
        ("snap-heapify --level 99", "", "99"),
        ("snap-heapify --jobs 0", "", "0"),
        ("snap-diff - -", "", "one side"),
        ("snap-diff --status same", "", "same"),
        ("snap-diff --format yaml", "", "yaml"),
        ("snap-read @yesterday-ish", "", "yesterday-ish"),
        ("snap-read latest~x", "", "latest~x"),
        ("snap-read latest~99", "", "latest~99"),
        ("snap-read nowhere.jsonl.gz", "", "nowhere.jsonl.gz"),
        ("snap-diff latest~99 latest", "", "latest~99"),
        ("snap-list --limit many", "", "many"),
        ("snap-restore --delete-excluded", "", "--delete"),
    ]);
    all_refused(&world, &table);
}

#[test]
fn no_root_given() {
    let mut world = world();
    for key in ["FILE_ROOT", "HEAP_ROOT", "SNAP_ROOT"] {
        world.unset(key);
    }
    let good = fs::read_to_string(world.path("good.jsonl")).unwrap();
    all_refused(
        &world,
        &[
            ("snap-scan", "", "FILE_ROOT"),
            ("snap-heapify", &good, "_ROOT"),
            ("snap-write", &good, "SNAP_ROOT"),
            ("snap-list", "", "SNAP_ROOT"),
            ("snap-read", "", "SNAP_ROOT"),
            ("snap-diff", "", "SNAP_ROOT"),
            ("snap-restore", &good, "_ROOT"),
            ("snap-cat", &good, "HEAP_ROOT"),
        ],
    );
    // An empty variable is one that is not set.
    world.set("FILE_ROOT", "");
    refused(&world, world.run(&["snap-scan"], b""), "FILE_ROOT");
}

#[test]
fn snapshots_that_are_damaged() {
    let whole = fs::read(data("python-local/snap/2026/11/2026-11-23_05-09-09_997153Z.jsonl.gz")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    let cases: [(&str, Vec<u8>); 5] = [
        ("truncated", whole[..700].to_vec()),
        ("without its last byte", whole[..whole.len() - 1].to_vec()),
        ("flipped", flipped),
        ("empty", Vec::new()),
        ("no gzip", b"{\"name\":\"a\"}\n".to_vec()),
    ];
    for (what, bytes) in cases {
        let world = world();
        fs::remove_dir_all(world.path("snap")).unwrap();
        let path = "snap/2026/11/2026-11-23_05-09-09_997153Z.jsonl.gz";
        world.put(path, bytes);
        for command in ["snap-read", "snap-diff latest latest", "snap-diff latest good.jsonl"] {
            let words: Vec<&str> = command.split(' ').collect();
            let done = world.run(&words, b"");
            if command != "snap-diff latest good.jsonl" {
                refused(&world, done, "2026-11-23_05-09-09_997153Z");
            } else {
                refused(&world, done, "");
            }
        }
        let before = listing(&world.path("files"));
        for options in ["", "--delete"] {
            let done = world.sh(&format!("snap-read latest --no-end | tee some | snap-restore --delete {options}"));
            assert!(done.code() != Some(0), "{what}{done}");
            assert!(listing(&world.path("files")) == before, "{what}: {options}{done}");
        }
    }
}

#[test]
fn a_snapshot_of_ours_that_was_cut_off_between_members() {
    let world = world();
    let snapshot = world.files_below("snap").pop().unwrap();
    let bytes = fs::read(&snapshot).unwrap();
    let starts: Vec<usize> =
        (1..bytes.len().saturating_sub(4)).filter(|i| bytes[*i..].starts_with(&[0x1f, 0x8b, 0x08])).collect();
    assert!(!starts.is_empty(), "more members than one");
    for at in starts {
        fs::write(&snapshot, &bytes[..at]).unwrap();
        refused(&world, world.run(&["snap-read"], b""), "");
    }
}

#[test]
fn standard_input_is_a_terminal() {
    let world = world();
    for tool in ["snap-heapify", "snap-write", "snap-restore", "snap-restore --delete", "snap-cat", "snap-diff latest -"] {
        // script(1) gives the tool a terminal for everything; what the tool says is its stdout then.
        let done = world.sh(&format!("script -qec '{tool}' /dev/null < /dev/null | tr -d '\\r'")).status(2);
        let lines = done.lines();
        assert!((1..=2).contains(&lines.len()), "{done}");
        assert!(lines[0].starts_with("snap-") && lines[0].contains("terminal"), "{done}");
    }
}

#[test]
fn an_output_that_can_not_be_written() {
    let world = world();
    all_refused(
        &world,
        &[
            ("snap-scan -o nowhere/list", "", "nowhere/list"),
            ("snap-read -o files", "", "files"),
            ("snap-diff -o nowhere/x", "", ""),
        ],
    );
    for tool in ["snap-scan", "snap-read", "snap-diff latest latest --status equal", "snap-list"] {
        let done = world.sh(&format!("{tool} > /dev/full")).status(2).complains("No space left");
        assert_eq!(done.err().lines().count(), 1, "{done}");
    }
}
