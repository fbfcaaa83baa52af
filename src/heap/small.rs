//! Small files of the heap itself: written under a temporary name, synced, then renamed.

use crate::access::Access;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::files::NewFile;
use crate::storage::{Body, Put, Store};
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

/// Returns the time by the clock of another storage with a heap. For that, it stores an object that writers replace each time.
///
/// # Errors
/// If the heap can't be written, or the storage does not tell times.
pub fn clock_of(store: &dyn Store) -> Result<Time> {
    let key = format!("{}/clock", super::condemned::FOLDER).into_bytes();
    let time = || {
        store.put(&key, Body::Bytes(b"snap-write\n".to_vec()), &Put { stays_readable: true, ..Put::default() })?;
        store.stat(&key)?.and_then(|object| object.modified).ok_or_else(|| io::Error::from(io::ErrorKind::Unsupported))
    };
    time().or_failed(|| format!("write {}", printable(&store.name_of(&key))))
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
