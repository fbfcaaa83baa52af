//! Several members of one name, and hard links.
//!
//! An archive has the content of a file once; a hard link has the name of that member. The records of all names of one file have
//! the same `ino`, and `nlink` is their number. So every hard link is looked up in the sorted members when all of them are
//! known. Sorting holds little in memory, however many there are.
//!
//! A member's number is its `dev` until the end. A hard link is a file with a `destination`. While it is looked up, it is a link
//! whose name is the name to find and whose destination is its own name; `ino` is the number of the member that was found.

use crate::digest::md5_of;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Edit, Kind, Record, key};
use crate::sort::Spool;
use crate::stream::Records;
use std::cell::Cell;
use std::collections::HashMap;
use std::iter::Peekable;

/// The most hard links that lead from one to the next.
const DEPTH: usize = 40;
/// The most members of one name that hard links can refer to. An archive that was appended to can have several.
const VERSIONS: usize = 1000;

/// The bytes of records that each sort holds in memory.
pub const BUDGET: usize = 4 << 20;

/// Tells the monitor of a failure, and returns its error record.
pub fn failure(name: &Name, reason: &str, monitor: &dyn Monitor) -> Record {
    monitor.failure(name, reason);
    Record::failure(name, reason)
}

/// Returns the last record of each name.
pub fn last_of_each(all: &Spool) -> Records {
    Box::new(Last::new(all).map(|record| Ok(own_name(&record?, 1))))
}

/// Returns the last record of each name, with the records of files in place of their hard links.
///
/// # Errors
/// If a temporary file can't be written.
pub fn resolved(all: &Spool, monitor: &dyn Monitor) -> Result<Records> {
    let wanted = |record: Record| is_hard_link(&record).then(|| wanted(&record, record.name()));
    let mut links = Spool::with_doubles(Last::new(all).filter_map(|record| record.map(wanted).transpose()), BUDGET)?;
    for _ in 0..DEPTH {
        let (mut versions, left) = (Versions::new(all, add_version), Cell::new(0));
        links = Spool::with_doubles(links.read().map(|link| look_up(link?, &mut versions, &left, monitor)), BUDGET)?;
        if left.get() == 0 {
            break;
        }
    }
    let own = Last::new(all).filter(|record| !matches!(record, Ok(record) if is_hard_link(record)));
    let mut counts = Counts::new(&links, count);
    let own = own.map(|record| {
        let record = record?;
        let others = counts.of(record.name())?.get(&number(&record)).copied();
        Ok(own_name(&record, 1 + others.unwrap_or(0)))
    });
    let (mut counts, mut versions) = (Counts::new(&links, count), Versions::new(all, add_version));
    let others = links.read().map(|link| {
        let link = link?;
        Ok(match (link.kind(), link.fields().ino) {
            (Kind::Link, Some(found)) => {
                let versions = versions.of(link.name())?;
                let file = versions.iter().find(|file| number(file) == found).unwrap_or(&link);
                // The file may have lost its own name to a later member.
                let own = u64::from(versions.last().is_some_and(|last| number(last) == found));
                other_name(file, target(&link), own + counts.of(link.name())?.get(&found).copied().unwrap_or(0))
            }
            (Kind::Link, None) => failed(&link, "leads to another one, and so on, too often", monitor),
            _ => link,
        })
    });
    Ok(Spool::with_doubles(own.chain(others), BUDGET)?.read())
}

fn is_hard_link(record: &Record) -> bool {
    record.kind() == Kind::File && record.fields().destination.is_some()
}

fn number(record: &Record) -> u64 {
    record.fields().dev.unwrap_or(0)
}

fn target(record: &Record) -> Name {
    Name::new(record.fields().destination.as_deref().unwrap_or_default())
}

/// Returns what is looked up for a hard link: the member of its target in front of it. `own` is the name that the file gets.
fn wanted(link: &Record, own: &Name) -> Record {
    let mut edit = Record::build(target(link), Kind::Link);
    edit.set_destination(own.as_bytes().to_vec()).set(key::DEV, number(link)).finish()
}

/// Looks up the member that a hard link refers to. `left` counts those that are hard links again.
fn look_up(link: Record, versions: &mut Versions, left: &Cell<u64>, monitor: &dyn Monitor) -> Result<Record> {
    if link.kind() == Kind::Error || link.fields().ino.is_some() {
        return Ok(link);
    }
    let found = versions.of(link.name())?.iter().rfind(|version| number(version) < number(&link));
    Ok(match found {
        None => failed(&link, "is not in the archive before it", monitor),
        Some(folder) if folder.kind() == Kind::Directory => failed(&link, "is a folder", monitor),
        Some(other) if is_hard_link(other) => {
            left.set(left.get() + 1);
            wanted(other, &target(&link))
        }
        Some(file) => link.edit().set(key::INO, number(file)).finish(),
    })
}

