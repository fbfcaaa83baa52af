//! The common part of storages that have folders and files: valid names, and listings in the order of whole names.

use super::store::{Gap, Listing, Object, check_key, check_path};
use crate::display::printable;
use crate::error::{Error, Result};
use std::io;

/// Checks that a key is a path in UTF-8, and returns it as text.
///
/// # Errors
/// `InvalidInput`.
pub fn check(key: &[u8]) -> io::Result<&str> {
    check_path(key)?;
    check_key(key)
}

/// Returns the path of a root: empty, or with a `/` at its start and none at its end.
///
/// # Errors
/// If it has an empty part, `.` or `..`.
pub fn root(path: &str, url: &str) -> Result<String> {
    if !path.is_empty() {
        let refused = |e: io::Error| Error::refused(format!("{}: {e}", printable(url.as_bytes())));
        check(path.strip_prefix('/').unwrap_or(path).as_bytes()).map_err(refused)?;
    }
    Ok(path.to_string())
}

/// Returns a new name, `.snap-*.tmp`, in the folder of a path, for an upload. Listings show it, so that the remains of an
/// interrupted upload can be found and deleted.
pub fn temp_beside(path: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{}/.snap-{}-{random:016x}.tmp", folder_of(path), std::process::id())
}

/// Returns the folder that a path is in; empty for the topmost.
pub fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

/// An entry of a folder.
pub struct Child {
    /// The name in the folder.
    pub name: Vec<u8>,
    /// The kind of the entry.
    pub what: What,
}

/// The kind of an entry of a folder.
pub enum What {
    /// A folder.
    Folder,
    /// An object; its key is not set yet.
    Object(Object),
    /// The server does not say enough about it, for this reason.
    Unknown(String),
}

impl Child {
    /// Returns the key that sorts siblings by whole names: the names of all objects in a folder continue with a `/`.
    fn sort_key(&self) -> Vec<u8> {
        [&self.name[..], if matches!(self.what, What::Folder) { b"/" } else { b"" }].concat()
    }
}

/// The answer of a storage to a request for a folder.
pub enum Listed {
    /// The entries of the folder, in any order.
    Children(Vec<Child>),
    /// Nothing exists under that name.
    Missing,
    /// There is a file of that name.
    File,
    /// The storage refuses to list this folder; it may list others.
    Refused(io::ErrorKind, String),
}

/// Returns an error that names the storage.
pub fn failed(url: &str, kind: io::ErrorKind, reason: &str) -> io::Error {
    io::Error::new(kind, format!("{}: {}", printable(url.as_bytes()), printable(reason.as_bytes())))
}

/// Lists all objects below a prefix, in the order of the bytes of their keys. `open` lists one folder (given by its path below
/// the root, without a `/` at its end; empty for the root); an error of `open` ends the listing. Only the folders for which
/// `enters` returns true are opened, each when its turn comes. The entries of one folder on each level are held in memory. A
/// folder that is refused, and an entry of unknown kind, is a [`Gap`].
pub fn list<'a, F>(prefix: &[u8], enters: fn(&[u8]) -> bool, open: F, url: &'a str) -> Listing<'a>
where
    F: Fn(&str) -> io::Result<Listed> + Send + 'a,
{
    let start = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let start = if start.is_empty() { Ok("") } else { check(start) };
    // No folder can have such a name, so there is nothing below it.
    let Ok(start) = start else { return Box::new(std::iter::empty()) };
    let mut walk = Walk { enters, open, url, levels: Vec::new() };
    let mut start = Some(start.to_string());
    Box::new(std::iter::from_fn(move || {
        let item = match start.take() {
            Some(start) => walk.begin(start).and_then(|()| walk.next().transpose()).transpose(),
            None => walk.next(),
        };
        if matches!(&item, Some(Err(e)) if Gap::of(e).is_none()) {
            walk.levels.clear();
        }
        item
    }))
}

struct Walk<'a, F> {
    enters: fn(&[u8]) -> bool,
    open: F,
    url: &'a str,
    /// For each level, the key of the folder and its remaining entries, the next one at the end.
    levels: Vec<(Vec<u8>, Vec<Child>)>,
}

