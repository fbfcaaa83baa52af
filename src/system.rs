//! What differs between Unixes: the width of numbers, and calls that only some of them have. Linux has all of these calls.
//! Elsewhere there are no extended attributes, and what a call would have made safe against another process that changes names
//! at the same moment is done in two steps.

// A conversion is needed where a number has another width.
#![allow(clippy::unnecessary_cast, clippy::useless_conversion)]

use rustix::fs::{Mode, OFlags, RawMode, Stat};
use rustix::io::Result;
use std::os::fd::AsFd;

/// Returns the mode of a file, with the bits of its type.
pub fn mode(stat: &Stat) -> u32 {
    stat.st_mode.into()
}

/// Sets the permissions that a [`Stat`] says.
pub fn set_permissions(stat: &mut Stat, mode: u32) {
    stat.st_mode = stat.st_mode & !0o7777 | mode as RawMode;
}

/// Returns the permissions as the system's calls want them.
pub fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode(mode as RawMode)
}

/// Returns the bits of a raw mode.
pub fn bits(mode: RawMode) -> u32 {
    mode.into()
}

/// Returns the number of the file system that a file is on.
pub fn device(stat: &Stat) -> u64 {
    stat.st_dev as u64
}

/// Returns the number of names of a file.
pub fn links(stat: &Stat) -> u64 {
    stat.st_nlink.into()
}

/// Opens a name for its metadata only, whatever it is. macOS can't: this opens it so that neither reading nor writing is asked for,
/// and fails at a symbolic link.
#[cfg(not(target_vendor = "apple"))]
pub const PATH: OFlags = OFlags::PATH;
#[cfg(target_vendor = "apple")]
pub const PATH: OFlags = OFlags::from_bits_retain(0x8000); // O_EVTONLY

/// Keeps the memory of this process out of core dumps: it has keys.
pub fn refuse_core_dumps() {
    use rustix::process::{Resource, Rlimit, setrlimit};
    // Linux hands a dump to a program despite a limit of 0, but not with a limit of 1 (core(5)). No file is that small.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(1), maximum: Some(1) });
}

/// Renames, but never replaces anything.
///
/// # Errors
/// The system's error. INVAL if the file system, or the system, has no such rename.
#[cfg(any(target_os = "linux", target_vendor = "apple"))]
pub fn rename_new(from: impl AsFd, name: impl rustix::path::Arg, to: impl AsFd, new: impl rustix::path::Arg) -> Result<()> {
    rustix::fs::renameat_with(from, name, to, new, rustix::fs::RenameFlags::NOREPLACE)
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
pub fn rename_new(_: impl AsFd, _: impl rustix::path::Arg, _: impl AsFd, _: impl rustix::path::Arg) -> Result<()> {
    Err(rustix::io::Errno::INVAL)
}

/// Whether [`syncfs`] writes everything to the disk and reports what could not be written: FUSE file systems do nothing in it, and
/// Linux before 5.8 did not report errors of writing.
///
/// # Errors
/// The system's error.
#[cfg(target_os = "linux")]
pub fn syncfs_reports(fd: impl AsFd) -> Result<bool> {
    /// statfs(2).
    const FUSE_SUPER_MAGIC: i64 = 0x6573_5546;
    let system = rustix::system::uname();
    let mut numbers =
        system.release().to_bytes().split(|b| !b.is_ascii_digit()).map_while(|n| str::from_utf8(n).ok()?.parse().ok());
    let release: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    Ok(release >= (5, 8) && rustix::fs::fstatfs(fd)?.f_type as i64 != FUSE_SUPER_MAGIC)
}

#[cfg(not(target_os = "linux"))]
pub fn syncfs_reports(_: impl AsFd) -> Result<bool> {
    Ok(false)
}

#[cfg(target_os = "linux")]
pub use linux::*;
#[cfg(not(target_os = "linux"))]
pub use other::*;

#[cfg(target_os = "linux")]
mod linux {
    use rustix::fs::{Mode, OFlags, ResolveFlags, XattrFlags};
    use rustix::io::{Errno, Result};
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    pub use rustix::fs::{fgetxattr, flistxattr, getxattr, lgetxattr, llistxattr, syncfs};

    /// Opens a name below a folder, through no link.
    ///
    /// # Errors
    /// The system's error. NOSYS if the system can't do this in one step.
    pub fn open_beneath(folder: impl AsFd, name: &[u8], flags: OFlags) -> Result<OwnedFd> {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        rustix::fs::openat2(folder, name, flags, Mode::empty(), resolve)
    }

    /// Creates a file without a name, for writing.
    ///
    /// # Errors
    /// The system's error. OPNOTSUPP, ISDIR, INVAL or NOENT if there are no such files.
    pub fn create_unnamed(folder: impl AsFd, mode: Mode) -> Result<OwnedFd> {
        rustix::fs::openat(folder, ".", OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, mode)
    }

    /// There is no extended attribute of this name.
    pub const NO_XATTR: Errno = Errno::NODATA;

    /// Sets an extended attribute of an open file.
    pub fn set_xattr(fd: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> Result<()> {
        rustix::fs::fsetxattr(fd, name, value, XattrFlags::empty())
    }

    /// Sets an extended attribute of the file with a path.
    pub fn set_xattr_of(path: &str, name: &[u8], value: &[u8]) -> Result<()> {
        rustix::fs::setxattr(path, name, value, XattrFlags::empty())
    }
}

#[cfg(not(target_os = "linux"))]
mod other {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::{Errno, Result};
    use rustix::path::Arg;
    use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

    pub const NO_XATTR: Errno = Errno::NOATTR;

    pub fn open_beneath(_: impl AsFd, _: &[u8], _: OFlags) -> Result<OwnedFd> {
        Err(Errno::NOSYS)
    }

    pub fn create_unnamed(_: impl AsFd, _: Mode) -> Result<OwnedFd> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn syncfs(_: impl AsFd) -> Result<()> {
        Err(Errno::NOSYS)
    }

    pub fn fgetxattr(_: impl AsFd, _: &[u8], _: &mut [u8]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn flistxattr(_: impl AsFd, _: &mut [u8]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn getxattr(_: impl Arg, _: &[u8], _: &mut [u8]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }

    pub use getxattr as lgetxattr;

    pub fn llistxattr(_: impl Arg, _: &mut [u8]) -> Result<usize> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn set_xattr(_: BorrowedFd<'_>, _: &[u8], _: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }

    pub fn set_xattr_of(_: &str, _: &[u8], _: &[u8]) -> Result<()> {
        Err(Errno::OPNOTSUPP)
    }
}
