//! Damaged, exchanged and forged objects: found by snap-verify, and stored anew by backups.

use super::{reading, refused, world};
use crate::util::World;
use crate::util::heap::{BACKUP, column, objects, text};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const WAYS: [&str; 10] =
    ["header", "note", "payload", "last", "truncated", "extended", "swapped", "plain", "stranger", "missing"];

/// The end of the header of an age file.
fn end_of_header(object: &[u8]) -> usize {
    object.windows(5).position(|bytes| bytes == b"\n--- ").expect("the end of the header")
}

fn damage(world: &World, path: &Path, other: &Path, way: &str) {
    let good = fs::read(path).expect("an object");
    let header = end_of_header(&good);
    let note = good.windows(14).position(|bytes| bytes == b"-> snapshooter").expect("the note");
    // The first line of the stanza of the recipient, whose letters stay letters.
    let recipient = good.windows(9).position(|bytes| bytes == b"-> X25519").expect("the recipient");
    let flipped = |at: usize, bits: u8| {
        let mut bad = good.clone();
        bad[at] ^= bits;
        bad
    };
    let bad = match way {
        "header" => flipped(recipient + 12, 2),
        "note" => flipped(note + 25, 2),
        "payload" => flipped((header + good.len()) / 2 + 40, 0x10),
        "last" => flipped(good.len() - 1, 1),
        "truncated" => good[..good.len() - 7].to_vec(),
        "extended" => [&good[..], b"more"].concat(),
        "swapped" => {
            let theirs = fs::read(other).expect("the other object");
            fs::write(other, &good).expect("write an object");
            theirs
        }
        "plain" => world.run(&["gzip", "-c"], b"plain").ok().bytes().to_vec(),
        "stranger" => {
            let recipients = world.path("keys/recipients").display().to_string();
            let gzip = world.run(&["gzip", "-c"], text(999).as_bytes()).ok();
            world.run(&["age", "-R", &recipients], gzip.bytes()).ok().bytes().to_vec()
        }
        "missing" => return fs::remove_file(path).expect("remove an object"),
        _ => unreachable!("{way}"),
    };
    fs::write(path, bad).expect("write an object");
}

/// A repository with a damaged object for each way, by file name; the others are good.
fn damaged() -> (World, BTreeMap<String, PathBuf>, BTreeMap<String, &'static str>) {
    let mut world = world();
    for n in 0..40 {
        world.put(&format!("files/{n}"), text(n));
    }
    world.put("files/large", text(7).repeat(4000));
    world.settle();
    world.sh(BACKUP).ok();
    world.set("HEAP_IDENTITY", world.path("keys/identity"));
    let objects = objects(&world);
    world.unset("HEAP_IDENTITY");
    let mut bad: BTreeMap<String, &str> = BTreeMap::new();
    for (n, way) in WAYS.into_iter().enumerate() {
        let other = (n + 20).to_string();
        damage(&world, &objects[&n.to_string()], &objects[&other], way);
        bad.insert(n.to_string(), way);
        if way == "swapped" {
            bad.insert(other, way);
        }
    }
    damage(&world, &objects["large"], &objects["30"], "payload");
    bad.insert("large".to_string(), "payload");
    (world, objects, bad)
}

/// The names that snap-verify tells.
fn told(world: &World) -> BTreeSet<String> {
    let done = reading(world, "snap-read | snap-verify");
    assert!(done.code() == Some(0) || !done.err().is_empty(), "{done}");
    column(&done, "name", ("type", "error"))
}

#[test]
fn verify_names_every_damaged_object_and_nothing_of_it_is_restored() {
    let (world, _, bad) = damaged();
    let before = world.sh("find heap -type f -exec md5sum {} + | sort").ok().out();
    reading(&world, "snap-read | snap-verify > /dev/null").status(1);
    assert_eq!(told(&world), bad.keys().cloned().collect());
    let quick = column(&reading(&world, "snap-read | snap-verify --quick").status(1), "name", ("type", "error"));
    // It compares sizes, and two objects can have the same.
    let subtle = ["header", "note", "payload", "last", "swapped", "stranger"];
    for (name, way) in &bad {
        assert!(subtle.contains(way) || quick.contains(name), "--quick did not find {way}");
    }
    assert!(quick.iter().all(|name| bad.contains_key(name)), "good ones were called bad: {quick:?}");
    reading(&world, "snap-read | snap-restore --file-root back").status(1);
    for path in world.files_below("back") {
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        assert!(!bad.contains_key(&name) && fs::read(&path).ok() == fs::read(world.path("files").join(&name)).ok(), "{name}");
    }
    assert_eq!(world.files_below("back").len(), 41 - bad.len());
    reading(&world, "snap-read | snap-copy --to-heap-root other > /dev/null").status(1);
    world.sh("[ $(find other/?? -name '*.age' | wc -l) = $(find back -type f | wc -l) ]").ok();
    assert_eq!(world.sh("find heap -type f -exec md5sum {} + | sort").ok().out(), before, "a reader has changed the heap");
}

