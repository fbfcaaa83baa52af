//! What `Store` promises, asked of every storage. One test for each storage; each runs all checks and tells all that fail.

mod bulk;
mod content;
mod http;
mod keys;
mod listing;
mod refusals;

use crate::storages::emulators::{self, Emulator, Planted, Root};
use snapshooter::internals::storage::{Body, Get, Got, Listing, Location, Object, Options, Put, Store};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// A storage under test.
pub struct Backend {
    /// What it talks to.
    pub emulator: &'static dyn Emulator,
    /// Its listings tell the md5 of what was put.
    pub lists_md5: bool,
    /// Names lie in folders there, which is seen of some names.
    pub has_folders: bool,
    /// How many objects make several pages, and how many of them this test has the time for.
    pub many: usize,
}

/// What emulators do wrong, or can't, with the reason: (emulator, check or key, reason). Nothing else is excused.
const KNOWN: &[(&str, &str, &str)] = &[
    ("memory", "a container that is missing", "a map is made when it is asked for"),
    ("memory", "streams in bounded memory", "it keeps everything in this process"),
    ("moto", "one of many large puts if absent", "the emulator looks and then puts, which takes it long with large ones"),
    ("rclone-sftp", "a source that fails leaves nothing", "it deletes a file that is open, and writes it when that is closed"),
    ("rclone-sftp", "another md5 or size leaves nothing", "the same"),
    ("rclone-webdav", "many at once", "rclone sends a WebDAV server 100 requests per second at most"),
    ("gcp-storage-emulator", "ranges", "the emulator answers ranges of empty objects with a range that is none"),
    ("gcp-storage-emulator", "reads only what still is the same", "the emulator ignores ifGenerationMatch and If-Match"),
    ("gcp-storage-emulator", "deletes only what still is the same", "the emulator ignores ifGenerationMatch"),
    ("gcp-storage-emulator", "pages", "the emulator has none, and takes minutes for thousands of objects"),
    ("gcp-storage-emulator", "one of many puts if absent", "the emulator ignores ifGenerationMatch"),
    ("gcp-storage-emulator", "one of many large puts if absent", "the emulator ignores ifGenerationMatch"),
    ("gcp-storage-emulator", "puts only if absent", "the emulator ignores ifGenerationMatch"),
];

type Check = fn(&Backend);

const CHECKS: &[(&str, Check)] = &[
    ("put, stat, open, list, delete", content::round_trip),
    ("replaces the whole", content::replaces_the_whole),
    ("ranges", content::ranges),
    ("reads only what still is the same", content::etags_are_conditions),
    ("readers that are dropped", content::dropped_readers),
    ("streams of all sizes", content::streams),
    ("streams in bounded memory", bulk::bounded_memory),
    ("a source that fails leaves nothing", content::failing_source),
    ("another md5 or size leaves nothing", content::wrong_digest),
    ("puts only if absent", content::puts_if_absent),
    ("deletes only what still is the same", content::deletes_if),
    ("one of many puts if absent", bulk::race),
    ("one of many large puts if absent", bulk::large_race),
    ("many at once", bulk::many_at_once),
    ("what listings tell", listing::what_is_told),
    ("prefixes", listing::prefixes),
    ("pages", listing::pages),
    ("markers of folders", listing::markers),
    ("a name like the root's", listing::like_the_root),
    ("keys", keys::all_keys),
    ("keys that are refused", keys::refused_keys),
    ("keys that were put by others", keys::planted_keys),
    ("what is missing", refusals::missing_objects),
    ("a container that is missing", refusals::missing_container),
    ("wrong credentials", refusals::wrong_credentials),
];

