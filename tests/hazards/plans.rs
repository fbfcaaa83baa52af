//! What a dry run says is what the run then reports, record for record: random trees, records and options, restored to a folder and
//! to a bucket, by the superuser and by a user who has to open folders first.

use crate::util::World;
use crate::util::measure::{figure, many};
use crate::util::random::Random;
use snapshooter::internals::content::Contents;
use snapshooter::internals::heap::Heap;
use snapshooter::internals::monitor::Monitor;
use snapshooter::internals::name::Name;
use snapshooter::internals::record::{Kind, Record, key};
use snapshooter::internals::restore::{MaxDelete, Options, restore};
use snapshooter::internals::storage::{Body, Location, Put};
use snapshooter::{Md5, Side};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

/// Hears what is done and what fails, a line each; and warnings.
#[derive(Default)]
struct Ear(Mutex<Vec<String>>);

impl Ear {
    fn push(&self, line: String) {
        self.0.lock().expect("no panic").push(line);
    }

    fn messages(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Monitor for Ear {
    fn failure(&self, name: &Name, reason: &str) {
        self.push(format!("{}: failed: {reason}", name.printable()));
    }
    fn warn(&self, message: &str) {
        self.push(format!("warned: {message}"));
    }
    fn note(&self, _message: &str) {}
    fn detail(&self, what: &str, name: &Name) {
        if what != "as it should be" {
            self.push(format!("{}: {what}", name.printable()));
        }
    }
}

const LEAVES: [&[u8]; 9] = [b"a", b"b", b"b-", b"c", b"d.o", b"e", b"l", "ü".as_bytes(), b"\xff"];

fn path(root: &Path, name: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(name))
}

/// A name, up to three levels deep.
fn name(random: &mut Random) -> Vec<u8> {
    let mut name = random.one(&LEAVES).to_vec();
    for _ in 0..random.below(3) {
        name.push(b'/');
        name.extend(random.one(&LEAVES));
    }
    name
}

/// Puts something under a name, as far as nothing is in the way.
fn put(root: &Path, random: &mut Random) {
    let at = path(root, &name(random));
    let _ = fs::create_dir_all(at.parent().expect("it is below the root"));
    match random.below(8) {
        0 | 1 => drop(fs::create_dir(&at)),
        2 => drop(symlink(["a", "nowhere", "b/c"][random.below(3)], &at)),
        3 => {
            let names = below(root);
            if let Some(other) = names.get(random.below(names.len())) {
                let _ = fs::hard_link(other, &at);
            }
        }
        _ if !at.exists() => {
            let text = ["one", "two!", "", "a longer one"][random.below(4)];
            if fs::write(&at, text).is_ok() {
                time(&at, random);
            }
        }
        _ => {}
    }
}

fn time(at: &Path, random: &mut Random) {
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + random.below(3) as u64);
    let _ = fs::File::options().read(true).open(at).and_then(|file| file.set_modified(time));
}

/// All paths below a folder.
fn below(root: &Path) -> Vec<PathBuf> {
    let all = walkdir::WalkDir::new(root).min_depth(1).sort_by_file_name();
    all.into_iter().filter_map(Result::ok).map(walkdir::DirEntry::into_path).collect()
}

/// Changes something that is there.
fn disturb(root: &Path, random: &mut Random) {
    let names = below(root);
    let Some(at) = names.get(random.below(names.len())) else { return };
    let Ok(meta) = at.symlink_metadata() else { return };
    match random.below(9) {
        0 if !meta.is_dir() => drop(fs::remove_file(at)),
        0 | 1 if meta.is_dir() => drop(fs::remove_dir_all(at)),
        2 if meta.is_file() => drop(fs::write(at, "another")),
        3 if !meta.is_symlink() => time(at, random),
        4 if !meta.is_symlink() => drop(fs::set_permissions(at, Permissions::from_mode(0o700))),
        5 if meta.is_file() => {
            drop(fs::remove_file(at).and_then(|()| fs::create_dir(at)).and_then(|()| fs::write(at.join("x"), "x")))
        }
        6 if meta.is_dir() => drop(fs::remove_dir_all(at).and_then(|()| fs::write(at, "a file"))),
        7 if !meta.is_dir() => drop(fs::remove_file(at).and_then(|()| symlink("b", at))),
        8 if meta.is_file() => {
            let _ =
                rustix::fs::setxattr(at, "user.k", [b'0' + random.below(3) as u8].as_slice(), rustix::fs::XattrFlags::empty());
        }
        _ => put(root, random),
    }
}

