//! What was backed up comes back: random trees with odd names, holes, links, hard links, modes, times and attributes.

use crate::util::World;
use crate::util::measure::{figure, many};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, XattrFlags, lgetxattr, llistxattr, lsetxattr, utimensat};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

/// A node of a tree: where among the folders so far, its name, what it is, and its metadata.
#[derive(Clone, Debug)]
struct Node {
    folder: prop::sample::Index,
    name: Vec<u8>,
    what: What,
    mode: u32,
    time: (i64, i64),
    xattrs: Vec<(String, Vec<u8>)>,
}

#[derive(Clone, Debug)]
enum What {
    Folder,
    File(Vec<u8>),
    /// Random bytes, too many to write out.
    Large(u8, usize),
    /// So many bytes with a little data at the end of a hole.
    Hole(u64),
    Link(Vec<u8>),
    /// Another name of an earlier file.
    Name(prop::sample::Index),
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let byte =
        prop_oneof![3 => prop::sample::select(b"aAbB.-_ 0~".to_vec()), 1 => (1u8..=255).prop_filter("no /", |b| *b != b'/')];
    let odd = prop::sample::select(vec![
        "é", "e\u{301}", "日本", "😀", "\u{f8ff}", "a\nb", "\t", "\\", "\"", "-rf", "*", "\u{2028}", "\u{fffd}",
    ]);
    prop_oneof![
        4 => prop::collection::vec(byte, 1..12),
        2 => odd.prop_map(|s| s.as_bytes().to_vec()),
        1 => (200usize..=255).prop_map(|n| vec![b'n'; n]),
    ]
    .prop_filter("no . and ..", |n| n != b"." && n != b"..")
}

fn node() -> impl Strategy<Value = Node> {
    let target = prop::collection::vec((1u8..=255).prop_map(|b| b), 1..300);
    let what = prop_oneof![
        3 => Just(What::Folder),
        5 => prop::collection::vec(any::<u8>(), 0..300).prop_map(What::File),
        1 => (any::<u8>(), 1usize..5 << 20).prop_map(|(seed, n)| What::Large(seed, n)),
        1 => (1u64..8 << 20).prop_map(What::Hole),
        2 => target.prop_map(What::Link),
        2 => any::<prop::sample::Index>().prop_map(What::Name),
    ];
    let xattrs = prop::collection::vec(("user\\.[a-z]{1,9}", prop::collection::vec(any::<u8>(), 0..100)), 0..3);
    let time = (-2_147_483_648i64..15_000_000_000, 0i64..1_000_000_000);
    (any::<prop::sample::Index>(), name(), what, 0u32..=0o7777, time, xattrs)
        .prop_map(|(folder, name, what, mode, time, xattrs)| Node { folder, name, what, mode, time, xattrs })
}

fn build(root: &Path, nodes: &[Node], with_xattrs: bool) {
    fs::create_dir_all(root).unwrap();
    let (mut folders, mut files, mut meta) = (vec![root.to_path_buf()], Vec::<PathBuf>::new(), Vec::new());
    for node in nodes {
        let path = node.folder.get(&folders).join(OsStr::from_bytes(&node.name));
        if path.as_os_str().len() > 3500 || path.symlink_metadata().is_ok() {
            continue;
        }
        match &node.what {
            What::Folder => {
                fs::create_dir(&path).unwrap();
                folders.push(path.clone());
            }
            What::File(content) => fs::write(&path, content).unwrap(),
            What::Large(seed, size) => {
                let mut x = u64::from(*seed) | 1;
                let noise = std::iter::repeat_with(|| {
                    x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    (x >> 40) as u8
                });
                fs::write(&path, noise.take(*size).collect::<Vec<u8>>()).unwrap();
            }
            What::Hole(size) => {
                let file = File::create(&path).unwrap();
                file.write_all_at(b"behind the hole", *size).unwrap();
                file.set_len(size + (size % 3) * 100_000).unwrap();
            }
            What::Link(target) => symlink(OsStr::from_bytes(target), &path).unwrap(),
            What::Name(_) if files.is_empty() => continue,
            What::Name(other) => {
                fs::hard_link(other.get(&files), &path).unwrap();
                continue;
            }
        }
        if path.is_file() && !path.is_symlink() {
            files.push(path.clone());
        }
        meta.push((path, node));
    }
    // What is in a folder changes its time: from the last to the first.
    for (path, node) in meta.iter().rev() {
        let time = Timespec { tv_sec: node.time.0, tv_nsec: node.time.1 };
        if !path.is_symlink() {
            for (key, value) in node.xattrs.iter().filter(|_| with_xattrs) {
                lsetxattr(path, key, value, XattrFlags::empty()).unwrap();
            }
            fs::set_permissions(path, Permissions::from_mode(node.mode)).unwrap();
        }
        utimensat(CWD, path, &Timestamps { last_access: time, last_modification: time }, AtFlags::SYMLINK_NOFOLLOW).unwrap();
    }
}

