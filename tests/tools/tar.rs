//! snap-to-tar and snap-from-tar: with GNU tar, bsdtar and Python's tarfile, in both directions.

use crate::util::measure::{many, well_behaved};
use crate::util::trees::{self, Entry, Tree, listing};
use crate::util::{Done, World};
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

/// The most memory of a stage, in KiB.
const MEMORY: u64 = 64 << 10;

/// A world in which the programs to compare with are there.
fn world(tree: Tree) -> World {
    let world = World::with(tree);
    world.sh("command -v bsdtar && tar --version | grep 'GNU tar' && command -v python3").ok();
    world
}

/// Removes what bsdtar changes: it takes the fraction of a negative time for a positive one, and composes characters.
fn without_what_bsdtar_changes(world: &World) {
    world.sh("rm -f files/mtime/pre1970 files/nfd_*").ok();
}

/// A tree with all that an archive can hold: links, hard links, an empty folder, modes, a long name and a long target.
fn full(tree: Tree) -> World {
    let world = world(tree);
    world
        .sh("cd files; mkdir -m 2750 empty; ln -s a.txt link; ln -s nowhere dangling; chmod 4711 a.txt; mkdir d; ln a.txt d/hard")
        .ok();
    world.sh("cd files; ln d/hard zz; printf 'other\\n' > one; ln one two; touch -hd '2001-02-03 04:05:06.7 UTC' link").ok();
    let long = ["n".repeat(120), "m".repeat(250), "o".repeat(90)].join("/");
    world.put(&format!("files/{long}"), "a long name");
    world.sh(&format!("ln -s {long} files/far; touch -d '2001-02-03 04:05:06.7 UTC' files/empty files/d")).ok();
    world
}

fn without_nanoseconds(mut all: BTreeMap<Vec<u8>, Entry>) -> BTreeMap<Vec<u8>, Entry> {
    all.values_mut().for_each(|entry| entry.mtime.1 = 0);
    all
}

/// Asserts that two folders are the same. Names what is not.
#[track_caller]
fn same(one: &BTreeMap<Vec<u8>, Entry>, other: &BTreeMap<Vec<u8>, Entry>, what: &str) {
    let shown = |entry: Option<&Entry>| entry.map(|e| format!("{} {:o} {:?} {} bytes", e.kind, e.mode, e.mtime, e.content.len()));
    for name in one.keys().chain(other.keys()) {
        let (a, b) = (one.get(name), other.get(name));
        assert!(a == b, "{what}: {}: {:?} {:?}", String::from_utf8_lossy(name), shown(a), shown(b));
    }
}

#[track_caller]
fn is_linked(world: &World, folder: &str, names: &[&str]) {
    let inode = |name: &&str| world.path(format!("{folder}/{name}")).metadata().map(|m| (m.ino(), m.nlink())).expect("a file");
    let all: Vec<_> = names.iter().map(inode).collect();
    assert!(all.iter().all(|one| *one == all[0] && one.1 == names.len() as u64), "{folder}: {all:?}");
}

#[test]
fn what_gnu_tar_packs_is_restored_in_every_format() {
    let world = full(Tree::Files);
    // What the older formats can't say: times before 1970 and behind 2242, and names longer than a field.
    let plain = "--exclude ./mtime --exclude './nn*' --exclude ./far";
    for (options, is_exact) in [
        ("--format=pax", true),
        ("--format=gnu", false),
        (&*format!("--format=ustar {plain}"), false),
        (&*format!("--format=v7 {plain}"), false),
        (&*format!("--format=oldgnu {plain}"), false),
    ] {
        world.sh("rm -rf heap snap back plain; mkdir plain").ok();
        // What GNU tar itself makes of its archive.
        world.sh(&format!("tar -C files {options} -cf a.tar . && tar -C plain -xpf a.tar")).ok();
        world.sh("snap-from-tar a.tar | snap-write > written && snap-read | snap-restore --owner --file-root back").ok().silent();
        let (plain, back, files) = (listing(&world.path("plain")), listing(&world.path("back")), listing(&world.path("files")));
        same(&plain, &back, options);
        if is_exact {
            same(&files, &back, options);
        }
        assert!(back.len() > 40, "{options}");
        is_linked(&world, "back", &["a.txt", "d/hard", "zz"]);
        is_linked(&world, "back", &["one", "two"]);
        let mode = world.path("files").metadata().expect("the root").mode();
        world.sh(&format!("snap-from-tar -n a.tar | tail -n 1 | jq -e '.root_folder.mode == {mode} and .root == null'")).ok();
    }
}

