//! What writers that died left behind: our folders in `temp` of the heap, the Python tool's files there, and temporary files
//! beside snapshots and lists. Age tells them from those in use.

use super::{Sum, remote};
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::heap::condemned;
use crate::storage::Location;
use crate::time::Time;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;
use walkdir::WalkDir;

/// No writer leaves a temporary file alone for so long.
pub const AGE: Duration = Duration::from_secs(24 * 3600);

/// Deletes what was last written at least so long ago.
pub fn sweep(heap: &Path, snap_roots: &[Location], now: Time, age: Duration) -> Result<Sum> {
    let mut sum = Sum::default();
    let old = |meta: &Metadata| now.sec.saturating_sub(meta.mtime()) as f64 >= age.as_secs_f64();
    let temp = heap.join("temp");
    for entry in children(&temp)? {
        let entry = entry.or_failed(|| shown("list", &temp))?;
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_str().unwrap_or_default();
        let kind = entry.file_type().or_failed(|| shown("read", &path))?;
        if kind.is_dir() && name.starts_with("snap-") {
            sweep_folder(&path, &old, &mut sum)?;
        } else if kind.is_file() && is_uuid(name.strip_suffix(".gz").unwrap_or_default()) {
            sweep_file(&path, &old, &mut sum)?;
        }
    }
    let folders = snap_roots.iter().filter_map(|root| Some(root.folder()?.to_path_buf())).chain([heap.join(condemned::FOLDER)]);
    for folder in folders {
        // What can't be listed was told before, or nobody needs it.
        for entry in WalkDir::new(folder).into_iter().filter_map(std::result::Result::ok) {
            let name = entry.file_name().as_bytes();
            if entry.file_type().is_file() && is_temp(name) {
                sweep_file(entry.path(), &old, &mut sum)?;
            }
        }
    }
    sweep_stores(snap_roots, now, age, &mut sum)?;
    Ok(sum)
}

/// Deletes what interrupted writers of snapshots left in other storages, where it was last written at least so long ago.
pub fn sweep_stores(snap_roots: &[Location], now: Time, age: Duration, sum: &mut Sum) -> Result<()> {
    for root in snap_roots {
        let Location::Remote(store) = root else { continue };
        let old = |time: Time| now.sec.saturating_sub(time.sec) as f64 >= age.as_secs_f64();
        let leftovers: Vec<_> = store
            .list(b"")
            .filter_map(std::result::Result::ok)
            .filter(|o| o.modified.is_some_and(old) && is_leftover(&o.key))
            .collect();
        leftovers.iter().for_each(|o| sum.add(o.size));
        remote::delete(store, leftovers.into_iter().map(|o| o.key).collect())?;
    }
    Ok(())
}

/// Whether a file of that name is one that a writer has not finished.
fn is_temp(name: &[u8]) -> bool {
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

/// A folder goes if nothing in it is young: the last one to be written may have taken long.
fn sweep_folder(folder: &Path, old: &dyn Fn(&Metadata) -> bool, sum: &mut Sum) -> Result<()> {
    let mut bytes = 0;
    for entry in WalkDir::new(folder) {
        // One that vanishes has an owner.
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

/// Whether the key is one of our unfinished uploads or of the Python tool's temporary objects.
pub fn is_leftover(key: &[u8]) -> bool {
    is_temp(key.rsplit(|b| *b == b'/').next().unwrap_or_default())
        || std::str::from_utf8(key)
            .is_ok_and(|key| key.strip_prefix("temp/").and_then(|k| k.strip_suffix(".gz")).is_some_and(is_uuid))
}

/// 8-4-4-4-12 hex digits.
fn is_uuid(name: &str) -> bool {
    let parts: Vec<&str> = name.split('-').collect();
    parts.iter().map(|p| p.len()).eq([8, 4, 4, 4, 12]) && parts.concat().bytes().all(|b| b.is_ascii_hexdigit())
}
