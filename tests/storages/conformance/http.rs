//! Web servers, which can only be read, and only where names come from elsewhere.

use super::{bytes, get, is_clear, read};
use crate::storages::emulators::{Planted, http_server};
use snapshooter::internals::storage::{Body, Put};
use std::io::ErrorKind;

#[test]
fn http_conforms_as_far_as_it_can() {
    let server = http_server();
    let large = bytes(1, 3 << 20);
    let names = ["plain", "folder/a b", "pct%2Fx", "q?x#y", "100%", "a+b", "quo'te\"", "tab\there", "\u{1f600}", "cafe\u{301}"];
    let mut all: Vec<Planted> = names.iter().map(|name| Planted::new(name, format!("content of {name}"))).collect();
    all.push(Planted::new("large", &large));
    let root = server.with(&all);
    let store = root.open();
    for planted in &all {
        let key = planted.key.as_bytes();
        assert!(get(&*store, key) == planted.content, "{:?}", planted.key);
        let object = store.stat(key).expect("stat").expect("it is there");
        assert_eq!((object.key.as_slice(), object.size), (key, planted.content.len() as u64));
        assert!(object.modified.is_some());
    }
    // The server has no ranges and sends everything: what was asked for comes nevertheless.
    for (from, len) in [(0, None), (1, Some(100)), (1 << 20, None), (3 << 20, None), (4 << 20, Some(1)), (7, Some(0))] {
        let part = read(&*store, b"large", from, len).expect("read");
        let start = (from as usize).min(large.len());
        let end = len.map_or(large.len(), |len| (start + len as usize).min(large.len()));
        assert!(part == large[start..end], "from {from}, {len:?}: {} bytes", part.len());
    }
    assert_eq!(store.stat(b"nothing").expect("stat"), None);
    let missing = read(&*store, b"nothing", 0, None).expect_err("nothing is there");
    assert_eq!(missing.kind(), ErrorKind::NotFound, "{missing}");
    let listed = store.list(b"").find_map(Result::err).expect("no listing");
    assert_eq!(listed.kind(), ErrorKind::Unsupported);
    let put = store.put(b"new", Body::Bytes(Vec::new()), &Put::default()).expect_err("it can only be read");
    let deleted = store.delete(&[b"plain".to_vec()]).pop().and_then(Result::err).expect("it can only be read");
    for e in [missing, listed, put, deleted] {
        is_clear(&e);
    }
    for bad in [&b"../x"[..], b"a/../../x", b"."] {
        assert_eq!(store.stat(bad).expect_err("refused").kind(), ErrorKind::InvalidInput);
    }
    assert_eq!(get(&*store, b"plain"), b"content of plain");
}

#[test]
fn http_ends_early_only_with_an_error() {
    use crate::storages::faulty::proxy::{Fault, Kind, Proxy, Way};
    let server = http_server();
    let content = bytes(2, 1 << 20);
    let root = server.with(&[Planted::new("it", &content)]);
    for at in [0, 10, 300, 70_000, (1 << 20) - 1] {
        for times in [1, u64::MAX] {
            let fault = Fault { kind: Kind::Cut, way: Way::Down, at, times, in_bodies: false };
            let proxy = Proxy::before(server.port(), fault);
            let mut other = root.clone();
            other.url = other.url.replace(&format!(":{}", server.port()), &format!(":{}", proxy.port));
            match read(&*other.open(), b"it", 0, None) {
                Ok(read) => assert!(read == content, "cut at {at}: {} bytes", read.len()),
                Err(e) => is_clear(&e),
            }
        }
    }
}
