//! Progress on a terminal, in a log and as JSON; SIGUSR1; the line at the end; the work that a snapshot remembers.

use crate::util::measure::state;
use crate::util::screen::Screen;
use crate::util::trees::Tree;
use crate::util::{World, data, wait_for};

/// Runs a script on a terminal of 80 columns, and returns all that was written to it. In the script, the function `slowly` passes
/// its input on: the first half at once, and the rest when `until` was drawn.
fn on_terminal(world: &World, until: &str, script: &str) -> String {
    let wait = "i=0; until [ -e drawn ] || ((i++ > 20000000)); do :; done";
    let slowly = format!("slowly() {{ head -n 20 \"$1\"; {wait}; tail -n +21 \"$1\"; }}");
    world.put("script.sh", format!("stty cols 80; set -o pipefail; {slowly}; {script}\n: > drawn\n"));
    // Notes when the text was drawn, which can come in any pieces.
    let watch = format!(
        "import os, sys\nseen = b''\nwhile data := os.read(0, 4096):\n    seen += data\n    if {until:?}.encode() in seen:\n        \
         open('drawn', 'w')\nsys.stdout.buffer.write(seen)\n"
    );
    world.put("watch.py", watch);
    let done = world.sh("TERM=xterm script -qec 'bash script.sh' /dev/null < /dev/null | python3 watch.py").ok();
    std::fs::remove_file(world.path("drawn")).ok();
    done.out()
}

#[test]
fn a_terminal_shows_one_line_with_a_bar_and_messages_above_it_and_nothing_remains() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write && snap-scan > list && rm -r heap/??").ok();
    let messages = "slowly list | jq -c 'if .name == \"readme.txt\" then .name = \"gone\" else . end'";
    world.put("files/readme.txt", "x");
    world.sh("snap-scan > list").ok();
    let seen = on_terminal(&world, "%", &format!("{messages} | snap-heapify -o done; snap-scan nowhere; :"));
    let screen = Screen::play(&seen, 80);
    let bars: Vec<&String> = screen.seen.iter().filter(|line| line.contains('%')).collect();
    assert!(!bars.is_empty() && bars.iter().all(|bar| bar.starts_with("snap-heapify: [") && bar.contains("B/s")), "{seen:?}");
    let text = screen.text();
    assert!(
        text.iter().all(|line| line.starts_with("snap-heapify: gone: ") || line.starts_with("snap-scan: nowhere: ")),
        "{text:?}"
    );
    assert_eq!(text.len(), 2, "{text:?}");
    assert!(screen.longest < 80);
}

#[test]
fn a_short_run_shows_nothing_and_neither_does_one_without_a_terminal() {
    let world = World::with(Tree::Files);
    let seen = on_terminal(&world, "never", "snap-scan | snap-heapify | snap-write");
    assert!(seen.trim_end().ends_with(".jsonl.gz") && !seen.contains('\x1b') && seen.lines().count() == 1, "{seen:?}");
    world.sh("snap-scan | snap-heapify | snap-write; snap-read | snap-verify; snap-read | snap-restore --file-root out").silent();
    // Not by a longer run either, if it is not wanted, or the terminal can't erase a line.
    world.sh("snap-scan > list").ok();
    for how in ["snap-heapify --progress=never", "TERM=dumb snap-heapify", "env -u TERM snap-heapify"] {
        // The message comes after more than a second.
        let wait = "(read -t 1.3 < <(tail -f /dev/null --pid=$$); cat list; echo told >&2)";
        let seen = on_terminal(&world, "told", &format!("{wait} | {how} -o done"));
        assert_eq!(seen.trim_end(), "told", "{how}");
    }
}

#[test]
fn one_tool_of_a_pipeline_draws_and_the_next_one_takes_over() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan > list; mkdir heap").ok();
    let pipe = "slowly list | snap-heapify --progress=always | snap-copy --to-heap-root other --progress=always -o done";
    let screen = Screen::play(&on_terminal(&world, "/s, ", pipe), 80);
    let drawn: Vec<&str> = screen.seen.iter().filter_map(|line| line.split(": ").next()).filter(|l| !l.is_empty()).collect();
    let mut tools = drawn.clone();
    tools.dedup();
    // Each draws, or only the first; the last lines are of both, in any order.
    let text = screen.text();
    assert!(text.len() == 2 && text.iter().all(|line| line.contains(" files, ")), "{text:?}");
    assert!(tools.len() <= 4, "they take turns: {tools:?}");
}

#[test]
fn progress_is_json_for_programs() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("snap-scan | snap-heapify --progress=json -o list 2> told && snap-read | snap-restore --progress=json --file-root out 2>> told").ok();
    let files = world.sh("snap-scan --type f --no-end | wc -l").ok().out().trim().to_string();
    let told =
        world.sh("jq -c 'select(.end) | [.tool, .files, .expected_files, .bytes == .expected_bytes, .seconds >= 0]' told").ok();
    told.says(&format!("[\"snap-heapify\",{files},{files},true,true]\n[\"snap-restore\",{files},{files},true,true]\n"));
    world.sh("snap-scan | snap-heapify --progress=yes").status(2).complains("snap-heapify");
}

