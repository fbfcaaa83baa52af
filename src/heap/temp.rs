//! Where objects are staged: `temp/snap-<pid>-<random>/` below the heap root, gone when the process is.

use crate::access::Access;
use crate::error::{OrFailed, Result};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use std::collections::HashMap;
use std::fs::{File, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, ThreadId};
use tempfile::TempDir;

/// The temporary folders of a process: one for each thread and commit, because threads that make files in one folder, or take
/// them out of it, wait for each other.
#[derive(Default)]
pub(super) struct Temps {
    root: Option<TempDir>,
    folders: HashMap<ThreadId, Arc<OwnedFd>>,
    made: u64,
}

/// A staged file.
#[derive(Clone)]
pub(super) struct TempFile {
    /// The folder that it lies in.
    pub folder: Arc<OwnedFd>,
    /// Its name there.
    pub name: String,
}

impl TempFile {
    /// Takes the file away. If that fails, its folder goes when the process ends.
    pub fn remove(&self) {
        let _ = fs::unlinkat(&self.folder, &self.name, AtFlags::empty());
    }
}

impl Temps {
    /// The file for the next object of this thread: its folder is there, the file is not yet.
    pub fn next(&mut self, heap: &Path, access: Access, what: impl Fn() -> String) -> Result<TempFile> {
        self.made += 1;
        // Never a name that could pass for an md5: the Python tool takes the start of any file's name for one.
        let name = format!("{}.gz", self.made);
        if let Some(folder) = self.folders.get(&thread::current().id()) {
            return Ok(TempFile { folder: folder.clone(), name });
        }
        if self.root.is_none() {
            let above = heap.join("temp");
            access.make_folders(heap, Path::new("temp")).or_failed(&what)?;
            let prefix = format!("snap-{}-", std::process::id());
            let root = tempfile::Builder::new().prefix(&prefix).tempdir_in(&above).or_failed(&what)?;
            crate::cleanup::register(root.path());
            // Another user who shares the heap sweeps away what a writer that died left.
            root.path()
                .metadata()
                .and_then(|meta| {
                    let mode = access.folder_mode() | (meta.permissions().mode() & 0o2000);
                    std::fs::set_permissions(root.path(), Permissions::from_mode(mode))
                })
                .or_failed(&what)?;
            self.root = Some(root);
        }
        let path = self.root.as_ref().map_or(heap, TempDir::path).join(self.made.to_string());
        access.make_folder(fs::CWD, path.as_os_str().as_encoded_bytes()).or_failed(&what)?;
        let folder = fs::open(&path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).or_failed(&what)?;
        let folder = Arc::new(folder);
        self.folders.insert(thread::current().id(), folder.clone());
        Ok(TempFile { folder, name })
    }

    /// From now on files go to other folders, so that those that are there can be taken out in peace.
    pub fn turn_over(&mut self) {
        self.folders.clear();
    }
}

/// Makes a file that [`Temps::next`] gave.
pub(super) fn create(temp: &TempFile, access: Access, what: impl FnOnce() -> String) -> Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let made = fs::openat(&temp.folder, &temp.name, flags, Mode::from_raw_mode(access.file_mode()));
    let opened = made.and_then(|file| access.open_up(&file).map(|()| file));
    opened.map(File::from).or_failed(what)
}
