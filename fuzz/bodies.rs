//! What is fuzzed: each function takes any bytes and asserts what has to hold for all of them. cargo-fuzz calls them from
//! `fuzz_targets`, the tests with the kept corpora and with mutations of them.

use snapshooter::Malformed;
use snapshooter::internals::codec::{self, GzipReader};
use snapshooter::internals::diff::{self, Printer, Status, Style};
use snapshooter::internals::end::End;
use snapshooter::internals::monitor::Recorder;
use snapshooter::internals::name::{self, Name};
use snapshooter::internals::record::{Kind, Record, key};
use snapshooter::internals::snapshot::{self, Label};
use snapshooter::internals::stream::{Reader, Records};
use snapshooter::internals::{display, json, sort, time};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::sync::Arc;

#[allow(dead_code)]
#[path = "../src/storage/xml.rs"]
mod document;
#[allow(dead_code)]
#[path = "../src/storage/percent.rs"]
mod percent;
#[path = "../src/storage/webdav/propfind.rs"]
mod propfind;
#[allow(dead_code)]
#[path = "../src/storage/azure/xml.rs"]
mod xml;

/// No input may inflate to more than so many bytes here; a real reader has no such limit.
const LIMIT: u64 = 32 << 20;

/// A line, and lines.
pub fn record(data: &[u8]) {
    if let Ok(record) = Record::parse(data) {
        assert_eq!(record.text(), data, "a record that is not changed is not changed");
        let kind = record.kind();
        if kind != Kind::End {
            // An error record names what failed, whatever its name is.
            let may_be_odd = kind == Kind::Error && !record.name().as_bytes().is_empty();
            assert!(may_be_odd || record.name().check().is_ok(), "a name that is not good");
            let failure = Record::failure(record.name(), &record.name().printable());
            let again = Record::parse(failure.text()).expect("a failure is a record");
            assert!(again.name() == record.name() && again.kind() == Kind::Error);
        }
        let edited = record
            .edit()
            .set(key::MD5, snapshooter::internals::digest::md5_of(b""))
            .set(key::SIZE, None)
            .set_json("zz", "1")
            .finish();
        assert!(edited.name() == record.name() && edited.kind() == kind);
        assert!(edited.fields().md5.is_some() && edited.fields().size.is_none());
        assert_eq!(Record::parse(edited.text()).ok().as_ref(), Some(&edited), "its fields are not what its text says");
        if let Some(time) = record.modified() {
            assert!(time.nsec < 1_000_000_000);
            let _ = (time.rfc3339(), record.has_time(time));
        }
        let end = End::of(&record);
        assert_eq!(End::of(&end.record()).records, end.records, "an end record says what it was made of");
    }
    for item in Reader::new("fuzz", data) {
        if let Err(e) = item {
            harmless(&e.to_string());
        }
    }
}

/// gzip, made by anybody.
pub fn gzip(data: &[u8]) {
    let mut content = Vec::new();
    let read = GzipReader::new(data).and_then(|mut r| r.by_ref().take(LIMIT).read_to_end(&mut content));
    if read.is_ok() && (content.len() as u64) < LIMIT {
        // Another implementation reads the same.
        let mut other = Vec::new();
        let whole = flate2::read::MultiGzDecoder::new(data).take(LIMIT).read_to_end(&mut other);
        assert!(whole.is_ok() && other == content, "two readers see two things");
    }
    for size in [0, 1, content.len(), data.len()] {
        if let Some(inflated) = codec::inflate_whole(data, size.min(1 << 20)) {
            assert!(read.is_ok() && inflated == content, "whole is not what piece by piece is");
        }
    }
    let (level, sized) = (i32::from(data.first().copied().unwrap_or(0) % 13), data.len().is_multiple_of(2));
    let member = codec::member(data, level, [(codec::LABEL, &b"c"[..])], sized);
    assert_eq!(codec::inflate_whole(&member, data.len()).as_deref(), Some(data));
    let mut back = Vec::new();
    GzipReader::new(&member[..]).and_then(|mut r| r.read_to_end(&mut back)).expect("our own gzip");
    assert_eq!(back, data);
}

/// Names of snapshots, their labels, and times that people write.
pub fn snapshot(data: &[u8]) {
    if let Some(time) = snapshot::time_of(OsStr::from_bytes(data)) {
        let path = snapshot::path_for(time).expect("a time that was read has a path");
        assert_eq!(path.file_name().map(OsStr::as_bytes), Some(data), "only what we would write counts");
    }
    if let Some(label) = Label::parse(data) {
        let again = serde_json::to_vec(&label).expect("a label is JSON");
        assert!(Label::parse(&again).is_some(), "a label that was read and written is one");
    }
    index(data);
    if let Ok(Some(header)) = codec::read_header(&mut &*data) {
        assert!(data.starts_with(&header.bytes));
        let _ = header.field(codec::LABEL).or(header.comment()).map(Label::parse);
        let _ = header.lengths();
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = time::parse_human(text);
        if let Some(time) = time::Time::parse_rfc3339(text) {
            assert!(time.nsec < 1_000_000_000);
            assert_eq!(time::Time::parse_rfc3339(&time.text()), Some(time));
        }
    }
}

