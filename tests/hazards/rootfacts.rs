//! The root folder itself: its mode, owner and time come back where a restore makes it.

use crate::util::World;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

const BACKUP: &str = "snap-scan | snap-heapify | snap-write > /dev/null";

/// A world whose file root has this mode and a time of its own.
fn with_root(mode: u32) -> World {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/docs/b", "b");
    fs::set_permissions(world.path("files"), fs::Permissions::from_mode(mode)).expect("set the mode");
    world.sh("touch -d '2001-02-03 04:05:06.123456789' files").ok();
    world
}

#[test]
fn a_root_that_a_restore_makes_has_the_mode_and_the_time_of_the_one_that_was_backed_up() {
    for mode in [0o700, 0o750, 0o755, 0o1777] {
        let world = with_root(mode);
        world.sh(BACKUP).ok();
        // Through filters too: a part of the records has the same root.
        let some = "jq -c 'select(.type == \"end\" or (.name | startswith(\"docs\")))'";
        for (script, root) in [
            ("snap-read | snap-restore --file-root back".to_string(), "back"),
            (format!("snap-read | {some} | snap-restore --file-root deep/er/part"), "deep/er/part"),
            ("snap-read | snap-restore --file-root state -o - | tail -n 1 > state.jsonl".to_string(), "state"),
            ("snapshooter --file-root theirs restore-snapshot > /dev/null".to_string(), "theirs"),
        ] {
            world.sh(&script).ok();
            let made = fs::metadata(world.path(root)).expect(root);
            assert_eq!(format!("{:o}", made.mode() & 0o7777), format!("{mode:o}"), "{script}");
            assert_eq!((made.mtime(), made.mtime_nsec()), (981_173_106, 123_456_789), "{script}");
        }
        world.sh(&format!("jq -e '.root_folder.mode % 4096 == {mode}' state.jsonl")).ok();
    }
}

#[test]
fn a_root_that_is_there_keeps_its_mode_and_one_of_records_without_a_root_follows_the_umask() {
    let world = with_root(0o700);
    world.sh(BACKUP).ok();
    world.sh("mkdir -m 711 there; snap-read | snap-restore --file-root there").ok();
    assert_eq!(fs::metadata(world.path("there")).expect("there").mode() & 0o7777, 0o711);
    world.sh("umask 027; snap-read --no-end | snap-restore --file-root new").ok();
    assert_eq!(fs::metadata(world.path("new")).expect("new").mode() & 0o7777, 0o750);
    // A dry run makes none.
    world.sh("snap-read | snap-restore --file-root none --dry-run > /dev/null && [ ! -e none ]").ok();
}

#[test]
fn the_label_tells_the_owner_and_a_superuser_gets_it_back() {
    let world = with_root(0o700);
    world.sh(BACKUP).ok();
    world.sh("snap-list --json | jq -e '.root_folder | .uid != null and .gid != null and .modified != null'").ok();
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let world = with_root(0o750);
    world.sh("chown 1234:4321 files").ok();
    world.sh(BACKUP).ok();
    world.sh("snap-read | snap-restore --owner --file-root back; snap-read | snap-restore --file-root ours").ok();
    world.sh("stat -c '%u:%g:%a' back ours").ok().says("1234:4321:750\n0:0:750\n");
}
