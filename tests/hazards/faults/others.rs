//! Row 7, for the tools that publish no snapshot: whatever call of theirs fails, a tool that ends well has said or done all of
//! it, and run again it does.

use super::inject::{self, Ending, ending, plans};
use super::trace::{self, Event, strace};
use super::{audit, tree, world};
use crate::util::encrypted;
use crate::util::measure::figure;
use crate::util::{Done, World};
use std::fs;

/// A tool at work, with STRACE before it.
struct Case {
    name: &'static str,
    /// Makes the same start for every run.
    before: &'static str,
    script: &'static str,
    /// The status of a run without a fault.
    good: i32,
    /// What is wrong, after a run and whether it ended well; a script whose stdout and stderr tell.
    after: &'static str,
    /// The same, where it ended well, and where it is run again without faults.
    done: &'static str,
}

/// What a filter says is all there, if it ends well.
const fn filter(name: &'static str, script: &'static str, good: i32) -> Case {
    Case { name, before: "rm -f out", script, good, after: "", done: "cmp out clean" }
}

const TREE: &str = "(diff -r --no-dereference files back && diff <(cd files && show) <(cd back && show)) 2>&1";
const WHOLE: &str = "for s in $(find snap -name '2*.jsonl.gz*'); do snap-read $PWD/$s | snap-verify > /dev/null || echo $s; done";

const CASES: [Case; 14] = [
    filter("scan", "STRACE snap-scan > out", 0),
    filter("read", "STRACE snap-read > out", 0),
    filter("list", "STRACE snap-list > out", 0),
    filter("reuse", "STRACE snap-reuse < scanned > out", 0),
    filter("merge", "STRACE snap-merge part1 part2 > out", 0),
    filter("diff", "STRACE snap-diff > out", 1),
    filter("cat", "STRACE snap-cat < list2 > out", 0),
    Case {
        // A file that is there has all that was to be said, also of what could not be read.
        after: "[ ! -e out ] || [ \"$(tail -n 1 out | jq -r .type)\" = end ] || cat out; find . -maxdepth 1 -name '.snap-*'",
        ..filter("scan --output", "STRACE snap-scan --output out", 0)
    },
    Case {
        name: "verify",
        before: "rm -rf heap; cp -a heap.bad heap; rm -f out",
        script: "STRACE snap-verify < list2 > out",
        good: 1,
        after: "diff -r heap.bad heap",
        // A fault may have another one told as bad.
        done: "names() { jq -r 'select(.type == \"error\").name' $1 | sort; }; comm -13 <(names out) <(names clean)",
    },
    Case {
        name: "restore",
        before: "rm -rf back heap; cp -a older back; cp -a heap.good heap",
        script: "STRACE snap-restore --file-root back --delete < list2",
        good: 0,
        // Each file is one of the two, under its own name.
        after: "diff -r --no-dereference heap.good heap; cd back && find . -type f ! -name '.snap-*' | while read -r f; do \
                cmp -s $f ../files/$f || cmp -s $f ../older/$f || echo torn $f; done",
        done: TREE,
    },
    Case {
        name: "forget",
        before: "rm -rf snap; cp -a snap.0 snap",
        script: "STRACE snap-forget --keep-last 1 --delete > out",
        good: 0,
        after: WHOLE,
        done: "[ \"$(snap-list)\" = \"$(SNAP_ROOT=$PWD/snap.0 snap-list --limit 1 | sed s/snap.0/snap/)\" ] || snap-list",
    },
    Case {
        name: "gc",
        before: "rm -rf heap; cp -a heap.good heap; cp -a garbage heap/ff",
        script: "STRACE snap-gc --delete > out",
        good: 0,
        after: WHOLE,
        done: "grep -q ${GARBAGE%%.gz*} heap/gc/condemned-* || echo nothing condemned",
    },
    Case {
        name: "gc, the second time",
        before: "rm -rf heap; cp -a heap.good heap; cp -a garbage heap/ff; snap-gc --delete > /dev/null",
        script: "STRACE snap-gc --delete --grace 0s > out",
        good: 0,
        after: WHOLE,
        done: "[ ! -e heap/ff/$GARBAGE ] || echo garbage",
    },
    Case {
        name: "gc --exclusive",
        before: "rm -rf heap; cp -a heap.good heap; cp -a garbage heap/ff",
        script: "STRACE snap-gc --delete --exclusive > out",
        good: 0,
        after: WHOLE,
        done: "[ ! -e heap/ff/$GARBAGE ] || echo garbage",
    },
];

