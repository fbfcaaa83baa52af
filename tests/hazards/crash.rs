//! Stages killed at random moments of a backup. Whatever was published is whole, and the next run completes.

use crate::util::World;
use crate::util::heap::{heap, is_snapshot};
use crate::util::measure::{figure, many, state};
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

const STAGES: [&str; 3] = ["scan", "heapify", "write"];
/// Files that are new in each round.
const NEW: u64 = 120;

/// A number that looks random, the same in every run.
fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).into_iter().flatten().filter_map(|e| Some(e.ok()?.path())).collect()
}

/// Files in the heap, objects and temps alike: what a running backup adds to.
fn progress(world: &World) -> usize {
    world.files_below("heap").len()
}

fn snapshots(world: &World) -> BTreeSet<PathBuf> {
    world.files_below("snap").into_iter().filter(|p| is_snapshot(p)).collect()
}

/// Whether a snapshot is begun: its temporary file is there.
fn is_writing(world: &World) -> bool {
    world.files_below("snap").iter().any(|p| p.extension().is_some_and(|e| e == "tmp"))
}

/// Kills a stage if it runs. The process is the one whose number the stage wrote down, and only while it is that tool.
fn kill(world: &World, stage: &str) -> bool {
    let Ok(pid) = fs::read_to_string(world.path(format!("{stage}.pid"))).unwrap_or_default().trim().parse::<i32>() else {
        return false;
    };
    let is_it = fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == format!("snap-{stage}"));
    is_it && Pid::from_raw(pid).is_some_and(|pid| kill_process(pid, Signal::KILL).is_ok())
}

/// Waits until it is time, or the backup has ended. Looks as often as it can: all is over in a tenth of a second.
fn wait(child: &mut Child, mut is_time: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_time() && child.try_wait().expect("look after the backup").is_none() {
        assert!(start.elapsed() < Duration::from_secs(60), "the backup does not get on");
    }
}

#[test]
fn killed_anywhere_nothing_bad_is_published() {
    let wanted: u64 = many(50, 1000);
    let world = World::new();
    for n in 0..200 {
        world.put(&format!("files/{}/{n}", n % 10), format!("steady {n}"));
    }
    let script = STAGES.map(|s| format!("(echo $BASHPID > {s}.pid; exec snap-{s})")).join(" | ");
    world.sh(&script).ok();
    let (mut kills, mut stages, mut published, mut bad, mut round) = (0u64, [0u64; 3], 0u64, 0u64, 0u64);
    let mut known = snapshots(&world);
    while kills < wanted {
        round += 1;
        assert!(round < wanted * 4 + 20, "the backups end before they can be killed");
        for n in 0..NEW {
            world.put(&format!("files/new/{n}"), format!("round {round} file {n} {}", "x".repeat(mixed(n) as usize % 5000)));
        }
        for stage in STAGES {
            let _ = fs::remove_file(world.path(format!("{stage}.pid")));
        }
        let before = progress(&world);
        let mut child = world.start(&script);
        let random = mixed(round);
        match random % 8 {
            // At the start of a stage, while the snapshot is written, and otherwise as so many objects more are there. While a
            // batch is renamed the sum does not change, and most of that happens near the last of these.
            0 => wait(&mut child, || world.path(format!("{}.pid", STAGES[random as usize / 8 % 3])).exists()),
            1 => wait(&mut child, || is_writing(&world)),
            _ => wait(&mut child, || progress(&world) >= before + (random / 8 % (NEW + 3)) as usize),
        }
        std::thread::sleep(Duration::from_micros(random / 1000 % 8000));
        // One stage, two, or all.
        let victims = random / 64 % 7 + 1;
        let mut hit = false;
        for (at, stage) in STAGES.iter().enumerate().filter(|(at, _)| victims >> at & 1 == 1) {
            let killed = kill(&world, stage);
            stages[at] += u64::from(killed);
            hit |= killed;
        }
        kills += u64::from(hit);
        world.finish(&script, child);
        for snapshot in snapshots(&world).difference(&known) {
            published += 1;
            let verified = world.sh(&format!("snap-read '{}' | snap-verify", snapshot.display()));
            bad += u64::from(verified.code() != Some(0));
        }
        known = snapshots(&world);
        if round % 10 == 0 {
            world.sh(&script).ok();
            world.sh("snap-read | snap-verify").ok();
            // All were looked at; a heap that only grows would make each further round slower than the last.
            world.sh("snap-forget --keep-last 3 --delete > /dev/null; snap-gc --exclusive --delete > /dev/null").ok();
            known = snapshots(&world);
        }
    }
    let what =
        format!("killed {kills} backups of {round} (stages {STAGES:?}: {stages:?}), published meanwhile {published}, bad {bad}");
    figure(1, &what);
    assert_eq!(bad, 0);
    // Another run completes, everything that was ever published is good, and what the dead left can be swept away.
    world.sh(&script).ok();
    world.sh("snap-gc --exclusive --delete > /dev/null").ok();
    for snapshot in snapshots(&world) {
        world.sh(&format!("snap-read '{}' | snap-verify", snapshot.display())).ok();
    }
    assert!(entries(&world.path("heap/temp")).is_empty() && !is_writing(&world), "leftovers were not swept away");
}