impl Backend {
    /// Runs all checks.
    fn conforms(&self) {
        let name = self.emulator.name();
        let only = std::env::var("SNAPSHOOTER_CHECK").unwrap_or_default();
        let mut wrong = String::new();
        for (what, check) in CHECKS.iter().filter(|(what, _)| what.contains(&only)) {
            if let Some(reason) = self.excuse(what) {
                println!("{name}: {what}: not checked: {reason}");
                continue;
            }
            let start = std::time::Instant::now();
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(self))) {
                let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
                let _ = writeln!(wrong, "{name}: {what}: {}", text.unwrap_or("no reason"));
            }
            println!("{name}: {what}: {:.1} s", start.elapsed().as_secs_f64());
        }
        assert!(wrong.is_empty(), "\n{wrong}");
    }

    /// Why something is not checked.
    fn excuse(&self, what: &str) -> Option<&'static str> {
        KNOWN.iter().find(|(emulator, known, _)| *emulator == self.emulator.name() && *known == what).map(|(.., reason)| *reason)
    }

    fn fresh(&self) -> (Root, Arc<dyn Store>) {
        let root = self.emulator.fresh();
        let store = self.emulator.open(&root);
        (root, store)
    }

    /// Asserts what is there behind our back, and nothing beside it.
    #[track_caller]
    fn holds(&self, root: &Root, expected: &[(&[u8], &[u8])]) {
        let there = self.emulator.there(root);
        let names: Vec<_> = there.keys().map(|k| String::from_utf8_lossy(k)).collect();
        let expected: BTreeMap<Vec<u8>, Vec<u8>> = expected.iter().map(|(k, v)| (k.to_vec(), v.to_vec())).collect();
        assert!(there == expected, "there are {names:?}, or their content is another");
    }
}

/// A map in this process, with the face of an emulator.
struct InMemory;

impl Emulator for InMemory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn port(&self) -> u16 {
        0
    }

    fn make(&self, _root: &Root) {}

    fn missing(&self) -> Root {
        let container = emulators::unique();
        let url = format!("memory://{container}");
        Root { url, options: "{}".to_string(), container, prefix: String::new() }
    }

    fn denied(&self, _root: &Root) -> Option<Root> {
        None
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        for object in objects {
            put(&*root.open(), object.key.as_bytes(), &object.content);
        }
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let store = root.open();
        list(&*store, b"").into_keys().map(|key| (key.clone(), get(&*store, &key))).collect()
    }
}

/// A folder of this machine, with the face of an emulator.
struct Local {
    path: PathBuf,
    /// It is opened for many objects, as a heap is.
    stages: bool,
}

/// A store that settles after each put: so what is told of a put is known at once.
struct Settling(Arc<dyn Store>, Mutex<()>);

impl Store for Settling {
    fn url(&self) -> &str {
        self.0.url()
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        self.0.list_in(prefix, enters)
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        self.0.stat(key)
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        self.0.get(key, get)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        let _one_at_a_time = self.1.lock().expect("a lock");
        self.0.put(key, body, how)?;
        let mut won = true;
        self.0.settle(&mut |taken| {
            assert_eq!(taken, key);
            won = false;
            Ok(false)
        })?;
        Ok(won)
    }

    fn puts_if_absent(&self) -> bool {
        self.0.puts_if_absent()
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.0.delete(keys)
    }
}

impl Local {
    fn folder(&self, root: &Root) -> PathBuf {
        emulators::folder::folder_of(&self.path, root)
    }
}

impl Emulator for Local {
    fn name(&self) -> &'static str {
        "folder"
    }

    fn open(&self, root: &Root) -> Arc<dyn Store> {
        if !self.stages {
            return root.open();
        }
        let root = Location::parse(OsStr::new(&root.url), "root", &Options::default()).expect("a folder");
        Arc::new(Settling(root.staging_store().expect("a folder"), Mutex::default()))
    }

    fn port(&self) -> u16 {
        0
    }

    fn make(&self, root: &Root) {
        std::fs::create_dir(self.folder(root)).expect("make a folder");
    }

    fn missing(&self) -> Root {
        let container = emulators::unique();
        let url = self.path.join(&container).display().to_string();
        Root { url, options: "{}".to_string(), container, prefix: String::new() }
    }

    fn denied(&self, _root: &Root) -> Option<Root> {
        None
    }

    fn plant(&self, root: &Root, objects: &[Planted]) {
        emulators::folder::plant(&self.folder(root), objects);
    }

    fn there(&self, root: &Root) -> BTreeMap<Vec<u8>, Vec<u8>> {
        emulators::folder::there(&self.folder(root))
    }
}

