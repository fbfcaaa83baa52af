//! All stages with roots in memory, in one process: every pair of a folder and a map.

use crate::util::World;
use crate::util::trees::Tree;
use snapshooter::internals::diff::Status;
use snapshooter::internals::monitor::Recorder;
use snapshooter::internals::record::Kind;
use snapshooter::internals::storage::{Location, Options};
use snapshooter::python::{self, Choice, Format, Make, Restore, Setup};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::sync::Arc;

fn at(url: &str) -> Location {
    Location::parse(OsStr::new(url), "root", &Options::default()).expect("a root")
}

/// The contents of all files below a folder.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = walkdir::WalkDir::new(folder).into_iter().map(|e| e.expect("a folder that can be listed"));
    let files = files.filter(|e| e.file_type().is_file());
    let name = |p: &Path| p.strip_prefix(folder).expect("it is below").to_string_lossy().into_owned();
    files.map(|e| (name(e.path()), fs::read(e.path()).expect("a file that can be read"))).collect()
}

fn setup(file: Location, heap: Location, snap: Location) -> Setup {
    Setup { file, heap, snap, heap_cache_file: None, store_jobs: 4, restore_jobs: 4 }
}

/// Backs up, backs up again, restores to `back`.
fn round(from: &Setup, back: &Location) -> (Vec<String>, Vec<String>) {
    let make = Make { kinds: vec![Kind::File], ..Make::default() };
    let monitor = Arc::new(Recorder::default());
    let first = python::make(from, &make, monitor.clone()).unwrap_or_else(|e| panic!("{e} {:?}", monitor.messages()));
    let second = python::make(from, &make, monitor.clone()).expect("a second backup");
    assert_eq!(first.records, second.records, "{:?}", monitor.messages());
    let mut rows = Vec::new();
    let sides = [1, 0].map(|n| Choice { path: Some(format!("latest~{n}").into()), ..Choice::default() });
    let statuses = [Status::OnlyLeft, Status::OnlyRight, Status::Different];
    let shown = Format(Some(snapshooter::internals::diff::Style::Names));
    let found = python::compare(&from.snap, sides, &statuses, shown, &mut rows, monitor.clone()).expect("a comparison");
    assert!(!found, "{}", String::from_utf8_lossy(&rows));
    let to = Setup { file: back.clone(), ..from.clone() };
    let restored = Arc::new(Recorder::default());
    python::restore(&to, &Restore::default(), &mut |_| Ok(()), restored.clone()).expect("a restore");
    // Nothing is left to do.
    let mut left = 0;
    let count = &mut |_: &_| {
        left += 1;
        Ok(())
    };
    python::restore(&to, &Restore { dry_run: true, ..Restore::default() }, count, restored.clone()).expect("a look");
    assert_eq!(left, 0, "{:?}", restored.messages());
    (monitor.messages(), restored.messages())
}

#[test]
fn every_pair_of_a_folder_and_a_map_works() {
    let world = World::with(Tree::Files);
    let large: Vec<u8> = (0..5_000_000u32).flat_map(|n| (n / 7).to_le_bytes()).take(5_000_000).collect();
    world.put("files/large", &large);
    let folder = |name: &str| Location::Folder(world.path(name));
    let wanted = contents(&world.path("files"));
    for heap in [folder("heap1"), at("memory://pairs/heap")] {
        // A heap in memory is gone when a snapshot on a disk is read.
        let lasts = matches!(heap, Location::Folder(_));
        for snap in [Some(folder("snap1")).filter(|_| lasts), Some(at("memory://pairs/snap"))].into_iter().flatten() {
            let map = at("memory://pairs/files");
            // From a folder to a map, and from there to another folder, with the same heap and snapshots.
            round(&setup(folder("files"), heap.clone(), snap.clone()), &map);
            round(&setup(map, heap.clone(), snap.clone()), &folder("back"));
            assert!(contents(&world.path("back")) == wanted);
            fs::remove_dir_all(world.path("back")).expect("remove what was restored");
        }
    }
}

#[test]
fn what_the_records_do_not_have_is_deleted_and_a_missing_root_is_an_error() {
    let world = World::with(Tree::Files);
    let folder = Location::Folder(world.path("files"));
    let (heap, snap, map) = (at("memory://extras/heap"), at("memory://extras/snap"), at("memory://extras/files"));
    let make = Make { kinds: vec![Kind::File], ..Make::default() };
    let missing = python::make(&setup(map.clone(), heap.clone(), snap.clone()), &make, Arc::new(Recorder::default()));
    assert!(missing.expect_err("nothing is there").to_string().contains("nothing is there"));
    let from = setup(folder, heap.clone(), snap.clone());
    round(&from, &map);
    let Location::Remote(store) = &map else { unreachable!("it is a map") };
    let put = |key: &[u8], text: &str| {
        let body = snapshooter::internals::storage::Body::Bytes(text.as_bytes().to_vec());
        assert!(store.put(key, body, &snapshooter::internals::storage::Put::default()).expect("put"));
    };
    let first = store.list(b"").next().expect("something").expect("a listing").key;
    put(b"extra/x", "not wanted");
    put(&first, "changed");
    let to = Setup { file: map.clone(), ..from };
    let heard = Arc::new(Recorder::default());
    python::restore(&to, &Restore::default(), &mut |_| Ok(()), heard.clone()).expect("a restore");
    assert!(store.stat(b"extra/x").expect("a look").is_none(), "{:?}", heard.messages());
    // The state before was saved, so the restore can be undone.
    let undo = heard.messages().into_iter().find(|line| line.starts_with("to undo: ")).expect("a word on undoing");
    let before = undo.rsplit(' ').next().expect("a path").to_string();
    let plan = Restore { choice: Choice { path: Some(before.into()), ..Choice::default() }, ..Restore::default() };
    python::restore(&to, &plan, &mut |_| Ok(()), heard.clone()).expect("undoing");
    assert!(store.stat(b"extra/x").expect("a look").is_some());
}
