//! Extended attributes of the entries of a folder.

use crate::record::{Kind, Xattrs};
use crate::rootdir::{has_proc, proc_name};
use crate::system;
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;

/// Size of the buffers for all names and for one value, in bytes: the maximum on Linux.
const ROOM: usize = 64 << 10;

/// Returns the extended attributes of the entry `part` of `folder`, sorted by name. For a link, these are its own attributes, not
/// those of its target; None if they can't be reached.
pub(super) fn of(folder: BorrowedFd<'_>, part: &[u8], kind: Kind) -> io::Result<Option<Xattrs>> {
    if has_proc() {
        // Before Linux 6.13 there is no listxattrat. A path through /proc still starts at the open folder.
        let path = [proc_name(&folder).as_bytes(), b"/", part].concat();
        let read = |name: &[u8], value: &mut [u8]| system::lgetxattr(&path[..], name, value);
        return all(|names| system::llistxattr(&path[..], names), read).map(Some);
    }
    if kind == Kind::Link {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = fs::openat(folder, part, flags, Mode::empty())?;
    all(|names| system::flistxattr(&fd, names), |name, value| system::fgetxattr(&fd, name, value)).map(Some)
}

fn all(
    list: impl FnOnce(&mut [u8]) -> rustix::io::Result<usize>,
    read: impl Fn(&[u8], &mut [u8]) -> rustix::io::Result<usize>,
) -> io::Result<Xattrs> {
    let mut names = vec![0; ROOM];
    let n = match list(&mut names) {
        Ok(n) => n,
        Err(Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut all = Vec::new();
    let mut value = vec![0; ROOM];
    for name in names[..n].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        match read(name, &mut value) {
            Ok(n) => all.push((name.to_vec(), value[..n].to_vec())),
            // The attribute was removed meanwhile.
            Err(system::NO_XATTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    all.sort();
    Ok(all)
}
