//! snap-diff: what it compares, how it shows it, and its statuses, which are those of diff(1).

use crate::util::World;
use crate::util::trees::{self, Tree};

/// A world with two snapshots: the two states of the tree.
fn two_states() -> World {
    let world = World::with(Tree::Files);
    world.sh("ln -s a.txt files/link; mkdir files/empty; snap-scan | snap-heapify | snap-write").ok();
    trees::second_state(&world.path("files"));
    world.sh("ln -sfn B files/link; rmdir files/empty; snap-scan | snap-heapify | snap-write").ok();
    world
}

#[test]
fn snapshots_are_compared_by_content() {
    let world = two_states();
    let names = "! a.txt\n- a0\n+ added\n+ added/new.txt\n- empty\n! link\n";
    world.sh("snap-diff --format names").status(1).silent().says(names);
    world.sh("snap-diff latest~1 latest --format names --status only_left").status(1).says("- a0\n- empty\n");
    world.sh("snap-diff latest latest").ok().silent();
    world.sh("snap-diff latest latest --format names").ok().silent().says("");
    world.sh("snap-diff -m --format names | grep -x '! B'").code();
    // Rows hold both records as they are in the snapshots.
    world
        .sh("snap-diff | jq -c 'select(.name == \"a.txt\") | .status, .left.md5 != .right.md5'")
        .status(1)
        .says("\"different\"\ntrue\n");
    world.sh("snap-diff > diff.jsonl; snap-read latest | grep -F '\"name\":\"a.txt\"' > record; grep -qF \"$(cat record)\" diff.jsonl").ok();
    world
        .sh("jq -c 'select(.type == \"end\") | [.diff, .errors, .records, .left.errors, .right.errors]' diff.jsonl")
        .ok()
        .says("[true,0,6,0,0]\n");
}

#[test]
fn a_snapshot_and_the_live_folder() {
    let world = two_states();
    let live = "snap-scan | snap-heapify --no-store | snap-diff latest - --format names";
    world.sh(live).ok().silent().says("");
    world.put("files/B", "changed");
    world.put("files/new", "");
    world.sh(live).status(1).silent().says("! B\n+ new\n");
    world.sh("snap-scan | snap-heapify --no-store | snap-diff - latest --format names").status(1).says("! B\n- new\n");
    let done = world.sh("snap-scan | snap-diff latest - > rows").status(2).complains("snap-heapify");
    assert!(done.err().lines().last().is_some_and(|l| l.contains("records failed")), "{done}");
    world
        .sh("jq -r 'select(.type == \"error\") | .error' rows | sort -u")
        .ok()
        .says("has no md5; run snap-heapify first, or compare by other keys\n");
}

#[test]
fn a_list_of_files_alone_does_not_say_that_folders_are_gone() {
    let world = two_states();
    world.sh("snap-scan --type f | snap-heapify --no-store | snap-diff latest - --format names").ok().silent().says("");
    world.sh("snap-scan --type f | snap-heapify | snap-write").ok();
    world.sh("snap-diff latest~1 latest --format names").ok().silent().says("");
    world.sh("snap-diff latest latest~1 --format names").ok().silent().says("");
}

#[test]
fn failed_records_are_trouble() {
    let world = two_states();
    world.sh("snap-scan > list; rm files/B").ok();
    let done = world.sh("(snap-heapify --no-base < list 2> /dev/null; true) | snap-diff latest - > rows").status(2);
    assert_eq!(done.err().lines().count(), 1, "{done}");
    world
        .sh("jq -c 'select(.type == \"error\" or .type == \"end\") | [.name, .type, .errors]' rows")
        .ok()
        .says("[\"B\",\"error\",null]\n[\"\",\"end\",1]\n");
}

#[test]
fn people_are_shown_tables_and_counts() {
    let world = two_states();
    world.put("files/pipe|and\nnewline\u{1b}[31m", "x");
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    let table = world.sh("snap-diff latest~2 latest --format table").status(1).silent();
    let lines = table.lines();
    assert_eq!(lines.len(), 8, "{table}");
    let at = lines[0].find("NAME").unwrap();
    let names: Vec<String> = lines[1..].iter().map(|l| l.chars().skip(at).collect()).collect();
    let expected = ["a.txt", "a0", "added", "added/new.txt", "empty", "link -> B", "pipe|and\\nnewline\\u{1b}[31m"];
    assert_eq!(names, expected, "{table}");
    assert!(
        lines[1].starts_with("different ") && lines[1].contains("6 B→14 B") && lines[1].contains("2023-11-14 22:15:00"),
        "{table}"
    );
    let stat = world.sh("snap-diff latest~2 latest --stat").status(1).silent();
    let stat: Vec<Vec<String>> = stat.lines().iter().map(|l| l.split_whitespace().map(str::to_string).collect()).collect();
    let counts: Vec<(&str, &str)> = stat.iter().map(|l| (l[0].as_str(), l[1].as_str())).collect();
    assert_eq!(counts[..3], [("only_left", "2"), ("only_right", "3"), ("different", "2")]);
    assert_eq!(counts[3].0, "equal");
}

#[test]
fn a_difference_is_restored_by_either_side() {
    let world = two_states();
    world.sh("cp -a files other; cp -a files third; snap-diff > rows").status(1);
    world.sh("jq -c 'select(.status != \"only_right\")' rows | snap-restore --side left").ok().silent();
    let now = "snap-scan | snap-heapify --no-store | snap-diff latest~1 - --format names";
    world.sh(now).status(1).says("+ added\n+ added/new.txt\n");
    world.sh("snap-restore --side left --delete --file-root other < rows").ok().silent();
    world.sh(&format!("FILE_ROOT=other; {now}")).ok().says("");
    // The right side is as it was.
    world.sh("snap-restore --delete --file-root third < rows").ok().silent();
    world.sh(&format!("FILE_ROOT=third; {}", now.replace("latest~1", "latest"))).ok().says("");
}
