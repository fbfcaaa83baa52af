//! snap-write: what is published, with which label, and what is refused.

use crate::util::World;

fn world() -> World {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.put(&format!("files/{name}"), name);
    }
    world.sh("snap-scan | snap-heapify > list").ok();
    world
}

#[test]
fn the_path_of_the_snapshot_is_printed_and_its_label_says_what_it_is() {
    let world = world();
    world.sh("snap-write list --tag x --host box > path && snap-list | cmp - path").ok().says("");
    let label = "[.tags, .host, .root == env.FILE_ROOT, .records, .filtered, .before_restore]";
    world.sh(&format!("snap-list --json | jq -c '{label}'")).ok().says("[[\"x\"],\"box\",true,3,null,null]\n");
    world.sh("snap-write list --before-restore > before; snap-read latest -o read; snap-read $(cat path) | cmp - read").ok();
    world.sh("snap-list | head -n 1 | cmp - before").ok();
}

#[test]
fn a_dry_run_checks_and_publishes_nothing() {
    let world = world();
    world.sh("snap-write --dry-run list").ok().says("").complains("3 records would be published");
    world.sh("test ! -e snap").ok();
    world.sh("head -n 2 list | snap-write --dry-run").status(2).complains("--unterminated");
}

#[test]
fn records_that_were_left_out_mark_the_snapshot_or_are_refused() {
    let world = world();
    world.sh("jq -c 'select(.name != \"b\")' list > part").ok();
    world.sh("snap-write --whole part").status(2).complains("the stream is not whole: 2 of 3 listed records came");
    world.sh("snap-write part").ok().complains("2 of 3 listed records came");
    world.sh("snap-list --json --limit 1 | jq -c '[.filtered, .records]'").ok().says("[true,2]\n");
    world.sh("snap-write --complete part").ok().silent();
    world.sh("snap-list --json --limit 1 | jq -c '[.filtered, .complete, .records]'").ok().says("[null,true,2]\n");
    world.sh("head -n 1 list | snap-write --unterminated").ok();
    world.sh("snap-list --json --limit 1 | jq -c '[.filtered, .records]'").ok().says("[true,1]\n");
}

#[test]
fn no_records_after_some_are_refused_and_failures_are_published_when_asked() {
    let world = world();
    world.sh("snap-write list; rm files/*; snap-scan | snap-write").status(2).complains("--allow-empty");
    world.sh("snap-scan | snap-write --allow-empty").ok();
    world.sh("(head -n 2 list; echo '{\"name\":\"c\",\"type\":\"error\",\"error\":\"e\"}'; tail -n 1 list) > failed").ok();
    world.sh("snap-write failed").status(2).complains("--partial");
    world.sh("snap-write --partial failed").ok().complains("1 record missing in the snapshot");
    world.sh("snap-list --json --limit 1 | jq -c '[.errors, .records]'").ok().says("[1,2]\n");
}

#[test]
fn records_that_lose_their_order_anywhere_make_the_same_snapshot() {
    let world = World::new();
    let folder = |n: u32| format!("{{\"name\":\"{n:06}\",\"note\":\"{}\",\"type\":\"directory\"}}\n", "x".repeat(400));
    let failure = "{\"error\":\"x\",\"name\":\"000001\",\"type\":\"error\"}\n";
    let end = "{\"name\":\"\",\"records\":15001,\"type\":\"end\"}\n";
    // Several members: 6 MB of text.
    let records: Vec<String> = (0..15_000).map(folder).collect();
    world.put("list", [&records.concat(), failure, end].concat());
    world.sh("snap-write --partial list && snap-read latest | tee first | wc -l").ok();
    world.sh("wc -l < first").ok().says("15001\n");
    for at in [1, 2, 2_000, 14_999] {
        // The first record comes after so many others, one of which comes twice, and a failure.
        let (before, after) = records.split_at(at + 1);
        world.put("list", [&before[1..].concat(), failure, &before[0], &before[at], &after.concat(), end].concat());
        world.sh("snap-write list").status(2).complains("1 record failed before");
        let written = world.sh("snap-write --partial list && snap-read latest | cmp - first");
        written.ok().complains(&format!("{at:06}: this name came twice with the same content, once is kept"));
    }
}
