//! Small files of the heap itself: written under a temporary name, synced, then renamed.

use crate::access::Access;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::files::NewFile;
use crate::time::Time;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

fn shown(folder: &Path) -> String {
    format!("write {}", printable(folder.as_os_str().as_encoded_bytes()))
}

/// Creates a file in a folder of the heap, and the folder if it does not exist.
///
/// # Errors
/// If it can't be created.
pub fn create(heap: &Path, folder: &str, name: &str) -> Result<NewFile> {
    let path = heap.join(folder);
    let made = Access::of(heap).and_then(|access| {
        access.make_folders(heap, Path::new(folder))?;
        NewFile::with_mode(&path.join(name), access.file_mode())
    });
    made.or_failed(|| shown(&path))
}

/// Returns when a file was changed last: for a new one, the time by the clock of the storage.
fn time_of(file: &File) -> io::Result<Time> {
    let meta = file.metadata()?;
    Ok(Time { sec: meta.mtime(), nsec: meta.mtime_nsec() as u32 })
}

/// Returns the time by the clock of the heap's storage: the clocks of two machines can differ by days.
///
/// # Errors
/// If the heap can't be written.
pub fn clock(heap: &Path) -> Result<Time> {
    let folder = heap.join("temp");
    let made = Access::of(heap).and_then(|access| access.make_folders(heap, Path::new("temp")));
    made.and_then(|()| time_of(&tempfile::tempfile_in(&folder)?)).or_failed(|| shown(&folder))
}
