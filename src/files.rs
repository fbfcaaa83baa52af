//! Writes a file that appears under its name when it is complete, or not at all.
//!
//! A device or a fifo is never replaced; the output is written to it. A symbolic link stays, and its target is replaced. An
//! existing file keeps its mode and, if we are allowed to set it, its owner.

use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::rootdir::{Folder, Temp};
use crate::system;
use rustix::fs::{self, FileType, Gid, Mode, OFlags, Stat, Uid};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The maximum number of symbolic links to follow, as in Linux.
const LINKS: usize = 40;

/// A file that is being written. If it is dropped before [`NewFile::finish`], it leaves nothing behind.
pub struct NewFile {
    to: To,
}

enum To {
    /// The device, fifo or file that is written to directly.
    Straight(File),
    /// A new file in the same folder.
    Beside(Box<Beside>),
}

struct Beside {
    temp: Temp,
    folder: Arc<Folder>,
    path: PathBuf,
    /// The file that is replaced.
    old: Option<Stat>,
    mode: u32,
}

impl NewFile {
    /// Makes a file with the mode of any new file: 0666, reduced by the umask.
    ///
    /// # Errors
    /// If it can't be written, or the path is a folder.
    pub fn create(path: &Path) -> io::Result<NewFile> {
        NewFile::new(path, 0o666 & !crate::stat::umask(), false)
    }

    /// Makes a file in a folder of ours, where a temporary name does no harm. It gets this mode if it does not exist yet.
    ///
    /// # Errors
    /// If it can't be written, or the path is a folder.
    pub fn with_mode(path: &Path, mode: u32) -> io::Result<NewFile> {
        NewFile::new(path, mode, true)
    }

