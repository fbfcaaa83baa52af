//! SFTP.

use super::{Sftp, close, complaints, end, names, put_latin1, reopen};
use crate::storages::emulators;
use crate::util::World;
use std::fs;

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

fn files(world: &World) {
    for name in ["files/a", "files/docs/b", "files/docs/c", "files/z"] {
        world.put(name, format!("content of {name}"));
    }
}

#[test]
fn what_a_server_only_says_that_it_did_is_not_believed() {
    if emulators::local_only("sftp-server") {
        return;
    }
    for (lies, is_stored) in [("link", true), ("link,rename", false), ("rename", false)] {
        let sftp = Sftp::that(lies).root("HEAP_ROOT", "heap").root("SNAP_ROOT", "snap");
        files(&sftp.world);
        let done = sftp.world.sh(BACKUP);
        let (objects, snapshots) = (sftp.world.files_below("heap").len(), sftp.world.files_below("snap").len());
        match is_stored {
            true => {
                done.ok();
                // Four contents, and the note of the snap root.
                assert!(objects == 5 && snapshots == 1, "{lies}: {objects} objects, {snapshots} snapshots");
                fs::rename(sftp.world.path("files"), sftp.world.path("before")).expect("rename");
                sftp.world.sh("mkdir files; snap-read | snap-restore && diff -r files before").ok();
            }
            false => {
                done.status(2).complains("the server claims to have put the file in its place, but it is not there");
                assert!(snapshots == 0, "{lies}");
            }
        }
    }
}

#[test]
fn rclone_keeps_objects_and_snapshots() {
    let Some(rclone) = emulators::rclone_sftp() else { return };
    let mut world = World::new();
    files(&world);
    for name in ["HEAP", "SNAP"] {
        let root = emulators::Emulator::fresh(rclone);
        world.set(&format!("{name}_ROOT"), format!("{}/not/yet", root.url));
        world.set(&format!("{name}_STORAGE_OPTIONS"), root.options);
    }
    world.sh(BACKUP).ok();
    world.sh("mv files before; mkdir files; snap-read | snap-restore && diff -r files before").ok();
}

#[test]
fn gc_does_not_count_what_a_server_only_says_that_it_deleted() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let sftp = Sftp::that("remove").root("HEAP_ROOT", "heap").root("SNAP_ROOT", "snap");
    files(&sftp.world);
    sftp.world.sh(BACKUP).ok();
    sftp.world.put("heap/ab/ab000000000000000000000000000000.gz", "nobody's");
    let done = sftp.world.sh("snap-gc --delete --exclusive").status(2);
    done.says("").complains("the server claims to have deleted it, but it is still there");
}

#[test]
fn what_can_not_be_listed_is_an_error_record_and_the_rest_is_backed_up() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let sftp = Sftp::that("nobody").root("FILE_ROOT", "files");
    let world = &sftp.world;
    files(world);
    world.put("files/lost+found/secret", "x");
    let (lost, latin) = (world.path("files/lost+found"), world.path("files/latin"));
    fs::create_dir(&latin).expect("make a folder");
    put_latin1(&latin);
    close(&lost);
    let done = world.sh("snap-scan | jq -c .").status(1);
    assert_eq!(names(&done, "file"), ["a", "docs/b", "docs/c", "z"]);
    let failed = names(&done, "error");
    assert!(failed.len() == 2 && failed[0].starts_with("latin/caf") && failed[1] == "lost+found", "{failed:?}");
    assert_eq!(end(&done, "errors"), 2);
    let done = done.complains("lost+found: open the folder: permission denied").complains("not UTF-8");
    assert!(complaints(&done) == 2 && !done.err().contains("os error"), "{done}");
    // Beside jq, through all stages.
    world.sh("snap-scan | jq -c . | snap-heapify | snap-write").status(2).complains("2 records failed");
    let partial = world.sh("snap-scan | jq -c . | snap-heapify | snap-write --partial");
    assert_eq!(partial.code(), Some(1), "{partial}");
    assert_eq!(names(&world.sh("snap-read").ok(), "file"), ["a", "docs/b", "docs/c", "z"]);
    let without = world.sh("snap-scan -e /lost+found -e 'latin/'").ok().silent();
    assert_eq!((end(&without, "errors"), names(&without, "file").len()), (0.into(), 4));
    // A list with gaps is none to delete by.
    world.sh("snap-scan | snap-heapify | FILE_ROOT=back snap-restore --delete").status(2);
    reopen(&lost);
}

#[test]
fn a_server_that_tells_no_sizes_or_dies_in_a_listing_is_no_shorter_list() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let sftp = Sftp::that("size").root("FILE_ROOT", "files");
    files(&sftp.world);
    let done = sftp.world.sh("snap-scan").status(1).complains("a: look at it: the server does not say its size");
    assert_eq!((names(&done, "file").len(), names(&done, "error").len()), (0, 4));

    let sftp = Sftp::that("die").root("FILE_ROOT", "files");
    files(&sftp.world);
    let done = sftp.world.sh("snap-scan").status(2);
    assert!(["closed by remote host", "the connection broke"].iter().any(|reason| done.err().contains(reason)), "{done}");
    assert!(!done.out().contains("\"end\""), "{done}");
    assert_eq!(complaints(&done), 1, "{done}");
}

#[test]
fn a_login_that_is_refused_is_told_once_after_one_try() {
    if emulators::local_only("sftp-server") {
        return;
    }
    for (lie, reason) in [
        ("login", "there: ssh: me@there: Permission denied (publickey)."),
        ("none", "there: ssh: subsystem request failed on channel 0"),
        ("junk", "there: ssh: the server sends something other than SFTP"),
    ] {
        for command in ["snap-scan", "printf 'a\\nb\\nc\\n' | snap-scan --files-from -"] {
            let sftp = Sftp::that(lie).root("FILE_ROOT", "files");
            let done = sftp.world.sh(command);
            if command == "snap-scan" || lie == "login" {
                assert!(done.code() == Some(2) && complaints(&done) == 1 && sftp.logins() == 1, "{lie}: {done}");
            }
            assert!(done.err().contains(reason) && !done.err().contains("UTF-8"), "{lie}: {done}");
        }
        let sftp = Sftp::that(lie).root("HEAP_ROOT", "heap");
        files(&sftp.world);
        let done = sftp.world.sh("snap-scan | snap-heapify").status(2).complains(reason);
        assert_eq!((complaints(&done), sftp.logins()), (1, 1), "{done}");
    }
}

#[test]
fn a_key_that_is_given_is_the_only_one_that_is_offered() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let mut sftp = Sftp::that("").root("FILE_ROOT", "files");
    files(&sftp.world);
    sftp.world.set("FILE_STORAGE_OPTIONS", "{\"key_filename\": \"/keys/mine\"}");
    sftp.world.sh("snap-scan").ok();
    let arguments = fs::read_to_string(sftp.world.path("tmp/logins")).expect("a log");
    assert!(arguments.contains("-i /keys/mine -o IdentitiesOnly=yes"), "{arguments}");
}
