//! Row 5: the order in which a backup writes, seen from outside.
//!
//! A file is synced after its last write and before it gets its name; its folder is synced before anybody is told. New
//! folders are synced into the folders above them.

use super::trace::{self, CALLS, Event, STRACE};
use super::{audit, tree, world};
use crate::util::World;
use crate::util::encrypted::Naming;
use crate::util::heap::{id_in, is_snapshot};
use crate::util::measure::many;
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// How many names were given, and what was wrong with the order.
#[derive(Default, Debug)]
struct Order {
    names: usize,
    folders: usize,
    wrong: Vec<String>,
}

struct Seen<'a> {
    events: &'a [Event],
    /// The file system's folder: `syncfs` on anything in it syncs all of it.
    root: &'a Path,
}

impl Seen<'_> {
    /// The end of the first sync of `path`, alone or with its file system, that begins after `after`.
    fn synced_after(&self, path: &Path, after: usize) -> Option<usize> {
        let syncs = self.events.iter().filter(|e| e.result == 0 && e.begin > after);
        let mut syncs = syncs.filter(|e| {
            e.synced().is_some_and(|(_, synced, whole)| if whole { synced.starts_with(self.root) } else { synced == path })
        });
        syncs.next().map(|e| e.end)
    }

    /// Checks every name given below the root; `told` says when a name was told to somebody.
    fn check(&self, final_name: impl Fn(&Path) -> bool, told: impl Fn(&Path) -> Option<usize>, order: &mut Order) {
        let mut last_told = 0;
        for event in self.events.iter().filter(|e| e.result == 0) {
            let Some((from, to)) = event.renamed().filter(|(_, to)| to.starts_with(self.root) && final_name(to)) else {
                continue;
            };
            order.names += 1;
            let mut wrong = |what: &str| order.wrong.push(format!("{}: {what}", to.display()));
            let writes = self.events.iter().filter(|e| e.wrote() == Some(&from) && e.begin < event.begin);
            let last_write = writes.map(|e| e.end).max();
            let Some(last_write) = last_write else {
                wrong("nothing was written to it");
                continue;
            };
            if self.synced_after(&from, last_write).is_none_or(|end| end > event.begin) {
                wrong("has its name before it was synced");
            }
            let Some(told) = told(&to) else {
                wrong("nobody was told");
                continue;
            };
            last_told = last_told.max(told);
            if self.synced_after(to.parent().expect("a folder"), event.end).is_none_or(|end| end > told) {
                wrong("was told before its folder was synced");
            }
            if let Some(made) = self.events.iter().find(|e| e.result == 0 && e.made().as_deref() == to.parent()) {
                let above = to.parent().and_then(Path::parent).expect("a folder");
                if self.synced_after(above, made.end).is_none_or(|end| end > told) {
                    wrong("was told before its new folder was synced into the one above");
                }
            }
        }
        // Folders above those: all that were made, but for those of temps.
        for event in self.events.iter().filter(|e| e.result == 0) {
            let Some(made) = event.made().filter(|m| m.starts_with(self.root) && !m.to_string_lossy().contains("/temp")) else {
                continue;
            };
            order.folders += 1;
            let above = made.parent().expect("a folder above");
            if self.synced_after(above, event.end).is_none_or(|end| end > last_told) {
                order.wrong.push(format!("{}: the new folder was not synced into the one above", made.display()));
            }
        }
    }
}

/// When each byte of standard output was written.
fn when_written(events: &[Event]) -> impl Fn(usize) -> Option<usize> {
    let mut ends = Vec::new();
    let mut total = 0;
    for event in events.iter().filter(|e| e.name == "write" && e.result > 0) {
        if event.fd(0).is_some_and(|(number, _)| number == "1") {
            total += event.result as usize;
            ends.push((total, event.begin));
        }
    }
    move |at| ends.iter().find(|(end, _)| at < *end).map(|(_, begin)| *begin)
}

