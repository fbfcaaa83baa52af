//! Services that are like Amazon's S3, but not quite. Each oddity is a knob of a fake service: either everything works with it,
//! from scanning to cleaning, or one clear line says why not.

mod addresses;
mod bodies;
mod credentials;
mod listings;
mod proxies;
mod puts;

use crate::storages::emulators::fake_s3::{FakeS3, Oddities};
use crate::util::World;

/// A world whose heap and snap root are on this service, with a few files to back up.
fn world(fake: &FakeS3) -> World {
    let mut world = World::new();
    world.put("files/docs/report.md", "A report");
    world.put("files/docs/a b+c&d.txt", "Another one");
    world.put("files/empty", "");
    point(&mut world, fake, "HEAP", "heap");
    point(&mut world, fake, "SNAP", "snap");
    world
}

/// Sets a root of a world.
fn point(world: &mut World, fake: &FakeS3, root: &str, prefix: &str) {
    let place = fake.root(prefix, "");
    world.set(&format!("{root}_ROOT"), &place.url);
    world.set(&format!("{root}_STORAGE_OPTIONS"), &place.options);
}

/// A content of more than one part, which does not compress.
fn large() -> Vec<u8> {
    crate::storages::conformance::bytes(7, (8 << 20) + 5)
}

const BACKUP: &str = "snap-scan | snap-heapify | snap-write";

/// Everything that one does with a repository.
const ALL: &str = "snap-scan | snap-heapify | snap-write >/dev/null &&
    echo new >files/new && snap-scan | snap-heapify | snap-write >/dev/null &&
    [ $(snap-list | wc -l) = 2 ] && snap-read | snap-verify && snap-read | snap-restore --file-root back &&
    diff -r files back && snap-forget --keep-last 1 --delete >/dev/null && snap-gc --delete --exclusive >/dev/null &&
    snap-read | snap-verify && [ $(snap-list | wc -l) = 1 ]";

/// Everything works with these oddities: from a folder, and from a bucket to a bucket.
fn works(odd: Oddities) -> FakeS3 {
    let fake = FakeS3::that(odd);
    let mut world = world(&fake);
    world.put("files/large", large());
    world.sh(ALL).ok();
    for name in ["docs/report.md", "empty", "x/y", "z"] {
        fake.plant(&format!("source/{name}"), format!("content of {name}"));
    }
    fake.plant("source/none", "");
    point(&mut world, &fake, "FILE", "source");
    let copy = fake.root("copy", "");
    world.set("COPY", copy.url);
    world
        .sh("snap-scan | snap-heapify --no-base | snap-write >/dev/null && snap-read | snap-verify &&
            snap-read | snap-restore --file-root $COPY &&
            export FILE_ROOT=$COPY && snap-scan | snap-heapify --no-store --no-base | snap-diff latest -")
        .ok();
    let there = fake.there();
    for (name, content) in there.iter().filter_map(|(name, content)| Some((name.strip_prefix("source/")?, content))) {
        assert!(there.get(&format!("copy/{name}")) == Some(content), "{name} was not restored");
    }
    fake
}
