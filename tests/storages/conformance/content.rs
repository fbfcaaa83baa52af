//! Contents: what was put is what is read, whole or not at all.

use super::{Backend, Noise, bytes, get, is_clear, list, put, read};
use snapshooter::internals::digest::Md5;
use snapshooter::internals::digest::md5_of;
use snapshooter::internals::storage::{Body, Put};
use std::io::{ErrorKind, Read};
use std::time::{Duration, Instant};

/// From nothing to more than any storage takes at once.
const SIZES: [usize; 6] = [0, 1, 4097, 300_000, (8 << 20) + 1, 20 << 20];

pub fn round_trip(backend: &Backend) {
    let (root, store) = backend.fresh();
    for (n, size) in SIZES.into_iter().enumerate() {
        let (key, content) = (format!("folder/{size}"), bytes(n as u64, size));
        assert_eq!(store.stat(key.as_bytes()).expect("stat"), None);
        put(&*store, key.as_bytes(), &content);
        let object = store.stat(key.as_bytes()).expect("stat").expect("it is there");
        assert_eq!((object.key.as_slice(), object.size), (key.as_bytes(), size as u64));
        assert!(object.md5.is_none_or(|md5| md5 == md5_of(&content)), "{size}: another md5");
        assert!(get(&*store, key.as_bytes()) == content, "{size} bytes came back as others");
        let listed = list(&*store, b"");
        assert_eq!(listed.keys().collect::<Vec<_>>(), [key.as_bytes()]);
        assert_eq!(listed[key.as_bytes()].size, size as u64);
        backend.holds(&root, &[(key.as_bytes(), &content)]);
        let gone = store.delete(&[key.clone().into_bytes()]);
        assert!(gone.len() == 1 && gone[0].is_ok(), "{gone:?}");
        assert_eq!(store.stat(key.as_bytes()).expect("stat"), None);
        assert!(list(&*store, b"").is_empty());
        backend.holds(&root, &[]);
    }
}

pub fn replaces_the_whole(backend: &Backend) {
    let (root, store) = backend.fresh();
    for (n, size) in [5000, 9 << 20, 3, 0, 70_000].into_iter().enumerate() {
        let content = bytes(n as u64, size);
        put(&*store, b"it", &content);
        assert!(get(&*store, b"it") == content, "the {n}th content is not all of it");
        backend.holds(&root, &[(b"it", &content)]);
    }
}

pub fn ranges(backend: &Backend) {
    let (_, store) = backend.fresh();
    for size in [0u64, 1, 1_000_000, 20 << 20] {
        let content = bytes(size, size as usize);
        let key = format!("{size}");
        put(&*store, key.as_bytes(), &content);
        let starts = [0, 1, 4095, size / 2, size.saturating_sub(1), size, size + 1, size + 10_000_000];
        for from in starts {
            for len in [None, Some(0), Some(1), Some(4096), Some(size), Some(size + 10), Some(u64::MAX)] {
                let start = from.min(size) as usize;
                let end = len.map_or(size, |len| from.saturating_add(len).min(size)).max(start as u64) as usize;
                let part = read(&*store, key.as_bytes(), from, len);
                let part = part.unwrap_or_else(|e| panic!("{size} bytes from {from}, {len:?}: {e}"));
                assert!(part == content[start..end], "{size} bytes from {from}, {len:?}: {} others", part.len());
            }
        }
    }
}

pub fn etags_are_conditions(backend: &Backend) {
    let (_, store) = backend.fresh();
    put(&*store, b"it", b"before");
    let before = store.stat(b"it").expect("stat").expect("it is there").etag;
    let Some(before) = before else {
        assert!(backend.has_folders, "a service has etags");
        return;
    };
    let mut content = String::new();
    store.open(b"it", 1, Some(3), Some(&before)).expect("open").read_to_string(&mut content).expect("read");
    assert_eq!(content, "efo");
    put(&*store, b"it", b"after, and longer");
    let after = store.stat(b"it").expect("stat").expect("it is there").etag;
    assert_ne!(Some(&before), after.as_ref());
    let mut content = Vec::new();
    let read = store.open(b"it", 0, None, Some(&before)).and_then(|mut reader| reader.read_to_end(&mut content));
    let e = read.expect_err("it has changed");
    is_clear(&e);
    assert!(content.is_empty(), "some of it came");
}

pub fn deletes_if(backend: &Backend) {
    let (root, store) = backend.fresh();
    put(&*store, b"it", b"before");
    let identity = || {
        let found = store.stat(b"it").expect("stat").expect("it is there");
        let listed = list(&*store, b"").remove(&b"it"[..]).expect("it is listed");
        let bare = |identity: &str| identity.trim_matches('"').to_string();
        assert_eq!(found.identity().map(bare), listed.identity().map(bare), "stat and list tell the same");
        listed.identity().map(str::to_string)
    };
    if !store.deletes_if() {
        let e = store.delete_if(b"it", &identity().unwrap_or_default()).expect_err("it is not supported");
        assert_eq!(e.kind(), ErrorKind::Unsupported);
        is_clear(&e);
        return backend.holds(&root, &[(b"it", b"before")]);
    }
    let before = identity().expect("an identity");
    put(&*store, b"it", b"after");
    let after = identity().expect("an identity");
    assert_ne!(before, after);
    assert!(!store.delete_if(b"it", &before).expect("an answer"), "it is another one");
    backend.holds(&root, &[(b"it", b"after")]);
    assert!(store.delete_if(b"it", &after).expect("an answer"), "it is the same");
    backend.holds(&root, &[]);
    // It is gone: services answer one or the other.
    store.delete_if(b"it", &after).expect("an answer");
    // One in several parts.
    put(&*store, "a b/\u{fc}".as_bytes(), &bytes(1, 20 << 20));
    let large = store.stat("a b/\u{fc}".as_bytes()).expect("stat").expect("it is there");
    assert!(!store.delete_if(&large.key, &after).expect("an answer"));
    assert!(store.delete_if(&large.key, large.identity().expect("an identity")).expect("an answer"));
    backend.holds(&root, &[]);
}

