//! What is not there, and what is not allowed: the right kind of error, and one clear line without secrets.

use super::{Backend, bytes, is_clear, put};
use snapshooter::internals::storage::{Body, Put, Store};
use std::io::{self, ErrorKind};

pub fn missing_objects(backend: &Backend) {
    let (_, store) = backend.fresh();
    put(&*store, b"file", b"file");
    for key in [&b"nothing"[..], b"no/such/folder/x", b"file/x"] {
        let name = String::from_utf8_lossy(key);
        assert_eq!(store.stat(key).unwrap_or_else(|e| panic!("stat {name}: {e}")), None);
        let e = super::read(&*store, key, 0, None).expect_err(&name);
        assert_eq!(e.kind(), ErrorKind::NotFound, "{name}: {e}");
        is_clear(&e);
        let gone = store.delete(&[key.to_vec()]);
        assert!(gone.len() == 1 && gone[0].is_ok(), "{name}: {gone:?}");
    }
    let gone = store.delete(&[b"nothing".to_vec(), b"file".to_vec(), b"nothing else".to_vec()]);
    assert!(gone.len() == 3 && gone.iter().all(Result::is_ok), "{gone:?}");
    assert!(super::list(&*store, b"").is_empty() && store.delete(&[]).is_empty());
}

/// What each call says, where it says an error.
fn errors(store: &dyn Store) -> Vec<(&'static str, Option<io::Error>)> {
    vec![
        ("list", store.list(b"").find_map(Result::err)),
        ("list of a folder", store.list(b"folder/").find_map(Result::err)),
        ("stat", store.stat(b"x").err()),
        ("open", super::read(store, b"x", 0, None).err()),
        ("put", store.put(b"x", Body::Bytes(b"x".to_vec()), &Put::default()).err()),
        ("put if absent", store.put(b"y", Body::Bytes(b"x".to_vec()), &Put { if_absent: true, ..Put::default() }).err()),
        ("put of a stream", store.put(b"z", Body::Stream(&mut &bytes(1, 9 << 20)[..]), &Put::default()).err()),
        ("delete", store.delete(&[b"x".to_vec()]).pop().and_then(Result::err)),
    ]
}

pub fn missing_container(backend: &Backend) {
    let root = backend.emulator.missing();
    let store = root.open();
    for (call, error) in errors(&*store) {
        let Some(e) = error else {
            // One that is not there has nothing to delete, and folders are made when something is put there.
            let is_fine = matches!(call, "stat" | "delete") || (backend.has_folders && call != "list" && call != "open");
            assert!(is_fine, "{call}: no error");
            continue;
        };
        is_clear(&e);
        assert_eq!(e.kind(), ErrorKind::NotFound, "{call}: {e}");
        println!("{}: {call}: {e}", backend.emulator.name());
    }
}

pub fn wrong_credentials(backend: &Backend) {
    let (root, store) = backend.fresh();
    put(&*store, b"x", b"before");
    let Some(denied) = backend.emulator.denied(&root) else {
        println!("{}: takes any credentials", backend.emulator.name());
        return;
    };
    let store = denied.open();
    for (call, error) in errors(&*store) {
        let e = error.unwrap_or_else(|| panic!("{call} was allowed"));
        is_clear(&e);
        assert_eq!(e.kind(), ErrorKind::PermissionDenied, "{call}: {e}");
        println!("{}: {call}: {e}", backend.emulator.name());
    }
    backend.holds(&root, &[(b"x", b"before")]);
}
