//! snap-merge: parts of a backup that were made side by side become one.

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
