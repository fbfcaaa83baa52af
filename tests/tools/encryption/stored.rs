//! Encrypted heaps in object storage.

use super::{reading, refused, world};
use crate::storages::emulators::{self, Emulator, Planted, Root};
use crate::storages::gc::services;
use crate::util::World;
use crate::util::heap::{BACKUP, column, text};
use std::collections::BTreeMap;

/// A world whose heap and snapshots are in a bucket of moto, both below it.
fn bucket() -> Option<(World, Root)> {
    Some(repository(emulators::moto()?))
}

/// A world whose heap and snapshots are in a service, both below one root.
fn repository(emulator: &dyn Emulator) -> (World, Root) {
    let root = emulator.fresh();
    let mut world = world();
    for (key, options, folder) in [("HEAP_ROOT", "HEAP_STORAGE_OPTIONS", "heap"), ("SNAP_ROOT", "SNAP_STORAGE_OPTIONS", "snap")] {
        world.set(key, root.below(folder).url);
        world.set(options, &root.options);
    }
    for n in 0..12 {
        world.put(&format!("files/{n:02}"), text(n));
    }
    world.put("files/large", text(1).repeat(8000));
    world.settle();
    (world, root)
}

/// The objects of a heap in moto, by key.
fn objects(root: &Root) -> BTreeMap<String, Vec<u8>> {
    objects_in(emulators::moto().expect("moto"), root)
}

fn objects_in(emulator: &dyn Emulator, root: &Root) -> BTreeMap<String, Vec<u8>> {
    let all = emulator.there(&root.below("heap"));
    let text = all.into_iter().map(|(key, content)| (String::from_utf8(key).expect("text"), content));
    text.filter(|(key, _)| key.ends_with(".gz.age")).collect()
}

fn plant(root: &Root, key: &str, content: &[u8]) {
    emulators::moto().expect("moto").plant(&root.below("heap"), &[Planted::new(key, content)]);
}

#[test]
fn a_bucket_is_written_without_an_identity_and_read_with_it() {
    let Some((world, root)) = bucket() else { return };
    world.sh(BACKUP).ok().silent();
    let first = objects(&root);
    assert_eq!(first.len(), 13);
    world.put("files/new", "new");
    world.sh("snap-scan | snap-heapify > list && snap-write list").ok().silent();
    world.sh("tail -n 1 list | jq -c .work.read").ok().says("3\n");
    assert!(first.iter().all(|(key, content)| objects(&root).get(key) == Some(content)), "an object was written again");
    for tool in ["snap-read", "snap-verify list", "snap-restore --file-root back list", "snap-gc --delete --exclusive"] {
        refused(world.sh(tool), "no identity was given");
    }
    let elsewhere = "unset HEAP_RECIPIENTS; export HOME=$PWD/elsewhere";
    reading(&world, &format!("{elsewhere}; snap-read | snap-restore --file-root back && snap-read | snap-verify > /dev/null"))
        .ok()
        .silent();
    world.sh("diff -r files back").ok();
    // By hand, too.
    let large = objects(&root).into_values().max_by_key(Vec::len).expect("an object");
    world.put("object", large);
    world.sh("age -d -i \"$IDENTITY\" object | gzip -dc | cmp - files/large").ok();
}

