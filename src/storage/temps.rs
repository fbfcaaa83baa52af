//! Temporary files below a root: in `temp/snap-<pid>-<random>/`, which is deleted when the process ends.

use crate::access::Access;
use crate::system;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use tempfile::TempDir;

/// The temporary folders of a process: one for each thread and batch, because threads that create files in one folder, or move
/// them out of it, wait for each other.
#[derive(Default)]
pub struct Temps {
    root: Option<TempDir>,
    folders: HashMap<ThreadId, Arc<OwnedFd>>,
    made: u64,
}

/// A temporary file.
pub struct TempFile {
    /// Its folder.
    pub folder: Arc<OwnedFd>,
    /// Its name in that folder.
    pub name: String,
}

impl TempFile {
    /// Creates the file, for reading and writing.
    ///
    /// # Errors
    /// The error of the system.
    pub fn create(&self, access: Access) -> io::Result<File> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::openat(&self.folder, &self.name, flags, system::permissions(access.file_mode()))?;
        access.open_up(&file)?;
        Ok(File::from(file))
    }

    /// Deletes the file. If that fails, its folder is deleted when the process ends.
    pub fn remove(&self) {
        let _ = fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

impl Temps {
    /// Returns the next file of this thread below a root. Creates the file's folder, but not the file.
    ///
    /// # Errors
    /// The error of the system.
    pub fn next(&mut self, root: &Path, access: Access) -> io::Result<TempFile> {
        self.made += 1;
        // The name must not look like an md5: the Python tool treats the start of any file name as one.
        let name = format!("{}.gz", self.made);
        if let Some(folder) = self.folders.get(&thread::current().id()) {
            return Ok(TempFile { folder: folder.clone(), name });
        }
        let path = match &self.root {
            Some(temp) => temp.path(),
            None => self.root.insert(make(root, access)?).path(),
        };
        let path = path.join(self.made.to_string());
        access.make_folder(fs::CWD, path.as_os_str().as_encoded_bytes())?;
        let folder = Arc::new(fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?);
        self.folders.insert(thread::current().id(), folder.clone());
        Ok(TempFile { folder, name })
    }

    /// Creates all further files in other folders, so that no thread waits while the existing files are moved.
    pub fn turn_over(&mut self) {
        self.folders.clear();
    }
}

/// Creates the folder of this process.
fn make(root: &Path, access: Access) -> io::Result<TempDir> {
    access.make_folders(root, Path::new("temp"))?;
    let made = tempfile::Builder::new().prefix(&format!("snap-{}-", std::process::id())).tempdir_in(root.join("temp"))?;
    crate::cleanup::register(made.path());
    // Another user of the heap must be able to delete the leftovers of a killed writer.
    let mode = access.folder_mode() | (made.path().metadata()?.permissions().mode() & 0o2000);
    std::fs::set_permissions(made.path(), Permissions::from_mode(mode))?;
    Ok(made)
}
