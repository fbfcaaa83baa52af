//! Races: while a tool works, another thread swaps what it works on with links to a canary, as fast as it can.

use crate::hazards::hostile::store;
use crate::util::World;
use crate::util::measure::{figure, many, state, well_behaved};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

/// A thread that exchanges pairs of names until it is dropped.
struct Swapper {
    stop: Arc<AtomicBool>,
    swaps: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Swapper {
    fn new(pairs: Vec<(PathBuf, PathBuf)>) -> Swapper {
        let (stop, swaps) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (stop.clone(), swaps.clone());
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for (a, b) in &pairs {
                    // One of them may be missing for a moment, while the tool replaces it.
                    let swapped = renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE);
                    count.fetch_add(u64::from(swapped.is_ok()), Ordering::Relaxed);
                }
            }
        });
        Swapper { stop, swaps, thread: Some(thread) }
    }

    fn finish(mut self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(std::thread::JoinHandle::join).expect("a thread").expect("no panic");
        self.swaps.load(Ordering::Relaxed)
    }
}

const FILES: usize = 30;

/// `outside` with what must not be read or changed, `files/d` with as many ordinary files.
fn world() -> World {
    let world = World::new();
    for n in 0..FILES {
        world.put(&format!("outside/f{n}"), format!("secret {n}\n"));
        world.put(&format!("files/d/f{n}"), format!("plain {n}\n"));
    }
    world.put("outside/s/secret", "secret in a folder\n");
    world.put("outside/f", "secret f\n");
    world.put("files/e/f", "plain f\n");
    world.put("files/e/s/plain", "plain in a folder\n");
    world.put("files/d/old/extra", "an extra\n");
    world.put("outside/old/extra", "secret extra\n");
    symlink(world.path("outside"), world.path("files/swap")).unwrap();
    symlink(world.path("outside/f"), world.path("files/swap1")).unwrap();
    symlink(world.path("outside/s"), world.path("files/swap2")).unwrap();
    world
}

/// No pair lies below another one, or the swapper itself would go through a link.
fn pairs(world: &World) -> Vec<(PathBuf, PathBuf)> {
    let pair = |a: &str, b: &str| (world.path(a), world.path(b));
    vec![pair("files/d", "files/swap"), pair("files/e/s", "files/swap2"), pair("files/e/f", "files/swap1")]
}

/// Other names and times for `files`, so that every restore has work to do.
fn disturb(root: &Path, round: u32) {
    let all = walkdir::WalkDir::new(root).into_iter().filter_map(Result::ok);
    for (n, entry) in all.filter(|e| e.file_type().is_file()).enumerate() {
        // It may be elsewhere by now.
        match (n as u32 + round) % 3 {
            0 => drop(fs::remove_file(entry.path())),
            1 => drop(fs::set_permissions(entry.path(), Permissions::from_mode(0o600))),
            _ => drop(fs::write(entry.path(), "disturbed\n")),
        }
    }
    let _ = fs::create_dir_all(root.join("d/old"));
    let _ = fs::write(root.join("d/old/extra"), "an extra\n");
}

#[test]
fn restore_never_follows_a_link_that_is_swapped_in() {
    let world = world();
    world.sh("snap-scan --exclude 'swap*' --exclude old | snap-heapify --no-base > list").ok();
    let before = state(&world.path("outside"));
    let (start, limit) = (Instant::now(), many(Duration::from_secs(2), Duration::from_secs(60)));
    let (mut runs, mut swaps) = (0, 0);
    while start.elapsed() < limit || runs < 8 {
        // Only while nothing is swapped, or it would be us who write through the links.
        disturb(&world.path("files"), runs);
        let options = ["", "--delete --delete-excluded", "--checksum", "--owner --xattrs -o out"][runs as usize % 4];
        let swapper = Swapper::new(pairs(&world));
        let done = world.sh(&format!("for i in 1 2 3 4 5; do snap-restore {options} list; done"));
        swaps += swapper.finish();
        well_behaved(&done);
        assert!(state(&world.path("outside")) == before, "an escape{done}");
        assert!(done.code() != Some(2), "one record's failure stopped all{done}");
        runs += 1;
        if !world.path("files/d").is_dir() || world.path("files/d").is_symlink() {
            // --delete took one of the two away, or they stand exchanged.
            let _ = fs::remove_file(world.path("files/d"));
        }
        for (link, to) in [("swap", "outside"), ("swap1", "outside/f"), ("swap2", "outside/s")] {
            let link = world.path("files").join(link);
            let _ = fs::remove_dir_all(&link).or_else(|_| fs::remove_file(&link));
            symlink(world.path(to), link).unwrap();
        }
        world.sh("snap-restore list").ok();
    }
    figure(22, &format!("restore: {} runs during {swaps} swaps of folders and files with links: 0 escapes", runs * 5));
}

