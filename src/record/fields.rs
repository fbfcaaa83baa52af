//! Parses the keys of a JSON object into the typed fields of a record.

use crate::digest::{Md5, Sha256};
use crate::error::Malformed;
use crate::json::{self, Object};
use crate::name::{self, Name};
use crate::time::Time;
use std::borrow::Cow;

/// The kind of a record, by its `type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// A regular file or an object. Also a record without `type`.
    File,
    /// A symbolic link.
    Link,
    /// A folder.
    Directory,
    /// A file, link or folder for which something failed; `error` has the reason.
    Error,
    /// The mark that the stream is complete.
    End,
    /// A name that a list of changes says is no more. Only `snap-patch` uses it.
    Gone,
    /// A row of `snap-diff`: no `type`, but `status`, `left` and `right`.
    Change,
    /// An unknown type. Tools pass the record on, but do not restore it.
    Other,
}

impl Kind {
    /// Returns the value of `type` for this kind, or None if it has no fixed one.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Kind::File => Some("file"),
            Kind::Link => Some("link"),
            Kind::Directory => Some("directory"),
            Kind::Error => Some("error"),
            Kind::End => Some("end"),
            Kind::Gone => Some("gone"),
            Kind::Change | Kind::Other => None,
        }
    }
}

/// The fields of a record that tools use. `None` if the key is absent or null, or if a time has another form.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// Bytes of the content; of the target's text for a link.
    pub size: Option<u64>,
    /// md5 of the content; of the target's text for a link.
    pub md5: Option<Md5>,
    /// sha256 of the content, if the content was read.
    pub sha256: Option<Sha256>,
    /// Bytes of the heap object.
    pub stored_size: Option<u64>,
    /// Time of the last change of the content, as the Python tool writes it: `sec + 1e-9 * nsec`.
    pub mtime: Option<f64>,
    /// Time of the last change of the inode (`st_ctime`), as the Python tool writes it.
    pub created: Option<f64>,
    /// Time of the last change of the content, exact.
    pub modified: Option<Time>,
    /// The whole `st_mode`, file type included.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Inode number.
    pub ino: Option<u64>,
    /// Device of the inode; written for files with several names only.
    pub dev: Option<u64>,
    /// Number of names of the inode.
    pub nlink: Option<u64>,
    /// A link's target, raw bytes.
    pub destination: Option<Vec<u8>>,
    /// The file was read within a second of its last change, so the record can't serve as a base.
    pub racy: bool,
    /// The file had holes.
    pub sparse: bool,
    /// The storage's token for this version of the content, unchanged, with its quotes.
    pub etag: Option<String>,
}

/// Returns the name, the kind and the typed fields of an object whose `name` is `wtf8`.
///
/// # Errors
/// The reason in words. If it concerns a key, it starts with the key.
pub fn typed(object: &Object, wtf8: &[u8]) -> Result<(Name, Kind, Fields), Malformed> {
    let mut fields = Fields::default();
    let mut kind = None;
    let (mut name_bytes, mut destination_bytes, mut change) = (None, None, false);
    for (key, raw) in object.entries() {
        if raw == "null" {
            continue;
        }
        match key {
            "type" => kind = Some(kind_of(&string(key, raw)?)),
            "size" => fields.size = Some(whole(key, raw)?),
            "stored_size" => fields.stored_size = Some(whole(key, raw)?),
            "md5" => fields.md5 = Some(Md5::parse(&string(key, raw)?).ok_or_else(|| not(key, "32 lower-case hex digits", raw))?),
            "sha256" => {
                fields.sha256 = Some(Sha256::parse(&string(key, raw)?).ok_or_else(|| not(key, "64 lower-case hex digits", raw))?)
            }
            "mtime" => fields.mtime = raw.parse().ok(),
            "created" => fields.created = raw.parse().ok(),
            "modified" => fields.modified = Time::parse_rfc3339(&string(key, raw)?),
            "mode" => fields.mode = Some(small(key, raw)?),
            "uid" => fields.uid = Some(small(key, raw)?),
            "gid" => fields.gid = Some(small(key, raw)?),
            "ino" => fields.ino = Some(whole(key, raw)?),
            "dev" => fields.dev = Some(whole(key, raw)?),
            "nlink" => fields.nlink = Some(whole(key, raw)?),
            "racy" => fields.racy = truth(key, raw)?,
            "sparse" => fields.sparse = truth(key, raw)?,
            "etag" => fields.etag = Some(string(key, raw)?.into_owned()),
            "destination" => fields.destination = Some(json::decode(raw).ok_or_else(|| not(key, "a string", raw))?.into_owned()),
            "name_bytes" => name_bytes = Some(base64(key, raw)?),
            "destination_bytes" => destination_bytes = Some(base64(key, raw)?),
            "status" => change = true,
            _ => {}
        }
    }
    let kind = kind.unwrap_or(if change { Kind::Change } else { Kind::File });
    let name = Name::new(identity("name", wtf8, name_bytes)?);
    match kind {
        Kind::End => {}
        // An error record can have a name that is refused elsewhere, because the name can be the reason of the failure. No tool
        // opens, restores or deletes a file by the name of an error record.
        Kind::Error if !name.as_bytes().is_empty() => {}
        _ => name.check().map_err(Malformed::new)?,
    }
    if let Some(wtf8) = fields.destination.take() {
        fields.destination = Some(identity("destination", &wtf8, destination_bytes)?);
    }
    if kind == Kind::Link && fields.destination.as_deref().is_none_or(|d| d.is_empty() || d.contains(&0)) {
        return Err(Malformed::new("destination: a link needs one, not empty and without NUL"));
    }
    Ok((name, kind, fields))
}

