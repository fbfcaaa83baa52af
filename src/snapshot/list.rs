//! Listing the snapshots of a snap root, and finding one by its path or URL.

use super::{ENCRYPTED, Found, Place, RootKeys, path_for, time_of};
use crate::display::printable;
use crate::encryption::{self, Cipher};
use crate::error::{Error, OrFailed, Result};
use crate::storage::{Gap, Location, Options, as_path, check_key};
use crate::time::Time;
use std::cmp::Reverse;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Returns all snapshots below a snap root, newest first. Files with other names are ignored.
///
/// # Errors
/// If the root does not exist, or one of its folders can't be listed. If it has a snapshot in plain among encrypted ones.
pub fn list(root: &Location) -> Result<Vec<Found>> {
    let store = root.store();
    let (mut found, keys, mut is_marked) = (Vec::new(), RootKeys::default(), false);
    for object in store.list_in(b"", has_snapshots) {
        let key = match object {
            Ok(object) => object.key,
            // It is not a snapshot.
            Err(e) if Gap::of(&e).is_some_and(|gap| !gap.is_folder && time(&gap.key).is_none()) => continue,
            Err(e) => return Err(unlisted(root, e)),
        };
        is_marked |= key == encryption::MARKER.as_bytes();
        let Some(time) = time(&key) else { continue };
        let plain = key.strip_suffix(ENCRYPTED.as_bytes()).unwrap_or(&key);
        if path_for(time).is_some_and(|path| path.as_os_str().as_bytes() == plain) {
            found.push(Found { place: Place::new(store.clone(), key).with_keys_of(&keys), time });
        }
    }
    match found.iter().find(|found: &&Found| is_marked && !found.place.is_encrypted()) {
        Some(plain) => Err(plain.place.is_in_plain()),
        None => {
            found.sort_by_key(|f| Reverse(f.time));
            Ok(found)
        }
    }
}

/// Does what [`list`] does, for who reads the snapshots: if they are encrypted, there is one error, not one for each of them.
///
/// # Errors
/// Those of [`list`]. If the snapshots are encrypted, and there is no identity that fits.
pub fn list_to_read(root: &Location) -> Result<Vec<Found>> {
    let found = list(root)?;
    if found.iter().any(|found| found.place.is_encrypted())
        && let Some(cipher) = Cipher::open(&*root.store(), &encryption::given())?
    {
        cipher.check_can_read(root)?;
    }
    Ok(found)
}

/// Returns the time in the file name of a key.
fn time(key: &[u8]) -> Option<Time> {
    time_of(OsStr::from_bytes(key.rsplit(|b| *b == b'/').next()?))
}

/// Whether a folder, given with a `/` at its end, can have snapshots: `YYYY/` and `YYYY/MM/`. Other folders are not opened, so
/// they need no permissions.
fn has_snapshots(folder: &[u8]) -> bool {
    let digits = |part: &[u8], n| part.len() == n && part.iter().all(u8::is_ascii_digit);
    match &folder.split(|b| *b == b'/').collect::<Vec<_>>()[..] {
        [year, b""] => digits(year, 4),
        [year, month, b""] => digits(year, 4) && digits(month, 2),
        _ => false,
    }
}

/// Returns the error if a snap root, or one of its folders, can't be listed.
pub(crate) fn unlisted(root: &Location, e: io::Error) -> Error {
    match e.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::io(format!("snap root {root}"), e),
        _ => Error::io(format!("list the snap root {root}"), e),
    }
}

/// Returns the snapshot of that path or URL, which can be relative to the snap root.
pub(super) fn named(root: Option<&Location>, spec: &OsStr, options: &Options) -> Result<Place> {
    let none = || {
        Error::advise(
            format!("no snapshot {}", printable(spec.as_bytes())),
            "a snapshot is latest, latest~N, @TIME, a path or a URL; snap-list lists them",
        )
    };
    let literal = PathBuf::from(spec);
    let as_it_stands = if literal.exists() { literal } else { as_path(spec)?.unwrap_or(literal) };
    match root {
        Some(root) if root.folder().is_none() => {
            // First the form that snap-list prints, also without the scheme, as the Python tool prints it.
            let (store, bytes) = (root.store(), spec.as_bytes());
            let below = |url: &str| bytes.strip_prefix(url.as_bytes())?.strip_prefix(b"/").map(<[u8]>::to_vec);
            let plain = store.url().split_once("://").map_or(store.url(), |(_, rest)| rest);
            for key in [below(store.url()), below(plain), Some(bytes.to_vec())].into_iter().flatten() {
                // A text that can't be a key does not name a snapshot.
                if check_key(&key).is_ok() && store.stat(&key).or_failed(|| format!("snap root {root}"))?.is_some() {
                    return Ok(Place::new(store, key));
                }
            }
        }
        Some(root) if !as_it_stands.exists() => {
            if let Some(below) = root.folder().map(|folder| folder.join(spec)).filter(|below| below.exists()) {
                return file(&below);
            }
        }
        _ => {}
    }
    if as_it_stands.exists() {
        return file(&as_it_stands);
    }
    match spec.as_bytes().iter().rposition(|b| *b == b'/').filter(|_| spec.as_bytes().windows(3).any(|w| w == b"://")) {
        Some(at) => {
            let (above, name) = (&spec.as_bytes()[..at], &spec.as_bytes()[at + 1..]);
            let root = Location::parse(OsStr::from_bytes(above), "SNAPSHOT", options)?;
            // The snap root is two folders above, if it is a snapshot of one.
            let parts: Vec<&[u8]> = above.rsplitn(3, |b| *b == b'/').collect();
            let snap_root = parts.get(2).and_then(|root| Location::parse(OsStr::from_bytes(root), "SNAPSHOT", options).ok());
            Ok(Place::new(root.store(), name.to_vec()).below(snap_root))
        }
        None => Err(none()),
    }
}

fn file(path: &Path) -> Result<Place> {
    match path.is_dir() {
        true => Err(Error::refused(format!("snapshot {}: it is a folder", printable(path.as_os_str().as_bytes())))),
        false => Ok(Place::file(path)),
    }
}
