//! The heap: each content once, as `ab/<md5>.gz`, the md5 that of the plain content.
//!
//! New objects are staged in `temp` and get their names in [`Heap::commit`], after they are on disk.

pub mod aside;
mod cache;
pub mod condemned;
pub mod guard;
mod object;
mod renew;
pub mod roots;
pub mod small;
mod stage;
mod temp;

pub use cache::Cache;
pub use guard::Guard;
pub use object::Health;
pub use renew::Used;
pub use stage::{StoreError, Stored, digest};

use crate::content::Content;
use crate::error::{Error, OrFailed, Result};
use crate::record::{Md5, Record, Sha256};
use crate::storage::{self, Location};
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use temp::{TempFile, Temps};

/// A content up to so many bytes is worked on in memory, whole; larger ones go through piece by piece.
pub const WHOLE_LIMIT: u64 = 2 << 20;

/// How hard contents are compressed, where nobody says it.
pub const LEVEL: i32 = 1;

/// An open heap.
pub struct Heap {
    path: PathBuf,
    shown: String,
    fd: OwnedFd,
    level: i32,
    /// Nothing can be learnt from `syncfs`: each object is synced by itself.
    sync_each: bool,
    pending: Mutex<Pending>,
    /// What snap-gc condemned, as it was when it was looked up last.
    condemned: Mutex<Arc<condemned::Condemned>>,
}

/// What was stored and not committed yet.
#[derive(Default)]
struct Pending {
    temps: Temps,
    staged: HashMap<Md5, Staged>,
}

/// An object in `temp`.
struct Staged {
    temp: TempFile,
    stored_size: u64,
    sha256: Sha256,
    /// The object that is there is bad and is to be replaced.
    replace: bool,
}

impl Heap {
    /// Opens a heap that is there, for reading.
    ///
    /// # Errors
    /// If it is not there or no folder.
    pub fn open(root: &Location) -> Result<Heap> {
        Heap::new(root, 0)
    }

    /// Opens a heap for storing, with that level of compression (0 to 12); makes the folder if there is none.
    ///
    /// # Errors
    /// If that fails.
    pub fn create(root: &Location, level: i32) -> Result<Heap> {
        storage::make_folders(root.path()).or_failed(|| format!("make the heap root {root}"))?;
        let heap = Heap::new(root, level)?;
        heap.load_condemned()?;
        Ok(heap)
    }

    fn new(root: &Location, level: i32) -> Result<Heap> {
        let what = || format!("heap root {root}");
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(root.path(), flags, Mode::empty()).or_failed(what)?;
        let sync_each = !syncfs_tells(&fd).or_failed(what)?;
        let (path, shown) = (root.path().to_path_buf(), root.to_string());
        Ok(Heap { path, shown, fd, level, sync_each, pending: Mutex::default(), condemned: Mutex::default() })
    }

    /// The path of an object below the heap root.
    pub fn object_path(md5: &Md5) -> String {
        let hex = md5.to_string();
        format!("{}/{hex}.gz", &hex[..2])
    }

