//! Operations on the names directly in an open folder. A name is one part of a path. If it is a symbolic link, the link itself is
//! read, changed or removed, never its target.

use crate::system;
use crate::time::Time;
use rustix::fs::{self, Access, AtFlags, CWD, FileType, Gid, Mode, OFlags, Stat, Timespec, Timestamps, Uid};
use rustix::io::Errno;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::{Arc, OnceLock};

/// Splits a name into the name of its folder and the last part: `a/b` and `c` for `a/b/c`, nothing and `a` for `a`.
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
    /// Returns the folder of a descriptor that is open for reading.
    pub fn of(fd: OwnedFd) -> Folder {
        Folder { fd }
    }

    /// Returns the descriptor of the folder.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Returns the metadata of the folder itself.
    pub fn stat(&self) -> io::Result<Stat> {
        Ok(fs::fstat(&self.fd)?)
    }

    /// Returns the metadata of a name; None if the name does not exist.
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

    /// Opens a regular file or a folder, for reading and for its metadata. If it belongs to us but we can't read it, it is made
    /// readable first. The returned [`Stat`] still has the original mode.
    pub fn open_own(&self, leaf: &[u8]) -> io::Result<(OwnedFd, Stat)> {
        match self.open(leaf, OFlags::RDONLY) {
            Ok(fd) => {
                let stat = fs::fstat(&fd)?;
                only_plain(&stat)?;
                Ok((fd, stat))
            }
            Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
                let path = self.open(leaf, system::PATH)?;
                let stat = fs::fstat(&path)?;
                only_plain(&stat)?;
                // One of its other names can be in a place that we must not change.
                if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile && stat.st_nlink > 1 {
                    return Err(e);
                }
                // A descriptor that is open with O_PATH can't change the mode, but its name in /proc leads to the same file.
                // Without /proc, the file stays unreadable.
                if !has_proc() {
                    return Err(e);
                }
                let name = proc_name(&path);
                fs::chmodat(CWD, &name, system::permissions(system::mode(&stat) & 0o7777 | 0o700), AtFlags::empty())?;
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                Ok((fs::open(&name, flags, Mode::empty())?, stat))
            }
            Err(e) => Err(e),
        }
    }

    /// Opens a file that was looked at before, but only if the name still belongs to that file and no other name was added.
    /// Meanwhile, another process can have put another file there that also has a name elsewhere.
    pub fn open_same(&self, leaf: &[u8], seen: &Stat) -> io::Result<OwnedFd> {
        let (fd, stat) = self.open_own(leaf)?;
        only_same(fd, &stat, seen)
    }

    /// Returns the target of a symbolic link.
    pub fn read_link(&self, leaf: &[u8]) -> io::Result<Vec<u8>> {
        Ok(fs::readlinkat(&self.fd, leaf, Vec::new())?.into_bytes())
    }

    /// Makes a folder with this mode, reduced by the umask.
    pub fn make_folder(&self, leaf: &[u8], mode: u32) -> io::Result<()> {
        Ok(fs::mkdirat(&self.fd, leaf, system::permissions(mode))?)
    }

    /// Removes a name that is not a folder.
    pub fn unlink(&self, leaf: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, leaf, AtFlags::empty())?)
    }

    /// Removes an empty folder.
    pub fn remove_folder(&self, leaf: &[u8]) -> io::Result<()> {
        Ok(fs::unlinkat(&self.fd, leaf, AtFlags::REMOVEDIR)?)
    }

    /// Makes a symbolic link. With `replace`, it replaces what has the name, except a folder.
    pub fn symlink(&self, target: &[u8], leaf: &[u8], replace: bool) -> io::Result<()> {
        self.put(leaf, replace, |name| fs::symlinkat(target, &self.fd, name))
    }

    /// Makes `leaf` another name of the file `other` in another folder. With `replace`, it replaces what has the name, except a
    /// folder.
    pub fn link(&self, leaf: &[u8], from: &Folder, other: &[u8], replace: bool) -> io::Result<()> {
        self.put(leaf, replace, |name| fs::linkat(&from.fd, other, &self.fd, name, AtFlags::empty()))
    }

    /// Makes something under its name. With `replace`, it is made under a temporary name and then renamed, so that it replaces
    /// the old one in one step.
    fn put(&self, leaf: &[u8], replace: bool, make: impl Fn(&[u8]) -> rustix::io::Result<()>) -> io::Result<()> {
        if !replace {
            return Ok(make(leaf)?);
        }
        let ((), temp) = with_temp_name(&make)?;
        let renamed = fs::renameat(&self.fd, temp.as_slice(), &self.fd, leaf);
        // If both names belong to the same file, rename does nothing and keeps both. After any other rename, the temporary name
        // is gone.
        let _ = fs::unlinkat(&self.fd, temp.as_slice(), AtFlags::empty());
        Ok(renamed?)
    }

    /// Opens a descriptor of a symbolic link that was looked at before, if the name still belongs to that link.
    fn open_link(&self, leaf: &[u8], seen: &Stat) -> io::Result<OwnedFd> {
        let fd = fs::openat(&self.fd, leaf, system::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
        let stat = fs::fstat(&fd)?;
        only_same(fd, &stat, seen)
    }

    /// Changes a symbolic link that was looked at before, if the name still belongs to that link.
    #[cfg(not(target_vendor = "apple"))]
    fn on_link<T>(&self, leaf: &[u8], seen: &Stat, change: impl FnOnce(BorrowedFd<'_>, &[u8], AtFlags) -> T) -> io::Result<T> {
        Ok(change(self.open_link(leaf, seen)?.as_fd(), b"", AtFlags::EMPTY_PATH))
    }

    /// macOS opens no links. A link that another process puts there at the same moment can be changed instead.
    #[cfg(target_vendor = "apple")]
    fn on_link<T>(&self, leaf: &[u8], seen: &Stat, change: impl FnOnce(BorrowedFd<'_>, &[u8], AtFlags) -> T) -> io::Result<T> {
        only_same((), &fs::statat(&self.fd, leaf, AtFlags::SYMLINK_NOFOLLOW)?, seen)?;
        Ok(change(self.fd(), leaf, AtFlags::SYMLINK_NOFOLLOW))
    }

    /// Sets the time of the last change of a symbolic link that was looked at before.
    pub fn set_link_time(&self, leaf: &[u8], seen: &Stat, time: Time) -> io::Result<()> {
        match self.on_link(leaf, seen, |fd, name, flags| fs::utimensat(fd, name, &timestamps(time), flags))? {
            // Linux before 5.8 can only set it by name.
            Err(Errno::INVAL) => Ok(fs::utimensat(&self.fd, leaf, &timestamps(time), AtFlags::SYMLINK_NOFOLLOW)?),
            set => Ok(set?),
        }
    }

    /// Sets the owner of a symbolic link that was looked at before.
    pub fn set_link_owner(&self, leaf: &[u8], seen: &Stat, uid: Option<u32>, gid: Option<u32>) -> io::Result<()> {
        let (uid, gid) = (uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        Ok(self.on_link(leaf, seen, |fd, name, flags| fs::chownat(fd, name, uid, gid, flags))??)
    }

    /// Returns an extended attribute of an entry that was looked at before, which can be a symbolic link. Fails if the value is
    /// longer than `most` bytes.
    pub fn xattr(&self, leaf: &[u8], seen: &Stat, name: &[u8], most: usize) -> io::Result<Vec<u8>> {
        let link = self.open_link(leaf, seen)?;
        let mut value = vec![0; most];
        let length = system::getxattr(proc_name(&link), name, &mut value)?;
        if length > most {
            return Err(Errno::RANGE.into());
        }
        value.truncate(length);
        Ok(value)
    }

    /// Sets an extended attribute of a symbolic link that was looked at before.
    pub fn set_link_xattr(&self, leaf: &[u8], seen: &Stat, name: &[u8], value: &[u8]) -> io::Result<()> {
        let link = self.open_link(leaf, seen)?;
        Ok(system::set_xattr_of(&proc_name(&link), name, value)?)
    }

    /// Checks whether this folder is empty.
    pub fn is_empty(&self) -> io::Result<bool> {
        for entry in fs::Dir::read_from(&self.fd)? {
            if !matches!(entry?.file_name().to_bytes(), b"." | b"..") {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A new file without a name, or with a temporary name (`.snap-….tmp`) if the system needs one. If it is dropped before it gets
/// its name, it is removed.
pub struct Temp {
    file: File,
    folder: Arc<Folder>,
    name: Option<Vec<u8>>,
}

impl Temp {
    /// Makes a new file in a folder. Only its owner can read it. `named` has to be true if the file is going to replace another
    /// one, because a file without a name can't do that.
    pub fn new(folder: &Arc<Folder>, named: bool) -> io::Result<Temp> {
        let mode = Mode::from_raw_mode(0o600);
        // A file without a name gets one through /proc.
        if !named && has_proc() {
            match system::create_unnamed(&folder.fd, mode) {
                Ok(fd) => return Ok(Temp { file: File::from(fd), folder: folder.clone(), name: None }),
                // The file system or an old kernel does not support it.
                Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let (fd, name) = with_temp_name(|name| fs::openat(&folder.fd, name, flags, mode))?;
        Ok(Temp { file: File::from(fd), folder: folder.clone(), name: Some(name) })
    }

    /// Returns the temporary name of the file, if it has one.
    pub fn name(&self) -> Option<&[u8]> {
        self.name.as_deref()
    }

    /// Returns the file, to write to.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Gives the file its name. Replaces what has the name, except a folder.
    pub fn publish(&mut self, leaf: &[u8]) -> io::Result<()> {
        if self.name.is_none() {
            let link = |name: &[u8]| fs::linkat(CWD, proc_name(&self.file), &self.folder.fd, name, AtFlags::SYMLINK_FOLLOW);
            match link(leaf) {
                Ok(()) => return Ok(()),
                // Another process made something with this name meanwhile.
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
            // If this fails, nothing more can be done.
            let _ = fs::unlinkat(&self.folder.fd, name.as_slice(), AtFlags::empty());
        }
    }
}

/// Returns timestamps that set the modification time and keep the access time.
pub fn timestamps(time: Time) -> Timestamps {
    let omit = Timespec { tv_sec: 0, tv_nsec: fs::UTIME_OMIT };
    Timestamps { last_access: omit, last_modification: Timespec { tv_sec: time.sec, tv_nsec: time.nsec.into() } }
}

/// Checks whether there is a /proc, which gives descriptors names. A rescue system can be without one.
pub fn has_proc() -> bool {
    static HAS: OnceLock<bool> = OnceLock::new();
    *HAS.get_or_init(|| cfg!(target_os = "linux") && fs::access("/proc/self/fd", Access::EXISTS).is_ok())
}

/// Returns the path in /proc of an open file. For a descriptor of a symbolic link, it is the link itself, not its target.
pub fn proc_name(fd: &impl AsRawFd) -> String {
    format!("/proc/self/fd/{}", fd.as_raw_fd())
}

/// Returns the descriptor if it belongs to the file that was looked at before, and that file has as many names as then.
fn only_same<T>(fd: T, stat: &Stat, seen: &Stat) -> io::Result<T> {
    match (stat.st_dev, stat.st_ino, stat.st_nlink) == (seen.st_dev, seen.st_ino, seen.st_nlink) {
        true => Ok(fd),
        false => Err(io::Error::other("something else was put in its place meanwhile")),
    }
}

/// Refuses anything except regular files and folders, because opening a device can have effects.
fn only_plain(stat: &Stat) -> io::Result<()> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile | FileType::Directory => Ok(()),
        _ => Err(io::Error::other("it is no regular file any more")),
    }
}

/// Makes something under a temporary name that does not exist yet.
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
