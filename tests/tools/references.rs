//! What snapshots refer to, printed by several processes for the snap-gc that deletes.

use crate::util::World;
use crate::util::heap::{BACKUP, heap, id_of, is_snapshot};
use crate::util::measure::figure;
use std::fs;
use std::path::PathBuf;

/// Prints the references of three shards, each into a file.
const SHARDS: &str = "for k in 1 2 3; do snap-gc --shard $k/3 -o part.$k; done";

/// Makes all snapshots old: nothing but the time tells one from another that was written in the last minute.
const AGE: &str = "find snap -name '*.jsonl.gz*' -exec touch -d '10 minutes ago' {} +";

/// A world with seven snapshots, of which the first has no file that the others do not have, and with two objects that no snapshot
/// refers to.
fn world() -> World {
    let world = World::new();
    for n in 0..7 {
        world.put("files/all", "in all");
        world.put(&format!("files/{n}"), format!("first in {n}"));
        world.put("files/only", format!("only in {n}"));
        world.sh(BACKUP).ok();
    }
    world.put("files/none", "in none");
    world.put("files/only", "in none either");
    world.sh("snap-scan | snap-heapify > list").ok();
    world.sh(AGE).ok();
    world
}

fn snapshots(world: &World) -> Vec<PathBuf> {
    world.files_below("snap").into_iter().filter(|path| is_snapshot(path)).collect()
}

#[test]
fn references_of_several_processes_give_what_one_finds() {
    let world = world();
    let one = world.sh("snap-gc").ok().out();
    assert_eq!(one.lines().count(), 2);
    world.sh(SHARDS).ok();
    // Each snapshot is in one of the shards, whatever their number.
    for of in [1, 3, 20] {
        let run = format!(
            "for k in $(seq {of}); do snap-gc --shard $k/{of}; done | jq -r 'select(.type == \"snapshot\").snapshot' | sort"
        );
        let named = world.sh(&run).ok().lines();
        let all: Vec<String> = snapshots(&world)
            .iter()
            .map(|path| path.strip_prefix(world.path("snap")).unwrap().to_str().unwrap().to_string())
            .collect();
        assert_eq!(named, all, "{of}");
    }
    world.sh("for k in 1 2 3; do grep -c '\"type\":\"snapshot\"' part.$k; done").ok().says("3\n2\n2\n");
    let known = "7 snapshots read by other processes, 0 to be read";
    world.sh("cat part.* | snap-gc --references -").ok().says(&one).complains(known);
    world.sh("snap-gc --references part.1 --references <(cat part.2 part.3)").ok().says(&one).complains(known);
    // A part that came twice, and snapshots that are gone.
    world.sh("snap-gc --references <(cat part.* part.2)").ok().says(&one).complains(known);
    world.sh("snap-forget --keep-last 2 --delete").ok();
    let after = world.sh("snap-gc").ok().out();
    assert_eq!(after.lines().count(), 7);
    world.sh("snap-gc --references <(cat part.*)").ok().says(&one).complains("2 snapshots read by other processes, 0 to be read");
    // In two phases.
    world.sh("for k in 1 2; do snap-gc --shard $k/2; done > parts").ok();
    world.sh("snap-gc --delete --grace 0s --references parts").ok().says(&after);
    world.sh("snap-gc --delete --grace 0s --references - < parts").ok().complains("deleted 7");
    world.sh("snap-read latest~1 | snap-verify && snap-read | snap-verify").ok();
    assert_eq!(world.sh("snap-gc").ok().out(), "");
}

#[test]
fn what_a_part_does_not_cover_is_read() {
    let world = world();
    world.sh(SHARDS).ok();
    let one = world.sh("snap-gc").ok().out();
    // A part is missing.
    let lacking = world.sh("jq -c 'select(.type == \"snapshot\")' part.2 | wc -l").ok().out().trim().parse::<usize>().unwrap();
    let done = world.sh("snap-gc --references part.1 --references part.3").ok().says(&one);
    done.complains(&format!(" read by other processes, {lacking} to be read"));
    // A snapshot is new, and another one has the name of an old one.
    world.sh(BACKUP).ok();
    let old = snapshots(&world)[0].display().to_string();
    world
        .sh(&format!("jq -c 'select(.name != \"only\")' list | snap-write --like {old} --replace"))
        .ok()
        .says(&format!("{old}\n"));
    let done = world.sh("cat part.* | snap-gc --delete --exclusive --references -").ok();
    done.complains("6 snapshots read by other processes, 2 to be read");
    let there = heap(&world);
    for content in ["in none", "in none either", "only in 6", "first in 6", "in all"] {
        assert!(there.contains(&id_of(&world, content)), "{content}");
    }
    for path in snapshots(&world) {
        world.sh(&format!("snap-read {} | snap-verify", path.display())).ok();
    }
}

