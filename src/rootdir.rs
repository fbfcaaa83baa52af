//! A folder as a boundary. Files below it are reached through open descriptors, never through a symbolic link.

use crate::system;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

mod listing;
mod patience;
mod write;

pub use listing::{Entry, Listing};
pub use patience::patiently;
pub use write::{Folder, Temp, has_proc, proc_name, split, timestamps};

/// An open folder, the root of all names that its methods get.
pub struct RootDir {
    fd: OwnedFd,
}

impl RootDir {
    /// Opens a folder. A symbolic link to a folder is followed here, and only here.
    ///
    /// # Errors
    /// If the path does not exist, or is not a folder.
    pub fn open(path: &Path) -> io::Result<RootDir> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(RootDir { fd: fs::open(path, flags, Mode::empty())? })
    }

    /// Returns the descriptor of the folder.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Opens a name below the folder. Never follows a link, never blocks (on a fifo), never leaves the folder.
    ///
    /// # Errors
    /// The system's error; ELOOP if a part of the name is a link.
    pub fn open_at(&self, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        // O_PATH can't be combined with other flags.
        let harmless = if flags.contains(system::PATH) { OFlags::empty() } else { OFlags::NONBLOCK | OFlags::NOCTTY };
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | harmless;
        // EAGAIN can also mean that a folder above was renamed meanwhile.
        match patiently(|| system::open_beneath(&self.fd, name, flags)) {
            Err(e) if e.raw_os_error() == Some(Errno::NOSYS.raw_os_error()) => self.open_by_parts(name, flags),
            opened => opened,
        }
    }

    /// Opens a name part by part, for Linux before 5.6 and other systems.
    fn open_by_parts(&self, name: &[u8], flags: OFlags) -> io::Result<OwnedFd> {
        let mut at: Option<OwnedFd> = None;
        let mut parts = name.split(|b| *b == b'/').peekable();
        while let Some(part) = parts.next() {
            if part.is_empty() || part == b".." || (part == b"." && name != b".") {
                return Err(Errno::XDEV.into());
            }
            let step = system::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let flags = if parts.peek().is_some() { step } else { flags };
            let above = at.as_ref().unwrap_or(&self.fd);
            at = Some(patiently(|| fs::openat(above, part, flags, Mode::empty()))?);
        }
        at.ok_or_else(|| Errno::NOENT.into())
    }

    /// Opens the folder with this name; the root itself if the name is empty.
    ///
    /// # Errors
    /// The system's error; ENOTDIR or ELOOP if a part of the name is not a folder.
    pub fn folder(&self, name: &[u8]) -> io::Result<Folder> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        self.open_at(if name.is_empty() { b"." } else { name }, flags).map(Folder::of)
    }

    /// Opens a regular file for reading.
    ///
    /// # Errors
    /// The system's error, or that it is not a regular file.
    pub fn open_file(&self, name: &[u8]) -> io::Result<File> {
        let fd = self.open_at(name, OFlags::RDONLY)?;
        let kind = fs::FileType::from_raw_mode(fs::fstat(&fd)?.st_mode);
        match kind {
            fs::FileType::RegularFile => Ok(File::from(fd)),
            _ => Err(io::Error::other("it is no regular file any more")),
        }
    }
}
