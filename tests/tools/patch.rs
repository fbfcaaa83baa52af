//! snap-patch: changes make a whole list of an older one.

use crate::util::World;
use crate::util::trees::{self, Tree, listing};

/// A world with a snapshot of the tree, which has changed since.
fn changed() -> World {
    let world = World::with(Tree::Tricky);
    trees::build(&world.path("files/sub"), Tree::Files);
    world.sh("snap-scan | snap-heapify | snap-write").ok();
    trees::second_state(&world.path("files/sub"));
    world.sh("cd files/sub; mkdir -p gone/in && touch gone/in/x; chmod 700 .; touch -d 2020-01-01 .").ok();
    world
}

/// What a record says, but for keys that depend on when it was read.
const PLAIN: &str = r#"jq -cS 'del(.racy, .created, .records, .names)'"#;

#[test]
fn a_comparison_makes_the_newer_snapshot_of_the_older_one() {
    let world = changed();
    world.sh("snap-scan | snap-heapify | snap-write; snap-diff -m > rows || [ $? = 1 ]").ok();
    world.sh(&format!("snap-patch latest~1 rows > patched && diff <(snap-read | {PLAIN}) <({PLAIN} patched)")).ok();
    world.sh("tac rows | snap-patch latest~1").status(2).complains("after the end record");
    world.sh("(head -n -1 rows | tac; tail -n 1 rows) | snap-patch latest~1 | cmp - patched").ok();
    // Published, it restores the same tree.
    world.sh("snap-write patched > /dev/null; snap-read | snap-restore --file-root restored").ok();
    assert_eq!(listing(&world.path("restored")), listing(&world.path("files")));
    // Backwards, too.
    world.sh("snap-diff -m latest~1 latest~2 > back || [ $? = 1 ]").ok();
    world.sh(&format!("snap-patch latest~1 back | diff <(snap-read latest~2 | {PLAIN}) <({PLAIN})")).ok();
}

#[test]
fn a_list_of_changed_and_deleted_names_makes_a_whole_backup() {
    let world = changed();
    // The list that a file system, a watcher or a bucket would give.
    world.sh("(cd files; find . -mindepth 1 -printf '%P\\0') > names; python3 -c 'import sys, json, base64\nfor line in sys.stdin:\n    record = json.loads(line)\n    name = base64.b64decode(record[\"name_bytes\"]) if \"name_bytes\" in record else record[\"name\"].encode()\n    sys.stdout.buffer.write(name + bytes(1))' < <(snap-read --no-end) >> names").ok();
    world.sh("sort -zu names | snap-scan --files-from - -0 --gone | snap-heapify | snap-patch latest | snap-write --whole > /dev/null").ok();
    world.sh("snap-scan | snap-heapify --no-base | snap-write > /dev/null").ok();
    world.sh(&format!("diff <(snap-read latest~1 | {PLAIN}) <(snap-read | {PLAIN})")).ok();
    // It deletes as a backup of everything does.
    world.put("files/extra", "");
    world.sh("snap-read latest~1 | snap-restore --delete && [ ! -e files/extra ]").ok();
}

#[test]
fn only_the_changes_are_looked_at() {
    let world = changed();
    world.sh("rm -r files/sub/added; echo x > files/sub/a.txt").ok();
    world.sh("printf 'sub/a.txt\\nsub/added\\nsub/added/new.txt\\n' | snap-scan --files-from - --gone > list").ok();
    world.sh("jq -r '.type' list | xargs").ok().says("file gone gone end\n");
    world.sh("snap-heapify list | snap-patch latest > whole; jq -r 'select(.name == \"sub/a.txt\").size' whole").ok().says("2\n");
    world.sh("[ $(wc -l < whole) = $(snap-read | wc -l) ] && tail -n 1 whole | jq -e '.filtered == null and .root == env.FILE_ROOT'").ok();
    // The format of `zfs diff -H`, with a rename.
    world.sh("mv files/sub/a.txt files/sub/renamed; printf 'M\\t/tank/data/sub\\nR\\t/tank/data/sub/a.txt\\t/tank/data/sub/renamed\\n' > zfs").ok();
    world.sh("cut -f 2- zfs | tr '\\t' '\\n' | sed -n 's:^/tank/data/::p' | snap-scan --files-from - --gone | snap-heapify | snap-patch latest | snap-diff -f names latest - | grep -e renamed -e a.txt | xargs").status(1).says("- sub/a.txt + sub/renamed\n");
}

#[test]
fn a_folder_that_is_gone_or_is_a_link_now_takes_what_is_in_it() {
    let world = World::new();
    for name in ["d/a", "d/e/b", "d-x", "f/a", "g/a"] {
        world.put(&format!("files/{name}"), name);
    }
    world.sh("snap-scan | snap-heapify | snap-write; rm -r files/d files/f files/g; ln -s d-x files/f; echo g > files/g").ok();
    let names = "snap-heapify | snap-patch latest | jq -r '.name' | xargs";
    world.sh(&format!("printf 'd\\nf\\ng\\nf/a\\n' | snap-scan --files-from - --gone | {names}")).ok().says("d-x f g\n");
    // Without --gone, what is not there is an error, and nothing is published.
    world
        .sh("printf 'd\\n' | snap-scan --files-from - 2> /dev/null | snap-heapify | snap-patch latest | snap-write")
        .status(2)
        .complains("failed before");
    let list = "printf 'd\\n' | snap-scan --files-from - --gone";
    world.sh(&format!("{list} | snap-write")).status(2).complains("snap-patch applies it");
    world.sh(&format!("{list} | snap-restore")).status(2).complains("snap-patch applies it");
    world.sh(&format!("{list} | snap-reuse | jq -r .type | xargs")).ok().says("gone end\n");
    world
        .sh(&format!("{list} > a; printf 'g\\n' | snap-scan --files-from - > b; snap-merge a b | jq -r .type | xargs"))
        .ok()
        .says("gone file end\n");
    world.sh("snap-scan --gone").status(2);
}

#[test]
fn changes_of_types_that_the_base_does_not_have_are_ignored() {
    let mut world = World::new();
    world.put("files/a", "a");
    world.py("make-snapshot").ok();
    world
        .sh("mkdir files/d; ln -s a files/l; echo b > files/d/b; snap-scan | snap-heapify > all; snap-patch latest all > whole")
        .ok();
    world.sh("jq -r '.name' whole | xargs; tail -n 1 whole | jq -c .types").ok().says("a d/b\n[\"file\"]\n");
    world.sh("snap-write whole").ok();
    world.py("restore-snapshot").ok();
}

#[test]
fn what_does_not_fit_is_refused_in_one_line() {
    let world = changed();
    world.sh("snap-scan | snap-heapify | snap-write; snap-diff > rows || [ $? = 1 ]").ok();
    world.sh("snap-patch latest rows").status(2).complains("the rows are of another list");
    world.sh("snap-patch - rows < rows").status(2).complains("a row of snap-diff");
    world.sh("snap-patch -").status(2).complains("only one input");
    world.sh("snap-log --glob '/sub/added/' | snap-patch latest").status(2).complains("versions from snap-log");
    world.sh("(head -n -1 rows; echo '{\"name\":\"zzz\",\"type\":\"gone\"}') | snap-patch latest~1").status(2).complains("mix");
    // A change that was lost on the way shows.
    world.sh("tail -n +2 rows | snap-patch latest~1 | tail -n 1 | jq -e .filtered").ok();
}
