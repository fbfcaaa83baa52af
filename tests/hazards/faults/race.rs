//! Row 11: writers that store and publish the same thing at the same instant.

use super::{audit, tree, world};
use crate::util::heap::id_in;
use crate::util::measure::many;
use rayon::prelude::*;
use snapshooter::internals::record::Record;
use snapshooter::internals::snapshot::{Label, Publisher};
use snapshooter::internals::storage::{Location, Options};
use snapshooter::internals::time::Time;
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

#[test]
fn writers_of_the_same_new_objects_store_each_once() {
    let rounds = many(3, 50);
    let (mut objects, mut snapshots, mut replaced) = (0, 0, 0);
    for round in 0..rounds {
        let world = world();
        tree(&world.path("files"), 1100 + round, 200);
        world.sh("snap-scan > list.jsonl; mkdir heap snap").ok();
        let script = "for n in 1 2 3 4; do (snap-heapify < list.jsonl | snap-write) & pids+=($!); done; \
                      for p in ${pids[@]}; do wait $p || exit 1; done";
        let mut child = world.start(script);
        // An object that gets another inode was overwritten.
        let mut seen: HashMap<std::path::PathBuf, u64> = HashMap::new();
        loop {
            let ended = child.try_wait().expect("wait").is_some();
            for path in super::files(&world.path("heap")).into_iter().filter(|p| !p.starts_with(world.path("heap/temp"))) {
                // The heap's note of the snap root may be written twice, with the same text.
                let Some(meta) = path.metadata().ok().filter(|_| id_in(&path).is_some()) else { continue };
                let inode = *seen.entry(path).or_insert(meta.ino());
                replaced += usize::from(inode != meta.ino());
            }
            if ended {
                break;
            }
        }
        world.finish(script, child).ok().silent();
        let audit = audit(&world);
        assert!(audit.wrong().is_empty() && audit.temps.is_empty(), "{:?} {:?}", audit.wrong(), audit.temps);
        assert_eq!(audit.snapshots.len(), 4);
        // 200 of the tree, one twice, one medium, one large.
        assert_eq!(audit.objects.len(), 203);
        objects += audit.objects.len();
        snapshots += audit.snapshots.len();
    }
    println!("row 11: {rounds} rounds of 4 writers: {objects} objects once each, {snapshots} snapshots, {replaced} overwritten");
    assert_eq!(replaced, 0);
}

#[test]
fn snapshots_of_one_microsecond_are_all_kept() {
    let rounds = many(10, 200);
    let mut overwritten = 0;
    for round in 0..rounds {
        let world = world();
        let root = Location::parse(world.path("snap").as_os_str(), "root", &Options::default()).expect("a root");
        // Some at the end of a year, where the next microsecond lies in another folder.
        let sec = if round % 2 == 0 { 1_767_225_599 } else { 1_700_000_000 };
        let time = Time { sec, nsec: 999_999_000 };
        let publish = |n: u32| {
            let mut publisher = Publisher::default();
            let line = format!("{{\"name\": \"of writer {n}\", \"type\": \"directory\"}}");
            publisher.push(&Record::parse(line.as_bytes()).expect("a record")).expect("push");
            publisher.finish(&root, time, &Label::default(), 0).expect("publish").as_given()
        };
        // Two at the same instant first, then six more.
        let paths: BTreeSet<_> = (0..8u32).into_par_iter().map(publish).collect();
        let texts: BTreeSet<_> = paths.iter().map(|p| super::inflate(Path::new(p)).expect("a whole snapshot")).collect();
        overwritten += 8 - texts.len();
        let audit = audit(&world);
        assert_eq!((paths.len(), audit.snapshots.len(), audit.temps.len()), (8, 8, 0), "{audit:?}");
    }
    println!(
        "row 11: {rounds} rounds of 8 snapshots in one microsecond: {} kept, {overwritten} overwritten",
        rounds * 8 - overwritten
    );
    assert_eq!(overwritten, 0);
}