pub fn dropped_readers(backend: &Backend) {
    let (_, store) = backend.fresh();
    let content = bytes(1, 20 << 20);
    put(&*store, b"it", &content);
    let start = Instant::now();
    for n in 0..40 {
        let mut some = vec![0; 10_000];
        let mut reader = store.open(b"it", n * 1000, None, None).expect("open");
        reader.read_exact(&mut some).expect("read");
        assert!(some == content[n as usize * 1000..][..10_000]);
    }
    assert!(get(&*store, b"it") == content);
    assert!(start.elapsed() < Duration::from_secs(60), "it took {:?}", start.elapsed());
}

pub fn streams(backend: &Backend) {
    let (root, store) = backend.fresh();
    for (n, size) in SIZES.into_iter().enumerate() {
        let content = bytes(n as u64, size);
        // What is known beforehand helps, but is not needed.
        for how in [Put::default(), Put { md5: Some(md5_of(&content)), size: Some(size as u64), ..Put::default() }] {
            let done = store.put(b"it", Body::Stream(&mut Noise::new(n as u64, size as u64)), &how);
            assert!(done.as_ref().is_ok_and(|d| *d), "{size} bytes, {how:?}: {done:?}");
            assert!(get(&*store, b"it") == content, "{size} bytes came back as others");
            backend.holds(&root, &[(b"it", &content)]);
        }
    }
}

pub fn failing_source(backend: &Backend) {
    let (root, store) = backend.fresh();
    for size in [0, 1000, 9 << 20, 21 << 20] {
        for if_absent in [false, true] {
            let how = Put { if_absent, ..Put::default() };
            let done = store.put(b"folder/it", Body::Stream(&mut Noise::failing(1, size)), &how);
            let e = done.expect_err("the source failed");
            is_clear(&e);
            assert!(e.to_string().contains("the disk is on fire"), "it does not tell why: {e}");
            assert_eq!(store.stat(b"folder/it").expect("stat"), None, "after {size} bytes");
            assert!(list(&*store, b"").is_empty());
            backend.holds(&root, &[]);
        }
    }
    // What was there before stays.
    put(&*store, b"folder/it", b"before");
    store.put(b"folder/it", Body::Stream(&mut Noise::failing(1, 9 << 20)), &Put::default()).expect_err("the source failed");
    backend.holds(&root, &[(b"folder/it", b"before")]);
}

pub fn wrong_digest(backend: &Backend) {
    let (root, store) = backend.fresh();
    for size in [0u64, 1000, 9 << 20, 21 << 20] {
        let content = bytes(1, size as usize);
        let right = md5_of(&content);
        for (md5, told) in [(Some(Md5([7; 16])), None), (Some(right), Some(size + 1)), (None, Some(size / 2 + 1))] {
            let how = Put { md5, size: told, ..Put::default() };
            if told == Some(size) {
                continue;
            }
            let mut stream = Noise::new(1, size);
            for (body, kind) in [(Body::Bytes(content.clone()), "bytes"), (Body::Stream(&mut stream), "a stream")] {
                let done = store.put(b"it", body, &how);
                let e = done.err().unwrap_or_else(|| panic!("{size} bytes as {kind} with {md5:?} and {told:?} were taken"));
                is_clear(&e);
                assert_eq!(e.kind(), ErrorKind::InvalidData, "{size} bytes as {kind} with {md5:?} and {told:?}: {e}");
                backend.holds(&root, &[]);
            }
        }
    }
}

pub fn puts_if_absent(backend: &Backend) {
    let (root, store) = backend.fresh();
    let how = Put { if_absent: true, ..Put::default() };
    for (n, size) in [0u64, 1000, 9 << 20, 21 << 20].into_iter().enumerate() {
        let (key, content) = (format!("folder/{size}"), bytes(n as u64, size as usize));
        let first = store.put(key.as_bytes(), Body::Stream(&mut Noise::new(n as u64, size)), &how);
        assert!(first.as_ref().is_ok_and(|d| *d), "{size} bytes: {first:?}");
        let as_bytes = store.put(key.as_bytes(), Body::Bytes(bytes(9, size as usize)), &how);
        let as_stream = store.put(key.as_bytes(), Body::Stream(&mut Noise::new(9, size + 5)), &how);
        assert!(as_bytes.as_ref().is_ok_and(|d| !*d) && as_stream.as_ref().is_ok_and(|d| !*d), "{as_bytes:?} {as_stream:?}");
        backend.holds(&root, &[(key.as_bytes(), &content)]);
        assert!(store.delete(&[key.into_bytes()])[0].is_ok());
    }
}
