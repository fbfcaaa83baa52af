//! Writes the headers of a member: ustar, with a pax header in front of it for what ustar can't say.

use super::pax::{Pax, time_text};
use super::sparse::Map;
use super::{BLOCK, padding};
use crate::record::{Kind, Xattrs};
use crate::system;
use crate::time::Time;
use rustix::fs::FileType;
use tar::{EntryType, Header};

/// The longest name in a ustar header, in bytes.
const NAME: usize = 100;
/// The largest owner in seven octal digits, and the largest size and time in eleven.
const ID: u32 = 0o777_7777;
const NUMBER: u64 = 0o777_7777_7777;

/// Returns the bits of `st_mode` for the type of a file.
pub fn type_bits(kind: Kind) -> u32 {
    let kind = match kind {
        Kind::Directory => FileType::Directory,
        Kind::Link => FileType::Symlink,
        _ => FileType::RegularFile,
    };
    system::bits(kind.as_raw_mode())
}

/// What the headers of a member say.
pub struct Entry<'a> {
    /// The name; that of a folder ends with a slash.
    pub name: &'a [u8],
    pub flag: EntryType,
    /// The target of a link.
    pub target: &'a [u8],
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    pub time: Time,
    /// The bytes of the content.
    pub size: u64,
    pub xattrs: &'a Xattrs,
    /// The parts of a sparse file.
    pub map: Option<&'a Map>,
}

/// Returns the blocks in front of the data of a member.
pub fn blocks(entry: &Entry) -> Vec<u8> {
    let map = entry.map.map(Map::text).unwrap_or_default();
    let stored = entry.map.map_or(entry.size, |parts| parts.data() + map.len() as u64);
    let pax = pax(entry, stored);
    let mut blocks = Vec::new();
    if !pax.text().is_empty() {
        let text = pax.text();
        let mut header = plain(EntryType::XHeader, &placed(b"PaxHeaders", entry.name), text.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
        blocks.extend_from_slice(text);
        blocks.resize(blocks.len() + padding(text.len() as u64) as usize, 0);
    }
    let name = if entry.map.is_some() { placed(b"GNUSparseFile.0", entry.name) } else { entry.name.to_vec() };
    let mut header = plain(entry.flag, &name, stored);
    copy(&mut header.as_old_mut().linkname, entry.target);
    header.set_mode(entry.mode);
    header.set_uid(entry.uid.into());
    header.set_gid(entry.gid.into());
    header.set_mtime(u64::try_from(entry.time.sec).unwrap_or(0).min(NUMBER));
    header.set_cksum();
    blocks.extend_from_slice(header.as_bytes());
    blocks.extend_from_slice(&map);
    blocks
}

fn plain(flag: EntryType, name: &[u8], size: u64) -> Header {
    let mut header = Header::new_ustar();
    copy(&mut header.as_old_mut().name, name);
    header.set_entry_type(flag);
    header.set_size(size);
    header.set_uid(0);
    header.set_gid(0);
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    header
}

/// Returns what the ustar header can't say. `stored` bytes follow it.
fn pax(entry: &Entry, stored: u64) -> Pax {
    let mut pax = Pax::default();
    if str::from_utf8(entry.name).is_err() || str::from_utf8(entry.target).is_err() {
        pax.push("hdrcharset", b"BINARY");
    }
    let fits = |text: &[u8]| text.len() <= NAME && text.is_ascii();
    if let Some(map) = entry.map {
        pax.push("GNU.sparse.major", b"1");
        pax.push("GNU.sparse.minor", b"0");
        pax.push("GNU.sparse.name", entry.name);
        pax.push("GNU.sparse.realsize", map.size.to_string().as_bytes());
    } else if !fits(entry.name) {
        pax.push("path", entry.name);
    }
    if !fits(entry.target) {
        pax.push("linkpath", entry.target);
    }
    for (key, number, most) in
        [("size", stored, NUMBER), ("uid", entry.uid.into(), ID.into()), ("gid", entry.gid.into(), ID.into())]
    {
        if number > most {
            pax.push(key, number.to_string().as_bytes());
        }
    }
    let is_plain = entry.time.nsec == 0 && u64::try_from(entry.time.sec).is_ok_and(|sec| sec <= NUMBER);
    if !is_plain {
        pax.push("mtime", time_text(entry.time).as_bytes());
    }
    entry.xattrs.iter().for_each(|(name, value)| pax.push_xattr(name, value));
    pax
}

/// Returns the name for programs that do not know the pax header: the last part of the real one in another folder.
fn placed(folder: &[u8], name: &[u8]) -> Vec<u8> {
    let last = name.strip_suffix(b"/").unwrap_or(name).rsplit(|b| *b == b'/').next().unwrap_or_default();
    [folder, b"/", last].concat()
}

/// Copies as much of a text as a field has room for.
fn copy(field: &mut [u8; NAME], text: &[u8]) {
    let length = text.len().min(NAME);
    field[..length].copy_from_slice(&text[..length]);
}

/// The end of an archive.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];
