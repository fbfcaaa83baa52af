//! Temporary folders of this process, so that a signal can take them away.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

static REGISTERED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// Notes a temporary file or folder that is to go if the process is told to end.
pub fn register(path: &Path) {
    REGISTERED.lock().unwrap_or_else(PoisonError::into_inner).push(path.to_path_buf());
}

/// Removes what was noted. Other threads may still be writing there, so it tries more than once.
pub fn run() {
    for path in REGISTERED.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
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
