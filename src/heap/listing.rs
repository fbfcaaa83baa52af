//! What a heap in another storage has, by its listing.

use super::path::{Names, is_folder};
use super::sizes::{Builder, Sizes};
use crate::digest::Md5;
use crate::parallel;
use crate::storage::{Gap, Listing, Object, Store};
use std::io;
use std::sync::Arc;

/// A heap with fewer objects is listed in one go. Services of objects list a thousand with one answer; to others, it makes little
/// difference.
const PAGE: usize = 1000;

/// The number of parts of a heap that are listed at once, or wait for the ones before them. Each takes some two megabytes.
const PARTS: usize = 8;

/// The number of objects in a part that is not divided further, about. A part is held in memory.
const PART: usize = 32_000;

/// The number of objects that a part has room for from the start: that of most parts of a large heap. Without it, each part would
/// leave the copies of a growing vector behind.
const ROOM: usize = 4 * PAGE;

/// Lists a heap: its first page, and if there is more, the rest in parallel.
///
/// # Errors
/// Those of the storage, an object of the other form, and a temporary file that can't be written. A root that the first put creates is empty.
pub fn list(store: &Arc<dyn Store>, names: &Names) -> io::Result<Sizes> {
    let mut first = Vec::new();
    let mut count = 0;
    let mut last = None;
    for object in objects(store, names, b"", is_folder).take(PAGE) {
        let object = match object {
            Err(e) if e.kind() == io::ErrorKind::NotFound && store.makes_roots() => break,
            object => object?,
        };
        count += 1;
        first.extend(sized(names, &object)?);
        last = Some(object.key);
    }
    let mut sizes = Builder::default();
    let Some(last) = last.filter(|_| count == PAGE) else {
        sizes.add(first)?;
        return sizes.finish();
    };
    let (listed, named) = (store.clone(), names.clone());
    let list = move |prefix: String| -> io::Result<Vec<(Md5, u64)>> {
        let objects = objects(&listed, &named, prefix.as_bytes(), is_folder);
        let mut some = Vec::with_capacity(ROOM);
        for object in objects {
            some.extend(sized(&named, &object?)?);
        }
        Ok(some)
    };
    // Where listings have no order, the first page says nothing about the rest.
    let parts = match store.lists_in_order() {
        true => {
            sizes.add(first)?;
            rest(&last, names, store.lists_in_pages())
        }
        false => prefixes(2, b""),
    };
    let jobs = store.jobs().min(PARTS);
    for part in parallel::ordered_map(parts.into_iter(), jobs, PARTS, list) {
        sizes.add(part?)?;
    }
    sizes.finish()
}

/// Returns the prefixes of the objects behind the first page, whose last key this is. As md5s are random, it shows how many there
/// are: a page or less for each prefix of a small heap, and [`PART`] or less for each one of a large heap in pages.
fn rest(last: &[u8], names: &Names, in_pages: bool) -> Vec<String> {
    // The part of all md5s that are not behind the last one.
    let seen = names.id_of(last).map_or(0, |md5| u32::from_be_bytes([md5.0[0], md5.0[1], md5.0[2], md5.0[3]]));
    let expected = PAGE as f64 * f64::from(u32::MAX) / f64::from(seen.max(1));
    let is_small = (seen >> 24) + 1 >= 16;
    let digits = (2..6).find(|digits| expected / 16f64.powi(*digits) < PART as f64).unwrap_or(6);
    prefixes(
        if is_small {
            1
        } else if in_pages {
            digits as usize
        } else {
            2
        },
        last,
    )
}

/// Returns all beginnings of keys with this number of hex digits of the md5. Those whose keys all come before `from` are left out.
fn prefixes(digits: usize, from: &[u8]) -> Vec<String> {
    let key = |hex: String| match digits {
        1 => hex,
        2 => format!("{hex}/"),
        _ => format!("{}/{hex}", &hex[..2]),
    };
    let all = (0..1u32 << (4 * digits)).map(|n| key(format!("{n:0digits$x}")));
    all.filter(|prefix| *from < *[prefix.as_bytes(), b"~"].concat()).collect()
}

/// Returns the id and the size of an object; None if it is something else.
fn sized(names: &Names, object: &Object) -> io::Result<Option<(Md5, u64)>> {
    match names.id_of(&object.key) {
        Some(id) => Ok(Some((id, object.size))),
        None => names.check_form(&object.key).map(|()| None),
    }
}

/// Lists a heap below a prefix, with the folders that `enters` accepts. A name that can't be listed is an error only if an object
/// can be missing because of it.
pub fn objects<'a>(store: &'a Arc<dyn Store>, names: &Names, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
    let names = names.clone();
    let is_other = move |e: &io::Error| Gap::of(e).is_some_and(|gap| !gap.is_folder && names.id_of(&gap.key).is_none());
    Box::new(store.list_in(prefix, enters).filter(move |object| !object.as_ref().is_err_and(&is_other)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Body, Location, Options, Put};

    #[test]
    fn heaps_of_any_size_are_listed_whole() {
        let root = Location::parse("memory://listed".as_ref(), "", &Options::default()).unwrap();
        let store = root.store();
        let mut put = 0u32;
        for count in [0, 1, 999, 1000, 1001, 3000, 20_000] {
            for n in put..count {
                let key = Names::default().path(&crate::digest::md5_of(&n.to_le_bytes()));
                let body = Body::Bytes(vec![0; n as usize % 7]);
                assert!(store.put(key.as_bytes(), body, &Put::default()).unwrap());
            }
            put = count;
            let listed = list(&store, &Names::default()).unwrap();
            assert_eq!(listed.len(), u64::from(count));
            let size = |n: u32| listed.size(&crate::digest::md5_of(&n.to_le_bytes()));
            assert!((0..count).all(|n| size(n).unwrap() == Some(u64::from(n) % 7)) && size(count).unwrap().is_none());
        }
    }

    #[test]
    fn the_first_page_shows_how_many_prefixes_are_needed() {
        let plain = Names::default();
        let key = |first: u8| format!("{first:02x}/{first:02x}{}.gz", "5".repeat(30)).into_bytes();
        // All 256 folders for a heap whose first thousand end in an early one.
        for in_pages in [true, false] {
            assert_eq!(
                (rest(&key(0x0e), &plain, in_pages).len(), rest(&key(0xff), &plain, in_pages)),
                (256 - 14, vec!["f".to_string()])
            );
            assert_eq!(rest(&key(0x31), &plain, in_pages), ["3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"]);
        }
        // A part of a heap of ten and of a hundred million objects is not larger than memory has room for.
        let far = |md5: &str| format!("00/{md5}{}.gz", "5".repeat(32 - md5.len())).into_bytes();
        let (ten, hundred) = (rest(&far("00068d"), &plain, true), rest(&far("0000a7"), &plain, true));
        assert_eq!((ten.len(), &ten[..2], &ten[4095][..]), (4096, &["00/000".to_string(), "00/001".to_string()][..], "ff/fff"));
        assert_eq!((hundred.len(), &hundred[0][..]), (4096, "00/000"));
        assert_eq!(rest(&far("000010c6"), &plain, true).len(), 65_536);
        assert_eq!(rest(&far("000010c6"), &plain, false).len(), 256, "folders are listed whole");
        assert_eq!(rest(b"zz", &plain, true).len(), 0);
    }
}