#[test]
fn the_folder_of_this_machine_conforms() {
    let temp = tempfile::tempdir().expect("make a folder");
    let backend = |stages| {
        let emulator: &'static Local = Box::leak(Box::new(Local { path: temp.path().to_path_buf(), stages }));
        Backend { emulator, lists_md5: false, has_folders: true, many: crate::util::measure::many(300, 12_000) }
    };
    backend(true).conforms();
    let backend = backend(false);
    backend.conforms();
    // Names of any bytes are names of files.
    let (root, store) = backend.fresh();
    put(&*store, b"not\xffutf8/x", b"x");
    assert_eq!(get(&*store, b"not\xffutf8/x"), b"x");
    assert_eq!(list(&*store, b"not\xffutf8/").into_keys().collect::<Vec<_>>(), [b"not\xffutf8/x"]);
    backend.holds(&root, &[(b"not\xffutf8/x", b"x")]);
}

#[test]
fn memory_conforms() {
    Backend { emulator: &InMemory, lists_md5: true, has_folders: false, many: 12_000 }.conforms();
}

#[test]
fn azure_conforms() {
    let Some(azurite) = emulators::azurite() else { return };
    Backend { emulator: azurite, lists_md5: true, has_folders: false, many: crate::util::measure::many(5100, 12_000) }.conforms();
}

#[test]
fn the_environment_is_as_good_as_options() {
    let mut all: Vec<(&dyn Emulator, Vec<_>)> = Vec::new();
    all.extend(emulators::azurite().map(|azurite| (azurite as &dyn Emulator, azurite.environment())));
    all.extend(emulators::moto().map(|moto| (moto as &dyn Emulator, moto.environment())));
    for (emulator, environment) in all {
        let root = emulator.fresh();
        bulk::large_one(&Root { options: "{}".to_string(), ..root.clone() }, 100_000, &environment);
        let names: Vec<_> = emulator.there(&root).into_keys().collect();
        assert_eq!(names, [&b"large"[..], b"small"], "{}", emulator.name());
    }
}

#[test]
fn s3_conforms() {
    let Some(moto) = emulators::moto() else { return };
    Backend { emulator: moto, lists_md5: false, has_folders: false, many: crate::util::measure::many(1100, 12_000) }.conforms();
}

#[test]
fn gcs_conforms() {
    Backend { emulator: emulators::fake_gcs(), lists_md5: true, has_folders: false, many: 12_000 }.conforms();
}

#[test]
fn gcs_conforms_with_another_emulator() {
    let Some(gcs) = emulators::gcs() else { return };
    Backend { emulator: gcs, lists_md5: true, has_folders: false, many: 0 }.conforms();
}

#[test]
fn webdav_conforms() {
    let Some(wsgidav) = emulators::wsgidav() else { return };
    Backend { emulator: wsgidav, lists_md5: false, has_folders: true, many: crate::util::measure::many(300, 12_000) }.conforms();
}

#[test]
fn webdav_conforms_with_another_server() {
    let Some(rclone) = emulators::rclone() else { return };
    Backend { emulator: rclone, lists_md5: false, has_folders: true, many: crate::util::measure::many(300, 12_000) }.conforms();
}

#[test]
fn sftp_conforms() {
    let Some(sshd) = emulators::sshd() else { return };
    Backend { emulator: sshd, lists_md5: false, has_folders: true, many: crate::util::measure::many(300, 12_000) }.conforms();
}

#[test]
fn sftp_conforms_with_another_server() {
    let Some(rclone) = emulators::rclone_sftp() else { return };
    Backend { emulator: rclone, lists_md5: false, has_folders: true, many: crate::util::measure::many(300, 12_000) }.conforms();
}

#[test]
fn rclone_conforms_with_a_folder() {
    Backend {
        emulator: emulators::rclone_local(),
        lists_md5: false,
        has_folders: true,
        many: crate::util::measure::many(300, 12_000),
    }
    .conforms();
}

#[test]
fn rclone_conforms_with_an_encrypted_folder() {
    Backend {
        emulator: emulators::rclone_crypt(),
        lists_md5: false,
        has_folders: true,
        many: crate::util::measure::many(300, 12_000),
    }
    .conforms();
}

