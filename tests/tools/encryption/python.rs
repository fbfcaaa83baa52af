//! The Python tool, which knows nothing of encryption, on an encrypted repository: nothing is lost, and what it adds is told.

use super::{reading, refused, world};
use crate::util::heap::BACKUP;
use crate::util::trees::listing;
use std::fs;

#[test]
fn the_python_tool_loses_nothing_and_what_it_adds_is_refused_by_name() {
    let mut world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let before: Vec<_> = ["heap", "snap"].iter().flat_map(|folder| world.files_below(folder)).collect();
    let bytes = || before.iter().map(|path| fs::read(path).expect("it is there")).collect::<Vec<_>>();
    let (good, files) = (bytes(), listing(&world.path("files")));
    // It sees no snapshot, so it restores none and deletes nothing.
    world.py("list-snapshots").ok().says("");
    let done = world.py("restore-snapshot");
    assert!(done.code() != Some(0) && (done.out() + &done.err()).contains("No snapshot found"), "{done}");
    assert!(listing(&world.path("files")) == files && bytes() == good);
    // It backs up in plain, beside what is encrypted. It can't know.
    world.py("make-snapshot").ok();
    assert!(bytes() == good, "the Python tool has changed something");
    for tool in ["snap-list", "snap-read", "snap-forget --keep-last 1 --delete"] {
        refused(reading(&world, tool), "is not encrypted").complains(".jsonl.gz is").complains("move it out");
    }
    world.sh(BACKUP).status(2).complains("is not encrypted");
    reading(&world, "snap-gc --delete").status(2).complains("a plain object in an encrypted heap");
    assert!(bytes() == good);
    // Without that, all is as before.
    world.sh("rm snap/*/*/*.gz heap/*/*.gz").ok();
    world.sh(BACKUP).ok();
    reading(&world, "snap-gc && snap-read | snap-cat").ok().says("a");
}

#[test]
fn the_command_that_has_its_options_says_that_the_heap_is_encrypted() {
    let world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let before = world.files_below("heap").len();
    for command in ["make-snapshot", "restore-snapshot"] {
        let done = world.sh(&format!("snapshooter {command}")).status(1);
        assert!((done.out() + &done.err()).contains("is encrypted, and no identity was given"), "{done}");
    }
    assert_eq!((world.files_below("heap").len(), world.files_below("files").len()), (before, 1));
}
