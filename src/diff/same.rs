//! What makes two entries of one name the same.

use super::{Options, Status};
use crate::etag;
use crate::record::{Kind, Record};
use crate::storage::attributes;
use crate::time::Time;

/// A key by which files are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum), value(rename_all = "snake_case"))]
pub enum Key {
    /// The number of bytes
    Size,
    /// The time of the last change
    Modified,
    /// The version in a storage
    Etag,
    /// The md5, also if it is the etag
    Md5,
}

/// Compares two entries: `Equal`, `Different` or `Unsure`. None if a file has no md5, and no other keys are given.
pub(super) fn status(left: &Record, right: &Record, options: &Options) -> Option<Status> {
    let files = left.kind() == Kind::File && right.kind() == Kind::File;
    let content = match options.by.is_empty() {
        true if files && (left.fields().md5.is_none() || right.fields().md5.is_none()) => return None,
        false if files => by(left, right, &options.by),
        _ if same_content(left, right) => Status::Equal,
        _ => Status::Different,
    };
    let differs = options.metadata && !(same_metadata(left, right) && (!options.one_root || same_names(left, right)));
    Some(if differs { Status::Different } else { content })
}

/// Compares two files by the keys that both sides have. A size shows only that they differ, unless it is the only key.
fn by(left: &Record, right: &Record, keys: &[Key]) -> Status {
    let mut status = Status::Unsure;
    for key in keys {
        match key.compare(left, right) {
            Some(false) => return Status::Different,
            Some(true) if *key != Key::Size || keys == [Key::Size] => status = Status::Equal,
            Some(true) | None => {}
        }
    }
    status
}

impl Key {
    /// Returns whether the values are equal; None if a side has no value, or the values prove nothing.
    fn compare(self, left: &Record, right: &Record) -> Option<bool> {
        let (l, r) = (left.fields(), right.fields());
        match self {
            Key::Size => Some(l.size? == r.size?),
            Key::Modified => Some(same_as_known(left.modified()?, right.modified()?) || same_time(left, right)),
            Key::Etag => Some(etag::same(l.etag.as_deref()?, r.etag.as_deref()?)),
            Key::Md5 => match (l.md5, r.md5) {
                (Some(left), Some(right)) => Some(left == right && same_if_known(l.sha256, r.sha256)),
                // Where a service encrypts objects or receives them in parts, their etags are other numbers.
                _ => (md5(left)? == md5(right)?).then_some(true),
            },
        }
    }
}

/// Returns the md5 of a content, in hex: that of the record, or an etag that may be one.
fn md5(record: &Record) -> Option<String> {
    let etag = || record.fields().etag.as_deref().map(etag::bare).filter(|etag| crate::digest::Md5::parse(etag).is_some());
    record.fields().md5.map(|md5| md5.to_string()).or_else(|| etag().map(str::to_string))
}

/// Whether two entries are of the same type and have the same content.
pub(crate) fn same_content(left: &Record, right: &Record) -> bool {
    let (l, r) = (left.fields(), right.fields());
    left.kind() == right.kind()
        && match left.kind() {
            Kind::File => l.md5 == r.md5 && same_if_known(l.sha256, r.sha256),
            Kind::Link => l.destination == r.destination,
            Kind::Other => left.raw("type") == right.raw("type"),
            _ => true,
        }
}

/// Whether two entries have the same metadata, as far as both have it: all that a restore uses.
pub(crate) fn same_metadata(left: &Record, right: &Record) -> bool {
    let (l, r) = (left.fields(), right.fields());
    let value = |record: &Record, key: &str| -> Option<serde_json::Value> {
        serde_json::from_str(&record.raw(key)?).ok().filter(|value: &serde_json::Value| !value.is_null())
    };
    same_if_known(l.mode, r.mode)
        && same_if_known(l.uid, r.uid)
        && same_if_known(l.gid, r.gid)
        && same_time(left, right)
        && l.sparse == r.sparse
        && same_if_known(value(left, "xattrs"), value(right, "xattrs"))
        && attributes::same(left, right)
}

/// Whether two files of one root have the same further names, as far as both records know: the inode tells.
fn same_names(left: &Record, right: &Record) -> bool {
    let (l, r) = (left.fields(), right.fields());
    let has_names = [l.nlink, r.nlink].iter().any(|n| n.is_some_and(|n| n > 1)) && left.kind() != Kind::Directory;
    !has_names || same_if_known(l.nlink, r.nlink) && same_if_known(l.ino, r.ino) && same_if_known(l.dev, r.dev)
}

/// Whether two values are equal, or one is missing: storages have different metadata, and a missing value is no difference.
fn same_if_known<T: PartialEq>(left: Option<T>, right: Option<T>) -> bool {
    left.is_none() || right.is_none() || left == right
}

/// Whether the times are equal, within the precision that both sides have: times of the Python tool are doubles.
fn same_time(left: &Record, right: &Record) -> bool {
    let (Some(l), Some(r)) = (left.modified(), right.modified()) else { return true };
    match left.fields().modified == Some(l) && right.fields().modified == Some(r) {
        true => l == r,
        false => left.fields().mtime.unwrap_or(l.as_double()) == right.fields().mtime.unwrap_or(r.as_double()),
    }
}

/// Whether two times are equal as far as the less precise one goes: storages know seconds, milliseconds or microseconds.
fn same_as_known(left: Time, right: Time) -> bool {
    let precision =
        |time: Time| [1_000_000_000, 1_000_000, 1000].into_iter().find(|unit| time.nsec.is_multiple_of(*unit)).unwrap_or(1);
    let unit = precision(left).max(precision(right));
    left.sec == right.sec && left.nsec / unit == right.nsec / unit
}