#[test]
fn restore_never_changes_a_file_with_a_name_outside_that_is_swapped_in() {
    let world = World::new();
    let md5 = store(&world, b"same\n");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let make = |name: &str| {
        let path = world.put(name, "same\n");
        fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    };
    make("outside/hard");
    fs::create_dir_all(world.path("files")).unwrap();
    fs::hard_link(world.path("outside/hard"), world.path("files/swap")).unwrap();
    let line = format!("{{\"name\":\"f\",\"md5\":\"{md5}\",\"size\":5,\"mtime\":1700000000,\"mode\":33261}}\n");
    let list = line.clone();
    let mode = || fs::metadata(world.path("outside/hard")).unwrap().permissions().mode() & 0o7777;
    let (start, limit) = (Instant::now(), many(Duration::from_secs(1), Duration::from_secs(30)));
    let (mut runs, mut swaps) = (0, 0);
    while start.elapsed() < limit {
        let _ = fs::remove_file(world.path("files/f"));
        make("files/f");
        let swapper = Swapper::new(vec![(world.path("files/f"), world.path("files/swap"))]);
        let done = world.run(&["snap-restore"], list.as_bytes());
        swaps += swapper.finish();
        well_behaved(&done);
        assert!(mode() == 0o600, "the mode of a file outside was changed in run {runs}{done}");
        runs += 1;
        let _ = fs::remove_file(world.path("files/swap"));
        fs::hard_link(world.path("outside/hard"), world.path("files/swap")).unwrap();
    }
    figure(22, &format!("restore: {runs} runs during {swaps} swaps with another name of a file outside: 0 escapes"));
}

#[test]
fn scan_and_heapify_never_read_through_a_link_that_is_swapped_in() {
    let mut world = world();
    let secrets: Vec<String> = walkdir::WalkDir::new(world.path("outside"))
        .into_iter()
        .filter_map(Result::ok)
        .filter(|e| e.file_type().is_file())
        .map(|e| snapshooter::internals::digest::md5_of(&fs::read(e.path()).unwrap()).to_string())
        .collect();
    world.put("names", (0..FILES).map(|n| format!("d/f{n}\n")).collect::<String>() + "e/f\ne/s/plain\ne/s/secret\n");
    world.set("SECRET", "secret");
    let before = state(&world.path("outside"));
    let (start, limit) = (Instant::now(), many(Duration::from_secs(2), Duration::from_secs(60)));
    let swapper = Swapper::new(pairs(&world));
    let mut runs = 0;
    while start.elapsed() < limit || runs < 4 {
        let scan = ["snap-scan", "snap-scan --xattrs", "snap-scan --files-from names", "snap-scan --type f"][runs % 4];
        let done = world.sh(&format!("{scan} | snap-heapify --no-base > list{}", runs % 4));
        well_behaved(&done);
        let list = fs::read_to_string(world.path(format!("list{}", runs % 4))).unwrap();
        for line in list.lines() {
            assert!(secrets.iter().all(|md5| !line.contains(md5.as_str())), "read through a link: {line}{done}");
            assert!(!line.contains("secret\"") || line.contains("\"type\":\"error\""), "listed through a link: {line}{done}");
        }
        runs += 1;
    }
    let swaps = swapper.finish();
    for object in world.files_below("heap") {
        let name = object.file_stem().unwrap().to_string_lossy().into_owned();
        assert!(!secrets.contains(&name), "a secret is in the heap: {name}");
    }
    assert!(state(&world.path("outside")) == before);
    figure(22, &format!("scan and heapify: {runs} runs during {swaps} swaps: 0 names, contents or targets from outside"));
}
