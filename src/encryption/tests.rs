use super::keys::Recipients;
use super::marker::Marker;
use super::naming::{NamingKey, Use};
use super::note::noted_size;
use super::{Cipher, Keys};
use crate::digest::{Md5, Sha256};
use crate::storage::{Body, Location, Options, Put, Store};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

/// The values of the test vectors in doc/format.md.
fn vector(name: &str) -> &'static str {
    let blocks = include_str!("../../doc/format.md").split("```vectors\n").skip(1).filter_map(|rest| rest.split("```").next());
    let line = |line: &'static str| line.split_once(' ').filter(|(key, _)| *key == name).map(|(_, value)| value);
    blocks.flat_map(str::lines).find_map(line).unwrap_or_else(|| panic!("no vector {name}"))
}

fn hex(bytes: [u8; 32]) -> String {
    Sha256(bytes).to_string()
}

#[test]
fn the_test_vectors_of_the_format_hold() {
    let key: Vec<u8> = (0..32).collect();
    assert_eq!(STANDARD.encode(key), vector("naming_key_base64"));
    let naming = NamingKey::parse(vector("naming_key_base64").as_bytes()).unwrap();
    let id = naming.id(&Md5::parse(vector("md5")).unwrap());
    assert_eq!(id.to_string(), vector("id"));
    let len: u64 = vector("note_len").parse().unwrap();
    let note = naming.code(Use::Note, &[&id.0, &len.to_le_bytes()]);
    assert_eq!(hex(note), vector("note_code"));
    assert_eq!(STANDARD_NO_PAD.encode(note), vector("note_body"));
    assert_eq!(hex(naming.code(Use::Snapshot, &[&[0; 12]])), vector("snapshot_code"));
    let text = "1\n000102030405060708090a0b0c0d0e0f\na2V5\nage1example\n";
    assert_eq!(STANDARD.encode(naming.code(Use::Marker, &[text.as_bytes()])), vector("encryption_json_code"));
}

/// Keys of new files in a folder: an identity, its recipient, and a place for what a machine keeps.
fn keys(folder: &Path, name: &str) -> Keys {
    let identity = age::x25519::Identity::generate();
    let secret = folder.join(format!("{name}.key"));
    std::fs::write(&secret, age::secrecy::ExposeSecret::expose_secret(&identity.to_string())).unwrap();
    let public = folder.join(format!("{name}.pub"));
    std::fs::write(&public, format!("# a comment\n\n{}\n", identity.to_public())).unwrap();
    let keys = Keys { state: Some(folder.join(format!("{name}.state"))), ..Keys::default() };
    keys.with_identities(&secret, "identity").unwrap().with_recipients(&public, "recipients").unwrap()
}

fn store(name: &str) -> Arc<dyn Store> {
    Location::parse(format!("memory://{name}").as_ref(), "", &Options::default()).unwrap().store()
}

fn writing(store: &Arc<dyn Store>, keys: &Arc<Keys>) -> crate::error::Result<Option<Cipher>> {
    Cipher::for_writing(&**store, keys, || Ok(true), false)
}

#[test]
fn an_object_is_read_by_its_recipients_and_its_size_is_known_to_writers() {
    let folder = tempfile::tempdir().unwrap();
    let keys = Arc::new(keys(folder.path(), "a"));
    let cipher = writing(&store("encryption-object"), &keys).unwrap().unwrap();
    let id = cipher.id(&Md5([7; 16]));
    for len in [0usize, 1, 65_535, 65_536, 65_537, 200_000] {
        let plain = vec![3; len];
        let sealed = cipher.seal_object(&id, len as u64, &plain[..], Vec::new()).unwrap();
        let mut back = Vec::new();
        cipher.unseal(&sealed[..]).unwrap().read_to_end(&mut back).unwrap();
        assert!(back == plain, "{len}");
        let head = &sealed[..sealed.len().min(16 << 10)];
        assert_eq!(cipher.noted_size(&id, head), Some(sealed.len() as u64), "{len}");
        // The note is for this id alone, and nobody without the naming key can make one.
        assert_eq!(cipher.noted_size(&cipher.id(&Md5([8; 16])), head), None);
        let other = NamingKey::random().unwrap();
        assert_eq!(noted_size(&other, &id, head), None);
        for cut in [0, 1, 22, 60, 100] {
            assert_eq!(cipher.noted_size(&id, &head[..cut]), None);
        }
        // Each changed byte is found, in the header and behind it.
        for at in (0..sealed.len()).step_by(sealed.len() / 64 + 1).chain([sealed.len() - 1]) {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            let read = cipher.unseal(&changed[..]).and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
            assert!(read.is_err_and(|e| e.raw_os_error().is_none()), "byte {at} of {len}");
        }
        for cut in [0, 10, sealed.len() / 2, sealed.len() - 1] {
            let read = cipher.unseal(&sealed[..cut]).and_then(|mut reader| reader.read_to_end(&mut Vec::new()));
            assert!(read.is_err(), "{cut} bytes of {len}");
        }
    }
}

