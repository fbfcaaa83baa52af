//! Many at once, and much at once.

use super::{Backend, Noise, bytes, get, list};
use crate::storages::emulators::Root;
use crate::util::measure::many;
use snapshooter::internals::storage::{Body, Put, Store};
use std::io::Read;
use std::process::Command;
use std::sync::Barrier;

/// How much more memory than before a large transfer may need, in MiB.
const MOST: u64 = 100;

pub fn race(backend: &Backend) {
    let rounds = many(3, 20);
    for round in 0..rounds {
        let winners = race_of(backend, 32, |n| bytes(n, 1000 + 10_000 * (round + n as usize % 3)));
        println!("{}: {winners} of 32 were told that they put it", backend.emulator.name());
    }
}

pub fn large_race(backend: &Backend) {
    race_of(backend, 4, |n| bytes(n, (9 << 20) + n as usize));
}

fn race_of(backend: &Backend, threads: u64, content: impl Fn(u64) -> Vec<u8> + Sync) -> usize {
    let (root, store) = backend.fresh();
    let start = Barrier::new(threads as usize);
    let (store, content, start) = (&*store, &content, &start);
    let told: Vec<bool> = std::thread::scope(|scope| {
        let put = |n| {
            let mut body = &content(n)[..];
            start.wait();
            let how = Put { if_absent: true, ..Put::default() };
            store.put(b"folder/it", Body::Stream(&mut body), &how).unwrap_or_else(|e| panic!("put: {e}"))
        };
        let threads: Vec<_> = (0..threads).map(|n| scope.spawn(move || put(n))).collect();
        threads.into_iter().map(|t| t.join().expect("a put that ends well")).collect()
    });
    let winners: Vec<u64> = (0..threads).filter(|n| told[*n as usize]).collect();
    let there = get(store, b"folder/it");
    assert!(winners.iter().any(|n| content(*n) == there), "what is there is of none of the winners {winners:?}");
    assert!(!store.puts_if_absent() || winners.len() == 1, "{} were told that they put it", winners.len());
    backend.holds(&root, &[(b"folder/it", &there)]);
    winners.len()
}

pub fn many_at_once(backend: &Backend) {
    let (root, store) = backend.fresh();
    let key = |n: u64| format!("d{}/e{}/f{n}", n % 7, n % 3).into_bytes();
    let store = &*store;
    // Into folders that are made at the same time.
    std::thread::scope(|scope| {
        for thread in 0..32 {
            scope.spawn(move || {
                for n in (0..192).filter(|n| n % 32 == thread) {
                    super::put(store, &key(n), &bytes(n, n as usize * 100));
                    assert!(get(store, &key(n)) == bytes(n, n as usize * 100));
                }
            });
        }
    });
    assert_eq!(list(store, b"").len(), 192);
    let keys: Vec<_> = (0..192).map(key).collect();
    let gone = store.delete(&keys);
    assert!(gone.len() == 192 && gone.iter().all(Result::is_ok), "{:?}", gone.iter().find(|d| d.is_err()));
    backend.holds(&root, &[]);
}

pub fn bounded_memory(backend: &Backend) {
    let root = backend.emulator.fresh();
    let name = backend.emulator.name();
    // More than may be used; in the full tier so much that parts have to grow. One emulator copies all that it has with each
    // part that comes, and would need an hour for that.
    let size: u64 = if name == "gcp-storage-emulator" { 160 << 20 } else { many(160 << 20, 5 << 30) };
    let grown = large_one(&root, size, &[]);
    println!("{name}: {} MiB put and got as a stream: {} and {} MiB more memory", size >> 20, grown[0], grown[1]);
    assert!(grown.iter().all(|mib| *mib < MOST), "memory grew by {grown:?} MiB");
}

/// Puts and gets a large object in a process of its own, with some more environment. Gives by how many MiB its memory grew with
/// the first, and with both.
pub fn large_one(root: &Root, size: u64, environment: &[(&'static str, String)]) -> Vec<u64> {
    let tests = std::env::current_exe().expect("this program");
    let mut command = Command::new(tests);
    command.args(["--exact", "storages::conformance::bulk::put_and_get_a_large_one", "--ignored", "--nocapture"]);
    command.env("LARGE_URL", &root.url).env("LARGE_OPTIONS", &root.options).env("LARGE_SIZE", size.to_string());
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = command.output().expect("run the tests' program again");
    let text = String::from_utf8_lossy(&output.stdout);
    let grown: Vec<u64> =
        text.lines().filter_map(|line| line.split_once("grown by ")).map(|(_, n)| n.trim().parse().expect("a number")).collect();
    assert!(output.status.success() && grown.len() == 2, "{text}{}", String::from_utf8_lossy(&output.stderr));
    grown
}

/// What [`large_one`] runs in a process of its own.
#[test]
#[ignore = "a part of another test"]
fn put_and_get_a_large_one() {
    let variable = |name| std::env::var(name).expect("set by the other test");
    let size: u64 = variable("LARGE_SIZE").parse().expect("a number");
    let (url, options) = (variable("LARGE_URL"), variable("LARGE_OPTIONS"));
    let store = Root { url, options, container: String::new(), prefix: String::new() }.open();
    // Connections, runtime and all that.
    super::put(&*store, b"small", b"small");
    let before = peak();
    assert!(store.put(b"large", Body::Stream(&mut Noise::new(1, size)), &Put::default()).expect("put"));
    println!("grown by {}", (peak() - before) >> 10);
    check(&*store, size);
    println!("grown by {}", (peak() - before) >> 10);
}

fn check(store: &dyn Store, size: u64) {
    let (mut reader, mut expected) = (store.open(b"large", 0, None, None).expect("open"), Noise::new(1, size));
    let (mut there, mut wanted) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut left = size;
    while left > 0 {
        let n = left.min(1 << 20) as usize;
        reader.read_exact(&mut there[..n]).expect("read");
        expected.read_exact(&mut wanted[..n]).expect("memory");
        assert!(there[..n] == wanted[..n], "others in the last {left} bytes");
        left -= n as u64;
    }
    assert_eq!(reader.read(&mut there).expect("the end"), 0);
}

/// The most memory that this process had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("status");
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:")).expect("a line");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
