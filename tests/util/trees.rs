//! Trees of files with exact names, contents, modes and times, and what a folder holds.

use super::data;
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use snapshooter::internals::json;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

/// The trees of which `tests/data` has snapshots that the Python tool wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tree {
    /// The first state of `python-local`.
    Files,
    /// The second: a.txt changed, added/new.txt added, a0 removed, B only touched.
    Files2,
    /// The names of `python-local-tricky`.
    Tricky,
}

const USUAL: i128 = 1_700_000_000_000_000_000;

/// Makes a tree.
pub fn build(root: &Path, tree: Tree) {
    match tree {
        Tree::Files => files(root),
        Tree::Files2 => {
            files(root);
            second_state(root);
        }
        Tree::Tricky => tricky(root),
    }
}

/// From the first state to the second.
pub fn second_state(root: &Path) {
    put(root, "a.txt", b"a.txt changed\n", 1_700_000_100_000_000_000, 0o644);
    put(root, "added/new.txt", b"new\n", 1_700_000_100_000_000_000, 0o644);
    fs::remove_file(root.join("a0")).expect("remove a0");
    put(root, "B", b"B\n", 1_700_000_100_250_000_000, 0o644);
}

/// Writes a file with that time, in nanoseconds since 1970, and that mode.
pub fn put(root: &Path, name: impl AsRef<[u8]>, content: impl AsRef<[u8]>, mtime_ns: i128, mode: u32) {
    let path = root.join(OsStr::from_bytes(name.as_ref()));
    fs::create_dir_all(path.parent().expect("a file is in a folder")).expect("make a folder");
    fs::write(&path, content).expect("write a file");
    fs::set_permissions(&path, Permissions::from_mode(mode)).expect("set a mode");
    let (sec, nsec) = (mtime_ns.div_euclid(1_000_000_000), mtime_ns.rem_euclid(1_000_000_000));
    let time = Timespec { tv_sec: sec.try_into().expect("seconds"), tv_nsec: nsec.try_into().expect("nanoseconds") };
    utimensat(CWD, &path, &Timestamps { last_access: time, last_modification: time }, AtFlags::empty()).expect("set a time");
}

fn files(root: &Path) {
    let plain: [(&str, &[u8]); 22] = [
        ("empty.txt", b""),
        (".hidden", b"hidden\n"),
        (".config/settings.ini", b"[a]\nb=c\n"),
        ("a.txt", b"a.txt\n"),
        ("a/b", b"a/b\n"),
        ("a-b", b"a-b\n"),
        ("a0", b"a0\n"),
        ("B", b"B\n"),
        ("with space.txt", b"space\n"),
        ("-dash", b"dash\n"),
        ("100%.txt", b"percent\n"),
        ("brackets[1].txt", b"brackets\n"),
        ("it's", b"apostrophe\n"),
        ("ünï/日本.txt", "日本\n".as_bytes()),
        ("emoji-😀.txt", b"emoji\n"),
        ("pua-\u{f8ff}.txt", b"pua\n"),
        ("dup/one", b"same content\n"),
        ("dup/two", b"same content\n"),
        ("deep/d00/d01/d02/d03/d04/d05/d06/d07/d08/d09/d10/d11/leaf", b"leaf\n"),
        ("crlf.txt", b"one\r\ntwo\r\n"),
        ("not-really.gz", b"not gzip\n"),
        ("zeros.bin", &[0; 16384]),
    ];
    for (name, content) in plain {
        put(root, name, content, USUAL, 0o644);
    }
    put(root, "random.bin", fs::read(data("python-local/files/random.bin")).expect("random.bin"), USUAL, 0o644);
    put(root, "run.sh", b"#!/bin/sh\necho hi\n", USUAL, 0o755);
    put(root, "readonly.txt", b"ro\n", USUAL, 0o444);
    let times: [(&str, &[u8], i128); 6] = [
        ("mtime/ns", b"ns\n", 1_700_000_000_123_456_789),
        ("mtime/zero", b"zero\n", 0),
        ("mtime/one_ns", b"one\n", 1),
        ("mtime/pre1970", b"pre\n", -1_000_000_500_000_000),
        ("mtime/y2300", b"y2300\n", 10_413_792_000_000_000_005),
        ("mtime/half", b"half\n", 1_700_000_000_500_000_000),
    ];
    for (name, content, time) in times {
        put(root, name, content, time, 0o644);
    }
}

