//! snap-copy, and with snap-write --like the copy of a whole repository: the same snapshots, and contents that were checked.

use crate::storages::emulators::{self, Emulator};
use crate::util::heap::{BACKUP, md5_of, object, text};
use crate::util::measure::{measured, state};
use crate::util::trees::Tree;
use crate::util::{Done, World, data};
use std::fs;
use std::path::Path;

/// Copies all snapshots of the roots to those in TO_HEAP and TO_SNAP, as the man page does.
const COPY: &str = "snap-list --order asc > all && while read -r path; do \
    snap-read \"$path\" | snap-copy --to-heap-root \"$TO_HEAP\" | \
    snap-write --snap-root \"$TO_SNAP\" --heap-root \"$TO_HEAP\" --like \"$path\" || exit; done < all";

/// All that is said of all snapshots of SNAP_ROOT but where and how large they are, and all their records.
const ALL: &str =
    "snap-list --json | jq -cS 'del(.path, .stored_size)'; snap-list | while read -r path; do snap-read \"$path\"; done";

/// What a copy of a snapshot without a label says more than its original.
const MORE: &str = "jq -cS 'del(.v, .unlabelled, .errors, .files, .bytes) | if .records and (.size | not) and .type != \"end\" then del(.records, .types) else . end'";

/// What a copy of a snapshot of the first form says more than its original.
const COUNTS: &str = "jq -cS 'del(.files, .bytes)'";

/// Drops the work in the end record. All other bytes stay.
const WORK: &str = "sed 's/,\"work\":{[^}]*}//'";

/// Asserts that a copy has the same snapshots as its original, and all their contents. `more` is a filter for both sides.
#[track_caller]
fn same(world: &World, more: &str) {
    let (there, all) = ("SNAP_ROOT=\"$TO_SNAP\" HEAP_ROOT=\"$TO_HEAP\"", format!("bash -c '{}'", ALL.replace('\'', "'\\''")));
    world
        .sh(&format!("{all} | {more} > here && {there} {all} | {more} > there && diff here there && test -s here"))
        .ok()
        .says("");
    world
        .sh(&format!(
            "export {there}; snap-list | while read -r path; do snap-read \"$path\" | snap-verify --both > verified || exit; done"
        ))
        .ok()
        .silent();
}

fn to(world: &mut World, heap: &str, snap: &str) {
    world.set("TO_HEAP", world.path(heap));
    world.set("TO_SNAP", world.path(snap));
}

/// A world with a repository that has a snapshot of each kind.
fn all_kinds() -> World {
    let mut world = World::with(Tree::Tricky);
    // One is larger than what is copied in memory.
    world.put("files/large", text(1).repeat(4000));
    world.put("files/large.o", text(2).repeat(4000));
    world.sh(&format!("{BACKUP} --tag first --tag 'ü' --host alder")).ok();
    world.sh("ln -s a files/link; snap-scan -e '*.o' | snap-heapify | snap-write --before-restore").ok();
    world.sh("snap-scan --type f | jq -c 'select(.name != \"large\")' | snap-heapify | snap-write").ok();
    world.sh("snap-read latest~1 | jq -c 'select(.name != \"large\")' | snap-write --complete --tag chosen").ok();
    let failed = "if .name == \"large\" then {name, type: \"error\", error: \"x\"} else . end";
    world.sh(&format!("snap-scan | snap-heapify | jq -c '{failed}' | snap-write --partial")).ok();
    world.sh("snap-merge <(snap-put a -- echo a) <(snap-put b -- echo b) | snap-write").ok();
    world.sh("rm -r files/*; snap-scan | snap-heapify | snap-write --allow-empty").ok();
    to(&mut world, "copy/heap", "copy/snap");
    world
}

/// The files of a heap that are objects, and their bytes.
fn objects(heap: &Path) -> Vec<(std::path::PathBuf, Vec<u8>)> {
    let files = walkdir::WalkDir::new(heap).sort_by_file_name().into_iter().map(|e| e.expect("walk the heap").into_path());
    let below = files.filter(|path| path.extension().is_some_and(|e| e == "gz"));
    below.map(|path| (path.strip_prefix(heap).unwrap().to_path_buf(), fs::read(&path).unwrap())).collect()
}

