//! Snapshots that were damaged, exchanged or forged: nothing of them is read.

use super::{reading, refused, world};
use crate::util::World;
use crate::util::heap::BACKUP;
use std::fs;
use std::path::PathBuf;

/// A repository with two snapshots, the older first, of `a` with the content `old`, and then `new`.
fn two() -> (World, [PathBuf; 2]) {
    let world = world();
    for content in ["old", "new"] {
        world.put("files/a", content);
        world.sh(BACKUP).ok();
    }
    let paths = world.sh("snap-list --order asc").ok().lines();
    let paths = paths.iter().map(PathBuf::from).collect::<Vec<_>>().try_into().expect("two snapshots");
    (world, paths)
}

/// Asserts that the latest snapshot is not read, whoever asks, and that nothing is deleted for it.
#[track_caller]
fn is_refused(world: &World, what: &str) {
    let heap = world.files_below("heap");
    for tool in [
        "snap-read",
        "snap-read $(ls snap/*/*/*Z.jsonl.gz* | tail -n 1)",
        "snap-diff latest~1 latest",
        "snap-gc --delete --grace 0s",
    ] {
        // Of records that were good until there, some may come; an end record never does.
        let done = reading(world, tool).status(2);
        let err = done.err();
        assert!(
            !done.out().contains("\"type\":\"end\"") && err.lines().count() <= 3 && !err.contains("panicked"),
            "{what}: {tool}{done}"
        );
        assert!(
            err.contains("damaged") || err.contains("is not encrypted") || err.contains("other keys"),
            "{what}: {tool}{done}"
        );
    }
    reading(world, "snap-read | snap-restore --delete --file-root back").status(2);
    assert!(world.files_below("back").is_empty(), "{what}: something was restored");
    assert_eq!(world.files_below("heap"), heap, "{what}");
}

/// Encrypts to the recipients, as anybody can.
fn sealed(world: &World, plain: &[u8]) -> Vec<u8> {
    world.run(&["age", "-R", "keys/recipients"], plain).ok().bytes().to_vec()
}

/// A snapshot decrypted: the bytes of one in plain, and the last member.
fn opened(world: &World, path: &std::path::Path) -> (Vec<u8>, Vec<u8>) {
    let all = reading(world, &format!("age -d -i \"$IDENTITY\" {}", path.display())).ok().bytes().to_vec();
    let last = all.windows(3).rposition(|bytes| bytes == [0x1f, 0x8b, 8]).expect("the last member");
    (all[..last].to_vec(), all[last..].to_vec())
}

#[test]
fn a_damaged_or_exchanged_snapshot_is_not_read() {
    let (world, [older, newer]) = two();
    let [old, new] = [&older, &newer].map(|path| fs::read(path).expect("a snapshot"));
    let check = |what: &str, bytes: &[u8]| {
        fs::write(&newer, bytes).expect("write a snapshot");
        is_refused(&world, what);
        // The other one can be read still.
        reading(&world, &format!("snap-read {} | snap-cat", older.display())).ok().says("old");
    };
    for cut in [0, 1, 30, new.len() / 2, new.len() - 17, new.len() - 1] {
        check(&format!("cut off after {cut} bytes"), &new[..cut]);
    }
    for at in (0..new.len()).step_by(new.len() / 12).chain([new.len() - 1]) {
        let mut bad = new.clone();
        bad[at] ^= 2;
        check(&format!("byte {at} flipped"), &bad);
    }
    check("longer", &[&new[..], b"x"].concat());
    check("twice", &[&new[..], &new].concat());
    check("the older one under the name of the newer one", &old);
    // Both names exchanged: neither is read.
    fs::write(&older, &new).expect("write a snapshot");
    is_refused(&world, "exchanged");
    refused(reading(&world, &format!("snap-read {}", older.display())), "another time");
    fs::write(&older, &old).expect("write a snapshot");
    fs::write(&newer, &new).expect("write a snapshot");
    // The older one comes again, as if it were the latest.
    let later = newer.with_file_name("2026-12-31_00-00-00_000000Z.jsonl.gz.age");
    fs::copy(&older, &later).expect("copy a snapshot");
    refused(reading(&world, &format!("snap-read {} 2>&1 | grep -v 'in the future' >&2", later.display())), "another time");
    fs::remove_file(&later).expect("remove a snapshot");
    reading(&world, "snap-read | snap-cat && snap-read latest~1 | snap-cat").ok().silent().says("newold");
}

