//! The objects that `snap-gc` condemned: lists in the heap name them, and they are deleted a grace period later unless they change.
//!
//! An entry names one object as it was. A writer that wants to rely on a condemned object gives it another [`Identity`]
//! ([`super::Heap::renew`]): the entry then no longer fits. An entry is dropped only if its object has changed or is gone, never
//! because a snapshot refers to it: so a `snap-gc` that was stopped for a long time and continues with what it read before can
//! delete only objects that no writer has relied on since.

mod folder;
mod objects;

pub use folder::FolderLists;
pub use objects::StoreLists;

use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use crate::etag;
use crate::stat;
use crate::storage::Object;
use crate::time::Time;
use rustix::fs::Stat;
use serde::{Deserialize, Serialize};
use std::io::{self, BufRead, BufReader, Read};

/// The folder of the lists below the heap root.
pub const FOLDER: &str = "gc";

/// What tells an object from others with the same content that were or will be in its place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Identity {
    /// In a folder of this machine.
    File {
        /// The inode number.
        ino: u64,
        /// The time of the last change.
        modified: Time,
    },
    /// In another storage: [`Object::identity`].
    Etag(Box<str>),
}

impl Identity {
    /// Returns the identity of a file.
    pub fn of_file(stat: &Stat) -> Identity {
        Identity::File { ino: stat.st_ino, modified: stat::modified(stat) }
    }

    /// Returns the identity of an object in another storage, if the storage tells it.
    pub fn of(object: &Object) -> Option<Identity> {
        object.identity().map(|etag| Identity::Etag(etag.into()))
    }

    fn is(&self, other: &Identity) -> bool {
        match (self, other) {
            (Identity::Etag(a), Identity::Etag(b)) => etag::same(a, b),
            _ => self == other,
        }
    }
}

/// A condemned object, as it was then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The md5 of its content.
    pub md5: Md5,
    /// Its size in bytes.
    pub stored_size: u64,
    /// Its identity.
    pub identity: Identity,
    /// When it was condemned.
    pub condemned: Time,
    /// The grace period of that run, in seconds.
    pub grace: u64,
}

/// A line of a list. An object has an etag, or else an inode number and a time.
#[derive(Serialize, Deserialize)]
struct Line {
    condemned: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    etag: Option<String>,
    grace: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ino: Option<u64>,
    md5: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    stored_size: u64,
}

impl Entry {
    fn parse(line: &[u8]) -> Option<Entry> {
        let line: Line = serde_json::from_slice(line).ok()?;
        let identity = match (line.etag, line.ino, line.modified) {
            (Some(etag), None, None) => Identity::Etag(etag.into()),
            (None, Some(ino), Some(modified)) => Identity::File { ino, modified: Time::parse_rfc3339(&modified)? },
            _ => return None,
        };
        Some(Entry {
            md5: Md5::parse(&line.md5)?,
            stored_size: line.stored_size,
            identity,
            condemned: Time::parse_rfc3339(&line.condemned)?,
            grace: line.grace,
        })
    }

    /// Returns the line of a list; None for a time that RFC 3339 can't express: such an object is never condemned.
    fn line(&self) -> Option<String> {
        let (etag, ino, modified) = match &self.identity {
            Identity::Etag(etag) => (Some(etag.to_string()), None, None),
            Identity::File { ino, modified } => (None, Some(*ino), Some(modified.rfc3339()?)),
        };
        let line = Line {
            condemned: self.condemned.rfc3339()?,
            etag,
            grace: self.grace,
            ino,
            md5: self.md5.to_string(),
            modified,
            stored_size: self.stored_size,
        };
        serde_json::to_string(&line).ok()
    }

    /// Whether an object with this size and identity is still the one that was condemned.
    pub fn is_of(&self, stored_size: u64, identity: &Identity) -> bool {
        self.stored_size == stored_size && self.identity.is(identity)
    }

    /// Returns the seconds from the condemnation to `now`.
    pub fn age(&self, now: Time) -> f64 {
        now.seconds_since(self.condemned)
    }

    /// Whether it was condemned longer ago than half of the grace period. The other half is left for a snapshot to appear.
    pub fn is_old(&self, now: Time) -> bool {
        self.age(now) > self.grace as f64 / 2.0
    }
}

/// The lists of a heap, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// When the folder was changed last, in a folder of this machine: a list may have been created and deleted between two reads.
    /// In other storages there is always a list, once there was one, and none has a name that another one had.
    changed: Option<(i64, i64)>,
    lists: Vec<List>,
}

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct List {
    /// The name in the folder.
    name: String,
    /// When it got its name by the clock of the storage, if the listing tells that.
    named: Option<Time>,
}

impl List {
    /// Returns when the list was begun, by its name and the clock of the storage.
    fn begun(&self) -> Option<Time> {
        let (date, rest) = self.name.strip_prefix("condemned-")?.split_once('T')?;
        let (time, _) = rest.rsplit_once('-')?;
        Time::parse_rfc3339(&format!("{date}T{}", time.replace('-', ":")))
    }

    /// Returns the name of a list that is begun now, and the time that the list will be known to have. `tail` tells it from others.
    fn name(now: Time, tail: &str) -> String {
        format!("condemned-{}-{tail}.jsonl", now.rfc3339().unwrap_or_default().replace(':', "-"))
    }

    /// Whether a file of the folder is a list.
    fn is_name(name: &str) -> bool {
        name.starts_with("condemned-") && name.ends_with(".jsonl")
    }
}

