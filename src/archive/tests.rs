//! What goes into an archive comes out of it, and what is no archive is refused.

use super::{FromOptions, from_tar, to_tar};
use crate::content::{Content, Lack};
use crate::digest::Digests;
use crate::end::End;
use crate::error::Result;
use crate::heap::Heap;
use crate::json::push_string;
use crate::monitor::Recorder;
use crate::name::Name;
use crate::record::{Kind, Record, key};
use crate::storage::{Location, Options as StorageOptions};
use crate::time::Time;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;

type Contents = BTreeMap<Vec<u8>, Vec<u8>>;

/// Writes an archive of records whose contents are found by name. Returns it, and the number of failures.
fn archive(records: &[Record], contents: &Contents, recorder: &Arc<Recorder>) -> (Vec<u8>, Result<u64>) {
    let mut out = Vec::new();
    let contents = contents.clone();
    let source = move |record: &Record| match contents.get(record.name().as_bytes()) {
        None => Err(Lack::Record("missing".to_string())),
        // Both ways in which a heap returns them.
        Some(content) if content.len() % 2 == 0 => Ok(Content::Whole(content.clone())),
        Some(content) => Ok(Content::Stream(Box::new(Cursor::new(content.clone())))),
    };
    let input: Vec<_> = records.iter().cloned().map(Ok).collect();
    let failed = to_tar(Box::new(input.into_iter()), Arc::new(source), 3, &mut out, recorder.clone());
    (out, failed)
}

/// Returns the records of an archive, the end record last.
fn records(archive: &[u8], heap: Option<Arc<Heap>>, recorder: &Arc<Recorder>) -> Result<Vec<Record>> {
    let options = FromOptions { heap, verify_existing: false, jobs: 3 };
    from_tar(Cursor::new(archive.to_vec()), "input".to_string(), options, recorder.clone())?.collect()
}

fn listed(archive: &[u8]) -> Result<Vec<Record>> {
    records(archive, None, &Arc::new(Recorder::default()))
}

fn record(text: &str) -> Record {
    Record::parse(text.as_bytes()).unwrap()
}

/// A file, link or folder as the law is about: all keys that an archive keeps.
#[derive(Clone, Debug)]
struct Made {
    kind: Kind,
    content: Vec<u8>,
    mode: u32,
    owner: (u32, u32),
    time: Time,
    xattrs: BTreeMap<Vec<u8>, Vec<u8>>,
    sparse: bool,
}

fn made() -> impl Strategy<Value = Made> {
    let kind = prop::sample::select(vec![Kind::File, Kind::File, Kind::Link, Kind::Directory]);
    let block = prop::sample::select(vec![vec![0; 4096], vec![7; 4096], vec![0; 512], vec![1, 0], b"some text\n".to_vec()]);
    let content = prop::collection::vec(block, 0..6).prop_map(|blocks| blocks.concat());
    let id = prop::sample::select(vec![0, 1000, 0o777_7777, 0o1000_0000, u32::MAX - 1]);
    let sec =
        prop::sample::select(vec![0, 1, 1_700_000_000, -1, -1_000_001, 0o777_7777_7777, 0o1_0000_0000_0000, 253_402_300_800]);
    let nsec = prop::sample::select(vec![0u32, 1, 500_000_000, 999_999_999]);
    let bytes = |most| prop::collection::vec(prop::sample::select(b"ab.=%\n\xff 7".to_vec()), 0..most);
    let attribute = (prop::collection::vec(prop::sample::select(b"ab.=% ".to_vec()), 1..5), bytes(90));
    let xattrs = prop::collection::btree_map(attribute.0.prop_map(|rest| [b"user.", &rest[..]].concat()), attribute.1, 0..3);
    (kind, content, 0u32..0o10000, (id.clone(), id), (sec, nsec), xattrs, any::<bool>()).prop_map(
        |(kind, content, mode, owner, (sec, nsec), xattrs, sparse)| Made {
            kind,
            content,
            mode,
            owner,
            time: Time { sec, nsec },
            xattrs,
            sparse,
        },
    )
}

