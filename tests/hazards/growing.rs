//! A file that only grows is backed up as it was; files of the kernel are reported for what they are.

use crate::util::World;

/// Runs a backup while something is appended to files/log all the time.
fn while_growing(world: &World, command: &str) {
    let grow = "(while :; do echo another line >>files/log; done) & grower=$!; trap 'kill $grower' EXIT;";
    world.sh(&format!("{grow} {command}")).ok();
}

#[test]
fn a_log_that_is_appended_to_is_stored_as_it_was_when_it_was_opened() {
    let world = World::new();
    world.put("files/log", "a line\n".repeat(3 << 20));
    world.put("files/small", "small");
    while_growing(&world, "snap-scan | snap-heapify | snap-write");
    world.sh("snap-read | jq -es '.[0] | .name == \"log\" and .grew and .racy'").ok();
    world.sh("snap-read | jq -es '.[1] | .name == \"small\" and .grew == null'").ok();
    world.sh("snap-read | snap-restore --file-root back; size=$(stat -c %s back/log); [ $size -gt 22000000 ]").ok();
    world.sh("size=$(stat -c %s back/log); [ $size -lt $(stat -c %s files/log) ]; cmp -n $size back/log files/log").ok();
    world.sh("[ $(snap-read | jq -r 'select(.name == \"log\").size') = $(stat -c %s back/log) ]; snap-read | snap-verify").ok();
    // The next backup reads it again, and forgets that it grew.
    world.sh("snap-scan | snap-heapify | snap-write; snap-read | jq -es '.[0].grew == null'").ok();
    world.sh("snap-read | snap-restore --file-root again; cmp again/log files/log").ok();
    // Without a heap, too.
    while_growing(&world, "snap-scan | snap-heapify --no-store | jq -es '.[0] | .grew and .md5 != null'");
}

#[test]
fn files_of_the_kernel_are_reported_for_what_they_are() {
    let world = World::new();
    world.put("heap/x", "");
    let kernel = |root: &str, name: &str| {
        let pipe = format!("echo {name} | snap-scan {root} --files-from - | snap-heapify --file-root {root}");
        for heap in ["", "--no-store"] {
            let done = world.sh(&format!("{pipe} {heap}")).status(1).complains("it is no ordinary file");
            assert!(!done.err().contains("changes while"), "{done}");
        }
    };
    kernel("/proc/sys/kernel", "ostype");
    kernel("/proc", "cpuinfo");
    if std::path::Path::new("/sys/kernel/uevent_seqnum").exists() {
        kernel("/sys/kernel", "uevent_seqnum");
    } else {
        eprintln!("skipped: no /sys here");
    }
}
