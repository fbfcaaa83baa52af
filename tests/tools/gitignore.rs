//! Lines of ignore files mean what they mean to git: random trees and lines, listed by both.

use crate::util::World;
use crate::util::measure::{figure, many};
use crate::util::random::Random;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Parts of names. What is special in a pattern is in names too.
const PARTS: [&[u8]; 34] = [
    b"a",
    b"b",
    b"ab",
    b"foo",
    b"bar",
    b"foo.o",
    b"x.c",
    b"a b",
    b"a ",
    b" ",
    b"[a]",
    b"[",
    b"]",
    b"a]",
    b"{a,b}",
    b"a,b",
    b"\\",
    b"a\\b",
    b"a\\",
    b"*",
    b"?",
    b"**",
    b"a*",
    b"!a",
    b"#a",
    b"a\t",
    b"a\r",
    b"-",
    b"^",
    b"A",
    b"7",
    b"\xff",
    b"a\xc3",
    "ä".as_bytes(),
];

/// What lines are made of beside parts of names.
const PIECES: [&[u8]; 46] = [
    b"*",
    b"*",
    b"*",
    b"**",
    b"***",
    b"?",
    b"/",
    b"/",
    b"/",
    b"**/",
    b"/**",
    b"/**/",
    b"\\",
    b"\\\\",
    b"\\ ",
    b" ",
    b"  ",
    b"\t",
    b"\r",
    b"!",
    b"#",
    b"{a,b}",
    b"{a",
    b"[",
    b"]",
    b"[a",
    b"[ab]",
    b"[!a]",
    b"[^a]",
    b"[a-z]",
    b"[]a]",
    b"[\\]]",
    b"[!]a]",
    b"[a\\-z]",
    b"[[:alpha:]]",
    b"[[:space:]]",
    b"[[:punct:]*]",
    b"[[:nope:]]",
    b"[[:alpha:]",
    b"[a-]",
    b"[z-a]",
    b"\0",
    b"\xff",
    b"\xc3",
    b"*.o",
    b"a/b",
];

/// The seed that a run in this tier begins with.
fn seed() -> u64 {
    let fresh = || std::time::SystemTime::UNIX_EPOCH.elapsed().expect("a clock").as_nanos() as u64 | 1;
    let given = std::env::var("SNAP_SEED").ok().and_then(|s| s.parse().ok());
    given.unwrap_or_else(|| many(0x9e37_79b9_7f4a_7c15, fresh()))
}

/// A set of ignore files and of names that they may leave out. Paths are relative to the set's folder.
#[derive(Clone, Default)]
struct Set {
    names: BTreeSet<Vec<u8>>,
    /// The folder, and the lines with their ends.
    ignore: Vec<(Vec<u8>, Vec<Vec<u8>>)>,
}

impl Set {
    fn random(random: &mut Random) -> Set {
        let mut set = Set::default();
        let mut folders: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..random.below(6) {
            let mut folder = folders[random.below(folders.len())].clone();
            folder.extend_from_slice(random.one(&PARTS));
            folder.push(b'/');
            folders.push(folder);
        }
        for _ in 0..8 + random.below(20) {
            set.names.insert([&folders[random.below(folders.len())][..], random.one(&PARTS)].concat());
        }
        // A name that is a folder's is none of a file.
        set.names.retain(|name| !folders.contains(&[name, &b"/"[..]].concat()));
        for _ in 0..1 + random.below(3) {
            let folder = folders[random.below(folders.len())].clone();
            let lines = (0..1 + random.below(5)).map(|_| line(random, &set)).collect();
            set.ignore.retain(|(other, _)| *other != folder);
            set.ignore.push((folder, lines));
        }
        set
    }

    fn build(&self, root: &Path) {
        let put = |name: &[u8], content: &[u8]| {
            let path = root.join(OsStr::from_bytes(name));
            fs::create_dir_all(path.parent().expect("it is in a folder")).expect("make a folder");
            fs::write(&path, content).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        };
        self.names.iter().for_each(|name| put(name, b""));
        self.ignore.iter().for_each(|(folder, lines)| put(&[folder, &b".gitignore"[..]].concat(), &lines.concat()));
    }

