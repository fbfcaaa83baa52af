//! A heap in a folder of this machine.
//!
//! New objects are staged in `temp` and get their names in [`LocalHeap::commit`], after they are on disk.

use super::object::{self, Ends, Expected, Fetched, Health};
use super::path::{collision, object_path};
use super::temp::{TempFile, Temps};
use super::{aside, condemned};
use crate::access::Access;
use crate::digest::{Md5, Sha256};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::rootdir::patiently;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

fn shown(root: &Path) -> String {
    printable(root.as_os_str().as_encoded_bytes())
}

/// An open heap in a folder.
pub struct LocalHeap {
    pub(super) path: PathBuf,
    pub(super) shown: String,
    pub(super) fd: OwnedFd,
    level: i32,
    pub(super) access: Access,
    /// Nothing can be learnt from `syncfs`: each object is synced by itself.
    pub(super) sync_each: bool,
    pub(super) pending: Mutex<Pending>,
    /// What snap-gc condemned, as it was when it was looked up last.
    pub(super) condemned: Mutex<Arc<condemned::Condemned>>,
}

/// What was stored and not committed yet.
#[derive(Default)]
pub(super) struct Pending {
    pub temps: Temps,
    pub staged: HashMap<Md5, Staged>,
}

/// An object in `temp`.
pub(super) struct Staged {
    pub temp: TempFile,
    pub stored_size: u64,
    pub sha256: Sha256,
    /// The object that is there is bad and is to be replaced.
    pub replace: bool,
}

impl LocalHeap {
    /// Opens a heap that is there, for reading.
    ///
    /// # Errors
    /// If it is not there or no folder.
    pub fn open(root: &Path) -> Result<LocalHeap> {
        LocalHeap::new(root, 0)
    }

    /// Opens a heap for storing, with that level of compression (0 to 12); makes the folder if there is none.
    ///
    /// # Errors
    /// If that fails.
    pub fn create(root: &Path, level: i32) -> Result<LocalHeap> {
        Access::make_root(root).or_failed(|| format!("make the heap root {}", shown(root)))?;
        let heap = LocalHeap::new(root, level)?;
        heap.load_condemned()?;
        Ok(heap)
    }

    fn new(root: &Path, level: i32) -> Result<LocalHeap> {
        let what = || format!("heap root {}", shown(root));
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(root, flags, Mode::empty()).or_failed(what)?;
        let access = Access::of(root).or_failed(what)?;
        let sync_each = !syncfs_tells(&fd).or_failed(what)?;
        let (path, shown) = (root.to_path_buf(), shown(root));
        Ok(LocalHeap { path, shown, fd, level, access, sync_each, pending: Mutex::default(), condemned: Mutex::default() })
    }

    /// The level of compression.
    pub fn level(&self) -> i32 {
        self.level
    }

    /// What is staged of an md5: its stored size and sha256.
    pub fn in_flight(&self, md5: &Md5) -> Option<(u64, Sha256)> {
        self.lock().staged.get(md5).map(|s| (s.stored_size, s.sha256))
    }

    pub(super) fn shown_object(&self, md5: &Md5) -> String {
        format!("{}/{}", self.shown, object_path(md5))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The size in bytes of the stored object, None where there is none. Knows what is staged.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn stored_size(&self, md5: &Md5) -> Result<Option<u64>> {
        if let Some(staged) = self.lock().staged.get(md5) {
            return Ok(Some(staged.stored_size));
        }
        match fs::statat(&self.fd, object_path(md5), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.st_size as u64)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(Error::io(self.shown_object(md5), e.into())),
        }
    }

    /// Opens an object; None where there is none.
    pub(super) fn open_object(&self, md5: &Md5) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match patiently(|| fs::openat(&self.fd, object_path(md5), flags, Mode::empty())) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Opens what a snap-gc that was interrupted left aside of an object.
    fn open_aside(&self, md5: &Md5) -> Option<File> {
        let name = aside::find(&self.fd, md5).ok()?.pop()?;
        let path = format!("{}/{name}", &object_path(md5)[..2]);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        fs::openat(&self.fd, path, flags, Mode::empty()).ok().map(File::from)
    }

    /// What is stored of an object, also one that a `snap-gc` that was interrupted left aside; None where there is none.
    pub fn fetch(&self, md5: &Md5) -> io::Result<Option<Fetched>> {
        let Some(file) = self.open_object(md5)?.or_else(|| self.open_aside(md5)) else { return Ok(None) };
        Ok(Some(Fetched { stored_size: Some(file.metadata()?.len()), reader: Box::new(file) }))
    }

    /// The ends of an object; None where there is none.
    pub fn ends(&self, md5: &Md5) -> io::Result<Option<Ends>> {
        let Some(file) = self.open_object(md5)? else { return Ok(None) };
        let stored_size = file.metadata()?.len();
        let (mut head, mut tail) = (Vec::new(), [0; 4]);
        (&file).take(object::HEAD).read_to_end(&mut head)?;
        let tail = if stored_size >= 4 { Some(file.read_exact_at(&mut tail, stored_size - 4).map(|()| tail)?) } else { None };
        Ok(Some(Ends { stored_size, head: Some(head), tail }))
    }

