//! rclone that lies, refuses, is killed, or is not there; and whole rounds over it.

use super::{complaints, end, names};
use crate::storages::emulators::{self, Emulator, Root, command};
use crate::util::{World, wait_for};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

fn files(world: &World) {
    for name in ["files/a", "files/docs/b", "files/docs/c", "files/z"] {
        world.put(name, format!("content of {name}"));
    }
}

/// A world with a remote `disk` of its folders, whose `rclone` does not always do as it should.
fn that(lies: &str) -> World {
    let mut world = World::new();
    files(&world);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/storages/servers/rclone.py");
    fs::create_dir(world.path("bin")).expect("make a folder");
    fs::copy(script, world.path("bin/rclone")).expect("copy the script");
    fs::set_permissions(world.path("bin/rclone"), fs::Permissions::from_mode(0o755)).expect("change the mode");
    let path = world.sh("printf %s \"$PATH\"").ok().out();
    world.set("PATH", format!("{}:{path}", world.path("bin").display()));
    world.set("RCLONE", command("rclone"));
    world.put("rclone.conf", "[disk]\ntype = local\n");
    world.set("RCLONE_CONFIG", world.path("rclone.conf"));
    world.set("DIED", world.path("tmp/died"));
    world.set("LIE", lies);
    world
}

fn url(world: &World, folder: &str) -> String {
    format!("rclone://disk/{}", world.path(folder).display())
}

/// With a root in a folder of the world, behind rclone.
fn rooted(mut world: World, root: &str, folder: &str) -> World {
    let url = url(&world, folder);
    world.set(root, url);
    world
}

fn set(world: &mut World, name: &str, root: Root) {
    world.set(&format!("{name}_ROOT"), root.url);
    world.set(&format!("{name}_STORAGE_OPTIONS"), root.options);
}

