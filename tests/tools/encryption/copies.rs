//! snap-copy between plain and encrypted heaps, and to other recipients.

use super::{another, reading, refused, world};
use crate::util::World;
use crate::util::heap::{BACKUP, text};
use crate::util::trees::{Tree, build};

/// Drops what may differ between the records of two heaps.
const SAME: &str = "jq -cS 'del(.stored_size, .work)'";

/// Files of which no two have the same content: of those, only one is stored, and its size is not that of the other.
fn tree(world: &World) {
    build(&world.path("files"), Tree::Files);
    world.sh("rm files/dup/two").ok();
    world.put("files/large", text(1).repeat(4000));
}

#[test]
fn plain_to_encrypted_and_back_gives_the_same_objects() {
    let world = world();
    tree(&world);
    world.sh("unset HEAP_RECIPIENTS; snap-scan | snap-heapify > list").ok();
    world.sh("snap-copy --to-heap-root sealed list > copied").ok().silent();
    world.sh(&format!("diff <({SAME} list) <({SAME} copied)")).ok();
    // The records have the sizes that the encrypted objects have.
    let sizes = "jq -r 'select(.type == \"file\") | .stored_size' copied | sort -n";
    world.sh(&format!("diff <({sizes} | uniq) <(find sealed/?? -name '*.gz.age' -printf '%s\\n' | sort -n | uniq)")).ok();
    // A second copy, also without an identity, finds all of them good.
    world.sh("find sealed -printf '%P %i %T@\\n' | sort > before; snap-copy --to-heap-root sealed list > again").ok();
    world.sh(&format!("find sealed -printf '%P %i %T@\\n' | sort | diff before - && diff <({SAME} list) <({SAME} again)")).ok();
    reading(&world, "unset HEAP_RECIPIENTS; HEAP_ROOT=sealed snap-copy --to-heap-root back copied > again").ok().silent();
    world.sh("diff -r -x temp heap back && diff <(jq -cS 'del(.work)' list) <(jq -cS 'del(.work)' again)").ok().silent();
    refused(world.sh("snap-copy --to-heap-root back copied"), "not encrypted").complains("new root");
    refused(world.sh("unset HEAP_RECIPIENTS; snap-copy --to-heap-root sealed list"), "no recipients");
}

#[test]
fn a_repository_is_copied_with_its_snapshots() {
    let mut world = world();
    tree(&world);
    world.sh(&format!("unset HEAP_RECIPIENTS; {BACKUP} --tag one; rm files/a.txt; {BACKUP} --tag two")).ok();
    world.set("TO", "--heap-root sealed --snap-root snaps");
    let copy = "for s in $(snap-list --order asc); do snap-read $s | snap-copy --to-heap-root sealed | snap-write $TO --like $s || exit; done";
    world.sh(copy).ok().silent();
    for n in [0, 1] {
        let records = |roots: &str| format!("{roots} snap-read latest~{n} | {SAME}");
        reading(&world, &format!("diff <({}) <({})", records(""), records("SNAP_ROOT=snaps"))).ok().silent();
    }
    let labels = "jq -c '[.time, .tags, .records, .root]'";
    reading(&world, &format!("diff <(snap-list --json | {labels}) <(snap-list --json --snap-root snaps | {labels})")).ok();
    reading(&world, "export HEAP_ROOT=sealed SNAP_ROOT=snaps; snap-read | snap-verify > /dev/null && snap-gc").ok().says("");
}

#[test]
fn a_copy_to_another_recipient_is_for_the_other_one_only() {
    let world = world();
    tree(&world);
    world.sh(BACKUP).ok();
    another(&world, "next");
    let copy = "snap-read | snap-copy --to-heap-root next --recipients-file keys/next.recipients | \
                snap-write --heap-root next --snap-root snaps --recipients-file keys/next.recipients";
    reading(&world, copy).ok().silent();
    let read = "export HEAP_ROOT=next SNAP_ROOT=snaps; snap-read > read && snap-verify read > /dev/null";
    let elsewhere = "export HOME=$PWD/elsewhere";
    refused(reading(&world, &format!("{elsewhere}; {read}")), "encrypted to other keys");
    // Also where the naming key is known.
    refused(reading(&world, read), "encrypted to other keys");
    reading(&world, &format!("export HEAP_IDENTITY=keys/next.identity; {elsewhere}; {read}")).ok().silent();
    for object in world.files_below("next").iter().filter(|path| path.extension().is_some_and(|e| e == "age")) {
        world
            .sh(&format!(
                "age -d -i \"$IDENTITY\" {0} 2> /dev/null && exit 1; age -d -i keys/next.identity {0} > /dev/null",
                object.display()
            ))
            .ok();
    }
}

#[test]
fn a_new_recipient_reads_what_comes_and_the_old_one_reads_all() {
    let world = world();
    world.put("files/old", "old");
    world.settle();
    world.sh(BACKUP).ok();
    another(&world, "next");
    world.put("files/new", "new");
    // The first one is still there, and then only the new one.
    world
        .sh(&format!("export HEAP_RECIPIENTS=keys/both; cat keys/recipients keys/next.recipients > keys/both; {BACKUP}"))
        .ok()
        .silent();
    world.sh("cmp heap/encryption.json snap/encryption.json && jq -e '.recipients | length == 2' heap/encryption.json").ok();
    world.put("files/newest", "newest");
    world.sh(&format!("export HEAP_RECIPIENTS=keys/next.recipients; {BACKUP}")).ok().silent();
    world.sh("cmp heap/encryption.json snap/encryption.json && jq -e '.recipients | length == 2' heap/encryption.json").ok();
    let next = "export HOME=$PWD/elsewhere HEAP_IDENTITY=keys/next.identity";
    let done = world.sh(&format!("{next}; snap-read | snap-cat")).status(1).complains("old: ");
    assert_eq!(done.out(), "newnewest");
    refused(world.sh(&format!("{next}; snap-read latest~2")), "other keys");
    refused(reading(&world, "snap-read"), "other keys");
    reading(&world, "snap-read latest~1 | snap-cat").ok().says("newold");
    // With both identities, all of it.
    world.sh(&format!("{next}; export HEAP_IDENTITY; i='--identity-file keys/next.identity --identity-file keys/identity'; snap-read $i | snap-verify $i")).ok();
}
