//! Row 7: system calls that fail, at every place where a backup makes them.
//!
//! Whatever fails: what is published is whole, what was there before still is, nothing panics, a failed sync is not tried
//! again, and the next run completes.

use super::trace::{self, Event, strace};
use super::{audit, files, tree, world};
use crate::util::heap::is_snapshot;
use crate::util::measure::many;
use crate::util::{Done, World};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

/// What was counted.
#[derive(Default)]
struct Counts {
    runs: usize,
    /// Runs in which something was made to fail.
    hit: usize,
    refused: usize,
    published: usize,
    /// Ended by the standard library, which takes it for impossible that a folder can't be closed. No file system says that.
    closedir: usize,
    wrong: Vec<String>,
}

impl Counts {
    fn say(&self, what: &str) {
        let Counts { runs, hit, refused, published, closedir, wrong } = self;
        println!(
            "row 7: {what}: {runs} runs, {hit} with a fault: {refused} refused, {published} published whole, {closedir} ended by \
             the standard library for a folder that could not be closed, {} wrong",
            wrong.len()
        );
        assert!(wrong.is_empty(), "{what}: {} wrong: {:#?}", wrong.len(), &wrong[..wrong.len().min(10)]);
    }
}

/// A repository with one snapshot, a changed source, and the records of its second backup.
struct Ground {
    world: World,
    before: PathBuf,
}

impl Ground {
    fn new() -> Ground {
        let world = world();
        tree(&world.path("files"), 7, 3);
        world.sh("snap-scan | snap-heapify | snap-write && cp -a heap heap.0 && cp -a snap snap.0").ok();
        tree(&world.path("files"), 8, 6);
        world.sh("snap-scan > list.jsonl && snap-heapify < list.jsonl > heapified.jsonl").ok();
        world.sh("mv heap heap.1").ok();
        let before: Vec<PathBuf> = files(&world.path("snap")).into_iter().filter(|path| is_snapshot(path)).collect();
        assert_eq!(before.len(), 1);
        Ground { world, before: before.into_iter().next().expect("the first snapshot") }
    }

    /// As it was after the first backup, or (for a test of snap-write) after the second one's objects.
    fn reset(&self, heap: &str) {
        for (from, to) in [(heap, "heap"), ("snap.0", "snap")] {
            let (from, to) = (self.world.path(from), self.world.path(to));
            let _ = fs::remove_dir_all(&to);
            for file in files(&from) {
                let copy = to.join(file.strip_prefix(&from).expect("below"));
                fs::create_dir_all(copy.parent().expect("a folder")).expect("make a folder");
                fs::copy(&file, copy).expect("copy a file");
            }
        }
    }

    /// Runs a backup of which something fails, and looks at what is left. `pipe` ends with snap-write.
    fn run(&self, what: &str, heap: &str, pipe: &str, counts: &mut Counts) -> Option<Vec<Event>> {
        self.reset(heap);
        let _ = fs::remove_file(self.world.path("trace"));
        // The status of every stage; the last line of stdout.
        let done = self.world.sh(&format!("{pipe}; echo \"status ${{PIPESTATUS[*]}}\""));
        let events = self.world.path("trace").exists().then(|| trace::read(&self.world.path("trace")));
        counts.runs += 1;
        let mut wrong = Vec::new();
        let statuses = statuses(&done);
        let exit_0 = statuses.iter().all(|s| *s == 0);
        let ending = ending(what, &done, &statuses);
        let closedir = ending == Ending::Closedir;
        counts.closedir += usize::from(closedir);
        if let Ending::Wrong(reason) = ending {
            wrong.push(reason);
        }
        if !exit_0 && done.err().is_empty() && !what.contains('+') {
            wrong.push("failed without a word".to_string());
        }
        let audit = audit(&self.world);
        wrong.extend(audit.wrong());
        // What removes temps must not be what fails.
        let removes = ["openat", "getdents64", "unlinkat", "close", "newfstatat", "statx", "descriptors"];
        if !audit.temps.is_empty() && !removes.iter().any(|call| what.contains(call)) {
            wrong.push(format!("temps are left: {:?}", audit.temps));
        }
        if !audit.snapshots.contains(&self.before) {
            wrong.push("the snapshot before is gone".to_string());
        }
        let new = audit.snapshots.len() - 1;
        match (exit_0, new) {
            (false, 0 | 1) if closedir => {}
            (true, 1) => counts.published += 1,
            (false, 0) => counts.refused += 1,
            // A snapshot is there and whole, though snap-write says it failed: it could not say so on stdout.
            (false, 1) if what.contains("write write:") || what.contains("write close:") => counts.refused += 1,
            _ => wrong.push(format!("statuses {statuses:?} and {new} new snapshots")),
        }
        if let Some(events) = &events {
            counts.hit += usize::from(events.iter().any(|e| e.result < 0));
            wrong.extend(retried(events));
        }
        // The next run completes, whatever is left.
        let again = self.world.sh("snap-scan | snap-heapify | snap-write > /dev/null");
        if again.code() != Some(0) {
            wrong.push(format!("the next run: {}", again.err()));
        }
        let after = super::audit(&self.world);
        if after.snapshots.len() != audit.snapshots.len() + 1 || !after.wrong().is_empty() {
            wrong.push(format!("after the next run: {:?}", after.wrong()));
        }
        counts.wrong.extend(wrong.into_iter().map(|w| format!("{what}: {w}")));
        events
    }
}

