//! The contents that snapshots refer to.

use super::claim::{Claim, Claims, Version};
use crate::digest::Md5;
use crate::display::counted;
use crate::encryption::{self, Cipher, STOP};
use crate::error::{Error, Result};
use crate::heap::Names;
use crate::monitor::Monitor;
use crate::parallel;
use crate::part::Part;
use crate::snapshot::{self, Place, RootKeys};
use crate::storage::{Gap, Location};
use crate::time::Time;
use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::ops::ControlFlow;

/// A folder that can't be listed may contain snapshots, whatever its name is.
const UNLISTED: &str = "every *.jsonl.gz below the snap root counts, whatever its folder is called: let snap-gc read that folder \
                        (run it as a user who may), or move it out of the snap root";

/// The number of contents of a snapshot that are looked for in the references that another process has printed.
const LOOKED_FOR: usize = 10_000;

/// The ids of all contents that snapshots refer to: sixteen bytes each.
#[derive(Debug, Default)]
pub struct References {
    sorted: Vec<Md5>,
    /// The number of snapshots whose references are known.
    pub snapshots: u64,
    /// The time of the latest of them: when the backup that made it began.
    pub latest: Option<Time>,
    /// The snapshots that this process has read.
    pub read: BTreeSet<Version>,
}

impl References {
    /// Whether any snapshot refers to this content.
    pub fn contains(&self, md5: &Md5) -> bool {
        self.sorted.binary_search(md5).is_ok()
    }