/// Records as something between the tools may leave them.
fn bend(line: &str, random: &mut Random) -> Option<String> {
    if line.contains("\"type\":\"end\"") || random.below(12) > 0 {
        return Some(line.to_string());
    }
    let record = Record::parse(line.as_bytes()).expect("a record");
    let md5 = Md5::parse("d41d8cd98f00b204e9800998ecf8427f").expect("an md5");
    let bent = match random.below(5) {
        0 => return None,
        1 => record.edit().set(key::MD5, md5).finish(),
        2 => record.edit().set(key::MD5, None).finish(),
        3 => record.edit().set_json("type", "\"fifo\"").finish(),
        _ => record.edit().set(key::MODE, None).set(key::MODIFIED, None).set(key::MTIME, None).finish(),
    };
    Some(String::from_utf8(bent.text().to_vec()).expect("UTF-8"))
}

/// All that could be changed of what is below a folder, as far as it can be looked at.
fn state(root: &Path) -> Vec<String> {
    let look = |at: PathBuf| {
        let m = at.symlink_metadata().ok()?;
        let text = if m.is_file() { fs::read(&at).unwrap_or_default() } else { Vec::new() };
        Some(format!(
            "{at:?} {:o} {} {} {} {} {text:?}",
            m.mode(),
            m.ino(),
            m.mtime(),
            m.mtime_nsec(),
            (m.ctime(), m.ctime_nsec()).1
        ))
    };
    below(root).into_iter().filter_map(look).collect()
}

struct Case {
    lines: Vec<String>,
    root: Location,
    heap: Location,
    options: Options,
}

impl Case {
    /// Restores; what is said, in order, and whether it was stopped. The rows of a dry run read as what a run tells its monitor.
    fn run(&self, dry_run: bool) -> (Vec<String>, Result<(), String>) {
        let ear = Arc::new(Ear::default());
        let contents: Arc<dyn Contents> = Arc::new(Heap::open(&self.heap).expect("the heap"));
        let records: Vec<_> = self.lines.iter().map(|line| Ok(Record::parse(line.as_bytes()).expect("a record"))).collect();
        let options = Options { dry_run, ..self.options.clone() };
        let out = restore(Box::new(records.into_iter()), &self.root, contents, options, ear.clone());
        let mut rows = Vec::new();
        let out = out.and_then(|mut out| {
            out.try_for_each(|row| {
                rows.push(row?);
                Ok(())
            })
        });
        if dry_run {
            for row in rows.iter().filter(|row| row.kind() != Kind::Error) {
                let action = row.string("action").expect("an action");
                let to = Record::parse(format!("{{\"name\":{}}}", row.raw("to").unwrap_or("\"-\"".into())).as_bytes());
                let to = match row.raw("to_bytes") {
                    Some(bytes) => {
                        Name::new(snapshooter::internals::json::from_base64(bytes.trim_matches('"')).expect("base64")).printable()
                    }
                    None => to.expect("a name").name().printable(),
                };
                let is_link = action == "link" || row.raw("to").is_some();
                ear.push(format!(
                    "{}: {action}{}",
                    row.name().printable(),
                    if is_link { format!(" to {to}") } else { String::new() }
                ));
            }
        }
        let errors: BTreeSet<String> = rows.iter().filter(|r| r.kind() == Kind::Error).map(|r| r.name().printable()).collect();
        let heard = ear.messages();
        let failed: BTreeSet<String> = heard.iter().filter_map(|l| Some(l.split_once(": failed: ")?.0.to_string())).collect();
        assert_eq!(errors, failed, "every failure is an error record");
        (heard, out.map_err(|e| e.to_string()))
    }
}

