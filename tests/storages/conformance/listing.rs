//! Listings: all that is there, once, with what is known of it.

use super::{Backend, bytes, list, put};
use crate::storages::emulators::Planted;
use crate::util::measure::many;
use snapshooter::internals::digest::md5_of;
use snapshooter::internals::storage::{Body, Put, Store};
use snapshooter::internals::time::Time;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

pub fn what_is_told(backend: &Backend) {
    let (_, store) = backend.fresh();
    let large = bytes(2, 9 << 20);
    put(&*store, b"folder/a", b"before");
    put(&*store, b"folder/large", &large);
    let before = list(&*store, b"");
    let (a, b) = (&before[&b"folder/a"[..]], &before[&b"folder/large"[..]]);
    assert_eq!((a.size, b.size), (6, 9 << 20));
    for object in [a, b] {
        let modified = object.modified.expect("a time");
        let ago = Time::now().sec - modified.sec;
        assert!((-180..180).contains(&ago), "it was written {ago} seconds ago");
    }
    assert!(a.etag.is_some() || backend.has_folders, "a service has etags");
    if backend.lists_md5 {
        assert_eq!(a.md5, Some(md5_of(b"before")));
    }
    assert!(b.md5.is_none_or(|md5| md5 == md5_of(&large)), "another md5");
    // The same from another listing, from a listing of the folder, and from stat.
    let again = list(&*store, b"folder/");
    let stat = store.stat(b"folder/a").expect("stat").expect("it is there");
    for other in [&again[&b"folder/a"[..]], &stat] {
        assert_eq!((other.size, other.modified, &other.etag), (a.size, a.modified, &a.etag));
    }
    // As many bytes, but others.
    put(&*store, b"folder/a", b"after!");
    let after = list(&*store, b"").remove(&b"folder/a"[..]).expect("it is there");
    assert!(after.etag.is_none() || after.etag != a.etag, "the etag is still {:?}", a.etag);
    assert!(after.md5.is_none_or(|md5| md5 == md5_of(b"after!")), "the md5 of before");
    // With its md5 told, and in parts: what is kept with it is right.
    let how = Put { md5: Some(md5_of(&large)), size: Some(large.len() as u64), ..Put::default() };
    store.put(b"told", Body::Stream(&mut &large[..]), &how).expect("put");
    let told = list(&*store, b"").remove(&b"told"[..]).expect("it is there");
    assert!(told.md5.is_none_or(|md5| md5 == md5_of(&large)), "another md5");
    if backend.emulator.name() == "azurite" {
        assert_eq!(told.md5, Some(md5_of(&large)), "Azure keeps it only if it is told it");
    }
}

pub fn prefixes(backend: &Backend) {
    let (root, store) = backend.fresh();
    for key in ["a/b/c", "a/b/d/e", "a/bc", "ab/c", "a-b", "b/a/b"] {
        put(&*store, key.as_bytes(), key.as_bytes());
    }
    let below = |prefix: &str| {
        let keys = list(&*store, prefix.as_bytes()).into_keys().map(|k| String::from_utf8(k).expect("UTF-8"));
        keys.collect::<Vec<_>>()
    };
    assert_eq!(below("a/b/"), ["a/b/c", "a/b/d/e"]);
    assert_eq!(below("a/"), ["a/b/c", "a/b/d/e", "a/bc"]);
    assert_eq!(below("b/"), ["b/a/b"]);
    assert!(below("nothing/").is_empty() && below("a/b/d/e/").is_empty() && below("a/b/x/").is_empty());
    // A root below says names below it.
    let inner = root.below("a").open();
    assert_eq!(list(&*inner, b"").into_keys().collect::<Vec<_>>(), [&b"b/c"[..], b"b/d/e", b"bc"]);
    assert_eq!(list(&*inner, b"b/").into_keys().collect::<Vec<_>>(), [&b"b/c"[..], b"b/d/e"]);
    assert_eq!(super::get(&*inner, b"b/c"), b"a/b/c");
    put(&*inner, b"new", b"new");
    assert_eq!(super::get(&*store, b"a/new"), b"new");
    assert!(inner.delete(&[b"new".to_vec()])[0].is_ok());
    assert_eq!(store.stat(b"a/new").expect("stat"), None);
    // A prefix below which nothing is, is no error: it may come.
    let fresh = root.below("not/yet").open();
    put(&*fresh, b"x", b"x");
    assert_eq!(list(&*fresh, b"").len(), 1);
}