#[test]
fn names_of_all_kinds_come_and_go() {
    let world = world(Tree::Tricky);
    without_what_bsdtar_changes(&world);
    world
        .sh("tar --format=pax -C files -c . | snap-from-tar | snap-write; snap-read | snap-restore --file-root back")
        .ok()
        .silent();
    let files = listing(&world.path("files"));
    same(&files, &listing(&world.path("back")), "snap-restore");
    world.sh("mkdir gnu bsd; snap-read | snap-to-tar > a.tar; tar -C gnu --warning=no-unknown-keyword -xpf a.tar").ok();
    same(&files, &listing(&world.path("gnu")), "GNU tar");
    // Without -P it takes the start of a::b for a drive letter.
    world.sh("bsdtar -C bsd -xpPf a.tar").ok();
    same(&files, &listing(&world.path("bsd")), "bsdtar");
}

#[test]
fn labels_increments_and_global_headers_are_understood() {
    let world = world(Tree::Files);
    for pack in ["tar -V label -cf -", "tar -V label --format=pax -cf -", "tar -g list -cf -", "busybox tar -cf -"] {
        world.sh("rm -rf heap snap back").ok();
        world.sh(&format!("{pack} -C files . | snap-from-tar -o records && snap-restore --file-root back records")).ok().silent();
        assert!(trees::contents(&world.path("back")) == trees::contents(&world.path("files")), "{pack}");
    }
    // git puts the commit into a global header.
    world.sh("cd files; git init -q; git add a.txt dup; git -c user.name=x -c user.email=x@x commit -qm x").ok();
    world.sh("git -C files archive HEAD | snap-from-tar -n | jq -r .name").ok().silent().says("a.txt\ndup\ndup/one\ndup/two\n\n");
}

#[test]
fn what_bsdtar_packs_is_restored() {
    let world = full(Tree::Files);
    without_what_bsdtar_changes(&world);
    // Its GNU format has no times behind 2242.
    for (format, without, is_exact) in [("pax", "", true), ("gnutar", "files/mtime/y2300", false)] {
        world.sh(&format!("rm -rf heap snap back {without}")).ok();
        world.sh(&format!(
            "bsdtar --format={format} -C files -c . | snap-from-tar | snap-write > written; snap-read | snap-restore --owner --file-root back"
        ))
        .ok();
        let (files, back) = (listing(&world.path("files")), listing(&world.path("back")));
        if is_exact {
            same(&files, &back, format);
        }
        same(&without_nanoseconds(files), &without_nanoseconds(back), format);
        is_linked(&world, "back", &["a.txt", "d/hard", "zz"]);
    }
}

#[test]
fn what_is_packed_is_unpacked_by_gnu_tar_bsdtar_and_python() {
    let world = full(Tree::Files);
    without_what_bsdtar_changes(&world);
    world.sh("snap-scan | snap-heapify | snap-write; snap-read | snap-to-tar > a.tar").ok().silent();
    world.sh("mkdir gnu bsd; tar -C gnu -xpf a.tar; bsdtar -C bsd -xpf a.tar").ok();
    for folder in ["gnu", "bsd"] {
        same(&listing(&world.path("files")), &listing(&world.path(folder)), folder);
        is_linked(&world, folder, &["a.txt", "d/hard", "zz"]);
        is_linked(&world, folder, &["one", "two"]);
    }
    world.put(
        "read.py",
        r"
import os, tarfile
with tarfile.open('a.tar') as tar:
    members = {m.name: m for m in tar.getmembers()}
    for folder, _, files in os.walk('files'):
        for name in files:
            path = os.path.join(folder, name)
            member, stat = members.pop(os.path.relpath(path, 'files')), os.lstat(path)
            assert stat.st_mode & 0o7777 == member.mode, path
            assert abs(member.mtime - stat.st_mtime) < 1e-6, (path, member.mtime, stat.st_mtime)
            if os.path.islink(path):
                assert member.linkname == os.readlink(path), path
            else:
                assert tar.extractfile(member).read() == open(path, 'rb').read(), path
    assert all(m.isdir() or m.issym() for m in members.values()), members
",
    );
    world.sh("python3 read.py").ok();
    world.sh("[ \"$(busybox tar -xOf a.tar a.txt)\" = a.txt ]").ok();
}

