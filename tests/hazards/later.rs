//! Snapshots with the label of a later version, and labels that are too long.

use crate::util::World;
use snapshooter::internals::record::Record;
use snapshooter::internals::snapshot::{Label, Publisher};
use snapshooter::internals::storage::Location;
use snapshooter::internals::time::Time;

#[test]
fn a_snapshot_of_a_later_version_is_listed_and_read_and_keeps_gc_from_deleting() {
    let world = World::new();
    world.put("files/a", "a");
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify --no-base").ok();
    let json = br#"{"host":"alder","new":{"k":[1]},"tags":{"a":1},"v":2}"#;
    let label = Label::parse(json).expect("a label");
    let time = Time { sec: 4_000_000_000, nsec: 0 };
    let mut publisher = Publisher::default();
    publisher.push(&Record::parse(br#"{"name":"d","type":"directory"}"#).expect("a record")).expect("room");
    publisher.finish(&Location::Folder(world.path("snap")), time, &label, 0).expect("a snapshot");
    world
        .sh("snap-list --json --limit 1 | jq -c '[.host, .new, .tags, .v, .records]'")
        .ok()
        .says("[\"alder\",{\"k\":[1]},{\"a\":1},2,1]\n");
    world.sh("snap-read | jq -c '[.name, .v]'").ok().says("[\"d\",null]\n[\"\",2]\n");
    // One that we know does not say so.
    world.sh("snap-read latest~1 | tail -n 1 | jq .v").ok().says("null\n");
    let objects = world.files_below("heap").len();
    for command in ["snap-gc", "snap-gc --delete", "snap-gc --delete --exclusive"] {
        world.sh(command).status(2).complains("later version");
    }
    assert_eq!(world.files_below("heap").len(), objects);
}

#[test]
fn a_label_that_is_too_long_is_refused_and_nothing_is_published() {
    let world = World::new();
    world.put("files/a", "a");
    let write =
        |n: usize| world.sh(&format!("snap-scan | snap-heapify | snap-write --tag \"$(head -c {n} /dev/zero | tr '\\0' t)\""));
    write(60_000).status(2).complains("and it may have 60000: tags 60004 bytes");
    assert!(world.files_below("snap").is_empty());
    write(59_000).ok();
    world.sh("snap-list --json | jq -c '.tags[0] | length'").ok().says("59000\n");
    world.sh("snap-read | snap-restore --file-root back && diff -r files back").ok();
}
