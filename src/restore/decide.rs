//! Decides what to do for a record, given what exists under its name. A dry run prints the decision; other runs carry it out.
//! This module has no access to files.

use super::meta::Meta;
use super::options::Options;
use crate::content::NO_MD5;
use crate::digest::Md5;
use crate::error::Reason;
use crate::etag;
use crate::json;
use crate::name::Name;
use crate::record::{Fields, Kind, Record};
use crate::time::Time;
use rustix::fs::Stat;

/// The reason if a folder is in the way and nothing is deleted.
pub const BLOCKED: &str = "a folder that is not empty is in its place, and nothing is deleted";
/// The reason if a folder is in the way and deleting does not empty it.
pub const STILL_BLOCKED: &str = "a folder that is not empty is in its place";
/// The reason if the name is that of a heap root or snap root.
const KEPT: &str = "the heap or the snapshots are in its place";

/// What to do for a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Nothing to do.
    Keep,
    /// Make it; the name does not exist yet.
    Create,
    /// Make it and replace what has the name: another content, another type, or a file that has other names.
    Replace,
    /// Like `Replace`, but a folder has the name, and its contents have to be deleted first.
    MakeRoom,
    /// Set mode, owner, time or extended attributes.
    Change,
    /// Make it another name of a file that was restored before.
    Link,
    /// Delete it, because it has no record.
    Delete,
    /// Undecided: a dry run would first have to change the mode of a folder.
    Open,
    /// Read the existing file first; nothing can be decided before that.
    Read,
}

impl Action {
    /// Returns the word for it in rows; None if there is nothing to do.
    pub fn word(self) -> Option<&'static str> {
        Some(match self {
            Action::Keep | Action::Read => return None,
            Action::Create => "create",
            Action::Replace | Action::MakeRoom => "replace",
            Action::Change => "change",
            Action::Link => "link",
            Action::Delete => "delete",
            Action::Open => "open",
        })
    }

    /// Checks whether the action writes the content of a file.
    pub fn writes(self) -> bool {
        matches!(self, Action::Create | Action::Replace | Action::MakeRoom)
    }
}

/// The current state of a name.
#[derive(Default)]
pub struct There {
    /// The type of entry that has the name.
    pub what: What,
    /// The metadata of the file system; None in storages that have only contents.
    pub stat: Option<Stat>,
    /// Whether it lacks an extended attribute of the record, or has another value for it.
    pub xattrs_differ: bool,
    /// Whether an object has other attributes than its record.
    pub attributes_differ: bool,
    /// Only if the record is another name of an earlier file: whether the entry is that file already.
    pub is_first: Option<bool>,
}

/// The type of entry that has a name.
#[derive(Default)]
pub enum What {
    #[default]
    Nothing,
    File(Seen),
    /// A symbolic link with this target.
    Link(Vec<u8>),
    Folder(Held),
    /// A socket, a fifo or a device.
    Special,
}

/// The contents of a folder. Not determined if the record is a folder too, because then they do not matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    Nothing,
    /// Something that is not deleted.
    Something,
    /// Only things that are going to be deleted.
    Extras,
    /// The folder is the heap root or the snap root.
    Root,
    /// Unknown, because the mode of the folder would have to be changed.
    Hidden,
}

/// The properties of a file's or object's content that are known without reading it, and the result of reading it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub size: Option<u64>,
    /// The time of the last change of a file. Together with the size, it identifies the content.
    pub time: Option<Time>,
    pub etag: Option<String>,
    /// The md5 that the storage claims.
    pub md5: Option<Md5>,
    pub read: Option<Read>,
}

/// The result of reading a file.
#[derive(Clone, Copy, Debug)]
pub enum Read {
    Is(Md5),
    /// The mode of the file does not allow us to read it.
    Refused,
}

impl There {
    fn has_other_names(&self) -> bool {
        self.stat.is_some_and(|stat| stat.st_nlink > 1)
    }
}

/// Checks a record before anything is looked up.
///
/// # Errors
/// The reason why it can't be restored.
pub fn check(record: &Record) -> Result<(), Reason> {
    match record.kind() {
        Kind::File | Kind::Directory => Ok(()),
        Kind::Link => match record.fields() {
            Fields { destination: None, .. } => Err("the link has no target".into()),
            Fields { destination: Some(target), md5: Some(md5), .. } if *md5 != crate::digest::md5_of(target) => {
                Err("its target is not what its md5 says".into())
            }
            _ => Ok(()),
        },
        _ => {
            let kind = record.string("type").unwrap_or_default();
            Err(format!("a {} can't be restored", crate::display::printable(kind.as_bytes())).into())
        }
    }
}

