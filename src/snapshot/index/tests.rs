//! Tests with small members, so that the index of a few thousand records has several levels.

use super::*;
use crate::record::Kind;
use crate::snapshot::{self, Label, Publisher};
use crate::storage::Location;
use crate::time::Time;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

fn name(n: usize) -> Name {
    Name::new(format!("folder/of/quite/a/long/name/{n:06}").into_bytes())
}

fn record(name: &Name) -> Record {
    Record::build(name.clone(), Kind::File).finish()
}

/// Publishes a snapshot with two records in each member.
fn publish(root: &Path, names: impl IntoIterator<Item = Name>) -> Place {
    publish_to(&Location::Folder(root.to_path_buf()), names)
}

fn publish_to(root: &Location, names: impl IntoIterator<Item = Name>) -> Place {
    let label = Label { v: 1, ..Label::default() };
    let mut publisher = Publisher::default();
    let mut size = None;
    for name in names {
        let record = record(&name);
        let size = *size.get_or_insert(2 * record.text().len() + 2);
        publisher = publisher.with_members_of(size);
        publisher.push(&record).unwrap();
    }
    publisher.finish(root, Time { sec: 1_700_000_000, nsec: 0 }, &label, 0).unwrap()
}

fn path(place: &Place) -> PathBuf {
    PathBuf::from(place.as_given())
}

fn found(index: &Index, names: &impl RangeBounds<Name>) -> Vec<Name> {
    index.records(names).unwrap().map(|r| r.unwrap().name().clone()).collect()
}

#[test]
fn one_name_and_any_range_are_found_in_few_members() {
    for (members, level) in [(1, 1), (5, 1), (2_000, 2)] {
        let folder = tempfile::tempdir().unwrap();
        let names: Vec<Name> = (0..2 * members).map(name).collect();
        let place = publish(folder.path(), names.clone());
        snapshot::check(&place).unwrap();
        let index = Index::of(&place).unwrap().unwrap();
        assert_eq!((index.top.level, index.members().unwrap().len()), (level, members));
        let at = |n: usize| names[n].clone();
        for n in [0, 1, 2, members, 2 * members - 2, 2 * members - 1].map(|n| n.min(2 * members - 1)) {
            assert_eq!(found(&index, &(at(n)..=at(n))), [at(n)]);
            let part = index.part(&(at(n)..=at(n))).unwrap();
            assert!(part.end - part.start < 400, "{part:?}: not the one member");
            assert_eq!(found(&index, &(at(n)..)), names[n..]);
            assert_eq!(found(&index, &(..at(n))), names[..n]);
            assert_eq!(found(&index, &(Bound::Excluded(at(n)), Bound::Unbounded)), names[n + 1..]);
            assert_eq!(found(&index, &(at(0)..at(n))), names[..n]);
        }
        assert_eq!(found(&index, &..), names);
        for none in ["a", "folder", "folder/of/quite/a/long/name/000000x", "z"].map(|n| Name::new(n.as_bytes())) {
            assert_eq!(found(&index, &(none.clone()..=none)), []);
        }
        // A folder: its own name and the names in it. `0` follows `/`.
        let folder = Name::new(&b"folder/of"[..])..Name::new(&b"folder/of0"[..]);
        assert_eq!(found(&index, &folder).len(), names.len());
    }
}

#[test]
fn an_object_of_another_storage_is_read_by_name_too() {
    for members in [1, 5, 2_000] {
        let url = format!("memory://index-of-{members}");
        let root = Location::parse(url.as_ref(), "SNAP_ROOT", &crate::storage::Options::default()).unwrap();
        let names: Vec<Name> = (0..2 * members).map(name).collect();
        let place = publish_to(&root, names.clone());
        snapshot::check(&place).unwrap();
        let index = Index::of(&place).unwrap().unwrap();
        for n in [0, members, 2 * members - 1] {
            assert_eq!(found(&index, &(names[n].clone()..=names[n].clone())), [names[n].clone()]);
            assert_eq!(found(&index, &(names[n].clone()..)), names[n..]);
        }
    }
}

