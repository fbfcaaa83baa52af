//! The same in other storages: what a bucket or a folder elsewhere holds is deleted only if the backup looked for it.

use crate::storages::emulators::{self, Emulator, Planted, Root};
use crate::util::{Done, World};

/// A world whose file root is in a storage, with these objects in it.
fn world(emulator: &dyn Emulator, keys: &[&str]) -> (World, Root) {
    let root = emulator.fresh();
    plant(emulator, &root, keys);
    let mut world = World::new();
    point(&mut world, &root);
    (world, root)
}

fn plant(emulator: &dyn Emulator, root: &Root, keys: &[&str]) {
    let planted: Vec<_> = keys.iter().map(|key| Planted::new(key, format!("content of {key}"))).collect();
    emulator.plant(root, &planted);
}

fn point(world: &mut World, root: &Root) {
    world.set("FILE_ROOT", &root.url);
    world.set("FILE_STORAGE_OPTIONS", &root.options);
}

/// The keys that are there, in a line.
fn there(emulator: &dyn Emulator, root: &Root) -> String {
    let keys = emulator.there(root).into_keys().map(|key| String::from_utf8_lossy(&key).into_owned());
    keys.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn refused(world: &World, script: &str, why: &str) -> Done {
    let done = world.sh(script).status(2).complains(why);
    assert!(done.err().lines().count() >= 2, "it does not say what to do{done}");
    done
}

const BACKUP: &str = "snap-scan | snap-heapify | snap-write > /dev/null";
const RESTORE: &str = "snap-read latest | snap-restore --delete";

#[test]
fn storages_elsewhere_keep_what_the_backup_did_not_look_for() {
    for emulator in emulators::all() {
        let name = emulator.name();
        let (world, root) = world(emulator, &["a.c", "a.o", "docs/b.c"]);
        // Unknown: a filter on the way.
        world.sh(r#"snap-scan | jq -c 'select(.name | endswith(".o") | not)' | snap-heapify | snap-write > /dev/null"#).ok();
        refused(&world, RESTORE, "the records are filtered");
        assert_eq!(there(emulator, &root), "a.c a.o docs/b.c", "{name}");
        // Known: rules.
        world.sh("snap-scan -e '*.o' -e /kept/ | snap-heapify | snap-write > /dev/null").ok();
        plant(emulator, &root, &["docs/new.c", "docs/new.o", "kept/x", "new"]);
        let plan = world.sh("snap-read | snap-restore --delete -n | jq -r 'select(.action == \"delete\") | .name'").ok();
        assert_eq!(plan.lines(), ["docs/new.c", "new"], "{name}: {plan}");
        refused(&world, &format!("{RESTORE} --max-delete 1"), "more than 1");
        world.sh(RESTORE).ok();
        assert_eq!(there(emulator, &root), "a.c a.o docs/b.c docs/new.o kept/x", "{name}");
        // Rows: the side that is restored decides.
        let now = "(snap-scan | snap-heapify --no-store | snap-diff latest - || [ $? = 1 ])";
        world.sh(&format!("{now} | snap-restore --side left --delete")).ok();
        assert_eq!(there(emulator, &root), "a.c a.o docs/b.c docs/new.o kept/x", "{name}");
    }
}

#[test]
fn a_storage_elsewhere_is_not_emptied_by_the_snapshot_of_another_or_of_nothing() {
    for emulator in emulators::all() {
        let (mut world, root) = world(emulator, &["a", "b"]);
        let other = emulator.fresh();
        plant(emulator, &other, &["x"]);
        point(&mut world, &other);
        world.sh(BACKUP).ok();
        point(&mut world, &root);
        refused(&world, RESTORE, "of another folder");
        assert_eq!(there(emulator, &root), "a b", "{}", emulator.name());
        world.sh(&format!("{RESTORE} --max-delete 100%")).ok();
        assert_eq!(there(emulator, &root), "x", "{}", emulator.name());
        // The state after a restore without --delete is not all that is there.
        plant(emulator, &root, &["y"]);
        world.sh("snap-read | snap-restore -o - | snap-write > /dev/null").ok();
        refused(&world, RESTORE, "filtered");
        // The list of one with the contents of the other.
        let script = format!("snap-scan '{}' | snap-heapify | snap-write", other.url);
        refused(&world, &script, "same file root");
        assert_eq!(there(emulator, &root), "x y", "{}", emulator.name());
    }
}

#[test]
fn a_heap_and_snapshots_in_the_bucket_that_is_backed_up_are_kept_out_and_spared() {
    for emulator in emulators::all() {
        let (mut world, root) = world(emulator, &["a", "b"]);
        for (kind, folder) in [("HEAP", "repo/heap"), ("SNAP", "repo/snap")] {
            world.set(&format!("{kind}_ROOT"), format!("{}/{folder}", root.url));
            world.set(&format!("{kind}_STORAGE_OPTIONS"), &root.options);
        }
        world.sh(BACKUP).ok();
        world.sh(BACKUP).ok();
        plant(emulator, &root, &["new"]);
        // Without the roots in the environment, too: the snapshot says where they were.
        world.sh("snap-read > list; HEAP=$HEAP_ROOT; unset SNAP_ROOT; snap-restore --delete < list").ok();
        let left = there(emulator, &root);
        let name = emulator.name();
        assert!(left.starts_with("a b repo/heap/") && left.contains("repo/snap/") && !left.contains("new"), "{name}: {left}");
        world.sh("snap-read | snap-verify").ok();
    }
}
