//! snap-gc on a heap in a service: in two phases beside writers, where deletions have conditions, and otherwise not at all.

use super::emulators::fake_s3::{Conditions, FakeS3, Oddities};
use super::emulators::{self, Emulator, Planted, Root};
use crate::util::World;
use crate::util::heap::{BACKUP, column, md5_of};
use crate::util::recording::{Call, Recording};
use snapshooter::internals::heap::{Heap, Used};
use snapshooter::internals::monitor::Recorder;
use snapshooter::internals::storage::{Body, Get, Got, Listing, Location, Object, Put, Store};
use snapshooter::{GcOptions, gc};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

const GC: &str = "snap-gc --delete --grace 0s";

/// The services whose deletions have conditions.
pub fn services() -> Vec<&'static dyn Emulator> {
    let mut all: Vec<&'static dyn Emulator> = vec![emulators::fake_gcs()];
    all.extend(emulators::moto().map(|e| e as &dyn Emulator));
    all.extend(emulators::azurite().map(|e| e as &dyn Emulator));
    all
}

/// A world with a heap in a service.
struct Heaped {
    world: World,
    emulator: &'static dyn Emulator,
    root: Root,
}

impl Heaped {
    fn new(emulator: &'static dyn Emulator) -> Heaped {
        let (mut world, root) = (World::new(), emulator.fresh().below("heap"));
        set_heap(&mut world, &root);
        world.put("files/a", "a");
        Heaped { world, emulator, root }
    }

    fn there(&self) -> BTreeMap<String, Vec<u8>> {
        let all = self.emulator.there(&self.root);
        all.into_iter().map(|(key, content)| (String::from_utf8(key).expect("text"), content)).collect()
    }

    /// The names of everything that is neither an object nor a noted root.
    fn beside(&self) -> Vec<String> {
        self.there().into_keys().filter(|key| key.starts_with("gc/")).collect()
    }

    fn object(&self, md5: &str) -> Option<Vec<u8>> {
        self.there().remove(&key(md5))
    }

    /// Runs and returns the md5s with this action.
    fn gc(&self, options: &str, action: &str) -> BTreeSet<String> {
        column(&self.world.sh(&format!("snap-gc {options}")).ok(), "md5", ("action", action))
    }

    /// Replaces a text in the list.
    fn edit_list(&self, from: &str, to: &str) {
        let (key, list) = self.there().into_iter().find(|(key, _)| key.starts_with("gc/condemned-")).expect("a list");
        let list = String::from_utf8(list).expect("text");
        assert!(list.contains(from), "{list}");
        self.emulator.plant(&self.root, &[Planted::new(&key, list.replace(from, to))]);
    }

    /// Stores a file that no snapshot has, and condemns its object, which could be deleted at once.
    fn condemn(&self, name: &str, content: &str) -> String {
        self.world.put(&format!("files/{name}"), content);
        self.world.sh("snap-scan | snap-heapify > list").ok();
        let md5 = md5_of(&self.world, content);
        assert!(self.gc("--delete --grace 0s", "condemned").contains(&md5), "{}", self.emulator.name());
        md5
    }
}

fn set_heap(world: &mut World, root: &Root) {
    world.set("HEAP_ROOT", &root.url);
    world.set("HEAP_STORAGE_OPTIONS", &root.options);
}

fn key(md5: &str) -> String {
    format!("{}/{md5}.gz", &md5[..2])
}

/// The time in the header of an object.
fn time(object: &[u8]) -> u32 {
    u32::from_le_bytes(object[4..8].try_into().expect("four bytes"))
}

/// A store that does something just before the first request of a kind.
struct Before<F> {
    inner: Arc<dyn Store>,
    act: F,
}