    /// Puts what was stored in its place: syncs, renames, and syncs the folders, in this order, so that after a power cut an
    /// object that has its name is whole, and one that a record speaks of has its name.
    ///
    /// # Errors
    /// If the heap can't be written. A failed sync is final: what the kernel dropped it would not report a second time.
    pub fn commit(&self) -> Result<()> {
        let batch: Vec<(Md5, TempFile, Sha256, bool)> = {
            let mut pending = self.lock();
            if pending.staged.is_empty() {
                return Ok(());
            }
            pending.temps.turn_over();
            // What is staged stays known until it has its name, or another thread would store it again.
            pending.staged.iter().map(|(md5, s)| (*md5, s.temp.clone(), s.sha256, s.replace)).collect()
        };
        self.sync()?;
        for (md5, temp, sha256, replace) in &batch {
            self.publish(temp, md5, *sha256, *replace)?;
        }
        self.sync_folders(&batch)?;
        let mut pending = self.lock();
        for (md5, ..) in &batch {
            pending.staged.remove(md5);
        }
        Ok(())
    }

    /// Gives a staged object its name.
    fn publish(&self, temp: &TempFile, md5: &Md5, sha256: Sha256, replace: bool) -> Result<()> {
        let path = object_path(md5);
        let failed = |e: Errno| Error::io(format!("store {}", self.shown_object(md5)), e.into());
        let rename = |replace: bool| match replace {
            true => fs::renameat(&temp.folder, &temp.name, &self.fd, &path),
            false => fs::renameat_with(&temp.folder, &temp.name, &self.fd, &path, fs::RenameFlags::NOREPLACE),
        };
        let mut result = rename(replace);
        if result == Err(Errno::NOENT) {
            match self.access.make_folder(self.fd.as_fd(), &path.as_bytes()[..2]) {
                Ok(()) | Err(Errno::EXIST) => result = rename(replace),
                Err(e) => return Err(failed(e)),
            }
        }
        match result {
            Ok(()) => Ok(()),
            // The file system has no such rename: what another writer put there in this instant is of the same content.
            Err(Errno::INVAL) => rename(true).map_err(failed),
            // Another writer was quicker.
            Err(Errno::EXIST) => match self.inspect(md5)? {
                Health::Good { sha256: Some(other), .. } if other != sha256 => Err(Error::refused(collision(md5))),
                Health::Good { .. } => {
                    temp.remove();
                    Ok(())
                }
                _ => rename(true).map_err(failed),
            },
            Err(e) => Err(failed(e)),
        }
    }

    fn inspect(&self, md5: &Md5) -> Result<Health> {
        let look = |file: File| {
            let fetched = Fetched { stored_size: Some(file.metadata()?.len()), reader: Box::new(file) };
            object::inspect(fetched, Expected { md5: *md5, sha256: None, size: None })
        };
        let health = self.open_object(md5).and_then(|file| file.map_or(Ok(Health::Missing), look));
        health.or_failed(|| self.shown_object(md5))
    }

    /// Syncs everything that anybody wrote to the heap's file system.
    ///
    /// # Errors
    /// If the system says that something could not be written.
    pub fn sync(&self) -> Result<()> {
        if self.sync_each {
            return Ok(());
        }
        fs::syncfs(&self.fd).or_failed(|| format!("sync the heap root {}", self.shown))
    }

    /// Makes the new names last.
    fn sync_folders(&self, batch: &[(Md5, TempFile, Sha256, bool)]) -> Result<()> {
        if !self.sync_each {
            return self.sync();
        }
        let mut folders: Vec<String> = batch.iter().map(|(md5, ..)| object_path(md5)[..2].to_string()).collect();
        folders.push(".".to_string());
        folders.sort();
        folders.dedup();
        for folder in folders {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let synced = fs::openat(&self.fd, &folder, flags, Mode::empty()).and_then(fs::fsync);
            synced.or_failed(|| format!("sync {}/{folder}", self.shown))?;
        }
        Ok(())
    }
}

/// Whether `syncfs` writes everything to the disk, and says so if it could not: FUSE file systems do nothing in it, and before
/// Linux 5.8 it kept errors of writing to itself.
fn syncfs_tells(fd: &OwnedFd) -> io::Result<bool> {
    /// statfs(2).
    const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;
    let system = rustix::system::uname();
    let mut numbers =
        system.release().to_bytes().split(|b| !b.is_ascii_digit()).map_while(|n| str::from_utf8(n).ok()?.parse().ok());
    let release: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok(release >= (5, 8) && fs::fstatfs(fd)?.f_type as i64 != FUSE_SUPER_MAGIC)
}
