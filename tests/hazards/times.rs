//! Times of any year come back to the nanosecond, as far as the file system keeps them.

use crate::util::World;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Seconds since 1970 of times that are odd: years after 9999, before 0, and the ends of what file systems keep.
const TIMES: [i64; 12] = [
    253_402_300_799,
    253_402_300_800,
    500_000_000_000,
    8_210_266_876_800,
    1 << 62,
    i64::MAX - 1,
    -1,
    -62_167_219_200,
    -62_167_219_201,
    -8_334_601_228_801,
    -(1 << 62),
    15_032_385_534,
];

fn set(path: &Path, sec: i64) {
    use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
    let time = Timespec { tv_sec: sec, tv_nsec: 123_456_789 };
    let times = Timestamps { last_access: time, last_modification: time };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).expect("set a time");
}

fn time(path: &Path) -> (i64, i64) {
    let meta = std::fs::symlink_metadata(path).expect("a file");
    (meta.mtime(), meta.mtime_nsec())
}

/// Files, folders and links with such times in a folder come back as they are. Gives how many times the folder keeps.
fn come_back(root: &Path) -> usize {
    let mut world = World::new();
    let (files, back) = (root.join("files"), root.join("back"));
    for (n, sec) in TIMES.into_iter().enumerate() {
        std::fs::create_dir_all(files.join(format!("d{n}"))).expect("a folder");
        std::fs::write(files.join(format!("f{n}")), "x").expect("a file");
        std::os::unix::fs::symlink("to", files.join(format!("l{n}"))).expect("a link");
        ["d", "f", "l"].iter().for_each(|kind| set(&files.join(format!("{kind}{n}")), sec));
    }
    world.set("FILE_ROOT", &files);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    // Also by way of jq, which writes numbers anew.
    for read in ["snap-read", "snap-read | jq -c ."] {
        let _ = std::fs::remove_dir_all(&back);
        world.sh(&format!("{read} | snap-restore --file-root '{}'", back.display())).ok().silent();
        for (n, sec) in TIMES.into_iter().enumerate() {
            for name in ["d", "f", "l"].map(|kind| format!("{kind}{n}")) {
                assert_eq!(time(&back.join(&name)), time(&files.join(&name)), "{name}: {sec}");
            }
        }
        // They are what the records say, so that nothing is left to do, and nothing differs.
        world.sh(&format!("{read} | snap-restore --file-root '{}' --dry-run", back.display())).ok().says("");
    }
    world.sh("snap-scan | snap-heapify -n | snap-diff --format table -m latest -").ok();
    (0..TIMES.len()).filter(|n| time(&files.join(format!("f{n}"))) == (TIMES[*n], 123_456_789)).count()
}

#[test]
fn times_before_and_after_the_years_of_rfc_3339_come_back_to_the_nanosecond() {
    let here = tempfile::tempdir().expect("a folder");
    let kept = come_back(here.path());
    // tmpfs keeps all.
    match tempfile::tempdir_in("/dev/shm") {
        Ok(memory) => assert_eq!(come_back(memory.path()), TIMES.len()),
        Err(_) => eprintln!("without /dev/shm: {kept} of {} times are kept here", TIMES.len()),
    }
}

#[test]
fn a_time_after_the_year_9999_is_written_in_the_expanded_form_of_iso_8601() {
    let Ok(memory) = tempfile::tempdir_in("/dev/shm") else { return eprintln!("not run: no /dev/shm") };
    let mut world = World::new();
    std::fs::write(memory.path().join("f"), "").expect("a file");
    set(&memory.path().join("f"), 253_402_300_800);
    world.set("FILE_ROOT", memory.path());
    world.sh("snap-scan --no-end | jq -r .modified").ok().says("+010000-01-01T00:00:00.123456789Z\n");
}