#[test]
fn a_copy_of_a_repository_has_the_same_snapshots() {
    let world = all_kinds();
    let copied = world.sh(COPY).ok();
    assert_eq!(copied.lines().len(), 7, "{copied}");
    // Of what is said on the way only the failures of the original are left.
    assert_eq!(copied.err(), "snap-write: warning: 1 record missing in the snapshot, because of failures\n", "{copied}");
    same(&world, "cat");
    assert!(objects(&world.path("copy/heap")) == objects(&world.path("heap")), "objects are copied as they are");
    world.sh("test ! -e copy/heap/temp || rmdir copy/heap/temp").ok();
}

#[test]
fn a_second_copy_copies_nothing_and_makes_no_doubles() {
    let world = all_kinds();
    world.sh(COPY).ok();
    let before = state(&world.path("copy/snap"));
    let heap = || objects(&world.path("copy/heap")).len();
    let inodes = "find copy/heap -name '*.gz' -printf '%P %i %T@ %C@\\n' | sort";
    world.sh(&format!("{inodes} > inodes")).ok();
    world.sh(COPY).status(2).complains("there is a snapshot of that time already").complains("--replace");
    world.sh("while read -r path; do snap-read \"$path\"; done < all | jq -c 'select(.type != \"end\")' | snap-copy --to-heap-root copy/heap > /dev/null").ok();
    world.sh(&format!("{inodes} | diff inodes -")).ok();
    assert!(state(&world.path("copy/snap")) == before && heap() > 2);
    // With --replace it is the same again.
    world.sh(&COPY.replace("--like", "--replace --like")).ok();
    world.sh(&format!("{inodes} | diff inodes -")).ok();
    same(&world, "cat");
}

#[test]
fn repositories_of_the_python_tool_and_of_the_first_form_are_copied_too() {
    for (from, more) in [("python-local", MORE), ("python-local-tricky", MORE), ("first-form", COUNTS)] {
        let mut world = World::new();
        to(&mut world, "copy/heap", "copy/snap");
        world.set("HEAP_ROOT", data(from).join("heap"));
        world.set("SNAP_ROOT", data(from).join("snap"));
        let copied = world.sh(COPY);
        assert!(!copied.ok().out().is_empty(), "{from}");
        same(&world, more);
        let theirs = objects(&data(from).join("heap"));
        assert!(objects(&world.path("copy/heap")).iter().all(|object| theirs.contains(object)), "{from}");
    }
    // What a restore saved, with an empty snapshot before it.
    let mut world = World::new();
    to(&mut world, "copy/heap", "copy/snap");
    world.set("HEAP_ROOT", data("python-local").join("heap"));
    world.set("SNAP_ROOT", data("python-local").join("snap-after-restore"));
    world.sh(COPY).ok();
    same(&world, MORE);
}

#[test]
fn a_copy_of_what_the_python_tool_wrote_is_a_base_with_the_same_caution() {
    let mut world = World::with(Tree::Files);
    world.py("make-snapshot").ok();
    to(&mut world, "copy/heap", "copy/snap");
    world.sh(COPY).ok();
    same(&world, MORE);
    world
        .sh("SNAP_ROOT=\"$TO_SNAP\" snap-list --json | jq -c '[.unlabelled, .root, .host, .types]'")
        .ok()
        .says("[true,null,null,[\"file\"]]\n");
    // The files had changed just before, so either tool may have missed a change: all are read again.
    let racy = |snap: &str| {
        world.sh(&format!("export SNAP_ROOT=$PWD/{snap}; snap-scan --type f | snap-reuse | jq -c 'select(.md5)'")).ok().out()
    };
    assert_eq!((racy("snap"), racy("copy/snap")), (String::new(), String::new()));
    // And the Python tool reads the copy.
    world.sh("rm -r heap snap; mv copy/heap heap; mv copy/snap snap; rm files/a.txt").ok();
    world.py("restore-snapshot").ok();
    assert!(world.path("files/a.txt").exists());
}

