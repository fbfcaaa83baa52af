//! Keys: what was put under a name is found under that name and no other, or the name is refused.

use super::{Backend, bytes, get, is_clear, list};
use crate::storages::emulators::Planted;
use snapshooter::internals::storage::{Body, Put};
use std::collections::BTreeMap;
use std::io::ErrorKind;

/// Names that somebody has taken for others once.
const KEYS: [&str; 52] = [
    "plain",
    "trail ",
    " lead",
    "in side",
    "sp ace/ both /x",
    "a//b",
    "//x",
    "/y",
    "z/",
    "/",
    "dots..",
    "..dots",
    "...",
    ".hidden",
    "e/..f",
    "trail.",
    "tab\there",
    "new\nline",
    "return\r",
    "\u{1}control",
    "delete\u{7f}",
    "back\\slash",
    "..\\up",
    "pct%2Fx",
    "100%",
    "%",
    "%zz",
    "%25",
    "q?x#y",
    "#",
    "a+b",
    "a b+c%20d",
    "x&y=z;w,v",
    "quo'te",
    "\"double\"",
    "<tag>&amp;",
    "colon:at@bang!",
    "http://host/x",
    "star*[b]{c}",
    "p|q^`~$(r)",
    "caf\u{e9}",
    "cafe\u{301}",
    "\u{4e2d}\u{6587}",
    "\u{fb01}",
    "\u{1f600}",
    "\u{202e}turned",
    "\u{feff}bom",
    "\u{e000}private",
    "\u{fffd}",
    "\u{2028}line",
    "UPPER",
    "upper",
];

/// What emulators get wrong of what other people's libraries put there, too: (emulator, key, reason).
const KNOWN: &[(&str, &str, &str)] = &[
    ("azurite", "\u{1}control", "it can't list a container with such a name"),
    ("gcp-storage-emulator", "..\\up", "it takes it for a path, and closes the connection"),
    ("moto", "new\nline", "it does not find its own objects of such names"),
    ("wsgidav", "q?x#y", "it takes what stands behind ? # ; of the destination of a MOVE for something else"),
    ("wsgidav", "x&y=z;w,v", "the same"),
    ("wsgidav", "<tag>&amp;", "the same"),
    ("rclone", "tab\there", "it makes pictures of control characters"),
    ("rclone-sftp", "tab\there", "the same"),
    ("rclone-sftp", "new\nline", "the same"),
    ("rclone-sftp", "return\r", "the same"),
    ("rclone-sftp", "\u{1}control", "the same"),
    ("rclone-sftp", "delete\u{7f}", "the same"),
    ("rclone-local", "tab\there", "the same"),
    ("rclone-crypt", "tab\there", "the same"),
    ("rclone-webdav", "tab\there", "the same"),
    ("rclone-s3", "tab\there", "the same"),
    ("rclone-crypt", "caf\u{e9}", "`rclone copy`, with which the test looks, takes the two forms of this letter for one"),
    ("rclone-webdav", "q?x#y", "wsgidav takes what stands behind ? # ; of the destination of a MOVE for something else"),
    ("rclone-webdav", "x&y=z;w,v", "the same"),
    ("rclone-webdav", "<tag>&amp;", "the same"),
    ("moto", "return\r", "it lists it without an entity, and XML makes a line feed of it"),
];

fn is_known(backend: &Backend, key: &str) -> bool {
    KNOWN.iter().any(|(emulator, known, _)| *emulator == backend.emulator.name() && *known == key)
}

fn long() -> Vec<String> {
    vec!["n".repeat(255), ["d".repeat(200), "e".repeat(200), "f".repeat(200)].join("/"), "\u{1f600}".repeat(60)]
}

