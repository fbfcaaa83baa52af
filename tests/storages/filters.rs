//! The filters over snapshots and streams, with all three roots in a bucket: log, patch, put, copy, tar, diff, and a part of a
//! snapshot.

use crate::storages::emulators::{self, Emulator};
use crate::util::World;
use crate::util::trees::contents;

#[test]
fn every_filter_works_on_a_bucket() {
    let Some(moto) = emulators::moto() else { return };
    let mut world = World::new();
    for (name, content) in [("docs/report.md", "first\n"), ("docs/b.md", "b"), ("src/c", "c")] {
        world.put(&format!("local/{name}"), content);
    }
    world.put("local/src/large", vec![7; 3 << 20]);
    for (key, value) in moto.environment() {
        world.set(key, value);
    }
    let bucket = moto.fresh().url;
    for root in ["FILE", "HEAP", "SNAP"] {
        world.set(&format!("{root}_ROOT"), format!("{bucket}/{}", root.to_lowercase()));
    }
    let upload = "snap-scan --file-root local | snap-heapify --file-root local | snap-restore";
    world.sh(upload).ok();
    world.sh("snap-scan | snap-heapify | snap-write > /dev/null").ok();

    // Is this bucket that folder? Neither is read.
    world.sh("snap-scan > bucket.jsonl; snap-scan -t f local | snap-diff --by size bucket.jsonl -").ok().silent();
    world
        .sh("snap-scan -t f local | snap-heapify --file-root local --no-store | snap-diff --by size,md5 bucket.jsonl -")
        .ok()
        .silent();
    world.put("local/docs/b.md", "x");
    let compare = "snap-scan -t f local | snap-heapify --file-root local --no-store --no-base | snap-diff --by size,md5 -f names bucket.jsonl -";
    world.sh(compare).status(1).says("? docs/b.md\n");

    // A list of the keys that changed, as a service reports them.
    world.put("local/docs/report.md", "the second\n");
    world.sh(&format!("{upload}; printf 'docs/report.md\\nsrc/c\\n' > events")).ok();
    world.sh("snap-scan --files-from events --gone | snap-heapify | snap-patch latest | snap-write --whole > /dev/null").ok();
    world
        .sh("snap-log docs/report.md | jq -r 'select(.status) | [.status, .size] | @tsv'")
        .ok()
        .says("replaced\t6\ncurrent\t11\n");
    world
        .sh("snap-log --glob '/docs/*.md' | jq -r 'select(.status == \"current\").name' | xargs")
        .ok()
        .says("docs/b.md docs/report.md\n");
    world.sh("snap-log docs/report.md | snap-cat").ok().says("first\nthe second\n");
    world.sh("snap-diff -f names").status(1).says("! docs/report.md\n");
    world.sh("printf 'src/none\\n' | snap-scan --files-from - --gone | jq -r .type | xargs").ok().says("gone end\n");

    // A dump, beside what is there.
    world.sh("snap-merge <(snap-read) <(seq 1000 | snap-put db/dump.sql) | snap-write > /dev/null").ok();
    world.sh("snap-read latest -- /db/ | snap-cat | diff - <(seq 1000)").ok();
    world.sh("snap-put db/dump.sql -- false | snap-write").status(2);

    // An archive, and back.
    world.sh("snap-read latest~1 | snap-to-tar | tar -x --one-top-level=restored").ok();
    world.sh("snap-read latest~1 | snap-restore --file-root again").ok();
    assert_eq!(contents(&world.path("restored")), contents(&world.path("again")));
    world.sh("tar -c -C restored . | snap-from-tar | jq -r 'select(.type == \"file\") | [.name, .md5] | @tsv' > tar").ok();
    world.sh("snap-read latest~1 | jq -r 'select(.type == \"file\") | [.name, .md5] | @tsv' | diff tar -").ok();

    // The repository, in another place of the bucket.
    world.set("TO", format!("{bucket}/copy"));
    world
        .sh("snap-list --order asc | while read -r s; do
            snap-read \"$s\" | snap-copy --to-heap-root \"$TO/heap\" |
                snap-write --snap-root \"$TO/snap\" --heap-root \"$TO/heap\" --like \"$s\" || exit
        done")
        .ok();
    world.sh("diff <(snap-list | xargs -n 1 basename) <(snap-list --snap-root $TO/snap | xargs -n 1 basename)").ok();
    world.sh("snap-log --glob '*' | jq -c 'del(.snapshot)' > log; snap-log --snap-root $TO/snap --glob '*' | jq -c 'del(.snapshot)' | diff log -").ok();
    world.sh("snap-read --snap-root $TO/snap | snap-verify --heap-root $TO/heap").ok();
}