/// What is about to be asked of a store.
#[derive(Clone, Copy, PartialEq)]
enum About<'a> {
    Put(&'a [u8]),
    DeleteIf(&'a [u8]),
}

impl<F: Fn(About<'_>) -> io::Result<()> + Send + Sync> Store for Before<F> {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        self.inner.list_in(prefix, enters)
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        self.inner.stat(key)
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        self.inner.get(key, get)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        (self.act)(About::Put(key))?;
        self.inner.put(key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        self.inner.puts_if_absent()
    }

    fn deletes_if(&self) -> bool {
        self.inner.deletes_if()
    }

    fn delete_if(&self, key: &[u8], identity: &str) -> io::Result<bool> {
        (self.act)(About::DeleteIf(key))?;
        self.inner.delete_if(key, identity)
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.inner.delete(keys)
    }
}

#[test]
fn gc_says_first_and_deletes_in_two_phases() {
    for emulator in services() {
        let mut heaped = Heaped::new(emulator);
        let snap = emulator.fresh();
        heaped.world.set("SNAP_ROOT", &snap.url);
        heaped.world.set("SNAP_STORAGE_OPTIONS", &snap.options);
        let world = &heaped.world;
        world.put("files/b", "b");
        world.put("files/c", "c");
        world.sh(BACKUP).ok();
        fs::remove_file(world.path("files/c")).expect("remove it");
        world.sh(BACKUP).ok();
        let c = md5_of(world, "c");
        let none = || assert_eq!(world.sh(GC).ok().out(), "", "{}", emulator.name());
        none();
        assert!(heaped.beside().is_empty(), "nothing is condemned: {:?}", heaped.beside());
        world.sh("snap-forget --keep-last 1 --delete").ok();
        let before = heaped.there();
        let actions = [("", "condemned"), ("--delete", "condemned"), ("--delete", "kept"), ("--grace 0s", "deleted")];
        for (options, action) in actions {
            assert_eq!(heaped.gc(options, action), [c.clone()].into(), "{} {options}", emulator.name());
            if options.is_empty() {
                assert!(heaped.there() == before, "a plan changes nothing");
            }
            assert_eq!(heaped.beside().len(), usize::from(!options.is_empty()), "{:?}", heaped.beside());
            assert!(heaped.object(&c).is_some());
        }
        let (_, list) = heaped.there().into_iter().find(|(key, _)| key.starts_with("gc/condemned-")).expect("a list");
        let entry: serde_json::Value = serde_json::from_slice(&list).expect("one entry");
        assert!(entry["etag"].is_string() && entry.get("ino").is_none() && entry["grace"] == 86400, "{entry}");
        assert_eq!(heaped.gc("--delete --grace 0s", "deleted"), [c.clone()].into());
        assert!(heaped.object(&c).is_none());
        none();
        world.sh("snap-read | snap-verify --both").ok();
        // A list stays, without entries: what is stored from now on has a time.
        let beside = heaped.beside();
        assert!(beside.len() == 1 && heaped.there()[&beside[0]].is_empty(), "{beside:?}");
        world.put("files/c", "c");
        world.sh(BACKUP).ok();
        assert!(time(&heaped.object(&c).expect("it is stored again")) > 1_577_836_800);
        assert_eq!(time(&heaped.object(&md5_of(world, "a")).expect("it is there")), 0);
        world.sh("snap-read | snap-verify --both && snap-read | snap-restore --file-root back && diff -r files back").ok();
        // Several processes read the snapshots. One of these is new when they are ready.
        world.put("files/d", "d");
        world.sh("snap-scan | snap-heapify > list; for k in 1 2; do snap-gc --shard $k/2; done > parts").ok();
        world.sh(BACKUP).ok();
        world.put("files/e", "e");
        world.sh("snap-scan | snap-heapify > list").ok();
        let given = "--delete --grace 0s --references parts";
        let known = "2 snapshots read by other processes, 1 to be read";
        for action in ["condemned", "deleted"] {
            assert_eq!(heaped.gc(given, action), [md5_of(world, "e")].into(), "{}", emulator.name());
        }
        world.sh("snap-gc --references parts").ok().complains(known);
        world.sh("snap-read | snap-verify --both && snap-read latest~1 | snap-verify").ok();
        // Snap roots are registered there too.
        world.sh("snap-read | snap-write --snap-root other --snap-storage-options '{}'").ok();
        world.sh(GC).status(2).complains("uses this heap too");
        world.sh("snap-gc --delete --exclusive").status(2).complains("uses this heap too");
    }
}

#[test]
fn a_writer_stores_anew_what_is_condemned() {
    // The second content is put through a draft.
    for (emulator, content) in services().into_iter().flat_map(|e| [(e, "b".to_string()), (e, "words ".repeat(900_000))]) {
        let heaped = Heaped::new(emulator);
        let world = &heaped.world;
        world.sh(BACKUP).ok();
        let b = heaped.condemn("b", &content);
        let old = heaped.object(&b).expect("it is there");
        world.sh("snap-scan | snap-heapify > list2").ok();
        let new = heaped.object(&b).expect("it is there");
        assert!(time(&new) > time(&old) && new[8..] == old[8..], "{}", emulator.name());
        // Nobody deletes it, also not the run that had condemned it.
        assert_eq!(heaped.gc("--delete --grace 0s", "condemned"), [b.clone()].into());
        assert!(heaped.object(&b).is_some_and(|there| there == new));
        // The list of records is older than that: it is refused, and a second heapify makes it good.
        std::thread::sleep(Duration::from_millis(1100));
        world.sh("snap-write < list2").status(2).complains("condemned by snap-gc").complains("snap-heapify");
        world.sh(GC).ok();
        assert!(heaped.object(&b).is_none());
        world.sh("snap-write < list2").status(2).complains("is not there").complains("snap-heapify");
        world.sh("snap-heapify < list2 | snap-write").ok();
        world.sh(GC).ok().says("");
        world.sh("snap-read | snap-verify --both").ok();
        // Referred to again, and condemned as it was: it stays, and a backup that takes it over renews it.
        fs::remove_file(world.path("files/b")).expect("remove it");
        world.sh(BACKUP).ok();
        world.sh("snap-forget --keep-last 1 --delete").ok();
        world.put("files/b", &content);
        world.sh("snap-scan | snap-heapify > list3").ok();
        world.sh(GC).ok();
        heaped.edit_list("\"grace\":0", "\"grace\":7200");
        world.sh("snap-write < list3").ok();
        for _ in 0..2 {
            let kept = world.sh(GC).ok();
            assert!(kept.out().contains("\"reason\":\"referenced\""), "{kept}");
        }
        let before = heaped.object(&b).expect("it is there");
        world.sh("rm files/a && snap-scan | snap-heapify | snap-write").ok();
        let after = heaped.object(&b).expect("it is there");
        assert!(time(&after) > time(&before), "{}: {} and {}", emulator.name(), time(&after), time(&before));
        let kept = world.sh(GC).ok();
        assert!(kept.out().contains("\"reason\":\"stored anew\""), "{kept}");
        world.sh("snap-read | snap-verify --both").ok();
    }
}

#[test]
fn what_a_running_backup_has_stored_is_not_condemned_yet() {
    for emulator in services() {
        let heaped = Heaped::new(emulator);
        let world = &heaped.world;
        world.sh(BACKUP).ok();
        world.put("files/b", "b");
        // Some services know the times of objects to the second.
        std::thread::sleep(Duration::from_millis(1100));
        world.sh("snap-scan | snap-heapify > list").ok();
        let b = md5_of(world, "b");
        for _ in 0..2 {
            world.sh("snap-gc --delete").ok().says("").complains("condemned 0");
        }
        assert!(heaped.beside().is_empty());
        // Its backup died: the next one began later.
        world.put("files/b", "c");
        world.sh(BACKUP).ok();
        assert_eq!(heaped.gc("--delete", "condemned"), [b.clone()].into(), "{}", emulator.name());
        assert_eq!(heaped.gc("--delete", "kept"), [b.clone()].into());
        assert_eq!(heaped.gc("--delete --grace 0s", "deleted"), [b].into());
    }
}

#[test]
fn what_is_new_in_a_list_counts_from_when_the_list_is_there() {
    for emulator in services() {
        let heaped = Heaped::new(emulator);
        heaped.world.sh(BACKUP).ok();
        let b = heaped.condemn("b", "b");
        let (key, list) = heaped.there().into_iter().find(|(key, _)| key.starts_with("gc/condemned-")).expect("a list");
        let list = String::from_utf8(list).expect("text");
        let entry: serde_json::Value = serde_json::from_str(&list).expect("one entry");
        let (condemned, old) = (entry["condemned"].as_str().expect("a time"), "2020-01-02T03:04:05.000000006Z");
        let store = heaped.root.open();
        let write = |named: &str| {
            assert!(store.delete(&[key.clone().into_bytes()]).iter().all(Result::is_ok));
            let name = format!("gc/condemned-{}-1.2.0.jsonl", named.replace(':', "-"));
            heaped.emulator.plant(&heaped.root, &[Planted::new(&name, list.replace(condemned, old))]);
            name
        };
        // A gc that began its list long ago, was stopped, and has just stored it.
        let name = write(old);
        assert_eq!(heaped.gc("--delete --grace 1h", "kept"), [b.clone()].into(), "{}", emulator.name());
        assert!(store.delete(&[name.into_bytes()]).iter().all(Result::is_ok));
        // An entry that an older list had already.
        write(condemned);
        assert_eq!(heaped.gc("--delete --grace 1h", "deleted"), [b].into(), "{}", emulator.name());
    }
}

#[test]
fn a_copy_and_a_put_store_anew_what_is_condemned() {
    for emulator in services() {
        let heaped = Heaped::new(emulator);
        let world = &heaped.world;
        world.sh(BACKUP).ok();
        let b = heaped.condemn("b", "b");
        world.sh("snap-scan | snap-heapify --heap-root near --heap-storage-options '{}' -o near.list").ok();
        let copy = "snap-copy --heap-root near --heap-storage-options '{}' --to-heap-root $HEAP_ROOT \
                    --to-heap-storage-options \"$HEAP_STORAGE_OPTIONS\" near.list";
        let mut before = heaped.object(&b).expect("it is there");
        for writer in [copy, "snap-put x -- cat files/b", "tar -c -C files b | snap-from-tar"] {
            world.sh(&format!("{writer} > out")).ok();
            let after = heaped.object(&b).expect("it is there");
            assert!(time(&after) > time(&before), "{writer} in {}", emulator.name());
            assert_eq!(heaped.gc("--delete --grace 0s", "condemned"), [b.clone()].into());
            before = after;
        }
        // Gone, it is copied again, and not with the same bytes.
        assert_eq!(heaped.gc("--delete --grace 0s", "deleted"), [b.clone()].into());
        world.sh(copy).ok();
        assert!(time(&heaped.object(&b).expect("it is there")) > 0);
    }
}

#[test]
fn a_writer_between_the_look_and_the_deletion_of_gc_wins() {
    for emulator in services() {
        let heaped = Heaped::new(emulator);
        heaped.world.sh(BACKUP).ok();
        let b = heaped.condemn("b", "b");
        let object = key(&b).into_bytes();
        // It has read the snapshots, and what it knows of the object is that it is condemned for long enough.
        let heaped = Arc::new(heaped);
        let writer = heaped.clone();
        let act = move |about: About<'_>| {
            if about == About::DeleteIf(&object) {
                writer.world.sh(BACKUP).ok();
            }
            Ok(())
        };
        let done = with_gc(&heaped, act).unwrap_or_else(|e| panic!("{}: {e}", emulator.name()));
        assert_eq!(done, [format!("{{\"action\":\"kept\",\"md5\":\"{b}\",\"reason\":\"stored anew\",\"stored_size\":62}}")]);
        heaped.world.sh("snap-read | snap-verify --both > out && snap-read | snap-cat").ok().says("ab");
        heaped.world.sh(GC).ok().says("");
    }
}

