//! snap-list: which snapshots there are, in which order, and what their labels say.

use crate::util::World;
use std::fs;

/// A world with three snapshots of known times, and their paths, newest first.
fn world() -> (World, Vec<String>) {
    let world = World::new();
    world.put("files/a", "a");
    world.sh("snap-scan | snap-heapify | snap-write --tag one --tag two --host box > made").ok();
    let times = ["2026-11-03_00-00-00_000000Z", "2026-11-02_12-00-00_000001Z", "2026-11-02_12-00-00_000000Z"];
    let place = |time: &str| {
        let path = format!("snap/2026/11/{time}.jsonl.gz");
        world.sh(&format!("mkdir -p snap/2026/11; cp $(cat made) {path}")).ok();
        world.path(&path).display().to_string()
    };
    let paths = times.iter().map(|time| place(time)).collect();
    world.sh("rm $(cat made)").ok();
    (world, paths)
}

#[test]
fn the_newest_is_first_and_a_page_is_a_part_of_the_list() {
    let (world, paths) = world();
    let lines = |paths: &[String]| paths.iter().map(|path| format!("{path}\n")).collect::<String>();
    world.sh("snap-list").ok().silent().says(&lines(&paths));
    world.sh("snap-list --limit 1").ok().says(&lines(&paths[..1]));
    world.sh("snap-list --limit 1 --offset 1").ok().says(&lines(&paths[1..2]));
    world.sh("snap-list --offset 3").ok().silent().says("");
    let oldest_first: Vec<String> = paths.iter().rev().cloned().collect();
    world.sh("snap-list --order asc").ok().says(&lines(&oldest_first));
    world.sh("snap-list --order asc --limit 2 -o out").ok().says("");
    world.sh("cat out").ok().says(&lines(&oldest_first[..2]));
}

#[test]
fn files_with_other_names_are_no_snapshots() {
    let (world, paths) = world();
    for name in ["2026-11-02.jsonl.gz", "2026-13-02_12-00-00_000000Z.jsonl.gz", ".snap-1.tmp", "notes.txt"] {
        fs::copy(&paths[0], world.path(format!("snap/2026/11/{name}"))).unwrap();
    }
    assert_eq!(world.sh("snap-list").ok().lines(), paths);
    world.sh("snap-list --snap-root nowhere").status(2).complains("nowhere");
}

#[test]
fn labels_are_told_as_json_and_a_damaged_one_does_not_hide_the_others() {
    let (world, paths) = world();
    let row = "[.path, .time, .host, .tags, .records, .stored_size > 100, .root == env.FILE_ROOT]";
    let told = world.sh(&format!("snap-list --json --limit 1 | jq -c '{row}'")).ok().out();
    let path = &paths[0];
    assert_eq!(told, format!("[\"{path}\",\"2026-11-03T00:00:00.000000000Z\",\"box\",[\"one\",\"two\"],1,true,true]\n"));
    fs::write(&paths[1], "damaged").unwrap();
    let done = world.sh("snap-list --json | jq -r .path").status(1);
    assert_eq!(done.lines(), [paths[0].clone(), paths[2].clone()]);
    done.complains(&paths[1]);
}