#[test]
fn a_missing_or_damaged_object_is_a_failed_record_and_gets_no_name() {
    let mut world = World::new();
    for (name, content) in [("a", "a"), ("b", "b"), ("c", "c"), ("d", "d"), ("same", "b")] {
        world.put(&format!("files/{name}"), content);
    }
    for name in ["large", "large2", "large3"] {
        world.put(&format!("files/{name}"), text(name.len() as u64).repeat(4000));
    }
    world.sh(BACKUP).ok();
    to(&mut world, "copy/heap", "copy/snap");
    let path = |content: &str| object(&world, &md5_of(&world, content));
    fs::remove_file(path("a")).unwrap();
    fs::copy(path("c"), path("b")).unwrap();
    let flip = |path: &Path, at: usize| {
        let mut bytes = fs::read(path).unwrap();
        bytes[at] ^= 0x10;
        fs::write(path, bytes).unwrap();
    };
    // The header names another sha256.
    flip(&path("d"), 20);
    let large = path(&text(5).repeat(4000));
    flip(&large, fs::metadata(&large).unwrap().len() as usize - 30);
    let large2 = path(&text(6).repeat(4000));
    let cut = fs::read(&large2).unwrap();
    fs::write(&large2, &cut[..cut.len() / 2]).unwrap();
    let copied = world.sh("snap-read | snap-copy --to-heap-root copy/heap > records").status(1);
    let err = copied.err();
    let said: Vec<&str> = err.lines().map(|line| line.split(':').nth(1).unwrap().trim()).collect();
    // large3 has the content of large2.
    assert_eq!(said.len(), 7, "{copied}");
    for name in ["a", "b", "d", "large", "large2", "large3", "same"] {
        assert!(said.contains(&name), "{name}{copied}");
    }
    copied
        .complains("a: heap object 0c/0cc175b9c0f1b6a831c399e269772661.gz is missing")
        .complains("wrong sha256")
        .complains("header");
    world.sh("jq -r 'select(.type == \"error\") | .name' records").ok().says("a\nb\nd\nlarge\nlarge2\nlarge3\nsame\n");
    world.sh("tail -n 1 records | jq -c '[.errors, .records]'").ok().says("[7,8]\n");
    assert_eq!(objects(&world.path("copy/heap")).len(), 1, "only the good one is there");
    world.sh("snap-write records").status(2).complains("7 records failed before");
    // Links, folders and failures of others pass.
    let others = "{\"name\":\"d\",\"type\":\"directory\"}\n{\"error\":\"x\",\"name\":\"e\",\"type\":\"error\"}\n";
    world.put("others", others);
    world.sh("snap-copy --to-heap-root copy/heap others").ok().says(others);
    world.sh("snap-copy --to-heap-root copy/heap <(echo '{\"name\":\"x\"}')").status(1).complains("x: the record has no md5");
    world
        .sh("snap-diff latest latest --status equal | snap-copy --to-heap-root copy/heap")
        .status(2)
        .complains("a row of snap-diff");
}

#[test]
fn an_object_of_another_size_is_checked_and_copied_again_if_it_is_damaged() {
    let mut world = World::new();
    world.put("files/small", text(3));
    world.put("files/large", text(4).repeat(4000));
    world.sh("snap-scan | snap-heapify --level 9 > list").ok();
    // The other heap has the same contents, compressed less.
    world.set("HEAP_ROOT", world.path("other"));
    world.sh("snap-scan | snap-heapify --no-base --level 1 > theirs").ok();
    world.set("HEAP_ROOT", world.path("heap"));
    let before = objects(&world.path("other"));
    world.sh("snap-copy --to-heap-root other list > copied").ok();
    assert!(objects(&world.path("other")) == before, "good objects stay");
    let sizes = "jq -c 'select(.type == \"file\") | .stored_size'";
    world.sh(&format!("diff <({sizes} copied) <({sizes} theirs) && diff <(jq -c 'del(.stored_size, .work)' copied) <(jq -c 'del(.stored_size, .work)' list)")).ok();
    // Records with the right size pass as they are.
    world.sh(&format!("snap-copy --to-heap-root other copied | {WORK} | cmp - <({WORK} copied)")).ok();
    for (path, bytes) in &before {
        fs::write(world.path("other").join(path), &bytes[..bytes.len() - 9]).unwrap();
    }
    world.sh(&format!("snap-copy --to-heap-root other list | {WORK} | cmp - <({WORK} list)")).ok();
    assert!(objects(&world.path("other")) == objects(&world.path("heap")), "copied again");
    world.sh("snap-verify --heap-root other list").ok();
}

