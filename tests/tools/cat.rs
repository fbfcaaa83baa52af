//! snap-cat: the contents of records, one behind the other.

use crate::util::World;

fn world() -> World {
    let world = World::new();
    for (name, content) in [("a", "first "), ("b/c", "second\n"), ("empty", "")] {
        world.put(&format!("files/{name}"), content);
    }
    world.sh("ln -s a files/link; snap-scan | snap-heapify | tee list | snap-write > /dev/null").ok();
    world
}

#[test]
fn contents_come_in_the_order_of_the_records_and_links_have_none() {
    let world = world();
    world.sh("snap-read | snap-cat").ok().says("first second\n");
    world.sh("snap-read | jq -c 'select(.name == \"b/c\")' | snap-cat").ok().silent().says("second\n");
    world.sh("snap-cat list -o out").ok().says("");
    world.sh("cat out").ok().says("first second\n");
}

#[test]
fn a_content_that_is_missing_is_told_and_the_others_are_printed() {
    let world = world();
    world.sh("rm heap/$(printf 'first ' | md5sum | cut -c 1-2)/*").ok();
    world.sh("snap-cat list").status(1).says("second\n").complains("a: heap object");
    world.sh("snap-cat list -o out").status(1);
    world.sh("test ! -e out").ok();
}
