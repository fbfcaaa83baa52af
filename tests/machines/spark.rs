//! The program in `examples/spark`, on a cluster of two workers on this machine.

use super::hosts::instead;
use super::project;
use crate::util::World;
use crate::util::trees::Tree;

#[test]
fn spark_backs_up_verifies_and_compares_as_one_machine_does() {
    let mut world = World::with(Tree::Tricky);
    for n in 0..400 {
        world.put(&format!("files/d {}/e{}/f-{n}", n % 7, n % 3), format!("{}", n % 50));
    }
    world
        .sh("snap-scan | snap-heapify | snap-write && rm -r files/d\\ 3 && echo new > files/new && ln -sfn other files/link")
        .ok();
    world.put("files/d 1/e1/f-1", "changed");
    world.settle();
    // The first task dies in the middle of its output.
    instead(&world, "snap-heapify", "if once; then real \"$@\" | head -n 5; kill -KILL $$; else real \"$@\"; fi");
    let path = world.sh("printf %s \"$PWD/bin:$PATH\"").ok().out();
    world.set("PATH", format!("{path}:{}", project(".readers/bin").display()));
    world.set("PYSPARK_PYTHON", project(".readers/bin/python"));
    world.set("SPARK_LOCAL_IP", "127.0.0.1");
    // The workers put their logs there.
    let find = "print(__import__('pyspark').__path__[0])";
    world.sh(&format!("mkdir spark && ln -s \"$(\"$PYSPARK_PYTHON\" -c \"{find}\")\"/* spark")).ok();
    world.set("SPARK_HOME", world.path("spark"));
    world.set("EXAMPLE", project("examples/spark"));
    let script = project("tests/machines/spark.py");
    world.sh(&format!("\"$PYSPARK_PYTHON\" {} > said 2> log || {{ cat said log; exit 1; }}", script.display())).ok();
    world.sh("test -d once && grep -q 'Lost task' log && test ! -e work/* && snap-list | wc -l").ok().says("2\n");
    world.sh("snap-list --json --limit 1 | jq -c .tags").ok().says("[\"spark\"]\n");
    world.sh("export SNAP_ROOT=$PWD/alone; snap-scan | snap-heapify --no-base | snap-write > path; cmp <(snap-read) <(SNAP_ROOT=$PWD/snap snap-read)").ok();
    // Names and statuses are those of snap-diff, in its order.
    let rows = "jq -c 'select(.type != \"end\") | [.name_bytes // .name, .status]'";
    world.sh(&format!("snap-diff --no-end | {rows} > ours")).status(1);
    world.sh(&format!("{rows} rows | cmp - ours && test $(wc -l < ours) -gt 50")).ok();
    world.sh("jq -r .name failed").ok().says("new\n");
}