#[test]
fn a_snapshot_that_somebody_with_the_recipients_made_is_not_read() {
    let (world, [older, newer]) = two();
    let new = fs::read(&newer).expect("a snapshot");
    let (plain, last) = opened(&world, &newer);
    let (_, other_last) = opened(&world, &older);
    fs::write(world.path("plain.gz"), &plain).expect("write a file");
    let changed = world.sh("gzip -dc plain.gz | jq -c '.name = \"b\"' | gzip").ok().bytes().to_vec();
    let check = |what: &str, plain: &[u8]| {
        fs::write(&newer, sealed(&world, plain)).expect("write a snapshot");
        is_refused(&world, what);
    };
    check("records of somebody else", &changed);
    check("records of somebody else with the code of the snapshot", &[&changed[..], &last].concat());
    check("the last member cut off", &plain);
    check("the code of another snapshot", &[&plain[..], &other_last].concat());
    check("something behind the code", &[&plain[..], &last, &changed].concat());
    check("the code twice", &[&plain[..], &last, &last].concat());
    check("something before it", &[&changed[..], &plain, &last].concat());
    // The same bytes, encrypted once more, are what the writer wrote.
    fs::write(&newer, sealed(&world, &[&plain[..], &last].concat())).expect("write a snapshot");
    reading(&world, "snap-read | snap-cat").ok().says("new");
    fs::write(&newer, new).expect("write a snapshot");
}

#[test]
fn a_snapshot_in_plain_among_encrypted_ones_is_not_read_and_is_no_base() {
    let (world, [_, newer]) = two();
    let (plain, _) = opened(&world, &newer);
    world.settle();
    // One at the same time, one that is the latest, and the oldest.
    for time in ["", "2026/12/2026-12-31_00-00-00_000000Z.jsonl.gz", "2020/01/2020-01-02_00-00-00_000000Z.jsonl.gz"] {
        let path = if time.is_empty() { newer.with_extension("") } else { world.put(&format!("snap/{time}"), "") };
        fs::write(&path, &plain).expect("write a snapshot");
        is_refused_in_plain(&world, &path);
        fs::remove_file(&path).expect("remove a snapshot");
    }
    reading(&world, "snap-read | snap-cat").ok().says("new");
}

#[track_caller]
fn is_refused_in_plain(world: &World, path: &std::path::Path) {
    let path = path.display();
    for tool in
        ["snap-read", &format!("snap-read {path}"), "snap-list", "snap-log a", "snap-diff", "snap-forget --keep-last 1 --delete"]
    {
        refused(reading(world, tool), "is not encrypted").says("");
    }
    let backup = "snap-scan | snap-heapify | snap-write";
    reading(world, backup).status(2).complains("is not encrypted");
    world.sh(backup).status(2).complains("is not encrypted");
}

#[test]
fn a_snapshot_of_another_heap_with_the_same_recipients_is_not_read() {
    let (world, _) = two();
    world.put("files/a", "other");
    world.sh(&format!("export HEAP_ROOT=$PWD/heap2 SNAP_ROOT=$PWD/snap2; {BACKUP}")).ok();
    world.sh("cp snap2/2*/*/*.age snap/2*/*/").ok();
    is_refused(&world, "a snapshot of another heap");
    // Not even by a machine that knows nothing but the identity.
    refused(reading(&world, "HOME=$PWD/elsewhere snap-read"), "nobody who writes to this heap wrote it");
    // Beside the snapshots of this heap, those of another are not written either.
    refused(
        world.sh("snap-scan > list; snap-heapify --no-base --heap-root heap2 < list | snap-write --heap-root heap2"),
        "another encrypted heap",
    );
}
