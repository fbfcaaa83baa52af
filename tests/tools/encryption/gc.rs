//! snap-gc in an encrypted heap: it deletes what nobody refers to, or nothing.

use super::{reading, refused, world};
use crate::util::heap::{BACKUP, heap, id_of, object};
use crate::util::{World, heap};
use std::fs;

/// A repository with an object that no snapshot refers to, condemned long enough.
fn garbage() -> World {
    let world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify > list").ok();
    reading(&world, "snap-gc --delete --grace 0s").ok();
    world
}

/// Asserts that nothing is deleted, in no way.
#[track_caller]
fn deletes_nothing(world: &World, setup: &str, why: &str) {
    let before = world.files_below("heap");
    for mode in ["", "--delete --grace 0s", "--delete --exclusive"] {
        let done = reading(world, &format!("{setup}; snap-gc {mode}")).status(2).complains(why).says("");
        assert!(!done.err().contains("panicked"), "{done}");
    }
    assert_eq!(world.files_below("heap"), before, "{why}");
}

#[test]
fn with_an_identity_it_deletes_what_nobody_refers_to_and_without_one_nothing() {
    let world = garbage();
    let b = id_of(&world, "b");
    deletes_nothing(&world, "unset HEAP_IDENTITY", "no identity was given");
    super::another(&world, "stranger");
    deletes_nothing(&world, "export HEAP_IDENTITY=keys/stranger.identity HOME=$PWD/elsewhere", "other keys");
    deletes_nothing(&world, "export HEAP_IDENTITY=keys/stranger.identity", "other keys");
    let size = fs::metadata(object(&world, &heap::md5_of(&world, "b"))).expect("an object").len();
    let deleted = format!("{{\"action\":\"deleted\",\"md5\":\"{b}\",\"stored_size\":{size}}}\n");
    reading(&world, "snap-gc --delete --grace 0s").ok().says(&deleted);
    assert_eq!(heap(&world), [id_of(&world, "a")].into());
    reading(&world, "snap-read | snap-verify > /dev/null").ok();
    // The list that named it is refused, and a second run stores it again.
    world.sh("snap-write list").status(2).complains("snap-heapify");
    world.sh("snap-heapify list | snap-write").ok();
    reading(&world, "snap-read | snap-cat && snap-gc").ok().says("ab");
}

#[test]
fn a_condemned_object_that_a_machine_without_an_identity_needs_stays() {
    let world = garbage();
    world.sh("snap-scan | snap-heapify --no-base | snap-write").ok();
    reading(&world, "snap-gc --delete --grace 0s && snap-gc --delete --grace 0s").ok();
    reading(&world, "snap-read | snap-verify > /dev/null && snap-read | snap-cat").ok().says("ab");
}

#[test]
fn objects_of_the_other_form_are_refused() {
    let world = garbage();
    // In the folder that is looked at first.
    let plain = world.put("heap/00/00c175b9c0f1b6a831c399e269772661.gz", "x");
    deletes_nothing(&world, ":", "a plain object in an encrypted heap");
    fs::remove_file(plain).expect("remove a file");
    reading(&world, "snap-gc").ok();
    let mut plain = World::new();
    plain.put("files/a", "a");
    plain.sh(BACKUP).ok();
    plain.put("heap/00/00c175b9c0f1b6a831c399e269772661.gz.age", "x");
    plain.set("IDENTITY", "");
    deletes_nothing(&plain, ":", "an encrypted object in a heap without encryption.json");
}

#[test]
fn the_encryption_json_of_another_heap_deletes_nothing() {
    let world = garbage();
    let other = format!("export HEAP_ROOT=$PWD/heap2 SNAP_ROOT=$PWD/snap2; {BACKUP}");
    world.sh(&other).ok();
    world.sh("cp heap/encryption.json good").ok();
    // By mistake, or by somebody who can write to the storage: with it, all objects have other ids than those referred to.
    world.sh("cp heap2/encryption.json heap/").ok();
    deletes_nothing(&world, ":", "another encrypted heap");
    // The same on a machine that never wrote to the roots.
    world.sh("rm -r home/.local/state/snapshooter/roots").ok();
    deletes_nothing(&world, ":", "do not have the same encryption.json");
    world.sh("cp good heap/encryption.json; cp heap2/encryption.json snap/").ok();
    deletes_nothing(&world, ":", "do not have the same encryption.json");
    world.sh("cp heap2/encryption.json heap/").ok();
    deletes_nothing(&world, ":", "authentication code is wrong");
    world.sh("rm heap/encryption.json").ok();
    deletes_nothing(&world, ":", "without encryption.json");
    world.sh("cp good heap/encryption.json; rm snap/encryption.json").ok();
    deletes_nothing(&world, ":", "encryption.json");
    world.sh("cp good snap/encryption.json").ok();
    // The snapshots of another heap keep nothing in this one.
    deletes_nothing(&world, "export SNAP_ROOT=snap2", "snap root");
    reading(&world, "snap-gc --delete --grace 0s && snap-read | snap-verify > /dev/null").ok();
    refused(reading(&world, "snap-gc --snap-root snap --snap-root snap2"), "do not have the same encryption.json");
}