#[test]
fn a_selection_of_records_becomes_an_archive_of_them() {
    let world = world(Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world.sh("snap-read | jq -c 'select(.name | startswith(\"dup/\"))' | snap-to-tar -o two.tar").ok();
    world.sh("tar -tf two.tar").ok().says("dup/one\ndup/two\n");
    // From a bucket: neither mode nor owner, and no end record.
    world.sh("snap-read | jq -c 'select(.type == \"file\") | {name, md5, size, modified}' | snap-to-tar > plain.tar").ok();
    world.sh("tar -tvf plain.tar a.txt | tr -s ' '").ok().says("-rw-r--r-- 0/0 6 2023-11-14 22:13 a.txt\n");
    world
        .sh("snap-from-tar -n plain.tar | jq -se 'map(select(.name == \"a.txt\")) | .[0].mode == 33188 and .[0].size == 6'")
        .ok();
}

#[test]
fn the_records_of_an_archive_of_a_snapshot_are_those_of_the_snapshot() {
    let world = full(Tree::Files);
    world
        .sh("snap-scan | snap-heapify | snap-write; snap-read -o before; snap-to-tar before | snap-from-tar -o again")
        .ok()
        .silent();
    let kept =
        "del(.created, .dev, .stored_size, .ino, .racy) | if .type == \"directory\" or .nlink == 1 then del(.nlink) else . end";
    let kept = format!("jq -c 'select(.type != \"end\") | {kept}'");
    world.sh(&format!("{kept} before > 1; {kept} again > 2; diff 1 2")).ok();
    world
        .sh("jq -c 'select(.type == \"end\") | [.errors, .records, .names]' before again | uniq | wc -l | tr -d ' '")
        .ok()
        .says("1\n");
    // What comes out can be published and compared.
    world.sh("snap-write again && snap-diff latest~1 latest").ok();
}

#[test]
fn holes_stay_holes() {
    let world = world(Tree::Files);
    without_what_bsdtar_changes(&world);
    world.sh("cd files; truncate -s 30M hole; printf x | dd of=hole bs=1 seek=9000000 conv=notrunc; truncate -s 1M none").ok();
    world.sh("cd files; printf end | dd of=tail bs=1 seek=5000000").ok();
    world.sh("cd files; for n in $(seq 1 40); do printf y | dd of=many bs=1 seek=${n}00000 conv=notrunc; done").ok();
    let small = |folder: &str| {
        for name in ["hole", "none", "tail", "many"] {
            let meta = world.path(format!("{folder}/{name}")).metadata().expect(name);
            assert!(meta.blocks() * 512 < 1 << 20 && meta.blocks() * 512 < meta.size(), "{folder}/{name}: {}", meta.blocks());
        }
    };
    small("files");
    for format in ["gnu", "pax --sparse-version=0.0", "pax --sparse-version=0.1", "pax --sparse-version=1.0"] {
        world.sh("rm -rf snap heap back").ok();
        world
            .sh(&format!(
                "tar -S --format={format} -C files -c . | snap-from-tar | snap-write; snap-read | snap-restore --file-root back"
            ))
            .ok();
        let (files, back) = (trees::contents(&world.path("files")), trees::contents(&world.path("back")));
        assert!(files == back, "{format}");
        small("back");
        world.sh("snap-read | jq -se 'map(select(.sparse) | .name) | contains([\"hole\", \"many\", \"tail\"])'").ok();
    }
    world.sh("snap-read | snap-to-tar > a.tar; mkdir gnu bsd; tar -C gnu -xpf a.tar; bsdtar -C bsd -xpf a.tar").ok();
    let size = world.path("a.tar").metadata().expect("the archive").len();
    assert!(size < 2 << 20, "{size} bytes");
    for folder in ["gnu", "bsd"] {
        same(&listing(&world.path("back")), &listing(&world.path(folder)), folder);
        small(folder);
    }
    world.put(
        "read.py",
        "import tarfile\nwith tarfile.open('a.tar') as tar:\n    assert tar.extractfile('hole').read() == open('files/hole', 'rb').read()\n",
    );
    world.sh("python3 read.py").ok();
}

#[test]
fn extended_attributes_come_and_go() {
    let world = world(Tree::Files);
    if world.sh("setfattr -n user.plain -v value files/a.txt").code() != Some(0) {
        eprintln!("skipped: this file system has no extended attributes");
        return;
    }
    world.sh("setfattr -n user.binary -v 0x0a0a3d00ff0a files/a.txt; setfattr -n user.n -v x files/a").ok();
    let attributes = |folder: &str| world.sh(&format!("cd {folder} && getfattr -d -e hex a a.txt")).ok().out();
    for (pack, unpack) in [("tar --format=pax --xattrs", "tar --xattrs"), ("bsdtar --format=pax", "bsdtar")] {
        world.sh("rm -rf heap snap back there; mkdir there").ok();
        world.sh(&format!("{pack} -C files -c . | snap-from-tar | snap-write")).ok();
        world.sh("snap-read | snap-restore --xattrs --file-root back").ok();
        assert_eq!(attributes("files"), attributes("back"), "{pack}");
        world.sh(&format!("snap-read | snap-to-tar | {unpack} -C there -xpf -")).ok();
        assert_eq!(attributes("files"), attributes("there"), "{pack}");
    }
}

#[test]
fn an_archive_that_is_cut_off_or_damaged_gives_no_records() {
    let world = world(Tree::Files);
    world.put("files/large", vec![7; 5 << 20]);
    world.sh("tar --format=pax -b 2 -C files -cf a.tar .").ok();
    let size = world.path("a.tar").metadata().expect("the archive").len();
    for cut in [0, 100, 512, 1024, 5000, 100_352, size / 2, size / 2 / 512 * 512] {
        let done = world.sh(&format!("head -c {cut} a.tar | snap-from-tar")).status(2);
        well_behaved(&done);
        assert!(done.out().is_empty() && done.err().lines().count() == 1, "{cut}{done}");
    }
    world.sh("head -c 5000000 a.tar | snap-from-tar -o out").status(2).complains("standard input: the archive is cut off");
    world.sh("[ ! -e out ] && ls heap/temp").ok().says("");
    world.sh("(head -c 1300 a.tar; printf X; tail -c +1302 a.tar) | snap-from-tar").status(2).complains("damaged");
    world.sh("gzip -c a.tar | snap-from-tar").status(2).complains("compressed with gzip").complains("gzip -dc");
    world.sh("snap-from-tar nowhere.tar").status(2).complains("nowhere.tar: No such file");
    world.sh("snap-from-tar files").status(2).complains("files: Is a directory");
    world.sh("cat a.tar a.tar | snap-from-tar | tail -n 1 | jq -e '.errors == 0'").ok().complains("follows the end");
    // Nothing that was stored meanwhile is wrong.
    world.sh("snap-from-tar a.tar | snap-verify").ok();
}

#[test]
fn a_hostile_archive_gives_error_records_and_no_file_elsewhere() {
    let world = world(Tree::Files);
    world.put(
        "make.py",
        r"
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.PAX_FORMAT) as tar:
    def add(name, type=tarfile.REGTYPE, link='', data=b''):
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = type, link, len(data)
        tar.addfile(info, io.BytesIO(data))
    add('good', data=b'good')
    add('../x', data=b'x')
    add('/tmp/absolute', data=b'x')
    add('a/../../y', data=b'x')
    add('out', tarfile.SYMTYPE, '/')
    add('out/etc/hostile', data=b'x')
    add('hard', tarfile.LNKTYPE, '../../etc/passwd')
    add('pipe', tarfile.FIFOTYPE)
    add('null', tarfile.CHRTYPE)
    add('esc\x1b[31m\n', data=b'x')
    add('../\x1b[31m\n', data=b'x')
",
    );
    let done = world.sh("python3 make.py | snap-from-tar > records").status(1);
    well_behaved(&done);
    for part in [
        "../x: ",
        "/tmp/absolute: the name is absolute",
        "hard: it is a hard link to ../../etc/passwd",
        "skipped 1 fifo, 1 device",
    ] {
        assert!(done.err().contains(part), "{part}{done}");
    }
    world.sh("jq -se 'map(select(.type == \"error\")) | length == 5' records && tail -n 1 records | jq -e '.errors == 5'").ok();
    world.sh("snap-write records").status(2).complains("failed");
    let good = "jq -c 'select(.type != \"error\")' records";
    world.sh(&format!("{good} | snap-restore --file-root back")).status(1).complains("out is no folder");
    assert!(listing(&world.path("back")).keys().all(|name| name.starts_with(b"esc") || name == b"good" || name == b"out"));
    world.sh(&format!("{good} | snap-to-tar | tar -t")).status(1).complains("out is no folder");
}

