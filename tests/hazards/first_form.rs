//! Repositories of the first form, with label, totals and sha256 in gzip comments: `tests/data/first-form`. They are read for
//! good.

use crate::util::{World, data};
use std::fs;

const FILES: &str = "a.txt\nd/e/deep.txt\nempty\nlarge.txt\n";
/// The snapshot that has records in several members.
const MANY: &str = "2026/11/2026-11-25_17-25-19_459699Z.jsonl.gz";
const OBJECTS: usize = 7;

/// A world with a copy of the repository, which can be continued.
fn world() -> World {
    let world = World::new();
    world.sh(&format!("cp -r '{0}/heap' '{0}/snap' .; chmod -R u+w heap snap", data("first-form").display())).ok();
    world
}

#[test]
fn snapshots_of_the_first_form_are_listed_with_their_labels_and_totals() {
    let world = world();
    let done = world.sh("snap-list --json | jq -c '[.tags, .records, .errors, .before_restore, .filtered, .root]'").ok().silent();
    done.says(
        "[null,9,0,true,null,\"/home/eve/files\"]\n[[\"many\"],6000,1,null,true,\"/home/eve/many\"]\n\
         [null,9,0,null,null,\"/home/eve/files\"]\n[[\"first\"],10,0,null,null,\"/home/eve/files\"]\n",
    );
}

#[test]
fn what_the_first_form_holds_is_read_restored_verified_and_compared() {
    let world = world();
    world
        .sh(&format!("snap-read {MANY} | tail -n 1 | jq -c '[.records, .errors, .filtered, .types]'"))
        .ok()
        .says("[6000,1,true,[\"file\"]]\n");
    world.sh("snap-read latest~1 | snap-restore --file-root back").ok().silent();
    world.sh("cd back; find . -name '[ade]*.txt' -o -name empty -o -name large.txt | sort | cut -c3-").ok().says(FILES);
    world.sh("cat back/a.txt; readlink back/d/link; wc -c < back/large.txt").ok().says("two\n../a.txt\n2700000\n");
    world.sh("stat -c %y back/empty").ok().says("2026-11-20 10:11:12.123456789 +0000\n");
    world.sh("snap-read latest~1 | snap-verify").ok();
    world.sh("snap-read latest~2 | snap-verify").ok();
    world.sh("snap-diff latest~1 latest~2 --format names").status(1).says("! a.txt\n+ same.txt\n");
    world.sh("snap-diff latest~1 2026/11/2026-11-25_17-25-19_573249Z.jsonl.gz").ok().silent();
    // A copy that was saved before a restore is not the latest, and the end is looked at.
    world.sh("snap-read latest | tail -n 1 | jq .records").ok().says("6000\n");
    world.sh(&format!("cp snap/{MANY} cut.jsonl.gz; truncate -s -90 cut.jsonl.gz")).ok();
    world.sh("snap-read ./cut.jsonl.gz").status(2).complains("damaged");
}

#[test]
fn a_repository_of_the_first_form_is_continued() {
    let world = world();
    // What the base knows is taken over.
    let strip = "snap-read latest | jq -c 'if .type == \"file\" then del(.md5, .sha256, .stored_size) + {etag: .md5} else . end'";
    world.sh("snap-read latest~1 | jq -c 'if .type == \"file\" then .etag = .md5 | del(.racy) else . end' | snap-write --host alder").ok();
    world.sh(&format!("{strip} > list; snap-reuse --base latest < list > reused")).ok();
    world.sh("jq -c 'select(.type == \"file\" and .md5 != .etag)' reused").ok().says("");
    // Contents that are there are known by their sha256, and nothing is stored twice.
    let objects = || world.files_below("heap").into_iter().filter(|p| p.extension().is_some_and(|e| e == "gz")).count();
    let before = objects();
    world.sh("snap-read latest | snap-restore --file-root files; snap-scan | snap-heapify --no-base | snap-write").ok();
    assert_eq!((before, objects()), (OBJECTS, OBJECTS));
    world.sh("snap-diff latest~1 latest").ok().silent();
    // All that the old snapshots refer to is kept.
    world.sh("snap-gc --delete --exclusive").ok();
    assert_eq!(objects(), OBJECTS);
}

#[test]
fn damage_of_an_object_of_the_first_form_is_found_and_mended() {
    for (path, at) in [("heap/39/3927cb610bf0bfadac991c7211c8023b.gz", 30), ("heap/ed/ed26f30c23f14ff074641fe0ec685c2c.gz", 50)] {
        let world = world();
        world.sh("snap-read latest~2 | snap-restore --file-root files").ok();
        let good = fs::read(world.path(path)).unwrap();
        // A digit of the sha256 in the comment.
        let mut bad = good.clone();
        bad[at] = if bad[at] == b'0' { b'1' } else { b'0' };
        world.put(path, &bad);
        world.sh("snap-read latest~2 | snap-verify").status(1);
        world.sh("snap-scan | snap-heapify --no-base --verify-existing").ok();
        assert!(fs::read(world.path(path)).unwrap() != bad);
        world.sh("snap-read latest~2 | snap-verify").ok();
    }
}

#[test]
fn a_sha256_in_the_comment_that_is_not_that_of_the_content_is_damage_and_heals() {
    let world = world();
    let path = "heap/39/3927cb610bf0bfadac991c7211c8023b.gz";
    // The object's own content, and a comment that says that it is another.
    let good = fs::read(world.path(path)).unwrap();
    let at = good.windows(9).position(|w| w == b"{\"sha256\"").unwrap() + 11;
    let mut lying = good.clone();
    lying[at] = if lying[at] == b'0' { b'1' } else { b'0' };
    world.put(path, &lying);
    world.put("files/a", "one content\n");
    world.sh("snap-scan | snap-heapify --no-base > /dev/null").ok();
    let healed = fs::read(world.path(path)).unwrap();
    assert!(healed != lying && world.sh(&format!("gzip -dc {path}")).ok().out() == "one content\n");
}