/// Two snapshots, one of a damaged heap, garbage, and the trees that they are of.
fn ground() -> World {
    let mut world = world();
    let garbage = format!("ff3c2f2b6e4cdd2f0d1a3b5e7c9a8b10.gz{}", if encrypted::is_on() { ".age" } else { "" });
    world.set("GARBAGE", &garbage);
    tree(&world.path("files"), 7, 3);
    world.sh("ln -s medium files/link; chmod 750 files/d00; snap-scan | snap-heapify | snap-write && cp -a files older").ok();
    tree(&world.path("files"), 8, 3);
    world.put("files/new/one", "new");
    world.put("older/old/one", "old");
    world.sh("snap-scan | snap-heapify | snap-write; snap-scan > scanned; snap-read > list2").ok();
    world.put(&format!("garbage/{garbage}"), "garbage");
    world.sh("snap-scan --file-root files/d00 > part1; snap-scan --file-root garbage > part2").ok();
    world
        .sh("cp -a snap snap.0; cp -a heap heap.good; cp -a heap heap.bad; for o in $(ls -d heap.bad/??/*.gz* | sed 1d); do \
              chmod u+w $o; truncate -s -1 $o; done")
        .ok();
    world
}

impl Case {
    /// Runs it with a fault; gives what it did, and what is wrong.
    fn run(&self, world: &World, what: &str, strace: &str) -> (Option<Vec<Event>>, bool, Ending, Vec<String>) {
        world.sh(self.before).ok();
        let _ = fs::remove_file(world.path("trace"));
        let script = self.script.replace("STRACE", strace);
        let done = world.sh(&format!("{script}; echo \"status $?\""));
        let events = world.path("trace").exists().then(|| trace::read(&world.path("trace")));
        let statuses = inject::statuses(&done);
        let ending = ending(what, &done, &statuses);
        let mut wrong = Vec::new();
        let mut expect = |when: &str, said: Done| {
            if !said.out().is_empty() || !said.err().is_empty() {
                wrong.push(format!("{what}: {when}: {}{}{}", said.out(), said.err(), done.err()));
            }
        };
        let look = |script: &str| {
            world.sh(&format!("show() {{ find . -mindepth 1 -printf '%P %y %m %s %l %T@\\n' | sort; }}; {script}"))
        };
        expect("after it", look(self.after));
        let is_well = ending == Ending::Told && statuses == [self.good];
        if is_well {
            expect("though it ended well", look(self.done));
        }
        let again = world.sh(&self.script.replace("STRACE", ""));
        let is_good = again.code() == Some(self.good);
        expect("after it was run again", look(self.after));
        expect("when run again", look(self.done));
        match &ending {
            Ending::Wrong(reason) => wrong.push(format!("{what}: {reason}")),
            // The first call of every thread fails, and the message may be one.
            Ending::Told if !is_well && done.err().is_empty() && !what.contains('+') && !what.contains(" write:") => {
                wrong.push(format!("{what}: failed without a word"));
            }
            Ending::Told if statuses == [0] && self.good != 0 => wrong.push(format!("{what}: status 0")),
            _ => {}
        }
        if !is_good {
            wrong.push(format!("{what}: again: {again}"));
        }
        (events, is_well, ending, wrong)
    }
}

#[test]
fn a_call_that_fails_anywhere_is_an_error_or_changes_nothing() {
    let world = ground();
    let mut all = Vec::new();
    for case in CASES {
        world.sh(&format!("{}; {}; [ ! -e out ] || cp out clean", case.before, case.script.replace("STRACE", ""))).ok();
        let (events, is_well, _, wrong) = case.run(&world, "no fault", &strace(""));
        assert!(is_well && wrong.is_empty(), "{}: {wrong:#?}", case.name);
        let (mut runs, mut well, mut closedir, before) = (0, 0, 0, all.len());
        for (call, error, n) in plans(&events.expect("a trace"), 8) {
            let inject = format!("-e inject={call}:error={error}:when={n}");
            let (_, is_well, ending, wrong) = case.run(&world, &format!("{} {call}:{error}:{n}", case.name), &strace(&inject));
            runs += 1;
            well += u32::from(is_well);
            closedir += u32::from(ending == Ending::Closedir);
            all.extend(wrong);
        }
        let wrong = all.len() - before;
        let what = format!("snap-{}: {runs} runs: {well} ended well and had, {} told", case.name, runs - well - closedir);
        figure(7, &format!("{what}, {closedir} ended by the standard library, {wrong} wrong"));
    }
    assert!(audit(&world).wrong().is_empty());
    assert!(all.is_empty(), "{} wrong: {:#?}", all.len(), &all[..all.len().min(10)]);
}