#[test]
fn references_that_are_not_what_was_printed_are_refused() {
    let world = world();
    world.sh("snap-gc --shard 1/1 -o all; snap-gc --delete --grace 0s").ok();
    let before = heap(&world);
    // The end record of a program that knows what it has to say.
    let mut refused = 0;
    let end = "end() { jq -cn --arg sha256 $(sha256sum < $1 | cut -c 1-64) --argjson n $(grep -c '^.\"md5' $1) --argjson last \"$(tail -n 1 all)\" '$last + {sha256: $sha256, references: $n}' >> $1; }";
    for (made, reason) in [
        ("head -n -1 all", "the end record is missing"),
        ("head -c -2 all", "a line is none that snap-gc --shard prints"),
        ("head -n 3 all", "the end record is missing"),
        ("sed 8d all", "the lines are not the ones that the end record counts"),
        ("sed 1d all", "the lines are not the ones that the end record counts"),
        ("sed '1s/\"size\":/\"size\":1/' all", "the lines are not the ones that the end record counts"),
        ("sed '9{h;d};10{G}' all", "the contents are not in order"),
        ("sed 's/\"v\":1/\"v\":2/' all", "a later version of snap-gc printed it"),
        (
            "sed 's/\"references\":/\"heap\":\"0123\",\"references\":/; s/\"heap\":\"[0-9a-f]*\",\"heap\"/\"heap\"/' all",
            "they are those of another heap",
        ),
        ("cat all list", "a line is none that snap-gc --shard prints"),
        ("echo", "a line is none that snap-gc --shard prints"),
        ("snap-read", "a line is none that snap-gc --shard prints"),
        ("grep -v '^.\"md5' all | head -n -1 > made; end made; cat made", ", which they lack"),
    ] {
        for mode in ["", "--delete --grace 0s", "--delete --exclusive"] {
            let done = world.sh(&format!("{end}; {{ {made}; }} | snap-gc {mode} --references -")).status(2).says("");
            done.complains(reason).complains("nothing was deleted");
            refused += 1;
        }
    }
    world.sh("snap-gc --delete --exclusive --references nowhere").status(2).complains("nowhere");
    world.sh("snap-gc --delete --exclusive --references - <&-").status(2).complains("standard input is closed");
    world.sh("snap-gc --delete --exclusive --references - --references - < all").status(2).complains("only one of the files");
    assert_eq!(heap(&world), before);
    figure(38, &format!("{refused} of {refused} refused, nothing deleted"));
    // The files that were printed are accepted, so each of the changes above was the reason.
    world.sh("snap-gc --delete --exclusive --references all").ok();
    assert_eq!(heap(&world).len(), before.len() - 2);
}

#[test]
fn a_shard_deletes_nothing_and_prints_all_or_nothing() {
    let world = world();
    world.sh("snap-gc --delete --grace 0s").ok();
    let before = world.files_below("heap");
    for options in ["--shard 1/2 --delete", "--shard 1/2 --exclusive", "--shard 1/2 --references x", "--shard 3/2", "--shard 0/1"]
    {
        world.sh(&format!("snap-gc --grace 0s {options}")).status(2).says("");
    }
    world.sh("snap-gc --grace 0s --shard 1/1 | tail -n 1 | jq -e '.type == \"end\" and .snapshots == 7'").ok();
    // The roots are checked as always.
    fs::create_dir(world.path("empty")).unwrap();
    world.sh("snap-gc --shard 1/1 --snap-root empty").status(2).says("").complains("uses this heap too");
    // A snapshot is damaged.
    let path = snapshots(&world).remove(3);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    world.sh("snap-gc --shard 1/1 -o all").status(2).complains(path.file_name().unwrap().to_str().unwrap());
    assert!(!world.path("all").exists());
    assert_eq!(world.files_below("heap"), before);
}

#[test]
fn what_could_be_replaced_within_a_second_is_read() {
    let world = world();
    let one = world.sh("snap-gc").ok().out();
    // A folder says of a snapshot only its size and time.
    world.sh("touch snap/*/*/*.jsonl.gz* && snap-gc --shard 1/1 > all").ok();
    world.sh("jq -e 'select(.type == \"end\") | .snapshots == 0 and .references > 0' all").ok();
    world.sh("snap-gc --references all").ok().says(&one).complains("0 snapshots read by other processes, 7 to be read");
}

#[test]
fn a_root_that_is_given_twice_is_one() {
    let world = world();
    let one = world.sh("snap-gc").ok().out();
    world.sh("ln -s snap same").ok();
    let roots = "--snap-root snap --snap-root ./snap/../same";
    world
        .sh(&format!("for k in 1 2 3; do snap-gc --shard $k/3 {roots}; done > parts; snap-gc {roots} --references parts"))
        .ok()
        .says(&one);
}