#[test]
fn backups_without_an_identity_store_anew_what_shows_from_outside() {
    let (world, objects, bad) = damaged();
    let good = |name: &&String| !bad.contains_key(*name);
    let bytes = || objects.keys().filter(good).map(|name| fs::read(&objects[name]).expect("an object")).collect::<Vec<_>>();
    let before = bytes();
    let left = |what: &str, may_be_left: &[&str]| {
        let left = told(&world);
        for name in &left {
            assert!(
                bad.get(name).is_some_and(|way| may_be_left.contains(way)),
                "{what}: {name} ({:?}) is bad still",
                bad.get(name)
            );
        }
        left
    };
    // An ordinary backup compares sizes with those that its base names.
    world.sh(BACKUP).ok().silent();
    left("the next backup", &["header", "note", "payload", "last", "swapped", "stranger"]);
    // One that reads the files compares the notes.
    world.sh("snap-scan | snap-heapify --no-base | snap-write").ok().silent();
    let still = left("without a base", &["header", "payload", "last"]);
    assert!(still.contains("large"));
    refused(world.sh("snap-scan | snap-heapify --verify-existing"), "no identity was given");
    reading(&world, "snap-scan | snap-heapify --verify-existing | snap-write").ok().silent();
    assert!(told(&world).is_empty());
    assert!(bytes() == before && before.len() > 20, "healing has changed an object that was good");
    reading(&world, "for s in $(snap-list); do snap-read $s | snap-verify || exit; done > /dev/null").ok();
}

#[test]
fn an_object_of_a_stranger_with_the_right_size_is_found_by_its_note() {
    let mut world = world();
    world.put("files/a", text(1));
    world.settle();
    world.sh(BACKUP).ok();
    world.set("HEAP_IDENTITY", world.path("keys/identity"));
    let path = objects(&world)["a"].clone();
    world.unset("HEAP_IDENTITY");
    let good = fs::read(&path).expect("an object");
    // The header with its note, and another payload of the same size.
    let header = end_of_header(&good) + 49;
    let mut bad = good[..header].to_vec();
    bad.extend(good[header..].iter().rev());
    fs::write(&path, &bad).expect("write an object");
    assert_eq!(told(&world), ["a".to_string()].into());
    // Of the right size, but without a note.
    let sealed = |len: usize| world.run(&["age", "-R", "keys/recipients"], &vec![b'x'; len]).ok().bytes().to_vec();
    let stranger = sealed(good.len() - sealed(0).len());
    assert_eq!(stranger.len(), good.len());
    fs::write(&path, stranger).expect("write an object");
    assert_eq!(told(&world), ["a".to_string()].into());
    world.sh("snap-scan | snap-heapify --no-base | snap-write").ok();
    assert!(told(&world).is_empty(), "the note is missing, so it is stored anew");
}

#[test]
fn an_object_that_another_writer_stored_anew_is_no_trouble_though_its_size_is_another() {
    let mut world = world();
    world.put("files/a", text(1));
    world.settle();
    world.sh(BACKUP).ok();
    world.set("HEAP_IDENTITY", world.path("keys/identity"));
    let path = objects(&world)["a"].clone();
    world.unset("HEAP_IDENTITY");
    let size = || fs::metadata(&path).expect("an object").len();
    let before = size();
    // There is something random in each header.
    for _ in 0..100 {
        fs::remove_file(&path).expect("remove an object");
        world.sh("snap-scan | snap-heapify --no-base > stored").ok();
        if size() != before {
            break;
        }
    }
    assert_ne!(size(), before);
    for identity in ["unset HEAP_IDENTITY", "true"] {
        reading(&world, &format!("{identity}; snap-scan | snap-heapify > list")).ok().silent();
        // Nothing is read or stored for it, and the record has its size.
        let fields = "jq -c 'if .type == \"end\" then [.work.read, .work.stored] else .stored_size end' list";
        world.sh(fields).ok().says(&format!("{}\n[0,0]\n", size()));
    }
    world.sh("snap-write list").ok();
    reading(&world, "snap-read | snap-verify --quick > /dev/null; snap-read latest~1 | snap-verify --quick > /dev/null").ok();
}

#[test]
fn a_collision_is_seen_with_an_identity_and_without_one_nothing_false_is_restored() {
    let [one, two] = crate::hazards::collide::blocks();
    let world = world();
    world.put("files/a", &one);
    world.sh(BACKUP).ok();
    world.put("files/b", &two);
    reading(&world, "snap-scan | snap-heapify > list").status(1).complains("b: another content has the same md5");
    // Who can't read the heap does not see it.
    world.sh(BACKUP).ok();
    reading(&world, "snap-read | snap-verify > /dev/null").status(1).complains("b: heap object").complains("wrong sha256");
    reading(&world, "snap-read | snap-restore --file-root back").status(1).complains("wrong sha256");
    assert!(fs::read(world.path("back/a")).expect("a file") == one && !world.path("back/b").exists());
    // In one run, it does.
    let world = super::world();
    world.put("files/a", &one);
    world.put("files/b", &two);
    world.sh("snap-scan | snap-heapify > list").status(1).complains("another content has the same md5");
}
