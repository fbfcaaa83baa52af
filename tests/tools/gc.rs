//! snap-gc: what goes is what no snapshot refers to.

use crate::util::measure::{figure, many};
use crate::util::{Done, World, wait_for};
use serde_json::Value;
use std::fs::{self, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use crate::util::heap::{BACKUP, column, heap, id, id_of, md5_of, object, objects, text};

#[test]
fn gc_says_first_and_deletes_what_nobody_refers_to() {
    let world = World::new();
    for name in ["a", "b", "c"] {
        world.put(&format!("files/{name}"), name);
    }
    world.sh(BACKUP).ok();
    fs::remove_file(world.path("files/c")).unwrap();
    world.sh(BACKUP).ok();
    world.put("heap/ab/foreign.gz", "x");
    world.put("heap/README", "x");
    world.put("heap/zz/0cc175b9c0f1b6a831c399e269772661.gz", "not in its folder");
    let c = md5_of(&world, "c");
    let none = |world: &World| world.sh("snap-gc --delete --grace 0s").ok().says("");
    none(&world);
    none(&world);
    world.sh("snap-forget --keep-last 1 --delete").ok();
    let before = world.files_below("heap");
    let action = |action: &str| {
        format!(
            "{{\"action\":\"{action}\",\"md5\":\"{}\",\"stored_size\":{}}}\n",
            id(&world, &c),
            fs::metadata(object(&world, &c)).map_or(0, |m| m.len())
        )
    };
    let (condemned, deleted) = (action("condemned"), action("deleted"));
    world.sh("snap-gc").ok().says(&condemned);
    assert_eq!(world.files_below("heap"), before, "a plan changes nothing");
    world.sh("snap-gc --delete").ok().says(&condemned);
    assert!(object(&world, &c).exists());
    world.sh("snap-gc --delete").ok().complains("condemned before and kept 1");
    assert!(object(&world, &c).exists());
    world.sh("snap-gc --grace 0s").ok().says(&deleted);
    assert!(object(&world, &c).exists());
    world.sh("snap-gc --grace 0s --delete").ok().says(&deleted);
    assert!(!object(&world, &c).exists());
    world.sh("snap-read | snap-verify").ok();
    let left: Vec<_> = before.iter().filter(|p| !p.exists()).collect();
    assert_eq!(left, [&object(&world, &c)], "only the object went");
    none(&world);
}

#[test]
fn gc_does_both_at_once_if_nobody_else_is_there() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh(BACKUP).ok();
    fs::remove_file(world.path("files/b")).unwrap();
    world.sh(BACKUP).ok();
    world.sh("snap-forget --keep-last 1 --delete").ok();
    world.sh("snap-gc --exclusive --grace 1h").status(2);
    world.sh("snap-gc --exclusive").ok();
    assert_eq!(heap(&world).len(), 2);
    world.sh("snap-gc --exclusive --delete").ok();
    assert_eq!(heap(&world), [id_of(&world, "a")].into());
    assert!(!world.path("heap/gc").exists(), "nothing was written");
    world.sh("snap-read | snap-verify").ok();
}

#[test]
fn gc_makes_room_on_a_full_disk() {
    let world = World::new();
    if world.sh("unshare -rm true").code() != Some(0) {
        println!("skipped: no mounts for this user here");
        return;
    }
    let script = "mkdir heap && mount -t tmpfs -o size=4m tmpfs heap && mkdir files && head -c 1000000 /dev/urandom > files/a &&
        head -c 1000000 /dev/urandom > files/b && snap-scan | snap-heapify | snap-write && rm files/b &&
        snap-scan | snap-heapify | snap-write && snap-forget --keep-last 1 --delete && snap-gc --delete && snap-gc --delete &&
        ! cat /dev/zero > heap/filler 2> /dev/null && [ $(df --output=avail heap | tail -1) = 0 ] &&
        snap-gc --exclusive --delete && [ $(df --output=avail heap | tail -1) -gt 900 ] && snap-read | snap-verify";
    world.sh(&format!("unshare -rm bash -c '{script}'")).ok();
}

