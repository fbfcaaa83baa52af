//! The bodies of the fuzz targets, without a nightly compiler: the kept corpora, and mutations of them.

use crate::util::measure::{figure, many};
use crate::util::random::Random;
use std::path::Path;
use std::time::{Duration, Instant};

#[path = "../../fuzz/bodies.rs"]
mod bodies;

type Body = fn(&[u8]);

const TARGETS: [(&str, Body); 6] = [
    ("record", bodies::record),
    ("gzip", bodies::gzip),
    ("snapshot", bodies::snapshot),
    ("diff", bodies::diff),
    ("names", bodies::names),
    ("listings", bodies::listings),
];

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut files: Vec<_> = folder.read_dir().expect("a corpus").map(|e| e.expect("its files").path()).collect();
    files.sort();
    files.iter().map(|f| std::fs::read(f).expect("read a file of a corpus")).collect()
}

/// Pieces that parsers stumble over.
const PIECES: [&[u8]; 20] = [
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\udc80",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"null",
    b"1e999",
    b"-0",
    b"18446744073709551615",
    b"\xff",
    b"\xed\xb2\x80",
    b"\x1f\x8b\x08",
    b"\n",
    b"\0",
];

fn mutate(data: &mut Vec<u8>, all: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.below(4) {
        let at = random.below(data.len() + 1);
        match random.below(7) {
            0 if at < data.len() => data[at] ^= 1 << random.below(8),
            1 if at < data.len() => data[at] = random.below(256) as u8,
            2 => data.truncate(at),
            3 => drop(data.splice(at..at, PIECES[random.below(PIECES.len())].iter().copied())),
            4 => {
                let end = (at + random.below(20)).min(data.len());
                data.drain(at..end);
            }
            5 => {
                let end = (at + random.below(30)).min(data.len());
                let copy = data[at..end].to_vec();
                let to = random.below(data.len() + 1);
                data.splice(to..to, copy);
            }
            _ => {
                let other = &all[random.below(all.len())];
                let from = random.below(other.len() + 1);
                data.truncate(at);
                data.extend_from_slice(&other[from..]);
            }
        }
    }
}

#[test]
fn the_kept_corpora_and_their_mutations_hold() {
    let limit = many(Duration::from_millis(1500), Duration::from_secs(120));
    let seed = std::env::var("SNAP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(0x9e37_79b9_7f4a_7c15);
    for (target, body) in TARGETS {
        let all = corpus(target);
        assert!(!all.is_empty());
        all.iter().for_each(|data| body(data));
        let (mut random, start, mut runs) = (Random(seed), Instant::now(), 0u64);
        while start.elapsed() < limit {
            let mut data = all[random.below(all.len())].clone();
            mutate(&mut data, &all, &mut random);
            let kept = data.clone();
            if let Err(panic) = std::panic::catch_unwind(|| body(&kept)) {
                eprintln!("{target} fails with b\"{}\"", data.escape_ascii());
                std::panic::resume_unwind(panic);
            }
            runs += 1;
        }
        figure(24, &format!("{target}: {} kept inputs and {runs} mutations of them, 0 failures", all.len()));
    }
}