    /// All sets that are smaller by one thing.
    fn smaller(&self) -> impl Iterator<Item = Set> {
        let without_name = self.names.iter().map(|name| {
            let mut set = self.clone();
            set.names.remove(name);
            set
        });
        let without_line = (0..self.ignore.len()).flat_map(move |file| {
            (0..self.ignore[file].1.len()).map(move |line| {
                let mut set = self.clone();
                set.ignore[file].1.remove(line);
                set.ignore.retain(|(_, lines)| !lines.is_empty());
                set
            })
        });
        without_line.chain(without_name)
    }

    fn shown(&self) -> String {
        let lines = |(folder, lines): &(Vec<u8>, Vec<Vec<u8>>)| {
            format!("  {}.gitignore: b\"{}\"\n", folder.escape_ascii(), lines.concat().escape_ascii())
        };
        let names: String = self.names.iter().map(|name| format!("  b\"{}\"\n", name.escape_ascii())).collect();
        self.ignore.iter().map(lines).collect::<String>() + &names
    }
}

/// A line with its end: a name or a part of one that was changed a little, or pieces.
fn line(random: &mut Random, set: &Set) -> Vec<u8> {
    let mut line = Vec::new();
    if random.below(4) == 0 {
        line.push(b'!');
    }
    if random.below(2) == 0 {
        let name = set.names.iter().nth(random.below(set.names.len().max(1))).cloned().unwrap_or_default();
        let parts: Vec<&[u8]> = name.split(|b| *b == b'/').collect();
        let (from, to) = (random.below(parts.len()), random.below(parts.len()));
        let mut text = parts[from.min(to)..=from.max(to)].join(&b'/');
        for _ in 0..random.below(3) {
            let at = random.below(text.len() + 1);
            let to = (at + random.below(3)).min(text.len());
            text.splice(at..to, random.one(&PIECES).iter().copied());
        }
        if random.below(4) == 0 {
            text.insert(0, b'/');
        }
        if random.below(4) == 0 {
            text.push(b'/');
        }
        line.extend(text);
    } else {
        for _ in 0..1 + random.below(4) {
            let piece = if random.below(3) == 0 { random.one(&PARTS) } else { random.one(&PIECES) };
            line.extend_from_slice(piece);
        }
    }
    line.extend_from_slice([&b"\n"[..], b"\n", b"\n", b"\r\n", b" \n", b"  \n"][random.below(6)]);
    line
}

/// What both list of these sets, each in a folder of its own: the names that one lists alone, and how many git lists.
fn differences(sets: &[Set]) -> (Vec<(usize, String)>, usize) {
    let world = World::new();
    let root: PathBuf = world.path("files");
    for (at, set) in sets.iter().enumerate() {
        fs::create_dir_all(root.join(format!("{at:05}"))).expect("make a folder");
        set.build(&root.join(format!("{at:05}")));
    }
    let ours = names_by_us(&world, "--ignore-file .gitignore");
    let gits = names_by_git(&world, "--exclude-per-directory=.gitignore");
    let one_sided = |a: &BTreeSet<Vec<u8>>, b: &BTreeSet<Vec<u8>>, who: &str| -> Vec<(usize, String)> {
        let only = |name: &&Vec<u8>| !b.contains(*name);
        let set = |name: &Vec<u8>| std::str::from_utf8(&name[..5]).ok().and_then(|n| n.parse().ok()).expect("its folder");
        a.iter().filter(only).map(|name| (set(name), format!("only {who} lists b\"{}\"\n", name[6..].escape_ascii()))).collect()
    };
    let mut all = one_sided(&ours, &gits, "snap-scan");
    all.extend(one_sided(&gits, &ours, "git"));
    all.sort();
    (all, gits.len())
}

fn names_by_us(world: &World, options: &str) -> BTreeSet<Vec<u8>> {
    let records = world.sh(&format!("snap-scan --type f --no-end {options}")).ok();
    let records = records.bytes().split(|b| *b == b'\n').filter(|line| !line.is_empty());
    let name = |line: &[u8]| {
        snapshooter::internals::record::Record::parse(line).map(|r| r.name().as_bytes().to_vec()).expect("a record")
    };
    records.map(name).collect()
}

