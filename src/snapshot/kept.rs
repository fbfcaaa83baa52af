//! The latest snapshot in plain that a machine keeps of each root: its base, where it can't read the encrypted ones.

use super::{Found, Place, time_of, warn_of_future};
use crate::encryption::Cipher;
use crate::error::Result;
use crate::storage::Location;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Keeps a snapshot in plain, in the place of the one before it. It is a help only: without it, the next backup reads every file.
pub fn keep(cipher: &Cipher, snap_root: &Location, file_root: Option<&str>, name: &Path, content: &mut dyn Read) {
    let Some(folder) = folder(cipher, snap_root, file_root.unwrap_or_default()) else { return };
    let Some(name) = name.file_name() else { return };
    let earlier = snapshots(&folder);
    if crate::encryption::keep(&folder.join(name), content).is_ok() {
        earlier.iter().filter(|path| path.file_name() != Some(name)).for_each(|path| drop(fs::remove_file(path)));
    }
}

/// Returns the snapshot that this machine keeps of a root.
///
/// # Errors
/// None: what can't be read is passed over with a warning.
pub fn latest(cipher: &Cipher, snap_root: &Location, file_root: &str, warn: &mut dyn FnMut(&str)) -> Result<Option<Found>> {
    let folder = folder(cipher, snap_root, file_root);
    let mut kept: Vec<Found> = folder.iter().flat_map(|folder| snapshots(folder)).filter_map(|path| found(&path)).collect();
    kept.sort_by_key(|found| std::cmp::Reverse(found.time));
    for found in kept {
        match super::check(&found.place) {
            Ok(_) => {
                warn_of_future(&found, warn);
                return Ok(Some(found));
            }
            Err(e) => warn(&format!("passed over as a base: {e}")),
        }
    }
    warn(&format!(
        "{snap_root}: the snapshots are encrypted, and this machine keeps none of this root in plain: every file is read; \
         an identity helps, too"
    ));
    Ok(None)
}

fn found(path: &Path) -> Option<Found> {
    Some(Found { place: Place::file(path), time: time_of(path.file_name()?)? })
}

fn folder(cipher: &Cipher, snap_root: &Location, file_root: &str) -> Option<PathBuf> {
    cipher.kept(&snap_root.identity(), file_root)
}

/// Returns the snapshots in a folder; none if there is no such folder.
fn snapshots(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.file_name().and_then(time_of).is_some()).collect()
}