fn name() -> impl Strategy<Value = Vec<u8>> {
    let part = prop::sample::select(vec![&b"a"[..], b"B b", b"c\nd", "\u{e4}".as_bytes(), b"\xff", b"-x", b"...", b".h"]);
    let long = prop::sample::select(vec![0usize, 0, 0, 80, 120, 250]);
    (part, long).prop_map(|(part, long)| [part, &vec![b'n'; long]].concat())
}

impl Made {
    fn record(&self, name: &[u8]) -> Record {
        let mut edit = Record::build(Name::new(name), self.kind);
        let kind = super::header::type_bits(self.kind);
        edit.set(key::GID, self.owner.1).set(key::ISLINK, self.kind == Kind::Link).set(key::MODE, self.mode | kind);
        edit.set(key::MODIFIED, self.time).set(key::MTIME, self.time.as_double()).set(key::UID, self.owner.0);
        match self.kind {
            Kind::Link => drop(
                edit.set_destination([&b"../to/"[..], &self.content, b"x"].concat().into_iter().filter(|b| *b > 0).collect()),
            ),
            Kind::File => {
                let (md5, sha256) = Digests::of(&self.content);
                edit.set(key::MD5, md5).set(key::SHA256, sha256).set(key::SIZE, self.content.len() as u64);
                edit.set(key::SPARSE, (self.sparse && !self.content.is_empty()).then_some(true));
            }
            _ => {}
        }
        let xattrs: Vec<_> = self.xattrs.clone().into_iter().collect();
        edit.set(key::XATTRS, (!xattrs.is_empty()).then_some(xattrs)).finish()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 96 }))]

    #[test]
    fn an_archive_has_the_records_that_were_put_into_it(all in prop::collection::btree_map(name(), made(), 0..12)) {
        let mut made: Vec<Record> = all.iter().map(|(name, made)| made.record(name)).collect();
        made.sort_by(|a, b| a.name().cmp(b.name()));
        let contents: Contents = all.iter().map(|(name, made)| (name.clone(), made.content.clone())).collect();
        let recorder = Arc::new(Recorder::default());
        let (tar, failed) = archive(&made, &contents, &recorder);
        prop_assert_eq!(failed.unwrap(), 0);
        prop_assert_eq!(tar.len() % 512, 0);
        let mut read = records(&tar, None, &recorder).unwrap();
        let end = End::of(&read.pop().unwrap());
        prop_assert_eq!((end.records, end.errors, end.filtered), (Some(made.len() as u64), 0, false));
        let texts = |records: &[Record]| records.iter().map(|r| String::from_utf8_lossy(r.text()).into_owned()).collect::<Vec<_>>();
        prop_assert_eq!(texts(&read), texts(&made));
        prop_assert!(recorder.messages().is_empty(), "{:?}", recorder.messages());
    }

    #[test]
    fn an_archive_that_is_cut_off_is_refused_wherever_that_is(cut in 0usize..9000) {
        let contents: Contents = [("a", 5000), ("b", 0), ("c", 600)].map(|(name, size)| (name.into(), vec![1; size])).into();
        let made: Vec<_> = contents.keys().map(|name| record(&format!(r#"{{"name":"{}","modified":"2001-01-01T00:00:00.5Z"}}"#, str::from_utf8(name).unwrap()))).collect();
        let (tar, _) = archive(&made, &contents, &Arc::new(Recorder::default()));
        let length = cut.min(tar.len() - 513);
        prop_assert!(listed(&tar[..length]).is_err(), "{length} of {}", tar.len());
        prop_assert!(listed(&tar[..tar.len() - 512]).is_ok(), "one block of zeros is an end");
    }

    #[test]
    fn damage_is_told_and_never_a_panic(at in 0usize..6144, with in any::<u8>()) {
        let contents: Contents = [("a", 512), ("b", 9)].map(|(name, size)| (name.into(), vec![0; size])).into();
        let made = [record(r#"{"name":"a","sparse":true,"xattrs":{"user.a":"AA=="}}"#), record(r#"{"name":"b"}"#)];
        let (mut tar, _) = archive(&made, &contents, &Arc::new(Recorder::default()));
        let whole = listed(&tar).unwrap();
        let at = at % tar.len();
        tar[at] = with;
        // A flipped byte in a content is another content; elsewhere it is an error, or changes nothing that is read.
        if let Ok(records) = listed(&tar) {
            prop_assert!(records.len() <= whole.len());
        }
    }
}

fn names_of(archive: &[(&str, &str)], recorder: &Arc<Recorder>) -> Vec<Record> {
    let mut tar = Vec::new();
    for (name, target) in archive {
        let mut header = tar::Header::new_ustar();
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        let (flag, size) = match target.split_once(':') {
            Some(("hard", _)) => (tar::EntryType::Link, 0),
            Some(("soft", _)) => (tar::EntryType::Symlink, 0),
            Some(("fifo", _)) => (tar::EntryType::Fifo, 0),
            Some(("odd", _)) => (tar::EntryType::new(b'Q'), 0),
            _ if name.ends_with('/') => (tar::EntryType::Directory, 0),
            _ => (tar::EntryType::Regular, target.len()),
        };
        header.set_entry_type(flag);
        let link = target.split_once(':').map_or("", |(_, link)| link);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_size(size as u64);
        header.set_mode(0o640);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(&target.as_bytes()[..size]);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.resize(tar.len() + 1024, 0);
    records(&tar, None, recorder).unwrap()
}

#[test]
fn names_of_one_file_have_one_inode_wherever_they_are() {
    let recorder = Arc::new(Recorder::default());
    let archive = [
        ("z", "content"),
        ("a", "hard:z"),
        ("m", "hard:./a"),
        ("other", "content"),
        ("s", "soft:z"),
        ("t", "hard:s"),
        ("z", "later"),
        ("b", "hard:z"),
        ("gone", "hard:nowhere"),
        ("before", "hard:later"),
        ("later", "x"),
        ("folder/", ""),
        ("f", "hard:folder"),
    ];
    let all = names_of(&archive, &recorder);
    let of = |name: &str| all.iter().find(|r| r.name().as_bytes() == name.as_bytes()).unwrap();
    let inode = |name: &str| (of(name).fields().ino, of(name).fields().nlink);
    assert!(inode("a").0.is_some() && inode("a") == inode("m") && inode("a").1 == Some(2), "{:?}", of("a"));
    assert!(inode("z") == inode("b") && inode("z").1 == Some(2) && inode("z").0 != inode("a").0, "{:?}", of("z"));
    assert_eq!((inode("other"), of("a").fields().md5), ((None, None), of("other").fields().md5));
    assert_eq!((of("t").kind(), of("t").fields().destination.as_deref()), (Kind::Link, Some(&b"z"[..])));
    for (name, reason) in
        [("gone", "nowhere, which is not in"), ("before", "later, which is not in"), ("f", "folder, which is a folder")]
    {
        assert!(of(name).string("error").unwrap().contains(reason), "{:?}", of(name));
    }
    let end = End::of(all.last().unwrap());
    assert_eq!((end.records, end.errors, recorder.messages().len()), (Some(all.len() as u64 - 1), 3, 3));
    assert!(
        all[..all.len() - 1].iter().all(|r| r.fields().dev.is_none())
            && all.is_sorted_by(|a, b| b.kind() == Kind::End || a.name() <= b.name())
    );
}

#[test]
fn links_to_links_end_somewhere() {
    let names: Vec<String> = (0..100).map(|n| format!("{n:02}")).collect();
    let mut archive = vec![("file".to_string(), "x".to_string())];
    archive.extend(
        names.iter().enumerate().map(|(n, name)| (name.clone(), format!("hard:{}", if n == 0 { "file" } else { &names[n - 1] }))),
    );
    let archive: Vec<_> = archive.iter().map(|(name, target)| (&name[..], &target[..])).collect();
    let recorder = Arc::new(Recorder::default());
    let all = names_of(&archive, &recorder);
    let errors = all.iter().filter(|record| record.kind() == Kind::Error).count();
    assert!((1..100).contains(&errors) && recorder.messages()[0].contains("too often"), "{errors} {:?}", recorder.messages());
    assert!(all.iter().any(|record| record.fields().nlink == Some(101 - errors as u64)));
}

#[test]
fn names_that_lead_elsewhere_are_error_records_and_only_dot_slash_is_dropped() {
    let recorder = Arc::new(Recorder::default());
    let archive = [
        ("./", ""),
        ("././good", "1"),
        ("/etc/passwd", "2"),
        ("../x", "3"),
        ("a/../../x", "4"),
        ("a//b", "5"),
        ("a/./b", "6"),
        ("d/", ""),
        ("e/", "soft:x"),
        ("l", "hard:/etc/passwd"),
        ("odd", "odd:"),
        ("pipe", "fifo:"),
        ("..", "7"),
    ];
    let all = names_of(&archive, &recorder);
    let good: Vec<_> = all.iter().filter(|r| r.is_entry()).map(|r| String::from_utf8_lossy(r.name().as_bytes())).collect();
    assert_eq!(good, ["d", "good"]);
    let end = End::of(all.last().unwrap());
    assert_eq!((end.errors, end.root, end.root_folder.unwrap()["mode"].as_u64()), (9, None, Some(0o40640)));
    let messages = recorder.messages();
    assert!(
        messages.contains(&"skipped 1 fifo: not recorded".to_string())
            && messages.contains(&"/etc/passwd: the name is absolute".to_string()),
        "{messages:?}"
    );
}

#[test]
fn a_heap_of_another_storage_takes_and_gives_the_contents() {
    let root = Location::parse("memory://from-tar/heap".as_ref(), "", &StorageOptions::default()).unwrap();
    let heap = Arc::new(Heap::create(&root, 1).unwrap());
    let large: Vec<u8> = (0..900_000u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
    let contents: Contents = [(b"large".to_vec(), large), (b"small".to_vec(), b"small".to_vec())].into();
    let recorder = Arc::new(Recorder::default());
    let (tar, _) = archive(&[record(r#"{"name":"large"}"#), record(r#"{"name":"small"}"#)], &contents, &recorder);
    let all = records(&tar, Some(heap), &recorder).unwrap();
    assert!(all[..2].iter().all(|record| record.fields().stored_size.is_some()), "{all:?}");
    let mut again = Vec::new();
    let heap = Arc::new(Heap::open(&root).unwrap());
    assert_eq!(to_tar(Box::new(all.into_iter().map(Ok)), heap, 2, &mut again, recorder).unwrap(), 0);
    assert!(again == tar);
}

#[test]
fn what_is_left_out_is_told_and_takes_its_other_names_with_it() {
    let more = r#","ino":5,"nlink":2,"md5":"d41d8cd98f00b204e9800998ecf8427e""#;
    let lines = [
        format!(r#"{{"name":"a"{more}}}"#),
        format!(r#"{{"name":"b"{more}}}"#),
        r#"{"name":"c"}"#.to_string(),
        r#"{"name":"c/d"}"#.to_string(),
        r#"{"name":"e//f"}"#.to_string(),
        r#"{"name":"g","type":"error","error":"x"}"#.to_string(),
        r#"{"name":"h","type":"socket"}"#.to_string(),
        r#"{"name":"l","type":"link","destination":"x","md5":"d41d8cd98f00b204e9800998ecf8427e"}"#.to_string(),
    ];
    let made: Vec<_> = lines.iter().map(|line| record(line)).collect();
    let contents: Contents = ["c", "c/d", "e//f"].map(|name| (name.into(), b"x".to_vec())).into();
    let recorder = Arc::new(Recorder::default());
    let (tar, failed) = archive(&made, &contents, &recorder);
    assert_eq!(failed.unwrap(), 5);
    let names: Vec<_> = listed(&tar).unwrap().iter().map(|r| r.name().printable()).collect();
    assert_eq!(names, ["c", ""]);
    let messages = recorder.messages();
    for told in [
        "a: missing",
        "b: it is another name of a",
        "c/d: c is no folder",
        "l: its target",
        "1 error record left",
        "1 other record left",
    ] {
        assert!(messages.iter().any(|message| message.starts_with(told)), "{told}: {messages:?}");
    }
    let (nothing, refused) = archive(&[made[2].clone(), record(r#"{"name":"z","status":"equal"}"#)], &contents, &recorder);
    assert!(nothing.is_empty() && refused.unwrap_err().to_string().contains("snap-diff"));
}

#[test]
fn a_large_content_that_gets_worse_cuts_the_archive_off() {
    struct Worse(std::sync::atomic::AtomicU64);
    impl crate::content::Contents for Worse {
        fn content(&self, _: &Record) -> Result<Content, Lack> {
            let size = 5000 - self.0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            Ok(Content::Stream(Box::new(Cursor::new(vec![1; size as usize]))))
        }
    }
    let mut out = Vec::new();
    let input = Box::new(std::iter::once(Ok(record(r#"{"name":"a"}"#))));
    let refused = to_tar(input, Arc::new(Worse(0.into())), 1, &mut out, Arc::new(Recorder::default())).unwrap_err().to_string();
    assert!(refused.starts_with("a: it became shorter; it was good before"), "{refused}");
    assert!(listed(&out).is_err());
}

#[test]
fn a_record_of_too_many_attributes_fails_alone() {
    let mut xattrs = String::from("{");
    for n in 0..40 {
        let value = crate::json::to_base64(&vec![n; 60_000]);
        push_string(&mut xattrs, format!("user.{n}").as_bytes());
        xattrs.push_str(&format!(":\"{value}\"{}", if n < 39 { "," } else { "}" }));
    }
    let made = [record(&format!(r#"{{"name":"a","xattrs":{xattrs}}}"#)), record(r#"{"name":"b"}"#)];
    let contents: Contents = ["a", "b"].map(|name| (name.into(), Vec::new())).into();
    let (tar, _) = archive(&made, &contents, &Arc::new(Recorder::default()));
    let kinds: Vec<_> = listed(&tar).unwrap().iter().map(Record::kind).collect();
    assert_eq!(kinds, [Kind::Error, Kind::File, Kind::End]);
}

#[test]
fn what_is_no_archive_says_what_it_is() {
    let refused = |bytes: &[u8]| listed(bytes).unwrap_err();
    assert_eq!(refused(b"").to_string(), "input: no tar archive: there is nothing");
    assert_eq!(refused(&[b'x'; 2000]).to_string(), "input: no tar archive");
    assert_eq!(refused(b"short").to_string(), "input: no tar archive");
    let gzip = refused(b"\x1f\x8b\x08 and so on");
    assert!(gzip.to_string().contains("gzip") && gzip.help().unwrap().contains("gzip -dc"));
    // No line of a record would have room for this name.
    let mut pax = super::pax::Pax::default();
    pax.push("path", &[b'n'; 70_000]);
    let mut header = tar::Header::new_ustar();
    header.set_entry_type(tar::EntryType::XHeader);
    header.set_size(pax.text().len() as u64);
    header.set_cksum();
    let mut tar = [header.as_bytes(), pax.text()].concat();
    tar.resize(tar.len().next_multiple_of(512), 0);
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(0);
    header.set_cksum();
    tar.extend_from_slice(header.as_bytes());
    tar.resize(tar.len() + 1024, 0);
    assert!(refused(&tar).to_string().contains("more than 65536 bytes"));
    // The records of an empty archive are none, and complete.
    assert_eq!(End::of(&listed(&[0; 10240]).unwrap()[0]).records, Some(0));
}
