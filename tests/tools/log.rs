//! snap-log: the versions of names over all snapshots, and snap-read of a part of a snapshot.

use crate::util::World;

/// Four snapshots: `docs/report.md` in two versions and then gone, `docs/b.md` throughout, `src/c` from the third on.
fn world() -> World {
    let world = World::new();
    let backup = |tag: &str| drop(world.sh(&format!("snap-scan | snap-heapify | snap-write --tag {tag}")).ok());
    world.put("files/docs/b.md", "b");
    world.put("files/docs/report.md", "first\n");
    backup("one");
    world.put("files/docs/report.md", "the second\n");
    backup("two");
    world.put("files/src/c", "c");
    backup("three");
    world.sh("rm files/docs/report.md").ok();
    backup("four");
    world
}

const SHOWN: &str = r#"jq -r 'select(.type != "end") | [.name, .status, .size, (.until != null)] | map(tostring) | join(" ")'"#;

#[test]
fn each_version_has_the_snapshot_and_the_time_that_it_has_and_ends_with_the_first_without_it() {
    let world = world();
    let log = world.sh(&format!("snap-log docs/report.md docs/b.md src/c | {SHOWN}"));
    log.ok()
        .silent()
        .says("docs/b.md current 1 false\ndocs/report.md replaced 6 true\ndocs/report.md gone 11 true\nsrc/c current 1 false\n");
    // The snapshot and the times are those of snap-list.
    world.sh("snap-list --json --order asc | jq -r '[.path, .time] | @tsv' > list; snap-log --no-end docs/report.md | jq -r '[.snapshot, .time, .until] | @tsv' > log").ok();
    world.sh("paste <(sed -n 1,2p list) <(sed -n '2p;4p' list | cut -f 2) | diff - log").ok();
    world.sh("snap-log docs/report.md | snap-cat").ok().says("first\nthe second\n");
    world.sh("snap-log docs/report.md | snap-verify > failed").ok().silent();
    world.sh("snap-log docs/report.md | tail -n 1 | jq -e '.log and .filtered and .records == 2 and .errors == 0'").ok();
    let newest =
        "snap-log --no-end docs/report.md | tail -n 1 | snap-restore --file-root restored && cat restored/docs/report.md";
    world.sh(newest).ok().says("the second\n");
}

#[test]
fn versions_are_no_backup_and_a_name_that_never_was_is_told() {
    let world = world();
    world.sh("snap-log docs/b.md | snap-write").status(2).complains("versions from snap-log");
    world.sh("snap-log docs/b.md | snap-restore --delete").status(2).complains("filtered");
    let done = world.sh("snap-log docs/b.md nowhere > out");
    assert_eq!(done.err(), "snap-log: nowhere: is in no snapshot\n");
    done.status(1);
    world.sh("jq -r .name out | head -n 1").ok().says("docs/b.md\n");
    world.sh("snap-log --glob '*.pdf' | jq -r .type").status(1).complains("no record matches").says("end\n");
    world.sh("snap-log ../x").status(2).complains("below the root");
    world.sh("snap-log").status(2);
    world.sh("snap-log a --glob b").status(2);
}

#[test]
fn patterns_mean_what_they_mean_to_snap_scan() {
    let world = world();
    world.sh("mkdir all && for s in $(snap-list); do snap-read $s | snap-restore --file-root all; done").ok();
    for glob in ["/docs/", "*.md", "docs/*", "/docs/r*", "*", "src", "/src/c"] {
        world.sh(&format!("snap-log --no-end -g '{glob}' | jq -r .name | sort -u > log")).ok();
        world
            .sh(&format!(
                "for s in $(snap-list); do snap-read --no-end $s -- '{glob}' || [ $? = 1 ]; done | jq -r .name | sort -u | diff - log"
            ))
            .ok();
        world.sh(&format!("snap-scan --no-end all -i '{glob}' | jq -r .name | sort -u | diff - log")).ok();
    }
    world.sh("snap-log --no-end -g '/docs/' -g '!*port*' | jq -r .name").ok().says("docs\ndocs/b.md\n");
    // A change of the mode is a version on request.
    world.sh("chmod 600 files/docs/b.md; snap-scan | snap-heapify | snap-write").ok();
    world.sh("snap-log docs/b.md | jq -r .status").ok().says("current\nnull\n");
    world.sh("snap-log -m docs/b.md | jq -r .status").ok().says("replaced\ncurrent\nnull\n");
}

