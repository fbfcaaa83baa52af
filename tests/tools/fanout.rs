//! `snap-reuse` and `snap-merge`: parts of a backup side by side.

use crate::util::World;
use crate::util::trees::{Tree, listing};

#[test]
fn parts_that_were_stored_side_by_side_become_one_snapshot() {
    let world = World::with(Tree::Tricky);
    for n in 0..200 {
        world.put(&format!("files/d{}/f-{n}", n % 7), format!("{}", n % 50));
    }
    world.sh("snap-scan -i '/d[0-3]' | snap-heapify -o a.jsonl & snap-scan -e '/d[0-3]' | snap-heapify -o b.jsonl & wait").ok();
    world.sh("snap-merge b.jsonl a.jsonl | snap-write > /dev/null && snap-read | snap-restore --file-root restored").ok();
    assert_eq!(listing(&world.path("restored")), listing(&world.path("files")));
    // The same as from one scan, but for the mark that each part left something out.
    world.sh("snap-read --no-end | jq -c 'del(.racy)' > joined; snap-scan | snap-heapify --no-base | snap-write > /dev/null; snap-read --no-end | jq -c 'del(.racy)' | diff joined -").ok();
    world.sh("snap-merge a.jsonl b.jsonl > m; n=$(jq -s length m); tail -n 1 m | jq -e --argjson n $n '.filtered and .records == $n - 1'").ok();
}

#[test]
fn a_part_that_is_cut_off_or_says_something_else_is_not_published() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | snap-heapify -o whole.jsonl; head -n 5 whole.jsonl > cut.jsonl").ok();
    world.sh("snap-merge whole.jsonl cut.jsonl | snap-write").status(2).complains("end record");
    world.sh("jq -c 'if .type == \"file\" then .md5 = \"00000000000000000000000000000000\" else . end' whole.jsonl | snap-merge whole.jsonl -")
        .status(2)
        .complains("two different things");
    world.sh("snap-merge - - < whole.jsonl").status(2).complains("standard input");
    world.sh("snap-merge whole.jsonl nowhere").status(2).complains("nowhere");
}

#[test]
fn what_did_not_change_gets_its_md5_without_a_look_at_it() {
    let world = World::with(Tree::Files);
    world.sh("snap-scan | env -u SNAP_ROOT snap-reuse").status(2).complains("no snapshot to take md5 over from");
    // What changed within a second of being read is no base.
    world.sh("touch -d '2001-01-01' files/a.txt; until [ $(date +%s) -gt $(($(stat -c %Z files/a.txt) + 1)) ]; do :; done").ok();
    world.sh("snap-scan | snap-heapify | snap-write > /dev/null; echo changed > files/a.txt; rm -r heap").ok();
    world
        .sh("snap-scan | snap-reuse > list; jq -r 'select(.type == \"file\" and .md5 == null) | .name' list")
        .ok()
        .silent()
        .says("a.txt\n");
    world.sh("tail -n 1 list | jq -e '.type == \"end\" and .errors == 0'").ok();
    world.sh("snap-read | jq -c 'select(.name == \"B\") | [.md5, .sha256, .stored_size]' > then; jq -c 'select(.name == \"B\") | [.md5, .sha256, .stored_size]' list | diff then -").ok();
    // heapify believes none of it: the heap is gone, so all is read and stored again.
    world.sh("snap-heapify list | snap-write > /dev/null && snap-read | snap-verify").ok();
}