pub fn all_keys(backend: &Backend) {
    let (root, store) = backend.fresh();
    let mut wrong = Vec::new();
    let mut expected: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    let mut refused = Vec::new();
    let keys = KEYS.iter().map(ToString::to_string).chain(long());
    for (n, key) in keys.filter(|key| !is_known(backend, key)).enumerate() {
        let content = bytes(n as u64, 10 + n);
        match store.put(key.as_bytes(), Body::Bytes(content.clone()), &Put::default()) {
            Ok(true) => drop(expected.insert(key.into_bytes(), content)),
            Ok(false) => wrong.push(format!("{key:?}: it was there already")),
            Err(e) => {
                is_clear(&e);
                if e.kind() != ErrorKind::InvalidInput {
                    wrong.push(format!("{key:?}: refused as {:?}: {e}", e.kind()));
                }
                for (what, refused) in [
                    ("stat", store.stat(key.as_bytes()).map(|found| found.is_none())),
                    ("open", store.open(key.as_bytes(), 0, None, None).map(|_| false)),
                ] {
                    if refused.as_ref().is_ok_and(|none| !none) {
                        wrong.push(format!("{key:?}: can't be put, but {what} finds something"));
                    }
                }
                refused.push(key);
            }
        }
    }
    println!("{}: {} keys, and refused: {refused:?}", backend.emulator.name(), expected.len());
    let there = backend.emulator.there(&root);
    let listed = list(&*store, b"");
    for (key, content) in &expected {
        let name = String::from_utf8_lossy(key);
        let found = there.get(key);
        if found != Some(content) {
            wrong.push(format!("{name:?}: it is {} behind our back", if found.is_some() { "another" } else { "not there" }));
        }
        match listed.get(key) {
            None => wrong.push(format!("{name:?}: not listed")),
            Some(object) if object.size != content.len() as u64 => wrong.push(format!("{name:?}: another size")),
            Some(_) => {}
        }
        match super::read(&*store, key, 0, None) {
            Ok(read) if read == *content => {}
            Ok(_) => wrong.push(format!("{name:?}: another content")),
            Err(e) => wrong.push(format!("{name:?}: listed, but can't be read: {e}")),
        }
        let stat = store.stat(key);
        if !stat.as_ref().is_ok_and(|o| o.as_ref().is_some_and(|o| o.key == *key && o.size == content.len() as u64)) {
            wrong.push(format!("{name:?}: stat says {stat:?}"));
        }
    }
    for key in there.keys().chain(listed.keys()).filter(|key| !expected.contains_key(*key)) {
        wrong.push(format!("{:?}: is there, but nobody put it", String::from_utf8_lossy(key)));
    }
    // Whatever is deleted is just that.
    let keys: Vec<_> = expected.keys().cloned().collect();
    let (half, rest) = keys.split_at(keys.len() / 2);
    for (keys, left) in [(half, rest), (rest, &[][..])] {
        for (key, gone) in keys.iter().zip(store.delete(keys)) {
            if let Err(e) = gone {
                wrong.push(format!("{:?}: can't be deleted: {e}", String::from_utf8_lossy(key)));
            }
        }
        let there: Vec<_> = list(&*store, b"").into_keys().collect();
        if there != left {
            let differ = |key: &&Vec<u8>| there.contains(key) != left.contains(key);
            let odd: Vec<_> = keys.iter().chain(left).chain(&there).filter(differ).map(|k| String::from_utf8_lossy(k)).collect();
            wrong.push(format!("deleted too much or too little: {odd:?}"));
        }
    }
    assert!(wrong.is_empty(), "\n  {}", wrong.join("\n  "));
}

pub fn refused_keys(backend: &Backend) {
    let (root, _) = backend.fresh();
    backend.emulator.plant(&root, &[Planted::new("secret", "s"), Planted::new("in/x", "x")]);
    let store = root.below("in").open();
    let bad: [&[u8]; 11] =
        [b"", b"..", b".", b"../secret", b"x/../../secret", b"a/../x", b"a/./x", b"./x", b"a/..", b"nul\0", b"not\xffutf8"];
    // A folder of this machine has files of any name.
    let takes = |key: &[u8]| backend.emulator.name() == "folder" && std::str::from_utf8(key).is_err();
    for key in bad.into_iter().filter(|key| !takes(key)) {
        let name = String::from_utf8_lossy(key);
        let put = store.put(key, Body::Bytes(b"bad".to_vec()), &Put::default()).expect_err(&name);
        let stat = store.stat(key).expect_err(&name);
        let open = store.open(key, 0, None, None).map(drop).expect_err(&name);
        let deleted = store.delete(&[b"nothing".to_vec(), key.to_vec(), b"nothing too".to_vec()]);
        assert!(deleted.len() == 3 && deleted[0].is_ok() && deleted[2].is_ok(), "{name:?}: {deleted:?}");
        let delete = deleted.into_iter().nth(1).expect("three").expect_err(&name);
        for e in [put, stat, open, delete] {
            assert_eq!(e.kind(), ErrorKind::InvalidInput, "{name:?}: {e}");
            is_clear(&e);
        }
    }
    backend.holds(&root, &[(b"secret", b"s"), (b"in/x", b"x")]);
}

/// Those that other programs put there: listed and read, or told that they can't be; never taken for another, and never in
/// the way of the rest.
pub fn planted_keys(backend: &Backend) {
    let (root, store) = backend.fresh();
    let name = backend.emulator.name();
    let odd = [
        "trail ",
        " lead",
        "a//b",
        "//x",
        "pct%2Fx",
        "q?x#y",
        "tab\there",
        "100%",
        "a+b",
        "\u{1f600}",
        "cafe\u{301}",
        "\u{fb01}",
    ];
    let known = |key: &str| backend.emulator.name().starts_with("rclone") && is_known(backend, key);
    let odd = odd.into_iter().filter(|key| !(known(key) || backend.has_folders && key.contains("//")));
    let all: Vec<Planted> = odd.chain(["before", "zzz"]).map(|key| Planted::new(key, format!("content of {key}"))).collect();
    backend.emulator.plant(&root, &all);
    let listed: Vec<_> = list(&*store, b"").into_keys().collect();
    let mut expected: Vec<_> = all.iter().map(|p| p.key.clone().into_bytes()).collect();
    expected.sort();
    assert_eq!(listed, expected, "{name}");
    for planted in &all {
        assert!(get(&*store, planted.key.as_bytes()) == planted.content, "{name}: {:?}", planted.key);
    }
}
