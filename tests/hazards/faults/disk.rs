//! Rows 4, 8 and 9: power cuts, a device that is smaller than it says, a store that is full. They mount file systems, which
//! needs root.

use super::{Audit, Random, tree, world};
use crate::util::measure::many;
use crate::util::{World, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A mounted file system, gone at the end.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], from: &Path, at: &Path) -> Option<Mount> {
        fs::create_dir_all(at).expect("make a folder");
        let mounted = Command::new("mount").args(arguments).arg(from).arg(at).output().expect("run mount");
        mounted.status.success().then(|| Mount(at.to_path_buf()))
    }

    fn tmpfs(options: &str, at: &Path) -> Option<Mount> {
        Mount::new(&["-t", "tmpfs", "-o", options], Path::new("none"), at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let umount = |option: &str| Command::new("umount").arg(option).arg(&self.0).output().is_ok_and(|o| o.status.success());
        // A process that a power cut caught may take its time.
        for _ in 0..100 {
            if umount("-q") {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        umount("-lq");
    }
}

/// Whether a row can be done here: root that may mount, and these commands. If not, a line says so.
fn possible(row: u32, commands: &[&str]) -> bool {
    let world = world();
    let missing = commands.iter().find(|c| world.sh(&format!("command -v {c}")).code() != Some(0));
    let reason = match missing {
        Some(command) => format!("there is no {command}"),
        None if !rustix::process::geteuid().is_root() => "it mounts file systems, which needs root".to_string(),
        None if Mount::tmpfs("size=1m", &world.path("try")).is_none() => "nothing can be mounted here".to_string(),
        None => return true,
    };
    println!("row {row}: skipped: {reason}");
    false
}

/// A world whose repository lies in `store`.
fn stored(folder: &str) -> World {
    let mut world = world();
    for (key, name) in [("HEAP_ROOT", "heap"), ("SNAP_ROOT", "snap")] {
        world.set(key, world.path(folder).join(name));
    }
    world
}

fn audit(world: &World) -> Audit {
    Audit::of(&world.path("store/heap"), &world.path("store/snap"))
}

/// Power cuts on each file system.
const CUTS: usize = 100;

/// A backup; whether it was published.
const BACKUP: &str = "snap-scan | snap-heapify | snap-write > url";

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() {
    if !many(false, true) || !possible(4, &["xfs_io", "mkfs.ext4", "mkfs.xfs"]) {
        return;
    }
    for kind in ["ext4", "xfs"] {
        let mut world = stored("store");
        world.set("ROOTS", world.path("roots"));
        for root in 0..4 {
            tree(&world.path(format!("roots/{root}")), 400 + root, 400);
        }
        let (mut during, mut acknowledged, mut objects) = (0, 0, 0);
        let mut wrong: Vec<String> = Vec::new();
        let mut random = Random(0x5eed + kind.len() as u64);
        for cut in 0..CUTS {
            let (was_during, done, found) = power_cut(&world, kind, &mut random, &mut wrong);
            during += usize::from(was_during);
            acknowledged += done;
            objects += found;
            if !wrong.is_empty() && std::env::var_os("SNAP_TOOLS").is_some() {
                println!("row 4: {kind}: wrong at cut {}", cut + 1);
                break;
            }
        }
        println!(
            "row 4: {kind}: {CUTS} power cuts ({during} during a backup): {acknowledged} snapshots acknowledged, {objects} objects, \
             {} wrong",
            wrong.len()
        );
        assert!(wrong.is_empty(), "{:#?}", &wrong[..wrong.len().min(10)]);
    }
}

/// One cut: whether a backup was running, the snapshots that were acknowledged, the objects that are there after it.
fn power_cut(world: &World, kind: &str, random: &mut Random, wrong: &mut Vec<String>) -> (bool, usize, usize) {
    let (image, store) = (world.path("image"), world.path("store"));
    let quiet = if kind == "ext4" { "-q -F" } else { "-q -f" };
    world.sh(&format!("rm -f image acks; truncate -s 320M image; mkfs.{kind} {quiet} image; touch acks")).ok();
    let mount = Mount::new(&["-o", "loop"], &image, &store).expect("mount the image");
    let script = "for root in 0 1 2 3; do export FILE_ROOT=$ROOTS/$root; \
                  url=$(snap-scan | snap-heapify | snap-write) || exit 1; echo \"$url\" >> acks; done";
    let used = || rustix::fs::statvfs(&store).map_or(0, |s| s.f_files - s.f_ffree);
    let start = used();
    let mut child = world.start(script);
    // Somewhere between the first file and the last, and then a little later.
    let target = start + random.below(4 * 415 + 100);
    wait_for("progress", || used() >= target || child.try_wait().expect("wait").is_some());
    std::thread::sleep(Duration::from_micros(random.below(90_000)));
    let during = child.try_wait().expect("wait").is_none();
    world.sh("xfs_io -x -c shutdown store").ok();
    let _ = world.finish(script, child);
    drop(mount);

    let _mount = Mount::new(&["-o", "loop"], &image, &store).expect("mount the image again");
    let found = audit(world);
    wrong.extend(found.wrong());
    let acks = fs::read_to_string(world.path("acks")).expect("acks");
    for path in acks.lines().map(Path::new).filter(|path| !found.snapshots.iter().any(|s| s == path)) {
        wrong.push(format!("{} was acknowledged and is gone", path.display()));
    }
    let again = world.sh(script);
    if again.code() != Some(0) {
        wrong.push(format!("the next run failed{again}"));
    }
    let after = audit(world);
    wrong.extend(after.wrong());
    if after.snapshots.len() != found.snapshots.len() + 4 {
        wrong.push("the next run published too little".to_string());
    }
    (during, acks.lines().count(), found.objects.len())
}

#[test]
fn a_device_that_is_smaller_than_it_says_gets_no_snapshot() {
    if !many(false, true) || !possible(8, &["mkfs.ext4"]) {
        return;
    }
    let (mut refused, mut published) = (0, 0);
    // The snapshots on the same device, and on one that works.
    for (round, folder) in ["store/snap", "snap"].repeat(5).into_iter().enumerate() {
        let mut world = stored("store");
        world.set("SNAP_ROOT", world.path(folder));
        let _thin = Mount::tmpfs("size=40m", &world.path("thin")).expect("mount a tmpfs");
        world.sh("truncate -s 200M thin/image; mkfs.ext4 -q -F thin/image").ok();
        let mount = Mount::new(&["-o", "loop"], &world.path("thin/image"), &world.path("store")).expect("mount");
        tree(&world.path("files"), 800 + round as u64, 20);
        world.sh(BACKUP).ok();
        let mut random = Random(8 + round as u64);
        for n in 0..40 {
            let len = if round % 3 == 0 { 2_000_000 } else { 2_500_000 - 50_000 * round };
            world.put(&format!("files/more/{n}"), random.bytes(len));
        }
        let done = world.sh(BACKUP);
        let snapshots = || Audit::of(&world.path("store/heap"), &world.path(folder));
        let here = snapshots();
        match done.code() {
            Some(0) => published += 1,
            _ => refused += 1,
        }
        assert_eq!(here.snapshots.len(), 1, "{done}");
        assert!(!done.err().contains("panicked"), "{done}");
        // What is really on the device, not in the page cache.
        drop(mount);
        let _mount = Mount::new(&["-o", "loop"], &world.path("thin/image"), &world.path("store")).expect("mount again");
        let there = snapshots();
        assert!(there.dangling.is_empty() && there.torn.is_empty(), "{:?}", there.wrong());
    }
    println!("row 8: {} backups to a device that is too small: {refused} refused, {published} published", refused + published);
    assert_eq!(published, 0);
}

#[test]
fn a_full_store_keeps_what_it_has() {
    if !possible(9, &[]) {
        return;
    }
    // Bytes that the store has, and files that it may have.
    let sizes = (0..10).map(|n| (format!("size={}k,nr_inodes=100k", 5_000 + 3_777 * n), n < 9));
    let inodes = (0..10).map(|n| (format!("size=64m,nr_inodes={}", 500 + 61 * n), true));
    let all: Vec<(String, bool)> = sizes.chain(inodes).collect();
    let step = many(9, 1);
    let (mut refused, mut gone, mut completed) = (0, 0, 0);
    for (n, (options, too_small)) in all.iter().enumerate().step_by(step) {
        let world = stored("store");
        let _mount = Mount::tmpfs(options, &world.path("store")).expect("mount a tmpfs");
        tree(&world.path("files"), 900, 60);
        world.sh(BACKUP).ok();
        // Of this no snapshot tells: gc will find it.
        world.put("other/file", "not in a snapshot");
        world.sh("FILE_ROOT=other snap-scan | FILE_ROOT=other snap-heapify > /dev/null").ok();
        let old = audit(&world);
        assert!(old.wrong().is_empty() && old.snapshots.len() == 1, "{:?}", old.wrong());
        // Some 37 MB in 1,000 files: more than fits.
        tree(&world.path("files"), 901, 990);
        let mut random = Random(9 + n as u64);
        for n in 0..14 {
            world.put(&format!("files/more/{n}"), random.bytes(2_400_000));
        }
        let done = world.sh(BACKUP);
        assert!(!done.err().contains("panicked"), "{done}");
        let now = audit(&world);
        assert!(now.wrong().is_empty(), "{options}: {:?}{done}", now.wrong());
        assert!(now.temps.is_empty(), "{options}: {:?}", now.temps);
        assert!(old.snapshots.is_subset(&now.snapshots), "{options}");
        if *too_small {
            assert!(done.code() == Some(2) && now.snapshots.len() == 1, "{options}: {done}");
            refused += 1;
        }
        // Not a byte and not an inode left: gc takes away what the failed backup stored.
        world.sh("cat /dev/zero > store/ballast; for n in {1..3000}; do : > store/ballast.$n || break; done").status(0);
        let before = audit(&world).objects.len();
        world.sh("snap-gc --delete --exclusive").ok();
        let now = audit(&world);
        assert!(
            now.wrong().is_empty() && old.snapshots.is_subset(&now.snapshots),
            "{options}: {:?} {:?}",
            now.wrong(),
            now.temps
        );
        gone += before - now.objects.len();
        world.sh("rm store/ballast*; mount -o remount,size=200m,nr_inodes=200k store").ok();
        world.sh(BACKUP).ok();
        let now = audit(&world);
        assert!(now.wrong().is_empty() && now.temps.is_empty(), "{options}: {:?} {:?}", now.wrong(), now.temps);
        completed += 1;
    }
    println!(
        "row 9: {completed} sizes of a store: {refused} backups refused, 0 old snapshots harmed, 0 temps left, gc at 0 bytes free \
         removed {gone} objects, {completed} of {completed} complete after growing"
    );
    the_snapshot_does_not_fit(&possible_rooms());
}

/// KiB left for the snapshot itself, which has about 72.
fn possible_rooms() -> Vec<usize> {
    many(vec![0, 40], (0..20).map(|n| n * 3).collect())
}

/// The contents are stored, and then the snapshot finds no room.
fn the_snapshot_does_not_fit(rooms: &[usize]) {
    let mut refused = 0;
    for room in rooms {
        let world = stored("store");
        let _mount = Mount::tmpfs("size=16m", &world.path("store")).expect("mount a tmpfs");
        tree(&world.path("files"), 950, 1500);
        world.sh("snap-scan | snap-heapify > list.jsonl").ok();
        let room = format!("head -c {room}k /dev/zero > store/room; cat /dev/zero > store/ballast; rm store/room");
        world.sh(&format!("{room}; :")).ok();
        let done = world.sh("snap-write < list.jsonl");
        let now = audit(&world);
        assert!(done.code() == Some(2) && done.err().contains("No space left"), "{done}");
        assert!(now.wrong().is_empty() && now.temps.is_empty() && now.snapshots.is_empty(), "{:?} {:?}", now.wrong(), now.temps);
        refused += 1;
        world.sh("rm store/ballast; snap-write < list.jsonl").ok();
        assert!(audit(&world).snapshots.len() == 1 && audit(&world).wrong().is_empty());
    }
    println!("row 9: {refused} snapshots that did not fit: {refused} refused, 0 parts left");
}