/// Whether the object of this key below the heap root is a list.
pub fn is_list(key: &[u8]) -> bool {
    let name = std::str::from_utf8(key).ok().and_then(|key| key.strip_prefix(FOLDER)?.strip_prefix('/'));
    name.is_some_and(List::is_name)
}

/// A list that is opened: its content, and when it got its name, by the clock of the storage.
pub type Opened = (Box<dyn Read>, Option<Time>);

/// The lists of a heap in its storage.
pub trait Lists {
    /// Returns their folder, for messages.
    fn shown(&self) -> String;

    /// Looks which there are; None if the heap never had one.
    fn look(&self) -> io::Result<Option<State>>;

    /// Opens a list; None if it has just been replaced.
    fn open(&self, list: &List) -> io::Result<Option<Opened>>;

    /// Writes entries to new lists. New entries (those with `condemned` before 1970) get the time at which the list was begun, by
    /// the clock of the storage. `is_first` says that there is no list yet.
    fn write(&self, entries: &mut [Entry], is_first: bool) -> Result<()>;

    /// Removes lists. One that is gone is no error.
    fn remove(&self, lists: &[List]) -> Result<()>;
}

/// All condemned objects of a heap.
#[derive(Clone, Debug, Default)]
pub struct Condemned {
    entries: Vec<Entry>,
    state: State,
}

impl Condemned {
    /// Reads the lists of a heap. A heap that `snap-gc` never worked on has none.
    ///
    /// # Errors
    /// If they can't be read.
    pub fn load(lists: &dyn Lists) -> Result<Condemned> {
        let what = || format!("read {}", lists.shown());
        for _ in 0..1000 {
            // A snap-gc may be replacing the lists: all of them have to be read in one state.
            let Some(before) = lists.look().or_failed(what)? else { return Ok(Condemned::default()) };
            if before.lists.is_empty() {
                return Ok(Condemned { entries: Vec::new(), state: before });
            }
            let read = before.lists.iter().map(|list| read(lists, list)).collect::<Result<Option<Vec<_>>>>()?;
            let after = lists.look().or_failed(what)?;
            let (Some(entries), true) = (read, after.as_ref() == Some(&before)) else { continue };
            let mut entries = entries.concat();
            // Several lists may name one object: the earliest entry counts.
            fn key(e: &Entry) -> (Md5, &Identity, u64) {
                (e.md5, &e.identity, e.stored_size)
            }
            entries.sort_unstable_by(|a, b| key(a).cmp(&key(b)).then(a.condemned.cmp(&b.condemned)));
            entries.dedup_by(|a, b| key(a) == key(b));
            return Ok(Condemned { entries, state: before });
        }
        Err(Error::refused(format!("{}: it does not stop changing", lists.shown())))
    }

    /// Whether nothing is condemned.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the number of lists that this was read from. In another storage, it is not 0 once `snap-gc` has condemned
    /// anything.
    pub fn lists(&self) -> usize {
        self.state.lists.len()
    }

    /// Returns the entries with an md5. There can be several, for objects that had it one after the other.
    pub fn of(&self, md5: &Md5) -> &[Entry] {
        let from = self.entries.partition_point(|e| e.md5 < *md5);
        let rest = &self.entries[from..];
        &rest[..rest.iter().take_while(|e| e.md5 == *md5).count()]
    }

    /// Returns the entry of exactly this object.
    pub fn find(&self, md5: &Md5, stored_size: u64, identity: &Identity) -> Option<&Entry> {
        self.of(md5).iter().find(|e| e.is_of(stored_size, identity))
    }

    /// Returns the shortest grace period of an entry in seconds.
    pub fn least_grace(&self) -> Option<u64> {
        self.entries.iter().map(|e| e.grace).min()
    }

    /// Whether another read saw the same lists, and none was created and deleted in between.
    pub fn is_same(&self, other: &Condemned) -> bool {
        self.state == other.state
    }

    /// Replaces the lists that this was read from by others with these entries. See [`Lists::write`].
    ///
    /// # Errors
    /// If that fails: the old lists still exist then.
    pub fn replace(&self, lists: &dyn Lists, entries: &mut [Entry]) -> Result<()> {
        lists.write(entries, self.state.lists.is_empty())?;
        lists.remove(&self.state.lists)
    }
}

/// Returns the lines of these entries, after the new ones got their time. See [`Lists::write`].
fn lines(entries: &mut [Entry], now: Time) -> impl Iterator<Item = String> {
    entries.iter_mut().filter_map(move |entry| {
        if entry.condemned.sec < 0 {
            entry.condemned = now;
        }
        entry.line().map(|line| line + "\n")
    })
}

/// Reads the entries of a list; None if the list has just been replaced.
fn read(lists: &dyn Lists, list: &List) -> Result<Option<Vec<Entry>>> {
    let shown = || format!("{}/{}", lists.shown(), crate::display::printable(list.name.as_bytes()));
    let Some((content, named)) = lists.open(list).or_failed(shown)? else { return Ok(None) };
    let begun = list.begun();
    let mut entries = Vec::new();
    for line in BufReader::new(content).split(b'\n') {
        let line = line.or_failed(shown)?;
        let mut entry = Entry::parse(&line).ok_or_else(|| Error::refused(format!("{}: it is damaged", shown())))?;
        // New entries count from when the list got its name: a snap-gc may have been stopped for a long time since it began the
        // list, and no writer could see the list meanwhile.
        if begun == Some(entry.condemned) {
            entry.condemned = named.map_or(entry.condemned, |named| named.max(entry.condemned));
        }
        entries.push(entry);
    }
    Ok(Some(entries))
}