#[test]
fn gc_refuses_where_it_can_not_know() {
    let world = World::new();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    // Something that would be deleted, condemned long enough ago.
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify > list").ok();
    world.sh("snap-gc --delete --grace 0s").ok();
    let before = heap(&world);
    let mut refused = 0;
    let mut refuses = |options: &str, part: &str| {
        for mode in ["--grace 0s", "--delete --grace 0s", "--delete --exclusive"] {
            world.sh(&format!("snap-gc {mode} {options}")).status(2).complains(part).says("");
            refused += 1;
        }
        assert_eq!(heap(&world), before, "{part}");
    };
    fs::create_dir(world.path("empty")).unwrap();
    refuses("--snap-root empty", "uses this heap too");
    refuses("--snap-root nowhere", "uses this heap too");
    refuses("--snap-root snap --snap-root nowhere", "nowhere");
    refuses("--snap-root snap --snap-root empty", "no snapshot found");
    world.sh("snap-read | snap-write --snap-root snap2").ok();
    refuses("", "snap2");
    fs::rename(world.path("snap2"), world.path("moved")).unwrap();
    refuses("", "snap2");
    refuses("--snap-root snap --snap-root moved", "snap2");
    fs::remove_dir_all(world.path("heap/roots")).unwrap();
    let snapshot = world.files_below("snap").pop().unwrap();
    let good = fs::read(&snapshot).unwrap();
    let moved = snapshot.with_file_name("any name.jsonl.gz");
    for cut in (0..good.len()).step_by((good.len() / 20).max(1)) {
        fs::write(&snapshot, &good[..cut]).unwrap();
        refuses("", "");
    }
    fs::write(&snapshot, &good).unwrap();
    for bad in [&b"no gzip"[..], b"", &good[..good.len() - 30]] {
        fs::write(&moved, bad).unwrap();
        refuses("", "any name.jsonl.gz");
    }
    fs::remove_file(&moved).unwrap();
    std::os::unix::fs::symlink("nothing", &moved).unwrap();
    refuses("", "list the snap root");
    fs::remove_file(&moved).unwrap();
    world.sh(&format!("mkfifo '{}'", moved.display())).ok();
    refuses("", "it is not a regular file");
    fs::remove_file(&moved).unwrap();
    fs::remove_file(&snapshot).unwrap();
    refuses("", "no snapshot found");
    figure(12, &format!("gc refused {refused} times, nothing deleted"));
    // What any other name has counts as well.
    fs::write(world.path("snap/other.jsonl.gz"), &good).unwrap();
    world.sh("snap-gc --delete --exclusive").ok();
    assert_eq!(heap(&world), [id_of(&world, "a")].into());
}

#[test]
fn what_is_condemned_stays_if_somebody_comes_to_need_it() {
    let world = World::new();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let b = md5_of(&world, "b");
    let condemn = |world: &World| {
        // An object that no snapshot refers to.
        world.put("files/b", "b");
        world.sh("snap-scan | snap-heapify > list").ok();
        world.sh("snap-gc --delete --grace 0s").ok();
        assert!(object(world, &b).exists());
    };
    // Stored anew by a writer, and then deleted by nobody, also not by the run that had condemned it.
    condemn(&world);
    let old = fs::metadata(object(&world, &b)).unwrap();
    world.sh("snap-scan | snap-heapify > list2").ok();
    let new = fs::metadata(object(&world, &b)).unwrap();
    assert_ne!((old.ino(), old.mtime(), old.mtime_nsec()), (new.ino(), new.mtime(), new.mtime_nsec()));
    assert_eq!(column(&world.sh("snap-gc --delete --grace 0s").ok(), "md5", ("action", "condemned")), [id(&world, &b)].into());
    assert!(object(&world, &b).exists());
    // The list of records is older than that: it is refused, and a second heapify makes it good.
    world.sh("snap-write < list2").status(2).complains("condemned by snap-gc").complains("snap-heapify");
    world.sh("snap-gc --delete --grace 0s").ok();
    assert!(!object(&world, &b).exists());
    world.sh("snap-write < list2").status(2).complains("snap-heapify");
    world.sh("snap-heapify < list2 | snap-write").ok();
    world.sh("snap-gc --delete --grace 0s").ok().says("");
    world.sh("snap-read | snap-verify").ok();
    // Referred to again, and condemned as it was: it stays, and a backup that takes it over renews it.
    fs::remove_file(world.path("files/b")).unwrap();
    world.sh(BACKUP).ok();
    world.sh("snap-forget --keep-last 1 --delete").ok();
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify > list3").ok();
    world.sh("snap-gc --delete --grace 2h").ok();
    world.sh("snap-write < list3").ok();
    for _ in 0..2 {
        let kept = world.sh("snap-gc --delete --grace 0s").ok();
        assert!(kept.out().contains("\"reason\":\"referenced\""), "{kept}");
    }
    world.sh(BACKUP).ok();
    let kept = world.sh("snap-gc --delete --grace 0s").ok();
    assert!(kept.out().contains("\"reason\":\"stored anew\""), "{kept}");
    world.sh("snap-gc --delete --grace 0s").ok().says("");
    world.sh("snap-read | snap-verify").ok();
}