/// What was said but of what a dry run can't know: what is below a folder that has to be opened first.
fn known(said: &[String], opened: &[String]) -> Vec<String> {
    let is_below = |name: &str, o: &String| name == o || name.strip_prefix(o.as_str()).is_some_and(|rest| rest.starts_with('/'));
    let is_hidden = |line: &&String| {
        let (name, what) = line.split_once(": ").unwrap_or((line, ""));
        let first = what.split_once(" to ").map_or(name, |(_, first)| first);
        // Whether a folder above goes is not known either.
        let is_above = |o: &String| what == "delete" && is_below(o, &name.to_string());
        opened.iter().any(|o| is_below(name, o) || is_below(first, o) || is_above(o))
    };
    let mut known: Vec<String> = said.iter().filter(|line| !is_hidden(line)).cloned().collect();
    known.sort();
    known
}

/// How many rows there were, failures among them, and folders that could not be looked into.
#[derive(Default, Debug)]
struct Counts {
    rows: usize,
    failed: usize,
    refused: usize,
    opened: usize,
}

fn check(case: &Case, folder: Option<&Path>, counts: &mut Counts, what: &str) {
    let before = folder.map(state);
    let (plan, planned) = case.run(true);
    assert!(folder.map(state) == before, "a dry run changes something: {what}");
    let (done, outcome) = case.run(false);
    let opened: Vec<String> = plan.iter().filter_map(|line| line.strip_suffix(": open").map(str::to_string)).collect();
    let (mut expected, mut reported) = (known(&plan, &opened), known(&done, &opened));
    let warned = |said: &[String]| said.iter().any(|line| line.starts_with("warned: "));
    if !opened.is_empty() {
        // Nor is it known what becomes of another name of a file that is in such a folder.
        let all = case.lines.iter().filter_map(|line| Record::parse(line.as_bytes()).ok());
        let several: BTreeSet<String> =
            all.filter(|r| r.fields().nlink.is_some_and(|n| n > 1)).map(|r| r.name().printable()).collect();
        for said in [&mut expected, &mut reported] {
            said.retain(|line| !several.contains(line.split_once(": ").map_or("", |(name, _)| name)));
            said.retain(|line| !line.starts_with("warned: "));
        }
    }
    if !opened.is_empty() && warned(&done) && !warned(&plan) {
        // Something failed in a folder that had to be opened, so that nothing is deleted, nor what waits for that replaced.
        for said in [&mut expected, &mut reported] {
            said.retain(|line| [": create", ": change"].iter().any(|end| line.ends_with(end)));
        }
    }
    assert_eq!(expected, reported, "{what}\n{plan:#?}\n{done:#?}\n{:#?}", case.lines);
    assert!(planned == outcome || !opened.is_empty(), "{planned:?} {outcome:?} {what}");
    let failed = done.iter().filter(|line| line.contains(": failed: ")).count();
    if failed == 0 && outcome.is_ok() {
        let (mut again, outcome) = case.run(true);
        // A folder that no record opens to us stays as it was.
        again.retain(|line| !line.ends_with(": open"));
        assert_eq!((again, outcome), (Vec::new(), Ok(())), "something is left to do: {what}\n{done:#?}\n{:#?}", case.lines);
        assert_eq!(case.run(false).0, Vec::<String>::new(), "{what}");
    }
    counts.rows += plan.len();
    counts.failed += failed;
    counts.refused += usize::from(outcome.is_err());
    counts.opened += opened.len();
}

