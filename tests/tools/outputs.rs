//! Files that are written for the user: what is there already keeps what it is, and what is written is no part of the backup.

use crate::util::{World, trees};
use std::fs::{self, Permissions};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;

fn mode(path: &Path) -> u32 {
    path.metadata().expect("the mode of a file").permissions().mode() & 0o7777
}

fn backed_up() -> World {
    let world = World::with(trees::Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    world
}

/// One call for each kind of tool that writes a file, with `OUT` for its path.
const WRITERS: [&str; 6] = [
    "snap-scan -o OUT",
    "snap-scan | snap-heapify -o OUT",
    "snap-read -o OUT",
    "snap-read | snap-verify -o OUT",
    "snap-list -o OUT",
    "snap-read | snap-restore --file-root back -o OUT",
];

#[test]
fn a_device_stays_a_device_and_a_fifo_a_fifo() {
    let world = backed_up();
    for writer in WRITERS {
        world.sh(&format!("rm -f fifo; mkfifo fifo; cat fifo >got & {}; wait", writer.replace("OUT", "fifo"))).ok();
        assert!(world.path("fifo").symlink_metadata().expect("the fifo").file_type().is_fifo(), "{writer}");
        assert!(writer.contains("verify") || world.path("got").metadata().expect("what came").len() > 0, "{writer}");
    }
    if !rustix::process::geteuid().is_root() {
        eprintln!("skipped: only root can make a device to lose");
        return;
    }
    // A device like /dev/null, which a failure of this test may well destroy.
    world.sh("mknod null c 1 3").ok();
    for writer in WRITERS {
        world.sh(&writer.replace("OUT", "null")).ok();
        assert!(world.path("null").symlink_metadata().expect("the device").file_type().is_char_device(), "{writer}");
    }
}

#[test]
fn a_link_stays_and_the_file_that_it_leads_to_is_written() {
    let world = backed_up();
    fs::create_dir(world.path("there")).expect("make a folder");
    symlink("there/file", world.path("link")).expect("make a link");
    for writer in WRITERS {
        world.sh(&writer.replace("OUT", "link")).ok();
        assert!(world.path("link").is_symlink(), "{writer}");
        assert!(fs::remove_file(world.path("there/file")).is_ok(), "{writer}");
        assert!(world.files_below("there").is_empty(), "{writer}");
    }
    world.sh("snap-scan -o /dev/stdout | jq -es 'last.type == \"end\"'").ok();
    world.sh("snap-scan -o /dev/stdout >list; jq -es 'last.type == \"end\"' list").ok();
}

#[test]
fn a_file_keeps_its_mode_and_a_new_one_gets_that_of_the_umask() {
    let world = backed_up();
    for writer in WRITERS {
        world.put("old", "old");
        fs::set_permissions(world.path("old"), Permissions::from_mode(0o604)).expect("set a mode");
        world.sh(&format!("umask 022; {}", writer.replace("OUT", "old"))).ok();
        assert_eq!(mode(&world.path("old")), 0o604, "{writer}");
        for (umask, wanted) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
            world.sh(&format!("rm -f new; umask {umask}; {}", writer.replace("OUT", "new"))).ok();
            assert_eq!(mode(&world.path("new")), wanted, "{writer}");
        }
    }
}

#[test]
fn what_fails_leaves_the_old_file_and_nothing_else() {
    let world = backed_up();
    world.put("out/old", "old");
    world.sh("snap-scan nowhere -o out/old").status(2);
    world.sh("echo '{' | snap-heapify -o out/old").status(2);
    world.sh("snap-scan -o out/").status(2).complains("out/");
    assert_eq!(world.files_below("out"), [world.path("out/old")]);
    assert_eq!(fs::read_to_string(world.path("out/old")).expect("the old file"), "old");
}

#[test]
fn the_heap_cache_file_is_written_like_any_other() {
    let world = World::with(trees::Tree::Files);
    world.put("real/cache", "");
    fs::set_permissions(world.path("real/cache"), Permissions::from_mode(0o640)).expect("set a mode");
    symlink("real/cache", world.path("cache")).expect("make a link");
    world.sh("snap-scan | snap-heapify --heap-cache-file cache").ok();
    assert!(world.path("cache").is_symlink());
    let meta = world.path("real/cache").metadata().expect("the cache");
    assert!(meta.len() > 0 && meta.mode() & 0o7777 == 0o640);
    world.sh("umask 022; rm real/cache; snap-scan | snap-heapify --heap-cache-file cache").ok();
    assert_eq!((mode(&world.path("real/cache")), world.files_below("real").len()), (0o644, 1));
}

/// The names of a list of records, without the end record.
fn names(world: &World, list: &str) -> Vec<String> {
    world.sh(&format!("jq -r 'select(.type != \"end\") | .name' {list}")).ok().lines()
}

#[test]
fn a_scan_does_not_record_what_it_writes() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/d/b", "b");
    for _ in 0..2 {
        world.sh("snap-scan -o files/d/list").ok();
        assert_eq!(names(&world, "files/d/list"), ["a", "d", "d/b"]);
    }
    world.sh("rm files/d/list; snap-scan >files/d/list").ok();
    assert_eq!(names(&world, "files/d/list"), ["a", "d", "d/b"]);
    world.sh("printf 'd/list\\na\\n' | snap-scan --files-from - -o files/d/list").ok();
    assert_eq!(names(&world, "files/d/list"), ["a"]);
    // What another stage of the pipeline writes has no name while it is written.
    world.sh("rm files/d/list; snap-scan | snap-heapify -o files/d/list").ok();
    assert_eq!(names(&world, "files/d/list"), ["a", "d", "d/b"]);
    // The file that a link leads to is left out; the link is the user's.
    world.sh("rm files/d/list; ln -s d/list files/link; snap-scan -o files/link").ok();
    assert_eq!(names(&world, "files/link"), ["a", "d", "d/b", "link"]);
}

#[test]
fn restore_does_not_delete_what_it_writes() {
    let world = World::new();
    world.put("files/a", "a");
    world.put("files/b", "b");
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    for out in ["-o files/now", "-o - >files/now", "-o files/now"] {
        world.put("files/extra", "extra");
        world.sh(&format!("snap-read | snap-restore --delete {out}")).ok();
        assert_eq!(world.files_below("files"), ["a", "b", "now"].map(|n| world.path(format!("files/{n}"))), "{out}");
        assert_eq!(names(&world, "files/now"), ["a", "b"]);
    }
    world.put("files/extra", "extra");
    let plan = world.sh("snap-read | snap-restore --delete -n >files/now; jq -r .name files/now").ok();
    plan.says("extra\n");
}
