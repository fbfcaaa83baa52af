//! Two contents of one md5: the pair that Xiaoyun Wang and others published in 2004. The second is refused, never swapped.

use crate::util::measure::figure;
use crate::util::trees::listing;
use crate::util::{Done, World};
use snapshooter::internals::codec;
use std::fs;

/// The blocks differ in six bits and have the md5 79054025255fb1a26e4bc422aef54eb4.
const ONE: &str = "d131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a\
                   085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0\
                   e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70";
const TWO: &str = "d131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a\
                   085125e8f7cdc99fd91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0\
                   e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70";
const MD5: &str = "79054025255fb1a26e4bc422aef54eb4";

/// The two contents.
pub fn blocks() -> [Vec<u8>; 2] {
    let [one, two] = [ONE, TWO].map(|hex| snapshooter::internals::digest::unhex::<128>(hex).expect("128 bytes in hex").to_vec());
    assert!(one != two && [&one, &two].map(|b| snapshooter::internals::digest::md5_of(b).to_string()) == [MD5, MD5]);
    [one, two]
}

/// Asserts that one of the two was refused, by name, in an error record and on stderr, and nothing of it was stored.
#[track_caller]
fn one_refused(done: Done, name: &str) -> Done {
    let done = done.status(1).complains(&format!("{name}: another content has the same md5 {MD5}"));
    let rows: Vec<String> = done.lines().into_iter().filter(|l| l.contains("\"type\":\"error\"")).collect();
    assert!(rows.len() == 1 && rows[0].contains(&format!("\"name\":\"{name}\"")), "{done}");
    done
}

fn heapify(world: &World, options: &str) -> Done {
    world.sh(&format!("snap-scan | snap-heapify --no-base {options}"))
}

#[track_caller]
fn restores(world: &World, name: &str, content: &[u8]) {
    world.sh("rm -rf back; snap-scan --type f | snap-heapify --no-base > list");
    world.sh(&format!("jq -c 'select(.name == \"{name}\" and .type == \"file\")' list | snap-restore --file-root back")).ok();
    assert_eq!(fs::read(world.path("back").join(name)).unwrap(), content);
}

#[test]
fn the_second_content_of_an_md5_is_refused() {
    let [one, two] = blocks();
    // One run after the other, each order, whatever the pieces of work.
    for (first, second) in [(&one, &two), (&two, &one)] {
        for options in ["", "--verify-existing", "--jobs 1"] {
            let world = World::new();
            world.put("files/a", first);
            heapify(&world, options).ok();
            world.put("files/b", second);
            one_refused(heapify(&world, options), "b");
            restores(&world, "a", first);
        }
    }
    // Both in one run, in flight together, with many files around them that keep all threads busy.
    for round in 0..10 {
        let world = World::new();
        for n in 0..40 {
            world.put(&format!("files/n{n:02}"), format!("file {n} of round {round}\n"));
        }
        world.put("files/n20a", &one);
        world.put("files/n20b", &two);
        let done = heapify(&world, "--jobs 8").status(1);
        let refused = if done.err().contains("n20a: ") { "n20a" } else { "n20b" };
        one_refused(done, refused);
        let (kept, content) = if refused == "n20a" { ("n20b", &two) } else { ("n20a", &one) };
        restores(&world, kept, content);
        world.sh("snap-scan | snap-heapify --no-base | snap-write").status(2).complains("1 record");
        world.sh("snap-scan | snap-heapify --no-base | snap-write --partial");
        assert_eq!(world.sh("snap-read | jq -r .name | grep -c n20[ab]").out().trim(), "1");
    }
    figure(25, "16 runs with the 128-byte pair: the second refused each time, the first restored exactly");
}

#[test]
fn also_where_the_python_tool_stored_the_first() {
    let [one, two] = blocks();
    let mut world = World::new();
    world.put("files/a", &one);
    world.py("make-snapshot").ok();
    world.put("files/b", &two);
    for options in ["", "--verify-existing"] {
        one_refused(heapify(&world, options), "b");
    }
    restores(&world, "a", &one);
    // With the Python tool's snapshot as the base nothing is read: `a` keeps its md5, `b` is refused.
    one_refused(world.sh("snap-scan | snap-heapify"), "b");
    figure(25, "the first stored by the Python tool, without sha256: the second refused");
}

#[test]
fn an_object_replaced_by_its_twin_is_noticed() {
    let [one, two] = blocks();
    let world = World::new();
    world.put("files/a", &one);
    world.sh("snap-scan | snap-heapify --no-base > list; snap-write list").ok();
    let object = world.path(format!("heap/79/{MD5}.gz"));
    // As another writer would, and with the twin's own sha256 in the header.
    let named = snapshooter::internals::digest::Digests::of(&two).1;
    for field in [None, Some((codec::SHA256, &named.0[..]))] {
        fs::write(&object, codec::member(&two, 6, field, false)).unwrap();
        fs::remove_file(world.path("files/a")).unwrap();
        world.sh("snap-read | snap-restore").status(1).complains("a: heap object").complains("wrong sha256");
        assert!(!listing(&world.path("files")).contains_key(&b"a"[..]));
        let done = world.sh("snap-cat list").status(1).complains("wrong sha256");
        assert!(done.bytes().is_empty(), "{done}");
        world.put("files/a", &one);
        // The next backup reads the file and says so.
        one_refused(heapify(&world, ""), "a");
    }
    // A header that lies about its content is a damaged object, and is mended.
    let named = snapshooter::internals::digest::Digests::of(&one).1;
    fs::write(&object, codec::member(&two, 6, [(codec::SHA256, &named.0[..])], false)).unwrap();
    world.sh("snap-cat list").status(1).complains("wrong sha256");
    heapify(&world, "--verify-existing").ok();
    assert_eq!(world.sh("snap-cat list").ok().bytes(), one);
    figure(25, "an object replaced by its twin: noticed by sha256 in restore and cat, 3 of 3");
}
