//! Faults of the storage: the order of what is written, system calls that fail, power cuts, full disks, writers at once.
//!
//! The quick tier runs with the other tests; with SNAP_TORTURE=1 (`make torture`) the counts are those of doc/reliability.md.
//! SNAP_TOOLS names a folder of other builds of the tools to test. Each test prints what it counted as `row N: ...`.

mod disk;
mod inject;
mod order;
mod others;
mod race;
mod trace;

use crate::util::World;
use crate::util::encrypted::{self, Naming};
use crate::util::heap::{id_in, is_of_encryption, is_snapshot};
use md5::Digest;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

/// A world whose commands are the tools under test.
fn world() -> World {
    let mut world = World::new();
    if let Some(tools) = std::env::var_os("SNAP_TOOLS") {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(PathBuf::from(tools)).chain(std::env::split_paths(&path));
        world.set("PATH", std::env::join_paths(path).expect("a PATH"));
    }
    world
}

/// Numbers that look random and are the same in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }

    /// Bytes that do not compress.
    fn bytes(&mut self, len: usize) -> Vec<u8> {
        let mut bytes: Vec<u8> = std::iter::repeat_with(|| self.next().to_le_bytes()).take(len / 8 + 1).flatten().collect();
        bytes.truncate(len);
        bytes
    }
}

/// Makes a tree of `count` small files of its own content, one of 700 kB and one that is stored in pieces.
fn tree(root: &Path, seed: u64, count: usize) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let put = |name: &str, content: &[u8]| {
        let path = root.join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect(name);
        fs::write(&path, content).expect(name);
    };
    for n in 0..count {
        let len = 20 + random.below(2000) as usize;
        put(&format!("d{:02}/f{n:05}", n % 37), &random.bytes(len));
    }
    put("d00/twice", b"the same content");
    put("d01/twice", b"the same content");
    put("medium", &random.bytes(700_000));
    put("large", &random.bytes((5 << 20) / 2));
}

/// What is in a repository, found without our own code.
#[derive(Default, Debug)]
struct Audit {
    /// Objects under final names.
    objects: BTreeSet<String>,
    /// Those whose content has another md5, or that do not inflate.
    torn: Vec<String>,
    /// Published snapshots.
    snapshots: BTreeSet<PathBuf>,
    /// Snapshots that are not whole, and contents that they name and the heap has not.
    dangling: Vec<String>,
    /// Temporary files and folders.
    temps: Vec<PathBuf>,
    /// Names the objects of an encrypted heap.
    naming: Option<Naming>,
}

impl Audit {
    fn of(heap: &Path, snap: &Path) -> Audit {
        let mut audit = Audit { naming: Naming::of(heap), ..Audit::default() };
        for path in files(heap) {
            match id_in(&path).filter(|_| !path.starts_with(heap.join("temp"))) {
                None if path.starts_with(heap.join("temp")) => audit.temps.push(path),
                None => {}
                Some(id) => {
                    let right = inflate(&path).is_ok_and(|content| audit.id(&hex(&md5::Md5::digest(content))) == id);
                    if !right {
                        audit.torn.push(id.clone());
                    }
                    audit.objects.insert(id);
                }
            }
        }
        for path in files(snap).into_iter().filter(|path| !is_of_encryption(path)) {
            if !is_snapshot(&path) {
                audit.temps.push(path);
                continue;
            }
            audit.look_into(&path);
            audit.snapshots.insert(path);
        }
        audit
    }

    /// How the heap names a content.
    fn id(&self, md5: &str) -> String {
        self.naming.as_ref().map_or_else(|| md5.to_string(), |naming| naming.id(md5))
    }

    fn look_into(&mut self, path: &Path) {
        let bad = |what: &str| format!("{}: {what}", path.display());
        let Ok(text) = inflate(path) else { return self.dangling.push(bad("not whole")) };
        for line in text.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
            let Ok(record) = serde_json::from_slice::<serde_json::Value>(line) else {
                return self.dangling.push(bad("a line that is no record"));
            };
            let Some(id) = record["md5"].as_str().map(|md5| self.id(md5)) else { continue };
            if record["type"] == "file" && (!self.objects.contains(&id) || self.torn.contains(&id)) {
                self.dangling.push(bad(&format!("{}: no object {id}", record["name"])));
            }
        }
    }

    /// What is wrong with it; empty if nothing is. Temps are another matter.
    fn wrong(&self) -> Vec<String> {
        self.torn.iter().map(|t| format!("torn: {t}")).chain(self.dangling.iter().cloned()).collect()
    }
}

/// The repository of a world.
fn audit(world: &World) -> Audit {
    Audit::of(&world.path("heap"), &world.path("snap"))
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    all.filter(|e| e.file_type().is_file()).map(walkdir::DirEntry::into_path).collect()
}

fn inflate(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut content = Vec::new();
    // An empty file is no gzip, though the decoder reads nothing from it without complaint.
    if fs::metadata(path)?.len() == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    let mut gzip = fs::read(path)?;
    if path.extension().is_some_and(|e| e == "age") {
        gzip = encrypted::decrypt(&gzip)?;
    }
    flate2::read::MultiGzDecoder::new(&gzip[..]).read_to_end(&mut content)?;
    Ok(content)
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[test]
fn the_planted_faults_fit_the_source() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let patches: Vec<_> = files(&project.join("tests/torture/mutants"));
    assert!(patches.len() >= 5, "{patches:?}");
    for path in patches {
        let patch = File::open(&path).expect("a patch");
        let mut command = std::process::Command::new("patch");
        let done = command.args(["--dry-run", "--fuzz=0", "-p1"]).current_dir(project).stdin(patch).output().expect("patch(1)");
        assert!(done.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&done.stdout));
    }
}
