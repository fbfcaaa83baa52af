//! Figures of the reliability table: how much is run, what it took, and one line `row N: …` for each.

use crate::util::{Done, World};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// `quick` in every run of the tests; `full` where SNAP_TORTURE is 1.
pub fn many<T>(quick: T, full: T) -> T {
    if std::env::var_os("SNAP_TORTURE").is_some_and(|v| v == "1") { full } else { quick }
}

/// Prints a figure; `cargo test -- --nocapture` shows it.
pub fn figure(row: u32, text: &str) {
    println!("row {row}: {text}");
}

/// A command that ended, with the most memory it had (in KiB) and the time it took.
pub struct Measured {
    pub done: Done,
    pub memory: u64,
    pub time: Duration,
}

/// Runs a tool as [`World::run`] does and measures it with time(1).
pub fn measured(world: &World, arguments: &[&str], input: &[u8]) -> Measured {
    let mut all = vec!["/usr/bin/time", "-q", "-f", "%M", "-o", "measure"];
    all.extend(arguments);
    let start = Instant::now();
    let done = world.run(&all, input);
    let time = start.elapsed();
    let memory = std::fs::read_to_string(world.path("measure")).expect("what time(1) wrote");
    let memory = memory.trim().parse().unwrap_or_else(|_| panic!("a number of KiB, not {memory:?}{done}"));
    Measured { done, memory, time }
}

/// All that could be changed of what is below a folder, and of the folder: type and mode, owner, links, size, both times to
/// the nanosecond, inode, content or target.
pub fn state(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut all = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root) {
        let entry = entry.expect("walk the folder");
        let m = entry.path().symlink_metadata().expect("its metadata");
        let content = match () {
            () if m.is_file() => std::fs::read(entry.path()).expect("read a file"),
            () if m.is_symlink() => std::fs::read_link(entry.path()).expect("a link").into_os_string().into_encoded_bytes(),
            () => Vec::new(),
        };
        let times = format!("{}.{:09} {}.{:09}", m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec());
        let size = if m.is_dir() { 0 } else { m.size() };
        let text = format!(
            "{:o} {}:{} x{} {size} {times} #{} {}",
            m.mode(),
            m.uid(),
            m.gid(),
            m.nlink(),
            m.ino(),
            snapshooter::internals::digest::md5_of(&content)
        );
        all.insert(entry.path().as_os_str().as_encoded_bytes().to_vec(), text);
    }
    all
}

/// Asserts what no bad input may bring a tool to: a panic, a death by signal, raw control characters on stderr, a line that
/// does not say whose it is.
#[track_caller]
pub fn well_behaved(done: &Done) {
    assert!(matches!(done.code(), Some(0..=2)), "no status of ours{done}");
    let err = done.err();
    assert!(!err.contains("panicked") && !err.contains("os error"), "{done}");
    assert!(!err.chars().any(|c| c != '\n' && c.is_control()), "control characters on stderr{done}");
    assert!(err.is_empty() || err.ends_with('\n'), "{done}");
    for line in err.lines() {
        assert!(line.starts_with("snap-"), "a line without the tool's name: {line}{done}");
        assert!(line.len() < 20_000, "a line of {} bytes{done}", line.len());
    }
    if done.code() == Some(2) {
        assert!(!err.is_empty(), "it failed in silence{done}");
    }
}
