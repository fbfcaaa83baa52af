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

#[test]
fn a_snapshot_has_the_time_that_is_given() {
    let world = world();
    for (time, path) in [
        ("2024-05-06T07:08:09.123456789Z", "2024/05/2024-05-06_07-08-09_123456Z"),
        ("@2024-05-06", "2024/05/2024-05-06_00-00-00_000000Z"),
        ("2024-05-06 07:08+02:00", "2024/05/2024-05-06_05-08-00_000000Z"),
    ] {
        let path = format!("{}/{path}.jsonl.gz\n", world.path("snap").display());
        world.sh(&format!("snap-write --time '{time}' list")).ok().silent().says(&path);
        let again = world.sh(&format!("snap-write --time '{time}' list")).status(2);
        again.complains(&format!("there is a snapshot of that time already: {path}")).complains("--replace");
        world.sh(&format!("snap-write --dry-run --time '{time}' list")).status(2).complains("already");
    }
    world.sh("snap-list | wc -l").ok().says("3\n");
    world.sh("snap-write --time yesterday list").status(2).complains("--time: yesterday: not a time");
    world.sh("snap-write --time '+292277026596-12-04T15:30:07Z' list").status(2).complains("--time");
    world.sh("snap-write --replace list").status(2).complains("--time <TIME>");
    world.sh("snap-write --like-storage-options '{}' list").status(2).complains("--like <SNAPSHOT>");
}

#[test]
fn a_snapshot_is_replaced_in_one_step_and_by_nothing_that_is_not_whole() {
    let world = world();
    world.sh("snap-write --tag old --host box list").ok();
    let before = world.sh("snap-list > path; cat $(cat path) | md5sum").ok().out();
    let filter = "jq -c 'select(.name != \"b\")'";
    // What fails leaves the old one as it was.
    world.sh("head -n 2 list | snap-write --like latest --replace").status(2).complains("--unterminated");
    world.sh("jq -c 'if .name == \"b\" then .md5 = null else . end' list | snap-write --like latest --replace").status(2);
    world.sh(&format!("{filter} list | snap-write --like latest --replace --whole")).status(2);
    world.sh("jq -c 'select(.type == \"end\")' list | snap-write --like latest --replace").status(2).complains("has some");
    world.sh("snap-write --like latest --replace --dry-run list").ok();
    world.sh("cat $(cat path) | md5sum").ok().says(&before);
    world
        .sh(&format!("snap-read | {filter} | snap-write --like latest --replace --complete --tag new | cmp - path"))
        .ok()
        .silent();
    world.sh("snap-list | cmp - path && snap-read --no-end | jq -r .name").ok().says("a\nc\n");
    let label = "[.tags, .host, .root == env.FILE_ROOT, .complete, .filtered, .records]";
    world.sh(&format!("snap-list --json | jq -c '{label}'")).ok().says("[[\"old\",\"new\"],\"box\",true,true,null,2]\n");
    // Without --complete it is known that something is missing, also where that was intended before.
    world.sh("snap-read | jq -c 'select(.name != \"c\")' | snap-write --like latest --replace").ok();
    world.sh("snap-list --json | jq -c '[.complete, .filtered, .records]'").ok().says("[null,true,1]\n");
    // Where there is none, it is published.
    world.sh("snap-write --time 2024-01-01 --replace list && snap-list | wc -l").ok();
    assert_eq!(world.files_below("snap").len(), 2, "nothing else is left");
}

#[test]
fn a_copy_has_time_and_label_of_its_original_unless_options_say_other_ones() {
    let mut world = world();
    world.sh("snap-write --tag x --host box --before-restore list > before; snap-write --tag y --host box list > path").ok();
    // Neither the variable nor this machine is the original's.
    world.set("FILE_ROOT", world.path("elsewhere"));
    let describe = "jq -cS 'del(.path, .stored_size)'";
    for original in ["before", "path"] {
        world.sh(&format!("snap-read $(cat {original}) | snap-write --snap-root copy --like $(cat {original})")).ok().silent();
    }
    world.sh(&format!("snap-list --json | {describe} > all; snap-list --json --snap-root copy | {describe} | diff all -")).ok();
    let more = "--time 2024-01-01 --host other --file-root /r --tag y --tag z --before-restore";
    world.sh(&format!("snap-write list --like $(cat path) {more}")).ok();
    let label = "[.time, .host, .root, .tags, .before_restore]";
    let says = "[\"2024-01-01T00:00:00.000000000Z\",\"other\",\"/r\",[\"y\",\"z\"],true]\n";
    world.sh(&format!("snap-list --json --order asc --limit 1 | jq -c '{label}'")).ok().says(says);
    // A snapshot without a time in its name.
    world
        .sh("cp $(cat path) saved.jsonl.gz; snap-write list --like saved.jsonl.gz")
        .status(2)
        .complains("give the time with --time");
    world.sh("snap-write list --like saved.jsonl.gz --time 2024-01-02").ok();
    world.sh("snap-write list --like nowhere").status(2).complains("no snapshot nowhere");
    world.sh("snap-write list --like latest --snap-root nowhere").status(2).complains("nowhere");
    world.sh("test ! -e nowhere").ok();
}

#[test]
fn as_many_records_may_be_missing_as_in_the_original() {
    let world = world();
    let failed = "jq -c 'if .name == \"b\" then {name, type: \"error\", error: \"e\"} else . end'";
    world.sh(&format!("{failed} list | snap-write --partial > path")).ok();
    world.sh("snap-read $(cat path) | snap-write --snap-root copy --like $(cat path)").ok().complains("1 record missing");
    world.sh("snap-list --json --snap-root copy | jq -c '[.errors, .records]'").ok().says("[1,2]\n");
    world.sh("(head -n 1 list; echo '{\"name\":\"c\",\"type\":\"error\",\"error\":\"e\"}'; echo '{\"name\":\"d\",\"type\":\"error\",\"error\":\"e\"}'; tail -n 1 list) | snap-write --snap-root copy3 --like $(cat path)")
        .status(2)
        .complains("2 records failed before");
}