fn failed(link: &Record, reason: &str, monitor: &dyn Monitor) -> Record {
    failure(&target(link), &format!("it is a hard link to {}, which {reason}", link.name().printable()), monitor)
}

/// Returns the record of a member under its own name, one of `names`.
fn own_name(record: &Record, names: u64) -> Record {
    if !record.is_entry() {
        return record.clone();
    }
    let mut edit = record.edit();
    edit.set(key::DEV, None);
    if names > 1 { with_inode(&mut edit, record, names) } else { edit.finish() }
}

/// Returns the record of a file under another name, one of `names`.
fn other_name(file: &Record, name: Name, names: u64) -> Record {
    let fields = file.fields();
    let mut edit = Record::build(name, file.kind());
    if let Some(target) = fields.destination.clone() {
        edit.set_destination(target);
    }
    edit.set_known(key::GID, fields.gid).set(key::ISLINK, file.kind() == Kind::Link).set_known(key::MD5, fields.md5);
    edit.set_known(key::MODE, fields.mode).set_known(key::MODIFIED, fields.modified).set_known(key::MTIME, fields.mtime);
    edit.set_known(key::SHA256, fields.sha256).set_known(key::SIZE, fields.size).set_known(key::STORED_SIZE, fields.stored_size);
    edit.set_known(key::SPARSE, fields.sparse.then_some(true)).set_known(key::UID, fields.uid);
    if let Some(xattrs) = file.raw("xattrs") {
        edit.set_json("xattrs", &xattrs);
    }
    if names > 1 { with_inode(&mut edit, file, names) } else { edit.finish() }
}

/// Adds the number of a file's inode. Those of another archive are other ones, so that the records of both can be merged.
fn with_inode(edit: &mut Edit<'_>, file: &Record, names: u64) -> Record {
    let text = [file.name().as_bytes(), b"\0", &number(file).to_le_bytes()].concat();
    // No program takes so small a number for another one.
    let inode = md5_of(&text).0.iter().take(6).fold(0, |n, b| n << 8 | u64::from(*b));
    edit.set(key::INO, inode).set(key::NLINK, names).finish()
}

/// The last record of each name, in order. Error records stay.
struct Last {
    input: Peekable<Records>,
    /// A record whose name has an error record, too.
    held: Option<Record>,
}

impl Last {
    fn new(all: &Spool) -> Last {
        Last { input: all.read().peekable(), held: None }
    }
}

impl Iterator for Last {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        let mut last = match self.held.take().map(Ok).or_else(|| self.input.next())? {
            Ok(record) if record.is_entry() => record,
            other => return Some(other),
        };
        while let Some(next) = self.input.next_if(|next| next.as_ref().is_ok_and(|next| next.name() == last.name())) {
            match next {
                Ok(record) if record.is_entry() => last = record,
                other => {
                    self.held = Some(last);
                    return Some(other);
                }
            }
        }
        Some(Ok(last))
    }
}

/// What the records of one name are together, for names in order.
struct Groups<T> {
    input: Peekable<Records>,
    name: Option<Name>,
    group: T,
    add: fn(&mut T, Record) -> Result<()>,
}

/// The members of a name, in the order of the archive.
type Versions = Groups<Vec<Record>>;
/// The number of links that lead to each member of a name.
type Counts = Groups<HashMap<u64, u64>>;

impl<T: Default> Groups<T> {
    fn new(all: &Spool, add: fn(&mut T, Record) -> Result<()>) -> Groups<T> {
        Groups { input: all.read().peekable(), name: None, group: T::default(), add }
    }

    /// Returns what there is of a name, which is not before the last one.
    fn of(&mut self, name: &Name) -> Result<&T> {
        if self.name.as_ref() != Some(name) {
            (self.name, self.group) = (Some(name.clone()), T::default());
            while let Some(next) = self.input.next_if(|next| next.as_ref().map_or(true, |next| next.name() <= name)) {
                let next = next?;
                if next.name() == name && next.is_entry() {
                    (self.add)(&mut self.group, next)?;
                }
            }
        }
        Ok(&self.group)
    }
}

fn add_version(versions: &mut Vec<Record>, record: Record) -> Result<()> {
    if versions.len() >= VERSIONS {
        let name = record.name().printable();
        return Err(Error::refused(format!("{name}: a hard link to a name that more than {VERSIONS} members have")));
    }
    versions.push(record);
    Ok(())
}

fn count(counts: &mut HashMap<u64, u64>, link: Record) -> Result<()> {
    *counts.entry(link.fields().ino.unwrap_or(0)).or_default() += 1;
    Ok(())
}