/// All that has to come back: by name, the type, mode, time, content or target, attributes, and the first name of the same file.
fn tree(root: &Path) -> BTreeMap<Vec<u8>, String> {
    let mut all = BTreeMap::new();
    let mut firsts = BTreeMap::new();
    for entry in walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name() {
        let entry = entry.unwrap();
        let name = entry.path().strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let m = entry.metadata().unwrap();
        let content = match () {
            () if m.is_file() => fs::read(entry.path()).unwrap(),
            () if m.is_symlink() => fs::read_link(entry.path()).unwrap().into_os_string().into_encoded_bytes(),
            () => Vec::new(),
        };
        let first = firsts.entry(m.ino()).or_insert_with(|| name.clone()).clone();
        let first = if m.is_dir() { Vec::new() } else { first };
        // Of a hole it is asked that it is one again, not that it is of the same blocks.
        let sparse = m.is_file() && m.blocks() * 512 + 8192 < m.size();
        let mode = if m.is_symlink() { 0 } else { m.mode() };
        let text = format!(
            "{mode:o} {}.{:09} {} {} {sparse} {:?} {:?}",
            m.mtime(),
            m.mtime_nsec(),
            snapshooter::internals::digest::md5_of(&content),
            content.len(),
            xattrs(entry.path()),
            snapshooter::internals::display::printable(&first),
        );
        all.insert(name, text);
    }
    all
}

fn xattrs(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let (mut names, mut value) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    let n = llistxattr(path, &mut names[..]).unwrap_or(0);
    let names = names[..n].split(|b| *b == 0).map(String::from_utf8_lossy).filter(|n| n.starts_with("user."));
    names.map(|n| (n.to_string(), lgetxattr(path, &*n, &mut value[..]).map_or(Vec::new(), |n| value[..n].to_vec()))).collect()
}

#[test]
fn random_trees_come_back_as_they_were() {
    let probe = World::new();
    let path = probe.put("probe", "");
    let with_xattrs = lsetxattr(&path, "user.probe", b"x", XattrFlags::empty()).is_ok();
    let cases = many(20, 200);
    let entries = std::cell::Cell::new(0);
    let mut runner = TestRunner::new(Config { cases, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let result = runner.run(&prop::collection::vec(node(), 1..40), |nodes| {
        let world = World::new();
        build(&world.path("files"), &nodes, with_xattrs);
        let before = tree(&world.path("files"));
        entries.set(entries.get() + before.len());
        let done = world
            .sh("snap-scan --xattrs | jq -c . | snap-heapify | snap-write && snap-read | snap-restore --xattrs --owner --file-root back");
        let same = |what: &str| -> Result<(), TestCaseError> {
            let back = tree(&world.path("back"));
            let wrong: Vec<String> = before
                .iter()
                .filter(|(name, entry)| back.get(*name) != Some(*entry))
                .map(|(name, e)| format!("{}: {e}\n  not {:?}", snapshooter::internals::display::printable(name), back.get(name)))
                .collect();
            prop_assert!(wrong.is_empty() && back.len() == before.len(), "{what}: {}{done}", wrong.join("\n"));
            Ok(())
        };
        prop_assert!(done.code() == Some(0) && done.err().is_empty(), "{done}");
        same("restored")?;
        // Once more onto what is there: nothing is to be done, and nothing changes.
        let plan = world.sh(
            "snap-read | snap-restore --xattrs --owner --file-root back && snap-read | snap-restore --dry-run --owner --delete --file-root back",
        );
        prop_assert!(plan.code() == Some(0) && plan.err().is_empty(), "{plan}");
        same("restored twice")?;
        prop_assert!(tree(&world.path("files")) == before, "the source was changed");
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}");
    }
    let what = if with_xattrs { "with" } else { "without (the file system has none)" };
    figure(
        18,
        &format!("{cases} random trees, {} files, folders and links, {what} attributes: all came back equal", entries.get()),
    );
}

#[test]
fn paths_as_long_as_linux_has_them_and_deep_trees_come_back() {
    let world = World::new();
    let make = "import os\n\
        os.mkdir('files'); os.chdir('files'); top = os.getcwd()\n\
        for n in range(15): os.mkdir('n' * 255); os.chdir('n' * 255)\n\
        open('f' * 254, 'w').write('far down\\n')\n\
        os.chdir(top)\n\
        for n in range(1500): os.mkdir('d'); os.chdir('d')\n\
        open('f', 'w').write('deep down\\n')\n";
    world.put("make.py", make);
    world.sh("python3 make.py && snap-scan | snap-heapify | snap-write").ok().silent();
    world.sh("snap-read | tee list | snap-restore --file-root back").ok().silent();
    world.sh("grep -c . list | grep -qx 1518").ok();
    world.sh("snap-scan back | snap-heapify --no-base --file-root back | snap-diff --metadata latest -").ok();
    // They go again, too.
    world.sh("echo '{\"errors\":0,\"name\":\"\",\"records\":0,\"type\":\"end\"}' | snap-restore --delete --max-delete 100% --file-root back").ok();
    assert!(fs::read_dir(world.path("back")).unwrap().next().is_none());
    figure(18, "a path of 4094 bytes and a tree 1500 deep come back");
}