/// A snapshot whose last header has these bytes as the entries of its index, with the right checksum.
fn index(data: &[u8]) {
    thread_local! {
        static FILE: tempfile::NamedTempFile = tempfile::NamedTempFile::new().expect("a file");
    }
    let (level, entries) = data.split_first().unwrap_or((&1, b""));
    let value = [&[level % 10][..], &libdeflater::crc32(entries).to_le_bytes(), entries].concat();
    if value.len() > codec::FIELDS_LIMIT / 2 {
        return;
    }
    let end = |len: u32| {
        let len = len.to_le_bytes();
        let fields = [(codec::TOTALS, &b"{\"records\":1,\"errors\":0}"[..]), (codec::INDEX, &value[..]), (codec::LAST, &len[..])];
        codec::member(b"", 6, fields, true)
    };
    let first = codec::member(b"{\"name\":\"a\"}\n", 6, [(codec::LABEL, &b"{\"v\":1}"[..])], true);
    let all = [first, end(end(0).len() as u32)].concat();
    FILE.with(|file| {
        std::fs::write(file.path(), &all).expect("a file");
        let place = snapshot::Place::file(file.path());
        let Ok(index) = snapshot::Index::of(&place) else { return };
        let index = index.expect("there is one");
        let name = |n: &str| Name::new(n.as_bytes());
        for range in [name("")..name("b"), name("a")..name("a\0"), name("b")..name("c")] {
            if let Ok(records) = index.records(&range) {
                assert!(records.map_while(Result::ok).all(|record| range.contains(record.name())));
            }
        }
        let _ = snapshot::check(&place);
    });
}

/// Two streams, with a byte 0xFF between them.
pub fn diff(data: &[u8]) {
    let at = data.iter().position(|b| *b == 0xff).unwrap_or(data.len());
    let sides = [&data[..at], data.get(at + 1..).unwrap_or_default()];
    let monitor = Arc::new(Recorder::default());
    let side = |bytes: &[u8]| -> Option<Records> {
        let reader = Reader::new("fuzz", std::io::Cursor::new(bytes.to_vec()));
        sort::ordered(Box::new(reader), monitor.clone()).ok()
    };
    for style in [Style::Jsonl, Style::Table, Style::Names, Style::Stat] {
        let (Some(left), Some(right)) = (side(sides[0]), side(sides[1])) else { return };
        let options =
            diff::Options { metadata: data.len().is_multiple_of(2), statuses: Status::ALL.to_vec(), ..diff::Options::default() };
        let mut rows = diff::diff(left, right, options, monitor.clone());
        let (mut shower, mut out) = (Printer::new(style, true), Vec::new());
        let mut last: Option<Name> = None;
        for row in rows.by_ref() {
            let Ok(row) = row else { break };
            if style == Style::Jsonl {
                let record = row.clone().into_record();
                // Error and end records have no place in the order (see Pair::Aside).
                if record.kind() == Kind::Change {
                    assert!(last.as_ref().is_none_or(|l| l <= record.name()), "rows out of order");
                    last = Some(record.name().clone());
                }
            }
            shower.row(&mut out, row).expect("a Vec takes all");
        }
        shower.finish(&mut out, &rows, &Status::ALL).expect("a Vec takes all");
        if style != Style::Jsonl {
            String::from_utf8_lossy(&out).lines().for_each(harmless);
        }
        let _ = (rows.found(), rows.errors());
    }
    monitor.messages().iter().for_each(|line| harmless(line));
}

/// What services answer that list objects, Azure's and WebDAV's.
pub fn listings(data: &[u8]) {
    let (azure, webdav) = (xml::page(data), propfind::parse(data));
    // A listing that was cut is never taken for a shorter one.
    for cut in [1, 2, 3, 7, 15, 31] {
        let part = &data[..data.len().saturating_sub(cut)];
        if let (Ok(whole), Ok(page)) = (&azure, xml::page(part)) {
            assert_eq!(*whole, page, "a part of a page is a page");
        }
        if let (Ok(whole), Ok(found)) = (&webdav, propfind::parse(part)) {
            assert_eq!(*whole, found, "a part of an answer is one");
        }
    }
    let _ = xml::error(data);
}

/// Names, their JSON, their order.
pub fn names(data: &[u8]) {
    let json = json::json_string(data);
    let wtf8 = json::decode(&json).expect("our own JSON is a string");
    assert_eq!(json::unescape(&wtf8).as_deref(), Some(data), "a name comes back");
    assert_eq!(json::from_base64(&json::to_base64(data)).as_deref(), Some(data));
    assert!(name::is_replaced(String::from_utf8_lossy(data).as_bytes(), data), "what jq makes of it is known again");
    harmless(&display::printable(data));
    let (a, b) = data.split_at(data.len() / 2);
    let order = name::compare(a, b);
    assert_eq!(order, name::compare(b, a).reverse());
    assert_eq!(order, Name::new(a).cmp(&Name::new(b)), "two ways to compare");
    let python = |n: &[u8]| name::units(n).collect::<Vec<u32>>();
    assert_eq!(order, python(a).cmp(&python(b)));
    let line = format!("{{\"name\":{json}}}");
    match (Record::parse(line.as_bytes()), Name::new(data).check()) {
        (Ok(record), Ok(())) => assert_eq!(record.name().as_bytes(), data),
        (Err(_), Err(_)) => {}
        (read, good) => panic!("read {read:?}, checked {good:?}"),
    }
    // A string of anybody's.
    let raw = std::str::from_utf8(data).ok().filter(|raw| raw.len() > 1 && raw.starts_with('"') && raw.ends_with('"'));
    if let Some(raw) = raw.filter(|raw| Record::parse(format!("{{\"name\":{raw}}}").as_bytes()).is_ok()) {
        let wtf8 = json::decode(raw).expect("a string");
        assert!(json::unescape(&wtf8).is_some());
    }
}

/// One line without control characters.
fn harmless(line: &str) {
    assert!(!line.chars().any(char::is_control), "control characters in {line:?}");
}