fn names_by_git(world: &World, options: &str) -> BTreeSet<Vec<u8>> {
    let git = "git -c init.defaultBranch=main init -q --separate-git-dir ../git && rm .git && git --git-dir ../git --work-tree . -c core.excludesFile= ls-files -z --others --cached";
    let names = world.sh(&format!("cd files && {git} {options}")).ok();
    names.bytes().split(|b| *b == 0).filter(|name| !name.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The smallest set, found by taking one thing away at a time, that git and we still do not agree on.
fn smallest(mut set: Set) -> Set {
    loop {
        let smaller: Vec<Set> = set.smaller().collect();
        let Some((at, _)) = differences(&smaller).0.into_iter().next() else { return set };
        set = smaller[at].clone();
    }
}

/// Trees with lines that hold from the root, each listed on its own: few, because each takes two processes.
#[test]
fn what_exclude_from_leaves_out_is_what_git_leaves_out() {
    let seed = seed();
    let mut random = Random(seed);
    for round in 0..many(25, 400) {
        let set = Set::random(&mut random);
        let world = World::new();
        set.build(&world.path("files"));
        let lines: Vec<u8> = (0..1 + random.below(8)).flat_map(|_| line(&mut random, &set)).collect();
        world.put("lines", &lines);
        let ours = names_by_us(&world, "--exclude-from lines");
        let gits = names_by_git(&world, "--exclude-from=../lines");
        assert_eq!(ours, gits, "SNAP_SEED={seed}, round {round}: b\"{}\"\n{}", lines.escape_ascii(), set.shown());
    }
}

fn listed(world: &World, options: &str) -> String {
    world.sh(&format!("snap-scan --type f --no-end {options} | jq -r .name")).ok().lines().join(" ")
}

#[test]
fn of_two_ignore_files_in_a_folder_both_count_and_the_one_named_last_decides() {
    let world = World::new();
    for name in ["a", "b", "c", "sub/b"] {
        world.put(&format!("files/{name}"), "");
    }
    world.put("files/.one", "a\nb\n");
    world.put("files/.two", "!b\nc\n");
    world.put("files/sub/.one", "!b\n");
    assert_eq!(listed(&world, "--ignore-file .one --ignore-file .two"), ".one .two b sub/.one sub/b");
    assert_eq!(listed(&world, "--ignore-file .two --ignore-file .one"), ".one .two sub/.one sub/b");
    assert_eq!(listed(&world, "--ignore-file .one"), ".one .two c sub/.one sub/b");
    // The innermost folder is asked first, whichever of the names its file has.
    fs::rename(world.path("files/sub/.one"), world.path("files/sub/.two")).unwrap();
    world.put("files/.one", "b\n");
    fs::remove_file(world.path("files/.two")).unwrap();
    assert_eq!(listed(&world, "--ignore-file .two --ignore-file .one"), ".one a c sub/.two sub/b");
}

#[test]
fn a_large_ignore_file_counts_whole_and_one_too_large_is_an_error_record() {
    let world = World::new();
    world.put("files/a.tmp", "");
    world.put("files/kept", "");
    // The line lies across the first MiB.
    let mut lines = "#\n".repeat((1 << 19) - 1);
    lines.push_str("/*.tmp\n!/*.tmp\n/*.tmp");
    world.put("files/.gitignore", &lines);
    assert_eq!(listed(&world, "--ignore-file .gitignore"), ".gitignore kept");
    world.sh("truncate -s 17M files/.gitignore").ok();
    let done = world.sh("snap-scan --ignore-file .gitignore").status(1);
    assert!(done.err().starts_with("snap-scan: .gitignore: read it as an ignore file: more than "), "{done}");
    assert_eq!(done.lines().iter().filter(|line| line.contains("\"type\":\"error\"")).count(), 1, "{done}");
    assert!(done.out().contains("\"name\":\"a.tmp\"") && done.out().contains("\"errors\":1"), "{done}");
}

#[test]
fn an_ignore_file_that_may_not_be_read_is_an_error_record() {
    let world = World::new();
    world.put("files/sub/.gitignore", "a\n");
    world.put("files/sub/a", "");
    world.sh("chmod 000 files/sub/.gitignore").ok();
    if fs::File::open(world.path("files/sub/.gitignore")).is_ok() {
        // Root reads it all the same.
        assert_eq!(listed(&world, "--ignore-file .gitignore"), "sub/.gitignore");
        return;
    }
    let done = world.sh("snap-scan --ignore-file .gitignore").status(1);
    assert!(done.err().starts_with("snap-scan: sub/.gitignore: read it as an ignore file: "), "{done}");
    assert!(done.out().contains("\"name\":\"sub/a\""), "{done}");
}

#[test]
fn what_is_no_regular_file_is_no_ignore_file_and_a_link_is_told() {
    let world = World::new();
    world.put("files/lines", "*\n");
    world.put("files/folder/.gitignore/x", "");
    world.sh("ln -s ../lines files/folder/link; mkdir files/link files/fifo; ln -s ../lines files/link/.gitignore; mkfifo files/fifo/.gitignore").ok();
    let done = world.sh("snap-scan --type f,l --no-end --ignore-file .gitignore | jq -r .name").ok();
    assert_eq!(done.lines().join(" "), "folder/.gitignore/x folder/link lines link/.gitignore");
    assert!(done.err().contains("link/.gitignore: not obeyed: it is a link"), "{done}");
}

#[test]
fn a_line_that_is_no_utf_8_is_obeyed_in_files_and_options() {
    let world = World::new();
    world.sh("mkdir files; touch files/$'x\\xff' files/$'\\xff' files/y").ok();
    let odd = "$'*\\xff'";
    for options in [
        format!("--exclude {odd}"),
        format!("--exclude-from <(echo {odd})"),
        "--exclude y --include '*[!y]' --exclude '*[^y]'".to_string(),
    ] {
        let want = if options.contains("include '") { "" } else { "y" };
        assert_eq!(listed(&world, &options), want, "{options}");
    }
    assert_eq!(world.sh(&format!("snap-scan --no-end --include {odd}")).ok().lines().len(), 2);
}

#[test]
fn an_option_that_says_nothing_is_refused_with_advice() {
    let world = World::new();
    world.sh("mkdir files; touch files/'#a#' files/b").ok();
    for options in ["--exclude '#*#'", "--exclude ''", "--include '#x'", "--exclude /", "--exclude '!'", "--include ' '"] {
        let done = world.sh(&format!("snap-scan {options}")).status(2);
        assert!(done.err().contains("is no pattern") && done.err().contains(".gitignore"), "{done}");
    }
    assert_eq!(listed(&world, "--exclude '\\#*#'"), "b");
    // In a file they are comments and empty lines.
    assert_eq!(listed(&world, "--exclude-from <(printf '#*#\\n\\n/\\n')"), "#a# b");
}

#[test]
fn a_root_whose_ignore_files_are_not_read_refuses_the_option() {
    let done = World::new().sh("snap-scan --ignore-file .gitignore memory://a").status(2);
    assert!(done.err().contains("ignore files are not read in memory://a") && done.err().contains("--exclude-from"), "{done}");
}

#[test]
fn excludes_and_includes_take_back_among_themselves() {
    let world = World::new();
    for name in ["a.o", "keep.o", "d/a.o", "d/keep.o", "c"] {
        world.put(&format!("files/{name}"), "");
    }
    assert_eq!(listed(&world, "-e '*.o' -e '!keep.o'"), "c d/keep.o keep.o");
    assert_eq!(listed(&world, "-e '!keep.o' -e '*.o'"), "c");
    assert_eq!(listed(&world, "-e /d -e '!d/keep.o'"), "a.o c keep.o");
    assert_eq!(listed(&world, "-i '*.o' -i '!/keep.o'"), "a.o d/a.o d/keep.o");
    assert_eq!(listed(&world, "-e '{a,keep}.o'"), "a.o c d/a.o d/keep.o keep.o");
}

#[test]
fn what_is_ignored_is_what_git_ignores() {
    let seed = seed();
    let mut random = Random(seed);
    let (mut count, mut left_out) = (0, 0);
    for _ in 0..many(1, 20) {
        let sets: Vec<Set> = (0..500).map(|_| Set::random(&mut random)).collect();
        count += sets.len();
        let (found, listed) = differences(&sets);
        left_out += sets.iter().map(|set| set.names.len() + set.ignore.len()).sum::<usize>() - listed;
        if let Some((at, _)) = found.first() {
            let differing: BTreeSet<usize> = found.iter().map(|(at, _)| *at).collect();
            let least = smallest(sets[*at].clone());
            let text: String = differences(std::slice::from_ref(&least)).0.into_iter().map(|(_, text)| text).collect();
            panic!("SNAP_SEED={seed}: {} of 500 sets differ, for one\n{}{text}", differing.len(), least.shown());
        }
    }
    assert!(left_out > count, "{left_out} names left out of {count} sets: too few to tell anything");
    figure(35, &format!("{count} random sets of ignore files, {left_out} names left out: 0 differences from git"));
}