impl<F: Fn(&str) -> io::Result<Listed>> Walk<'_, F> {
    fn begin(&mut self, start: String) -> io::Result<()> {
        match (self.open)(&start)? {
            Listed::Children(all) => self.push(start.into_bytes(), all),
            Listed::Refused(kind, reason) => return Err(failed(self.url, kind, &reason)),
            Listed::Missing if start.is_empty() => {
                return Err(failed(self.url, io::ErrorKind::NotFound, "there is no such folder"));
            }
            Listed::File if start.is_empty() => {
                return Err(failed(self.url, io::ErrorKind::NotADirectory, "it is a file, not a folder"));
            }
            // Nothing exists below it. But if the root does not exist either, that is an error.
            Listed::Missing | Listed::File => {
                self.begin(String::new())?;
                self.levels.clear();
            }
        }
        Ok(())
    }

    fn push(&mut self, folder: Vec<u8>, mut all: Vec<Child>) {
        all.sort_by_cached_key(|child| std::cmp::Reverse(child.sort_key()));
        self.levels.push((folder, all));
    }

    /// Opens a folder whose turn has come. Returns the error if that fails.
    fn enter(&mut self, key: Vec<u8>) -> Option<io::Error> {
        if !(self.enters)(&[&key[..], b"/"].concat()) {
            return None;
        }
        let gap = |key: Vec<u8>, reason: String| Some(Gap { key, is_folder: true, reason }.into());
        let Ok(path) = std::str::from_utf8(&key) else {
            return gap(key, "the folder can't be opened: its name is not UTF-8".to_string());
        };
        if let Err(e) = check(&key) {
            return gap(key, format!("the folder can't be opened: {e}"));
        }
        match (self.open)(path) {
            Err(e) => Some(e),
            Ok(Listed::Children(all)) => {
                self.push(key, all);
                None
            }
            // It was deleted after its parent was listed.
            Ok(Listed::Missing) => None,
            Ok(Listed::File) => gap(key, "open the folder: it is a file, not a folder".to_string()),
            Ok(Listed::Refused(_, reason)) => gap(key, format!("open the folder: {reason}")),
        }
    }

    fn next(&mut self) -> Option<io::Result<Object>> {
        loop {
            let (folder, rest) = self.levels.last_mut()?;
            let Some(child) = rest.pop() else {
                self.levels.pop();
                continue;
            };
            let key = match folder.is_empty() {
                true => child.name,
                false => [folder, &b"/"[..], &child.name].concat(),
            };
            match child.what {
                What::Object(object) => return Some(Ok(Object { key, ..object })),
                What::Unknown(reason) => return Some(Err(Gap { key, is_folder: false, reason }.into())),
                What::Folder => match self.enter(key) {
                    Some(failed) => return Some(Err(failed)),
                    None => continue,
                },
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Returns a folder of the tree that has these objects. A folder is refused if its name ends with `!`.
    fn folder(names: &[&str], folder: &str) -> Listed {
        if folder.ends_with('!') {
            return Listed::Refused(io::ErrorKind::PermissionDenied, "no".to_string());
        }
        if names.contains(&folder) {
            return Listed::File;
        }
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = names.iter().filter_map(|name| name.strip_prefix(&prefix));
        let found: BTreeMap<_, _> =
            below.map(|rest| rest.split_once('/').map_or((rest, true), |(name, _)| (name, false))).collect();
        let what = |name: &str, is_object: bool| match is_object {
            _ if name.ends_with('?') => What::Unknown("no size".to_string()),
            true => What::Object(Object::default()),
            false => What::Folder,
        };
        let child = |(name, is_object): (&&str, &bool)| Child { name: name.as_bytes().to_vec(), what: what(name, *is_object) };
        // The entries are not in the order of whole names.
        match folder.is_empty() || !found.is_empty() {
            true => Listed::Children(found.iter().rev().map(child).collect()),
            false => Listed::Missing,
        }
    }

    fn texts(listing: Listing<'_>) -> Vec<String> {
        let text = |e: io::Error| match Gap::of(&e) {
            Some(gap) => format!("{gap}{}", if gap.is_folder { "/" } else { "" }),
            None => format!("{:?}", e.kind()),
        };
        listing.map(|object| object.map_or_else(text, |o| String::from_utf8(o.key).unwrap())).collect()
    }

    fn listed(names: &'static [&'static str], prefix: &str) -> Vec<String> {
        texts(list(prefix.as_bytes(), |_| true, |path| Ok(folder(names, path)), "u"))
    }

    #[test]
    fn listings_are_in_the_order_of_whole_names() {
        let names = &["a", "a-x", "a.y/z", "a0", "b/c/d", "b/c-", "b/c/.snap-1-2.tmp", "b/.snap-x", "b+/x", "😀/x", "ﬀ"];
        let mut all: Vec<_> = names.iter().map(|n| n.to_string()).collect();
        all.sort();
        assert_eq!(listed(names, ""), all);
        assert_eq!(listed(names, "b/"), ["b/.snap-x", "b/c-", "b/c/.snap-1-2.tmp", "b/c/d"]);
        assert_eq!((listed(names, "none/"), listed(names, "b//"), listed(names, "../")), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_root_that_is_missing_or_a_file_is_an_error_and_the_only_item() {
        for prefix in ["", "a/"] {
            assert_eq!(texts(list(prefix.as_bytes(), |_| true, |_| Ok(Listed::Missing), "u")), ["NotFound"]);
            assert_eq!(texts(list(prefix.as_bytes(), |_| true, |_| Ok(Listed::File), "u")), ["NotADirectory"]);
        }
        assert_eq!(listed(&["a", "b/c"], "a/"), [""; 0]);
    }

    #[test]
    fn what_fails_for_one_name_is_a_gap_in_its_place_and_what_fails_for_all_is_the_end() {
        let names = &["a", "b!/c", "d/e?", "d/f", "d/g!/h", "i"];
        let all = ["a", "b!: open the folder: no/", "d/e?: no size", "d/f", "d/g!: open the folder: no/", "i"];
        assert_eq!(listed(names, ""), all);
        // A listing of only this folder has nothing else.
        assert_eq!(listed(names, "b!/"), ["PermissionDenied"]);
        let breaks = |path: &str| match path {
            "d" => Err(io::Error::from(io::ErrorKind::ConnectionReset)),
            path => Ok(folder(names, path)),
        };
        assert_eq!(texts(list(b"", |_| true, breaks, "u")), ["a", "b!: open the folder: no/", "ConnectionReset"]);
    }

    #[test]
    fn folders_that_nobody_wants_are_not_opened() {
        let names = &["a/b/c", "a/d!/e", "lost!/f", "g"];
        let some = list(b"", |key| key == b"a/" || key == b"a/b/", |path| Ok(folder(names, path)), "u");
        assert_eq!(texts(some), ["a/b/c", "g"]);
    }

    #[test]
    fn names_that_no_key_can_have_are_gaps() {
        let open = |path: &str| {
            let child = |name: &[u8], what: What| Child { name: name.to_vec(), what };
            Ok(match path {
                "" => Listed::Children(vec![child(b"\xff", What::Folder), child(b"..", What::Folder), child(b"z", What::Folder)]),
                _ => Listed::Children(Vec::new()),
            })
        };
        let all = texts(list(b"", |_| true, open, "u"));
        assert!(all.len() == 2 && all[0].starts_with("..: ") && all[1].starts_with("\\xff: "), "{all:?}");
    }

    #[test]
    fn names_with_empty_parts_are_refused() {
        for bad in ["a//b", "/a", "a/", "/", "", "..", "a/./b"] {
            assert_eq!(check(bad.as_bytes()).unwrap_err().kind(), io::ErrorKind::InvalidInput, "{bad}");
        }
        for good in ["trail ", " lead", "a /b", "..x", "%2F"] {
            assert_eq!(check(good.as_bytes()).unwrap(), good);
        }
        assert!(root("/a//b", "u").is_err() && root("/a/..", "u").is_err());
        assert_eq!((root("", "u").unwrap(), root("/a b", "u").unwrap()), (String::new(), "/a b".to_string()));
    }

    #[test]
    fn uploads_lie_beside_their_object() {
        let temp = temp_beside("/r/a/b");
        assert!(temp.starts_with("/r/a/.snap-") && temp.ends_with(".tmp") && temp != temp_beside("/r/a/b"), "{temp}");
    }
}
