//! The agreement between writers and `snap-gc` about a heap in a folder: before a writer relies on an object that is condemned, it
//! gives the object a new time, or stores it again.

use super::aside;
use super::condemned::{Condemned, FolderLists, Identity};
use super::path::Names;
use super::used::Used;
use crate::access::Access;
use crate::digest::Md5;
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::parallel::lock;
use crate::stat;
use crate::storage::Temps;
use crate::time::Time;
use rustix::fs::{self, AtFlags, Mode, OFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// A heap's folder, and what is condemned in it. Objects go by their ids.
pub struct Lease {
    pub(super) path: PathBuf,
    pub(super) fd: OwnedFd,
    pub(super) names: Names,
    /// What `snap-gc` has condemned, as it was when it was read last.
    condemned: Mutex<Arc<Condemned>>,
}

impl Lease {
    /// Opens the folder. Reads nothing yet.
    ///
    /// # Errors
    /// If it does not exist or is not a folder.
    pub fn open(heap: &Path, names: Names) -> Result<Lease> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(heap, flags, Mode::empty()).or_failed(|| format!("heap root {}", shown(heap)))?;
        Ok(Lease { path: heap.to_path_buf(), fd, names, condemned: Mutex::default() })
    }

    /// Returns the error of an operation on a path below the heap root.
    pub(super) fn failed(&self, what: &str, path: &str) -> impl Fn(Errno) -> Error + use<> {
        let what = format!("{what} {}/{path}", shown(&self.path));
        move |e| Error::io(what.clone(), e.into())
    }

    /// Returns the lists of what is condemned.
    pub fn lists(&self) -> FolderLists<'_> {
        FolderLists::new(&self.path)
    }

    /// Reads what is condemned now. Writers do that before they look at the first object.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn load_condemned(&self) -> Result<()> {
        let condemned = Arc::new(Condemned::load(&self.lists())?);
        *lock(&self.condemned) = condemned;
        Ok(())
    }

    /// Returns what was condemned when it was read last.
    pub fn condemned(&self) -> Arc<Condemned> {
        lock(&self.condemned).clone()
    }

    /// Looks at an object; None if there is none.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn stat(&self, id: &Md5) -> Result<Option<Stat>> {
        let path = self.names.path(id);
        match fs::statat(&self.fd, &path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(self.failed("read", &path)(e)),
        }
    }

    /// Opens an object that an interrupted `snap-gc` has put aside.
    pub fn open_aside(&self, id: &Md5) -> Option<File> {
        let name = aside::find(&self.fd, id).ok()?.pop()?;
        let path = format!("{}/{name}", &id.to_string()[..2]);
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        fs::openat(&self.fd, path, flags, Mode::empty()).ok().map(File::from)
    }

    /// Makes sure that `snap-gc` does not delete the object of this id, which the caller is about to rely on. Returns false if
    /// the object does not exist (any more) and has to be stored.
    ///
    /// # Errors
    /// If the heap can't be read or written.
    pub fn renew(&self, id: &Md5) -> Result<bool> {
        let condemned = self.condemned();
        if condemned.of(id).is_empty() {
            return Ok(true);
        }
        let failed = self.failed("renew", &self.names.path(id));
        // After each change, look at the object once more: snap-gc may have put it aside already.
        for attempt in 0..100 {
            let Some(stat) = self.stat(id)? else {
                if aside::put_back(&self.fd, &self.names, id).map_err(&failed)? {
                    continue;
                }
                return Ok(false);
            };
            if condemned.find(id, stat.st_size as u64, &Identity::of_file(&stat)).is_none() {
                return Ok(true);
            }
            match self.touch(id, &stat, attempt) {
                Ok(()) | Err(Errno::NOENT) => {}
                // The file of another user.
                Err(Errno::PERM | Errno::ACCESS) => self.copy_anew(id)?,
                Err(e) => return Err(failed(e)),
            }
        }
        Err(Error::refused(format!("{}/{}: it does not keep its new time", shown(&self.path), self.names.path(id))))
    }

    /// Sets an object's time of change to now or later, but never to the time that it has. A file system may round the time: the
    /// next attempt goes further.
    fn touch(&self, id: &Md5, stat: &Stat, attempt: i64) -> rustix::io::Result<()> {
        let (now, old) = (Time::now(), stat::modified(stat));
        let new = if now > old && attempt == 0 { now } else { Time { sec: old.sec.saturating_add(1 + attempt), nsec: old.nsec } };
        let time = Timespec { tv_sec: new.sec, tv_nsec: new.nsec.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        fs::utimensat(&self.fd, self.names.path(id), &times, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Replaces an object by a copy of it.
    fn copy_anew(&self, id: &Md5) -> Result<()> {
        let copy = || -> std::io::Result<()> {
            let mut object = match File::open(self.path.join(self.names.path(id))) {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(()),
                object => object?,
            };
            let (mut temps, access) = (Temps::default(), Access::of(&self.path)?);
            let temp = temps.next(&self.path, access)?;
            let mut file = temp.create(access)?;
            std::io::copy(&mut object, &mut file)?;
            file.sync_all()?;
            Ok(fs::renameat(&temp.folder, &temp.name, &self.fd, self.names.path(id))?)
        };
        copy().or_failed(|| format!("store {}/{} again", shown(&self.path), self.names.path(id)))
    }

    /// Looks once more at everything that a run relied on, at its end, and renews what was condemned meanwhile.
    ///
    /// # Errors
    /// If an object was deleted meanwhile, or the heap can't be read or written.
    pub fn confirm_used(&self, used: Used) -> Result<()> {
        let before = self.condemned();
        self.load_condemned()?;
        let now = self.condemned();
        let replaced = !before.is_same(&now);
        if now.is_empty() && !replaced {
            return Ok(());
        }
        used.each(|md5| {
            let id = self.names.id(&md5);
            // While the lists stay the same, only objects that they name are deleted.
            let exists = match now.of(&id).is_empty() {
                false => self.renew(&id)?,
                true => !replaced || self.stat(&id)?.is_some(),
            };
            match exists {
                true => Ok(()),
                false => Err(Error::advise(
                    format!("{}/{}: snap-gc deleted it while this ran", shown(&self.path), self.names.path(&id)),
                    "run it again: missing objects are stored again",
                )),
            }
        })
    }
}

pub(super) fn shown(heap: &Path) -> String {
    printable(heap.as_os_str().as_encoded_bytes())
}
