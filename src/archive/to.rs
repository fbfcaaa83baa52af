//! The stage of `snap-to-tar`: writes an archive of records and their contents.

use super::header::{self, END, Entry};
use super::inodes::{FirstNames, has_names};
use super::padding;
use super::sparse::{Extent, Map, survey};
use crate::content::{Content, Contents, Lack};
use crate::digest::md5_of;
use crate::display::counted;
use crate::error::{Error, Result, reason};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel::{self, Weigh, lock};
use crate::record::{Kind, Record};
use crate::restore::names::Names;
use crate::sort::{BUDGET, Spool};
use crate::stream::{Records, write_error};
use crate::time::Time;
use std::cmp::Ordering;
use std::collections::HashSet;
use std::io::{BufRead, Cursor, ErrorKind, Write};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use tar::EntryType;

/// Records that take contents of this size at once are few.
const LARGE: u64 = 2 << 20;

/// Writes an archive of the files, links and folders among the records, each folder followed by what is in it. Returns the
/// number of failures: of records whose content is missing or damaged, or whose name can't be in an archive. They are left out.
///
/// The input is read completely and checked before anything is written. A content is verified before its header is written; one
/// that is too large for memory is read twice for that.
///
/// # Errors
/// Errors of the input and of writing, and a large content that was good when it was verified and is not when it is read again.
/// Then the archive is cut off.
pub fn to_tar(
    input: Records,
    contents: Arc<dyn Contents>,
    jobs: usize,
    out: &mut dyn Write,
    monitor: Arc<dyn Monitor>,
) -> Result<u64> {
    let left_out = Arc::new(LeftOut::default());
    let mut several = false;
    let input = input.map(no_row).inspect(|record| several |= record.as_ref().is_ok_and(has_names));
    let records = Spool::sorted(input, BUDGET, tree_order, Some(&*monitor))?;
    records.counts().tell(&*monitor);
    let firsts = if several { FirstNames::find(&records, tree_order)? } else { FirstNames::none() };
    let steps = Steps { records: records.read(), names: Names::default(), firsts, left_out: left_out.clone() };
    let (source, large) = (contents.clone(), Mutex::new(()));
    let ready = parallel::ordered_map(steps, jobs, jobs * 4, move |step: Result<Step>| {
        let step = step?;
        let body = body(&step, &*source, &large)?;
        Ok::<_, Error>((step.record, body))
    });
    let mut writer = Writer { out, contents };
    // The md5 of the names that are left out and that hard links may refer to.
    let (mut failed, mut missing) = (0, HashSet::new());
    for ready in ready {
        let (record, body) = ready?;
        let reason = match body {
            Body::Failed(reason) => reason,
            Body::HardLink(first) if missing.contains(&md5_of(first.as_bytes()).0) => {
                format!("it is another name of {}, which is left out", first.printable())
            }
            body => {
                writer.write(&record, &body)?;
                if record.kind() == Kind::File {
                    monitor.done(record.fields().size.unwrap_or(0));
                }
                continue;
            }
        };
        failed += 1;
        monitor.failure(record.name(), &reason);
        if has_names(&record) {
            missing.insert(md5_of(record.name().as_bytes()).0);
        }
    }
    writer.put(&END)?;
    left_out.tell(&*monitor);
    Ok(failed)
}

/// Compares names so that a folder is followed by what is in it, as GNU tar expects: it gives a folder its mode and time when
/// something comes that is not in it. In order of name, `a.txt` is between `a` and `a/b`.
fn tree_order(a: &Name, b: &Name) -> Ordering {
    let key = |byte: &u8| if *byte == b'/' { 0 } else { u16::from(*byte) + 1 };
    a.as_bytes().iter().map(key).cmp(b.as_bytes().iter().map(key))
}

/// Refuses the rows of a comparison, before anything is written.
fn no_row(record: Result<Record>) -> Result<Record> {
    match record {
        Ok(row) if row.kind() == Kind::Change => {
            Err(Error::refused(format!("{}: a row of snap-diff, not a file", row.name().printable())))
        }
        record => record,
    }
}