/// Runs snap-gc in this process, where something else happens before its requests. Returns its lines.
fn with_gc(
    heaped: &Heaped,
    act: impl Fn(About<'_>) -> io::Result<()> + Send + Sync + 'static,
) -> snapshooter::Result<Vec<String>> {
    gc_in(Arc::new(Before { inner: heaped.root.open(), act }), &heaped.world)
}

fn gc_in(heap: Arc<dyn Store>, world: &World) -> snapshooter::Result<Vec<String>> {
    let mut lines = Vec::new();
    let options = GcOptions { delete: true, exclusive: false, grace: Duration::ZERO, jobs: 2, references: &[] };
    let snap = Location::Folder(world.path("snap"));
    let mut report = |line: String| {
        lines.push(line);
        Ok(())
    };
    gc(&Location::Remote(heap), &[snap], options, &mut |outcome| report(outcome.json()), Arc::new(Recorder::default()))?;
    Ok(lines)
}

#[test]
fn a_writer_that_is_overtaken_by_a_gc_finds_out() {
    for emulator in services() {
        for late in ["condemned", "deleted", "deleted by the first gc of the heap"] {
            let heaped = Heaped::new(emulator);
            heaped.world.sh(BACKUP).ok();
            let is_first = late.ends_with("heap");
            if !is_first {
                heaped.condemn("other", "other");
            }
            heaped.world.put("files/b", "b");
            heaped.world.sh("snap-scan | snap-heapify --no-base > list").ok();
            let b = md5_of(&heaped.world, "b");
            // A writer looks at the object, and is slow.
            let heap = Heap::create(&Location::Remote(heaped.root.open()), 1).expect("open it");
            let stored = heap.store(&mut &b"b"[..], 1, None, false).expect("it is there");
            assert!(!stored.is_new);
            let own = heap.store(&mut &b"own"[..], 3, None, false).expect("it is stored");
            assert!(own.is_new);
            assert!(heaped.gc("--delete --grace 0s", "condemned").contains(&b));
            if late != "condemned" {
                assert!(heaped.gc("--delete --grace 0s", "deleted").contains(&b));
            }
            let before = heaped.object(&b);
            let mut used = Used::default();
            used.push(stored.md5).expect("a note");
            let done = heap.complete(used);
            if late == "condemned" {
                done.expect("it is renewed");
                let after = heaped.object(&b).expect("it is there");
                assert!(time(&after) > time(&before.expect("it was there")));
                heaped.world.sh(GC).ok();
                assert!(heaped.object(&b).is_some());
            } else {
                let e = done.expect_err("it is gone");
                assert!(e.to_string().contains("snap-gc condemned or deleted it while this ran"), "{e}");
            }
            heaped.world.sh("snap-heapify < list | snap-write && snap-read | snap-verify --both").ok();
        }
    }
}

#[test]
fn an_object_that_is_stored_again_has_other_bytes_than_the_deleted_one() {
    for emulator in services() {
        let heaped = Heaped::new(emulator);
        heaped.world.sh(BACKUP).ok();
        // A writer that began before the first gc of this heap: it stores without a time.
        let heap = Heap::create(&Location::Remote(heaped.root.open()), 1).expect("open it");
        assert_eq!(heap.stored_size(&snapshooter::internals::digest::md5_of(b"none")).expect("a listing"), None);
        let b = heaped.condemn("b", "b");
        let stale = heaped.root.open();
        let etag = stale.stat(key(&b).as_bytes()).expect("stat").and_then(|o| o.identity().map(str::to_string)).expect("an etag");
        assert_eq!(heaped.gc("--delete --grace 0s", "deleted"), [b.clone()].into());
        let stored = heap.store(&mut &b"b"[..], 1, None, false).expect("it is stored");
        let mut used = Used::default();
        used.push(stored.md5).expect("a note");
        heap.complete(used).expect("it is stored anew");
        assert!(time(&heaped.object(&b).expect("it is there")) > 0, "{}", emulator.name());
        // Another gc that was stopped for all this time.
        assert!(!stale.delete_if(key(&b).as_bytes(), &etag).expect("an answer"));
        assert!(heaped.object(&b).is_some());
    }
}

#[test]
fn a_gc_that_can_not_read_or_write_a_list_loses_nothing() {
    for emulator in services() {
        let heaped = Heaped::new(emulator);
        heaped.world.sh(BACKUP).ok();
        let b = heaped.condemn("b", "b");
        heaped.condemn("c", "c");
        let lists = heaped.beside();
        // The list of the next run can't be stored: the old ones stay.
        heaped.world.put("files/d", "d");
        heaped.world.sh("snap-scan | snap-heapify > list").ok();
        let act = |about: About<'_>| match about {
            About::Put(key) if key.starts_with(b"gc/condemned-") => Err(io::Error::other("full")),
            _ => Ok(()),
        };
        let e = with_gc(&heaped, act).expect_err("it can't be stored");
        assert!(e.to_string().contains("full"), "{e}");
        assert_eq!(heaped.beside(), lists);
        heaped.world.sh("snap-heapify < list | snap-write && snap-read | snap-verify --both").ok();
        heaped.world.sh(GC).ok();
        assert!(heaped.object(&b).is_some());
        // A list that can't be read.
        for damaged in ["{}", "{\"md5\":", "x"] {
            heaped.emulator.plant(&heaped.root, &[Planted::new("gc/condemned-2026-01-02T03-04-05Z-1.jsonl", damaged)]);
            heaped.world.sh(GC).status(2).complains("it is damaged");
            heaped.world.sh("snap-scan | snap-heapify --no-base").status(2).complains("it is damaged");
            heaped.world.sh("snap-write < list").status(2).complains("it is damaged");
        }
        heaped.world.sh("snap-read | snap-verify --both && snap-gc --delete --exclusive && snap-read | snap-verify --both").ok();
        assert!(heaped.beside().is_empty() || heaped.beside() == ["gc/clock"], "{:?}", heaped.beside());
    }
}

