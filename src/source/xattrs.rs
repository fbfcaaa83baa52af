//! Extended attributes of the entries of a folder.

use crate::record::{Kind, Xattrs};
use crate::rootdir::{has_proc, proc_name};
use rustix::fs::{self, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::BorrowedFd;

/// Room for all names, and for a value: the most that Linux has.
const ROOM: usize = 64 << 10;

/// The extended attributes of the entry `part` of `folder`, in order of name. A link's own, not its target's; None where they
/// can't be reached.
pub(super) fn of(folder: BorrowedFd<'_>, part: &[u8], kind: Kind) -> io::Result<Option<Xattrs>> {
    if has_proc() {
        // There is no listxattrat before Linux 6.13; through /proc the last step is still taken from the open folder.
        let path = [proc_name(&folder).as_bytes(), b"/", part].concat();
        let read = |name: &[u8], value: &mut [u8]| fs::lgetxattr(&path[..], name, value);
        return all(|names| fs::llistxattr(&path[..], names), read).map(Some);
    }
    if kind == Kind::Link {
        return Ok(None);
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let fd = fs::openat(folder, part, flags, Mode::empty())?;
    all(|names| fs::flistxattr(&fd, names), |name, value| fs::fgetxattr(&fd, name, value)).map(Some)
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
            // It went away in between.
            Err(Errno::NODATA) => {}
            Err(e) => return Err(e.into()),
        }
    }
    all.sort();
    Ok(all)
}
