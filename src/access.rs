//! Access rights of the files in a heap or a snap root. A root that we make is accessible to its owner only. Files and folders in
//! a root get the root's mode bits for the group and for others, independent of the umask. So the root alone decides.

use crate::system;
use rustix::fs::{self, AtFlags, CWD};
use rustix::io::Errno;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

/// The set-group-id bit, which a folder inherits from the folder that it is made in.
const SETGID: u32 = 0o2000;

/// The access rights that a root gives to its group and to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    shared: u32,
    umask: u32,
}

impl Access {
    /// Returns the access rights of an existing root.
    ///
    /// # Errors
    /// The system's error.
    pub fn of(root: &Path) -> io::Result<Access> {
        Ok(Access { shared: root.metadata()?.permissions().mode() & 0o1077, umask: crate::stat::umask() })
    }

    /// Makes a root if it does not exist, accessible to its owner only. Missing folders above it get the mode that the umask
    /// allows.
    ///
    /// # Errors
    /// The system's error.
    pub fn make_root(root: &Path) -> io::Result<Access> {
        make_folders(root, 0o700)?;
        Access::of(root)
    }

    /// Returns the mode of a file.
    pub fn file_mode(self) -> u32 {
        0o600 | (self.shared & 0o066)
    }

    /// Returns the mode of a folder.
    pub fn folder_mode(self) -> u32 {
        0o700 | self.shared
    }

    /// Adds the mode bits that the umask removed from a file made with [`Access::file_mode`].
    ///
    /// # Errors
    /// The system's error.
    pub fn open_up(self, file: impl AsFd) -> rustix::io::Result<()> {
        match self.file_mode() & self.umask {
            0 => Ok(()),
            _ => fs::fchmod(file, system::permissions(self.file_mode())),
        }
    }

    /// Makes a folder with [`Access::folder_mode`], independent of the umask.
    ///
    /// # Errors
    /// The system's error; EEXIST if the name exists.
    pub fn make_folder(self, at: BorrowedFd<'_>, name: &[u8]) -> rustix::io::Result<()> {
        fs::mkdirat(at, name, system::permissions(self.folder_mode()))?;
        if self.folder_mode() & self.umask != 0 {
            let inherited = system::mode(&fs::statat(at, name, AtFlags::SYMLINK_NOFOLLOW)?) & SETGID;
            fs::chmodat(at, name, system::permissions(self.folder_mode() | inherited), AtFlags::empty())?;
        }
        Ok(())
    }

    /// Makes the missing folders of the path `below` in a root. Each new one is synced in the folder above it.
    ///
    /// # Errors
    /// The system's error.
    pub fn make_folders(self, root: &Path, below: &Path) -> io::Result<()> {
        let mut at = root.to_path_buf();
        for part in below {
            let above = at.clone();
            at.push(part);
            match self.make_folder(CWD, at.as_os_str().as_bytes()) {
                Ok(()) => std::fs::File::open(&above)?.sync_all()?,
                Err(Errno::EXIST) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }
}

/// Makes a folder with this mode, and the missing folders above it with the default mode. Each new one is synced in the folder
/// above it, so that files synced in it can be found after a crash.
fn make_folders(folder: &Path, mode: u32) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|p| !p.as_os_str().is_empty());
    let make = || std::fs::DirBuilder::new().mode(mode).create(folder);
    let mut made = make();
    if made.as_ref().is_err_and(|e| e.kind() == io::ErrorKind::NotFound) {
        // The recursion also ends if no folder can be looked up.
        let Some(above) = above else { return made };
        make_folders(above, 0o777)?;
        made = make();
    }
    match made {
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => match folder.is_dir() {
            true => Ok(()),
            false => Err(Errno::NOTDIR.into()),
        },
        Err(e) => Err(e),
        Ok(()) => std::fs::File::open(above.unwrap_or(Path::new(".")))?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_decides_what_is_shared_and_the_owner_keeps_all() {
        for (root, folder, file) in [
            (0o700, 0o700, 0o600),
            (0o750, 0o750, 0o640),
            (0o755, 0o755, 0o644),
            (0o2770, 0o770, 0o660),
            (0o1777, 0o1777, 0o666),
            (0o711, 0o711, 0o600),
            (0o500, 0o700, 0o600),
        ] {
            let access = Access { shared: root & 0o1077, umask: 0o077 };
            assert_eq!((access.folder_mode(), access.file_mode()), (folder, file), "{root:o}");
        }
    }

    #[test]
    fn what_the_umask_took_is_given_and_set_group_id_stays() {
        let temp = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o2775)).unwrap();
        let access = Access { umask: 0o777, ..Access::of(temp.path()).unwrap() };
        access.make_folders(temp.path(), Path::new("2026/11")).unwrap();
        access.make_folders(temp.path(), Path::new("2026/11")).unwrap();
        assert_eq!(mode(&temp.path().join("2026/11")), 0o2775);
        let file = std::fs::File::create(temp.path().join("f")).unwrap();
        access.open_up(&file).unwrap();
        assert_eq!(mode(&temp.path().join("f")), 0o664);
    }
}
