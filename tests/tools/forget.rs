//! snap-forget: which snapshots the rules keep.

use crate::util::World;
use crate::util::heap::{BACKUP, column};
use std::fs;

#[test]
fn forgetting_follows_the_rules() {
    let world = World::new();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let made = world.files_below("snap").pop().unwrap();
    let days = ["2026-11-01_08-00-00", "2026-11-01_20-00-00", "2026-11-02_12-00-00", "2026-11-05_12-00-00"];
    let path = |day: &str| world.path(format!("snap/2026/11/{day}_000000Z.jsonl.gz"));
    let place = |day: &str| {
        fs::create_dir_all(path(day).parent().unwrap()).unwrap();
        fs::copy(&made, path(day)).unwrap();
    };
    days.iter().for_each(|d| place(d));
    let copy = world.path("copy.gz");
    fs::rename(&made, &copy).unwrap();
    let show = |days: &[&str]| days.iter().map(|d| format!("{}\n", path(d).display())).collect::<String>();
    world.sh("snap-forget").status(2).complains("no rule");
    world.sh("snap-forget --keep-daily 0").status(2).complains("no rule");
    world.sh("snap-forget --keep-tag none").status(2).complains("keep none");
    world.sh("snap-forget --keep-within 1w").status(2);
    world.sh("snap-forget --keep-last 2").ok().says(&show(&days[..2]));
    world.sh("snap-forget --keep-daily 3").ok().says(&show(&days[..1]));
    world.sh("snap-forget --keep-within 3d1h").ok().says(&show(&days[..2]));
    world.sh("snap-forget --keep-within 3d").ok().says(&show(&days[..3]));
    world.sh("TZ=Pacific/Kiritimati snap-forget --keep-daily 2").ok().says(&show(&days[..2]));
    assert_eq!(world.files_below("snap").len(), 4, "nothing was deleted yet");
    // Another root's snapshots, and copies from before a restore, do not take the place of others.
    world.sh("snap-scan | snap-heapify | snap-write --file-root /elsewhere").ok();
    world.sh("snap-scan | snap-heapify | snap-write --before-restore").ok();
    world.sh("snap-forget --keep-last 1").ok().says(&show(&days[..3]));
    assert_eq!(world.sh("snap-forget --keep-last 1 --group-by none").ok().lines().len(), 4);
    let json = world.sh("snap-forget --keep-last 1 --json").ok();
    assert_eq!(column(&json, "path", ("action", "drop")).len(), 3);
    assert_eq!(column(&json, "path", ("action", "keep")).len(), 3);
    // A damaged one is told of, kept, and takes no other's place.
    let good = fs::read(path(days[3])).unwrap();
    fs::write(path(days[3]), &good[..good.len() / 2]).unwrap();
    world.sh("snap-forget --keep-last 1 --delete").status(1).complains("damaged").says(&show(&days[..2]));
    let there: Vec<bool> = days.iter().map(|d| path(d).exists()).collect();
    assert_eq!(there, [false, false, true, true]);
}