#[test]
fn of_several_members_of_a_name_the_last_one_counts() {
    let world = world(Tree::Files);
    world
        .sh("cd files; ln a.txt linked; tar -cf ../a.tar a.txt linked; rm a.txt linked; echo new > a.txt; tar -rf ../a.tar a.txt")
        .ok();
    world
        .sh("snap-from-tar -o records a.tar; snap-restore --file-root back records; cat back/a.txt back/linked")
        .ok()
        .says("new\na.txt\n");
    world.sh("jq -se 'length == 3 and all(.[]; .nlink == null)' records").ok();
}

/// A world whose list has a content that is missing, one that is damaged, and a large one that is damaged.
fn damaged() -> World {
    let world = world(Tree::Files);
    world.put("files/large", (0..5u32 << 20).map(|n| (n >> 7) as u8).collect::<Vec<_>>());
    world.sh("snap-scan | snap-heapify -o list").ok();
    let object = |name: &str| format!("heap/$(jq -r 'select(.name == \"{name}\") | .md5[:2] + \"/\" + .md5 + \".gz\"' list)");
    world
        .sh(&format!("rm {}; chmod u+w -R heap; printf X | dd of={} bs=1 seek=52 conv=notrunc", object("a.txt"), object("B")))
        .ok();
    world.sh(&format!("printf XXXXXXXX | dd of={} bs=1 seek=3000 conv=notrunc", object("large"))).ok();
    world
}

