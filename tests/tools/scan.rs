//! snap-scan: which files become records, in which order, with which keys.

use crate::util::World;

fn world() -> World {
    let world = World::new();
    for name in ["a b", "a-b", "a/b", "a0", "é", ".hidden"] {
        world.put(&format!("files/{name}"), "text");
    }
    world.sh("mkdir files/empty; ln -s 'a/b' files/link").ok();
    world
}

#[test]
fn records_are_in_order_of_their_whole_names() {
    let world = world();
    let names = world.sh("snap-scan --no-end | jq -r .name").ok().silent().lines();
    assert_eq!(names, [".hidden", "a", "a b", "a-b", "a/b", "a0", "empty", "link", "é"]);
    world.sh("snap-scan | tail -n 1 | jq -e '.type == \"end\" and .records == 9 and .errors == 0'").ok();
}

#[test]
fn types_are_chosen_by_letter() {
    let world = world();
    for (types, counts) in [("f", "6"), ("l", "1"), ("d", "2"), ("f,d", "8"), ("f,l,d", "9")] {
        world.sh(&format!("snap-scan --type {types} --no-end | wc -l")).ok().says(&format!("{counts}\n"));
    }
    world.sh("snap-scan --type x").status(2).complains("'x'");
}

#[test]
fn a_record_says_what_stat_says() {
    let world = world();
    world.sh("chmod 640 files/a0; touch -d @1700000000.000000001 files/a0").ok();
    let keys = "[.size, .mode, .mtime, .modified, .uid, .gid, .ino, .nlink]";
    let said = world.sh(&format!("snap-scan | jq -c 'select(.name == \"a0\") | {keys}'")).ok().out();
    let stat = world.sh("stat -c '[%s,%f,%Y,\"2023-11-14T22:13:20.000000001Z\",%u,%g,%i,%h]' files/a0").ok().out();
    let mode = u32::from_str_radix(stat.split(',').nth(1).unwrap(), 16).unwrap();
    let stat = stat.replacen(stat.split(',').nth(1).unwrap(), &mode.to_string(), 1);
    assert_eq!(said, stat);
    world.sh("snap-scan | jq -r 'select(.type == \"link\") | .destination'").ok().says("a/b\n");
}

#[test]
fn names_can_be_given_and_what_is_missing_is_an_error_record() {
    let world = world();
    world.sh("printf 'a0\\na/b\\n' | snap-scan --files-from - --no-end | jq -r .name").ok().says("a/b\na0\n");
    world.sh("printf 'a0\\0a b\\0' | snap-scan --files-from - -0 --no-end | jq -r .name").ok().says("a b\na0\n");
    // As find, fd and tar print them.
    world.sh("printf './a/b\\n./a0\\n' | snap-scan --files-from - --no-end | jq -r .name").ok().says("a/b\na0\n");
    for bad in [".", "././a0", "a/./b", ".//a0"] {
        world.sh(&format!("echo '{bad}' | snap-scan --files-from -")).status(2).complains("the name has a");
    }
    let done = world.sh("printf 'gone\\n' | snap-scan --files-from - --no-end | jq -c '[.name, .type]'").status(1);
    done.says("[\"gone\",\"error\"]\n").complains("gone");
}