#[test]
fn a_service_that_does_not_obey_the_condition_is_found_out() {
    let refused = Conditions::Refused(501, "NotImplemented", "If-Match is not implemented");
    for (deletions, reason) in [
        (Conditions::Ignored, "the service ignores the condition of a deletion"),
        (refused, "the service refuses the condition of a deletion"),
        (Conditions::Refused(412, "PreconditionFailed", "no"), "the service does not delete although the condition holds"),
        (Conditions::Kept, ""),
    ] {
        let fake = FakeS3::that(Oddities { deletions, ..Oddities::default() });
        let mut world = World::new();
        set_heap(&mut world, &fake.root("heap", ""));
        world.put("files/a", "a");
        world.sh(BACKUP).ok();
        world.sh("echo garbage | snap-put x > out").ok();
        let before = fake.there();
        if reason.is_empty() {
            world.sh("snap-gc --delete").ok();
            assert_eq!(fake.there().len(), before.len() + 1, "a list, and no probe");
            continue;
        }
        world.sh(GC).status(2).complains(reason).complains("only while nothing else uses it").complains("--exclusive").says("");
        assert!(fake.there() == before, "nothing is deleted, and the probe is gone");
        world.sh("snap-gc --delete --exclusive").ok();
        assert_eq!(fake.there().len(), before.len() - 1);
    }
    let Some(ignores) = emulators::gcs() else { return };
    let heaped = Heaped::new(ignores);
    heaped.world.sh(BACKUP).ok();
    heaped.world.sh("echo garbage | snap-put x > out").ok();
    let before = heaped.there();
    heaped.world.sh(GC).status(2).complains("the service ignores the condition of a deletion").says("");
    assert!(heaped.there() == before, "nothing is deleted, and the probe is gone");
}

