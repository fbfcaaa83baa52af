//! What can be done to the names right in an open folder. A name is one part of a path, and a symbolic link of that name is
//! itself what is looked at, changed or removed, never what it points to.

use crate::time::Time;
use rustix::fs::{self, Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// The folder's part of a name and the last part: `a/b` and `c` of `a/b/c`, nothing and `a` of `a`.
pub fn split(name: &[u8]) -> (&[u8], &[u8]) {
    match name.iter().rposition(|b| *b == b'/') {
        Some(at) => (&name[..at], &name[at + 1..]),
        None => (b"", name),
    }
}

/// An open folder.
pub struct Folder {
    fd: OwnedFd,
}

impl Folder {
    /// The folder of a descriptor that is open for reading.
    pub fn of(fd: OwnedFd) -> Folder {
        Folder { fd }
    }

    /// The folder itself.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// What the system knows about the folder itself.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(fs::fstat(&self.fd)?)
    }

    /// What the system knows about a name; None where there is nothing of that name.
    pub fn lstat(&self, leaf: &[u8]) -> io::Result<Option<Stat>> {
        match fs::statat(&self.fd, leaf, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(e) => Err(e.into()),
        }
    }

    fn open(&self, leaf: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
        super::patiently(|| fs::openat(&self.fd, leaf, flags, Mode::empty()))
    }

    /// Opens a folder in this one.
    pub fn folder(&self, leaf: &[u8]) -> io::Result<Folder> {
        self.open(leaf, OFlags::RDONLY | OFlags::DIRECTORY).map(Folder::of)
    }

    /// Opens a regular file or a folder, for its metadata and for reading. One of ours that we may not read is made readable
    /// first; its mode is what it was in the [`Stat`] that comes along.
    pub fn open_own(&self, leaf: &[u8]) -> io::Result<(OwnedFd, Stat)> {
        match self.open(leaf, OFlags::RDONLY) {
            Ok(fd) => {
                let stat = fs::fstat(&fd)?;
                only_plain(&stat)?;
                Ok((fd, stat))
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let path = self.open(leaf, OFlags::PATH)?;
                let stat = fs::fstat(&path)?;
                only_plain(&stat)?;
                // One of its other names may be one that is not ours to change.
                if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 1 {
                    return Err(e);
                }
                // A descriptor that only stands for a place can't be changed through, but its name in /proc is that very file.
                // Where there is no /proc it stays unreadable.
                if !has_proc() {
                    return Err(e);
                }
                let name = proc_name(&path);
                fs::chmodat(CWD, &name, Mode::from_raw_mode(stat.st_mode & 0o7777 | 0o700), AtFlags::empty())?;
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                Ok((fs::open(&name, flags, Mode::empty())?, stat))
            }
            Err(e) => Err(e),
        }
    }

    /// Opens a file that was looked at before, only if that file still has the name and no other name was added.
    /// Meanwhile, another process may have put a file there that has another name elsewhere.
    pub fn open_same(&self, leaf: &[u8], seen: &Stat) -> io::Result<OwnedFd> {
        let (fd, stat) = self.open_own(leaf)?;
        only_same(fd, &stat, seen)
    }

    /// The target of a symbolic link.
    pub fn read_link(&self, leaf: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::readlinkat(&self.fd, leaf, Vec::new())?.into_bytes())
    }

    /// Makes a folder, with that mode less the umask.
    pub fn make_folder(&self, leaf: &[u8], mode: u32) -> io::Result<()> {
        Ok(fs::mkdirat(&self.fd, leaf, Mode::from_raw_mode(mode))?)
    }

    /// Removes what is no folder.
    pub fn unlink(&self, leaf: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, leaf, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, leaf: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, leaf, AtFlags::REMOVEDIR)?)
    }

    /// Makes a symbolic link, in place of what is no folder if `replace`.
    pub fn symlink(&self, target: &[u8], leaf: &[u8], replace: bool) -> io::Result<()> {
        self.put(leaf, replace, |name| fs::symlinkat(target, &self.fd, name))
    }

    /// Makes `leaf` another name of the file `other` in another folder, in place of what is no folder if `replace`.
    pub fn link(&self, leaf: &[u8], from: &Folder, other: &[u8], replace: bool) -> io::Result<()> {
        self.put(leaf, replace, |name| fs::linkat(&from.fd, other, &self.fd, name, AtFlags::empty()))
    }

    /// Makes something under its name or, to replace what is there in one step, under a temporary one first.
    fn put(&self, leaf: &[u8], replace: bool, make: impl Fn(&[u8]) -> rustix::io::Result<()>) -> io::Result<()> {
        if !replace {
            return Ok(make(leaf)?);
        }
        let ((), temp) = with_temp_name(&make)?;
        let renamed = fs::renameat(&self.fd, temp.as_slice(), &self.fd, leaf);
        // Renaming one name of a file to another of its names does nothing and leaves both; after any other success it is gone.
        let _ = fs::unlinkat(&self.fd, temp.as_slice(), AtFlags::empty());
        Ok(renamed?)
    }

    /// A descriptor of a symbolic link that was looked at before, if that very link still has the name.
    fn open_link(&self, leaf: &[u8], seen: &Stat) -> io::Result<OwnedFd> {
        let fd = fs::openat(&self.fd, leaf, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        only_same(fd, &stat, seen)
    }

    /// Sets the time of the last change of a symbolic link that was looked at before.
    pub fn set_link_time(&self, leaf: &[u8], seen: &Stat, time: Time) -> io::Result<()> {
        match fs::utimensat(self.open_link(leaf, seen)?, "", &timestamps(time), AtFlags::EMPTY_PATH) {
            // Before Linux 5.8 there is only the name.
            Err(Errno::INVAL) => Ok(fs::utimensat(&self.fd, leaf, &timestamps(time), AtFlags::SYMLINK_NOFOLLOW)?),
            set => Ok(set?),
        }
    }

    /// Sets the owner of a symbolic link that was looked at before.
    pub fn set_link_owner(&self, leaf: &[u8], seen: &Stat, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        Ok(fs::chownat(self.open_link(leaf, seen)?, "", uid, gid, AtFlags::EMPTY_PATH)?)
    }

    /// An extended attribute of something that was looked at before, a symbolic link too. An error where it is longer than `most`.
    pub fn xattr(&self, leaf: &[u8], seen: &Stat, name: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let link = self.open_link(leaf, seen)?;
        let mut value = vec![0; most];
        let length = fs::getxattr(proc_name(&link), name, &mut value)?;
        if length > most {
            return Err(Errno::RANGE.into());
        }
        value.truncate(length);
        Ok(value)
    }

    /// Sets an extended attribute of a symbolic link that was looked at before.
    pub fn set_link_xattr(&self, leaf: &[u8], seen: &Stat, name: &[u8], value: &[u8]) -> io::Result<()> {
        let link = self.open_link(leaf, seen)?;
        Ok(fs::setxattr(proc_name(&link), name, value, fs::XattrFlags::empty())?)
    }

    /// Whether nothing is in this folder.
    pub fn is_empty(&self) -> io::Result<bool> {
        for entry in fs::Dir::read_from(&self.fd)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A new file that has no name yet, or only a temporary one (`.snap-….tmp`) where the system can't do without.
/// It is gone if it is dropped before it gets its name.
pub struct Temp {
    file: File,
    folder: Arc<Folder>,
    name: Option<Vec<u8>>,
}

impl Temp {
    /// A new file in a folder, readable by its owner alone. `named` where it is going to replace something: a file without a
    /// name can't.
    pub fn new(folder: &Arc<Folder>, named: bool) -> io::Result<Temp> {
        let mode = Mode::from_raw_mode(0o600);
        // What has no name gets one by way of /proc.
        if !named && has_proc() {
            match fs::openat(&folder.fd, ".", OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode) {
                Ok(fd) => return Ok(Temp { file: File::from(fd), folder: folder.clone(), name: None }),
                // Not on this file system, or an old kernel.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (fd, name) = with_temp_name(|name| fs::openat(&folder.fd, name, flags, mode))?;
        Ok(Temp { file: File::from(fd), folder: folder.clone(), name: Some(name) })
    }

    /// Its temporary name, where it has one.
    pub fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }

    /// The file, to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name, in place of what has it (but not of a folder).
    pub fn publish(&mut self, leaf: &[u8]) -> io::Result<()> {
        if self.name.is_none() {
            let link = |name: &[u8]| fs::linkat(CWD, proc_name(&self.file), &self.folder.fd, name, AtFlags::SYMLINK_FOLLOW);
            match link(leaf) {
                Ok(()) => return Ok(()),
                // Another process made something there meanwhile.
                Err(Errno::EXIST) => self.name = Some(with_temp_name(link)?.1),
                Err(e) => return Err(e.into()),
            }
        }
        if let Some(name) = &self.name {
            fs::renameat(&self.folder.fd, name.as_slice(), &self.folder.fd, leaf)?;
            self.name = None;
        }
        Ok(())
    }
}

impl Drop for Temp {
    fn drop(&mut self) {
        if let Some(name) = &self.name {
            // Nothing more can be done about it.
            let _ = fs::unlinkat(&self.folder.fd, name.as_slice(), AtFlags::empty());
        }
    }
}

/// The time of the last change alone; that of the last access stays.
pub fn timestamps(time: Time) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };
    Timestamps { last_access: omit, last_modification: Timespec { tv_sec: time.sec, tv_nsec: time.nsec.into() } }
}

/// Whether descriptors have names: a rescue system may have no /proc.
pub fn has_proc() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| fs::access("/proc/self/fd", Access::EXISTS).is_ok())
}

