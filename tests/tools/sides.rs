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

#[test]
fn files_are_compared_by_what_both_sides_know() {
    let world = World::new();
    let md5 = "0cc175b9c0f1b6a831c399e269772661";
    let one = |file: &str, keys: &str| drop(world.put(file, format!("{{\"name\":\"x\",\"type\":\"file\",{keys}}}\n")));
    let cases = [
        ("\"size\":1", "\"size\":2", "size", "!"),
        ("\"size\":1", "\"size\":1", "size", ""),
        ("\"size\":1", "\"size\":1", "size,md5", "?"),
        ("\"size\":1,\"md5\":\"MD5\"", "\"size\":1,\"etag\":\"\\\"MD5\\\"\"", "size,md5", ""),
        ("\"size\":1,\"md5\":\"MD5\"", "\"size\":1,\"etag\":\"\\\"MD5-2\\\"\"", "size,md5", "?"),
        // An encrypted object has an etag that only looks like an md5.
        ("\"size\":1,\"md5\":\"MD5\"", "\"size\":1,\"etag\":\"92eb5ffee6ae2fec3ad71c777531578f\"", "size,md5", "?"),
        ("\"size\":1,\"md5\":\"MD5\"", "\"size\":2,\"etag\":\"\\\"MD5\\\"\"", "size,md5", "!"),
        ("\"md5\":\"MD5\"", "\"md5\":\"92eb5ffee6ae2fec3ad71c777531578f\"", "md5", "!"),
        ("\"etag\":\"a\"", "\"etag\":\"\\\"a\\\"\"", "etag", ""),
        ("\"etag\":\"a\"", "\"etag\":\"b\"", "etag", "!"),
        ("\"etag\":\"a\"", "\"size\":1", "etag", "?"),
        // S3 lists milliseconds.
        ("\"modified\":\"2026-01-01T00:00:00.123456789Z\"", "\"modified\":\"2026-01-01T00:00:00.123Z\"", "modified", ""),
        ("\"modified\":\"2026-01-01T00:00:00.123456789Z\"", "\"modified\":\"2026-01-01T00:00:00.124Z\"", "modified", "!"),
        (
            "\"size\":1,\"modified\":\"2026-01-01T00:00:00Z\"",
            "\"size\":1,\"modified\":\"2026-01-01T00:00:00Z\"",
            "size,modified",
            "",
        ),
    ];
    for (left, right, by, sign) in cases {
        one("left", &left.replace("MD5", md5));
        one("right", &right.replace("MD5", md5));
        let expected = if sign.is_empty() { String::new() } else { format!("{sign} x\n") };
        let done = world.sh(&format!("snap-diff -f names --by {by} left right"));
        assert_eq!((done.out(), done.code()), (expected, Some(i32::from(!sign.is_empty()))), "{left} {right} {by}{done}");
    }
    // Without the option, files without md5 can't be compared.
    world.sh("snap-diff left right").status(2).complains("compare by other keys");
    world.sh("snap-diff --by md5 --stat left right | grep -v ' 0 B$'").status(1).says("unsure               1  1 B → 1 B\n");
}

#[test]
fn moved_files_have_both_names() {
    let world = World::new();
    for (name, content) in [("a/one", "1"), ("a/two", "2"), ("b", "b"), ("empty", ""), ("a/copy", "2"), ("stays", "s")] {
        world.put(&format!("files/{name}"), content);
    }
    world.sh("snap-scan | snap-heapify | snap-write; cd files; mv a c; mv b $'n\\xff'; mv empty void; echo s > fresh").ok();
    world.sh("snap-scan | snap-heapify | snap-write; snap-diff --moves > rows || [ $? = 1 ]").ok();
    let pairs = r#"jq -r 'select(.moved_to or .moved_from) | [.status, .name, (.moved_to // .moved_from)] | join(" ")' rows"#;
    world.sh(pairs).ok().says(
        "only_left a/copy c/copy\nonly_left a/one c/one\nonly_left a/two c/two\nonly_left b n\u{fffd}\nonly_right c/copy a/copy\nonly_right c/one a/one\nonly_right c/two a/two\nonly_right n\u{fffd} b\n",
    );
    world.sh("jq -r 'select(.name == \"b\").moved_to_bytes' rows | base64 -d | od -An -tx1 | tr -d ' '").ok().says("6eff\n");
    // All else is as without the option.
    world.sh("snap-diff > plain || [ $? = 1 ]; jq -c 'del(.moved_to, .moved_to_bytes, .moved_from, .moved_from_bytes)' rows | diff - <(jq -c . plain)").ok();
    world.sh("snap-diff --moves -f names | grep -e '- b'").status(1).says("- b → n\\xff\n");
    world.sh("snap-diff --moves -f table | grep -c '←'").status(1).says("4\n");
    world.sh("snap-patch latest~1 rows | snap-write > /dev/null; snap-diff latest~1 latest").ok().silent();
}
