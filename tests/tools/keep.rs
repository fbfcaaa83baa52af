//! Keeping a repository: damage is found and mends itself, snapshots are dropped by rule, and what goes is what nobody needs.

use crate::util::measure::{figure, many, state};
use crate::util::{Done, World, wait_for};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, FileTimes};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

/// A number that looks random, the same in every run.
fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn text(seed: u64) -> String {
    let words = 60 + mixed(seed) % 400;
    (0..words).map(|n| format!("{:x} ", mixed(seed ^ (n << 32)) % 5000)).collect()
}

/// Names and paths of the objects of the latest snapshot's files.
fn objects(world: &World) -> BTreeMap<String, PathBuf> {
    let lines = world.sh("snap-read | jq -r 'select(.type == \"file\") | .name + \" \" + .md5'").ok().lines();
    let pair = |line: &String| {
        let (name, md5) = line.rsplit_once(' ').expect("a name and an md5");
        (name.to_string(), object(world, md5))
    };
    lines.iter().map(pair).collect()
}

fn object(world: &World, md5: &str) -> PathBuf {
    world.path(format!("heap/{}/{md5}.gz", &md5[..2]))
}

fn md5_of(world: &World, content: &str) -> String {
    world.run(&["md5sum"], content.as_bytes()).ok().out()[..32].to_string()
}

