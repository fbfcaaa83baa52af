//! Laws of objects of many members: they hold what was stored, whatever it is, and damage in them is found.

use super::object::PIECE;
use super::path::{Stored, WHOLE_LIMIT};
use super::proof::LARGE;
use super::{Health, Heap, Names};
use crate::content::{Content, Contents};
use crate::digest::Digests;
use crate::record::Record;
use crate::source;
use crate::storage::Location;
use proptest::prelude::*;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A run of bytes of one kind: zeros, noise or text.
type Run = (u8, usize);

fn bytes_of(runs: &[Run]) -> Vec<u8> {
    let mut x = 1u64;
    let mut noise = || {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (x >> 33) as u8
    };
    let byte = |kind: u8| match kind {
        0 => 0,
        1 => noise(),
        _ => b"some text "[usize::from(noise() % 10)],
    };
    runs.iter().flat_map(|(kind, len)| std::iter::repeat_n(*kind, *len)).map(byte).collect()
}

/// Lengths that end at a border of pieces, of groups of pieces or of blocks, or near it.
fn length() -> impl Strategy<Value = usize> {
    let whole = prop_oneof![
        (0..4usize).prop_map(|n| n * PIECE),
        Just(WHOLE_LIMIT as usize),
        Just(LARGE as usize),
        (1..400usize).prop_map(|n| n * 4096),
        0..200_000usize,
    ];
    (whole, 0..5usize).prop_map(|(len, more)| (len + more).saturating_sub(2))
}

/// Writes the runs of zeros as holes.
fn write(path: &Path, runs: &[Run], content: &[u8]) {
    let file = File::create(path).unwrap();
    file.set_len(content.len() as u64).unwrap();
    let mut at = 0;
    for (kind, len) in runs {
        if *kind > 0 {
            file.write_all_at(&content[at..at + len], at as u64).unwrap();
        }
        at += len;
    }
}

/// Stores the file `f`, and returns the path of its object.
fn store(folder: &Path) -> (Heap, Stored, std::path::PathBuf) {
    let source = source::open(&Location::Folder(folder.join("files"))).unwrap();
    let mut opened = source.open(&Record::parse(br#"{"name":"f"}"#).unwrap()).unwrap();
    let heap = Heap::create(&Location::Folder(folder.join("heap")), 1).unwrap();
    let stored = heap.store(&mut opened.content, opened.version.size.unwrap(), None, false).unwrap();
    assert_eq!(opened.content.settle(&stored).unwrap(), source::Settled::Whole);
    heap.commit().unwrap();
    let path = folder.join("heap").join(Names::default().path(&stored.md5));
    (heap, stored, path)
}

fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("files")).unwrap();
    folder
}

/// The content of a record, as far as it can be read.
fn read(heap: &Heap, stored: &Stored, with_sha256: bool) -> (Vec<u8>, io::Result<()>) {
    let sha256 = if with_sha256 { format!(r#","sha256":"{}""#, stored.sha256) } else { String::new() };
    let record = format!(r#"{{"name":"f","md5":"{}","size":{}{sha256}}}"#, stored.md5, stored.size);
    let mut read = Vec::new();
    let whole = match heap.content(&Record::parse(record.as_bytes()).unwrap()) {
        Ok(Content::Whole(bytes)) => {
            read = bytes;
            Ok(())
        }
        Ok(Content::Stream(mut content)) => content.read_to_end(&mut read).map(drop),
        Err(lack) => Err(io::Error::other(format!("{lack:?}"))),
    };
    (read, whole)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_object_holds_what_was_stored(runs in prop::collection::vec((0..3u8, length()), 0..6)) {
        let (folder, content) = (folder(), bytes_of(&runs));
        write(&folder.path().join("files/f"), &runs, &content);
        let (heap, stored, path) = store(folder.path());
        let digests = Digests::of(&content);
        prop_assert_eq!((stored.md5, stored.sha256, stored.size), (digests.0, digests.1, content.len() as u64));
        for with_sha256 in [false, true] {
            let (back, whole) = read(&heap, &stored, with_sha256);
            whole.unwrap();
            prop_assert!(back == content);
        }
        prop_assert_eq!(heap.check_ends(&stored.md5, Some(stored.size)).unwrap(), heap.verify(&stored.md5, None).unwrap());
        let mut other = Vec::new();
        flate2::read::MultiGzDecoder::new(File::open(&path).unwrap()).read_to_end(&mut other).unwrap();
        prop_assert!(other == content, "another reader of gzip reads something else");
        // Holes make no other object than zeros.
        let again = tempfile::tempdir().unwrap();
        let whole = Heap::create(&Location::Folder(again.path().into()), 1).unwrap();
        whole.store(&mut &content[..], stored.size, None, false).unwrap();
        whole.commit().unwrap();
        prop_assert!(std::fs::read(again.path().join(Names::default().path(&stored.md5))).unwrap() == std::fs::read(&path).unwrap());
    }
}

#[test]
fn damage_anywhere_in_a_large_object_is_found_at_its_end_or_before() {
    let runs = [(1, PIECE), (0, LARGE as usize), (2, 3 * PIECE), (1, 7)];
    let (folder, content) = (folder(), bytes_of(&runs));
    write(&folder.path().join("files/f"), &runs, &content);
    let (heap, stored, path) = store(folder.path());
    let good = std::fs::read(&path).unwrap();
    let first_member = u32::from_le_bytes(good[16..20].try_into().unwrap()) as usize;
    // In stored bytes, in the CRC of a member, and in the CRC and the length of the last one.
    let mut damaged: Vec<Vec<u8>> = [PIECE - 100, first_member - 6, good.len() - 7, good.len() - 3]
        .into_iter()
        .map(|at| {
            let mut bytes = good.clone();
            bytes[at] ^= 1;
            bytes
        })
        .collect();
    damaged.push(good[..good.len() - 1].to_vec());
    damaged.push([&good[..], b"garbage"].concat());
    // A whole member is missing, or is there twice.
    damaged.push(good[..first_member].to_vec());
    damaged.push(good[first_member..].to_vec());
    damaged.push([&good[..first_member], &good].concat());
    for (n, bytes) in damaged.iter().enumerate() {
        std::fs::write(&path, bytes).unwrap();
        let (back, whole) = read(&heap, &stored, n % 2 == 0);
        assert!(whole.is_err() && back.len() <= content.len(), "{n}: {whole:?}");
        assert_eq!(heap.verify(&stored.md5, Some(stored.size)).unwrap(), Health::Bad, "{n}");
    }
    std::fs::write(&path, &good).unwrap();
    // More than a few readers at once, some of which are given up.
    std::thread::scope(|scope| {
        for n in 0..6 {
            let (heap, stored, content) = (&heap, &stored, &content);
            scope.spawn(move || {
                let record = format!(r#"{{"name":"f","md5":"{}","size":{}}}"#, stored.md5, stored.size);
                if let Ok(Content::Stream(mut stream)) = heap.content(&Record::parse(record.as_bytes()).unwrap()) {
                    stream.read_exact(&mut [0; 9]).unwrap();
                }
                if n % 2 == 0 {
                    assert!(read(heap, stored, true).0 == *content);
                }
            });
        }
    });
}
