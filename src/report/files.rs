//! The facts about the records of a snapshot or a stream: totals, the largest and the newest files, and contents that several
//! files have.

use super::text::{LONGEST, cut};
use super::top::{ROWS, Top};
use super::tree::Tree;
use crate::error::Result;
use crate::json::{from_base64, to_base64};
use crate::name::Name;
use crate::record::{Kind, Record, key};
use crate::sort::Spool;
use crate::time::Time;
use std::cmp::Reverse;

/// The names of a content that are shown.
const COPIES: usize = 3;

/// The bytes of records that are held in memory to find equal contents.
const BUDGET: usize = 8 << 20;

/// What the records say.
pub struct Files {
    /// Regular files, links, folders and others.
    pub files: u64,
    pub links: u64,
    pub folders: u64,
    pub others: u64,
    /// The bytes of the files.
    pub bytes: u64,
    /// The files without a known size, and those without md5.
    pub sizeless: u64,
    pub unread: u64,
    /// The largest files and links.
    pub tree: Tree,
    /// Size and name.
    pub largest: Top<(u64, Reverse<String>)>,
    /// Time, name and size.
    pub newest: Top<(Time, Reverse<String>, Option<u64>)>,
}

/// A content that several files have.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub struct Copies {
    /// The bytes of all copies but one.
    pub saved: u64,
    pub count: u64,
    pub size: u64,
    pub md5: String,
    /// The first of its names, for display.
    pub names: Vec<String>,
}

/// The contents of the files.
pub struct Contents {
    /// The number of different contents, and the bytes that several files have in common: all copies but one of each.
    pub distinct: u64,
    pub saved: u64,
    pub most: Top<Copies>,
}

impl Files {
    /// Returns the facts of no records.
    pub fn new() -> Files {
        Files {
            files: 0,
            links: 0,
            folders: 0,
            others: 0,
            bytes: 0,
            sizeless: 0,
            unread: 0,
            tree: Tree::new(),
            largest: Top::new(ROWS),
            newest: Top::new(ROWS),
        }
    }

    /// Whether there was no record.
    pub fn is_empty(&self) -> bool {
        self.files + self.links + self.folders + self.others == 0
    }

    /// Reads all records, which are in order.
    ///
    /// # Errors
    /// Those of the records and of temporary files.
    pub fn read(&mut self, records: impl Iterator<Item = Result<Record>>) -> Result<Contents> {
        let by_content = records.filter_map(|record| record.and_then(|record| self.add(&record)).transpose());
        Contents::of(Spool::with_doubles(by_content, BUDGET)?.read())
    }

    /// Counts a record. Returns a record under the md5 of its content, if it has one.
    fn add(&mut self, record: &Record) -> Result<Option<Record>> {
        record.expect_entry()?;
        match record.kind() {
            Kind::File => {}
            Kind::Link => self.links += 1,
            Kind::Directory => self.folders += 1,
            _ => self.others += 1,
        }
        if record.kind() != Kind::File {
            return Ok(None);
        }
        let (name, size) = (record.name().as_bytes(), record.fields().size);
        let bytes = size.unwrap_or(0);
        self.files += 1;
        self.bytes = self.bytes.saturating_add(bytes);
        self.sizeless += u64::from(size.is_none());
        self.unread += u64::from(record.fields().md5.is_none());
        self.tree.add(name, bytes, 'f');
        self.largest.add(|least| bytes > least.0, || (bytes, Reverse(cut(name, LONGEST))));
        if let Some(time) = record.modified() {
            self.newest.add(|least| time > least.0, || (time, Reverse(cut(name, LONGEST)), size));
        }
        // Empty files save nothing.
        let Some(md5) = record.fields().md5.filter(|_| bytes > 0) else { return Ok(None) };
        let mut by_content = Record::build(Name::new(md5.to_string().into_bytes()), Kind::Other);
        let shown = to_base64(&name[..name.len().min(LONGEST + 4)]);
        Ok(Some(by_content.set_json("at", &format!("\"{shown}\"")).set(key::SIZE, bytes).finish()))
    }
}

impl Contents {
    /// Joins records of the same name, which is an md5. They are in order of it.
    fn of(records: impl Iterator<Item = Result<Record>>) -> Result<Contents> {
        let mut contents = Contents { distinct: 0, saved: 0, most: Top::new(ROWS) };
        let mut group: Option<(Name, Copies)> = None;
        for record in records {
            let record = record?;
            let copies = match &mut group {
                Some((md5, copies)) if md5 == record.name() => copies,
                other => {
                    let size = record.fields().size.unwrap_or(0);
                    let new = Copies { saved: 0, count: 0, size, md5: record.name().printable(), names: Vec::new() };
                    other.replace((record.name().clone(), new)).into_iter().for_each(|(_, whole)| contents.add(whole));
                    let Some((_, copies)) = other else { continue };
                    copies
                }
            };
            copies.count += 1;
            if copies.names.len() < COPIES {
                let name = record.string("at").and_then(|text| from_base64(&text)).unwrap_or_default();
                copies.names.push(cut(&name, LONGEST));
            }
        }
        group.into_iter().for_each(|(_, whole)| contents.add(whole));
        Ok(contents)
    }

    fn add(&mut self, copies: Copies) {
        self.distinct += 1;
        if copies.count > 1 {
            let saved = copies.size.saturating_mul(copies.count - 1);
            self.saved = self.saved.saturating_add(saved);
            self.most.add(|least| saved > least.saved, || Copies { saved, ..copies });
        }
    }
}
