//! snap-heapify: what is stored, what is read, and what is believed.

use crate::util::World;
use crate::util::heap::{heap, id_of, md5_of, object};
use std::fs;

fn world() -> World {
    let world = World::new();
    world.put("files/a", "same");
    world.put("files/b", "same");
    world.put("files/c", "other");
    world.sh("snap-scan -o list").ok();
    world
}

#[test]
fn each_content_is_stored_once_and_named_by_its_md5() {
    let world = world();
    world.sh("snap-heapify list -o stored").ok().silent();
    assert_eq!(heap(&world).into_iter().collect::<Vec<_>>(), {
        let mut both = vec![id_of(&world, "same"), id_of(&world, "other")];
        both.sort();
        both
    });
    world.sh("for f in a b c; do jq -r --arg f $f 'select(.name == $f) | .md5' stored; md5sum < files/$f | cut -c 1-32; done | uniq -c | tr -s ' ' | cut -d ' ' -f 2 | paste -s -d ' '")
        .ok()
        .says("4 2\n");
    world.sh("zcat heap/*/*.gz | sort | paste -s").ok();
}

#[test]
fn without_storing_there_are_digests_and_no_heap() {
    let world = world();
    world.sh("env -u HEAP_ROOT snap-heapify --no-store list | jq -s -e '[.[] | select(.md5)] | length == 3'").ok();
    assert!(!world.path("heap").exists());
    world.sh("env -u HEAP_ROOT snap-heapify list").status(2).complains("--heap-root");
}

#[test]
fn a_damaged_object_is_stored_anew_when_all_are_verified() {
    let world = world();
    world.sh("snap-heapify list > /dev/null").ok();
    let path = object(&world, &md5_of(&world, "other"));
    let good = fs::read(&path).unwrap();
    let mut bad = good.clone();
    let at = bad.len() - 10;
    bad[at] ^= 0xff;
    fs::write(&path, &bad).unwrap();
    world.sh("snap-heapify --no-base --verify-existing list > /dev/null").ok();
    assert_eq!(fs::read(&path).unwrap(), good);
}

#[test]
fn files_that_did_not_change_are_not_read_unless_all_are() {
    let world = world();
    // What changed within a second of being read is no base.
    world.sh("touch -d '2001-01-01' files/*; until [ $(date +%s) -gt $(($(stat -c %Z files/c) + 1)) ]; do :; done").ok();
    world.sh("snap-scan | snap-heapify | snap-write > /dev/null; snap-scan -o again").ok();
    let opened = |options: &str| {
        world.sh(&format!(
            "strace -f -e trace=openat,openat2 -o trace snap-heapify {options} again > /dev/null; grep -c '\"[abc]\"' trace"
        ))
    };
    opened("").says("0\n");
    opened("--no-base").ok().says("3\n");
}
