//! A machine with recipients and the key file of the heap backs up and reads nothing; an identity alone reads everything.

use super::{another, reading, refused, world};
use crate::util::heap::{BACKUP, id_in, objects, text};
use std::fs;

#[test]
fn a_machine_without_an_identity_backs_up_ten_times_and_reads_nothing() {
    let world = world();
    for n in 0..30 {
        world.put(&format!("files/{n}"), text(n));
    }
    world.put("files/large", text(1).repeat(3000));
    world.settle();
    for round in 0..10 {
        let new = format!("round {round}");
        world.put("files/new", &new);
        world.sh("snap-scan | snap-heapify > list && snap-write list > path").ok().silent();
        let read: usize = world.sh("tail -n 1 list | jq .work.read").ok().out().trim().parse().expect("bytes");
        // What did not change is not read again.
        assert!(if round == 0 { read > 1 << 20 } else { read == new.len() }, "round {round}: {read} bytes read");
    }
    assert_eq!(world.sh("snap-list").ok().lines().len(), 10);
    let heap = world.files_below("heap");
    for tool in [
        "snap-read",
        "snap-read $(cat path)",
        "snap-restore --file-root back list",
        "snap-cat list",
        "snap-verify list",
        "snap-verify --quick list",
        "snap-diff latest~1 latest",
        "snap-log new",
        "snap-report --growth list",
        "snap-list --json",
        "snap-list --long",
        "snap-forget --keep-last 1 --delete",
        "snap-to-tar list",
        "snap-copy --to-heap-root other list",
        "snap-gc --delete",
        "snap-scan | snap-heapify --verify-existing --no-base",
    ] {
        let done = refused(world.sh(tool), "no identity was given").says("");
        assert!(done.err().contains("--identity-file") && done.err().contains("HEAP_IDENTITY"), "{tool}: not what to do{done}");
    }
    assert_eq!(world.files_below("heap"), heap);
    assert!(world.files_below("back").is_empty() && world.files_below("other").is_empty());
    // Elsewhere, with nothing but the identity.
    let elsewhere = "unset HEAP_RECIPIENTS; export HOME=$PWD/elsewhere";
    reading(&world, &format!("{elsewhere}; snap-read | snap-restore --file-root back && snap-read | snap-verify > /dev/null"))
        .ok()
        .silent();
    world.sh("diff -r files back").ok();
    reading(
        &world,
        &format!("{elsewhere}; for n in 0 4 9; do snap-read latest~$n | jq -c 'select(.name == \"new\")' | snap-cat; done"),
    )
    .ok()
    .says("round 9round 5round 0");
    assert!(!world.path("elsewhere").exists(), "who only reads keeps nothing");
}

#[test]
fn without_the_kept_snapshot_every_file_is_read_and_that_is_said() {
    let world = world();
    world.put("files/a", "a");
    world.settle();
    world.sh(BACKUP).ok();
    world.sh("rm -r home/.local/state/snapshooter/*/").ok();
    let warned = world.sh("snap-scan | snap-heapify > list; snap-write list").ok();
    warned.complains("every file is read");
    world.sh("tail -n 1 list | jq -c .work.read").ok().says("1\n");
    world.sh("snap-scan | snap-heapify > list").ok().silent();
    world.sh("tail -n 1 list | jq -c .work.read").ok().says("0\n");
    // An identity does as well.
    world.sh("rm -r home/.local/state/snapshooter/*/").ok();
    reading(&world, "snap-scan | snap-heapify | tail -n 1 | jq -c .work.read").ok().silent().says("0\n");
}

#[test]
fn a_second_machine_writes_with_a_copy_of_the_key_file_and_finds_the_objects_of_the_first() {
    let mut world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let before = world.files_below("heap");
    world.sh("mkdir second; cp home/.local/state/snapshooter/*.key second/copy").ok();
    world.set("HOME", world.path("second"));
    let scan = "snap-scan | snap-heapify --no-base";
    refused(world.sh(&format!("snap-scan > list; {} list", "snap-heapify --no-base")), "is not on this machine");
    world.sh(&format!("{scan} --heap-key-file second/copy | snap-write --heap-key-file second/copy")).ok();
    // With an identity it writes its own key file, and needs none of both the next time.
    world.set("HOME", world.path("third"));
    reading(&world, &format!("{scan} > list")).ok();
    world.sh(&format!("{scan} | snap-write")).ok();
    let objects = |files: &[std::path::PathBuf]| files.iter().filter(|path| id_in(path).is_some()).count();
    assert_eq!((objects(&before), objects(&world.files_below("heap"))), (1, 1));
    reading(&world, "for s in $(snap-list); do snap-read $s | snap-verify || exit; done > /dev/null").ok();
}