#[test]
fn damage_in_a_bucket_is_found_and_stored_anew() {
    let Some((world, root)) = bucket() else { return };
    world.sh(BACKUP).ok();
    let good = objects(&root);
    let all: Vec<(&String, &Vec<u8>)> = good.iter().filter(|(_, content)| content.len() < 50_000).collect();
    let flipped = |content: &[u8]| {
        let (mut bad, last) = (content.to_vec(), content.len() - 3);
        bad[last] ^= 4;
        bad
    };
    plant(&root, all[0].0, &all[0].1[..all[0].1.len() - 5]);
    plant(&root, all[1].0, all[2].1);
    plant(&root, all[3].0, b"");
    plant(&root, all[4].0, &flipped(all[4].1));
    let bad = |script: &str| {
        reading(&world, &format!("{script}; snap-read | snap-verify | jq -c 'select(.type == \"error\")' | wc -l")).out()
    };
    assert_eq!(bad("true"), "4\n");
    // By their sizes, by their notes, and by their contents.
    world.sh(BACKUP).ok().silent();
    world.sh("snap-scan | snap-heapify --no-base | snap-write").ok().silent();
    assert_eq!(bad("true"), "1\n");
    reading(&world, "snap-scan | snap-heapify --verify-existing | snap-write").ok().silent();
    assert_eq!(bad("true"), "0\n");
    let now = objects(&root);
    let (same, anew) = good.iter().partition::<Vec<_>, _>(|(key, content)| now.get(*key) == Some(content));
    assert_eq!((now.len(), same.len(), anew.len()), (13, 9, 4), "others than the damaged ones were stored anew");
}

#[test]
fn gc_in_a_bucket_deletes_what_nobody_refers_to() {
    let Some((world, root)) = bucket() else { return };
    world.sh(BACKUP).ok();
    world.sh("rm files/0*").ok();
    world.sh(BACKUP).ok();
    reading(&world, "snap-forget --keep-last 1 --delete > /dev/null").ok();
    let before = objects(&root);
    refused(world.sh("snap-gc --exclusive --delete"), "no identity was given");
    assert!(objects(&root) == before);
    reading(&world, "snap-gc --exclusive --delete > /dev/null").ok();
    assert_eq!(objects(&root).len(), 3);
    reading(&world, "snap-read | snap-verify > /dev/null && snap-read | snap-restore --file-root back").ok();
    world.sh("diff -r files back").ok();
    plant(&root, "0c/0cc175b9c0f1b6a831c399e269772661.gz", b"x");
    reading(&world, "snap-gc --exclusive --delete").status(2).complains("a plain object in an encrypted heap");
    world.sh(BACKUP).status(2).complains("a plain object in an encrypted heap");
    assert_eq!(objects(&root).len(), 3);
}

#[test]
fn gc_works_in_two_phases_beside_a_writer_without_an_identity() {
    for emulator in services() {
        let (world, root) = repository(emulator);
        let there = || objects_in(emulator, &root);
        let count = |options: &str, action: &str| {
            let done = reading(&world, &format!("snap-gc {options}")).ok();
            column(&done, "md5", ("action", action)).len()
        };
        world.sh(BACKUP).ok();
        let first = there();
        world.sh("mkdir away && mv files/0[0-5] away && snap-scan | snap-heapify | snap-write").ok();
        reading(&world, "snap-forget --keep-last 1 --delete > /dev/null").ok();
        refused(world.sh("snap-gc --delete"), "no identity was given");
        assert_eq!((count("--delete", "condemned"), count("--delete", "kept")), (6, 6), "{}", emulator.name());
        // A writer needs three of them again. It can't know that their contents are good, and stores them anew.
        world.sh("mv away/0[0-2] files && snap-scan | snap-heapify | snap-write").ok();
        let now = there();
        let anew = first.iter().filter(|(key, content)| now.get(*key) != Some(content)).count();
        assert_eq!((now.len(), anew), (13, 3), "{}", emulator.name());
        // Another one is stored anew, and condemned again before the list is published.
        world.sh("mv away/03 files && snap-scan | snap-heapify > list").ok();
        assert_eq!(count("--delete --grace 0s", "deleted"), 2, "{}", emulator.name());
        assert_eq!(there().len(), 11);
        world.sh("snap-heapify list | snap-write").ok();
        reading(&world, "snap-read | snap-verify > /dev/null && snap-read | snap-restore --file-root back").ok();
        world.sh("diff -r files back").ok();
        reading(&world, "snap-gc --shard 1/1 > part; snap-gc --delete --grace 0s --references part").ok();
        assert_eq!(there().len(), 11);
    }
}