    /// Returns all ids, sorted.
    pub fn ids(&self) -> &[Md5] {
        &self.sorted
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

/// A snapshot in a listing.
type Listed = (Place, Option<Version>);

/// Which snapshots to read, and how.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The roots.
    pub roots: &'a [Location],
    /// The names of the objects in the heap.
    pub names: &'a Names,
    /// The number of snapshots to read at once.
    pub jobs: usize,
    /// Only those of this shard.
    pub shard: Option<&'a Part>,
    /// Files, and what messages call them, with the references of snapshots that other processes have read. The others are read.
    pub given: &'a [(String, File)],
}

/// Reads every `*.jsonl.gz` and `*.jsonl.gz.age` below the snap roots, whatever its name.
///
/// # Errors
/// If a folder can't be listed, a snapshot can't be read or is damaged, or a root has none. If a file of references is cut off or
/// altered, or is one of another heap.
pub fn gather(wanted: Wanted<'_>, monitor: &dyn Monitor) -> Result<References> {
    let Wanted { roots, names, .. } = wanted;
    let mut all = Vec::new();
    for root in roots {
        let found = files(root, wanted.shard.is_some())?;
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
    let latest = all.iter().filter_map(|(place, _)| snapshot::time_of(place.file_name())).max();
    let mut references = References { latest, ..References::default() };
    if let Some(Part::Shard { number, of }) = wanted.shard {
        // One after the other, because a few snapshots would not be even by a hash of their names.
        let mut position = (0..*of).cycle();
        all.retain(|_| position.next() == Some(number - 1));
    }
    take_given(&mut references, &mut all, wanted, monitor)?;
    read(&mut references, all, wanted, monitor)?;
    Ok(references)
}

/// Takes the references that other processes have printed, and drops the snapshots that they have read from `all`.
fn take_given(references: &mut References, all: &mut Vec<Listed>, wanted: Wanted<'_>, monitor: &dyn Monitor) -> Result<()> {
    let heap = wanted.names.cipher().map(|cipher| cipher.heap());
    for file in wanted.given {
        let mut claims = Claims::new(file, heap);
        while let Some(claim) = claims.next().transpose()? {
            let (known, rest): (Vec<_>, Vec<_>) =
                all.drain(..).partition(|(_, version)| version.as_ref().is_some_and(|version| claim.versions.contains(version)));
            *all = rest;
            if let Some((place, _)) = known.last()
                && let Some(md5) = lacking(place, &claim, wanted.names)?
            {
                return Err(claims.refused(&format!("snapshot {place} refers to {md5}, which they lack")));
            }
            references.snapshots += known.len() as u64;
            references.merge(claim.ids);
        }
    }
    if !wanted.given.is_empty() {
        let known = counted(references.snapshots, "snapshot");
        monitor.note(&format!("{known} read by other processes, {} to be read", all.len()));
    }
    Ok(())
}

/// Returns a content to which the beginning of a snapshot refers, and which a claim about that snapshot lacks.
fn lacking(place: &Place, claim: &Claim, names: &Names) -> Result<Option<Md5>> {
    let (mut left, mut lacks) = (LOOKED_FOR, None);
    let read = snapshot::references(place, &mut |md5| {
        left -= 1;
        lacks = Some(md5).filter(|md5| claim.ids.binary_search(&names.id(md5)).is_err());
        if left == 0 || lacks.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    match read {
        // It was deleted since the listing.
        Err(Error::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(|()| lacks).map_err(unread),
    }
}

/// Returns the error of a snapshot that can't be read.
fn unread(e: Error) -> Error {
    Error::advise(e.to_string(), "nothing was deleted: what that snapshot refers to is not known")
}

/// Reads these snapshots.
fn read(references: &mut References, all: Vec<Listed>, wanted: Wanted<'_>, monitor: &dyn Monitor) -> Result<()> {
    let names = wanted.names.clone();
    let read = move |(place, version): Listed| -> Result<(Vec<Md5>, Option<Version>)> {
        let mut md5s = Vec::new();
        snapshot::references(&place, &mut |md5| {
            md5s.push(names.id(&md5));
            ControlFlow::Continue(())
        })?;
        md5s.sort_unstable();
        md5s.dedup();
        Ok((md5s, version))
    };
    let mut trouble = None;
    let jobs = wanted.jobs.min(snapshot::MOST_AT_ONCE);
    for done in parallel::ordered_map(all.into_iter(), jobs, jobs, read) {
        match done {
            Ok((md5s, version)) => {
                references.snapshots += 1;
                references.read.extend(version);
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
        Some(e) => Err(unread(e)),
        None => Ok(()),
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

/// Returns all places of possible snapshots, also those that symbolic links lead to, and their versions. With `fixed`, no other
/// version can be read, if the storage has etags.
fn files(root: &Location, fixed: bool) -> Result<Vec<Listed>> {
    let store = root.store_beyond_links();
    let now = Time::now();
    let is_snapshot = |key: &[u8]| key.ends_with(b".jsonl.gz") && key != STOP.as_bytes() || key.ends_with(b".jsonl.gz.age");
    let (mut found, keys) = (Vec::new(), RootKeys::default());
    for object in store.list(b"") {
        match object {
            Ok(object) if is_snapshot(&object.key) => {
                let version = Version::of(root, &object, now);
                let place = Place::new(store.clone(), object.key).with_keys_of(&keys);
                found.push((place.of_version(object.etag.filter(|_| fixed)), version));
            }
            Ok(_) => {}
            Err(e) => match Gap::of(&e) {
                Some(gap) if !gap.is_folder && !is_snapshot(&gap.key) => {}
                Some(_) => return Err(Error::advise(snapshot::unlisted(root, e).to_string(), UNLISTED)),
                None => return Err(snapshot::unlisted(root, e)),
            },
        }
    }
    // The order of a listing can be another one on another machine.
    found.sort_by_cached_key(|(place, _)| place.as_given());
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{Body, Options, Put};

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

    #[test]
    fn what_is_printed_is_true_of_the_listed_version_only() {
        let root = Location::parse("memory://gc-references/snap".as_ref(), "root", &Options::default()).unwrap();
        let put = |text: &str| root.store().put(b"a.jsonl.gz", Body::Bytes(text.into()), &Put::default()).unwrap();
        put("one");
        let (fixed, any) = (files(&root, true).unwrap(), files(&root, false).unwrap());
        assert!(fixed[0].1.is_some() && fixed[0].1 == any[0].1);
        assert!(fixed[0].0.open().is_ok());
        put("two");
        assert!(fixed[0].0.open().is_err() && any[0].0.open().is_ok());
        assert_ne!(files(&root, false).unwrap()[0].1, any[0].1);
    }

    #[test]
    fn a_claim_about_a_snapshot_that_is_gone_is_no_error() {
        let root = Location::parse("memory://gc-references/gone".as_ref(), "root", &Options::default()).unwrap();
        let gone = Place::new(root.store(), b"a.jsonl.gz".to_vec());
        assert_eq!(lacking(&gone, &Claim::default(), &Names::default()).unwrap(), None);
    }
}
