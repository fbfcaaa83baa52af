//! Set-user-id and set-group-id come back only with the owner.

use crate::util::World;
use std::os::unix::fs::{MetadataExt, PermissionsExt};

fn mode(world: &World, name: &str) -> u32 {
    world.path(name).symlink_metadata().expect(name).permissions().mode() & 0o7777
}

/// A backup of programs that run as their owner or group, and of a folder that hands its group down.
fn backed_up() -> World {
    let world = World::new();
    for name in ["user", "group", "one"] {
        world.put(&format!("files/{name}"), name);
    }
    world.sh("cd files; ln one two; mkdir folder; chmod 4755 user one; chmod 2755 group; chmod 2775 folder").ok();
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world
}

const NAMES: [(&str, u32); 5] = [("user", 0o4755), ("group", 0o2755), ("one", 0o4755), ("two", 0o4755), ("folder", 0o2775)];

#[test]
fn without_owner_the_bits_are_left_off_whoever_restores() {
    let world = backed_up();
    for how in ["", "-o now", "--xattrs", "--checksum"] {
        world.sh(&format!("rm -rf back; snap-read | snap-restore --file-root back {how}")).ok().complains("left off");
        for (name, bits) in NAMES {
            assert_eq!(mode(&world, &format!("back/{name}")), bits & 0o777, "{name} {how}");
        }
    }
    assert_eq!(world.path("back/one").metadata().unwrap().ino(), world.path("back/two").metadata().unwrap().ino());
    // Only the mode differs.
    world.sh("chmod 600 back/user back/group back/one; chmod 700 back/folder").ok();
    let plan = world.sh("snap-read | snap-restore --file-root back -n | jq -r .name").ok().lines();
    world.sh("snap-read | snap-restore --file-root back").ok();
    for (name, bits) in NAMES {
        assert_eq!(mode(&world, &format!("back/{name}")), bits & 0o777, "{name}");
    }
    assert_eq!(plan, ["folder", "group", "one", "two", "user"]);
    // What is as it should be is no change, and a dry run says so.
    world.sh("snap-read | snap-restore --file-root back -n").ok().says(&end(&world));
}

/// What a dry run prints that has nothing to do.
fn end(world: &World) -> String {
    world.sh("snap-read | snap-restore --file-root back -n | tail -n 1").ok().out()
}

#[test]
fn with_owner_they_come_back() {
    let world = backed_up();
    world.sh("snap-read | snap-restore --owner --file-root back").ok().silent();
    for (name, bits) in NAMES {
        assert_eq!(mode(&world, &format!("back/{name}")), bits, "{name}");
    }
    world.sh("chmod 755 back/user; snap-read | snap-restore --owner --file-root back").ok();
    assert_eq!(mode(&world, "back/user"), 0o4755);
}

#[test]
fn programs_that_are_whole_keep_the_bits_that_they_have() {
    let world = backed_up();
    let said = world.sh("snap-read | snap-restore -n | jq -c 'select(.type != \"end\")'").ok();
    assert_eq!(said.out(), "");
    world.sh("snap-read | snap-restore").ok();
    for (name, bits) in NAMES {
        assert_eq!(mode(&world, &format!("files/{name}")), bits, "{name}");
    }
    // One with another content is made anew, without them.
    world.sh("printf x >>files/user; chmod 4755 files/user; snap-read | snap-restore").ok();
    assert_eq!(mode(&world, "files/user"), 0o755);
}
