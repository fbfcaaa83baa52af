//! Clocks that were wrong: snapshots dated in the future.

use crate::util::World;

const FUTURE: &str = "snap/2036/01/2036-01-02_03-04-05_000000Z.jsonl.gz";
const TOLD: &str = "2036-01-02_03-04-05_000000Z.jsonl.gz is dated in the future";

/// Two snapshots, the later of which is dated in the future.
fn world() -> World {
    let world = World::new();
    world.put("files/a", "1");
    world.sh(&format!("snap-scan | snap-heapify | snap-write > first && mkdir -p snap/2036/01 && cp $(cat first) {FUTURE}")).ok();
    world
}

#[test]
fn a_snapshot_of_the_future_is_told_of_wherever_it_counts_as_the_latest() {
    let world = world();
    for command in [
        "snap-read",
        "snap-read latest~1",
        "snap-diff",
        "snap-scan | snap-heapify",
        "snap-scan | snap-reuse",
        "snap-scan | snap-heapify --base latest~1",
        "snap-scan | snap-heapify --no-base | snap-write",
        "snapshooter make-snapshot",
        "snapshooter show-snapshot",
        "snapshooter compare-snapshots",
        "snapshooter restore-snapshot --dry-run",
        "snapshooter verify-snapshot",
    ] {
        world.sh(command).ok().complains(TOLD).complains("@TIME");
    }
}

#[test]
fn what_was_chosen_by_time_or_path_is_not_warned_of() {
    let world = world();
    for command in
        ["snap-read @2030-01-01", &format!("snap-read {FUTURE}"), "snap-list", "snapshooter show-snapshot --latest 2030-01-01"]
    {
        let done = world.sh(command).ok();
        assert!(!done.err().contains("future"), "{done}");
    }
}

#[test]
fn clocks_that_differ_by_two_minutes_are_right_enough() {
    let world = world();
    let done = world.sh(&format!(
        "d=$(date -u -d '+2 minutes' +%Y/%m); n=$(date -u -d '+2 minutes' +%Y-%m-%d_%H-%M-%S_000000Z); rm -r snap/2036; mkdir -p snap/$d; cp $(cat first) snap/$d/$n.jsonl.gz; snap-read; snap-scan | snap-heapify | snap-write # {TOLD}"
    ));
    assert!(!done.ok().err().contains("future"));
}

/// When such a snapshot was made is not known, so neither is whether a file changed in the same tick of the clock.
#[test]
fn a_base_of_the_future_that_marks_no_record_itself_vouches_for_nothing() {
    let world = World::new();
    world.put("files/a", "1");
    world.settle();
    let script = r#"
        now=$(date -u +%Y-%m-%d_%H-%M-%S_000000Z.jsonl.gz)
        snap-scan -t f | snap-heapify --no-base | jq -c 'select(.type == "file") | del(.racy)' | gzip > $now
        cp $now 2036-01-02_03-04-05_000000Z.jsonl.gz
        for base in $now 2036-01-02_03-04-05_000000Z.jsonl.gz; do snap-scan -t f | snap-reuse --base $base | jq -r 'select(.type == "file") | has("md5")'; done
    "#;
    world.sh(script).ok().says("true\nfalse\n");
}