#[test]
fn ssh_keys_read_what_was_encrypted_to_them() {
    let mut world = world();
    world.put("files/a", "a");
    world.put("files/large", text(3).repeat(3000));
    world.sh("ssh-keygen -q -t ed25519 -N '' -C '' -f keys/ed && ssh-keygen -q -t rsa -b 2048 -N '' -C me@here -f keys/rsa").ok();
    world.sh("(echo '# both'; cat keys/ed.pub; echo; cat keys/rsa.pub) > keys/ssh").ok();
    world.set("HEAP_RECIPIENTS", world.path("keys/ssh"));
    world.sh(BACKUP).ok().silent();
    for key in ["ed", "rsa"] {
        let script = format!(
            "export HOME=$PWD/none; i=--identity-file=keys/{key}; snap-read $i | snap-restore $i --file-root {key} && diff -r files {key}"
        );
        world.sh(&script).ok().silent();
        let object = objects_of(&world, key);
        world.sh(&format!("age -d -i keys/{key} {object} | gzip -dc | cmp - files/large")).ok();
    }
    another(&world, "stranger");
    refused(world.sh("HOME=$PWD/none snap-read --identity-file keys/stranger.identity"), "other keys");
}

/// The path of the large object, by the records that an SSH key reads.
fn objects_of(world: &crate::util::World, key: &str) -> String {
    world.sh(&format!("snap-read --identity-file keys/{key} > /dev/null")).ok();
    let largest = world.files_below("heap").into_iter().filter(|path| id_in(path).is_some());
    largest.max_by_key(|path| fs::metadata(path).expect("an object").len()).expect("an object").display().to_string()
}

#[test]
fn stock_age_and_gzip_give_contents_and_records() {
    let mut world = world();
    world.put("files/empty", "");
    world.put("files/small", "small\n");
    world.put("files/text", text(5).repeat(4000));
    world.sh("head -c 5000000 /dev/urandom > files/random; head -c 65535 /dev/urandom > files/chunk").ok();
    world.sh(BACKUP).ok();
    world.set("HEAP_IDENTITY", world.path("keys/identity"));
    let objects = objects(&world);
    assert_eq!(objects.len(), 5);
    for (name, object) in objects {
        world.sh(&format!("age -d -i \"$IDENTITY\" {} | gzip -dc | cmp - files/{name}", object.display())).ok().silent();
    }
    // Enough records for several members.
    let records = r#"{name: "n\(. + 100000)", type: "file", size: ., md5: "d41d8cd98f00b204e9800998ecf8427e"}"#;
    world.sh(&format!("seq 0 19999 | jq -c '{records}' | snap-write --unterminated --complete > path")).ok();
    world.sh("age -d -i \"$IDENTITY\" $(cat path) | gzip -dc | cmp - <(snap-read --no-end)").ok().silent();
    world.sh("[ $(snap-read --no-end | wc -l) = 20000 ] && snap-read | tail -n 1 | jq -e .records").ok();
}

#[test]
fn archives_and_what_is_put_are_encrypted_too() {
    let world = world();
    world.put("files/a", "a");
    world.put("files/large", text(2).repeat(3000));
    world.sh("tar -C files -cf in.tar a large && snap-from-tar in.tar | snap-write > path").ok().silent();
    world.sh("snap-put dump -- cat files/large | snap-write > put").ok().silent();
    // The second one is the content that is there.
    assert_eq!(world.files_below("heap").iter().filter(|path| id_in(path).is_some()).count(), 2);
    assert!(world.files_below("heap").iter().all(|path| path.extension().is_none_or(|e| e != "gz")));
    reading(&world, "mkdir back && snap-read $(cat path) | snap-to-tar | tar -C back -x && diff -r files back").ok();
    reading(&world, "snap-read $(cat put) | snap-cat | cmp - files/large").ok().silent();
}