/// Returns what to do for a file, link or folder.
///
/// # Errors
/// The reason why it can't be restored.
pub fn decide(record: &Record, there: &There, options: &Options) -> Result<Action, Reason> {
    let anew = if there.is_first.is_some() { Action::Link } else { Action::Replace };
    let action = match (record.kind(), &there.what) {
        (_, What::Nothing) if anew == Action::Link => Action::Link,
        (_, What::Nothing) => Action::Create,
        (Kind::Directory, What::Folder(_)) => changed(record, there, options),
        (Kind::Directory, _) => Action::Replace,
        (_, What::Folder(Held::Nothing)) => anew,
        (_, What::Folder(Held::Extras)) if options.delete => Action::MakeRoom,
        (_, What::Folder(Held::Hidden)) => Action::Open,
        (_, What::Folder(Held::Root)) => return Err(KEPT.into()),
        (_, What::Folder(_)) => return Err(if options.delete { STILL_BLOCKED } else { BLOCKED }.into()),
        _ if there.is_first == Some(true) => Action::Keep,
        _ if anew == Action::Link => Action::Link,
        (Kind::Link, What::Link(target)) if Some(target) == record.fields().destination.as_ref() => {
            changed(record, there, options)
        }
        // A service sets the attributes of an object together with its content.
        (Kind::File, What::File(_)) if there.attributes_differ => Action::Replace,
        (Kind::File, What::File(seen)) => match is_same(record, seen, options.checksum) {
            None => Action::Read,
            Some(true) => changed(record, there, options),
            Some(false) => Action::Replace,
        },
        _ => Action::Replace,
    };
    match action.writes() && record.kind() == Kind::File && record.fields().md5.is_none() {
        true => Err(NO_MD5.into()),
        false => Ok(action),
    }
}

/// Returns what to do for an entry with the right content. A file with several names is replaced, never changed, because one of
/// its names can be in a place that we must not change.
fn changed(record: &Record, there: &There, options: &Options) -> Action {
    let differs = there.stat.is_some_and(|stat| Meta::of(record, options).differs(record, &stat)) || there.xattrs_differ;
    match differs {
        false => Action::Keep,
        true if record.kind() != Kind::Directory && there.has_other_names() => Action::Replace,
        true => Action::Change,
    }
}

/// Checks whether a file or object has the content of its record; None if it has to be read to find out.
fn is_same(record: &Record, seen: &Seen, checksum: bool) -> Option<bool> {
    let wanted = record.fields();
    if wanted.size.is_some_and(|size| seen.size != Some(size)) {
        return Some(false);
    }
    match seen.read {
        Some(Read::Is(md5)) => return Some(wanted.md5 == Some(md5)),
        Some(Read::Refused) => return Some(false),
        None if checksum => {}
        None => {
            if let Some(time) = seen.time.filter(|_| wanted.size.is_some() && record.modified().is_some()) {
                return Some(record.has_time(time));
            }
            let is_now = |etag: &str| seen.etag.as_deref().is_some_and(|now| etag::same(now, etag));
            if wanted.etag.as_deref().is_some_and(|etag| is_now(etag) && !etag::is_weak(etag)) {
                return Some(true);
            }
            // On S3, the etag of an object that was uploaded in one piece is its md5.
            if wanted.md5.is_some_and(|md5| seen.md5 == Some(md5) || is_now(&md5.to_string())) {
                return Some(true);
            }
            if seen.md5.is_some() {
                return Some(false);
            }
        }
    }
    if wanted.md5.is_some() { None } else { Some(false) }
}

/// Returns the row of a dry run: `{"action":…,"name":…,"size":…,"to":…,"type":…}`. None if there is nothing to do.
pub fn row(action: Action, name: &Name, kind: &str, size: Option<u64>, to: Option<&Name>) -> Option<Record> {
    let mut out = format!("{{\"action\":\"{}\",\"name\":", action.word()?);
    json::push_string(&mut out, name.as_bytes());
    json::push_bytes_key(&mut out, "name_bytes", name.as_bytes());
    if let Some(size) = size {
        out.push_str(&format!(",\"size\":{size}"));
    }
    if let Some(to) = to {
        out.push_str(",\"to\":");
        json::push_string(&mut out, to.as_bytes());
        json::push_bytes_key(&mut out, "to_bytes", to.as_bytes());
    }
    // The row of a link has no target, so it is not a valid record. `Kind::Other` keeps it from being taken for one.
    out.push_str(&format!(",\"type\":\"{kind}\"}}"));
    Some(Record::from_parts(name.clone(), Kind::Other, Fields::default(), out.into_bytes()))
}