#[test]
fn a_signal_asks_every_tool_for_its_progress() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan > list && mkfifo input").ok();
    let script = "snap-merge input | snap-heapify | snap-write";
    let child = world.start(script);
    let group = child.id();
    // Each tool has a handler before it is asked.
    let ready = format!(
        "n=0; for p in $(pgrep -g {group}); do grep -q '^SigCgt:.*[2367abef]..$' /proc/$p/status && \
         grep -q '^snap-' /proc/$p/comm && n=$((n + 1)); done; [ $n = 3 ]"
    );
    wait_for("the tools to be ready", || world.sh(&ready).code() == Some(0));
    world.sh(&format!("pkill -USR1 -g {group} '^snap-'")).ok();
    world.sh("cat list > input").ok();
    let done = world.finish(script, child).ok();
    for line in ["snap-merge: 0 records, ", "snap-heapify: 0 files, ", "snap-write: 0 records, "] {
        assert!(done.err().lines().any(|told| told.starts_with(line)), "{line}{done}");
    }
    assert_eq!(done.err().lines().count(), 3, "{done}");
}

#[test]
fn a_tool_that_only_reads_records_says_how_many_came() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify > list; mkfifo input").ok();
    // The fifo is open when the tool is ready. The records come before it is asked, and the end record after it has answered.
    world
        .sh("snap-write input > /dev/null 2> told & exec 3> input; head -n -1 list >&3; n=$(head -n -1 list | wc -l); i=0
             until grep -qx \"snap-write: $n records, .* s\" told; do kill -USR1 %1; ((i++ < 100000)) || exit 1; done
             tail -n 1 list >&3; exec 3>&-; wait %1")
        .ok();
}

#[test]
fn a_line_at_the_end_says_what_was_done() {
    let world = World::with(Tree::Files);
    let files = world.sh("snap-scan --type f --no-end | wc -l").ok().out().trim().to_string();
    let records = world.sh("snap-scan --no-end | wc -l").ok().out().trim().to_string();
    let done = world.sh("snap-scan -v | snap-heapify -v | snap-write -v").ok();
    let err = done.err();
    let mut lines: Vec<&str> = err.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines.len(), 3, "{done}");
    assert!(lines[0].starts_with(&format!("snap-heapify: {files} files: ")) && lines[0].contains(" 0 B reused, "), "{done}");
    assert!(lines[1].starts_with(&format!("snap-scan: {records} records, ")), "{done}");
    assert!(lines[2].starts_with(&format!("snap-write: {records} records: ")) && lines[2].contains(" stored, "), "{done}");
    world.sh("snap-read | snap-restore -v --file-root out").ok().complains(&format!("snap-restore: {files} files, "));
    world.sh("snap-read | snap-verify -v").ok().complains(&format!("snap-verify: {files} files, "));
    world.sh("snap-read | snap-to-tar -v > tar; snap-from-tar -v tar").ok().complains("snap-from-tar: ");
    world.sh("snap-put x -v -- echo y").ok().complains("snap-put: 1 file: 2 B read, ");
}

#[test]
fn a_snapshot_remembers_the_work_that_it_took() {
    let mut world = World::with(Tree::Files);
    let size = "$(find heap -name '*.gz' -printf '%s\\n' | jq -s 'add // 0')";
    let all = "$(snap-scan --type f --no-end | jq -s 'map(.size) | add')";
    let work = "snap-list --json --limit 1 | jq -e";
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh(&format!("{work} \".work | .read == {all} and .stored == {size} and .reused == 0 and .seconds > 0\"")).ok();
    world.settle();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.put("files/new", "0123456789".repeat(1000));
    world.sh(&format!("before={size}; snap-scan | snap-heapify | snap-write; {work} \".work | .read >= 10000 and .read + .reused == {all} and .stored == {size} - $before and .stored > 0\"")).ok();
    // A merge adds up, a copy of a snapshot keeps what its original says, and what is read again starts anew.
    world.sh("snap-put a -- echo one > a; snap-put b -- echo three > b; snap-merge a b | jq -e 'select(.type == \"end\") | .work.read == 10'").ok();
    world.sh("jq -c 'select(.type != \"end\")' a > c; snap-merge --slices b c | jq -e 'select(.type == \"end\") | .work.read == 6'").ok();
    world
        .sh(&format!(
            "a=$({work} .work); snap-read | snap-write --like latest --replace --tag x; [ \"$a\" = \"$({work} .work)\" ]"
        ))
        .ok();
    world.sh("snap-read | jq -e 'select(.type == \"end\") | has(\"work\") | not'").ok();
    world.sh(&format!("snap-read | snap-write; {work} '.work | .read + .stored + .reused == 0'")).ok();
    world.sh("snap-scan | tail -n 1 > 1; snap-scan | tail -n 1 | cmp - 1").ok();
    // The command line of the Python tool does the same.
    world.put("files/newer", "9876543210".repeat(1000));
    world
        .sh(&format!(
            "before={size}; snapshooter make-snapshot 2> log; {work} \".work | .stored == {size} - $before and .stored > 0\""
        ))
        .ok();
    world.sh("snap-list --json | jq -se 'all(.files > 0 and .bytes > 0)'").ok();
    world.set("SNAP_ROOT", data("python-local").join("snap"));
    world.sh("snap-list --json | jq -e 'has(\"files\") or has(\"work\") | not'").ok();
}

