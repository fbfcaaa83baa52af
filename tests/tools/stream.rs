//! The contract of the stream: its end, its errors, stages that die, readers that go away, other tools in between.

use crate::util::trees::{self, Tree, contents, listing};
use crate::util::{Done, World, wait_for};
use std::fs;
use std::os::unix::ffi::OsStrExt;

/// Published snapshots, whatever else lies around.
fn published(world: &World) -> usize {
    world.files_below("snap").iter().filter(|p| p.as_os_str().as_bytes().ends_with(b".jsonl.gz")).count()
}

/// A world with enough files that their records do not fit into a pipe.
fn many_files() -> World {
    let world = World::new();
    // Their names alone are more than pipes hold, so that nobody has put out all of them when a reader goes away.
    let long = "a file with a name of some length ".repeat(6);
    for n in 0..1500 {
        world.put(&format!("files/{:02}/{long}{n:04}", n % 40), format!("content {}\n", n % 700));
    }
    world
}

#[test]
fn a_stream_ends_with_its_end_record() {
    let world = World::with(Tree::Files);
    let end = |done: Done| done.ok().silent().lines().pop().unwrap_or_default();
    let scanned =
        end(world.sh("snap-scan > list.jsonl; jq -cS 'select(.type == \"end\") | {errors, name, records, type}' list.jsonl"));
    let lines = world.sh("wc -l < list.jsonl").ok().out().trim().parse::<u64>().unwrap() - 1;
    assert_eq!(scanned, format!("{{\"errors\":0,\"name\":\"\",\"records\":{lines},\"type\":\"end\"}}"));
    let end_of = "jq -cS 'select(.type == \"end\") | {errors, name, records, type}'";
    assert_eq!(end(world.sh(&format!("snap-heapify < list.jsonl | tee heapified.jsonl | {end_of}"))), scanned);
    world.sh("snap-write < heapified.jsonl").ok();
    assert_eq!(end(world.sh(&format!("snap-read | {end_of}"))), scanned);
    for tool in ["snap-scan", "snap-read", "snap-diff latest latest --status equal"] {
        world.sh(&format!("{tool} --no-end > out.jsonl")).ok();
        assert_eq!(world.sh("jq -c 'select(.type == \"end\")' out.jsonl").ok().out(), "", "{tool}");
        assert_eq!(world.sh("wc -l < out.jsonl").ok().out().trim(), lines.to_string(), "{tool}");
    }
}

#[test]
fn how_far_the_work_is_is_shown_to_those_who_ask() {
    let world = World::with(Tree::Files);
    let count = world.sh("snap-scan --type f --no-end | wc -l").ok().out().trim().to_string();
    let size = world.sh("snap-scan --type f --no-end | jq -s 'map(.size) | add'").ok().out().trim().to_string();
    assert!(count.parse::<u64>().unwrap() < 1000 && size.parse::<u64>().unwrap() > 1000);
    // A line at the end; nothing of it on standard output.
    let told = |tool: &str, done: Done| {
        let err = done.ok().err();
        let line = err.lines().find(|l| l.contains("/s, ")).unwrap_or_else(|| panic!("{tool}: {err}"));
        assert!(line.starts_with(&format!("{tool}: {count} files, ")) && !err.contains('\r'), "{err}");
        assert!(!line.contains("requests"), "nothing was asked of another storage: {err}");
    };
    told("snap-heapify", world.sh("snap-scan --type f | snap-heapify --progress > list.jsonl"));
    told("snap-verify", world.sh("snap-verify --progress < list.jsonl"));
    world.sh("snap-write < list.jsonl").ok();
    told("snap-restore", world.sh("snap-read | snap-restore --progress --file-root out"));
    told("snapshooter", world.sh("snapshooter make-snapshot --progress --loglevel ERROR"));
    // On a terminal it is drawn while the work goes on, and messages stand above it.
    let until = "i=0; until [ -e drawn ] || ((i++ > 5000000)); do :; done";
    world.put(
        "slow.sh",
        format!("(head -n 1 list.jsonl; {until}; tail -n +2 list.jsonl) | snap-heapify --progress -o again.jsonl; : > drawn\n"),
    );
    let seen = "while IFS= read -r -n 1 c; do [ \"$c\" != s ] || : > drawn; printf %s \"$c\"; done";
    let done = world.sh(&format!("TERM=xterm script -qec 'bash slow.sh' /dev/null < /dev/null | {seen}")).ok();
    assert!(done.out().matches("snap-heapify: ").count() > 1, "{done}");
    assert!(done.out().contains("snap-heapify: ") && done.out().contains(&format!("{count} files, ")), "{done}");
}