#[test]
fn a_writer_that_is_overtaken_by_a_gc_finds_out() {
    let mut refused = 0;
    for late in ["condemned", "deleted"] {
        let world = World::new();
        world.put("files/a", "a");
        world.sh(BACKUP).ok();
        for n in 0..100 {
            world.put(&format!("files/b{n:02}"), if n == 0 { "b" } else { "a" });
        }
        let b = md5_of(&world, "b");
        world.sh("mkfifo gate; snap-scan > list").ok();
        // heapify has looked at most of the records, and waits for the last, when the gc comes.
        let script = "(head -n -1 list; touch looked; read -r _ < gate; tail -n 1 list) | snap-heapify --no-base > out";
        world.sh("snap-heapify < list > /dev/null").ok();
        let child = world.start(script);
        wait_for("the records to be on their way", || world.path("looked").exists());
        std::thread::sleep(Duration::from_millis(500));
        world.sh("snap-gc --delete --grace 0s").ok();
        if late == "deleted" {
            world.sh("snap-gc --delete --grace 0s").ok();
            assert!(!object(&world, &b).exists());
        }
        world.sh("echo > gate").ok();
        let done = world.finish(script, child);
        if late == "condemned" {
            // It has a new time now.
            done.ok();
            world.sh("snap-gc --delete --grace 0s").ok();
            assert!(object(&world, &b).exists());
        } else {
            done.status(2).complains("snap-gc deleted it while this ran");
            refused += 1;
        }
        world.sh("snap-heapify < list | snap-write").ok();
        world.sh("snap-read | snap-verify").ok();
    }
    figure(10, &format!("overtaken and refused: {refused}"));
}

#[test]
fn what_a_crash_of_gc_left_aside_comes_back() {
    let world = World::new();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let a = md5_of(&world, "a");
    let id = id(&world, &a);
    let aside = world.path(format!("heap/{}/gc-{id}-1-2.000000003-0", &id[..2]));
    let away = || fs::rename(object(&world, &a), &aside).unwrap();
    away();
    world.sh("snap-read | snap-cat").ok().says("a");
    world.sh("snap-read | snap-verify").ok();
    world.sh("snap-gc").ok().says("");
    assert!(aside.exists());
    world.sh("snap-gc --delete --grace 0s").ok().says("");
    assert!(object(&world, &a).exists() && !aside.exists());
    // Stored again meanwhile: the old one goes.
    away();
    world.sh("snap-scan | snap-heapify --no-base | snap-write").ok();
    assert!(object(&world, &a).exists() && aside.exists());
    world.sh("snap-gc --delete --grace 0s").ok();
    assert!(object(&world, &a).exists() && !aside.exists());
    world.sh("snap-read | snap-verify").ok();
}