/// The objects in the heap, by md5.
fn heap(world: &World) -> BTreeSet<String> {
    let gz = world.files_below("heap").into_iter().filter(|p| p.extension().is_some_and(|e| e == "gz"));
    gz.map(|p| p.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// What a list of JSON objects has under a key, for those where another key has a value.
fn column(done: &Done, key: &str, filter: (&str, &str)) -> BTreeSet<String> {
    let rows = done.lines().into_iter().map(|l| serde_json::from_str::<Value>(&l).expect(&l));
    rows.filter(|r| r[filter.0] == filter.1).map(|r| r[key].as_str().unwrap_or_default().to_string()).collect()
}

/// The ways in which objects are damaged.
const DAMAGES: [&str; 8] = ["missing", "empty", "truncated", "flipped", "swapped", "other content", "garbage", "header"];

fn damage(path: &Path, other: &Path, way: &str, seed: u64) {
    let good = fs::read(path).unwrap();
    let header = snapshooter::internals::codec::read_header(&mut &good[..]).unwrap().unwrap().bytes.len();
    match way {
        "missing" => fs::remove_file(path).unwrap(),
        "empty" => fs::write(path, b"").unwrap(),
        "truncated" => fs::write(path, &good[..(mixed(seed) as usize % (good.len() - 1)) + 1]).unwrap(),
        "flipped" => {
            let mut bad = good.clone();
            // Of the last byte of the deflated data some bits have no meaning.
            let at = header + mixed(seed) as usize % (good.len() - 9 - header);
            bad[at] ^= 1 << (mixed(seed + 1) % 8);
            fs::write(path, bad).unwrap();
        }
        "header" => {
            let mut bad = good.clone();
            bad[mixed(seed) as usize % header] ^= 1 << (mixed(seed + 1) % 8);
            fs::write(path, bad).unwrap();
        }
        "swapped" => {
            let theirs = fs::read(other).unwrap();
            fs::write(path, theirs).unwrap();
            fs::write(other, good).unwrap();
        }
        "other content" => {
            let mut encoder = flate2::GzBuilder::new().write(Vec::new(), flate2::Compression::fast());
            std::io::Write::write_all(&mut encoder, text(seed + 7).as_bytes()).unwrap();
            fs::write(path, encoder.finish().unwrap()).unwrap();
        }
        "garbage" => fs::write(path, [&good[..], b"garbage"].concat()).unwrap(),
        _ => unreachable!("{way}"),
    }
}

#[test]
fn all_damage_is_found_and_mends() {
    let world = World::new();
    let per_way = many(16, 136);
    let count = per_way * DAMAGES.len() as u64;
    for n in 0..count + 40 {
        world.put(&format!("files/{:02}/{n}", n % 20), text(n * 1000));
    }
    // One is larger than what is worked on in memory, and two have the same content.
    world.put("files/large", text(1).repeat(3000));
    world.put("files/again", text(0));
    world.settle();
    world.sh(BACKUP).ok();
    world.sh("snap-read | snap-verify | jq -c '[.type, .errors]'").ok().silent().says("[\"end\",0]\n");
    world.sh("snap-read | snap-verify --quick").ok().silent();
    let paths = objects(&world);
    let path = |n: u64| paths[&format!("{:02}/{n}", n % 20)].clone();
    let mut bad: BTreeMap<String, &str> = BTreeMap::new();
    for n in 0..count {
        let way = DAMAGES[n as usize % DAMAGES.len()];
        // The other one of a swap is damaged with it; it is one of the last forty, or left as it is where those are used up.
        let other = count + (n / 8) % 40;
        if way == "swapped" && n / 8 >= 40 {
            continue;
        }
        damage(&path(n), &path(other), way, n);
        bad.insert(format!("{:02}/{n}", n % 20), way);
        if way == "swapped" {
            bad.insert(format!("{:02}/{other}", other % 20), way);
        }
        if n == 0 {
            bad.insert("again".to_string(), way);
        }
    }
    let mut large = fs::read(&paths["large"]).unwrap();
    let middle = large.len() / 2;
    large[middle] ^= 0x40;
    fs::write(&paths["large"], large).unwrap();
    bad.insert("large".to_string(), "flipped");
    let before = state(&world.path("heap"));
    let found = world.sh("snap-read | snap-verify").status(1);
    let names = column(&found, "name", ("type", "error"));
    let missed: Vec<_> = bad.iter().filter(|(name, _)| !names.contains(*name)).collect();
    assert!(missed.is_empty(), "not found: {missed:?}");
    assert_eq!(names.len(), bad.len(), "good ones were called bad");
    assert!(found.lines().iter().filter(|l| l.contains("\"error\"")).all(|l| l.contains("\"md5\":\"")), "{found}");
    let quick = column(&world.sh("snap-read | snap-verify --quick").status(1), "name", ("type", "error"));
    for (name, way) in bad.iter().filter(|(_, way)| !matches!(**way, "flipped" | "header" | "swapped" | "other content")) {
        assert!(quick.contains(name), "--quick did not find {way} {name}");
    }
    figure(15, &format!("damaged {}, found {}, found by --quick {}", bad.len(), names.len(), quick.len()));
    assert!(state(&world.path("heap")) == before, "snap-verify has changed something in the heap");
    let good: Vec<&PathBuf> = paths.iter().filter(|(name, _)| !bad.contains_key(*name)).map(|(_, path)| path).collect();
    let bytes = || good.iter().map(|p| (fs::metadata(p).unwrap().ino(), fs::read(p).unwrap())).collect::<Vec<_>>();
    let good_before = bytes();
    // An ordinary backup mends what shows from outside, and says nothing of it.
    world.sh(BACKUP).ok().silent();
    let left = column(&world.sh("snap-read | snap-verify; true"), "name", ("type", "error"));
    for name in &left {
        assert!(matches!(bad[name], "flipped" | "header" | "swapped" | "other content"), "not mended: {} {name}", bad[name]);
    }
    world.sh("snap-scan | snap-heapify --verify-existing | snap-write").ok().silent();
    world.sh("snap-read | snap-verify").ok().silent();
    figure(16, &format!("mended by the next backup {}, by --verify-existing {}", bad.len() - left.len(), left.len()));
    assert!(bytes() == good_before && !good.is_empty(), "healing has changed an object that was good");
    let (objects, good) = (before.len(), good.len());
    figure(17, &format!("verify changed 0 of {objects} files and folders of the heap; healing changed 0 of {good} good objects"));
}

#[test]
fn verify_is_a_filter_like_the_others() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh(BACKUP).ok();
    let md5 = md5_of(&world, "a");
    fs::remove_file(object(&world, &md5)).unwrap();
    let expected = format!(
        "{{\"error\":\"heap object {}/{md5}.gz is missing\",\"md5\":\"{md5}\",\"name\":\"a\",\"type\":\"error\"}}\n",
        &md5[..2]
    );
    world.sh("snap-read --no-end | snap-verify").status(1).says(&expected).complains("a: heap object");
    let wrong = format!("{{\"name\":\"b\",\"md5\":\"{}\",\"size\":2}}\n", md5_of(&world, "b"));
    assert!(world.run(&["snap-verify"], wrong.as_bytes()).status(1).out().contains("1 bytes, not 2"));
    world.run(&["snap-verify"], b"{\"name\":\"x\"}\n").status(1).complains("no md5");
    world.run(&["snap-verify"], b"{\"name\":\"x\",\"error\":\"e\",\"type\":\"error\"}\n").ok();
    world.run(&["snap-verify"], b"").ok().silent().says("");
    world.run(&["snap-verify", "--heap-root", "none"], b"").status(2);
    world.run(&["snap-verify", "--quick"], b"{\"name\":\"a\",\"md5\":\"../../etc/passwd\"}\n").status(2);
}

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
            "{{\"action\":\"{action}\",\"md5\":\"{c}\",\"stored_size\":{}}}\n",
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
    assert_eq!(heap(&world), [md5_of(&world, "a")].into());
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
    refuses("", "no file");
    fs::remove_file(&moved).unwrap();
    fs::remove_file(&snapshot).unwrap();
    refuses("", "no snapshot found");
    figure(12, &format!("gc refused {refused} times, nothing deleted"));
    // What any other name has counts as well.
    fs::write(world.path("snap/other.jsonl.gz"), &good).unwrap();
    world.sh("snap-gc --delete --exclusive").ok();
    assert_eq!(heap(&world), [md5_of(&world, "a")].into());
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
    assert_eq!(column(&world.sh("snap-gc --delete --grace 0s").ok(), "md5", ("action", "condemned")), [b.clone()].into());
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
    let aside = world.path(format!("heap/{}/gc-{a}-1-2.000000003-0", &a[..2]));
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
    assert_eq!(heap(&world), [md5_of(&world, "a")].into());
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
