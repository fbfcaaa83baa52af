//! The tools on roots in other storages.

use crate::storages::emulators::{self, Emulator, Planted, Root};
use crate::util::World;
use crate::util::measure::{figure, many};
use crate::util::recording::{Call, Recording};
use snapshooter::internals::monitor::Recorder;
use snapshooter::internals::record::Kind;
use snapshooter::internals::storage::{Location, Store};
use snapshooter::python::{self, Choice, Format, Make, Restore, Setup};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

type Tree = BTreeMap<Vec<u8>, Vec<u8>>;

/// Files with names and sizes of several kinds; one is too large for memory.
fn tree(seed: &str) -> Tree {
    let mut tree = Tree::new();
    for name in ["a", "a-b", "a.txt", "folder/b", "folder/c d", "folder/deeper/e+f", "ünï/😀", "zero"] {
        let content = if name == "zero" { String::new() } else { format!("{seed} {name}\n") };
        tree.insert(name.as_bytes().to_vec(), content.into_bytes());
    }
    let large = (0..2_600_000u32).map(|n| (n >> 8) as u8 ^ seed.as_bytes()[0]).collect();
    tree.insert(b"large".to_vec(), large);
    tree
}

/// A place for a root: a folder, or an emulator.
#[derive(Clone, Copy)]
enum Place {
    Folder,
    Emulator(&'static dyn Emulator),
}

impl Place {
    fn root(self, world: &World, name: &str) -> Spot {
        match self {
            Place::Folder => Spot::Folder(world.path(name)),
            Place::Emulator(emulator) => Spot::Remote(emulator, emulator.fresh()),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Place::Folder => "local",
            Place::Emulator(emulator) => emulator.name(),
        }
    }
}

/// A root of its own.
enum Spot {
    Folder(std::path::PathBuf),
    Remote(&'static dyn Emulator, Root),
}

impl Spot {
    /// The location, and what is asked of it.
    fn open(&self) -> (Location, Option<Arc<Recording>>) {
        match self {
            Spot::Folder(folder) => (Location::Folder(folder.clone()), None),
            Spot::Remote(_, root) => {
                let recording = Recording::of(root.open());
                (Location::Remote(recording.clone() as Arc<dyn Store>), Some(recording))
            }
        }
    }

    fn fill(&self, tree: &Tree) {
        match self {
            Spot::Folder(folder) => {
                for (name, content) in tree {
                    let path = folder.join(std::str::from_utf8(name).expect("names of the test are text"));
                    fs::create_dir_all(path.parent().expect("it is in a folder")).expect("make a folder");
                    fs::write(path, content).expect("write a file");
                }
            }
            Spot::Remote(emulator, root) => {
                let plant =
                    |(name, content): (&Vec<u8>, &Vec<u8>)| Planted::new(std::str::from_utf8(name).expect("text"), content);
                emulator.plant(root, &tree.iter().map(plant).collect::<Vec<_>>());
            }
        }
    }

