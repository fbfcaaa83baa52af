//! The Python tool, which knows nothing of encryption, on an encrypted repository: nothing is lost, and what it adds is told.

use super::{reading, refused, world};
use crate::util::World;
use crate::util::heap::BACKUP;
use std::fs;

#[test]
fn the_python_tool_stops_before_it_changes_anything() {
    let mut world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    let all = |world: &World| -> Vec<_> {
        let paths = ["files", "heap", "snap"].iter().flat_map(|folder| world.files_below(folder)).collect::<Vec<_>>();
        paths.into_iter().map(|path| (fs::read(&path).expect("it is there"), path)).collect()
    };
    let before = all(&world);
    assert!(world.py("list-snapshots").ok().out().contains("these-snapshots-are-encrypted"));
    for command in ["make-snapshot", "restore-snapshot", "compare-snapshots"] {
        let done = world.py(command);
        assert!(done.code() != Some(0) && (done.out() + &done.err()).contains("Not a gzipped file"), "{done}");
    }
    assert!(all(&world) == before, "the Python tool has changed something");
    reading(&world, "snap-gc && snap-read | snap-cat").ok().says("a");
}

#[test]
fn what_is_put_there_in_plain_is_refused_by_name() {
    let mut world = world();
    world.put("files/a", "a");
    world.sh(BACKUP).ok();
    // Without the file that stops it, the Python tool can't know.
    world.sh("rm -r snap/encrypted").ok();
    world.py("make-snapshot").ok();
    for tool in ["snap-list", "snap-read", "snap-forget --keep-last 1 --delete"] {
        refused(reading(&world, tool), "is not encrypted").complains(".jsonl.gz is").complains("move it out");
    }
    world.sh(BACKUP).status(2).complains("is not encrypted");
    reading(&world, "snap-gc --delete").status(2).complains("a plain object in an encrypted heap");
    // Without that, all is as before.
    world.sh("rm snap/*/*/*.gz heap/*/*.gz").ok();
    world.sh(BACKUP).ok();
    reading(&world, "snap-gc && snap-read | snap-cat").ok().says("a");
}

#[test]
fn the_command_that_has_its_options_takes_the_keys_from_the_environment() {
    let world = world();
    world.put("files/a", "a");
    world.sh("snapshooter make-snapshot").ok();
    for (script, why, variable) in [
        ("unset HEAP_RECIPIENTS; snapshooter make-snapshot", "no recipients were given", "HEAP_RECIPIENTS"),
        ("snapshooter restore-snapshot", "no identity was given", "HEAP_IDENTITY"),
    ] {
        let done = world.sh(script).status(1);
        assert!((done.out() + &done.err()).contains(why) && done.err().contains(variable), "{done}");
    }
    reading(&world, "snap-read | snap-verify > /dev/null; rm files/a; snapshooter restore-snapshot && cat files/a").ok();
    assert_eq!(std::fs::read(world.path("files/a")).expect("it is back"), b"a");
}
