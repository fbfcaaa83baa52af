//! Which snapshots there are.

use super::{Found, Place, path_for, time_of};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::storage::{Gap, Location, Options, Store, as_path};
use std::cmp::Reverse;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::{DirEntry, WalkDir};

/// All snapshots below a snap root, newest first. Files of any other name are none.
///
/// # Errors
/// If the root is not there or a folder of it can't be listed.
pub fn list(root: &Location) -> Result<Vec<Found>> {
    let mut found = match root {
        Location::Folder(folder) => in_folder(folder, root)?,
        Location::Remote(store) => in_store(store)?,
    };
    found.sort_by_key(|f| Reverse(f.time));
    Ok(found)
}

/// Whether there is such a snap root. In a storage without folders there is one wherever there may be one.
///
/// # Errors
/// If a storage can't be asked.
pub(super) fn is_there(root: &Location) -> Result<bool> {
    match root {
        Location::Folder(folder) => Ok(folder.exists()),
        Location::Remote(store) => match store.list_in(b"", |_| false).next() {
            Some(Err(e)) if e.kind() == ErrorKind::NotFound => Ok(false),
            Some(Err(e)) if Gap::of(&e).is_none() => Err(e).or_failed(|| format!("snap root {root}")),
            Some(_) | None => Ok(true),
        },
    }
}

fn in_folder(folder: &Path, root: &Location) -> Result<Vec<Found>> {
    let meta = std::fs::metadata(folder).or_failed(|| format!("snap root {root}"))?;
    if !meta.is_dir() {
        return Err(Error::refused(format!("snap root {root}: it is a file, not a folder")));
    }
    let mut found = Vec::new();
    let may_have_some = |entry: &DirEntry| {
        let below = entry.path().strip_prefix(folder).unwrap_or(entry.path()).as_os_str().as_bytes();
        entry.depth() == 0 || !entry.file_type().is_dir() || has_snapshots(&[below, b"/"].concat())
    };
    for entry in WalkDir::new(folder).max_depth(3).follow_root_links(true).into_iter().filter_entry(may_have_some) {
        let entry = entry.map_err(|e| unlisted(root, &e))?;
        let Some(time) = time_of(entry.file_name()) else { continue };
        let place = path_for(time).is_some_and(|path| folder.join(path) == entry.path());
        if place && entry.file_type().is_file() {
            found.push(Found { place: Place::File(entry.into_path()), time });
        }
    }
    Ok(found)
}

fn in_store(store: &Arc<dyn Store>) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for object in store.list_in(b"", has_snapshots) {
        let key = match object {
            Ok(object) => object.key,
            // What else lies there is nobody's snapshot.
            Err(e) if Gap::of(&e).is_some_and(|gap| !gap.is_folder && !is_snapshot(&gap.key)) => continue,
            Err(e) => return Err(e).or_failed(|| format!("list the snap root {}", store.url())),
        };
        let name = key.rsplit(|b| *b == b'/').next().unwrap_or(&key);
        let Some(time) = time_of(OsStr::from_bytes(name)) else { continue };
        if path_for(time).is_some_and(|path| path.as_os_str().as_bytes() == key) {
            found.push(Found { place: Place::Object(store.clone(), key), time });
        }
    }
    Ok(found)
}

/// Whether snapshots lie in a folder, which is given with a `/` at its end: `YYYY/` and `YYYY/MM/`. Others are not opened, whatever
/// they are and whoever may open them.
fn has_snapshots(folder: &[u8]) -> bool {
    let digits = |part: &[u8], n| part.len() == n && part.iter().all(u8::is_ascii_digit);
    match &folder.split(|b| *b == b'/').collect::<Vec<_>>()[..] {
        [year, b""] => digits(year, 4),
        [year, month, b""] => digits(year, 4) && digits(month, 2),
        _ => false,
    }
}

fn is_snapshot(key: &[u8]) -> bool {
    time_of(OsStr::from_bytes(key.rsplit(|b| *b == b'/').next().unwrap_or(key))).is_some()
}

/// What is said where a folder of a snap root on this machine can't be listed.
pub(crate) fn unlisted(root: &Location, e: &walkdir::Error) -> Error {
    let place = e.path().map(|path| format!("{}: ", printable(path.as_os_str().as_bytes()))).unwrap_or_default();
    let reason = e.io_error().map_or_else(|| "a link that leads back to a folder above it".to_string(), crate::error::reason);
    Error::refused(format!("list the snap root {root}: {place}{reason}"))
}

/// The snapshot of that path or URL, as it stands or below the snap root.
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
        // First of all, what snap-list prints, also without the scheme, as the Python tool prints it.
        Some(Location::Remote(store)) => {
            let bytes = spec.as_bytes();
            let below = |url: &str| bytes.strip_prefix(url.as_bytes())?.strip_prefix(b"/").map(<[u8]>::to_vec);
            let plain = store.url().split_once("://").map_or(store.url(), |(_, rest)| rest);
            for key in [below(store.url()), below(plain), Some(bytes.to_vec())].into_iter().flatten() {
                // What is no key at all is none.
                if crate::storage::check_key(&key).is_ok()
                    && store.stat(&key).or_failed(|| format!("snap root {}", store.url()))?.is_some()
                {
                    return Ok(Place::Object(store.clone(), key));
                }
            }
        }
        Some(Location::Folder(folder)) if !as_it_stands.exists() => {
            let below = folder.join(spec);
            if below.exists() {
                return Ok(Place::File(below));
            }
        }
        _ => {}
    }
    if as_it_stands.exists() {
        return Ok(Place::File(as_it_stands));
    }
    match spec.as_bytes().iter().rposition(|b| *b == b'/').filter(|_| spec.as_bytes().windows(3).any(|w| w == b"://")) {
        Some(at) => {
            let (above, name) = (&spec.as_bytes()[..at], &spec.as_bytes()[at + 1..]);
            match Location::parse(OsStr::from_bytes(above), "SNAPSHOT", options)? {
                Location::Folder(folder) => Ok(Place::File(folder.join(OsStr::from_bytes(name)))),
                Location::Remote(store) => Ok(Place::Object(store, name.to_vec())),
            }
        }
        None => Err(none()),
    }
}