#[test]
fn who_has_no_key_of_the_heap_is_told_which_one_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let store = store("encryption-keys");
    let ours = Arc::new(keys(folder.path(), "ours"));
    let cipher = writing(&store, &ours).unwrap().unwrap();
    let id = cipher.id(&Md5([7; 16]));
    // Another machine with the identity, one with the key file alone, and one with another identity.
    let state = |keys: Keys, name: &str| Arc::new(Keys { state: Some(folder.path().join(name)), ..keys });
    let secret = folder.path().join("ours.key");
    let reader = state(Keys::default().with_identities(&secret, "identity").unwrap(), "reader");
    let cipher = Cipher::open(&*store, &reader).unwrap().unwrap();
    assert!(cipher.id(&Md5([7; 16])) == id && cipher.check_can_read("x").is_ok());
    let none = Arc::new(Keys { state: ours.state.clone(), ..Keys::default() });
    let cipher = Cipher::open(&*store, &none).unwrap().unwrap();
    assert!(cipher.id(&Md5([7; 16])) == id && cipher.check_can_read("x").is_err());
    let stranger = keys(folder.path(), "stranger");
    let e = Cipher::open(&*store, &Arc::new(stranger)).unwrap_err();
    assert_eq!(*e.refusal(), crate::error::Refusal::WrongIdentity);
    let e = Cipher::open(&*store, &state(Keys::default(), "empty")).unwrap_err();
    assert_eq!(*e.refusal(), crate::error::Refusal::NoIdentity);
    let e = Cipher::for_writing(&*store, &none, || Ok(true), false).unwrap_err();
    assert_eq!(*e.refusal(), crate::error::Refusal::NoRecipients);
}

#[test]
fn a_replaced_encryption_json_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (store("encryption-ours"), store("encryption-theirs"));
    let keys = Arc::new(keys(folder.path(), "a"));
    writing(&ours, &keys).unwrap().unwrap();
    writing(&theirs, &keys).unwrap().unwrap();
    let put = |text: &[u8]| ours.put(super::marker::FILE.as_bytes(), Body::Bytes(text.to_vec()), &Put::default()).unwrap();
    let text = |store: &Arc<dyn Store>| {
        let mut text = String::new();
        store.open(super::marker::FILE.as_bytes(), 0, None, None).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    let right = text(&ours);
    // That of another heap, to the same recipients: this machine remembers which one it was.
    put(text(&theirs).as_bytes());
    assert!(Cipher::open(&*ours, &keys).unwrap_err().to_string().contains("another encrypted heap"));
    // Other recipients, with the key and the code of the right one.
    put(right.replace("age1", "age1x").as_bytes());
    assert!(Cipher::open(&*ours, &keys).unwrap_err().to_string().contains("damaged, or somebody"));
    for broken in ["", "{", "{\"version\":1}", &right.replace("\"version\":1", "\"version\":2"), &right[..right.len() / 2]] {
        put(broken.as_bytes());
        assert!(Cipher::open(&*ours, &keys).is_err(), "{broken}");
    }
    put(right.as_bytes());
    assert!(Cipher::open(&*ours, &keys).unwrap().is_some());
    // Gone: a machine that knows the heap does not take it for a plain or a new one.
    assert!(ours.delete(&[super::marker::FILE.as_bytes().to_vec()]).iter().all(Result::is_ok));
    assert!(Cipher::open(&*ours, &keys).is_err() && writing(&ours, &keys).is_err());
}

#[test]
fn new_recipients_can_read_the_naming_key_and_old_ones_still_can() {
    let folder = tempfile::tempdir().unwrap();
    let store = store("encryption-rotation");
    let old = Arc::new(keys(folder.path(), "old"));
    let id = writing(&store, &old).unwrap().unwrap().id(&Md5([1; 16]));
    let new = keys(folder.path(), "new");
    // The machine is the same: it has the key file.
    let new = Arc::new(Keys { state: old.state.clone(), ..new });
    writing(&store, &new).unwrap().unwrap();
    let marker = Marker::read(&*store).unwrap().unwrap();
    for keys in [&old, &new] {
        assert_eq!(marker.naming(keys.identities()).unwrap().id(&Md5([1; 16])), id);
    }
    assert_eq!(marker.recipients.len(), 2);
}

#[test]
fn files_with_something_else_are_refused_without_showing_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = folder.path().join("file");
        std::fs::write(&path, text).unwrap();
        path
    };
    let secret = age::x25519::Identity::generate().to_string();
    let secret = age::secrecy::ExposeSecret::expose_secret(&secret);
    for bad in [secret, "", "# nothing\n", "age1abc\n", "ssh-dss AAAA x\n"] {
        let e = Keys::default().with_recipients(&file(bad), "--recipients-file").unwrap_err();
        assert!(!format!("{e}{:?}", e.help()).contains("AGE-SECRET"), "{e}");
    }
    for bad in ["", "age1abc\n", "AGE-SECRET-KEY-1ABC\n", "age-encryption.org/v1\n-> scrypt a 18\n", "-----BEGIN X-----\n"] {
        assert!(Keys::default().with_identities(&file(bad), "--identity-file").is_err(), "{bad}");
    }
    assert!(Recipients::of(["age1x"].into_iter()).is_none());
    let shown = format!("{:?} {:?}", Keys::default().with_identities(&file(secret), "x").unwrap(), NamingKey::random().unwrap());
    assert_eq!(shown, "Keys NamingKey");
}
