//! A member, and its record.

use super::header::type_bits;
use super::sparse;
use crate::display::printable;
use crate::json::to_base64;
use crate::name::{self, Name};
use crate::record::{Kind, Record, Xattrs, key};
use crate::stream::LINE_LIMIT;
use crate::time::Time;
use serde_json::{Map, Value};

/// What a member is.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    File,
    Folder,
    /// A symbolic link with this target.
    Link(Vec<u8>),
    /// Another name of the file with this name.
    HardLink(Vec<u8>),
    Fifo,
    Device,
    /// The name of the volume.
    Label,
    /// Another type.
    Other(u8),
}

/// A member. A value that the archive does not have is None.
pub struct Member {
    pub name: Vec<u8>,
    pub what: What,
    /// The bytes of the content, with holes.
    pub size: u64,
    pub mode: Option<u32>,
    pub uid: Option<u64>,
    pub gid: Option<u64>,
    pub time: Option<Time>,
    /// Names and values of extended attributes, sorted by name.
    pub xattrs: Xattrs,
    /// Whether it has ACLs in the form of star, as text.
    pub has_acl: bool,
    /// The parts that are stored, if it is a sparse file.
    pub map: Option<sparse::Map>,
}

/// Returns what a member is, by its type and its name. `target` is that of a link.
pub fn what(flag: u8, name: &[u8], target: Vec<u8>) -> What {
    match flag {
        // Before there was a type for folders, a slash at the end of the name said so.
        0 | b'0' if name.ends_with(b"/") => What::Folder,
        0 | b'0' | b'7' | b'S' => What::File,
        b'1' => What::HardLink(target),
        b'2' => What::Link(target),
        b'3' | b'4' => What::Device,
        b'5' | b'D' => What::Folder,
        b'6' => What::Fifo,
        b'V' => What::Label,
        other => What::Other(other),
    }
}

/// Returns the name of a member without `./` at its start and, for a folder, `/` at its end. None for the folder that was
/// archived.
///
/// # Errors
/// The reason why no file below a root can have the name.
pub fn cleaned(name: &[u8], is_folder: bool) -> Result<Option<Name>, &'static str> {
    let mut rest = name;
    while let Some(after) = rest.strip_prefix(b"./") {
        rest = after;
    }
    while let Some(before) = rest.strip_suffix(b"/").filter(|before| is_folder && !before.is_empty()) {
        rest = before;
    }
    if rest.is_empty() || rest == b"." {
        return Ok(None);
    }
    if rest.starts_with(b"/") {
        return Err("the name is absolute");
    }
    name::check(rest)?;
    match rest.split(|b| *b == b'/').any(<[u8]>::is_empty) {
        true => Err("the name has an empty part"),
        false => Ok(Some(Name::new(rest))),
    }
}

/// Returns the record of a member, without the digests of a file. `dev` is the number of the member until the end. A file with a
/// destination is a hard link that is not resolved yet.
pub fn record(name: &Name, member: &Member, number: u64) -> Result<Record, String> {
    let kind = match member.what {
        What::Folder => Kind::Directory,
        What::Link(_) => Kind::Link,
        _ => Kind::File,
    };
    let small = |id: Option<u64>, what: &str| match id.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(id)) => Ok(Some(id)),
        Some(Err(_)) => Err(format!("its {what} is out of range")),
    };
    // As in a scan: no tool would read a longer line.
    let most = LINE_LIMIT / 2;
    let too_many = || "record it: its extended attributes are too many".to_string();
    if member.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > most {
        return Err(too_many());
    }
    let (uid, gid) = (small(member.uid, "owner")?, small(member.gid, "group")?);
    let mut edit = Record::build(name.clone(), kind);
    match &member.what {
        What::Link(target) if target.is_empty() || target.contains(&0) => return Err("it is a link without a target".to_string()),
        What::Link(target) => drop(edit.set_destination(target.clone())),
        What::HardLink(target) => {
            let first = cleaned(target, false).ok().flatten();
            let first =
                first.ok_or_else(|| format!("it is a hard link to {}, which can't be in the archive", printable(target)))?;
            edit.set_destination(first.as_bytes().to_vec()).set(key::MD5, None).set(key::SIZE, None);
        }
        What::File => drop(edit.set(key::SIZE, member.size).set(key::SPARSE, member.map.is_some().then_some(true))),
        _ => {}
    }
    edit.set(key::DEV, number)
        .set_known(key::GID, gid)
        .set(key::ISLINK, kind == Kind::Link)
        .set_known(key::MODE, member.mode.map(|mode| mode | type_bits(kind)))
        .set_known(key::MODIFIED, member.time)
        .set_known(key::MTIME, member.time.map(Time::as_double))
        .set_known(key::UID, uid);
    let record = edit.set_known(key::XATTRS, (!member.xattrs.is_empty()).then(|| member.xattrs.clone())).finish();
    if record.text().len() < most { Ok(record) } else { Err(too_many()) }
}

/// Returns mode, owner, time and extended attributes of the archived folder itself, as [`crate::source`] does.
pub fn facts(member: &Member) -> Option<Value> {
    let mut facts = Map::new();
    let mut set = |key: &str, value: Option<Value>| facts.extend(value.map(|value| (key.to_string(), value)));
    set("mode", member.mode.map(|mode| (mode | type_bits(Kind::Directory)).into()));
    set("uid", member.uid.map(Value::from));
    set("gid", member.gid.map(Value::from));
    set("modified", member.time.and_then(Time::rfc3339).map(Value::from));
    let pair = |(name, value): &(Vec<u8>, Vec<u8>)| Some((str::from_utf8(name).ok()?.to_string(), to_base64(value).into()));
    let xattrs: Map<String, Value> = member.xattrs.iter().filter_map(pair).collect();
    set("xattrs", (!xattrs.is_empty()).then_some(Value::Object(xattrs)));
    (!facts.is_empty()).then_some(Value::Object(facts))
}