#[test]
fn storages_without_conditions_are_cleaned_only_while_nothing_else_uses_them() {
    let mut all: Vec<&'static dyn Emulator> = vec![emulators::rclone_local()];
    all.extend(emulators::sshd().map(|e| e as &dyn Emulator));
    all.extend(emulators::wsgidav().map(|e| e as &dyn Emulator));
    for emulator in all {
        let heaped = Heaped::new(emulator);
        heaped.world.sh(BACKUP).ok();
        heaped.world.sh("echo garbage | snap-put x > out").ok();
        let before = heaped.there();
        let refused = heaped.world.sh(GC).status(2).says("");
        refused.complains("no conditional deletions").complains("only while nothing else uses it");
        assert!(heaped.there() == before && heaped.gc("", "deleted").len() == 1, "{}", emulator.name());
        assert_eq!(heaped.gc("--delete --exclusive", "deleted").len(), 1);
        heaped.world.sh("snap-read | snap-verify").ok();
    }
}

#[test]
fn another_way_to_the_heap_stores_anew_too() {
    let (Some(moto), Some(rclone)) = (emulators::moto(), emulators::rclone_s3()) else { return };
    let (root, mut world) = (rclone.fresh(), World::new());
    let mut direct = moto.missing();
    direct.url = format!("s3://{}", root.container);
    world.put("files/a", "a");
    set_heap(&mut world, &direct);
    world.sh(BACKUP).ok();
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify > list").ok();
    world.sh(GC).ok();
    // rclone tells no etags: what the list names is stored anew in any case.
    set_heap(&mut world, &root);
    world.sh("snap-heapify < list | snap-write").ok();
    set_heap(&mut world, &direct);
    let kept = world.sh(GC).ok();
    assert!(kept.out().contains("\"reason\":\"stored anew\""), "{kept}");
    world.sh("snap-read | snap-verify --both").ok();
}

