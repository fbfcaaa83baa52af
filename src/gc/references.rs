//! The contents that snapshots refer to.

use crate::digest::Md5;
use crate::encryption::{self, Cipher, STOP};
use crate::error::{Error, Result};
use crate::heap::Names;
use crate::monitor::Monitor;
use crate::parallel;
use crate::snapshot::{self, Place, RootKeys};
use crate::storage::{Gap, Location};
use crate::time::Time;

/// A folder that can't be listed may contain snapshots, whatever its name is.
const UNLISTED: &str = "every *.jsonl.gz below the snap root counts, whatever its folder is called: let snap-gc read that folder \
                        (run it as a user who may), or move it out of the snap root";

/// The ids of all contents that snapshots refer to: sixteen bytes each.
#[derive(Debug, Default)]
pub struct References {
    sorted: Vec<Md5>,
    /// The number of snapshots that were read.
    pub snapshots: u64,
    /// The time of the latest of them: when the backup that made it began.
    pub latest: Option<Time>,
}

impl References {
    /// Whether any snapshot refers to this content.
    pub fn contains(&self, md5: &Md5) -> bool {
        self.sorted.binary_search(md5).is_ok()
    }

    /// Adds the references of one snapshot, which are sorted and unique.
    fn merge(&mut self, mut more: Vec<Md5>) {
        let mut known = self.sorted.iter().peekable();
        more.retain(|md5| {
            while known.next_if(|k| *k < md5).is_some() {}
            known.peek() != Some(&md5)
        });
        if !more.is_empty() {
            self.sorted.reserve_exact(more.len());
            self.sorted.append(&mut more);
            // The sort finds the two sorted runs and merges them.
            self.sorted.sort();
        }
    }
}

/// Reads every `*.jsonl.gz` and `*.jsonl.gz.age` below the snap roots, whatever its name.
///
/// # Errors
/// If a folder can't be listed, a snapshot can't be read or is damaged, or a root has none.
pub fn gather(roots: &[Location], names: &Names, jobs: usize, monitor: &dyn Monitor) -> Result<References> {
    let mut all = Vec::new();
    for root in roots {
        let found = files(root)?;
        if found.is_empty() {
            return Err(Error::advise(
                format!("no snapshot found in the snap root {root}"),
                "is that the right folder, and is its disk mounted? Without a snapshot every object would be deleted",
            ));
        }
        all.extend(found);
    }
    if let Some(cipher) = names.cipher() {
        roots.iter().try_for_each(|root| check_same_heap(root, cipher))?;
    }
    let latest = all.iter().filter_map(|place| snapshot::time_of(place.file_name())).max();
    let mut references = References { latest, ..References::default() };
    let names = names.clone();
    let read = move |place: Place| -> Result<Vec<Md5>> {
        let mut md5s = Vec::new();
        snapshot::references(&place, &mut |md5| md5s.push(names.id(&md5)))?;
        md5s.sort_unstable();
        md5s.dedup();
        Ok(md5s)
    };
    let mut trouble = None;
    let jobs = jobs.min(snapshot::MOST_AT_ONCE);
    for md5s in parallel::ordered_map(all.into_iter(), jobs, jobs, read) {
        match md5s {
            Ok(md5s) => {
                references.snapshots += 1;
                references.merge(md5s);
            }
            // All errors are reported in one run.
            Err(e) => {
                if let Some(before) = trouble.replace(e) {
                    monitor.warn(&before.to_string());
                }
            }
        }
    }
    match trouble {
        Some(e) => Err(Error::advise(e.to_string(), "nothing was deleted: what that snapshot refers to is not known")),
        None => Ok(references),
    }
}

/// Refuses a snap root of another encrypted heap: every object would have another id than its snapshots seem to refer to.
fn check_same_heap(root: &Location, cipher: &Cipher) -> Result<()> {
    match Cipher::open(&*root.store(), &encryption::given())? {
        Some(there) if there.is_of_same_heap(cipher) => Ok(()),
        _ => Err(Error::advise(
            format!("the snap root {root} and the heap do not have the same encryption.json"),
            "nothing was deleted: the heap root and each of its snap roots have to have the same file",
        )),
    }
}

/// Returns all places of possible snapshots, also those that symbolic links lead to.
fn files(root: &Location) -> Result<Vec<Place>> {
    let store = root.store_beyond_links();
    let is_snapshot = |key: &[u8]| key.ends_with(b".jsonl.gz") && key != STOP.as_bytes() || key.ends_with(b".jsonl.gz.age");
    let (mut found, keys) = (Vec::new(), RootKeys::default());
    for object in store.list(b"") {
        match object {
            Ok(object) if is_snapshot(&object.key) => found.push(Place::new(store.clone(), object.key).with_keys_of(&keys)),
            Ok(_) => {}
            Err(e) => match Gap::of(&e) {
                Some(gap) if !gap.is_folder && !is_snapshot(&gap.key) => {}
                Some(_) => return Err(Error::advise(snapshot::unlisted(root, e).to_string(), UNLISTED)),
                None => return Err(snapshot::unlisted(root, e)),
            },
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merged_sets_know_all_members() {
        let md5 = |n: u8| Md5([n; 16]);
        let mut all = References::default();
        all.merge(vec![md5(3), md5(5)]);
        all.merge(vec![md5(1), md5(3), md5(9)]);
        all.merge(vec![md5(3)]);
        assert_eq!(all.sorted, [1, 3, 5, 9].map(md5));
        assert!(all.contains(&md5(5)) && !all.contains(&md5(4)));
    }
}
