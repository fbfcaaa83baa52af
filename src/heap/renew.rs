//! What writers owe `snap-gc`: an object that is condemned is given a new time, or stored anew, before anything relies on it.

use super::condemned::Condemned;
use super::local::LocalHeap;
use super::{Heap, Used, aside};
use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use crate::stat;
use crate::time::Time;
use rustix::fs::{self, AtFlags, Stat, Timespec, Timestamps};
use rustix::io::Errno;
use std::sync::{Arc, PoisonError};

impl LocalHeap {
    /// Reads what is condemned now. Writers do that before they look at the first object.
    ///
    /// # Errors
    /// If it can't be read.
    pub fn load_condemned(&self) -> Result<()> {
        let condemned = Arc::new(Condemned::load(&self.path)?);
        *self.condemned.lock().unwrap_or_else(PoisonError::into_inner) = condemned;
        Ok(())
    }

    fn condemned(&self) -> Arc<Condemned> {
        self.condemned.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the object of this md5 is there and is condemned.
    ///
    /// # Errors
    /// If the heap can't be read.
    pub fn is_condemned(&self, md5: &Md5) -> Result<bool> {
        let condemned = self.condemned();
        Ok(!condemned.of(md5).is_empty() && self.stat(md5)?.is_some_and(|stat| condemned.find(md5, &stat).is_some()))
    }

    pub(super) fn stat(&self, md5: &Md5) -> Result<Option<Stat>> {
        match fs::statat(&self.fd, Heap::object_path(md5), AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(Error::io(self.shown_object(md5), e.into())),
        }
    }

    /// Sees to it that `snap-gc` does not delete the object of this md5, which somebody is about to rely on. False if it is
    /// not there (any more), and has to be stored.
    ///
    /// # Errors
    /// If the heap can't be read or written.
    pub fn renew(&self, md5: &Md5) -> Result<bool> {
        let condemned = self.condemned();
        if condemned.of(md5).is_empty() {
            return Ok(true);
        }
        // After the change the object is looked at once more: it may have been on its way out already.
        for attempt in 0..100 {
            let Some(stat) = self.stat(md5)? else {
                if aside::put_back(&self.fd, md5).or_failed(|| self.shown_object(md5))? {
                    continue;
                }
                return Ok(false);
            };
            if condemned.find(md5, &stat).is_none() {
                return Ok(true);
            }
            match self.touch(md5, &stat, attempt) {
                Ok(()) | Err(Errno::NOENT) => {}
                // Somebody else's file.
                Err(Errno::PERM | Errno::ACCESS) => self.copy_anew(md5)?,
                Err(e) => return Err(Error::io(self.shown_object(md5), e.into())),
            }
        }
        Err(Error::refused(format!("{}: it does not keep its new time", self.shown_object(md5))))
    }

    /// Sets an object's time of change to now, or later: in any case to another one than it has. A file system may round it:
    /// then the next attempt goes further.
    fn touch(&self, md5: &Md5, stat: &Stat, attempt: i64) -> rustix::io::Result<()> {
        let (now, old) = (Time::now(), stat::modified(stat));
        let new = if now > old && attempt == 0 { now } else { Time { sec: old.sec.saturating_add(1 + attempt), nsec: old.nsec } };
        let time = Timespec { tv_sec: new.sec, tv_nsec: new.nsec.into() };
        let times = Timestamps { last_access: time, last_modification: time };
        fs::utimensat(&self.fd, Heap::object_path(md5), &times, AtFlags::SYMLINK_NOFOLLOW)
    }

    /// Puts a copy of an object in its place.
    fn copy_anew(&self, md5: &Md5) -> Result<()> {
        let what = || format!("store {} anew", self.shown_object(md5));
        let Some(mut object) = self.open_object(md5).or_failed(what)? else { return Ok(()) };
        let (temp, mut file) = self.temp_file()?;
        std::io::copy(&mut object, &mut file).or_failed(what)?;
        file.sync_all().or_failed(what)?;
        fs::renameat(&temp.folder, &temp.name, &self.fd, Heap::object_path(md5)).or_failed(what)
    }

    /// Looks at all that a run relied on once more, at its end: what was condemned meanwhile is renewed.
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
            // Where the lists are as they were nothing was deleted that they do not have.
            let there = match now.of(&md5).is_empty() {
                false => self.renew(&md5)?,
                true => !replaced || self.stat(&md5)?.is_some(),
            };
            match there {
                true => Ok(()),
                false => Err(Error::advise(
                    format!("{}: snap-gc deleted it while this ran", self.shown_object(&md5)),
                    "run it again: what is missing is stored anew",
                )),
            }
        })
    }
}
