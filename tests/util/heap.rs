//! What is in a heap: objects, their paths, and what a list says of them.

use super::encrypted::Naming;
use super::{Done, World};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

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

/// The path of an object in the heap, which is there.
pub fn object(world: &World, md5: &str) -> PathBuf {
    let heap = world.path("heap");
    let (id, ending) = match Naming::of(&heap) {
        None => (md5.to_string(), "gz"),
        Some(naming) => (naming.id(md5), "gz.age"),
    };
    heap.join(format!("{}/{id}.{ending}", &id[..2]))
}

/// How the heap, which is there, names a content: by its md5, unless it is encrypted.
pub fn id(world: &World, md5: &str) -> String {
    id_in(&object(world, md5)).expect("the name of an object has an id")
}

/// How the heap names a text.
pub fn id_of(world: &World, content: &str) -> String {
    id(world, &md5_of(world, content))
}

/// Whether a file has the name of a snapshot.
pub fn is_snapshot(path: &Path) -> bool {
    let name = path.to_string_lossy();
    // One only stops the Python tool.
    name.strip_suffix(".age").unwrap_or(&name).ends_with(".jsonl.gz") && !name.contains("/0000-")
}

/// Whether an encrypted snap root has this file beside its snapshots.
pub fn is_of_encryption(path: &Path) -> bool {
    path.ends_with("encryption.json") || path.parent().is_some_and(|folder| folder.ends_with("encrypted/encrypted"))
}

/// The id in the name of an object.
pub fn id_in(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let id = name.strip_suffix(".age").unwrap_or(name).strip_suffix(".gz")?;
    (id.len() == 32).then(|| id.to_string())
}

/// The md5 of a text.
pub fn md5_of(world: &World, content: &str) -> String {
    world.run(&["md5sum"], content.as_bytes()).ok().out()[..32].to_string()
}

/// The objects in the heap, by the names that it has for them.
pub fn heap(world: &World) -> BTreeSet<String> {
    world.files_below("heap").iter().filter_map(|path| id_in(path)).collect()
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
