//! snap-read: the records of a snapshot, however it is named.

use crate::util::World;

/// A world with two snapshots, of one file and of two.
fn world() -> World {
    let world = World::new();
    world.put("files/a", "a");
    world.sh("snap-scan | snap-heapify | snap-write > first").ok();
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify | snap-write > second").ok();
    world
}

#[test]
fn a_snapshot_is_named_by_a_word_a_time_or_a_path() {
    let world = world();
    let names = "| jq -r 'select(.type == \"file\") | .name' | paste -s -d ' '";
    for spec in ["", "latest", "latest~0", "@2100-01-01", "$(cat second)"] {
        world.sh(&format!("snap-read {spec} {names}")).ok().silent().says("a b\n");
    }
    for spec in [
        "latest~1",
        "$(cat first)",
        "@$(basename $(cat first) | sed 's/_/T/; s/_/./; s/-\\(..\\)-\\(..\\)\\./:\\1:\\2./; s/.jsonl.gz//')",
    ] {
        world.sh(&format!("snap-read {spec} {names}")).ok().says("a\n");
    }
    world.sh("snap-read latest~2").status(2).complains("latest~2");
    world.sh("snap-read @2001-01-01").status(2).complains("2001-01-01");
    world.sh("env -u SNAP_ROOT snap-read").status(2).complains("give --snap-root ROOT or set SNAP_ROOT");
}

#[test]
fn the_end_record_says_how_many_records_there_are_unless_it_is_left_off() {
    let world = world();
    world.sh("snap-read | jq -s -e 'last.type == \"end\" and last.records == length - 1 and last.root == env.FILE_ROOT'").ok();
    world.sh("snap-read --no-end | jq -s -e 'all(.type != \"end\")'").ok();
    world.sh("snap-read -o out && snap-read | cmp - out").ok().says("");
}