    fn new(path: &Path, mode: u32, named: bool) -> io::Result<NewFile> {
        let there = match fs::stat(path) {
            Ok(stat) => Some(stat),
            // Nothing exists there, or a link whose target does not exist yet.
            Err(Errno::NOENT) => None,
            Err(e) => return Err(e.into()),
        };
        let kind = there.as_ref().map(|stat| FileType::from_raw_mode(stat.st_mode));
        let place = match kind {
            Some(FileType::Directory) => return Err(Errno::ISDIR.into()),
            None if path.as_os_str().as_bytes().ends_with(b"/") => return Err(Errno::ISDIR.into()),
            Some(FileType::RegularFile) | None => followed(path, there.as_ref())?,
            Some(_) => None,
        };
        let Some(path) = place else {
            let flags = OFlags::WRONLY | OFlags::NOCTTY | OFlags::CLOEXEC;
            // A regular file without a path, which only /proc names, is truncated first.
            let flags = if kind == Some(FileType::RegularFile) { flags | OFlags::TRUNC } else { flags };
            return Ok(NewFile { to: To::Straight(fs::open(path, flags, Mode::empty())?.into()) });
        };
        let above = path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = Arc::new(Folder::of(fs::open(above, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?));
        // If the system supports it, the file has no name until it is complete. So no other program takes it for a user's file.
        let temp = Temp::new(&folder, named)?;
        if let Some(name) = temp.name() {
            crate::cleanup::register(&above.join(OsStr::from_bytes(name)));
        }
        Ok(NewFile { to: To::Beside(Box::new(Beside { temp, folder, path, old: there, mode })) })
    }

    /// Returns the file, to write to.
    pub fn file(&self) -> &File {
        match &self.to {
            To::Straight(file) => file,
            To::Beside(beside) => beside.temp.file(),
        }
    }

    /// Returns the final path of the file, with links resolved, and the path of the temporary file, if the system needs one.
    /// Empty if the output is written directly.
    pub fn paths(&self) -> Vec<PathBuf> {
        let To::Beside(beside) = &self.to else { return Vec::new() };
        let temp = beside.temp.name().map(|name| beside.path.with_file_name(OsStr::from_bytes(name)));
        std::iter::once(beside.path.clone()).chain(temp).collect()
    }

    /// Syncs the file, gives it its name, and syncs the folder.
    ///
    /// # Errors
    /// The system's error. An existing file is then unchanged.
    pub fn finish(self) -> io::Result<()> {
        let To::Beside(mut beside) = self.to else { return Ok(()) };
        let Beside { temp, folder, path, old, mode } = &mut *beside;
        let file = temp.file();
        let mode = match old {
            None => *mode,
            Some(old) => keep_owner(file, old)?,
        };
        fs::fchmod(file, system::permissions(mode))?;
        file.sync_all()?;
        let leaf = path.file_name().map(|leaf| leaf.as_bytes().to_vec()).unwrap_or_default();
        temp.publish(&leaf)?;
        sync_folder(folder.fd())
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Syncs the names in a folder to disk.
///
/// # Errors
/// The system's error.
pub fn sync_folder(folder: impl AsFd) -> io::Result<()> {
    match fs::fsync(folder) {
        // On some file systems, folders can't be synced.
        Err(Errno::INVAL) | Ok(()) => Ok(()),
        Err(e) => Err(e.into()),
    }
}

/// Gives a new file the owner and group of an old one, if that is allowed. Returns the mode bits that the new file can have: no
/// rights for another group, and never a set-user-id or set-group-id bit.
fn keep_owner(file: &File, old: &Stat) -> io::Result<u32> {
    let now = fs::fstat(file)?;
    if now.st_uid != old.st_uid {
        // Only root is allowed to do this. Otherwise, the file is ours.
        let _ = fs::fchown(file, Some(Uid::from_raw(old.st_uid)), None);
    }
    let same_group = now.st_gid == old.st_gid || fs::fchown(file, None, Some(Gid::from_raw(old.st_gid))).is_ok();
    let mode = system::mode(old) & 0o777;
    Ok(if same_group { mode } else { mode & !0o070 })
}

/// Returns the path that symbolic links lead to; None if there is no such path: `/dev/stdout` can be a file without a name.
fn followed(path: &Path, there: Option<&Stat>) -> io::Result<Option<PathBuf>> {
    if let Some(there) = there {
        let same = |path: &PathBuf| fs::stat(path).is_ok_and(|s| (s.st_dev, s.st_ino) == (there.st_dev, there.st_ino));
        return Ok(path.canonicalize().ok().filter(same));
    }
    let mut path = path.to_path_buf();
    for _ in 0..LINKS {
        match std::fs::read_link(&path) {
            Ok(target) => path = path.parent().unwrap_or(Path::new("")).join(target),
            Err(_) => return Ok(Some(path)),
        }
    }
    Err(Errno::LOOP.into())
}

/// Makes a file without a name in TMPDIR.
///
/// # Errors
/// If it can't be made. The message names TMPDIR.
pub fn temporary() -> Result<File> {
    tempfile::tempfile().or_failed(temporaries)
}

/// Makes a folder in TMPDIR that is removed when it is dropped.
///
/// # Errors
/// If it can't be made. The message names TMPDIR.
pub fn temporary_folder() -> Result<TempDir> {
    tempfile::tempdir().or_failed(temporaries)
}

/// Returns the subject of error messages about temporary files, with their folder.
pub fn temporaries() -> String {
    let folder = std::env::temp_dir();
    format!("temporary file in {} (TMPDIR says where)", printable(folder.as_os_str().as_encoded_bytes()))
}

/// Writes a small file for the user at once.
///
/// # Errors
/// The system's error. An existing file is then unchanged.
pub fn write(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = NewFile::create(path)?;
    file.write_all(content)?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn a_file_has_no_name_until_it_is_whole_and_none_at_all_if_it_is_given_up() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("new");
        let mut file = NewFile::create(&path).unwrap();
        file.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(file);
        assert_eq!(temp.path().read_dir().unwrap().count(), 0);
        write(&path, b"whole").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"whole");
        assert_eq!(temp.path().read_dir().unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_there_keeps_its_mode_and_owner() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("old");
        std::fs::write(&path, "old").unwrap();
        for bits in [0o600, 0o640, 0o444, 0o755] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(bits)).unwrap();
            write(&path, b"new").unwrap();
            assert_eq!((mode(&path), std::fs::read(&path).unwrap()), (bits, b"new".to_vec()));
        }
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(1234), Some(4321)).unwrap();
            write(&path, b"new").unwrap();
            let meta = path.metadata().unwrap();
            assert_eq!((meta.uid(), meta.gid(), mode(&path)), (1234, 4321, 0o755));
        }
    }

    #[test]
    fn links_stay_and_the_file_that_they_lead_to_is_replaced() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        std::fs::create_dir(at("d")).unwrap();
        symlink("d/file", at("one")).unwrap();
        symlink("one", at("two")).unwrap();
        for content in ["made", "again"] {
            write(&at("two"), content.as_bytes()).unwrap();
            assert_eq!(std::fs::read_to_string(at("d/file")).unwrap(), content);
            assert!(at("two").is_symlink() && at("one").is_symlink());
        }
        symlink("loop", at("loop")).unwrap();
        assert!(write(&at("loop"), b"").is_err());
        assert_eq!(write(&at("d"), b"").unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn what_is_no_regular_file_is_written_to() {
        let temp = tempfile::tempdir().unwrap();
        let fifo = temp.path().join("fifo");
        fs::mknodat(fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
        let reader = std::thread::spawn({
            let fifo = fifo.clone();
            move || std::fs::read_to_string(fifo).unwrap()
        });
        write(&fifo, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), "through");
        write(Path::new("/dev/null"), b"nothing").unwrap();
        let stat = fs::stat("/dev/null").unwrap();
        assert_eq!(FileType::from_raw_mode(stat.st_mode), FileType::CharacterDevice);
    }
}