#[test]
fn a_writer_asks_for_the_lists_twice_and_a_gc_a_few_times() {
    let memory = || snapshooter::internals::storage::memory::open("gc-requests");
    let recording = Recording::of(memory());
    let run = |content: &[u8]| {
        let heap = Heap::create(&Location::Remote(recording.clone()), 1).expect("open it");
        let stored = heap.store(&mut &content[..], content.len() as u64, None, false).expect("store it");
        let mut used = Used::default();
        used.push(stored.md5).expect("a note");
        heap.complete(used).expect("complete it");
        recording.take()
    };
    let object = key(&snapshooter::internals::digest::md5_of(b"x").to_string()).into_bytes();
    let list = |prefix: &str| Call::List(prefix.as_bytes().to_vec());
    // Whether the heap is encrypted.
    let form = Call::Open(b"encryption.json".to_vec(), 0, None);
    assert_eq!(run(b"x"), [form.clone(), list("gc/"), list(""), Call::Put(object.clone(), true), list("gc/")]);
    // One that is there: its ends are read, as before.
    let again = run(b"x");
    assert_eq!((&again[..3], again.last()), (&[form, list("gc/"), list("")][..], Some(&list("gc/"))));

    let world = World::new();
    world.put("files/a", "a");
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    let clean = |expected: &str| {
        let lines = gc_in(recording.clone(), &world).expect("gc");
        assert!(lines.len() == 1 && lines[0].contains(expected), "{lines:?}");
        recording.take()
    };
    let condemning = clean("condemned");
    let count = |calls: &[Call], is: fn(&Call) -> bool| calls.iter().filter(|call| is(call)).count();
    assert_eq!(count(&condemning, |call| matches!(call, Call::DeleteIf(_))), 2, "the probe");
    assert_eq!(count(&condemning, |call| matches!(call, Call::Put(..))), 3, "the probe twice, and the list");
    // What is condemned is renewed: read, stored and looked at.
    let renewing = run(b"x");
    assert!(renewing.contains(&Call::Put(object.clone(), false)), "{renewing:?}");
    let mut content = Vec::new();
    memory().open(&object, 0, None, None).expect("open").read_to_end(&mut content).expect("read");
    assert!(time(&content) > 0);
    clean("condemned");
    let deleting = clean("deleted");
    assert_eq!(count(&deleting, |call| matches!(call, Call::DeleteIf(_))), 3, "the probe, and the object");
    println!("requests: {} to condemn, {} to renew, {} to delete", condemning.len(), renewing.len(), deleting.len());
}