#[test]
fn a_name_that_was_left_out_is_not_gone() {
    let world = world();
    let last = |command: &str, status: &str| {
        world.sh(&format!("{command} | snap-heapify | snap-write > /dev/null")).ok();
        world.sh("snap-log docs/b.md | jq -r 'select(.status) | .status'").ok().says(&format!("{status}\n"));
    };
    last("snap-scan -e '*.md'", "current");
    last("snap-scan -t l,d", "current");
    last("snap-scan | jq -c 'select(.name != \"docs/b.md\")'", "current");
    world.put("files/docs/later", "");
    last("printf 'docs/later\\n' | snap-scan --files-from -", "current");
    world.sh("rm files/docs/b.md").ok();
    last("snap-scan", "gone");
}

#[test]
fn a_damaged_snapshot_is_told_and_the_others_are_read() {
    let world = world();
    world.sh("s=$(snap-list | sed -n 2p); truncate -s 100 $s").ok();
    let done = world.sh("snap-log docs/report.md > out");
    assert!(done.err().contains("damaged") && done.err().lines().count() == 1, "{}", done.err());
    done.status(1);
    world.sh("jq -r 'select(.status) | .status' out").ok().says("replaced\ngone\n");
    world.sh("tail -n 1 out | jq .errors").ok().says("1\n");
}

#[test]
fn snapshots_of_the_python_tool_and_of_ours_are_one_history() {
    let mut world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.py("make-snapshot").ok();
    world.put("files/a", "another");
    world.sh("snap-scan --type f | snap-heapify | snap-write; rm files/b").ok();
    world.py("make-snapshot").ok();
    let log = world.sh("snap-log a b | jq -r 'select(.status) | [.name, .status, .size] | @tsv'");
    log.ok().says("a\treplaced\t1\na\tcurrent\t7\nb\tgone\t1\n");
    world.sh("snap-log --glob '*' | snap-cat").ok().says("aanotherb");
}

#[test]
fn a_part_of_a_snapshot_restores_and_deletes_in_that_part_only() {
    let world = world();
    world.put("files/docs/new", "new");
    world.put("files/new", "new");
    world.sh("snap-read latest~1 -- /docs/ '!b.md' | jq -r 'select(.type == \"file\") | .name'").ok().says("docs/report.md\n");
    let end = world.sh("snap-read latest~1 -- /docs/ | tail -n 1 | jq -c '[.filtered, .rules, .records]'");
    end.ok().says("[true,{\"include\":[\"/docs/\"]},3]\n");
    world.sh("snap-read latest~1 -- /docs/ | snap-restore --delete").ok();
    world.sh("find files -type f | sort | xargs").ok().says("files/docs/b.md files/docs/report.md files/new files/src/c\n");
    // Rules of the scan hold with those of the reading.
    world.put("files/docs/x.tmp", "");
    world.sh("snap-scan -e '*.tmp' | snap-heapify | snap-write; touch files/docs/y.tmp files/docs/z").ok();
    world.sh("snap-read -- /docs/ '!b.md' | snap-restore --delete").ok();
    world.sh("ls files/docs | xargs").ok().says("b.md report.md x.tmp y.tmp\n");
    // A snapshot that is filtered for unknown reasons stays so.
    world.sh("snap-scan | jq -c 'select(.name != \"new\")' | snap-heapify | snap-write").ok();
    world.sh("snap-read -- /docs/ | snap-restore --delete").status(2).complains("filtered");
    world.sh("snap-read latest~1 -- nowhere > out").status(1).complains("no record matches");
    world.sh("snap-read -- '#x'").status(2).complains("is no pattern");
}

#[test]
fn only_the_part_of_a_snapshot_that_has_the_names_is_read() {
    let world = World::new();
    let records =
        r#"{name: "d\(. / 100 | floor + 1000)/f\(. + 100000)", type: "file", size: ., md5: "d41d8cd98f00b204e9800998ecf8427e"}"#;
    world.sh(&format!("seq 0 59999 | jq -c '{records}' | snap-write --unterminated --complete")).ok();
    // Damage in the middle of the file: reading all of it finds it, and reading the ends never gets there.
    world
        .sh("s=$(snap-list); head -c 1000 /dev/urandom | dd of=$s bs=1 seek=$(($(stat -c %s $s) / 2)) conv=notrunc status=none")
        .ok();
    world.sh("snap-read > all").status(2).complains("damaged");
    world
        .sh("snap-read latest -- /d1000/ '/d1599/f1*' | jq -r .name | sed -n '1p;100p;101p;200p' | xargs")
        .ok()
        .says("d1000/f100000 d1000/f100099 d1599/f159900 d1599/f159999\n");
    world.sh("snap-log d1001/f100150 d1598/f159850 | jq -r 'select(.status).size' | xargs").ok().says("150 59850\n");
    world.sh("snap-log --glob '/d1300/'").status(1).complains("damaged");
}
