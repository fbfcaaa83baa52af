//! Temporary files and folders of this process, which are removed on a signal.

use crate::parallel::lock;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

static REGISTERED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Registers a temporary file or folder. It is removed if a signal ends the process.
pub fn register(path: &Path) {
    lock(&REGISTERED).push(path.to_path_buf());
}

/// Removes all registered files and folders. Tries more than once, because other threads can still be writing there.
pub fn run() {
    for path in lock(&REGISTERED).drain(..) {
        for _ in 0..100 {
            let gone = match path.symlink_metadata() {
                Ok(m) if m.is_dir() => std::fs::remove_dir_all(&path),
                Ok(_) => std::fs::remove_file(&path),
                Err(_) => break,
            };
            if gone.is_ok() {
                break;
            }
        }
    }
}