/// The records that are no members.
#[derive(Default)]
struct LeftOut {
    errors: AtomicU64,
    others: AtomicU64,
}

impl LeftOut {
    fn tell(&self, monitor: &dyn Monitor) {
        for (n, what) in [(&self.errors, "error record"), (&self.others, "other record")] {
            let n = n.load(Relaxed);
            if n > 0 {
                monitor.note(&format!("{} left out", counted(n, what)));
            }
        }
    }
}

/// A record, and how it gets into the archive.
struct Step {
    record: Record,
    how: How,
}

enum How {
    Content,
    /// Without a content: a folder, a link.
    Header,
    HardLink(Name),
    Failed(String),
}

impl Weigh for Step {
    fn weight(&self) -> usize {
        let content = if let How::Content = self.how { self.record.fields().size.unwrap_or(LARGE).min(LARGE) } else { 0 };
        self.record.footprint() + content as usize
    }
}

/// Makes the steps of the records.
struct Steps {
    records: Records,
    names: Names,
    firsts: FirstNames,
    left_out: Arc<LeftOut>,
}

impl Iterator for Steps {
    type Item = Result<Step>;

    fn next(&mut self) -> Option<Result<Step>> {
        loop {
            let record = match self.records.next()? {
                Ok(record) => record,
                Err(e) => return Some(Err(e)),
            };
            let first = match self.firsts.first_of(&record) {
                Ok(first) => first,
                Err(e) => return Some(Err(e)),
            };
            let how = match record.kind() {
                Kind::End => continue,
                Kind::Change | Kind::Gone => return record.expect_entry().err().map(Err),
                Kind::Error => {
                    self.left_out.errors.fetch_add(1, Relaxed);
                    continue;
                }
                Kind::Other => {
                    self.left_out.others.fetch_add(1, Relaxed);
                    continue;
                }
                Kind::File | Kind::Link | Kind::Directory => match self.names.check(&record) {
                    Err(reason) => How::Failed(reason.to_string()),
                    Ok(()) if has_other_target(&record) => How::Failed("its target is not what its md5 says".to_string()),
                    Ok(()) if record.kind() != Kind::File => How::Header,
                    Ok(()) => first.map_or(How::Content, How::HardLink),
                },
            };
            return Some(Ok(Step { record, how }));
        }
    }
}

/// Whether a filter changed the target of a link, but not its md5.
fn has_other_target(record: &Record) -> bool {
    let fields = record.fields();
    let stated = fields.md5.filter(|_| record.kind() == Kind::Link);
    stated.is_some_and(|md5| fields.destination.as_ref().is_some_and(|target| md5 != md5_of(target)))
}

/// What follows the header of a member.
enum Body {
    Header,
    HardLink(Name),
    /// A content, and its parts if it is written as a sparse file.
    Whole(Vec<u8>, Option<Map>),
    /// A large content that was verified. It is read again. Of another file than a sparse one, all is one part.
    Large(Map),
    Failed(String),
}

/// Returns what follows the header of a member. Verifies its content.
///
/// # Errors
/// An error that all contents have.
fn body(step: &Step, contents: &dyn Contents, large: &Mutex<()>) -> Result<Body> {
    match &step.how {
        How::Header => return Ok(Body::Header),
        How::HardLink(first) => return Ok(Body::HardLink(first.clone())),
        How::Failed(reason) => return Ok(Body::Failed(reason.clone())),
        How::Content => {}
    }
    let is_sparse = step.record.fields().sparse;
    let found = contents.content(&step.record).and_then(|mut content| {
        // Each large content that is read takes some memory.
        let _one = if let Content::Stream(_) = &content { Some(lock(large)) } else { None };
        let map = match &content {
            Content::Whole(_) if !is_sparse => None,
            _ => Some(survey(&mut content)?),
        };
        Ok(match (content, map) {
            (Content::Whole(bytes), map) => Body::Whole(bytes, map.filter(|map| map.size > 0)),
            (Content::Stream(_), map) => Body::Large(map.unwrap_or_default()),
        })
    });
    match found {
        Ok(body) => Ok(body),
        Err(Lack::Record(reason)) => Ok(Body::Failed(reason)),
        Err(Lack::All(e)) => Err(e),
    }
}