#[test]
fn rclone_conforms_with_webdav() {
    let Some(webdav) = emulators::rclone_webdav() else { return };
    Backend { emulator: webdav, lists_md5: false, has_folders: true, many: crate::util::measure::many(60, 1000) }.conforms();
}

#[test]
fn rclone_conforms_with_s3() {
    let Some(s3) = emulators::rclone_s3() else { return };
    Backend { emulator: s3, lists_md5: true, has_folders: true, many: crate::util::measure::many(1100, 12_000) }.conforms();
}

/// Bytes that look random and are the same in every run.
pub fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len + 8);
    Noise { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, left: len as u64, fails: false }
        .read_to_end(&mut out)
        .expect("memory");
    out
}

/// A source of such bytes; it may fail at its end.
pub struct Noise {
    state: u64,
    left: u64,
    fails: bool,
}

impl Noise {
    /// The same bytes as [`bytes`].
    pub fn new(seed: u64, len: u64) -> Noise {
        Noise { state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, left: len, fails: false }
    }

    /// Fails after so many bytes.
    pub fn failing(seed: u64, len: u64) -> Noise {
        Noise { fails: true, ..Noise::new(seed, len) }
    }
}

impl Read for Noise {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left == 0 && self.fails {
            return Err(io::Error::other("the disk is on fire"));
        }
        // Whole words only, so that the bytes do not depend on how they are read; but for the end.
        let n = (buffer.len() as u64).min(self.left) as usize;
        let n = if n as u64 == self.left || n < 8 { n } else { n / 8 * 8 };
        for word in buffer[..n].chunks_mut(8) {
            self.state ^= self.state << 13;
            self.state ^= self.state >> 7;
            self.state ^= self.state << 17;
            word.copy_from_slice(&self.state.to_le_bytes()[..word.len()]);
        }
        self.left -= n as u64;
        Ok(n)
    }
}

/// Puts an object.
#[track_caller]
pub fn put(store: &dyn Store, key: &[u8], content: &[u8]) {
    let done = store.put(key, Body::Bytes(content.to_vec()), &Put::default());
    assert!(done.as_ref().is_ok_and(|d| *d), "put {:?}: {done:?}", String::from_utf8_lossy(key));
}

/// Gets all of an object.
#[track_caller]
pub fn get(store: &dyn Store, key: &[u8]) -> Vec<u8> {
    read(store, key, 0, None).unwrap_or_else(|e| panic!("get {:?}: {e}", String::from_utf8_lossy(key)))
}

/// Gets a part of an object.
///
/// # Errors
/// Of opening and of reading.
pub fn read(store: &dyn Store, key: &[u8], from: u64, len: Option<u64>) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    store.open(key, from, len, None)?.read_to_end(&mut content)?;
    Ok(content)
}

/// The whole listing. No key comes twice, and in order if that is promised.
#[track_caller]
pub fn list(store: &dyn Store, prefix: &[u8]) -> BTreeMap<Vec<u8>, Object> {
    let mut all: BTreeMap<Vec<u8>, Object> = BTreeMap::new();
    for object in store.list(prefix) {
        let object = object.unwrap_or_else(|e| panic!("list: {e}"));
        let key = String::from_utf8_lossy(&object.key).into_owned();
        let in_order = all.last_key_value().is_none_or(|(last, _)| *last < object.key);
        assert!(in_order || !store.lists_in_order(), "{key:?} comes out of order");
        assert!(all.insert(object.key.clone(), object).is_none(), "{key:?} comes twice");
    }
    all
}

/// Asserts that an error is one for people: one line, without secrets.
#[track_caller]
pub fn is_clear(e: &io::Error) {
    let text = format!("{e}");
    let all = format!("{e} {e:?}").to_ascii_lowercase();
    assert!(!text.is_empty() && text.len() < 400 && !text.contains(['\n', '\r', '\x1b']), "not one clear line: {text:?}");
    for secret in ["wrongsecret", "rightsecret", "eby8vdm0", "testtest", "accountkey", "sig=", "sharedkey", "bearer"] {
        assert!(!all.contains(secret), "it tells {secret}: {e} {e:?}");
    }
}
