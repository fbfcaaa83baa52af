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

/// Links of all kinds, and things that no backup has.
const ODD_ENTRIES: &str = "cd files && ln -s a to-a && ln -s docs to-docs && ln -s .. docs/up && ln -s nowhere dangling && \
    ln -s /etc/passwd out && ln -s 'à la carte' docs/odd && mkfifo pipe && \
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"socket\")'";

#[test]
fn links_and_what_is_no_file_are_told_as_on_a_local_folder() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let mut sftp = Sftp::that("");
    files(&sftp.world);
    sftp.world.sh(ODD_ENTRIES).ok();
    let list = "snap-scan --type f,l 2>notes | jq -c '{type, name, destination, modified: .modified[:19]}'";
    let local = sftp.world.sh(list).ok();
    let notes = sftp.world.sh("cat notes").ok();
    assert!(notes.out().contains("skipped 1 socket, 1 fifo"), "{notes}");
    sftp.world.sh("mv files real && ln -s real files").ok();
    let url = sftp.url("files");
    sftp.world.set("FILE_ROOT", url);
    assert_eq!(sftp.world.sh(list).ok().out(), local.out(), "a link as the root is followed");
    assert_eq!(sftp.world.sh("cat notes").ok().out(), notes.out());
    assert_eq!(names(&local, "link"), ["dangling", "docs/odd", "docs/up", "out", "to-a", "to-docs"]);

    let named = "printf '%s\\n' to-a to-docs/b out pipe docs/b | snap-scan --gone --files-from - | jq -c 'select(.name != \"\")'";
    let done = sftp.world.sh(named).ok();
    assert_eq!(
        (names(&done, "link"), names(&done, "gone")),
        (["out", "to-a"].map(String::from).to_vec(), vec!["to-docs/b".into()])
    );
    sftp.world.sh("snap-scan --type f | jq -r .name | grep -x to-a").status(1);
}

#[test]
fn links_are_restored_and_deleted_on_an_sftp_server() {
    if emulators::local_only("sftp-server") {
        return;
    }
    for lies in ["", "plain"] {
        let mut sftp = Sftp::that(lies);
        files(&sftp.world);
        sftp.world.sh(ODD_ENTRIES).ok();
        sftp.world.sh("rm files/pipe files/socket").ok();
        sftp.world.sh(BACKUP).ok();
        sftp.world
            .sh("mkdir -p back/docs && cd back && ln -s /etc/passwd a && ln -s docs z && ln -s / extra && \
            ln -s old out && echo old >dangling && ln -s docs to-docs")
            .ok();
        let url = sftp.url("back");
        sftp.world.set("FILE_ROOT", url);
        let done = sftp.world.sh("snap-read | snap-restore --delete --dry-run | jq -r '[.action, .name] | @tsv'").ok();
        assert!(done.out().contains("replace\tout\n") && done.out().contains("delete\textra\n"), "{done}");
        assert!(!done.out().contains("to-docs"), "{done}");
        sftp.world.sh("snap-read | snap-restore --delete").ok();
        sftp.world.sh("diff -r --no-dereference files back && ! find back -name '.snap*' | grep .").ok().silent();
        assert!(fs::metadata("/etc/passwd").expect("it is there").len() > 20);
        let done = sftp.world.sh("snap-read | snap-restore --delete --dry-run").ok();
        done.says("");
    }
}

#[test]
fn nothing_is_written_through_a_link_on_an_sftp_server() {
    if emulators::local_only("sftp-server") {
        return;
    }
    let sftp = Sftp::that("").root("FILE_ROOT", "back");
    let world = &sftp.world;
    world.put("other/x", "x");
    world.put("local/a/b", "b");
    world.sh("mkdir outside back && export FILE_ROOT=local && snap-scan --type f | snap-heapify > list").ok();
    // The link comes with the records, or is there already.
    let link = "'{\"type\":\"link\",\"name\":\"a\",\"destination\":\"../outside\"}'";
    let done = world.sh(&format!("{{ echo {link}; cat list; }} | snap-restore")).complains("a is a link, which is not followed");
    assert!(done.code() != Some(0), "{done}");
    assert!(fs::read_link(world.path("back/a")).is_ok() && world.files_below("outside").is_empty());
    let done = world.sh("snap-restore <list").complains("a is a link, which is not followed");
    assert!(done.code() != Some(0) && world.files_below("outside").is_empty(), "{done}");
    // And none is read through.
    world.sh("ln -s ../other back/docs && mkdir back/real && echo y >back/real/x").ok();
    world.sh("snap-scan --type f >scanned && mv back/real back/moved && ln -s ../other back/real").ok();
    let done = world.sh("snap-heapify <scanned").complains("real is a link, which is not followed");
    assert_eq!(names(&done, "error"), ["real/x"]);
}

#[test]
fn a_server_without_links_fails_only_the_records_of_links() {
    let Some(rclone) = emulators::rclone_sftp() else { return };
    let mut world = World::new();
    files(&world);
    world.sh("ln -s a files/to-a").ok();
    world.sh(BACKUP).ok();
    let root = emulators::Emulator::fresh(rclone);
    world.set("FILE_ROOT", &root.url);
    world.set("FILE_STORAGE_OPTIONS", &root.options);
    let done = world.sh("snap-read | snap-restore");
    assert!(done.err().contains("to-a: ") && done.code() == Some(1), "{done}");
    assert_eq!(names(&world.sh("snap-scan").ok(), "file"), ["a", "docs/b", "docs/c", "z"]);
}