#[test]
fn the_table_of_snapshots_has_what_people_ask_for() {
    let mut world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write --tag daily").ok();
    world.sh("snap-scan -e '*.txt' | snap-heapify | snap-write").ok();
    world.sh("snap-scan | snap-heapify | snap-write --before-restore; snap-put dump -- echo x | snap-write --tag a,b").ok();
    let table = world.sh("snap-list --long").ok().silent().lines();
    assert_eq!(table[0].split_whitespace().collect::<Vec<_>>(), ["TIME", "AGE", "FILES", "SIZE", "NEW", "TAGS", "ROOT"]);
    let files = world.path("files").display().to_string();
    let ends = [
        "  a,b    (snap-put)",
        &format!("  -      {files} (before a restore)"),
        &format!("  -      {files} (filtered)"),
        &format!("  daily  {files}"),
    ];
    for (line, end) in table[1..].iter().zip(ends) {
        assert!(line.ends_with(end), "{line} | {end}");
    }
    let count = world.sh("snap-scan -t f --no-end | wc -l").ok().out();
    assert_eq!(table[4].split_whitespace().nth(3), Some(count.trim()));
    assert_eq!(table.len(), 5);
    // As wide as the terminal, with a long root cut at its start.
    let shown = on_terminal(&world, "never", "snap-list --long --color=never");
    assert!(Screen::play(&shown, 80).longest <= 80 && shown.contains('…'), "{shown}");
    // The records of the Python tool are counted.
    let snap = data("python-local").join("snap");
    world.set("SNAP_ROOT", &snap);
    let table = world.sh("snap-list --long").ok().lines();
    let count = world.sh("snap-read | jq -s 'map(select(.type == \"file\")) | length'").ok().out();
    assert_eq!(table[1].split_whitespace().nth(3), Some(count.trim()), "{table:?}");
    assert!(table[1].ends_with("  -     -"), "{table:?}");
    // A damaged one is reported, and the others are listed.
    world.sh("cp -r \"$SNAP_ROOT\" snaps && chmod -R u+w snaps && echo x > \"$(find snaps -name '*.gz' | head -n 1)\"").ok();
    world.sh("snap-list --long --snap-root snaps").status(1).complains("is damaged");
    world.sh("mkdir none; snap-list --long --snap-root none").ok().says("");
}

#[test]
fn a_dry_run_says_what_would_be_stored_and_changes_nothing() {
    let world = World::with(Tree::Files);
    world.put("files/large", "0123456789abcdef".repeat(400_000));
    world.put("files/same", "0123456789abcdef".repeat(400_000));
    world.settle();
    let plan = "snap-scan | snap-heapify --dry-run > plan";
    let told = world.sh(plan).ok().complains(" would be stored: ").err();
    assert!(!world.path("heap").exists(), "not even the heap root is made");
    world.sh("snap-write plan").status(2).complains("no md5");
    let rows = world.sh("jq -s 'length' plan").ok().out();
    assert!(told.contains(&format!(", {} contents would be stored", rows.trim())), "{told}");
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    let objects = "find heap/?? -name '*.gz' -printf '%s\\n'";
    world.sh(&format!("diff <({objects} | sort -n) <(jq .stored_size plan | sort -n)")).ok();
    // Of an existing heap, only what it lacks.
    world.put("files/new", "something new");
    let before = state(&world.path("heap"));
    world.sh(plan).ok().complains("13 B would be read, 1 content would be stored: 13 B, ");
    world.sh("cat plan").ok().says(&format!(
        "{{\"action\":\"store\",\"name\":\"new\",\"size\":13,\"stored_size\":{},\"type\":\"file\"}}\n",
        world.sh("jq .stored_size plan").ok().out().trim()
    ));
    assert!(state(&world.path("heap")) == before);
    world
        .sh("rm files/new; snap-scan | snap-heapify --dry-run")
        .ok()
        .says("")
        .complains("snap-heapify: 0 contents would be stored: 0 B");
    world.sh("snap-scan | snap-heapify --dry-run --no-store").status(2);
}