fn tricky(root: &Path) {
    let all: [(&[u8], &str); 25] = [
        (b"\xff\xfe", "nonutf8\n"),
        (b"latin1_\xe9.txt", "latin1\n"),
        (b"bad\xff/in", "inbad\n"),
        (b"new\nline", "nl\n"),
        (b"cr\rret", "cr\n"),
        (b"tab\tx", "tab\n"),
        (b"q\"uote\\back", "qb\n"),
        (b"ctl\x01\x7f", "ctl\n"),
        ("ünï.txt".as_bytes(), "uni\n"),
        ("nfd_u\u{308}".as_bytes(), "nfd\n"),
        ("nfc_\u{fc}".as_bytes(), "nfc\n"),
        ("😀.txt".as_bytes(), "emoji\n"),
        ("\u{f8ff}_pua".as_bytes(), "pua\n"),
        ("sep\u{2028}x".as_bytes(), "ls\n"),
        ("\u{feff}bom".as_bytes(), "bom\n"),
        ("nbsp\u{a0}x".as_bytes(), "nbsp\n"),
        (b" lead", "lead\n"),
        (b"trail ", "trail\n"),
        (b"star*[x]?", "glob\n"),
        (b"file:x", "filex\n"),
        (b"a::b", "chain\n"),
        (b"html<&>'", "html\n"),
        (b"pipe|x", "pipe\n"),
        (b"~", "tilde\n"),
        (b"empty", ""),
    ];
    for (name, content) in all {
        put(root, name, content, USUAL, 0o644);
    }
}

/// What stands under a name in a folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// `file`, `link`, `directory` or `other`.
    pub kind: &'static str,
    /// The bytes of a file, the target of a link.
    pub content: Vec<u8>,
    /// Permissions.
    pub mode: u32,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
}

/// All that is below a folder, by the bytes of its names.
pub fn listing(root: &Path) -> BTreeMap<Vec<u8>, Entry> {
    let mut all = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1) {
        let entry = entry.expect("walk the folder");
        let name = entry.path().strip_prefix(root).expect("it is below the folder").as_os_str().as_bytes().to_vec();
        let meta = entry.metadata().expect("the metadata of what was walked to");
        let (kind, content) = if meta.is_file() {
            ("file", fs::read(entry.path()).expect("read a file"))
        } else if meta.is_symlink() {
            ("link", fs::read_link(entry.path()).expect("read a link").into_os_string().as_bytes().to_vec())
        } else if meta.is_dir() {
            ("directory", Vec::new())
        } else {
            ("other", Vec::new())
        };
        all.insert(name, Entry { kind, content, mode: meta.mode() & 0o7777, mtime: (meta.mtime(), meta.mtime_nsec()) });
    }
    all
}

/// The names and contents of files alone: all that the Python tool restores.
pub fn contents(root: &Path) -> BTreeMap<Vec<u8>, Vec<u8>> {
    listing(root).into_iter().filter(|(_, e)| e.kind == "file").map(|(name, e)| (name, e.content)).collect()
}

/// A line of `expected-*.tsv`.
#[derive(Clone, PartialEq, Debug)]
pub struct Expected {
    /// Lower-case hex.
    pub md5: String,
    /// Bytes.
    pub size: u64,
    /// The time as a double, which is what the Python tool keeps of it.
    pub mtime: f64,
    /// Permissions.
    pub mode: u32,
}

/// What `tests/data` says that a tree holds, by the bytes of its names.
pub fn expected(file: &str) -> BTreeMap<Vec<u8>, Expected> {
    let table = fs::read_to_string(data(file)).expect(file);
    let lines = table.lines().filter(|l| !l.starts_with('#'));
    let row = |line: &str| {
        let cells: Vec<&str> = line.split('\t').collect();
        let name = json::decode(cells[0]).as_deref().and_then(json::unescape).expect(cells[0]).into_owned();
        let ns: i128 = cells[3].parse().expect(cells[3]);
        let mtime = ns.div_euclid(1_000_000_000) as f64 + 1e-9 * ns.rem_euclid(1_000_000_000) as f64;
        let mode = u32::from_str_radix(cells[4].trim_start_matches("0o"), 8).expect(cells[4]);
        (name, Expected { md5: cells[1].to_string(), size: cells[2].parse().expect(cells[2]), mtime, mode })
    };
    lines.map(row).collect()
}
