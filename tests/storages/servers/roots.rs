//! Roots: files that are taken for them, roots that are not there yet, and folders in them that are somebody else's.

use super::{Sftp, as_user, close, names, reopen};
use crate::storages::emulators::{self, Emulator};
use crate::util::World;
use std::fs;
use std::os::unix::fs::PermissionsExt;

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

/// Worlds whose folders lie behind a server, each with the URL that they are found under and the options for it.
fn worlds() -> Vec<(&'static str, World, String, String)> {
    if emulators::local_only("servers of folders") {
        return Vec::new();
    }
    let sftp = Sftp::that("");
    let url = sftp.url("there");
    fs::create_dir(sftp.world.path("there")).expect("make a folder");
    let mut all = vec![("sftp", sftp.world, url, "{}".to_string())];
    for dav in [emulators::wsgidav(), emulators::rclone()].into_iter().flatten() {
        let (root, world) = (dav.fresh(), World::new());
        std::os::unix::fs::symlink(dav.folder(&root), world.path("there")).expect("make a link");
        all.push((dav.name(), world, root.url, root.options));
    }
    all
}

fn set(world: &mut World, root: &str, url: &str, options: &str) {
    world.set(&format!("{root}_ROOT"), url);
    world.set(&format!("{root}_STORAGE_OPTIONS"), options);
}

#[test]
fn a_root_that_is_a_file_is_an_error_and_never_empty() {
    for (name, mut world, url, options) in worlds() {
        world.put("there/file", "a file");
        world.put("files/a", "a");
        world.sh(BACKUP).ok();
        for (root, command) in [
            ("FILE", "snap-scan"),
            ("FILE", "snap-read | snap-restore"),
            ("SNAP", "snap-list"),
            ("SNAP", "snap-read"),
            ("HEAP", "snap-gc"),
            ("HEAP", "snap-read | snap-cat"),
            ("HEAP", "snap-scan | snap-heapify"),
        ] {
            set(&mut world, root, &format!("{url}/file"), &options);
            let done = world.sh(command);
            assert!(done.code() == Some(2) && done.err().contains("it is a file, not a folder"), "{name}, {root}: {done}");
            let folder = world.path(if root == "FILE" {
                "files"
            } else if root == "HEAP" {
                "heap"
            } else {
                "snap"
            });
            set(&mut world, root, &folder.display().to_string(), "{}");
        }
        assert_eq!(fs::read(world.path("there/file")).expect("read it"), b"a file");
    }
}

#[test]
fn heap_and_snap_roots_are_made_with_those_above_when_they_are_written_first() {
    for (name, mut world, url, options) in worlds() {
        world.put("files/a", "a");
        set(&mut world, "HEAP", &format!("{url}/not/yet/heap"), &options);
        set(&mut world, "SNAP", &format!("{url}/nor/this/snap"), &options);
        for reading in ["snap-list", "snap-read", "snap-gc"] {
            let done = world.sh(reading);
            assert!(done.code() == Some(2) && done.err().contains("there is no such folder"), "{name}: {done}");
        }
        world.sh(BACKUP).ok();
        assert!(world.path("there/not/yet/heap/0c").is_dir() && world.path("there/nor/this/snap").is_dir(), "{name}");
        world.sh("mv files before; mkdir files; snap-read | snap-restore && diff -r files before && snap-verify </dev/null").ok();
        world.sh("mv files/a files/b").ok();
        world.sh(BACKUP).ok();
        assert_eq!(world.sh("snap-list").ok().lines().len(), 2, "{name}");
    }
}

#[test]
fn a_folder_that_is_somebody_elses_stops_nobody() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let mut sftp = Sftp::that("nobody");
    for (root, folder) in [("HEAP", "there/heap"), ("SNAP", "there/snap")] {
        sftp.world.put(&format!("{folder}/lost+found/secret"), "x");
        close(&sftp.world.path(format!("{folder}/lost+found")));
        fs::set_permissions(sftp.world.path(folder), fs::Permissions::from_mode(0o777)).expect("change the mode");
        let url = sftp.url(folder);
        set(&mut sftp.world, root, &url, "{}");
    }
    sftp.world.put("files/a", "a");
    sftp.world.sh(BACKUP).ok().silent();
    sftp.world.sh("echo b >files/b").ok();
    sftp.world.sh(BACKUP).ok().silent();
    assert_eq!(sftp.world.sh("snap-list").ok().silent().lines().len(), 2);
    let done = sftp.world.sh("snap-read | snap-cat").ok();
    assert_eq!(done.out(), "ab\n");
    sftp.world.sh("snap-read | snap-verify").ok();
    // There may be a snapshot in it, of whatever name.
    let done =
        sftp.world.sh("snap-gc --delete --exclusive").status(2).complains("lost+found: open the folder: permission denied");
    done.complains("move it out of the snap root");
    fs::rename(sftp.world.path("there/snap/lost+found"), sftp.world.path("there/lost")).expect("rename");
    sftp.world.sh("snap-forget --keep-last 1 --delete && snap-gc --delete --exclusive").ok();
    for folder in ["there/lost", "there/heap/lost+found"] {
        reopen(&sftp.world.path(folder));
    }
}

#[test]
fn a_folder_that_is_somebody_elses_stops_no_restore() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let mut sftp = Sftp::that("nobody");
    sftp.world.put("files/a", "a");
    sftp.world.sh(BACKUP).ok();
    sftp.world.put("there/lost+found/secret", "x");
    sftp.world.put("there/extra", "x");
    close(&sftp.world.path("there/lost+found"));
    fs::set_permissions(sftp.world.path("there"), fs::Permissions::from_mode(0o777)).expect("change the mode");
    let url = sftp.url("there");
    set(&mut sftp.world, "FILE", &url, "{}");
    // The snapshot is of another folder that has no name in common with this one.
    let restore = "snap-read | snap-restore --delete --max-delete 1";
    sftp.world.sh(restore).complains("left alone: lost+found: open the folder: permission denied");
    assert!(sftp.world.path("there/a").exists() && !sftp.world.path("there/extra").exists());
    reopen(&sftp.world.path("there/lost+found"));
    assert!(sftp.world.path("there/lost+found/secret").exists());
}

#[test]
fn the_same_is_so_on_this_machine() {
    let world = World::new();
    let user = as_user();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    for folder in ["snap/lost+found", "heap/lost+found"] {
        world.put(&format!("{folder}/secret"), "x");
        close(&world.path(folder));
    }
    for open in ["", "files", "heap", "snap", "tmp"] {
        fs::set_permissions(world.path(open), fs::Permissions::from_mode(0o777)).expect("change the mode");
    }
    world.sh("chmod -R go+rX heap/?? heap/roots snap/2*").ok();
    world.sh(&format!("{user}snap-list && {user}snap-read | {user}snap-verify")).ok().silent();
    let done = world.sh(&format!("{user}snap-scan | {user}snap-heapify -n")).ok().silent();
    assert_eq!(names(&done, "file"), ["a"]);
    let done = world.sh(&format!("{user}snap-gc")).status(2).complains("lost+found: Permission denied");
    let done = done.complains("move it out of the snap root");
    assert!(!done.err().contains("os error"), "{done}");
    for folder in ["snap/lost+found", "heap/lost+found"] {
        reopen(&world.path(folder));
    }
}
