//! Stages killed at random moments of a backup. Whatever was published is whole, and the next run completes.

use crate::util::World;
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
    world.files_below("snap").into_iter().filter(|p| p.extension().is_some_and(|e| e == "gz")).collect()
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
    let wanted: u64 = std::env::var("SNAP_TORTURE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(50);
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
            known = snapshots(&world);
        }
    }
    println!("killed {kills} backups of {round} (stages {STAGES:?}: {stages:?}), published meanwhile {published}, bad {bad}");
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
    let kills: u64 = std::env::var("SNAP_TORTURE_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
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
    let left = world.files_below("heap").iter().filter(|p| p.extension().is_some_and(|e| e == "gz")).count();
    assert_eq!(left, 50, "what nobody needs is gone in the end");
    println!("killed gc {killed} times in {round} rounds, lost 0");
}