#[test]
fn a_stream_that_does_not_end_is_not_published() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify > list.jsonl").ok();
    // A filter that neither publishes nor deletes says nothing of it, and makes up no end.
    world.sh("head -n -1 list.jsonl | snap-heapify | jq -c 'select(.type == \"end\")'").ok().silent().says("");
    let done = world.sh("head -n 5 list.jsonl | snap-heapify | snap-write").status(2).complains("--unterminated");
    assert!(done.err().lines().count() <= 2, "{done}");
    assert_eq!(published(&world), 0);
    world.sh("tail -n 1 list.jsonl | cat list.jsonl - | snap-write").status(2).complains("after the end record");
    world.sh("(tail -n 1 list.jsonl; head -n 3 list.jsonl) | snap-write").status(2).complains("after the end record");
    world.sh("snap-write < /dev/null").status(2);
    assert_eq!(published(&world), 0);
    assert!(!world.path("snap").exists() || world.files_below("snap").is_empty(), "{:?}", world.files_below("snap"));
    world.sh("head -n 5 list.jsonl | snap-write --unterminated").ok();
    assert_eq!(world.sh("snap-read --no-end").ok().lines().len(), 5);
}

#[test]
fn killing_any_stage_in_mid_stream_publishes_nothing() {
    // Each stage says its process id and then becomes the tool. The gate keeps the stream open until the stage is dead.
    let stage = |name: &str| format!("(echo $BASHPID > {name}.pid; exec snap-{name})");
    let gated = "(head -n 700 list.jsonl; touch half; read -r _ < gate; tail -n +701 list.jsonl)";
    let scripts = [
        ("scan", format!("{} | (touch half; read -r _ < gate; cat) | {} | {}", stage("scan"), stage("heapify"), stage("write"))),
        ("heapify", format!("{gated} | {} | {}", stage("heapify"), stage("write"))),
        ("write", format!("{gated} | {} | {}", stage("heapify"), stage("write"))),
        // Without a victim the very same is published.
        ("", format!("{gated} | {} | {}", stage("heapify"), stage("write"))),
    ];
    for (victim, script) in scripts {
        let world = many_files();
        world.sh("mkfifo gate; snap-scan -o list.jsonl").ok();
        let child = world.start(&script);
        if victim.is_empty() {
            world.sh("echo > gate").ok();
            world.finish(&script, child).ok();
            assert_eq!(published(&world), 1);
            continue;
        }
        let read = |path: &str| fs::read_to_string(world.path(path)).unwrap_or_default();
        let pid = || read(&format!("{victim}.pid")).trim().to_string();
        wait_for("the stage to run", || {
            let comm = fs::read_to_string(format!("/proc/{}/comm", pid())).unwrap_or_default();
            world.path("half").exists() && comm.starts_with("snap-")
        });
        if victim == "scan" {
            let written = |line: &str| line.strip_prefix("wchar: ").and_then(|n| n.parse::<u64>().ok());
            let io = || fs::read_to_string(format!("/proc/{}/io", pid())).unwrap_or_default();
            wait_for("the pipe to be full", || io().lines().find_map(written).is_some_and(|n| n >= 60_000));
        }
        world.sh(&format!("kill -KILL {}", pid())).ok();
        wait_for("the stage to be dead", || {
            let stat = fs::read_to_string(format!("/proc/{}/stat", pid())).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        });
        // The producer may be gone already, then nobody opens the gate.
        world.sh("timeout 1 bash -c 'echo > gate'").code();
        let done = world.finish(&script, child);
        assert!(done.code() != Some(0), "{victim}: {done}");
        assert_eq!(published(&world), 0, "{victim}: {done}");
        assert!(!done.err().contains("panicked"), "{victim}: {done}");
        // What is left behind does not keep the next backup from being whole.
        world.sh("snap-scan | snap-heapify | snap-write").ok();
        world.sh("snap-read | snap-restore --file-root back").ok();
        assert!(contents(&world.path("back")) == contents(&world.path("files")), "{victim}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let world = many_files();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("mkdir empty; snap-scan empty | snap-heapify --file-root empty --no-store | snap-write --snap-root other").ok();
    let stages = [
        "snap-scan",
        "snap-read",
        "snap-read | snap-heapify --no-store",
        "snap-diff other/*/*/*.gz latest",
        "snap-diff other/*/*/*.gz latest --format table",
        "snap-diff other/*/*/*.gz latest --format names",
    ];
    for stage in stages {
        let done = world.sh(&format!("{stage} | head -n 1")).ok().silent();
        assert_eq!(done.lines().len(), 1, "{done}");
    }
    world.sh("snap-scan --type f | snap-heapify | snap-cat | head -c 1 > /dev/null").ok().silent();
    // What was being stored is finished: no temporary files stay.
    world.sh("snap-scan | snap-heapify --heap-root fresh --no-base | head -n 1").ok().silent();
    let left: Vec<_> = world.files_below("fresh").into_iter().filter(|p| p.extension().is_none_or(|e| e != "gz")).collect();
    assert!(left.is_empty() && world.files_below("fresh/temp").is_empty(), "{left:?}");
}

#[test]
fn jq_and_line_ends_of_other_systems_in_the_middle() {
    for between in ["jq -c .", "jq -cS .", "sed 's/$/\\r/'", "sed 's/$/\\n/'", "sed 's/^/  /; s/$/  /'"] {
        for tree in [Tree::Files, Tree::Tricky] {
            let world = World::with(tree);
            let script = format!("snap-scan | {between} | snap-heapify | {between} | snap-write");
            world.sh(&script).ok();
            world.sh(&format!("snap-read | {between} | snap-restore --file-root back")).ok().silent();
            let (left, right) = (listing(&world.path("files")), listing(&world.path("back")));
            assert_eq!(left.keys().collect::<Vec<_>>(), right.keys().collect::<Vec<_>>(), "{between}");
            assert!(left == right, "{between}");
        }
    }
}

#[test]
fn what_a_tool_does_not_know_passes_byte_for_byte() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify > list.jsonl").ok();
    let odd = r#""x-mine":{"z": 1.50,  "a":[1e3, "\u00fc"]}"#;
    let script = format!("sed '/\"end\"/!s|^{{|{{{}, |' list.jsonl > odd.jsonl", odd.replace('\\', "\\\\"));
    world.sh(&script).ok();
    let records = world.sh("head -n -1 odd.jsonl").ok().out();
    assert!(records.lines().all(|l| l.contains(odd)), "{records}");
    world.sh("snap-heapify < odd.jsonl | head -n -1 | cmp - <(head -n -1 odd.jsonl)").ok();
    world.sh("snap-write < odd.jsonl").ok();
    world.sh("snap-read --no-end").ok().says(&records);
    let rows = world.sh("snap-diff latest latest --status equal --no-end").ok().out();
    for (row, record) in rows.lines().zip(records.lines()) {
        assert!(row.starts_with(&format!("{{\"left\":{record},\"name\":")), "{row}");
    }
    // A record that a tool does change keeps what it does not know.
    world
        .sh("jq -c 'del(.md5)' odd.jsonl | snap-heapify --no-base | grep -c x-mine")
        .ok()
        .says(&format!("{}\n", records.lines().count()));
}

#[test]
fn what_fails_for_one_record_is_a_record_and_the_rest_goes_on() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan > list.jsonl; rm files/a.txt files/dup/one").ok();
    let done = world.sh("snap-heapify < list.jsonl > out.jsonl").status(1);
    let lines: Vec<String> = done.err().lines().map(str::to_string).collect();
    assert!(lines.len() == 2 && lines[0].starts_with("snap-heapify: a.txt: "), "{done}");
    assert!(lines[1].starts_with("snap-heapify: dup/one: "), "{done}");
    world.sh("jq -r 'select(.type == \"error\") | .name' out.jsonl").ok().says("a.txt\ndup/one\n");
    world.sh("jq -r 'select(.type == \"end\") | .errors' out.jsonl").ok().says("2\n");
    world.sh("diff <(jq -r .name list.jsonl) <(jq -r .name out.jsonl)").ok();
    world.sh("snap-write < out.jsonl").status(2).complains("--partial");
    assert_eq!(published(&world), 0);
    world.sh("snap-write --partial < out.jsonl").ok();
    world.sh("snap-read | snap-restore --file-root back").code();
    assert!(contents(&world.path("back")) == contents(&world.path("files")));
    // Records without md5 have to go through heapify first.
    world.sh("snap-scan | snap-write").status(2).complains("snap-heapify");
    assert_eq!(published(&world), 1);
}

