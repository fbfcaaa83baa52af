//! What belongs to the tools is not taken for the user's: heap, snapshots and outputs inside the file root.

use crate::util::{Done, World};

fn names(done: &Done) -> Vec<String> {
    let line = |l: String| serde_json::from_str::<serde_json::Value>(&l).expect(&l);
    let records = done.lines().into_iter().map(line).filter(|r| r["type"] != "end");
    records.map(|r| r["name"].as_str().expect("a name").to_string()).collect()
}

/// A file root with the heap and the snapshots in it, neither of which is there yet.
fn inside() -> World {
    let mut world = World::new();
    for name in ["a", "heap-x", "z/b"] {
        world.put(&format!("files/{name}"), name);
    }
    world.set("HEAP_ROOT", world.path("files/heap"));
    world.set("SNAP_ROOT", world.path("files/z/snap"));
    world
}

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

#[test]
fn a_heap_that_is_not_there_yet_is_left_out_of_the_first_backup() {
    for _ in 0..10 {
        let world = inside();
        world.sh(BACKUP).ok();
        assert_eq!(names(&world.sh("snap-read").ok()), ["a", "heap-x", "z", "z/b"]);
        world.sh(BACKUP).ok().complains("heap: left out, it is the heap root").complains("z/snap: left out");
        assert_eq!(names(&world.sh("snap-read").ok()), ["a", "heap-x", "z", "z/b"]);
    }
}

#[test]
fn names_that_are_given_are_left_out_where_they_lie_in_the_heap_or_the_snap_root() {
    let world = inside();
    world.sh(BACKUP).ok();
    let all = "(cd files && find . -mindepth 1 -printf '%P\\n')";
    let done = world.sh(&format!("{all} | snap-scan --files-from -")).ok().complains("heap: left out, it is the heap root");
    assert_eq!(names(&done), ["a", "heap-x", "z", "z/b"]);
    assert_eq!(done.err().matches("left out").count(), 2, "{done}");
    // Through a link to the root, and through one to the heap, too.
    world.sh("ln -s files link; ln -s ../files/heap tmp/heap").ok();
    for more in ["FILE_ROOT=link", "HEAP_ROOT=tmp/heap", "FILE_ROOT=$PWD/link/../link/. HEAP_ROOT=link/heap/"] {
        assert_eq!(
            names(&world.sh(&format!("export {more}; {all} | snap-scan --files-from -")).ok()),
            ["a", "heap-x", "z", "z/b"]
        );
        assert_eq!(names(&world.sh(&format!("export {more}; snap-scan")).ok()), ["a", "heap-x", "z", "z/b"], "{more}");
    }
}

#[test]
fn a_root_for_contents_or_snapshots_is_never_backed_up_into_itself() {
    let world = World::with(crate::util::trees::Tree::Files);
    world.sh("ln -s files link").ok();
    for (root, word) in [("HEAP_ROOT", "heap root"), ("SNAP_ROOT", "snap root")] {
        for place in ["files", "link", "files/../files/"] {
            world.sh(&format!("{root}={place} snap-scan")).status(2).says("").complains(&format!("files: it is the {word}"));
            world.sh(&format!("echo x | {root}={place} snap-scan --files-from -")).status(2).complains(word);
        }
    }
}

#[test]
fn a_heap_that_only_heapify_knows_of_is_not_stored_in_itself() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/heap.txt", "b");
    let pipe = "snap-scan | snap-heapify --heap-root files/heap";
    world
        .sh(&format!("mkdir files/heap; unset HEAP_ROOT; {pipe}"))
        .status(2)
        .complains("heap: this is in the heap root")
        .complains("--heap-root");
    assert!(world.files_below("files/heap").is_empty());
    world.sh("rm -r files/heap").ok();
    let done = world.sh("unset HEAP_ROOT; snap-scan -o list; snap-heapify --heap-root files/heap list").ok();
    assert_eq!(names(&done), ["a", "heap.txt"]);
}
