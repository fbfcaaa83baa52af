//! What a heap in another storage has, by its listing.

use super::path::object_path;
use crate::digest::Md5;
use crate::parallel;
use crate::storage::{Gap, Listing, Store};
use std::io;
use std::sync::Arc;

/// The md5 and the stored size of all objects, in order: 24 bytes an object.
pub struct Listed(Vec<(Md5, u64)>);

/// A heap with fewer objects is listed in one go. Services of objects list a thousand with one answer; to others, it makes little
/// difference.
const PAGE: usize = 1000;

impl Listed {
    /// Returns the size of an object in bytes.
    pub fn size(&self, md5: &Md5) -> Option<u64> {
        self.0.binary_search_by_key(md5, |(md5, _)| *md5).ok().map(|at| self.0[at].1)
    }
}

/// Lists a heap: its first page, and if there is more, the rest in parallel.
///
/// # Errors
/// Those of the storage. A root that the first put creates is empty.
pub fn list(store: &Arc<dyn Store>) -> io::Result<Listed> {
    let mut found = Vec::new();
    let mut count = 0;
    let mut last = None;
    for object in objects(store, b"", is_folder).take(PAGE) {
        let object = match object {
            Err(e) if e.kind() == io::ErrorKind::NotFound && store.makes_roots() => break,
            object => object?,
        };
        count += 1;
        found.extend(md5_of(&object.key).map(|md5| (md5, object.size)));
        last = Some(object.key);
    }
    if let Some(last) = last.filter(|_| count == PAGE) {
        let listed = store.clone();
        let list = move |prefix: String| -> io::Result<Vec<(Md5, u64)>> {
            let objects = objects(&listed, prefix.as_bytes(), is_folder);
            let some = objects.filter_map(|object| object.map(|o| Some((md5_of(&o.key)?, o.size))).transpose());
            some.collect()
        };
        // Where listings have no order, the first page says nothing about the rest.
        let parts = if store.lists_in_order() { rest(&last) } else { prefixes(2, b"") };
        let jobs = store.jobs();
        for part in parallel::ordered_map(parts.into_iter(), jobs, jobs * 2, list) {
            found.extend(part?);
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|(md5, _)| *md5);
    found.shrink_to_fit();
    Ok(Listed(found))
}

/// Returns the prefixes of the objects behind the first page, whose last key this is. As md5s are random, it shows how many there
/// are: a page or less for each prefix.
fn rest(last: &[u8]) -> Vec<String> {
    let seen = md5_of(last).map_or(0, |md5| usize::from(md5.0[0]) + 1);
    let digits = if seen * 16 >= 256 { 1 } else { 2 };
    prefixes(digits, last)
}

/// Returns all beginnings of keys with this number of hex digits. Those whose keys all come before `from` are left out.
fn prefixes(digits: usize, from: &[u8]) -> Vec<String> {
    let all = (0..1u32 << (4 * digits)).map(|n| format!("{n:0digits$x}{}", if digits == 2 { "/" } else { "" }));
    all.filter(|prefix| *from < *[prefix.as_bytes(), b"~"].concat()).collect()
}

/// Whether a folder, given with a `/` at its end, is one of those that contain objects.
pub fn is_folder(key: &[u8]) -> bool {
    matches!(key, [a, b, b'/'] if [a, b].iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')))
}

/// Lists a heap below a prefix, with the folders that `enters` accepts. A name that can't be listed is an error only if an object
/// can be missing because of it.
pub fn objects<'a>(store: &'a Arc<dyn Store>, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
    let is_other = |e: &io::Error| Gap::of(e).is_some_and(|gap| !gap.is_folder && md5_of(&gap.key).is_none());
    Box::new(store.list_in(prefix, enters).filter(move |object| !object.as_ref().is_err_and(is_other)))
}

/// Returns the md5 of the object that has this key, if it is an object.
pub fn md5_of(key: &[u8]) -> Option<Md5> {
    let name = std::str::from_utf8(key).ok()?;
    let md5 = Md5::parse(name.get(3..)?.strip_suffix(".gz")?)?;
    (object_path(&md5) == name).then_some(md5)
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
                let key = object_path(&crate::digest::md5_of(&n.to_le_bytes()));
                let body = Body::Bytes(vec![0; n as usize % 7]);
                assert!(store.put(key.as_bytes(), body, &Put::default()).unwrap());
            }
            put = count;
            let listed = list(&store).unwrap();
            assert_eq!(listed.0.len(), count as usize);
            let size = |n: u32| listed.size(&crate::digest::md5_of(&n.to_le_bytes()));
            assert!((0..count).all(|n| size(n) == Some(u64::from(n) % 7)) && size(count).is_none());
        }
    }

    #[test]
    fn the_first_page_shows_how_many_prefixes_are_needed() {
        let key = |first: u8| format!("{first:02x}/{first:02x}{}.gz", "5".repeat(30)).into_bytes();
        // All 256 folders for a heap whose first thousand end in an early one.
        assert_eq!((rest(&key(0x0e)).len(), rest(&key(0xff))), (256 - 14, vec!["f".to_string()]));
        assert_eq!(rest(&key(0x31)), ["3", "4", "5", "6", "7", "8", "9", "a", "b", "c", "d", "e", "f"]);
        assert_eq!(rest(b"zz").len(), 0);
    }
}