#[test]
fn names_of_all_kinds_are_found() {
    let long = |last: &str| Name::new(format!("x{}{last}", "é".repeat(600)).into_bytes());
    let mut names: Vec<Name> = [&b"a"[..], b"b\xff", "日本".as_bytes(), b"\xe9t\xe9", "😀".as_bytes(), b"d", b"d-x", b"d/a"]
        .map(Name::new)
        .into_iter()
        .chain(["1", "2", "3", "4", "5"].map(long))
        .collect();
    names.sort();
    let folder = tempfile::tempdir().unwrap();
    let place = publish(folder.path(), names.clone());
    snapshot::check(&place).unwrap();
    let index = Index::of(&place).unwrap().unwrap();
    let cuts = index.members().unwrap().into_iter().filter(|entry| entry.cut).inspect(|entry| assert!(entry.name.is_utf8()));
    assert!(cuts.count() > 1);
    for (i, name) in names.iter().enumerate() {
        assert_eq!(found(&index, &(name.clone()..=name.clone())), std::slice::from_ref(name));
        assert_eq!(found(&index, &(name.clone()..)), names[i..]);
        assert_eq!(found(&index, &(..=name.clone())), names[..=i]);
    }
}

#[test]
fn an_index_has_as_many_levels_as_it_needs() {
    let long = |n: usize| Name::new(format!("{n:06}{}", "x".repeat(980)).into_bytes());
    let names: Vec<Name> = (0..600).map(long).collect();
    let folder = tempfile::tempdir().unwrap();
    let place = publish(folder.path(), names.clone());
    snapshot::check(&place).unwrap();
    let index = Index::of(&place).unwrap().unwrap();
    assert_eq!((index.top.level, index.members().unwrap().len()), (3, 300));
    for n in [0, 1, 23, 24, 299, 598, 599] {
        assert_eq!(found(&index, &(names[n].clone()..=names[n].clone())), [names[n].clone()]);
        assert_eq!(found(&index, &(..names[n].clone())), names[..n]);
        assert_eq!(found(&index, &(names[n].clone()..)), names[n..]);
    }
}

#[test]
fn a_snapshot_of_nothing_has_an_index_of_nothing_and_one_without_order_none() {
    let folder = tempfile::tempdir().unwrap();
    let index = Index::of(&publish(folder.path(), [])).unwrap().unwrap();
    assert_eq!(found(&index, &..), []);
    for names in [[name(2), name(1)], [name(1), name(1)]] {
        let folder = tempfile::tempdir().unwrap();
        let place = publish(folder.path(), names);
        assert!(Index::of(&place).unwrap().is_none());
        snapshot::check(&place).unwrap();
    }
}

#[test]
fn snapshots_of_others_have_none() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    for below in ["python-local/snap/2026/11/2026-11-23_05-09-09_997153Z", "first-form/snap/2026/11/2026-11-25_17-25-19_459699Z"]
    {
        let place = Place::file(&data.join(format!("{below}.jsonl.gz")));
        assert!(Index::of(&place).unwrap().is_none());
        snapshot::check(&place).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    for content in [&b""[..], b"x", &[0x1f, 0x8b, 8], &[b'S'; 100_000]] {
        let path = folder.path().join("file");
        fs::write(&path, content).unwrap();
        assert!(Index::of(&Place::file(&path)).unwrap().is_none());
    }
}