/// Backs the files up under strace and checks the order.
fn observe(world: &World, options: &str, snap: &str, inject: &str) -> Order {
    let trace = format!("{STRACE} -e trace={CALLS},fstatfs {inject} -o");
    world.sh("snap-scan > list.jsonl").ok();
    world.sh(&format!("{trace} heapify.trace snap-heapify {options} < list.jsonl > heapified.jsonl")).ok();
    world.sh(&format!("{trace} write.trace snap-write --snap-root {snap} < heapified.jsonl > url")).ok();
    let mut order = Order::default();

    let events = trace::read(&world.path("heapify.trace"));
    let records = std::fs::read_to_string(world.path("heapified.jsonl")).expect("records");
    let written = when_written(&events);
    // Where each md5 is told, by the name of its object.
    let naming = Naming::of(&world.path("heap"));
    let mut ids: HashMap<String, usize> = HashMap::new();
    for (at, key) in records.match_indices("\"md5\":\"") {
        let md5 = &records[at + key.len()..][..32];
        ids.entry(naming.as_ref().map_or_else(|| md5.to_string(), |naming| naming.id(md5))).or_insert(at);
    }
    let told = |path: &Path| written(*ids.get(&id_in(path)?)?);
    Seen { events: &events, root: &world.path("heap") }.check(|path| id_in(path).is_some(), told, &mut order);

    let events = trace::read(&world.path("write.trace"));
    let written = when_written(&events);
    let before = order.names;
    let first = Path::new(snap).components().next().expect("a folder");
    let root: PathBuf = world.path(first);
    Seen { events: &events, root: &root }.check(is_snapshot, |_| written(0), &mut order);
    assert_eq!(order.names, before + 1, "one snapshot was published");
    // The heap's note of the snap root, without which gc would not know of it.
    let is_note = |path: &Path| path.extension().is_some_and(|e| e == "path");
    Seen { events: &events, root: &world.path("heap") }.check(is_note, |_| written(0), &mut order);
    order
}

#[test]
fn every_name_is_given_after_the_sync_and_told_after_the_folders() {
    let world = world();
    let mut all = Order::default();
    let mut add = |what: &str, order: Order, at_least: usize| {
        assert!(order.names > at_least, "{what}: only {} names", order.names);
        println!("row 5: {what}: {} names, {} new folders, {} out of order", order.names, order.folders, order.wrong.len());
        all.names += order.names;
        all.folders += order.folders;
        all.wrong.extend(order.wrong.into_iter().map(|w| format!("{what}: {w}")));
    };
    // More than a batch, in the full tier.
    let count = many(300, 9000);
    tree(&world.path("files"), 5, count);
    add("first backup", observe(&world, "", "snap", ""), count);
    tree(&world.path("files"), 6, 60);
    add("next backup", observe(&world, "--jobs 1", "snap", ""), 60);
    let audit = audit(&world);
    assert!(audit.wrong().is_empty() && audit.temps.is_empty(), "{:?} {:?}", audit.wrong(), audit.temps);
    // Objects that are bad are replaced; the snap root lies in folders that are not there yet.
    let heap = super::files(&world.path("heap")).into_iter().filter(|path| !path.ends_with("encryption.json"));
    for object in heap.step_by(2) {
        std::fs::write(object, "").expect("damage an object");
    }
    add("healing", observe(&world, "--verify-existing --jobs 2", "new/root/snap", ""), 20);
    // A file system that says it is FUSE, where syncfs does nothing: all is synced one by one, from the new heap root on.
    world.sh("rm -rf heap snap home/.local/state/snapshooter/roots").ok();
    let fuse = "-e inject=fstatfs:poke_exit=@arg2=4655736500000000";
    let order = observe(&world, "", "snap", fuse);
    let synced = trace::read(&world.path("heapify.trace")).into_iter().filter(|e| e.name == "fsync").count();
    assert!(synced > order.names, "{synced} files and folders were synced one by one");
    add("without syncfs", order, 60);
    println!(
        "row 5: {} of {} names in order, {} new folders",
        all.names - all.wrong.len().min(all.names),
        all.names,
        all.folders
    );
    assert!(all.wrong.is_empty(), "{} of {}: {:#?}", all.wrong.len(), all.names, &all.wrong[..all.wrong.len().min(10)]);
}