/// The processes with this in their command line.
fn processes(words: &str) -> Vec<String> {
    let lines = fs::read_dir("/proc").expect("/proc").filter_map(Result::ok);
    let lines = lines.filter_map(|entry| fs::read_to_string(entry.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(words)).collect()
}

#[test]
fn all_roots_can_be_remotes_of_rclone() {
    let mut all: Vec<&'static dyn Emulator> = vec![emulators::rclone_local(), emulators::rclone_crypt()];
    all.extend(emulators::rclone_s3().map(|s3| s3 as &dyn Emulator));
    for emulator in all {
        let mut world = World::new();
        files(&world);
        world.put("files/large", vec![7; 9 << 20]);
        let root = emulator.fresh();
        set(&mut world, "HEAP", root.below("a heap"));
        set(&mut world, "SNAP", root.below("snap"));
        world.sh(BACKUP).ok();
        // A second backup has nothing to store, and what is damaged is found.
        world.sh(BACKUP).ok();
        world.sh("snap-read | snap-verify").ok();
        let files = Root { url: format!("{}/files", root.url), ..root.clone() };
        let restore = format!("snap-read | FILE_STORAGE_OPTIONS='{}' snap-restore --file-root '{}'", files.options, files.url);
        world.sh(&restore).ok();
        // The restored root is the next one to be backed up, and is restored to a folder.
        set(&mut world, "FILE", files);
        world.sh(BACKUP).ok();
        world.unset("FILE_STORAGE_OPTIONS");
        world.sh("mkdir back; snap-read | snap-restore --file-root back && diff -r files back").ok();
        let left = fs::read_dir(world.path("tmp")).expect("a folder").count();
        wait_for("temporary folders to be removed", || fs::read_dir(world.path("tmp")).expect("a folder").count() == 0);
        println!("{}: {left} temporary folders at the end of the last tool", emulator.name());
    }
}

#[test]
fn a_listing_that_is_cut_off_is_an_error() {
    for (lies, reason) in [
        ("cut", "rclone ended in the middle of the listing"),
        ("break", "Failed to lsjson: the connection broke"),
        ("everything", "you shall not pass"),
    ] {
        let world = rooted(that(lies), "FILE_ROOT", "files");
        let done = world.sh("snap-scan").status(2).complains(reason);
        assert_eq!(complaints(&done), 1, "{done}");
    }
}

#[test]
fn what_rclone_can_not_list_is_an_error_record_and_the_rest_is_listed() {
    for (lies, failed, reason) in [
        ("closed", "docs", "you shall not pass"),
        ("ignored", "docs/b", "ignoring"),
        ("docs", "docs/b", "it has no size before it is read"),
        ("twice", "docs/b", "2 objects have this name"),
    ] {
        let world = rooted(that(lies), "FILE_ROOT", "files");
        let done = world.sh("snap-scan").status(1).complains(reason);
        assert_eq!(names(&done, "error"), [failed], "{done}");
        let listed = names(&done, "file");
        assert!(listed.contains(&"a".to_string()) && listed.contains(&"z".to_string()), "{listed:?}");
        assert!(!listed.contains(&"docs/b".to_string()), "{listed:?}");
        assert_eq!(end(&done, "errors"), 1);
    }
}

#[test]
fn what_rclone_only_claims_to_have_stored_is_not_believed() {
    for (lies, reason) in [
        ("copy", "not found"),
        ("move", "rclone claims to have put it there, but nothing is there"),
        ("short", "rclone claims to have put it there, but another size is there"),
    ] {
        let world = rooted(rooted(that(lies), "HEAP_ROOT", "heap"), "SNAP_ROOT", "snap");
        let done = world.sh(BACKUP).status(2).complains(reason);
        assert!(world.files_below("snap").is_empty(), "{done}");
        // Nothing has the name of an object, or is left under another name where it can be deleted.
        let left = world.files_below("heap").len();
        assert!(left == 0 || lies != "copy", "{left} files");
    }
}

#[test]
fn what_rclone_only_claims_to_have_deleted_is_told() {
    let world = rooted(that("remove"), "HEAP_ROOT", "heap");
    world.sh(&format!("mkdir heap; HEAP_ROOT=heap; {BACKUP} && rm -r snap files/a && {BACKUP}")).ok();
    let done = world.sh("snap-gc --exclusive --delete");
    assert!(done.code() != Some(0), "{done}");
    done.complains("rclone claims to have deleted it, but it is still there");
}

#[test]
fn rclone_that_can_not_be_used_is_one_line() {
    for (lies, reason) in [
        ("old", "v1.53.3-DEV is too old: 1.60 or newer is needed"),
        ("login", "couldn't fetch token: invalid_grant"),
        ("prompt", "password:"),
    ] {
        let world = rooted(that(lies), "FILE_ROOT", "files");
        let done = world.sh("snap-scan").status(2).complains(reason);
        assert!(complaints(&done) == 1 && !done.err().contains("wrongsecret"), "{done}");
    }
    let mut world = rooted(that(""), "FILE_ROOT", "files");
    world.put("rclone.conf", "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n");
    // Without what stands for it, which would say something, too.
    let options = serde_json::json!({"program": command("rclone")}).to_string();
    world.set("FILE_STORAGE_OPTIONS", options);
    let done = world.sh("snap-scan").status(2).complains("set RCLONE_CONFIG_PASS to your configuration password");
    assert_eq!(complaints(&done), 1, "{done}");
    world.put("rclone.conf", "[other]\ntype = local\n");
    world.sh("snap-scan").status(2).complains("rclone knows no remote of this name");
    world.set("FILE_STORAGE_OPTIONS", "{\"program\": \"no-such-rclone\"}");
    let done = world.sh("snap-scan").status(2).complains("no-such-rclone: not found: install rclone 1.60 or newer");
    assert_eq!(complaints(&done), 1, "{done}");
    let done = world.sh("snap-scan --file-root 'rclone://:ftp,host=h,pass=wrongsecret:a'").status(2);
    assert!(!done.err().contains("wrongsecret"), "{done}");
    done.complains("the URL can't contain settings");
}

#[test]
fn rclone_that_has_ended_is_started_again() {
    let world = rooted(rooted(that("die"), "HEAP_ROOT", "heap"), "SNAP_ROOT", "snap");
    world.sh(BACKUP).ok();
    assert!(world.path("tmp/died").exists());
    world.sh("snap-read | snap-verify").ok();
}

#[test]
fn rclone_does_not_outlive_a_tool_that_is_killed() {
    for (lies, script) in [("", "mkfifo pipe; exec 5<>pipe; snap-heapify <&5"), ("hang", "snap-scan")] {
        let world = rooted(rooted(that(lies), "HEAP_ROOT", "heap"), "FILE_ROOT", "files");
        // What stands for it, and rclone itself.
        let here = world.path("").display().to_string();
        let wanted = if lies.is_empty() { "rcd" } else { "lsjson" };
        let running = || processes(&here).iter().filter(|line| line.contains(wanted)).count();
        let child = world.start(script);
        wait_for("rclone to run", || running() > 0);
        let group = rustix::process::Pid::from_raw(child.id() as i32).expect("a process");
        rustix::process::kill_process_group(group, rustix::process::Signal::KILL).expect("kill it");
        world.finish(script, child);
        wait_for("rclone to end", || processes(&here).is_empty());
        let left = || fs::read_dir(world.path("tmp")).expect("a folder").count();
        wait_for("its folder to be removed", || left() == 0);
    }
}