#[test]
fn a_condemned_object_is_renewed_or_copied_again() {
    let mut world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh(BACKUP).ok();
    to(&mut world, "copy/heap", "copy/snap");
    world.sh("snap-read latest -o list").ok();
    world.sh(COPY).ok();
    let gc = "snap-gc --heap-root copy/heap --snap-root copy/snap --delete";
    // Nothing refers to the two any more.
    world.sh("rm -r copy/snap/*; snap-put x --heap-root copy/heap -- echo x | snap-write --snap-root copy/snap --heap-root copy/heap").ok();
    assert_eq!(world.sh(gc).ok().lines().len(), 2);
    world.sh("snap-copy --to-heap-root copy/heap list > copied").ok();
    // Both were given a new time, so they are not the condemned ones, although no snapshot refers to them yet.
    let plan = world.sh(&format!("{} --grace 0s", gc.replace(" --delete", ""))).ok();
    assert!(plan.lines().len() == 2 && !plan.out().contains("deleted"), "{plan}");
    world.sh("snap-write --snap-root copy/snap --heap-root copy/heap copied").ok();
    // Gone for good, they are copied again.
    world.sh(&format!("rm copy/snap/*/*/*; cp $(snap-put y -- echo y | snap-write) saved; mkdir -p copy/snap/2026/01; cp saved copy/snap/2026/01/2026-01-01_00-00-00_000000Z.jsonl.gz; {gc} --grace 0s; {gc} --grace 0s")).ok();
    assert_eq!(objects(&world.path("copy/heap")).len(), 0);
    world.sh("snap-copy --to-heap-root copy/heap list && snap-verify --heap-root copy/heap list").ok();
}

#[test]
fn what_is_wrong_is_told_and_nothing_is_made() {
    let mut world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify > list").ok();
    let refused = |done: Done| {
        let done = done.status(2);
        assert!((1..=2).contains(&done.err().lines().count()), "{done}");
        done
    };
    refused(world.sh("snap-copy list")).complains("--to-heap-root");
    refused(world.sh("snap-copy --to-heap-root memory://x list")).complains("a heap root that lasts");
    refused(world.sh("snap-copy --to-heap-root ftp://x list")).complains("--to-heap-root: no storage");
    refused(world.sh("snap-copy --to-heap-root '' list")).complains("--to-heap-root: an empty path");
    refused(world.sh("snap-copy --to-heap-root list list"));
    refused(world.sh("ln -s heap link; snap-copy --to-heap-root link list")).complains("link is the heap root to copy from");
    refused(world.sh("snap-copy --to-heap-root to --to-heap-storage-options '{' list")).complains("--to-heap-storage-options");
    refused(world.sh("snap-copy --to-heap-root to --heap-root nowhere list")).complains("nowhere");
    refused(world.sh("snap-copy --to-heap-root to nowhere")).complains("nowhere");
    refused(world.sh("echo x | snap-copy --to-heap-root to -o out"));
    assert!(!world.path("out").exists() && world.files_below("to").is_empty());
    world.unset("HEAP_ROOT");
    refused(world.sh("snap-copy --to-heap-root to list")).complains("HEAP_ROOT");
}

#[test]
fn contents_of_any_size_take_little_memory() {
    let mut world = World::new();
    world.sh("head -c 300000000 /dev/zero | tr '\\0' x > x; openssl rand 30000000 > y; snap-put x < x > list && snap-put y < y >> list").ok();
    world.sh("jq -c 'select(.type != \"end\")' list > two").ok();
    to(&mut world, "copy/heap", "copy/snap");
    let measured = measured(&world, &["snap-copy", "--to-heap-root", "copy/heap", "two"], b"");
    measured.done.ok();
    assert!(measured.memory < 64 << 10, "{} KiB", measured.memory);
    world.sh("snap-verify --heap-root copy/heap two && diff -r heap copy/heap").ok();
}

#[test]
fn repositories_are_copied_to_s3_and_back() {
    let Some(moto) = emulators::moto() else { return };
    let mut world = all_kinds();
    for (key, value) in moto.environment() {
        world.set(key, value);
    }
    let (heap, snap) = (moto.fresh(), moto.fresh());
    world.set("TO_HEAP", format!("{}/heap", heap.url));
    world.set("TO_SNAP", format!("{}/snap", snap.url));
    world.sh(COPY).ok();
    same(&world, "cat");
    world.sh(COPY).status(2).complains("there is a snapshot of that time already");
    world.sh(&COPY.replace("--like", "--replace --like")).ok();
    same(&world, "cat");
    let there = moto.there(&heap).into_iter().filter_map(|(key, bytes)| {
        let key = String::from_utf8(key).unwrap();
        let path = key.strip_prefix("heap/")?.to_string();
        path.ends_with(".gz").then(|| (path.into(), bytes))
    });
    assert!(there.collect::<Vec<_>>() == objects(&world.path("heap")), "objects are copied as they are");
    // And back, where a damaged object gets no name.
    let (heap, snap) = (format!("{}/heap", heap.url), format!("{}/snap", snap.url));
    world.set("HEAP_ROOT", &heap);
    world.set("SNAP_ROOT", &snap);
    to(&mut world, "back/heap", "back/snap");
    world.sh(COPY).ok();
    same(&world, "cat");
    assert!(objects(&world.path("back/heap")) == objects(&world.path("heap")));
}
