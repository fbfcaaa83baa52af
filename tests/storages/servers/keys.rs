//! Keys of buckets that no file can have: each is an error record, and the rest is backed up.

use super::{end, names};
use crate::storages::emulators::{Emulator, Planted, fake_gcs};
use crate::util::World;

#[test]
fn keys_that_no_file_can_have_fail_alone_and_can_be_left_out() {
    let gcs = fake_gcs();
    let root = gcs.fresh();
    let bad = ["./dot", "a/../b", "nul\0x", "x/."];
    let good = ["a//b", "/lead", "fine"];
    gcs.plant(&root, &bad.iter().chain(&good).map(|key| Planted::new(key, "x")).collect::<Vec<_>>());
    let mut world = World::new();
    world.set("FILE_ROOT", root.url);
    world.set("FILE_STORAGE_OPTIONS", root.options);
    let done = world.sh("snap-scan").status(1);
    let sorted = |mut all: Vec<String>| {
        all.sort();
        all
    };
    let text = |all: &[&str]| sorted(all.iter().map(|key| key.to_string()).collect());
    assert_eq!((sorted(names(&done, "error")), sorted(names(&done, "file"))), (text(&bad), text(&good)));
    assert!(!done.err().contains('\0') && done.err().contains("nul\\u{0}x: "), "{done}");
    // Every reader takes such an error record, and none takes it for a file.
    let script = "snap-scan | jq -c . | snap-reuse | snap-merge - | snap-heapify | tee list | snap-write --partial";
    assert_eq!(world.sh(script).code(), Some(1));
    assert_eq!(sorted(names(&world.sh("snap-read").ok(), "file")), text(&good));
    world.sh("snap-write <list").status(2).complains("4 records failed");
    let there = world.path("back/fine");
    world.sh("mkdir back; jq -c 'select(.name != \"a//b\" and .name != \"/lead\")' list | FILE_ROOT=back snap-restore").ok();
    assert!(there.exists() && world.files_below("back").len() == 1);
    world.sh("FILE_ROOT=back snap-restore --delete <list").status(2);
    assert!(there.exists());
    // Rules leave them out.
    let done = world.sh("snap-scan -e dot -e a/ -e x/ -e 'nul*'").ok().silent();
    assert_eq!((end(&done, "errors"), names(&done, "error").len()), (0.into(), 0));
}

#[test]
fn only_error_records_may_have_such_names() {
    let world = World::new();
    for kind in ["file", "link", "directory", "gone", "other"] {
        let record = format!("{{\"name\":\"a/../b\",\"type\":\"{kind}\",\"destination\":\"x\"}}\n");
        world.run(&["snap-merge", "-"], record.as_bytes()).status(2).complains("\"..\"");
    }
    for name in ["a/../b", "./dot", "nul\\u0000", ".."] {
        let error = format!("{{\"error\":\"no\",\"name\":\"{name}\",\"type\":\"error\"}}\n");
        let done = world.run(&["snap-merge", "-"], error.as_bytes());
        assert_eq!(done.out(), error, "{done}");
    }
}
