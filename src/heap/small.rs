//! Small files that the heap keeps about itself: written beside their place, synced, then named.

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

/// A new file in a folder of the heap, which is made if it is not there.
///
/// # Errors
/// If it can't be made.
pub fn create(heap: &Path, folder: &str, name: &str) -> Result<NewFile> {
    let path = heap.join(folder);
    let made = Access::of(heap).and_then(|access| {
        access.make_folders(heap, Path::new(folder))?;
        NewFile::with_mode(&path.join(name), access.file_mode())
    });
    made.or_failed(|| shown(&path))
}

/// When a file was changed last. Of a new one: what the clock of the storage says.
fn time_of(file: &File) -> io::Result<Time> {
    let meta = file.metadata()?;
    Ok(Time { sec: meta.mtime(), nsec: meta.mtime_nsec() as u32 })
}

/// The time, by the clock of the storage that a heap is in: clocks of machines differ, by days where one is wrong.
///
/// # Errors
/// If the heap can't be written.
pub fn clock(heap: &Path) -> Result<Time> {
    let folder = heap.join("temp");
    let made = Access::of(heap).and_then(|access| access.make_folders(heap, Path::new("temp")));
    made.and_then(|()| time_of(&tempfile::tempfile_in(&folder)?)).or_failed(|| shown(&folder))
}
