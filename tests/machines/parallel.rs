//! The scripts in `examples/parallel`: GNU parallel starts the jobs on four hosts.

use super::hosts::{hosts, instead};
use crate::storages::emulators::{self, Emulator, Planted};
use crate::util::World;
use crate::util::trees::Tree;

/// Prints all that a killed tool prints of a long output, and dies.
const DIES: &str = r#"real "$@" | head -n 5; kill -KILL $$"#;

/// A world with hosts and a folder of many files.
fn world() -> Option<World> {
    let hosts = hosts()?;
    let mut world = World::with(Tree::Tricky);
    for n in 0..600 {
        world.put(&format!("files/d {}/it's $x {}/f-{n}", n % 7, n % 3), format!("{}", n % 100));
    }
    // Times of the last two seconds are marked in the records.
    world.settle();
    hosts.serve(&mut world);
    Some(world)
}

/// Whether the latest snapshot is what one machine makes, record by record.
const SAME: &str = "export SNAP_ROOT=$PWD/alone; snap-scan | snap-heapify --no-base | snap-write > path; cmp <(snap-read) <(SNAP_ROOT=$PWD/snap snap-read)";

#[test]
fn slices_ranges_and_shards_of_a_bucket_give_the_snapshot_of_one_machine() {
    let (Some(hosts), Some(moto)) = (hosts(), emulators::moto()) else { return };
    let mut world = World::new();
    let bucket = moto.fresh();
    let object = |n: usize| Planted::new(&format!("d{}/e {}/f'{n}\"", n % 9, n % 5), format!("{}", n % 300));
    moto.plant(&bucket, &(0..2000).map(object).collect::<Vec<_>>());
    for (key, value) in moto.environment() {
        world.set(key, value);
    }
    world.set("FILE_ROOT", &bucket.url);
    world.set("HEAP_ROOT", moto.fresh().url);
    world.sh("snap-scan | snap-heapify | snap-write > path; snap-read -o alone.jsonl").ok();
    for (shape, again) in [("slices", "ranges"), ("ranges", "shards")] {
        // A heap and a snap root that are empty, so that everything is stored again.
        world.set("HEAP_ROOT", moto.fresh().url);
        world.set("SNAP_ROOT", world.path(shape));
        hosts.serve(&mut world);
        world.sh(&format!("SHAPE={shape} BLOCK=50k JOBLOG=$PWD/log $SCRIPTS/backup -- --tag {shape}")).ok();
        world.sh("snap-read | cmp - alone.jsonl && snap-list --json | jq -e '.tags != []'").ok();
        world.sh("test $(wc -l < log) -gt 5 && test $(awk 'NR > 1 { print $2 }' log | sort -u | wc -l) -gt 1").ok();
        // The second time, ranges are those of the snapshot.
        world.sh(&format!("SHAPE={again} PARTS=6 $SCRIPTS/backup")).ok().silent();
        world.sh("snap-read | cmp - alone.jsonl && snap-list | wc -l").ok().says("2\n");
    }
}

#[test]
fn a_worker_that_is_killed_is_replaced_by_another() {
    // The tool is killed in the middle of its output, or the connection breaks.
    let breaks = r#"real "$@" | head -n 5; at=$$; until [ "$(cat /proc/$at/comm)" = sshd ]; do at=$(awk '$1 == "PPid:" { print $2 }' /proc/$at/status); done; kill -KILL $at; cat > /dev/null"#;
    for (shape, fails) in [("ranges", DIES), ("ranges", breaks), ("slices", DIES), ("slices", breaks), ("shards", DIES)] {
        let Some(world) = world() else { return };
        instead(&world, "snap-heapify", &format!("if once; then echo $host > killed; {fails}; else real \"$@\"; fi"));
        world.sh(&format!("SHAPE={shape} BLOCK=20k JOBLOG=$PWD/log $SCRIPTS/backup && test -s killed")).ok();
        world.sh(SAME).ok();
    }
}

#[test]
fn a_worker_that_always_fails_is_not_needed() {
    for shape in ["ranges", "slices"] {
        let Some(world) = world() else { return };
        instead(&world, "snap-heapify", &format!("if [ $host = two ]; then echo x >> tries; {DIES}; else real \"$@\"; fi"));
        world.sh(&format!("SHAPE={shape} BLOCK=20k JOBLOG=$PWD/log $SCRIPTS/backup && test -s tries")).ok();
        world.sh(SAME).ok();
    }
}