/// How a run of tools ended.
#[derive(PartialEq)]
pub enum Ending {
    /// With statuses of ours, or before the program began.
    Told,
    /// By the standard library, which takes it for impossible that a folder can't be closed.
    Closedir,
    /// By a panic or with another status.
    Wrong(String),
}

/// Of the plan `what`; the statuses are those of the tools.
pub fn ending(what: &str, done: &Done, statuses: &[i32]) -> Ending {
    let err = done.err();
    // A second one, while the first is on its way, aborts; both have to be this one.
    let closedirs = err.matches("unexpected error during closedir").count();
    if what.contains("close:") && closedirs > 0 && err.matches("panicked at").count() <= closedirs + 1 {
        return Ending::Closedir;
    }
    // The system could not even start the program, or strace could not.
    let loader = |status| {
        (status == 127 && err.contains("error while loading shared libraries")) || (status == 1 && err.contains("strace:"))
    };
    if err.contains("panicked") || statuses.iter().any(|s| ![0, 1, 2].contains(s) && !loader(*s)) {
        return Ending::Wrong(format!("status {statuses:?}: {err}"));
    }
    Ending::Told
}

/// What a script says at its end of its stages.
pub fn statuses(done: &Done) -> Vec<i32> {
    let out = done.out();
    let last = out.lines().last().and_then(|l| l.strip_prefix("status ")).unwrap_or("-1");
    last.split(' ').map(|s| s.parse().unwrap_or(-1)).collect()
}

/// Syncs of a descriptor that had failed to sync, and names given after that.
fn retried(events: &[Event]) -> Vec<String> {
    let mut failed: HashMap<&str, usize> = HashMap::new();
    let mut wrong = Vec::new();
    for event in events {
        if let Some((fd, path, _)) = event.synced() {
            if failed.contains_key(fd) {
                wrong.push(format!("{} of {} again after it failed", event.name, path.display()));
            } else if event.result < 0 && !event.interrupted {
                failed.insert(fd, event.end);
            }
        }
        if event.name == "close" {
            failed.remove(event.fd(0).map_or("", |(fd, _)| fd));
        }
        if let Some((_, to)) = event.renamed().filter(|_| !failed.is_empty() && event.result == 0) {
            wrong.push(format!("{} got its name after a failed sync", to.display()));
        }
    }
    wrong
}

/// How often each thread makes each call, at most; the loader's calls are left out.
fn calls(events: &[Event]) -> BTreeMap<String, usize> {
    let mut counts: BTreeMap<(&str, u32), usize> = BTreeMap::new();
    for event in events {
        *counts.entry((&event.name, event.thread)).or_default() += 1;
    }
    let mut most: BTreeMap<String, usize> = BTreeMap::new();
    for ((name, _), count) in counts {
        let at = most.entry(name.to_string()).or_default();
        *at = count.max(*at);
    }
    most
}

