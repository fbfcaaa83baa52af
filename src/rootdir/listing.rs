//! The entries of an open folder, in the order of records.

use crate::name::units;
use rustix::fs::{AtFlags, Dir, FileType, statat};
use std::cmp::Ordering;
use std::io;
use std::os::fd::AsFd;

/// The entries of a folder, sorted so that a walk visits them in order of whole names. A folder in it has two entries: one for
/// itself, at `d`, and one for its contents, at `d/`, which comes after `d-x`.
///
/// A folder can hold millions of entries, so their names share one buffer.
#[derive(Default)]
pub struct Listing {
    names: Vec<u8>,
    entries: Vec<Packed>,
}

/// An entry of a folder.
#[derive(Clone, Copy)]
pub struct Entry<'a> {
    pub name: &'a [u8],
    /// `FileType::Unknown` if the entry was removed before its type could be read.
    pub kind: FileType,
    /// Whether this is the entry for the contents of a folder.
    pub is_inside: bool,
}

/// The position and the length of the name, and the other fields of [`Entry`]. A name has at most 255 bytes.
type Packed = (u32, u16, FileType, bool);

fn unpacked<'a>(names: &'a [u8], packed: &Packed) -> Entry<'a> {
    let (at, length, kind, is_inside) = *packed;
    Entry { name: &names[at as usize..at as usize + usize::from(length)], kind, is_inside }
}

impl Listing {
    /// Reads the entries of a folder.
    ///
    /// # Errors
    /// The system's error.
    pub fn of(folder: impl AsFd) -> io::Result<Listing> {
        let mut listing = Listing::default();
        for entry in Dir::read_from(&folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            let kind = match entry.file_type() {
                // Some file systems do not store the type in the folder.
                FileType::Unknown => statat(&folder, name, AtFlags::SYMLINK_NOFOLLOW)
                    .map_or(FileType::Unknown, |stat| FileType::from_raw_mode(stat.st_mode)),
                kind => kind,
            };
            listing.push(name, kind)?;
        }
        listing.sort();
        Ok(listing)
    }

    fn push(&mut self, name: &[u8], kind: FileType) -> io::Result<()> {
        let at = u32::try_from(self.names.len()).map_err(io::Error::other)?;
        self.names.extend_from_slice(name);
        self.entries.push((at, name.len() as u16, kind, false));
        if kind == FileType::Directory {
            self.entries.push((at, name.len() as u16, kind, true));
        }
        Ok(())
    }

    fn sort(&mut self) {
        let Listing { names, entries } = self;
        let entry = |packed: &Packed| unpacked(names, packed);
        match entries.iter().all(|packed| std::str::from_utf8(entry(packed).name).is_ok()) {
            true => entries.sort_unstable_by(|a, b| compare(entry(a), entry(b))),
            false => entries.sort_unstable_by(|a, b| code_points(entry(a)).cmp(code_points(entry(b)))),
        }
        entries.shrink_to_fit();
        names.shrink_to_fit();
    }

    /// Returns the entry at this position, counted from 0.
    pub fn get(&self, at: usize) -> Option<Entry<'_>> {
        self.entries.get(at).map(|packed| unpacked(&self.names, packed))
    }

    /// Returns all entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.entries.iter().map(|packed| unpacked(&self.names, packed))
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Compares the bytes of two entries' names; the name of a folder's contents ends with a `/`.
fn compare(a: Entry<'_>, b: Entry<'_>) -> Ordering {
    let shared = a.name.len().min(b.name.len());
    let next = |e: Entry<'_>| e.name.get(shared).copied().or(e.is_inside.then_some(b'/'));
    let by_bytes = a.name[..shared].cmp(&b.name[..shared]).then_with(|| next(a).cmp(&next(b)));
    by_bytes.then_with(|| a.name.len().cmp(&b.name.len()))
}

/// Returns the code points of an entry's name. Used to sort folders with names that are not UTF-8.
fn code_points(entry: Entry<'_>) -> impl Iterator<Item = u32> {
    units(entry.name).chain(entry.is_inside.then_some(u32::from(b'/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[(&'static [u8], FileType)]) -> Vec<(Vec<u8>, bool)> {
        let mut listing = Listing::default();
        names.iter().for_each(|(name, kind)| listing.push(name, *kind).unwrap());
        listing.sort();
        listing.iter().map(|e| (e.name.to_vec(), e.is_inside)).collect()
    }

    #[test]
    fn entries_are_in_order_of_whole_names() {
        let file = FileType::RegularFile;
        for odd in [&b"z"[..], b"\xff"] {
            let got = sorted(&[(b"d-x", file), (b"d", FileType::Directory), (b"d0", file), (b"d.", file), (odd, file)]);
            let want = [("d", false), ("d-x", false), ("d.", false), ("d", true), ("d0", false)];
            assert_eq!(got[..5], want.map(|(name, is_inside)| (name.as_bytes().to_vec(), is_inside)));
        }
    }

    #[test]
    fn names_that_are_utf_8_only_one_behind_the_other_are_in_order_too() {
        let file = FileType::RegularFile;
        let got = sorted(&[(b"\xc3", file), (b"\xa9", file), ("é".as_bytes(), file)]);
        assert_eq!(got.into_iter().map(|(name, _)| name).collect::<Vec<_>>(), ["é".as_bytes(), b"\xa9", b"\xc3"]);
    }
}