fn kind_of(word: &str) -> Kind {
    let kinds = [Kind::File, Kind::Link, Kind::Directory, Kind::Error, Kind::End, Kind::Gone];
    kinds.into_iter().find(|kind| kind.word() == Some(word)).unwrap_or(Kind::Other)
}

/// Returns the bytes that a string stands for. If there is a `_bytes` key, its value is returned, which has to match the string.
fn identity(key: &str, wtf8: &[u8], bytes: Option<Vec<u8>>) -> Result<Vec<u8>, Malformed> {
    let own = json::unescape(wtf8);
    match (own, bytes) {
        (Some(own), None) => Ok(own.into_owned()),
        (Some(own), Some(bytes)) if *own == bytes => Ok(bytes),
        (_, Some(bytes)) if name::is_replaced(wtf8, &bytes) => Ok(bytes),
        (_, Some(_)) => {
            Err(Malformed::new(format!("{key}_bytes: is not {key}; a program that changes {key} has to change or delete both")))
        }
        (None, None) => Err(Malformed::new(format!("{key}: holds a lone surrogate that stands for no byte"))),
    }
}

fn string<'a>(key: &str, raw: &'a str) -> Result<Cow<'a, str>, Malformed> {
    if !raw.starts_with('"') {
        return Err(not(key, "a string", raw));
    }
    match raw.contains('\\') {
        true => serde_json::from_str(raw).map(Cow::Owned).map_err(|_| not(key, "a string", raw)),
        false => Ok(Cow::Borrowed(&raw[1..raw.len() - 1])),
    }
}

fn base64(key: &str, raw: &str) -> Result<Vec<u8>, Malformed> {
    json::from_base64(&string(key, raw)?).ok_or_else(|| not(key, "base64", raw))
}

/// Reads a whole number, also in the form in which jq writes large ones (`1e+18`, `10737418240.0`).
fn whole(key: &str, raw: &str) -> Result<u64, Malformed> {
    if let Ok(n) = raw.parse::<u64>() {
        return Ok(n);
    }
    match raw.parse::<f64>() {
        Ok(n) if n >= 0.0 && n.fract() == 0.0 && n < 18_446_744_073_709_551_616.0 => Ok(n as u64),
        _ => Err(not(key, "a whole number", raw)),
    }
}

fn small(key: &str, raw: &str) -> Result<u32, Malformed> {
    u32::try_from(whole(key, raw)?).map_err(|_| Malformed::new(format!("{key}: {raw} is out of range")))
}

fn truth(key: &str, raw: &str) -> Result<bool, Malformed> {
    raw.parse().map_err(|_| not(key, "true or false", raw))
}

/// Returns the error for a key without the expected value.
pub fn not(key: &str, expected: &str, raw: &str) -> Malformed {
    Malformed::new(format!("{key}: expected {expected}, got {}", json::excerpt(raw)))
}
