//! What a heap in another storage has, by its listing.

use super::path::object_path;
use crate::digest::Md5;
use crate::parallel;
use crate::storage::{Gap, Listing, Store};
use std::io;
use std::sync::Arc;

/// The md5 and the stored size of all objects, in order: 24 bytes an object.
pub struct Listed(Vec<(Md5, u64)>);

/// Most services list this many objects with few answers: a heap with fewer is listed in one go.
const PAGE: usize = 5000;

impl Listed {
    /// Returns the size of an object in bytes.
    pub fn size(&self, md5: &Md5) -> Option<u64> {
        self.0.binary_search_by_key(md5, |(md5, _)| *md5).ok().map(|at| self.0[at].1)
    }
}

/// Lists a heap: its first page, and if there is more, the folders of the rest in parallel.
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
        // Where listings have no order, the first page says nothing about any folder.
        let from = if store.lists_in_order() { last } else { Vec::new() };
        let folders: Vec<String> =
            (0..=255u8).map(|n| format!("{n:02x}/")).filter(|f| from < [f.as_bytes(), b"~"].concat()).collect();
        let listed = store.clone();
        let list = move |folder: String| -> io::Result<Vec<(Md5, u64)>> {
            let objects = objects(&listed, folder.as_bytes(), |_| false);
            let some = objects.filter_map(|object| object.map(|o| Some((md5_of(&o.key)?, o.size))).transpose());
            some.collect()
        };
        let jobs = store.jobs();
        for folder in parallel::ordered_map(folders.into_iter(), jobs, jobs * 2, list) {
            found.extend(folder?);
        }
    }
    found.sort_unstable();
    found.dedup_by_key(|(md5, _)| *md5);
    found.shrink_to_fit();
    Ok(Listed(found))
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