/// A world with a random tree, its records, and what has become of it since.
fn world(random: &mut Random) -> (World, Vec<String>, Options) {
    let world = World::new();
    let files = world.path("files");
    fs::create_dir(&files).expect("the root");
    for _ in 0..random.below(25) {
        put(&files, random);
    }
    let scan = ["snap-scan --xattrs", "snap-scan -e '*.o'", "snap-scan --type f", "snap-scan"][random.below(4)];
    world.sh(&format!("{scan} | snap-heapify -o list")).ok();
    let list = world.sh("cat list").ok().out();
    for _ in 0..random.below(12) {
        disturb(&files, random);
    }
    for object in world.files_below("heap") {
        if random.below(20) == 0 {
            fs::remove_file(object).expect("an object");
        }
    }
    let mut options = Options {
        delete: random.below(2) == 0,
        delete_excluded: true,
        max_delete: Some(MaxDelete::Percent(100.0)),
        checksum: random.below(3) == 0,
        owner: random.below(3) == 0,
        xattrs: random.below(2) == 0,
        jobs: 1 + random.below(3),
        report: random.below(2) == 0,
        ..Options::default()
    };
    if random.below(3) == 0 {
        options.side = Side::Left;
        let rows = world.sh("snap-scan | snap-heapify --no-store | snap-diff list - || [ $? = 1 ]").ok();
        return (world, rows.out().lines().map(str::to_string).collect(), options);
    }
    let lines = list.lines().filter_map(|line| bend(line, random)).collect();
    (world, lines, options)
}

fn at(url: &str) -> Location {
    Location::parse(OsStr::new(url), "root", &snapshooter::internals::storage::Options::default()).expect("a root")
}

/// Random cases, from this seed on.
fn cases(seeds: std::ops::Range<u64>, is_root: bool) -> Counts {
    let mut counts = Counts::default();
    for seed in seeds {
        let mut random = Random(seed * 0x9e37_79b9 + 1);
        let (world, lines, options) = world(&mut random);
        let (files, heap) = (world.path("files"), Location::Folder(world.path("heap")));
        fs::create_dir_all(world.path("heap")).expect("a heap");
        let what = format!("seed {seed}, {options:?}");
        let case = Case { lines, root: Location::Folder(files.clone()), heap, options };
        if !is_root {
            for at in below(&files).iter().rev() {
                if at.symlink_metadata().is_ok_and(|m| m.is_dir()) && random.below(5) == 0 {
                    let mode = [0, 0o100, 0o400, 0o500, 0o300][random.below(5)];
                    fs::set_permissions(at, Permissions::from_mode(mode)).expect("a mode");
                }
            }
        }
        check(&case, Some(&files), &mut counts, &what);
        world.sh("chmod -R u+rwX files").ok();
        let case = Case { root: bucket(seed, &mut random), ..case };
        check(&case, None, &mut counts, &what);
    }
    counts
}

/// A bucket with some objects.
fn bucket(seed: u64, random: &mut Random) -> Location {
    let root = at(&format!("memory://plans-{}-{seed}", std::process::id()));
    if let Location::Remote(store) = &root {
        for _ in 0..random.below(12) {
            let name = name(random);
            if std::str::from_utf8(&name).is_ok() {
                let text = [&b"one"[..], b"two!", b"", b"a longer one"][random.below(4)];
                store.put(&name, Body::Bytes(text.to_vec()), &Put::default()).expect("put an object");
            }
        }
    }
    root
}

/// Set where this test runs in another process, as a user with no rights but his own: the first seed.
const AS_USER: &str = "SNAPSHOOTER_TEST_AS_USER";

#[test]
fn what_a_dry_run_says_is_what_the_run_reports() {
    let most = many(60, 3_000);
    let is_root = rustix::process::geteuid().is_root();
    let counts = cases(1..1 + most, is_root);
    println!("{counts:?}");
    assert!(counts.rows > 0 && counts.failed > 0, "{counts:?}");
    if std::env::var_os(AS_USER).is_some() {
        assert!(counts.opened > 0, "{counts:?}");
        return;
    }
    figure(
        32,
        &format!("{most} trees, to a folder and a bucket: {} rows, {} failures, no difference", counts.rows, counts.failed),
    );
    if is_root {
        let own = std::env::current_exe().expect("this program");
        let mut user = Command::new("setpriv");
        user.args(["--reuid", "54321", "--regid", "54321", "--clear-groups"]).arg(own);
        user.args(["hazards::plans::what_a_dry_run_says_is_what_the_run_reports", "--exact", "--nocapture"]).env(AS_USER, "1");
        let done = user.output().expect("run setpriv");
        let said = [done.stdout, done.stderr].concat();
        assert!(done.status.success(), "as a user: {}", String::from_utf8_lossy(&said));
    }
}