#[test]
fn a_list_in_disorder_is_put_in_order() {
    let world = World::with(Tree::Tricky);
    world.sh("snap-scan | snap-heapify > list.jsonl; (head -n -1 list.jsonl | tac; tail -n 1 list.jsonl) > tac.jsonl").ok();
    world.sh("snap-write < tac.jsonl").ok();
    world.sh("snap-read | cmp - <(sed 's/,\"work\":{[^}]*}//' list.jsonl)").ok();
    world.sh("snap-diff latest - < tac.jsonl").ok().silent();
    world.sh("snap-restore --file-root back < tac.jsonl").ok();
    assert!(listing(&world.path("back")) == listing(&world.path("files")));
}

#[test]
fn an_output_file_appears_whole_or_not_at_all() {
    let world = World::with(Tree::Files);
    trees::put(&world.path("files"), "unlisted", "x", 0, 0o644);
    world.sh("mkdir out; snap-scan -o out/list.jsonl").ok().silent().says("");
    world.sh("snap-scan | cmp - out/list.jsonl").ok();
    world.sh("(head -n 3 out/list.jsonl; echo broken) | snap-heapify --no-store -o out/half.jsonl").status(2);
    world.sh("snap-scan --file-root gone -o out/gone.jsonl").status(2);
    assert_eq!(world.files_below("out"), [world.path("out/list.jsonl")]);
    // What was there before stays.
    world.sh("cp out/list.jsonl before; snap-scan --file-root gone -o out/list.jsonl").status(2);
    world.sh("cmp before out/list.jsonl").ok();
}