#[test]
fn a_part_that_fails_everywhere_publishes_nothing() {
    let Some(world) = world() else { return };
    world.sh("$SCRIPTS/backup").ok();
    // Only one part fails. What it prints is a good beginning.
    let script = format!("if [[ $* == *'until'* && $* != *'after'* ]]; then echo x >> tries; {DIES}; else real \"$@\"; fi");
    instead(&world, "snap-scan", &script);
    let done = world.sh("$SCRIPTS/backup").status(2).complains("failed on each host");
    assert!(done.err().contains("part 1, last on "), "{done}");
    world.sh("snap-list | wc -l && wc -l < tries").ok().says("1\n3\n");
    // The last slice has the end record, any other has records that are missed.
    for text in ["\"end\"", "f-17\""] {
        let script = format!("cat > in.$$; if grep -q '{text}' in.$$; then exit 2; else real \"$@\" < in.$$; fi");
        instead(&world, "snap-heapify", &script);
        world.sh("SHAPE=slices BLOCK=20k $SCRIPTS/backup").status(2);
        world.sh("snap-list | wc -l").ok().says("1\n");
    }
}

#[test]
fn without_retries_the_slice_of_a_killed_worker_is_missed() {
    let Some(world) = world() else { return };
    instead(&world, "snap-heapify", &format!("if once; then {DIES}; else real \"$@\"; fi"));
    let run = "set +o pipefail; snap-scan | PATH=$PWD/bin:$PATH parallel --pipe -k --block 20k snap-heapify | snap-write --whole";
    world.sh(run).status(2).complains("not whole");
    world.sh("snap-list").status(2);
    world.sh(&run.replace("-k", "-k --retries 3")).ok();
    world.sh(SAME).ok();
}

#[test]
fn a_full_disk_of_one_worker_is_a_reason_to_use_another() {
    for shape in ["ranges", "slices"] {
        let Some(world) = world() else { return };
        world.sh("rm -r files && mkdir files && for n in {1..60}; do head -c 5000 /dev/urandom > files/$n; done").ok();
        world.settle();
        // A write beyond this many kilobytes fails, as on a disk without space.
        instead(
            &world,
            "snap-heapify",
            "if [ $host = two ]; then trap '' XFSZ; ulimit -f 2; fi; real \"$@\" 2> >(tee -a complaints >&2)",
        );
        world.sh(&format!("SHAPE={shape} BLOCK=2k JOBLOG=$PWD/log $SCRIPTS/backup")).ok();
        world.sh("grep -q 'too large' complaints").ok();
        world.sh("rm -r bin").ok();
        world.sh(SAME).ok();
        world.sh("snap-read | snap-verify").ok();
    }
    // On all of them, nothing is published.
    let Some(world) = world() else { return };
    world.put("files/large", vec![7; 9 << 20]);
    instead(&world, "snap-heapify", "trap '' XFSZ; ulimit -f 2; real \"$@\"");
    for shape in ["ranges", "slices"] {
        world.sh(&format!("SHAPE={shape} $SCRIPTS/backup")).status(2);
        assert_eq!(world.files_below("snap"), Vec::<std::path::PathBuf>::new());
    }
}

#[test]
fn records_that_fail_are_no_reason_to_try_again() {
    let Some(world) = world() else { return };
    world.sh("truncate -s 17M files/d\\ 1/.ignored").ok();
    instead(&world, "snap-scan", "echo x >> tries; real \"$@\"");
    let run = "rm -f tries; SHAPE=shards PARTS=4 $SCRIPTS/backup --ignore-file .ignored";
    world.sh(run).status(2).complains("record");
    world.sh("wc -l < tries; snap-list").status(2).says("4\n");
    world.sh(&format!("{run} -- --partial")).ok().complains("1 record missing");
    world.sh("wc -l < tries; snap-list | wc -l").ok().says("4\n1\n");
}