pub fn pages(backend: &Backend) {
    let (_, store) = backend.fresh();
    let name = backend.emulator.name();
    let key = |n: usize| format!("{:02}/{:03}/{n:06}", n % 17, n % 101).into_bytes();
    let start = Instant::now();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..store.jobs().clamp(1, 32) {
            scope.spawn(|| {
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= backend.many {
                        break;
                    }
                    put(&*store, &key(n), b"");
                }
            });
        }
    });
    let put_in = start.elapsed();
    let start = Instant::now();
    let listed: BTreeSet<_> = list(&*store, b"").into_keys().collect();
    let listed_in = start.elapsed();
    assert!(listed == (0..backend.many).map(key).collect::<BTreeSet<_>>(), "{} of {} listed", listed.len(), backend.many);
    // One that stops early asks for no more, and ends at once.
    assert_eq!(store.list(b"").take(3).filter_map(Result::ok).count(), 3);
    // Emulators take their time with that.
    let start = Instant::now();
    let deleted = backend.many.min(many(600, 12_000));
    let gone = store.delete(&(0..deleted).map(key).collect::<Vec<_>>());
    assert!(gone.len() == deleted && gone.iter().all(Result::is_ok), "{:?}", gone.iter().find(|d| d.is_err()));
    assert_eq!(list(&*store, b"").len(), backend.many - deleted);
    let seconds = |d: std::time::Duration| format!("{:.1} s", d.as_secs_f64());
    let times = format!(
        "put in {}, listed in {}, {deleted} deleted in {}",
        seconds(put_in),
        seconds(listed_in),
        seconds(start.elapsed())
    );
    println!("{name}: {} objects: {times}", backend.many);
}

pub fn markers(backend: &Backend) {
    let (root, store) = backend.fresh();
    let mut marker = Planted::new(if backend.emulator.name() == "azurite" { "hns" } else { "hns/" }, "");
    marker.metadata.insert("hdi_isfolder".to_string(), "true".to_string());
    let mut all = vec![Planted::new("d/x", "x"), Planted::new("hns/y", "y"), marker];
    if backend.emulator.name() != "memory" {
        all.extend([Planted::new("d/", ""), Planted::new("empty/", ""), Planted::new("deep/e/", "")]);
    } else {
        all.pop();
    }
    backend.emulator.plant(&root, &all);
    let keys = |prefix: &[u8]| list(&*store, prefix).into_keys().collect::<Vec<_>>();
    assert_eq!(keys(b""), [&b"d/x"[..], b"hns/y"]);
    assert_eq!(keys(b"d/"), [b"d/x"]);
    assert!(keys(b"empty/").is_empty() && keys(b"deep/").is_empty());
    // Nor are they found by name.
    for folder in [&b"hns"[..], b"d", b"empty", b"deep"] {
        let found = store.stat(folder);
        assert!(found.as_ref().is_ok_and(Option::is_none), "{}: {found:?}", String::from_utf8_lossy(folder));
    }
}

pub fn like_the_root(backend: &Backend) {
    let (root, _) = backend.fresh();
    let mut all = vec![Planted::new("data/x", "x"), Planted::new("database/y", "y"), Planted::new("data.txt", "z")];
    if !backend.has_folders {
        all.push(Planted::new("data", "like the root"));
        all.push(Planted::new("data/data", "w"));
    }
    backend.emulator.plant(&root, &all);
    let store: std::sync::Arc<dyn Store> = root.below("data").open();
    let keys: Vec<_> = list(&*store, b"").into_keys().collect();
    assert_eq!(keys, if backend.has_folders { vec![&b"x"[..]] } else { vec![&b"data"[..], b"x"] });
}
