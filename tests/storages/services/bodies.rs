//! Contents without a length, in chunks, broken off, or compressed by a proxy.

use super::{point, works};
use crate::storages::emulators::fake_s3::{Bodies, FakeS3, Oddities};
use crate::util::World;

#[test]
fn contents_may_come_without_their_length() {
    for bodies in [Bodies::Chunked, Bodies::UntilClosed, Bodies::Broken] {
        works(Oddities { bodies, ..Oddities::default() });
    }
}

#[test]
fn an_object_has_a_size_although_its_head_tells_none() {
    let fake = FakeS3::that(Oddities { bodies: Bodies::Chunked, ..Oddities::default() });
    fake.plant("a", "12345");
    fake.plant("empty", "");
    let store = fake.root("", "").open();
    let size = |key: &[u8]| store.stat(key).expect("a look").map(|object| object.size);
    assert_eq!((size(b"a"), size(b"empty"), size(b"none")), (Some(5), Some(0), None));
}

#[test]
fn a_content_of_another_size_is_never_stored() {
    for bodies in [Bodies::Short, Bodies::Compressed] {
        let fake = FakeS3::that(Oddities { bodies, ..Oddities::default() });
        for n in 0..3 {
            fake.plant(&format!("source/{n}"), format!("content {n} ").repeat(99));
        }
        let mut world = World::new();
        point(&mut world, &fake, "FILE", "source");
        let done = world.sh("snap-scan | snap-heapify > out").status(1);
        assert_eq!(done.err().lines().filter(|line| line.contains("bytes came, not 990")).count(), 3, "{done}");
        // What came may be in the heap, under its own md5. No record refers to it.
        world.sh("[ $(grep -c '\"type\":\"error\"' out) = 3 ] && ! grep -q md5 out").ok();
        assert!(fake.seen().iter().all(|r| r.method != "GET" || r.header("accept-encoding") != Some("gzip")));
    }
}