#[test]
fn credentials_are_on_no_command_line() {
    let Some(mut world) = world() else { return };
    world.sh("echo TOKEN=verysecret >> env").ok();
    instead(&world, "snap-scan", "ps axww -o args > ps.$PARALLEL_SEQ; echo $TOKEN >> token; real \"$@\"");
    world.sh("PARTS=3 $SCRIPTS/backup && cat token").ok().out().contains("verysecret");
    world.sh("ls ps.1 ps.2 ps.3 && cat ps.* | grep -c GNU_Parallel_worker").ok();
    world
        .sh("cat ps.* | grep -e verysecret -e $(printf verysecret | od -An -tx1 | tr -d ' \\n') -e $(printf verysecret | base64)")
        .status(1);
    // What --env passes is there, so nothing but roots may be passed in this way.
    world.unset("ENV_FILE");
    world.set("TOKEN", "verysecret");
    let run = "parallel --will-cite --env TOKEN -S one --ssh \"$SSH\" 'ps axww -o args' ::: 1 | grep -c $(printf verysecret | od -An -tx1 | tr -d ' \\n')";
    world.sh(run).ok();
}

#[test]
fn a_snapshot_is_verified_compared_and_restored_on_hosts() {
    let Some(mut world) = world() else { return };
    world.sh("ln 'files/d 1/it'\\''s $x 0/f-15' files/zz; ln -s zz files/link; chmod 500 files/d\\ 2; touch -d '3 days ago' files/d\\ *").ok();
    world.sh("$SCRIPTS/backup && $SCRIPTS/verify").ok();
    world.put("files/d 1/new", "new");
    world.sh("rm -r files/d\\ 3; chmod 700 files/d\\ 2; $SCRIPTS/backup").ok();
    world.sh("snap-diff > rows").status(1);
    world.sh("$SCRIPTS/diff | cmp - rows").status(1).silent();
    world.sh("$SCRIPTS/diff latest latest").ok();
    // Another folder, which the jobs know from the file.
    world.sh("echo FILE_ROOT=$PWD/back >> env; $SCRIPTS/restore latest~1").ok();
    world.set("FILE_ROOT", world.path("back"));
    world.sh("snap-diff -m latest~1 <(snap-scan | snap-heapify --no-store --no-base)").ok();
    world.sh("find back -mindepth 1 -printf '%P %m %n %T@ %l\\n' | sort > back.list").ok();
    world.sh("FILE_ROOT=alone snap-restore <(snap-read latest~1) && find alone -mindepth 1 -printf '%P %m %n %T@ %l\\n' | sort | diff - back.list").ok();
    world.put("back/more", "");
    world.sh("$SCRIPTS/restore latest --delete && snap-diff -m latest <(snap-scan | snap-heapify --no-store --no-base)").ok();
    // A content that is missed.
    world.sh("md5=$(snap-read | jq -r 'select(.name == \"d 1/new\").md5'); rm heap/${md5:0:2}/$md5.gz").ok();
    world.sh("$SCRIPTS/verify | jq -r .name").status(1).says("d 1/new\n");
}

#[test]
fn the_snapshots_are_read_on_hosts_and_one_of_them_may_die() {
    let Some(world) = world() else { return };
    for n in 0..6 {
        world.put("files/new", format!("new {n}"));
        world.sh("snap-scan | snap-heapify | snap-write").ok();
    }
    world.sh("find snap -name '*.jsonl.gz' -exec touch -d '10 minutes ago' {} +").ok();
    world.sh("snap-forget --keep-last 4 --delete && snap-gc > alone && test $(wc -l < alone) = 2").ok();
    instead(&world, "snap-gc", &format!("echo $host >> shards; if once; then {DIES}; else real \"$@\"; fi"));
    let known = "4 snapshots read by other processes, 0 to be read";
    world.sh("PARTS=5 $SCRIPTS/gc | cmp - alone && test $(grep -c . shards) = 6").ok().complains(known);
    world.sh("$SCRIPTS/gc --snap-root $PWD/snap --delete --exclusive").ok().complains(known);
    world.sh("snap-gc && for n in 0 1 2 3; do snap-read latest~$n | snap-verify; done").ok();
    // If a part fails everywhere, nothing is done.
    world.put("files/more", "more");
    world.sh("snap-scan | snap-heapify > list").ok();
    instead(&world, "snap-gc", "case $* in *2/*) exit 2;; *) real \"$@\";; esac");
    world.sh("$SCRIPTS/gc --delete --exclusive").status(2).complains("failed on each host").says("");
    world.sh("rm -r bin; snap-gc | wc -l").ok().says("1\n");
}