#[test]
fn leftovers_go_when_they_are_old() {
    let world = World::new();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let snap = world.files_below("snap").pop().unwrap();
    let uuid = "heap/temp/0b9c3f0e-3f5c-4b8e-9a53-1b2c3d4e5f60.gz";
    let old = ["heap/temp/snap-1-abc/1.gz", uuid, "heap/temp/foreign.gz", "heap/temp/other/1.gz"];
    let mut all: Vec<PathBuf> = old.iter().map(|p| world.put(p, "x")).collect();
    all.push(snap.with_file_name(".snap-abc.tmp"));
    fs::write(all.last().unwrap(), "x").unwrap();
    world.sh("snap-gc --delete").ok();
    assert!(all.iter().all(|p| p.exists()), "young ones are in use");
    let before = FileTimes::new().set_modified(SystemTime::now() - Duration::from_secs(25 * 3600));
    for path in all.iter().chain([&world.path("heap/temp/snap-1-abc")]) {
        fs::File::open(path).unwrap().set_times(before).unwrap();
    }
    world.sh("snap-gc").ok();
    assert!(all.iter().all(|p| p.exists()), "a plan changes nothing");
    world.sh("snap-gc --delete").ok().complains("leftovers of writers that died: 3");
    let there: Vec<bool> = all.iter().map(|p| p.exists()).collect();
    assert_eq!(there, [false, false, true, true, false]);
}

#[test]
fn what_is_new_in_a_list_counts_from_when_the_list_is_there() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify > list").ok();
    fs::remove_file(world.path("files/b")).unwrap();
    world.sh(BACKUP).ok();
    world.sh("snap-gc --delete").ok();
    let list = fs::read_dir(world.path("heap/gc")).unwrap().next().unwrap().unwrap().path();
    let text = fs::read_to_string(&list).unwrap();
    let entry: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    let condemned = entry["condemned"].as_str().unwrap();
    let old = "2020-01-02T03:04:05.000000006Z";
    let write = |named: &str| {
        fs::remove_file(&list).ok();
        world.sh("rm -f heap/gc/condemned-*").ok();
        world.put(&format!("heap/gc/condemned-{}-1.jsonl", named.replace(':', "-")), text.replace(condemned, old));
    };
    // A gc that began its list long ago, was stopped, and has just named it.
    write(old);
    let kept = world.sh("snap-gc --delete").ok();
    assert!(kept.out().contains("\"reason\":\"grace\"") && heap(&world).len() == 2, "{kept}");
    // An entry that an older list had already.
    write(condemned);
    assert_eq!(column(&world.sh("snap-gc --delete").ok(), "action", ("action", "deleted")).len(), 1);
    assert_eq!(heap(&world), [id_of(&world, "a")].into());
}

#[test]
fn clocks_that_are_wrong_delete_nothing_young() {
    let world = World::new();
    if world.sh("faketime -f +1h true").code() != Some(0) {
        println!("row 13: skipped: faketime is not installed");
        return;
    }
    let off = |by: &str| format!("NO_FAKE_STAT=1 faketime -f {by}h");
    let (mut kept, mut published, mut refused) = (0, 0, 0);
    for by in ["+48", "-48"] {
        let world = World::new();
        for n in 0..40 {
            world.put(&format!("files/{n}"), text(n));
        }
        world.sh(BACKUP).ok();
        // What a writer has stored and not published yet, and a folder of temporary files that is in use.
        world.put("files/young", "young");
        world.sh("snap-scan | snap-heapify > list").ok();
        let temp = world.put("heap/temp/snap-1-abc/1.gz", "x");
        let young = object(&world, &md5_of(&world, "young"));
        // Objects that seem to be of another time.
        let now = SystemTime::now();
        for (n, path) in objects(&world).into_values().enumerate() {
            let two_days = Duration::from_secs(48 * 3600);
            let time = if n % 2 == 0 { now + two_days } else { now - two_days };
            fs::File::options().write(true).open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
        }
        // A gc on a machine whose clock is wrong, again and again, and then on one whose clock is right.
        for gc in [format!("{} snap-gc --delete", off(by)), format!("{} snap-gc --delete", off(by)), "snap-gc --delete".into()] {
            let done = world.sh(&gc).ok();
            assert!(column(&done, "md5", ("action", "deleted")).is_empty(), "{done}");
            assert!(young.exists() && temp.exists());
            kept += 1;
        }
        // Just condemned: nobody is refused for the clock of his own machine.
        world.sh(&format!("{} snap-write < list", off(by))).ok();
        world.sh("snap-read | snap-verify").ok();
        published += 1;
        // Condemned for longer than the grace: such a list is refused, whatever the clock there says.
        world.put("files/young", "another");
        world.sh("snap-scan | snap-heapify > list").ok();
        world.sh("snap-gc --delete --grace 0s").ok();
        world.sh(&format!("{} snap-write < list", off(by))).status(2).complains("condemned by snap-gc");
        refused += 1;
        // A backup with a wrong clock renews what it takes over.
        world.sh(&format!("{{ snap-scan; }} | {} snap-heapify --no-base | {} snap-write", off(by), off(by))).ok();
        world.sh(&format!("{} snap-gc --delete --grace 1s", off(by))).ok();
        world.sh("snap-read | snap-verify").ok();
    }
    figure(
        13,
        &format!(
            "clocks 48 hours fast and slow, objects of the future and the past: {kept} runs of gc deleted 0 young ones, {published} of {published} writers published, {refused} of {refused} old lists refused"
        ),
    );
}

