//! A folder of this machine that takes many objects: new ones are staged in `temp`, and [`Store::settle`] syncs all of them at
//! once and then gives them their names. Files are reached through the folder's descriptor.

use super::folder::{self, is_missing};
use super::intake;
use super::store::{Body, Draft, Get, Got, Listing, Object, Put, Store, Taken, check_path};
use super::temps::{TempFile, Temps};
use crate::access::Access;
use crate::display::printable;
use crate::error::named;
use crate::parallel::lock;
use crate::rootdir::patiently;
use crate::stat;
use crate::system;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::collections::HashSet;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// A folder for many objects.
pub struct StagingFolder {
    path: PathBuf,
    /// The same folder, for everything except staged objects: listings and deletions.
    plain: Arc<dyn Store>,
    fd: OwnedFd,
    access: Access,
    /// `syncfs` reports nothing here: each object is synced by itself.
    syncs_each: bool,
    state: Mutex<State>,
}

/// The objects that were put since the last [`Store::settle`].
#[derive(Default)]
struct State {
    temps: Temps,
    staged: Vec<Staged>,
}

/// An object in `temp`.
struct Staged {
    key: Vec<u8>,
    temp: TempFile,
    if_absent: bool,
}

impl StagingFolder {
    /// Opens a folder that exists.
    ///
    /// # Errors
    /// If it does not exist or is not a folder.
    pub fn open(path: &Path) -> io::Result<StagingFolder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(path, flags, Mode::empty())?;
        let (access, syncs_each) = (Access::of(path)?, !system::syncfs_reports(&fd)?);
        let (path, plain) = (path.to_path_buf(), folder::open(path, false));
        Ok(StagingFolder { path, plain, fd, access, syncs_each, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Gives a staged object its name. Does nothing if another writer put the same object there.
    fn publish(&self, staged: &Staged, taken: &mut Taken<'_>) -> io::Result<()> {
        let Staged { key, temp, if_absent } = staged;
        let replace = || fs::renameat(&temp.folder, &temp.name, &self.fd, &key[..]);
        let first = || if *if_absent { system::rename_new(&temp.folder, &temp.name, &self.fd, &key[..]) } else { replace() };
        let mut result = first();
        if result == Err(Errno::NOENT) {
            for folder in above(key).into_iter().rev() {
                match self.access.make_folder(self.fd.as_fd(), folder) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(e) => return Err(e.into()),
                }
            }
            result = first();
        }
        match result {
            // The file system has no such rename: another writer can only have put the same content there in this instant.
            Err(Errno::INVAL) if *if_absent => Ok(replace()?),
            Err(Errno::EXIST) if taken(key)? => Ok(replace()?),
            Err(Errno::EXIST) => {
                temp.remove();
                Ok(())
            }
            result => Ok(result?),
        }
    }

    /// Syncs everything that any process wrote to the file system of the folder.
    fn sync(&self) -> io::Result<()> {
        if self.syncs_each { Ok(()) } else { Ok(system::syncfs(&self.fd)?) }
    }

    /// Makes new names permanent.
    fn sync_names(&self, staged: &[Staged]) -> io::Result<()> {
        if !self.syncs_each {
            return self.sync();
        }
        let mut folders: Vec<&[u8]> = staged.iter().flat_map(|staged| above(&staged.key)).chain([&b"."[..]]).collect();
        folders.sort_unstable();
        folders.dedup();
        for folder in folders {
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            fs::openat(&self.fd, folder, flags, Mode::empty()).and_then(fs::fsync)?;
        }
        Ok(())
    }
}

impl Store for StagingFolder {
    fn url(&self) -> &str {
        self.plain.url()
    }

    fn name_of(&self, key: &[u8]) -> Vec<u8> {
        self.plain.name_of(key)
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        self.plain.list_in(prefix, enters)
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        check_path(key)?;
        match fs::statat(&self.fd, key, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => Ok(None),
            Ok(stat) => {
                let modified = Some(stat::modified(&stat));
                Ok(Some(Object { key: key.to_vec(), size: stat.st_size as u64, modified, ..Object::default() }))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    /// Opens an object. Never waits for the writer of a pipe.
    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        check_path(key)?;
        folder::refuse_version(get)?;
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let opened = patiently(|| fs::openat(&self.fd, key, flags, Mode::empty()));
        let file = File::from(opened.map_err(|e| if is_missing(&e) { ErrorKind::NotFound.into() } else { e })?);
        folder::part(file, get.from, get.len).map(Got::from)
    }

    /// Stages an object. It gets its name only in [`Store::settle`], which also finds out whether another object was there
    /// before.
    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        let mut draft = self.draft()?;
        intake::copy(body, how, &mut draft.file)?;
        self.put_draft(key, draft, how)
    }

    fn draft(&self) -> io::Result<Draft> {
        let temp = self.lock().temps.next(&self.path, self.access)?;
        let file = temp.create(self.access)?;
        Ok(Draft { file, temp: Some(temp) })
    }

    fn put_draft(&self, key: &[u8], mut draft: Draft, how: &Put) -> io::Result<bool> {
        check_path(key)?;
        if self.syncs_each {
            draft.file.sync_all()?;
        }
        if let Some(temp) = draft.temp.take() {
            self.lock().staged.push(Staged { key: key.to_vec(), temp, if_absent: how.if_absent });
        }
        Ok(true)
    }

    /// Syncs, renames, and syncs the folders, in this order. So after a power cut, an object with its name is whole, and an
    /// object that a record refers to has its name. If one key was put several times with `if_absent`, the first object stays.
    fn settle(&self, taken: &mut Taken<'_>) -> io::Result<()> {
        let staged = {
            let mut state = self.lock();
            state.temps.turn_over();
            std::mem::take(&mut state.staged)
        };
        // A failed sync is final: the kernel does not report a second time what it dropped.
        self.sync()?;
        let mut keys = HashSet::new();
        for staged in &staged {
            if !keys.insert(&staged.key) && staged.if_absent {
                staged.temp.remove();
                continue;
            }
            self.publish(staged, taken).map_err(|e| named(&printable(&staged.key), &e))?;
        }
        if staged.is_empty() { Ok(()) } else { self.sync_names(&staged) }
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.plain.delete(keys)
    }
}

/// Returns the folders that a key is in, the innermost first.
fn above(key: &[u8]) -> Vec<&[u8]> {
    (0..key.len()).rev().filter(|at| key[*at] == b'/').map(|at| &key[..at]).collect()
}