    fn shown_object(&self, md5: &Md5) -> String {
        format!("{}/{}", self.shown, Heap::object_path(md5))
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
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
        match fs::statat(&self.fd, Heap::object_path(md5), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.st_size as u64)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(Error::io(self.shown_object(md5), e.into())),
        }
    }

    /// Opens an object; None where there is none.
    fn open_object(&self, md5: &Md5) -> io::Result<Option<File>> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        match fs::openat(&self.fd, Heap::object_path(md5), flags, Mode::empty()) {
            Ok(fd) => Ok(Some(File::from(fd))),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens what a snap-gc that was interrupted left aside of an object.
    fn open_aside(&self, md5: &Md5) -> Option<File> {
        let name = aside::find(&self.fd, md5).ok()?.pop()?;
        let path = format!("{}/{name}", &Heap::object_path(md5)[..2]);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        fs::openat(&self.fd, path, flags, Mode::empty()).ok().map(File::from)
    }

    /// The content of a file's record: small ones whole and verified, large ones as a stream that is verified at its end.
    /// Both digests are checked, the sha256 that of the record or else the object's own; inflating stops at the record's size.
    ///
    /// # Errors
    /// The reason in words, about this one record.
    pub fn content(&self, record: &Record) -> Result<Content, String> {
        let fields = record.fields();
        let Some(md5) = fields.md5 else { return Err("the record has no md5; snap-heapify puts it in".to_string()) };
        let shown = || format!("heap object {}", Heap::object_path(&md5));
        let file = self.open_object(&md5).map_err(|e| format!("{}: {}", shown(), crate::error::reason(&e)))?;
        let Some(file) = file.or_else(|| self.open_aside(&md5)) else { return Err(format!("{} is missing", shown())) };
        let expected = object::Expected { md5, sha256: fields.sha256, size: fields.size };
        object::content(file, expected).map_err(|reason| format!("{}: {reason}", shown()))
    }

    /// Whether the object of this md5 is what it should be, judged without reading all of it: the end of the file has to
    /// speak of the content's size.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn glance(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        self.health(md5, |file| object::glance(file, size))
    }

    /// What is wrong with the header of a record's object, which its content does not show: a reason in words.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn header_fault(&self, record: &Record) -> Result<Option<String>> {
        let Some(md5) = record.fields().md5 else { return Ok(None) };
        let what = || self.shown_object(&md5);
        let Some(file) = self.open_object(&md5).or_failed(what)? else { return Ok(None) };
        let fault = object::header_fault(&file, record.fields().sha256).or_failed(what)?;
        Ok(fault.map(|fault| format!("heap object {}: {fault}", Heap::object_path(&md5))))
    }

    /// Whether the object of this md5 is what it should be: inflates all of it.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn inspect(&self, md5: &Md5, size: Option<u64>) -> Result<Health> {
        self.health(md5, |file| object::inspect(file, object::Expected { md5: *md5, sha256: None, size }))
    }

    fn health(&self, md5: &Md5, look: impl FnOnce(File) -> io::Result<Health>) -> Result<Health> {
        let file = self.open_object(md5).or_failed(|| self.shown_object(md5))?;
        match file.map(look) {
            None => Ok(Health::Missing),
            Some(Ok(health)) => Ok(health),
            Some(Err(e)) => Err(Error::io(self.shown_object(md5), e)),
        }
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
        let path = Heap::object_path(md5);
        let failed = |e: Errno| Error::io(format!("store {}", self.shown_object(md5)), e.into());
        let rename = |replace: bool| match replace {
            true => fs::renameat(&temp.folder, &temp.name, &self.fd, &path),
            false => fs::renameat_with(&temp.folder, &temp.name, &self.fd, &path, fs::RenameFlags::NOREPLACE),
        };
        let mut result = rename(replace);
        if result == Err(Errno::NOENT) {
            match fs::mkdirat(&self.fd, &path[..2], Mode::from_raw_mode(0o777)) {
                Ok(()) | Err(Errno::EXIST) => result = rename(replace),
                Err(e) => return Err(failed(e)),
            }
        }
        match result {
            Ok(()) => Ok(()),
            // The file system has no such rename: what another writer put there in this instant is of the same content.
            Err(Errno::INVAL) => rename(true).map_err(failed),
            // Another writer was quicker.
            Err(Errno::EXIST) => match self.inspect(md5, None)? {
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
        let mut folders: Vec<String> = batch.iter().map(|(md5, ..)| Heap::object_path(md5)[..2].to_string()).collect();
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

/// What is said when two contents have one md5.
fn collision(md5: &Md5) -> String {
    format!("another content has the same md5 {md5} and is in the heap; both can't be kept there")
}

/// The bytes of a file from its start, at most `limit`.
fn read_up_to(file: &mut impl Read, limit: u64, expected: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(expected.min(limit) as usize + 1);
    file.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}