#[test]
fn damage_in_the_index_is_an_error_and_hides_nothing_from_who_reads_all() {
    let folder = tempfile::tempdir().unwrap();
    let names: Vec<Name> = (0..4_000).map(name).collect();
    let place = publish(folder.path(), names.clone());
    let good = fs::read(path(&place)).unwrap();
    let index = Index::of(&place).unwrap().unwrap();
    let pieces: Vec<u64> = index.top.entries.iter().map(|entry| entry.offset).collect();
    let (last, _) = ends::last_header(&place).unwrap().unwrap();
    assert!(pieces.len() > 1);
    let all = || snapshot::read(&place, std::sync::Arc::new(crate::monitor::Recorder::default())).unwrap().collect::<Vec<_>>();
    let lookup = || -> Result<usize> {
        let Some(index) = Index::of(&place)? else { return Ok(usize::MAX) };
        let mut count = 0;
        for n in [0, 1_999, 3_999] {
            for record in index.records(&(names[n].clone()..=names[n].clone()))? {
                record?;
                count += 1;
            }
        }
        Ok(count)
    };
    // Flips single bits behind the lengths, in the pieces and in the last member.
    for start in pieces.iter().copied().chain([last]) {
        let end = (good.len() - start as usize).min(200);
        for at in (24..end).step_by(7) {
            let mut bad = good.clone();
            bad[start as usize + at] ^= 1 << (at % 8);
            fs::write(path(&place), &bad).unwrap();
            // The index is not recognized any more, the damage is noticed, or it is in the totals.
            assert!(matches!(lookup(), Err(_) | Ok(usize::MAX | 3)), "{start} {at}");
            let read = all();
            assert!(read.last().unwrap().is_err() || read.len() == names.len() + 1, "{start} {at}");
        }
    }
    // Whole members of the index cut out of the middle: the offsets are wrong.
    let mut cut = good.clone();
    cut.drain(pieces[0] as usize..pieces[1] as usize);
    fs::write(path(&place), &cut).unwrap();
    assert!(lookup().is_err() && snapshot::check(&place).is_err());
    assert_eq!(all().len(), names.len() + 1);
}

#[test]
fn hostile_pieces_are_refused() {
    let entry = |offset: u64, name: &str| {
        let mut out = Vec::new();
        Entry { offset, name: Name::new(name.as_bytes()), cut: false }.push(&mut out);
        out
    };
    let good = [entry(0, "a"), entry(7, "b")].concat();
    assert_eq!(Piece::parse(&Piece::value(1, &good), 8).unwrap().entries.len(), 2);
    let bad: [(u8, Vec<u8>); 9] = [
        (0, good.clone()),
        (9, good.clone()),
        (1, [entry(7, "a"), entry(7, "b")].concat()),
        (1, [entry(1, "b"), entry(2, "a")].concat()),
        (1, entry(8, "a")),
        (1, entry(u64::MAX, "a")),
        (1, entry(0, "")),
        (1, good[..good.len() - 1].to_vec()),
        (1, [&good[..], &[0; 8], &[0xff; 2]].concat()),
    ];
    for (level, entries) in bad {
        assert_eq!(Piece::parse(&Piece::value(level, &entries), 8), None, "{level} {}", entries.escape_ascii());
    }
    for short in [&b""[..], b"\x01", b"\x01\0\0\0"] {
        assert_eq!(Piece::parse(short, 8), None);
    }
    let mut wrong = Piece::value(1, &good);
    wrong[1] ^= 1;
    assert_eq!(Piece::parse(&wrong, 8), None);
}

#[test]
fn a_piece_that_points_to_itself_is_no_piece() {
    let folder = tempfile::tempdir().unwrap();
    let place = publish(folder.path(), (0..4_000).map(name));
    let (last, header) = ends::last_header(&place).unwrap().unwrap();
    let index = Index::of(&place).unwrap().unwrap();
    let mut entries = Vec::new();
    let first = Entry { offset: last, ..index.top.entries[0].clone() };
    first.push(&mut entries);
    index.top.entries[1..].iter().for_each(|entry| entry.push(&mut entries));
    let value = Piece::value(index.top.level, &entries);
    let at = header.bytes.windows(2).position(|w| *w == INDEX).unwrap() as u64 + 4;
    let file = fs::OpenOptions::new().write(true).open(path(&place)).unwrap();
    file.write_all_at(&value, last + at).unwrap();
    assert!(Index::of(&place).is_err());
}