/// What is made to fail: a call, the error, and which of a thread's calls.
pub type Plan = (String, &'static str, String);

/// Every call of a run, and from each on; in the quick tier the first of those that matter most, and a sample.
pub fn plans(clean: &[Event], sample: usize) -> Vec<Plan> {
    let mut plans = Vec::new();
    for (call, most) in calls(clean) {
        for n in 1..=most {
            let errors: &[&str] = match call.as_str() {
                "read" | "statx" | "newfstatat" | "getdents64" => &["EIO"],
                // Also those of a file system that knows no such rename.
                "renameat2" => &["EIO", "ENOSPC", "EDQUOT", "EINTR", "EINVAL"],
                "close" | "unlinkat" | "fchmod" => &["EIO", "EDQUOT"],
                _ => &["EIO", "ENOSPC", "EDQUOT", "EINTR"],
            };
            plans.extend(errors.iter().map(|e| (call.clone(), *e, n.to_string())));
            // From there on always. (One that is interrupted for ever would wait for ever, and rightly.)
            plans.extend(["EIO", "ENOSPC"].iter().filter(|e| errors.contains(e)).map(|e| (call.clone(), *e, format!("{n}+"))));
        }
    }
    let step = many((plans.len() / sample).max(1), 1);
    let important = |call: &str| ["syncfs", "fsync", "renameat2", "write"].contains(&call);
    let is_chosen = |i: usize, (call, error, n): &Plan| {
        i.is_multiple_of(step) || (important(call) && *error == "EIO" && (n == "1" || n == "2"))
    };
    let chosen = plans.into_iter().enumerate().filter(|(i, plan)| is_chosen(*i, plan));
    chosen.map(|(_, plan)| plan).collect()
}

const TOOLS: [(&str, &str, &str); 2] = [
    ("heapify", "heap.0", "STRACE snap-heapify < list.jsonl | snap-write > url"),
    ("write", "heap.1", "STRACE snap-write < heapified.jsonl > url"),
];

#[test]
fn a_call_that_fails_anywhere_publishes_nothing_wrong() {
    let ground = Ground::new();
    for (tool, heap, pipe) in TOOLS {
        let mut counts = Counts::default();
        let traced = |inject: &str| pipe.replace("STRACE", &strace(inject));
        let clean = ground.run("no fault", heap, &traced(""), &mut counts).expect("a trace");
        for (call, error, n) in plans(&clean, 30) {
            let inject = format!("-e inject={call}:error={error}:when={n}");
            ground.run(&format!("{tool} {call}:{error}:{n}"), heap, &traced(&inject), &mut counts);
        }
        counts.say(&format!("snap-{tool}, injected errors"));
    }
}

#[test]
fn writes_that_are_cut_short_publish_nothing_wrong() {
    let ground = Ground::new();
    // A library that has every write do half of it. There is a C compiler where there is a Rust compiler.
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/torture/short.c");
    ground.world.sh(&format!("cc -shared -fPIC -O1 -o short.so '{source}' -ldl")).ok();
    let mut counts = Counts::default();
    for every in many(1..=2, 1..=12) {
        let short = format!("SHORT_WRITE_EVERY={every} LD_PRELOAD=$PWD/short.so");
        for (tool, heap, pipe) in TOOLS {
            ground.run(&format!("{tool} short {every}"), heap, &pipe.replace("STRACE", &format!("env {short}")), &mut counts);
        }
    }
    assert_eq!(counts.published, counts.runs, "short writes are no errors");
    counts.say("short writes");

    let mut counts = Counts::default();
    let limits: Vec<u32> = many(vec![0, 1, 3, 600, 2600], (0..24).chain((24..2700).step_by(149)).collect());
    for limit in &limits {
        for (tool, heap, pipe) in TOOLS {
            // Its standard output is a pipe, which has no limit; a shell of its own has the limit.
            let pipe = pipe.replace("STRACE", &format!("bash -c 'ulimit -f {limit}; exec \"$0\" \"$@\"'"));
            ground.run(&format!("{tool} write limit+ {limit}"), heap, &pipe, &mut counts);
        }
    }
    counts.say("RLIMIT_FSIZE");

    let mut counts = Counts::default();
    for limit in many(6..12, 3..40) {
        for (tool, heap, pipe) in TOOLS {
            let pipe = pipe.replace("STRACE", &format!("bash -c 'ulimit -n {limit}; exec \"$0\" \"$@\"'"));
            ground.run(&format!("{tool} descriptors+ {limit}"), heap, &pipe, &mut counts);
        }
    }
    counts.say("RLIMIT_NOFILE");
}
