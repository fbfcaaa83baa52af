//! Leftovers of killed writers: our folders in `temp` of the heap, the Python tool's files there, and temporary files beside
//! snapshots and lists. Only old ones are deleted: younger ones may be in use.

use super::Sum;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::storage::{Location, Store};
use crate::time::Time;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use walkdir::WalkDir;

/// No running writer leaves a temporary file unchanged for this long.
pub const AGE: Duration = Duration::from_secs(24 * 3600);

/// Deletes leftovers that were last written at least `age` ago, in a heap that is a folder and in snap roots.
pub fn sweep(heap: &Location, snap_roots: &[Location], now: Time, age: Duration) -> Result<Sum> {
    let mut sum = Sum::default();
    let old = |modified: i64| now.sec.saturating_sub(modified) as f64 >= age.as_secs_f64();
    if let Some(folder) = heap.folder() {
        sweep_temp(&folder.join("temp"), &|meta| old(meta.mtime()), &mut sum)?;
    }
    for (root, below) in
        [(heap, &b"roots/"[..]), (heap, b"gc/")].into_iter().chain(snap_roots.iter().map(|root| (root, &b""[..])))
    {
        sweep_unfinished(root, below, &|time| old(time.sec), &mut sum)?;
    }
    Ok(sum)
}

/// Deletes leftovers of interrupted writers in a folder of a root.
pub fn sweep_unfinished(root: &Location, below: &[u8], old: &dyn Fn(Time) -> bool, sum: &mut Sum) -> Result<()> {
    let store = root.store();
    // Names that can't be listed were reported before, or nothing needs them.
    let objects = store.list(below).filter_map(std::result::Result::ok);
    let leftovers: Vec<_> = objects.filter(|o| o.modified.is_some_and(old) && is_temp(&o.key)).collect();
    leftovers.iter().for_each(|o| sum.add(o.size));
    delete(&store, leftovers.into_iter().map(|o| o.key).collect())
}

/// Deletes leftovers in the heap's folder for objects that have no name yet.
fn sweep_temp(temp: &Path, old: &dyn Fn(&Metadata) -> bool, sum: &mut Sum) -> Result<()> {
    for entry in children(temp)? {
        let entry = entry.or_failed(|| shown("list", temp))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap_or_default();
        let kind = entry.file_type().or_failed(|| shown("read", &path))?;
        if kind.is_dir() && name.starts_with("snap-") {
            sweep_folder(&path, old, sum)?;
        } else if kind.is_file() && is_uuid(name.strip_suffix(".gz").unwrap_or_default()) {
            sweep_file(&path, old, sum)?;
        }
    }
    Ok(())
}

/// Deletes objects. The first one that can't be deleted is an error.
pub fn delete(store: &Arc<dyn Store>, keys: Vec<Vec<u8>>) -> Result<()> {
    for (key, result) in keys.iter().zip(store.delete(&keys)) {
        result.or_failed(|| format!("delete {}", printable(&store.name_of(key))))?;
    }
    Ok(())
}

/// Whether the key is that of an object that a writer has not finished.
fn is_temp(key: &[u8]) -> bool {
    let name = key.rsplit(|b| *b == b'/').next().unwrap_or_default();
    name.starts_with(b".snap-") && name.ends_with(b".tmp")
}

fn shown(what: &str, path: &Path) -> String {
    format!("{what} {}", printable(path.as_os_str().as_bytes()))
}

fn children(folder: &Path) -> Result<Box<dyn Iterator<Item = io::Result<fs::DirEntry>>>> {
    match fs::read_dir(folder) {
        Ok(entries) => Ok(Box::new(entries)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Box::new(std::iter::empty())),
        Err(e) => Err(e).or_failed(|| shown("list", folder)),
    }
}

/// Deletes a folder if nothing in it is young: writing its last file may have taken long.
fn sweep_folder(folder: &Path, old: &dyn Fn(&Metadata) -> bool, sum: &mut Sum) -> Result<()> {
    let mut bytes = 0;
    for entry in WalkDir::new(folder) {
        // A running writer moves files out.
        let Some(meta) = entry.ok().and_then(|e| e.metadata().ok()) else { return Ok(()) };
        if !old(&meta) {
            return Ok(());
        }
        bytes += if meta.is_file() { meta.len() } else { 0 };
    }
    fs::remove_dir_all(folder).or_failed(|| shown("delete", folder))?;
    sum.add(bytes);
    Ok(())
}

fn sweep_file(path: &Path, old: &dyn Fn(&Metadata) -> bool, sum: &mut Sum) -> Result<()> {
    let Ok(meta) = path.symlink_metadata() else { return Ok(()) };
    if old(&meta) {
        match fs::remove_file(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            result => {
                result.or_failed(|| shown("delete", path))?;
                sum.add(meta.len());
            }
        }
    }
    Ok(())
}

/// Whether the key is that of one of our unfinished uploads or of a temporary object of the Python tool.
pub fn is_leftover(key: &[u8]) -> bool {
    is_temp(key)
        || std::str::from_utf8(key)
            .is_ok_and(|key| key.strip_prefix("temp/").and_then(|k| k.strip_suffix(".gz")).is_some_and(is_uuid))
}

/// 8-4-4-4-12 hex digits.
fn is_uuid(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12]) && parts.concat().bytes().all(|b| b.is_ascii_hexdigit())
}