#[test]
fn a_content_that_is_missing_or_damaged_is_told_and_left_out() {
    let world = damaged();
    let done = world.sh("snap-to-tar list > a.tar").status(1);
    well_behaved(&done);
    let told: Vec<String> = done.err().lines().map(|line| line.split(": ").take(2).collect::<Vec<_>>().join(": ")).collect();
    assert_eq!(told, ["snap-to-tar: B", "snap-to-tar: a.txt", "snap-to-tar: large"], "{done}");
    world.sh("mkdir there; tar -C there -xpf a.tar && rm files/B files/a.txt files/large").ok();
    same(&listing(&world.path("files")), &listing(&world.path("there")), "what is good is there");
    world.sh("snap-to-tar list -o b.tar").status(1);
    world.sh("[ ! -e b.tar ]").ok();
}

#[test]
fn input_that_is_bad_leaves_no_archive() {
    let world = world(Tree::Files);
    world.sh("snap-scan | snap-heapify -o list; snap-write list; touch files/new; snap-scan | snap-heapify -o other").ok();
    world.sh("snap-diff latest other -o rows").status(1);
    let refused = |script: &str, part: &str| {
        let done: Done = world.sh(script).status(2).complains(part);
        well_behaved(&done);
        assert!(done.out().is_empty(), "{done}");
    };
    refused("snap-to-tar rows", "a row of snap-diff");
    refused("(head -n 5 list; echo '[]') | snap-to-tar", "line 6");
    refused("snap-to-tar nowhere", "nowhere");
    refused("snap-to-tar --heap-root nowhere list", "nowhere");
    refused("snap-from-tar --heap-root memory://x < list", "is gone when this process ends");
    world.sh("snap-to-tar list > /dev/full").status(2).complains("No space left");
    world.sh("snap-to-tar list | head -c 1 > /dev/null").ok().silent();
    world.sh("head -n 3 list | snap-to-tar | tar -t").ok();
    let failed = "{\"name\":\"e\",\"type\":\"error\",\"error\":\"x\"}";
    world.sh(&format!("(echo '{failed}'; cat list) | snap-to-tar | tar -t")).ok().complains("1 error record left out");
}

