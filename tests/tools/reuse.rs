//! snap-reuse: md5 of files that did not change.

use crate::util::World;
use crate::util::trees::Tree;

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
