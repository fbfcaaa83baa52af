//! What storages of folders and files have in common: names that they can have, and listings in the order of whole names.

use super::store::{Listing, Object, check_key};
use crate::error::{Error, Result, printable};
use std::io;

/// Refuses, beside what [`check_key`] does, keys that are no path: with an empty part.
///
/// # Errors
/// `InvalidInput`.
pub fn check(key: &[u8]) -> io::Result<&str> {
    let text = check_key(key)?;
    if text.split('/').any(str::is_empty) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the name has an empty part, which no folder can have"));
    }
    Ok(text)
}

/// The path of a root: empty, or with a first `/` and none at its end.
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

/// A new name, `.snap-*.tmp`, for an upload in the same folder as a path. Listings show it, so that what an interrupted upload
/// leaves can be found and deleted.
pub fn temp_beside(path: &str) -> String {
    use std::hash::{BuildHasher, RandomState};
    let random = RandomState::new().hash_one(std::time::SystemTime::now());
    format!("{}/.snap-{}-{random:016x}.tmp", folder_of(path), std::process::id())
}

/// The folder that a path lies in; empty for the topmost.
pub fn folder_of(path: &str) -> &str {
    path.rfind('/').map_or("", |at| &path[..at])
}

/// Something in a folder.
pub struct Child {
    /// Its name there.
    pub name: Vec<u8>,
    /// None for a folder. The key is not set yet.
    pub object: Option<Object>,
}

impl Child {
    /// Where it stands among its siblings, for whole names to be in order: all below a folder goes on with a `/`.
    fn place(&self) -> Vec<u8> {
        [&self.name[..], if self.object.is_none() { b"/" } else { b"" }].concat()
    }
}

/// All objects below a prefix, in the order of the bytes of their keys. `children` gives those of a folder (its path below the
/// root, without a `/` at its end; empty for the root), in any order; None if there is no such folder. A folder is asked for
/// when its turn comes; in memory are the children of one folder on each level.
pub fn list<'a, F>(prefix: &[u8], children: F, url: &str) -> Listing<'a>
where
    F: Fn(&str) -> io::Result<Option<Vec<Child>>> + Send + 'a,
{
    let start = prefix.strip_suffix(b"/").unwrap_or(prefix);
    let start = match start.is_empty() {
        true => Ok(String::new()),
        false => check(start).map(str::to_string),
    };
    // A name that no folder can have: nothing is below it.
    let Ok(start) = start else { return Box::new(std::iter::empty()) };
    let missing = io::Error::new(io::ErrorKind::NotFound, format!("{}: there is no such folder", printable(url.as_bytes())));
    let mut missing = Some(missing);
    let mut begun = false;
    // Per level what is still to come, the next at the end.
    let mut levels: Vec<(String, Vec<Child>)> = Vec::new();
    let ordered = move |folder: &str, is_start: bool| -> io::Result<Option<Vec<Child>>> {
        let mut all = match children(folder)? {
            Some(all) => all,
            None if is_start && (folder.is_empty() || children("")?.is_none()) => return Ok(None),
            // Gone since its parent was listed.
            None => Vec::new(),
        };
        all.sort_by_cached_key(|child| std::cmp::Reverse(child.place()));
        Ok(Some(all))
    };
    Box::new(std::iter::from_fn(move || {
        if !begun {
            begun = true;
            match ordered(&start, true) {
                Ok(Some(all)) => levels.push((start.clone(), all)),
                Ok(None) => return missing.take().map(Err),
                Err(e) => return Some(Err(e)),
            }
        }
        loop {
            let (folder, rest) = levels.last_mut()?;
            let Some(child) = rest.pop() else {
                levels.pop();
                continue;
            };
            let key = match folder.is_empty() {
                true => child.name,
                false => [folder.as_bytes(), b"/", &child.name].concat(),
            };
            if let Some(object) = child.object {
                return Some(Ok(Object { key, ..object }));
            }
            let below = match String::from_utf8(key) {
                Ok(below) => below,
                Err(_) => {
                    levels.clear();
                    return Some(Err(io::Error::new(io::ErrorKind::InvalidData, "a folder with a name that is not UTF-8")));
                }
            };
            match ordered(&below, false) {
                Ok(all) => levels.push((below, all.unwrap_or_default())),
                Err(e) => {
                    levels.clear();
                    return Some(Err(e));
                }
            }
        }
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// The children of a folder of a tree that is told by the names of its objects.
    fn children(names: &[&str], folder: &str) -> Option<Vec<Child>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let below = names.iter().filter_map(|name| name.strip_prefix(&prefix));
        let found: BTreeMap<_, _> =
            below.map(|rest| rest.split_once('/').map_or((rest, true), |(name, _)| (name, false))).collect();
        let child =
            |(name, is_object): (&&str, &bool)| Child { name: name.as_bytes().to_vec(), object: is_object.then(Object::default) };
        // Not in the order of whole names.
        (folder.is_empty() || !found.is_empty()).then(|| found.iter().rev().map(child).collect())
    }

    fn listed(names: &'static [&'static str], prefix: &str) -> Vec<String> {
        let all = list(prefix.as_bytes(), |folder| Ok(children(names, folder)), "u");
        all.map(|object| object.map_or_else(|e| format!("{:?}", e.kind()), |o| String::from_utf8(o.key).unwrap())).collect()
    }

    #[test]
    fn listings_are_in_the_order_of_whole_names() {
        let names = &["a", "a-x", "a.y/z", "a0", "b/c/d", "b/c-", "b/c/.snap-1-2.tmp", "b/.snap-x", "b!/x", "😀/x", "ﬀ"];
        let mut all: Vec<_> = names.iter().map(|n| n.to_string()).collect();
        all.sort();
        assert_eq!(listed(names, ""), all);
        assert_eq!(listed(names, "b/"), ["b/.snap-x", "b/c-", "b/c/.snap-1-2.tmp", "b/c/d"]);
        assert_eq!((listed(names, "none/"), listed(names, "b//"), listed(names, "../")), (vec![], vec![], vec![]));
    }

    #[test]
    fn a_missing_root_is_an_error_and_the_only_item() {
        for prefix in ["", "a/"] {
            let all: Vec<_> = list(prefix.as_bytes(), |_| Ok(None), "u").collect();
            assert_eq!(all.len(), 1);
            assert!(all[0].as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound));
        }
    }

    #[test]
    fn an_error_ends_the_listing() {
        let fails = |folder: &str| match folder {
            "" => Ok(children(&["a", "b/c", "d"], "")),
            _ => Err(io::Error::from(io::ErrorKind::PermissionDenied)),
        };
        let all: Vec<_> = list(b"", fails, "u").map(|o| o.map(|o| o.key).map_err(|e| e.kind())).collect();
        assert_eq!(all, [Ok(b"a".to_vec()), Err(io::ErrorKind::PermissionDenied)]);
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
