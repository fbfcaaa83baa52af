//! Networks and services that fail: connections that are cut, stall or garble a byte, and services that answer with errors.
//! Whatever counts as present afterwards is right, no read ends early without an error, and every call ends.

mod answers;
pub mod front;
pub mod logins;
mod messages;
pub mod proxy;
mod refusing;
mod services;

use self::proxy::{Fault, Kind, Proxy, Way};
use crate::storages::conformance::{Noise, bytes, get, is_clear, list};
use crate::storages::emulators::{self, Emulator, Root};
use crate::util::measure::{figure, many};
use snapshooter::internals::digest::md5_of;
use snapshooter::internals::storage::{Body, Put};
use std::io::{self, Read};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// No call may take longer, whatever the network does. A stall is to be noticed after 30 s.
const LIMIT: Duration = Duration::from_secs(120);

#[test]
fn faulty_networks_and_azure() {
    let Some(azurite) = emulators::azurite() else { return };
    Cuts::of(azurite, true).run();
}

#[test]
fn faulty_networks_and_s3() {
    let Some(moto) = emulators::moto() else { return };
    Cuts::of(moto, true).run();
}

#[test]
fn faulty_networks_and_gcs() {
    Cuts::of(emulators::fake_gcs(), true).run();
}

#[test]
fn faulty_networks_and_webdav() {
    let Some(wsgidav) = emulators::wsgidav() else { return };
    Cuts::of(wsgidav, true).run();
}

#[test]
fn faulty_networks_and_webdav_of_another_server() {
    let Some(rclone) = emulators::rclone() else { return };
    Cuts::of(rclone, true).run();
}

#[test]
fn faulty_networks_and_sftp() {
    let Some(sshd) = emulators::sshd() else { return };
    Cuts::of(sshd, false).run();
}

/// Puts and gets through faults, and counts what became of them.
struct Cuts {
    emulator: &'static dyn Emulator,
    root: Root,
    /// Whether it speaks HTTP without encryption, so that a byte of a body can be changed.
    is_plain: bool,
    counts: [AtomicU64; 6],
    longest: Mutex<Duration>,
}

const PUT_OK: usize = 0;
const PUT_FAILED: usize = 1;
const GET_OK: usize = 2;
const GET_FAILED: usize = 3;
const GARBLED: usize = 4;
const NOT_OURS: usize = 5;

impl Cuts {
    fn of(emulator: &'static dyn Emulator, is_plain: bool) -> Cuts {
        let root = emulator.fresh();
        Cuts { emulator, root, is_plain, counts: Default::default(), longest: Mutex::default() }
    }

    fn run(&self) {
        let seed = 19;
        for (kind, cases, at_once) in [
            (Kind::Cut, many(10, 200), 5),
            // They wait most of the time. Azurite stores nothing more while fifty uploads stall.
            (Kind::Stall, many(3, 50), 16),
            (Kind::Flip, many(5, 50), 5),
        ] {
            let next = AtomicU64::new(0);
            std::thread::scope(|scope| {
                for _ in 0..at_once.min(cases) {
                    scope.spawn(|| {
                        loop {
                            let n = next.fetch_add(1, Ordering::Relaxed);
                            if n >= cases {
                                break;
                            }
                            self.case(kind, seed * 1000 + n, n);
                        }
                    });
                }
            });
            let took = std::mem::take(&mut *self.longest.lock().expect("no other case failed"));
            let counts: Vec<u64> = self.counts.iter().map(|c| c.swap(0, Ordering::Relaxed)).collect();
            let counts = format!(
                "put: {} done, {} failed; got: {} right, {} failed, {} garbled; {} times told that it was there already",
                counts[PUT_OK], counts[PUT_FAILED], counts[GET_OK], counts[GET_FAILED], counts[GARBLED], counts[NOT_OURS]
            );
            let name = self.emulator.name();
            figure(19, &format!("{name}: {cases} of {kind:?}: {counts}; the longest call took {:.1} s", took.as_secs_f64()));
        }
    }

    fn count(&self, what: usize) {
        self.counts[what].fetch_add(1, Ordering::Relaxed);
    }

    /// Runs a call and asserts that it ends in time.
    fn timed<T>(&self, what: &str, call: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let out = call();
        let took = start.elapsed();
        assert!(took < LIMIT, "{what}: took {took:?}");
        let mut longest = self.longest.lock().expect("no other case failed");
        *longest = took.max(*longest);
        out
    }

