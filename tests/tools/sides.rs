//! What snap-diff takes for a side: snapshots, and streams in files, plain and compressed.

use crate::util::World;

/// A world with a snapshot, a list of the same, and a list in which `a` is another and `b` is missing.
fn world() -> World {
    let world = World::new();
    for name in ["a", "b", "d/c"] {
        world.put(&format!("files/{name}"), name);
    }
    world.sh("snap-scan | snap-heapify | tee same.jsonl | snap-write").ok();
    world.sh("jq -c 'select(.name != \"b\") | if .name == \"a\" then .md5 = \"d41d8cd98f00b204e9800998ecf8427e\" else . end' same.jsonl > other.jsonl").ok();
    for list in ["same", "other"] {
        world.sh(&format!("gzip -k {list}.jsonl; head -n -1 {list}.jsonl > {list}-open.jsonl; gzip -k {list}-open.jsonl")).ok();
        // Not in order, and with CRLF.
        world.sh(&format!("(head -n -1 {list}.jsonl | tac; tail -n 1 {list}.jsonl) | sed 's/$/\\r/' > {list}-tac.jsonl")).ok();
    }
    world
}

#[test]
fn a_side_is_a_snapshot_or_a_stream_in_a_file_plain_or_compressed() {
    let world = world();
    for list in ["same.jsonl", "same-tac.jsonl", "same.jsonl.gz", "- < same.jsonl"] {
        world.sh(&format!("snap-diff latest {list}")).ok().silent();
        world.sh(&format!("snap-diff same.jsonl {list}")).ok().silent();
    }
    for list in ["other.jsonl", "other-tac.jsonl", "other.jsonl.gz"] {
        let names = |command: &str| world.sh(&format!("snap-diff --format names {command}")).status(1).silent();
        names(&format!("latest {list}")).says("! a\n- b\n");
        names(&format!("{list} latest")).says("! a\n+ b\n");
        names(&format!("{list} - < same.jsonl")).says("! a\n+ b\n");
        world.sh(&format!("snap-diff latest {list} | tail -n 1 | jq -c .type")).status(1).says("\"end\"\n");
    }
}

#[test]
fn rows_of_a_stream_without_an_end_have_none() {
    let world = world();
    for sides in ["latest other-open.jsonl", "other-open.jsonl latest", "same.jsonl other-open.jsonl"] {
        let rows = world.sh(&format!("snap-diff {sides} > rows"));
        rows.status(1).silent();
        world.sh("jq -c .type rows | sort | uniq -c | tr -d ' '").ok().says("2null\n");
    }
    // What is compressed and has no end is taken for a snapshot of the Python tool, which has files only and never an end.
    world.sh("snap-diff --format names latest other-open.jsonl.gz").status(1).says("! a\n- b\n");
    world.sh("snap-diff latest other-open.jsonl.gz | tail -n 1 | jq -c .type").status(1).says("\"end\"\n");
}

#[test]
fn snap_read_says_what_a_file_is_that_is_no_snapshot() {
    let world = world();
    for list in ["same.jsonl", "same-open.jsonl", "same-tac.jsonl"] {
        let done = world.sh(&format!("snap-read {list}")).status(2).says("");
        done.complains("is no snapshot but a stream of records");
    }
    // A compressed stream is read, and keeps its own end.
    world.sh("snap-read same.jsonl.gz | cmp - same.jsonl").ok();
    world.put("garbage", "garbage");
    world.sh("snap-read garbage").status(2).complains("damaged");
    world.put("empty", "");
    world.sh("snap-read empty").status(2).complains("it is empty");
    world.sh("snap-diff empty latest").status(2).complains("it is empty");
    world
        .sh("(cat same.jsonl; head -n 1 same.jsonl) | gzip > behind.gz; snap-read behind.gz")
        .status(2)
        .complains("after the end record");
}