    fn tree(&self) -> Tree {
        match self {
            Spot::Folder(folder) => folder_tree(folder),
            Spot::Remote(emulator, root) => emulator.there(root),
        }
    }
}

fn folder_tree(folder: &Path) -> Tree {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|e| e.expect("a folder that can be listed"));
    let name = |p: &Path| p.strip_prefix(folder).expect("below").to_str().expect("text").as_bytes().to_vec();
    let files = files.filter(|e| e.file_type().is_file());
    files.map(|e| (name(e.path()), fs::read(e.path()).expect("a file"))).collect()
}

fn make(setup: &Setup, what: &str) -> u64 {
    let make = Make { kinds: vec![Kind::File], ..Make::default() };
    let heard = Arc::new(Recorder::default());
    let made = python::make(setup, &make, heard.clone());
    made.unwrap_or_else(|e| panic!("{what}: {e:?} {:#?}", heard.messages())).records
}

/// Backs up, backs up again with nothing read, compares, and restores to a fresh root, for these three places.
fn triple(world: &World, places: [Place; 3], number: usize) {
    let [file, heap, snap] = places;
    let what = format!("files {}, heap {}, snapshots {}", file.name(), heap.name(), snap.name());
    let wanted = tree(&format!("{number}"));
    let from = file.root(world, &format!("files{number}"));
    let (heap, snap) = (heap.root(world, &format!("heap{number}")), snap.root(world, &format!("snap{number}")));
    from.fill(&wanted);
    let (location, recorded) = from.open();
    let (heap, snap) = (heap.open().0, snap.open().0);
    let setup = Setup { file: location, heap, snap: snap.clone(), heap_cache_file: None, store_jobs: 4, restore_jobs: 4 };
    assert_eq!(make(&setup, &what), wanted.len() as u64, "{what}");
    if let Some(recorded) = &recorded {
        // Where a storage has times only, and those in seconds, a file counts as changed for a while.
        let start = Instant::now();
        loop {
            recorded.take();
            make(&setup, &what);
            let read = recorded.count(|call| matches!(call, Call::Open { .. }));
            if read == 0 {
                break;
            }
            assert!(file.name().contains("ssh") && start.elapsed() < Duration::from_secs(20), "{what}: {read} read again");
        }
    } else {
        make(&setup, &what);
    }
    let sides = [1, 0].map(|n| Choice { path: Some(format!("latest~{n}").into()), ..Choice::default() });
    let statuses = [
        snapshooter::internals::diff::Status::Different,
        snapshooter::internals::diff::Status::OnlyLeft,
        snapshooter::internals::diff::Status::OnlyRight,
    ];
    let names = Format(Some(snapshooter::internals::diff::Style::Names));
    let differ = python::compare(&snap, sides, &statuses, names, &mut Vec::new(), Arc::new(Recorder::default()));
    assert!(!differ.unwrap_or_else(|e| panic!("{what}: {e}")), "{what}");
    let back = file.root(world, &format!("back{number}"));
    let to = Setup { file: back.open().0, ..setup };
    let heard = Arc::new(Recorder::default());
    let restored = python::restore(&to, &Restore::default(), &mut |_| Ok(()), heard.clone());
    restored.unwrap_or_else(|e| panic!("{what}: {e:?} {:#?}", heard.messages()));
    assert!(back.tree() == wanted, "{what}: {:#?}", heard.messages());
}

#[test]
fn every_pair_of_storages_backs_up_and_restores() {
    let mut places = vec![Place::Folder];
    let all = [emulators::azurite().map(|e| e as &dyn Emulator), emulators::moto().map(|e| e as &dyn Emulator)];
    places.extend(all.into_iter().flatten().map(Place::Emulator));
    places.push(Place::Emulator(emulators::fake_gcs()));
    let all = [emulators::wsgidav().map(|e| e as &dyn Emulator), emulators::sshd().map(|e| e as &dyn Emulator)];
    places.extend(all.into_iter().flatten().map(Place::Emulator));
    let world = World::new();
    let n = places.len();
    let mut runs = 0;
    for i in 0..n {
        for j in 0..n {
            // A Latin square: each pair of places, in each pair of roles, comes once.
            triple(&world, [places[i], places[j], places[(i + j) % n]], i * n + j);
            runs += 1;
        }
    }
    println!("{n} storages as file root, heap root and snap root: {runs} runs, each pair of them once in each pair of roles");
}

#[test]
fn blobs_with_an_md5_that_the_heap_has_are_not_read() {
    let Some(azurite) = emulators::azurite() else { return };
    let count = many(300, 10_000);
    let world = World::new();
    let (file, heap) = (azurite.fresh(), azurite.fresh());
    let blobs: Vec<Planted> = (0..count).map(|n| Planted::new(&format!("{:02}/{n}", n % 50), format!("blob {n}\n"))).collect();
    azurite.plant(&file, &blobs);
    let recorded = Recording::of(file.open());
    let setup = |snap: &str| Setup {
        file: Location::Remote(recorded.clone() as Arc<dyn Store>),
        heap: Location::Remote(heap.open()),
        snap: Location::Folder(world.path(snap)),
        heap_cache_file: None,
        store_jobs: 16,
        restore_jobs: 16,
    };
    assert_eq!(make(&setup("snap"), "first"), count as u64);
    let read = recorded.bytes_read();
    assert!(read > 0);
    assert_eq!(make(&setup("snap"), "second"), count as u64);
    assert_eq!(make(&setup("another"), "first under a new snap root"), count as u64);
    assert_eq!(recorded.bytes_read(), read, "contents were read again");
    println!("{count} blobs: a second backup, and a first one under another snap root, read 0 bytes of content");
}

/// A world whose commands find Azurite in the environment, with fresh roots.
fn azure_world(azurite: &'static dyn Emulator) -> (World, [Root; 3]) {
    let mut world = World::new();
    let roots = [azurite.fresh(), azurite.fresh(), azurite.fresh()];
    let options: serde_json::Value = serde_json::from_str(&roots[0].options).expect("options are JSON");
    world.set("AZURE_STORAGE_CONNECTION_STRING", options["connection_string"].as_str().expect("a connection string"));
    for (key, root) in ["FILE_ROOT", "HEAP_ROOT", "SNAP_ROOT"].iter().zip(&roots) {
        world.set(key, &root.url);
    }
    (world, roots)
}

#[test]
fn the_filters_work_on_azure_with_credentials_of_the_environment() {
    let Some(azurite) = emulators::azurite() else { return };
    let (world, [file, ..]) = azure_world(azurite);
    let blobs: Vec<Planted> = tree("x").iter().map(|(k, v)| Planted::new(std::str::from_utf8(k).expect("text"), v)).collect();
    azurite.plant(&file, &blobs);
    world.sh("snap-scan | snap-heapify | snap-write > url").ok();
    let url = fs::read_to_string(world.path("url")).expect("a URL");
    world.sh("snap-list").ok().says(&url);
    world.sh("test \"$(snap-read \"$(cat url)\" | wc -l)\" = \"$(snap-read | wc -l)\"").ok();
    world.sh("snap-verify < <(snap-read)").ok().silent();
    world.sh("snap-read | jq -c 'select(.type == \"end\" or .name == \"a\")' | snap-cat").ok().says("x a\n");
    world.sh("snap-read | snap-restore --file-root back").ok();
    assert!(folder_tree(&world.path("back")) == tree("x"));
    azurite.plant(&file, &[Planted::new("a", "another content")]);
    world.sh("snap-scan | snap-heapify --no-store | snap-diff latest - --format names").status(1).says("! a\n");
    world.sh("snap-read | snap-restore --delete").ok();
    assert!(azurite.there(&file) == tree("x"));
    world.sh("snap-scan --files-from <(echo a; echo zero) | jq -r .name").ok().says("a\nzero\n\n");
    world.sh("snap-gc --exclusive --delete && snap-verify < <(snap-read)").ok();
}

#[test]
fn each_continues_the_others_history_on_azure() {
    let Some(azurite) = emulators::azurite() else { return };
    let (mut world, [file, heap, _]) = azure_world(azurite);
    let blobs: Vec<Planted> = tree("p").iter().map(|(k, v)| Planted::new(std::str::from_utf8(k).expect("text"), v)).collect();
    azurite.plant(&file, &blobs);
    // The Python tool wants something to be there.
    azurite.plant(&heap, &[Planted::new("temp/keep", "")]);
    azurite.plant(&Root { prefix: String::new(), ..heap.clone() }, &[]);
    world.set("PY", crate::util::python_tool());
    let py = |world: &World, command: &str| {
        world
            .sh(&format!("\"$PY\" --file-root \"$FILE_ROOT\" --heap-root \"$HEAP_ROOT\" --snap-root \"$SNAP_ROOT\" {command}"))
            .ok()
    };
    py(&world, "make-snapshot");
    // All but what we know more is the same.
    let keys = "del(.modified, .sha256, .stored_size, .deleted, .metadata)";
    world.sh(&format!("snap-read | jq -cS 'select(.type != \"end\") | {keys}' > theirs")).ok();
    world.sh("snap-scan | snap-heapify > list; snap-write list").ok();
    world.sh(&format!("jq -cS 'select(.type != \"end\") | {keys}' list > ours; diff theirs ours")).ok();
    world.sh("snap-diff latest~1 latest").ok();
    py(&world, "make-snapshot");
    world.sh("snapshooter restore-snapshot --no-delete").ok();
    azurite.plant(&file, &[Planted::new("a", "changed"), Planted::new("extra", "extra")]);
    world.sh("snapshooter restore-snapshot").ok();
    assert!(azurite.there(&file) == tree("p"));
    azurite.plant(&file, &[Planted::new("a", "changed"), Planted::new("extra", "extra")]);
    py(&world, "restore-snapshot");
    assert!(azurite.there(&file) == tree("p"));
}

#[test]
fn the_example_of_pythons_readme_runs_as_it_stands() {
    let Some(azurite) = emulators::azurite() else { return };
    let (world, _) = azure_world(azurite);
    let roots = ["file", "heap", "snap"].map(|root| azurite.container(&format!("{root}-container"), &format!("{root}-root")));
    azurite.plant(&roots[0], &[Planted::new("one", "1"), Planted::new("two", "2")]);
    let example = r#"snapshooter \
  --file-root az://file-container/file-root \
  --heap-root az://heap-container/heap-root \
  --snap-root az://snap-container/snap-root \
  --file-storage-options '{"account_name": "fileaccountname"}' \
  --heap-storage-options '{"account_name": "heapaccountname"}' \
  --snap-storage-options '{"account_name": "snapaccountname"}' \
  make-snapshot"#;
    let done = world.sh(example).ok();
    assert!(done.out().starts_with("az://snap-container/snap-root/20"), "{done}");
    let again = example.replace("make-snapshot", "list-snapshots");
    world.sh(&again).ok().says(&done.out());
}

#[test]
fn b08_a_wrong_md5_that_a_storage_claims_is_refused_every_time() {
    let Some(azurite) = emulators::azurite() else { return };
    let (world, [file, ..]) = azure_world(azurite);
    // That of "good", for a blob of another size.
    let claim = Some("dV+FwnI7s5OBxwwloN93ew==".to_string());
    azurite.plant(&file, &[Planted::new("good", "good"), Planted { md5: claim, ..Planted::new("wrong", "something else") }]);
    for _ in 0..3 {
        let done = world.sh("snap-scan | snap-heapify | snap-write").status(2);
        assert!(done.err().contains("snap-heapify: wrong: ") && done.err().contains("md5"), "{done}");
    }
    world.sh("snap-list").ok().says("");
}

/// Roots and options that lead to an error, where `SECRET` stands for one.
const WRONG: [(&str, &str); 27] = [
    ("az://c", r#"{"account_name": "me", "account_key": "%%SECRET"}"#),
    ("az://c", r#"{"account_name": "me", "account_key": "SECRET", "account_host": "http://127.0.0.1:1"}"#),
    ("az://c", r#"{"account_name": "me", "sas_token": "?sv=1&sig=SECRET", "account_host": "http://127.0.0.1:1"}"#),
    ("az://c", r#"{"connection_string": "SECRET"}"#),
    ("az://c", r#"{"connection_string": "AccountName=me;AccountKey=SECRET;BlobEndpoint=http://127.0.0.1:1/me"}"#),
    ("az://c", r#"{"connection_string": "AccountName=me;AccountKey=SECRET;BlobEndpoint=ftp://SECRET"}"#),
    ("az://c", r#"{"acount_key": "SECRET"}"#),
    ("az://c", r#"{"account_key": ["SECRET"]}"#),
    ("az://c", "{'SECRET"),
    ("az://", r#"{"account_name": "me", "account_key": "SECRET"}"#),
    ("s3://b", r#"{"key": "me", "secret": "SECRET"}"#),
    ("s3://b", r#"{"key": "me", "secret": "SECRET", "region": "r", "endpoint_url": "http://127.0.0.1:1"}"#),
    ("s3://b", r#"{"key": "me", "secret": "SECRET", "token": "SECRET", "region": "r", "endpoint_url": "ftp://SECRET"}"#),
    ("s3://b", r#"{"secret": "SECRET", "region": "r"}"#),
    ("s3://b", r#"{"secrets": "SECRET"}"#),
    ("s3://b", r#"{"config_kwargs": {"s3": "SECRET"}, "region": "r"}"#),
    ("gs://b", r#"{"token": "/nowhere/SECRET"}"#),
    ("gs://b", r#"{"token": {"type": "service_account", "private_key": "SECRET"}}"#),
    ("gs://b", r#"{"token": "anon", "endpoint_url": "http://me:SECRET@127.0.0.1:1"}"#),
    ("webdav://me:SECRET@127.0.0.1:1/x", "{}"),
    ("webdav://127.0.0.1:1/x", r#"{"auth": ["me", "SECRET"]}"#),
    ("webdav://127.0.0.1:1/x", r#"{"auth": "SECRET", "token": "SECRET"}"#),
    ("sftp://me:SECRET@127.0.0.1:1/x", "{}"),
    ("sftp://127.0.0.1:1/x", r#"{"password": "SECRET"}"#),
    ("http://me:SECRET@127.0.0.1:1/x", "{}"),
    ("http://127.0.0.1:1/x", r#"{"headers": {"x key": "SECRET"}}"#),
    ("ftp://me:SECRET@host/path", "{}"),
];

#[test]
fn what_is_wrong_with_a_storage_is_one_line_without_secrets() {
    let secret = "c2VjcmV0c2VjcmV0";
    let world = World::new();
    world.put("record", "{\"name\":\"a\",\"md5\":\"0cc175b9c0f1b6a831c399e269772661\",\"size\":1}\n");
    let tools =
        [("FILE", "snap-scan"), ("HEAP", "snap-verify record"), ("SNAP", "snap-list"), ("SNAP", "snapshooter list-snapshots")];
    let mut cases = Vec::new();
    for (n, (root, options)) in WRONG.into_iter().enumerate() {
        let options = world.put(&format!("options/{n}"), options.replace("SECRET", secret));
        // By the environment: what is on a command line everybody can see.
        cases.extend(tools.map(|(root_of, tool)| {
            let root = root.replace("SECRET", secret);
            format!("{root_of}_ROOT='{root}' {root_of}_STORAGE_OPTIONS=@{} {tool}", options.display())
        }));
    }
    cases.push("snap-scan az://container --file-storage-options @nowhere".to_string());
    cases.push("snap-gc --heap-root gs:// --snap-root snap".to_string());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let done = world.sh(case);
                    let err = done.err();
                    // The Python tool's status is 1; of a web server, which can't list, each object is asked for.
                    let may_be_1 = case.ends_with("snapshots") || case.contains("http://");
                    assert!(done.code() == Some(2) || (may_be_1 && done.code() == Some(1)), "{done}");
                    assert!(!err.contains(secret) && !done.out().contains(secret), "{done}");
                    assert!((1..=2).contains(&err.lines().count()) && !err.contains("panicked"), "{done}");
                }
            });
        }
    });
    // Nor is it in anything that was written.
    for file in world.files_below("").iter().filter(|file| !file.starts_with(world.path("options"))) {
        assert!(!String::from_utf8_lossy(&fs::read(file).unwrap()).contains(secret), "{}", file.display());
    }
    figure(27, &format!("{} error paths of storages, 0 secrets on stderr, stdout, or in what was written", cases.len()));
}
