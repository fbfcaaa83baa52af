//! What is in a heap: objects, their paths, and what a list says of them.

use super::{Done, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

/// A whole backup.
pub const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

/// Names and paths of the objects of the latest snapshot's files.
pub fn objects(world: &World) -> BTreeMap<String, PathBuf> {
    let lines = world.sh("snap-read | jq -r 'select(.type == \"file\") | .name + \" \" + .md5'").ok().lines();
    let pair = |line: &String| {
        let (name, md5) = line.rsplit_once(' ').expect("a name and an md5");
        (name.to_string(), object(world, md5))
    };
    lines.iter().map(pair).collect()
}

/// The path of an object.
pub fn object(world: &World, md5: &str) -> PathBuf {
    world.path(format!("heap/{}/{md5}.gz", &md5[..2]))
}

/// The md5 of a text.
pub fn md5_of(world: &World, content: &str) -> String {
    world.run(&["md5sum"], content.as_bytes()).ok().out()[..32].to_string()
}

/// The objects in the heap, by md5.
pub fn heap(world: &World) -> BTreeSet<String> {
    let gz = world.files_below("heap").into_iter().filter(|p| p.extension().is_some_and(|e| e == "gz"));
    gz.map(|p| p.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

/// What a list of JSON objects has under a key, for those where another key has a value.
pub fn column(done: &Done, key: &str, filter: (&str, &str)) -> BTreeSet<String> {
    let rows = done.lines().into_iter().map(|l| serde_json::from_str::<Value>(&l).expect(&l));
    rows.filter(|r| r[filter.0] == filter.1).map(|r| r[key].as_str().unwrap_or_default().to_string()).collect()
}

/// A number that looks random, the same in every run.
pub fn mixed(seed: u64) -> u64 {
    let mut x = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// A text of some words, another one for each seed.
pub fn text(seed: u64) -> String {
    let words = 60 + mixed(seed) % 400;
    (0..words).map(|n| format!("{:x} ", mixed(seed ^ (n << 32)) % 5000)).collect()
}