    fn case(&self, kind: Kind, seed: u64, n: u64) {
        let mut random = Noise::new(seed, u64::MAX);
        let mut below = |limit: u64| {
            let mut word = [0; 8];
            random.read_exact(&mut word).expect("numbers");
            u64::from_le_bytes(word) % limit
        };
        // Stalls are to be noticed after 30 s, and large uploads may have longer.
        let sizes: &[u64] = if kind == Kind::Stall { &[300, 100_000] } else { &[300, 70_000, 1 << 20, 9 << 20, 20 << 20] };
        let size = sizes[below(sizes.len() as u64) as usize];
        // Some faults come again on the next connection; and some never stop.
        let times = if kind == Kind::Cut && below(4) == 0 { u64::MAX } else { 1 + below(2) * u64::from(kind != Kind::Stall) };
        let at = if below(3) == 0 { below(2000) } else { below(size) };
        let fault = |way| Fault { kind, way, at, times, in_bodies: kind == Kind::Flip && self.is_plain };
        let content = bytes(seed, size as usize);
        // Each in a folder of its own: while others move something to a folder, rclone may show it without what is new in it.
        let folder = format!("{kind:?}{n}/").into_bytes();
        let key = [&folder[..], b"it"].concat();
        let what = format!("{}: {kind:?} {n} of {size} bytes, {:?}", self.emulator.name(), fault(Way::Up));
        let clean = self.root.open();

        let way = if below(4) == 0 { Way::Down } else { Way::Up };
        let proxy = Proxy::before(self.emulator.port(), fault(way));
        let store = self.root.through(self.emulator, proxy.port).open();
        let how = Put {
            if_absent: below(2) == 0,
            md5: Some(md5_of(&content)).filter(|_| kind == Kind::Flip || n.is_multiple_of(2)),
            size: Some(size).filter(|_| n.is_multiple_of(3)),
            ..Put::default()
        };
        let done = self.timed(&what, || match below(2) {
            0 => store.put(&key, Body::Bytes(content.clone()), &how),
            _ => store.put(&key, Body::Stream(&mut &content[..]), &how),
        });
        drop((store, proxy));
        // What is there now, asked without faults.
        let there = clean.stat(&key).unwrap_or_else(|e| panic!("{what}: stat: {e}"));
        let listed = list(&*clean, &folder).remove(&key);
        assert_eq!(there.as_ref().map(|o| o.size), listed.as_ref().map(|o| o.size), "{what}: stat and list differ");
        if there.is_some() {
            assert!(get(&*clean, &key) == content, "{what}: what counts as present is wrong, after {done:?}");
        }
        match done {
            Ok(true) => {
                assert!(there.is_some(), "{what}: it says it is there");
                self.count(PUT_OK);
            }
            Ok(false) => {
                assert!(there.is_some() && how.if_absent, "{what}: it says it was there");
                self.count(NOT_OURS);
            }
            Err(e) => {
                is_clear(&e);
                self.count(PUT_FAILED);
            }
        }
        // Once more without faults.
        let again = clean.put(&key, Body::Bytes(content.clone()), &Put { if_absent: false, ..how });
        assert!(again.as_ref().is_ok_and(|d| *d), "{what}: again: {again:?}");

        let way = if below(4) == 0 { Way::Up } else { Way::Down };
        let proxy = Proxy::before(self.emulator.port(), fault(way));
        let store = self.root.through(self.emulator, proxy.port).open();
        let (from, len) = if below(3) == 0 { (size / 3, Some(size / 2)) } else { (0, None) };
        let expected = &content[from as usize..len.map_or(size, |len| from + len) as usize];
        let got: io::Result<Vec<u8>> = self.timed(&what, || {
            let mut out = Vec::new();
            store.open(&key, from, len, None)?.read_to_end(&mut out)?;
            Ok(out)
        });
        match got {
            Err(e) => {
                is_clear(&e);
                self.count(GET_FAILED);
            }
            Ok(got) if got == expected => self.count(GET_OK),
            // Who reads compares digests; but nothing may be missing.
            Ok(got) => {
                assert!(kind == Kind::Flip && self.is_plain && got.len() == expected.len(), "{what}: {} other bytes", got.len());
                self.count(GARBLED);
            }
        }
        drop((store, proxy));
        assert!(get(&*clean, &key) == content, "{what}: reading changed it");
    }
}
