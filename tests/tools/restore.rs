//! snap-restore: what is made, changed, left alone and deleted, and what a dry run says of it.

use crate::util::World;

fn world() -> World {
    let world = World::new();
    for (name, content) in [("a", "1"), ("b", "2"), ("d/c", "3")] {
        world.put(&format!("files/{name}"), content);
    }
    world.sh("chmod 640 files/a; ln -s a files/link; mkdir files/empty; snap-scan | snap-heapify | snap-write > /dev/null").ok();
    world
}

#[test]
fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let world = world();
    world.sh("echo changed > files/a; rm files/link; chmod 600 files/b; touch files/extra").ok();
    let before = "find files -printf '%P %y %m %s %T@\\n' | sort";
    let there = world.sh(before).ok().out();
    let rows = world
        .sh("snap-read | snap-restore --delete --dry-run | jq -r 'select(.type != \"end\") | .action + \" \" + .name' | sort")
        .ok();
    rows.says("change b\ncreate link\ndelete extra\nreplace a\n");
    world.sh(before).ok().says(&there);
}

#[test]
fn what_is_as_it_should_be_is_left_alone() {
    let world = world();
    world.sh("snap-read | snap-restore --dry-run | jq -c 'select(.type != \"end\")'").ok().silent().says("");
    world.sh("stat -c %i files/a > inode; echo 9 > files/b; snap-read | snap-restore; stat -c %i files/a | cmp - inode; cat files/b")
        .ok()
        .says("2");
}

#[test]
fn selected_records_are_restored_and_the_rest_is_not_touched() {
    let world = world();
    world.sh("rm -r files/d files/b; snap-read | jq -c 'select(.name == \"d/c\" or .type == \"end\")' | snap-restore").ok();
    world.sh("cat files/d/c; test ! -e files/b").ok().says("3");
    world
        .sh("snap-read | snap-restore --file-root copy -o state; jq -r 'select(.type == \"file\") | .name' state | paste -s")
        .ok()
        .says("a\tb\td/c\n");
    world.sh("stat -c %a copy/a; readlink copy/link; ls -d copy/empty").ok().says("640\na\ncopy/empty\n");
}
