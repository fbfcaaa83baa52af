//! Work where the system gives less than usual: no threads, no TMPDIR, no /proc, closed standard files, files under a lease.

use crate::util::{World, trees};
use std::fs;

fn is_root() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        eprintln!("skipped: only root can set this up");
    }
    root
}

#[test]
fn with_no_thread_to_be_had_the_work_is_done_all_the_same() {
    if !is_root() {
        return;
    }
    let world = World::with(trees::Tree::Files);
    // One that is stored in pieces, and more than a task of small ones.
    world.put("files/large", vec![7u8; 5 << 20]);
    for n in 0..100 {
        world.put(&format!("files/many/{n}"), format!("{n}"));
    }
    // A user that runs nothing else: root has no such limit.
    world.sh("chmod 777 .; chown -R 54321:54321 .").ok();
    for threads in [1, 2, 3, 5] {
        let alone = format!("setpriv --reuid 54321 --regid 54321 --clear-groups prlimit --nproc={threads}");
        world.sh("rm -rf heap snap back list stored diff").ok();
        for command in [
            "snap-scan -o list",
            "snap-heapify --progress -j 7 -o stored list",
            "snap-write stored",
            "snap-read -o list latest",
            "snap-restore -j 100000 --file-root back list",
            "snap-verify list",
            "snap-diff latest latest",
            "snap-forget --keep-last 1",
            "snap-gc",
            "snapshooter --file-root files --heap-root heap --snap-root snap make-snapshot",
        ] {
            world.sh(&format!("{alone} {command}")).ok();
        }
        assert!(trees::contents(&world.path("back")) == trees::contents(&world.path("files")), "{threads} threads");
    }
}

#[test]
fn any_number_of_jobs_may_be_asked_for() {
    let world = World::with(trees::Tree::Files);
    let most = u64::MAX;
    world.sh(&format!("snap-scan | snap-heapify -j {most} | snap-write")).ok();
    world.sh(&format!("snap-read | snap-restore -j {most} --file-root back && snap-read | snap-verify -j 100000")).ok();
    assert!(trees::contents(&world.path("back")) == trees::contents(&world.path("files")), "restored something else");
}

#[test]
fn a_tmpdir_that_is_not_there_is_named() {
    let mut world = World::with(trees::Tree::Files);
    world.sh("snap-scan | snap-heapify -o stored").ok();
    world.set("TMPDIR", world.path("nowhere"));
    let done = world.sh("snap-restore -n --file-root new stored").status(2).complains("TMPDIR").complains("nowhere");
    assert!(!done.err().contains("file root"), "{done}");
    // What needs none works.
    world.sh("snap-write --snap-root memory://x stored; snap-write stored; snap-read | snap-restore --file-root new").ok();
}

#[test]
fn a_system_without_proc_can_back_up_and_restore() {
    if !is_root() {
        return;
    }
    let world = World::with(trees::Tree::Files);
    world.put("files/old", "old");
    let without = |command: &str| format!("unshare -m bash -c 'set -eo pipefail; mount -t tmpfs none /proc; {command}'");
    if world.sh(&without("true")).code() != Some(0) {
        eprintln!("skipped: no namespaces here");
        return;
    }
    world.sh(&without("snap-scan --xattrs -o list; snap-heapify -o stored list; snap-write stored")).ok();
    world.put("back/old", "another");
    world.sh(&without("snap-read -o list; snap-restore --xattrs --owner --file-root back list; snap-verify list")).ok();
    assert!(trees::contents(&world.path("back")) == trees::contents(&world.path("files")), "restored something else");
    assert!(world.files_below("back").iter().all(|path| !path.to_string_lossy().ends_with(".tmp")));
    world.sh(&without("snap-gc; echo more >files/more; snap-scan -o list; snap-heapify -o stored list; snap-write stored")).ok();
}

#[test]
fn a_closed_standard_output_is_told_before_anything_is_done() {
    let world = World::with(trees::Tree::Files);
    world.sh("snap-scan -o list; snap-heapify -o stored list; snap-write stored").ok();
    for command in [
        "snap-scan",
        "snap-heapify list",
        "snap-write stored",
        "snap-read",
        "snap-list",
        "snap-diff latest latest",
        "snap-cat list",
        "snap-verify stored",
        "snap-restore -o - --file-root back stored",
        "snap-forget --keep-last 1",
        "snap-gc",
        "snap-scan --help",
        "snap-scan --version",
    ] {
        world.sh(&format!("{command} >&-")).status(2).complains("standard output is closed");
        for quiet in [">/dev/null", "1<>/dev/null", "<&- >/dev/null"] {
            let done = world.sh(&format!("{command} {quiet}"));
            assert!(done.code() != Some(2), "{done}");
        }
    }
    world.sh("snapshooter --file-root files --heap-root heap --snap-root snap list-snapshots >&-").status(1).complains("closed");
    // Four of them were published: none by those without an output.
    assert_eq!(world.sh("snap-list").ok().lines().len(), 4);
    // What prints nothing misses nothing.
    world.sh("snap-scan -o list >&-; snap-restore --file-root back stored >&-").ok().silent();
    // No file takes the place of a closed one.
    world.sh("snap-scan -o list >&- <&- 2>&-; jq -es 'last.type == \"end\"' list").ok();
}

#[test]
fn a_closed_standard_input_is_told() {
    let world = World::with(trees::Tree::Files);
    for command in ["snap-heapify", "snap-write", "snap-restore", "snap-verify", "snap-cat", "snap-scan --files-from -"] {
        world.sh("mkdir -p heap snap").ok();
        world.sh(&format!("{command} <&-")).status(2).complains("standard input is closed");
        for empty in ["</dev/null", "0<>/dev/null"] {
            let done = world.sh(&format!("{command} {empty}"));
            assert!(!done.err().contains("closed"), "{done}");
        }
    }
    world.sh("snap-scan <&- | snap-heapify | snap-write").ok();
}

#[test]
fn a_file_under_a_lease_is_waited_for_without_work() {
    let world = World::new();
    world.put("files/leased", "content");
    world.put(
        "hold.py",
        "import fcntl, os, select, signal, sys\n\
         f = open('files/leased', 'r+')\n\
         r, w = os.pipe()\n\
         signal.signal(signal.SIGIO, lambda *_: os.write(w, b'x'))\n\
         fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)\n\
         open('ready', 'w').close()\n\
         select.select([r], [], [], 30)\n\
         select.select([], [], [], 1.5)\n\
         fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_UNLCK)\n",
    );
    let script = "python3 hold.py & until [ -e ready ] || ! kill -0 $!; do :; done; [ -e ready ] || exit 9; \
                  snap-scan -o list; TIMEFORMAT='%U %S'; { time snap-heapify -o stored list; } 2>times; wait";
    let done = world.sh(script);
    if done.code() == Some(9) {
        eprintln!("skipped: this file system knows no leases");
        return;
    }
    done.ok();
    world.sh("jq -es '.[0].md5 != null' stored").ok();
    let times = fs::read_to_string(world.path("times")).expect("the times");
    let used: f64 = times.split_whitespace().map(|t| t.parse::<f64>().expect("seconds")).sum();
    assert!(used < 0.75, "{used} s of a processor for waiting 1.5 s");
}