/// Runs a script in which time(1) measured this number of tools.
#[track_caller]
fn takes_little_memory(world: &World, script: &str, tools: u32) {
    world.sh(script).ok();
    for tool in 1..=tools {
        let memory = std::fs::read_to_string(world.path(format!("m{tool}"))).expect("what time(1) wrote");
        let memory: u64 = memory.trim().parse().unwrap_or_else(|_| panic!("a number of KiB, not {memory:?}"));
        println!("tool {tool}: {memory} KiB");
        assert!(memory < MEMORY, "tool {tool} of {script} took {memory} KiB");
    }
}

#[test]
fn files_of_any_size_take_little_memory() {
    let world = world(Tree::Files);
    let size = many(700_u64 << 20, 5 << 30);
    world.sh(&format!("cd files; truncate -s {size} sparse; printf x | dd of=sparse bs=1 seek={} conv=notrunc", size / 2)).ok();
    world.sh(&format!("head -c {} /dev/urandom > files/large", many(150 << 20, 2_u64 << 30))).ok();
    let time = |n: u32| format!("/usr/bin/time -q -f %M -o m{n}");
    let pack = "tar -S --format=pax -C files -c .";
    let script =
        format!("{pack} | {} snap-from-tar | snap-write > written; snap-read | {} snap-to-tar > a.tar", time(1), time(2));
    takes_little_memory(&world, &script, 2);
    world
        .sh("rm -rf heap; mkdir there; tar -C there -xf a.tar && cmp files/large there/large && cmp files/sparse there/sparse")
        .ok();
}

#[test]
fn any_number_of_members_and_hard_links_takes_little_memory() {
    let world = world(Tree::Files);
    let files = many(20_000, 500_000);
    world.put(
        "make.py",
        format!(
            r"
import io, sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|', format=tarfile.USTAR_FORMAT) as tar:
    for n in reversed(range({files})):
        info = tarfile.TarInfo('folder-%03d/a file with some more name %07d' % (n % 500, n))
        info.size = 2
        tar.addfile(info, io.BytesIO(b'ab'))
        link = tarfile.TarInfo('a link to %07d' % n)
        link.type, link.linkname = tarfile.LNKTYPE, info.name
        tar.addfile(link)
        tar.members = []
"
        ),
    );
    takes_little_memory(&world, "python3 make.py | /usr/bin/time -q -f %M -o m1 snap-from-tar -o records", 1);
    world.sh(&format!("tail -n 1 records | jq -e '.records == {} and .errors == 0'", 2 * files)).ok();
    world.sh("head -n 5000 records | jq -se 'all(.[]; .nlink == 2 and .ino > 0)'").ok();
    takes_little_memory(&world, "/usr/bin/time -q -f %M -o m1 snap-to-tar records > b.tar", 1);
    world.sh(&format!("[ $(tar -tvf b.tar | grep -c '^h') = {files} ]")).ok();
}
