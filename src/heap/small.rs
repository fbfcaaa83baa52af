//! Small files that the heap keeps about itself: written beside their place, synced, then named.

use crate::error::{OrFailed, Result, printable};
use crate::storage;
use crate::time::Time;
use std::fs::{File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

fn shown(folder: &Path) -> String {
    format!("write {}", printable(folder.as_os_str().as_encoded_bytes()))
}

/// A temporary file in a folder, which is made if it is not there.
///
/// # Errors
/// If it can't be made.
pub fn temp(folder: &Path) -> Result<NamedTempFile> {
    storage::make_folders(folder).or_failed(|| shown(folder))?;
    let temp = tempfile::Builder::new().prefix(".snap-").suffix(".tmp").tempfile_in(folder).or_failed(|| shown(folder))?;
    crate::cleanup::register(temp.path());
    Ok(temp)
}

/// When a file was changed last. Of a new one: what the clock of the storage says.
///
/// # Errors
/// What the system says.
pub fn time_of(file: &File) -> io::Result<Time> {
    let meta = file.metadata()?;
    Ok(Time { sec: meta.mtime(), nsec: meta.mtime_nsec() as u32 })
}

/// The time, by the clock of the storage that a heap is in: clocks of machines differ, by days where one is wrong.
///
/// # Errors
/// If the heap can't be written.
pub fn clock(heap: &Path) -> Result<Time> {
    let temp = temp(&heap.join("temp"))?;
    time_of(temp.as_file()).or_failed(|| shown(heap))
}

/// Gives a temporary file its name, to last.
///
/// # Errors
/// If that fails.
pub fn publish(temp: NamedTempFile, folder: &Path, name: &str) -> Result<()> {
    let what = || shown(folder);
    temp.as_file().set_permissions(Permissions::from_mode(0o666 & !crate::stat::umask())).or_failed(what)?;
    temp.as_file().sync_all().or_failed(what)?;
    temp.persist(folder.join(name)).map_err(|e| e.error).or_failed(what)?;
    File::open(folder).and_then(|f| f.sync_all()).or_failed(what)
}