#[test]
fn two_writers_and_a_gc_lose_nothing() {
    let world = World::new();
    let rounds = many(25, 500);
    world.put("files1/x", "x");
    world.put("files2/x", "x");
    for n in 0..20 {
        world.put(&format!("files1/{n}"), format!("{}", n % 7));
        world.put(&format!("files2/{n}"), format!("{}", n % 5));
    }
    for n in [1, 2] {
        world.sh(&format!("snap-scan files{n} | snap-heapify --file-root files{n} | snap-write --snap-root snap{n}")).ok();
    }
    // Contents come and go, the same ones in both, so that what one has dropped the other takes up, and some come once. The gc
    // loops with a grace that is longer than a round, and forgets all but the latest, so that it has something to delete.
    let writer = |n: u32| {
        format!(
            "export FILE_ROOT=$PWD/files{n} SNAP_ROOT=$PWD/snap{n}; for r in $(seq {rounds}); do \
             for f in 1 2 3 4 5; do echo $(( (r * f + {n}) % 9 )) > files{n}/changing$f; done; echo $r {n} > files{n}/once; \
             {BACKUP} >> done{n} || echo refused $r; snap-read | snap-verify > bad{n} || cat bad{n}; sleep .1; done"
        )
    };
    let gc = "until [ -e stop ]; do for s in snap1 snap2; do snap-forget --snap-root $s --keep-last 1 --delete > /dev/null 2>&1; done; \
              snap-gc --snap-root snap1 --snap-root snap2 --delete --grace 2s 2> gc.err > gc.out && echo ran >> gc.ran; cat gc.out >> gc.all; done";
    let writers = [1, 2].map(|n| (writer(n), world.start(&writer(n))));
    let collector = world.start(gc);
    let written: Vec<Done> = writers.into_iter().map(|(script, child)| world.finish(&script, child)).collect();
    world.put("stop", "");
    world.finish(gc, collector);
    for done in written {
        assert_eq!(done.out(), "", "a writer was refused, or something is lost: {done}");
    }
    for n in [1, 2] {
        world.sh(&format!("snap-read --snap-root snap{n} | snap-verify")).ok();
    }
    let lines = |file: &str| fs::read_to_string(world.path(file)).unwrap_or_default();
    let count = |action: &str| lines("gc.all").lines().filter(|l| l.contains(action)).count();
    let (ran, condemned, deleted) = (lines("gc.ran").lines().count(), count("\"condemned\""), count("\"deleted\""));
    let what = format!("{rounds} rounds of each of two writers, refused 0; gc ran {ran} times");
    figure(10, &format!("{what}, condemned {condemned}, deleted {deleted}, lost 0"));
    assert!(deleted > 0, "the gc had nothing to do");
}
