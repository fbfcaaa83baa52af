//! The roots and files that a scan always leaves out: the heap root, the snap root, and the file that the scan itself writes.
//!
//! They are recognized by their names below the root, even before they exist. Existing ones are also recognized by device and
//! inode, because a bind mount has another name.

use super::options::Options;
use crate::error::{Error, Result};
use crate::storage::Location;
use crate::system;
use rustix::fs::Stat;
use std::os::unix::fs::MetadataExt;

/// The description of the file that the tool itself writes.
const OUTPUT: &str = "output of this scan";

/// The names, and the devices and inodes, that are left out below a folder, with a description of each.
#[derive(Default)]
pub(super) struct Kept {
    names: Vec<(Vec<u8>, &'static str)>,
    ids: Vec<(u64, u64, &'static str)>,
}

impl Kept {
    /// Returns the entries that the options name, for a listing of `root`.
    pub(super) fn new(root: &Location, options: &Options) -> Kept {
        let outputs = options.output.paths.iter().map(|path| (Location::Folder(path.clone()), OUTPUT));
        let all: Vec<_> = options.leave_out.iter().cloned().chain(outputs).collect();
        let names = all.iter().filter_map(|(other, what)| Some((root.name_of(other)?, *what)));
        let ids = options.leave_out.iter().filter_map(|(other, what)| id_of(other).map(|(dev, ino)| (dev, ino, *what)));
        let outputs = options.output.ids.iter().map(|(dev, ino)| (*dev, *ino, OUTPUT));
        Kept { names: names.filter(|(name, _)| !name.is_empty()).collect(), ids: ids.chain(outputs).collect() }
    }

    /// Returns the names that are known before the listing starts.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|(name, _)| &name[..])
    }

    /// Returns the description of the entry with this name, if it has to be left out.
    pub(super) fn at(&self, name: &[u8], stat: &Stat) -> Option<&'static str> {
        let named = self.names.iter().find(|(kept, _)| kept == name).map(|(_, what)| *what);
        let by_id =
            || self.ids.iter().find(|(dev, ino, _)| (*dev, *ino) == (system::device(stat), stat.st_ino)).map(|(.., what)| *what);
        named.or_else(by_id)
    }

    /// Returns the left-out folder above this name, with its description. With `itself`, it can also be the name itself.
    pub(super) fn above(&self, name: &[u8], itself: bool) -> Option<(&[u8], &'static str)> {
        let is_above = |kept: &[u8]| match name.strip_prefix(kept) {
            Some(rest) => rest.first() == Some(&b'/') || itself && rest.is_empty(),
            None => false,
        };
        self.names.iter().find(|(kept, _)| is_above(kept)).map(|(kept, what)| (&kept[..], *what))
    }

    /// Checks whether there is nothing to leave out.
    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.ids.is_empty()
    }
}

/// Refuses to back up a heap root or snap root into itself.
///
/// # Errors
/// If one of them is the root to list.
pub(super) fn refuse_itself(root: &Location, options: &Options) -> Result<()> {
    for (other, what) in &options.leave_out {
        if root.name_of(other).is_some_and(|name| name.is_empty()) || same_folder(root, other) {
            return Err(Error::advise(
                format!("file root {root}: it is the {what}"),
                "a root for contents or snapshots may lie in the file root, but can't be it: give another one",
            ));
        }
    }
    Ok(())
}

fn same_folder(root: &Location, other: &Location) -> bool {
    id_of(root).is_some_and(|found| id_of(other) == Some(found))
}

/// Returns the device and inode of an existing folder.
fn id_of(root: &Location) -> Option<(u64, u64)> {
    root.folder()?.metadata().ok().map(|m| (m.dev(), m.ino()))
}

/// Returns the names of the folders above a name, outermost first.
pub(super) fn above(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| &name[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::end::End;
    use crate::monitor::Recorder;
    use crate::record::Kind;
    use crate::scan::{Filter, Own, scan};
    use std::path::Path;
    use std::sync::Arc;

    fn walk(root: &Path, options: Options) -> (Vec<String>, Vec<String>) {
        let records = scan(&Location::Folder(root.to_path_buf()), options, Arc::new(Recorder::default())).unwrap();
        let mut records: Vec<_> = records.map(Result::unwrap).collect();
        let end = End::of(&records.pop().filter(|end| end.kind() == Kind::End).unwrap());
        let mut kept: Vec<String> = end.kept_out.iter().map(|name| name.printable()).collect();
        kept.sort();
        (records.iter().map(|record| record.name().printable()).collect(), kept)
    }

    #[test]
    fn what_is_left_out_for_what_it_is_is_noted_whether_or_not_it_is_there() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| Location::Folder(temp.path().join(name));
        std::fs::create_dir_all(temp.path().join("d/heap/ab")).unwrap();
        std::fs::write(temp.path().join("d/heap-x"), "").unwrap();
        std::fs::write(temp.path().join("list"), "").unwrap();
        let options = Options {
            leave_out: vec![(at("d/heap"), "heap root"), (at("none/snap"), "snap root"), (at("../elsewhere"), "snap root")],
            output: Own { paths: vec![temp.path().join("list")], ids: Vec::new() },
            ..Options::default()
        };
        let (names, kept) = walk(temp.path(), options);
        assert_eq!(names, ["d", "d/heap-x"]);
        assert_eq!(kept, ["d/heap", "list", "none/snap"]);
    }

    #[test]
    fn mount_points_that_are_not_gone_into_are_noted() {
        let filter = Filter::new(&["/*".into(), "!/proc".into()], &[] as &[&Path], &[]).unwrap();
        let options = Options { filter, one_file_system: true, ..Options::default() };
        let (names, kept) = walk(Path::new("/"), options);
        assert_eq!((&names[..], &kept[..]), (&["proc".to_string()][..], &["proc".to_string()][..]));
    }
}