/// The path of what a descriptor stands for, where there is a /proc: of a symbolic link itself, not of its target.
pub fn proc_name(fd: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// The descriptor, if it is of the file that was looked at before and no name of the file was added or removed since.
fn only_same(fd: OwnedFd, stat: &Stat, seen: &Stat) -> io::Result<OwnedFd> {
    match (stat.st_dev, stat.st_ino, stat.st_nlink) == (seen.st_dev, seen.st_ino, seen.st_nlink) {
        true => Ok(fd),
        false => Err(io::Error::other("something else was put in its place meanwhile")),
    }
}

/// Opening a device can do things, so none is kept open.
fn only_plain(stat: &Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err(io::Error::other("it is no regular file any more")),
    }
}

/// Makes something under a temporary name that nothing has.
fn with_temp_name<T>(make: impl Fn(&[u8]) -> rustix::io::Result<T>) -> rustix::io::Result<(T, Vec<u8>)> {
    loop {
        // The only source of randomness in the standard library: every state has different keys.
        let random = RandomState::new().hash_one(std::process::id());
        let name = format!(".snap-{random:016x}.tmp").into_bytes();
        match make(&name) {
            Ok(made) => return Ok((made, name)),
            Err(Errno::EXIST) => continue,
            Err(e) => return Err(e),
        }
    }
}