struct Writer<'a> {
    out: &'a mut dyn Write,
    contents: Arc<dyn Contents>,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out.write_all(bytes).map_err(write_error)
    }

    fn write(&mut self, record: &Record, body: &Body) -> Result<()> {
        let is_sparse = record.fields().sparse;
        match body {
            Body::Header | Body::Failed(_) => self.put(&blocks(record, None, 0, None)),
            Body::HardLink(first) => self.put(&blocks(record, Some(first), 0, None)),
            Body::Whole(bytes, map) => {
                self.put(&blocks(record, None, bytes.len() as u64, map.as_ref()))?;
                self.copy(record, &mut &bytes[..], &map.clone().unwrap_or_else(|| one_part(bytes.len() as u64)))
            }
            Body::Large(map) => {
                let map = if is_sparse { map.clone() } else { one_part(map.size) };
                self.put(&blocks(record, None, map.size, Some(&map).filter(|_| is_sparse)))?;
                let mut content: Box<dyn BufRead + Send> = match self.contents.content(record) {
                    Ok(Content::Stream(stream)) => stream,
                    Ok(Content::Whole(bytes)) => Box::new(Cursor::new(bytes)),
                    Err(Lack::All(e)) => return Err(e),
                    Err(Lack::Record(reason)) => return Err(cut(record, &reason)),
                };
                self.copy(record, &mut content, &map)
            }
        }
    }

    /// Copies the parts of a content, and fills the last block. Reads the content to its end, where it is verified.
    fn copy(&mut self, record: &Record, content: &mut dyn BufRead, map: &Map) -> Result<()> {
        let (mut at, mut parts) = (0, map.extents.iter().peekable());
        loop {
            let bytes = match content.fill_buf() {
                Ok([]) if at == map.size => break,
                Ok([]) => return Err(cut(record, "it became shorter")),
                Ok(bytes) => bytes,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(cut(record, &reason(&e))),
            };
            let length = bytes.len();
            let end = at + length as u64;
            while let Some(part) = parts.peek().filter(|part| part.offset < end) {
                let (from, to) = (part.offset.max(at), part.end().min(end));
                self.out.write_all(&bytes[(from - at) as usize..(to - at) as usize]).map_err(write_error)?;
                if part.end() > end {
                    break;
                }
                parts.next();
            }
            content.consume(length);
            at = end;
        }
        self.put(&vec![0; padding(map.data()) as usize])
    }
}

fn one_part(size: u64) -> Map {
    Map { extents: vec![Extent { offset: 0, length: size }], size }
}

/// Returns the error for a content that was good when it was verified. Its header is written, so the archive can't go on.
fn cut(record: &Record, reason: &str) -> Error {
    Error::refused(format!("{}: {reason}; it was good before, and the archive is cut off here", record.name().printable()))
}

/// Returns the headers of a member. What a record does not know has the usual value.
fn blocks(record: &Record, first: Option<&Name>, size: u64, map: Option<&Map>) -> Vec<u8> {
    let fields = record.fields();
    let mut name = record.name().as_bytes().to_vec();
    let (flag, mode) = match (record.kind(), first) {
        (_, Some(_)) => (EntryType::Link, 0o644),
        (Kind::Link, _) => (EntryType::Symlink, 0o777),
        (Kind::Directory, _) => {
            name.push(b'/');
            (EntryType::Directory, 0o755)
        }
        _ => (EntryType::Regular, 0o644),
    };
    let target = first.map(Name::as_bytes).or(fields.destination.as_deref().filter(|_| flag == EntryType::Symlink));
    header::blocks(&Entry {
        name: &name,
        flag,
        target: target.unwrap_or_default(),
        mode: fields.mode.unwrap_or(mode) & 0o7777,
        uid: fields.uid.unwrap_or(0),
        gid: fields.gid.unwrap_or(0),
        time: record.modified().unwrap_or(Time { sec: 0, nsec: 0 }),
        size,
        xattrs: &if first.is_some() { Vec::new() } else { record.xattrs() },
        map,
    })
}