#[test]
fn killing_gc_loses_nothing() {
    let kills: u64 = many(20, 200);
    let world = World::new();
    for n in 0..50 {
        world.put(&format!("files/{n}"), format!("steady {n}"));
    }
    let backup = "snap-scan | snap-heapify | snap-write";
    let script = "echo $BASHPID > gc.pid; exec snap-gc --delete --grace 0s > /dev/null 2>&1";
    world.sh(backup).ok();
    let (mut killed, mut round) = (0, 0);
    while killed < kills {
        round += 1;
        assert!(round < kills * 6 + 20, "gc ends before it can be killed");
        // Objects that nobody needs any more, condemned by the first run and deleted by the second.
        for n in 0..400 {
            world.put(&format!("files/new{n}"), format!("{round} {n}"));
        }
        world.sh(backup).ok();
        world.sh("rm files/new*").ok();
        world.sh(backup).ok();
        world.sh("snap-forget --keep-last 1 --delete > /dev/null").ok();
        if round % 3 != 0 {
            world.sh("snap-gc --delete --grace 0s > /dev/null").ok();
        }
        let _ = fs::remove_file(world.path("gc.pid"));
        let (all, random) = (progress(&world), mixed(round));
        let mut child = world.start(script);
        wait(&mut child, || progress(&world) + (random % 380) as usize <= all && world.path("gc.pid").exists());
        killed += u64::from(kill(&world, "gc"));
        world.finish(script, child);
        // Everything is there, also before anybody has cleaned up behind it.
        world.sh("snap-read | snap-verify").ok();
    }
    world.sh("snap-gc --delete --grace 0s > /dev/null && snap-gc --delete --grace 0s > /dev/null").ok();
    world.sh("snap-read | snap-verify").ok();
    assert_eq!(heap(&world).len(), 50, "what nobody needs is gone in the end");
    figure(2, &format!("killed gc {killed} times in {round} rounds, lost 0"));
}

#[test]
fn killing_restore_or_verify_harms_nothing() {
    let kills: u64 = many(20, 200);
    let world = World::new();
    for n in 0..300u64 {
        world.put(&format!("files/{}/{n}", n % 10), format!("{n} {}", "x".repeat(mixed(n) as usize % 20_000)));
    }
    world.put("files/large", "0123456789abcdef".repeat(200_000));
    world.sh("ln -s 1/1 files/link; ln files/2/2 files/2/again; chmod 750 files/3; touch -d 2001-01-01 files/4").ok();
    world.sh("snap-scan | snap-heapify | tee list | snap-write").ok();
    let heap = state(&world.path("heap"));
    let (mut round, mut killed) = (0, [0, 0]);
    while killed.iter().any(|n| *n < kills) {
        round += 1;
        assert!(round < kills * 8 + 20, "the tools end before they can be killed");
        let random = mixed(round);
        // Into a new folder, or into one where every other file is another.
        let old = "old content";
        match random % 2 {
            0 => world.sh("chmod -R u+rwx out 2> /dev/null; rm -rf out").ok(),
            _ => world.sh("rm -rf out; cp -a files out").ok(),
        };
        for n in (0..300).filter(|n| random % 2 == 1 && n % 2 == 0) {
            fs::write(world.path(format!("out/{}/{n}", n % 10)), old).unwrap();
        }
        for (at, tool) in ["restore --file-root out --delete", "verify"].iter().enumerate() {
            let stage = tool.split(' ').next().unwrap();
            let _ = fs::remove_file(world.path(format!("{stage}.pid")));
            let script = format!("echo $BASHPID > {stage}.pid; exec snap-{tool} < list > told 2>&1");
            let mut child = world.start(&script);
            wait(&mut child, || world.path(format!("{stage}.pid")).exists());
            std::thread::sleep(Duration::from_micros(random / 1000 % 40_000));
            killed[at] += u64::from(kill(&world, stage));
            world.finish(&script, child);
        }
        // What is there under its own name is whole: what it was, or what it is to be.
        for path in world.files_below("out").into_iter().filter(|path| !path.is_symlink()) {
            let name = path.strip_prefix(world.path("out")).unwrap().to_path_buf();
            let is_temp = name.file_name().unwrap().to_string_lossy().starts_with(".snap-");
            let content = fs::read(&path).unwrap_or_default();
            let is_whole = content == old.as_bytes() || content == fs::read(world.path("files").join(&name)).unwrap_or_default();
            assert!(is_temp || is_whole, "{}: neither the old content nor the new one", name.display());
        }
        world.sh("snap-restore --file-root out --delete < list").ok();
        world.sh("diff -r --no-dereference files out").ok().silent();
        let shown = |folder: &str| {
            world.sh(&format!("cd {folder}; find . -mindepth 1 -printf '%P %y %m %l %n %T@\\n' | sort > ../{folder}.shown")).ok()
        };
        shown("files");
        shown("out");
        world.sh("diff files.shown out.shown").ok();
    }
    assert!(state(&world.path("heap")) == heap, "something in the heap has changed");
    world.sh("snap-read | snap-verify").ok();
    let [restore, verify] = killed;
    let what = format!("killed restore {restore} times and verify {verify} times in {round} rounds");
    figure(2, &format!("{what}: run again, each tree equal; heap unchanged"));
}
