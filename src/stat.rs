//! Makes the record of a file from its `stat`, with the keys and values of the Python tool.

use crate::name::Name;
use crate::record::{Edit, Kind, Record, Xattrs, key};
use crate::system;
use crate::time::Time;
use rustix::fs::{FileType, Stat};

/// The parts of a record that `stat` does not have.
#[derive(Default)]
pub struct Extra {
    /// The target of a link.
    pub destination: Option<Vec<u8>>,
    /// Names and values of extended attributes, sorted by name.
    pub xattrs: Xattrs,
}

/// Returns the kind of record for a file; None for sockets, fifos and devices, which are not recorded.
pub fn kind(stat: &Stat) -> Option<Kind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Kind::File),
        FileType::Symlink => Some(Kind::Link),
        FileType::Directory => Some(Kind::Directory),
        _ => None,
    }
}

/// Returns the time of the last change of the content.
pub fn modified(stat: &Stat) -> Time {
    Time { sec: stat.st_mtime, nsec: stat.st_mtime_nsec as u32 }
}

/// Returns the time of the last change of the inode.
pub fn changed(stat: &Stat) -> Time {
    Time { sec: stat.st_ctime, nsec: stat.st_ctime_nsec as u32 }
}

/// Whether a file has fewer bytes on disk than its size. It has holes, or is compressed there.
pub fn is_sparse(stat: &Stat) -> bool {
    (stat.st_blocks as u64).saturating_mul(512) < stat.st_size as u64
}

/// Returns the record of a file, link or folder. Its keys are in order, and its JSON is compact.
pub fn record(name: Name, kind: Kind, stat: &Stat, extra: Extra) -> Record {
    let mut edit = Record::build(name, kind);
    set(&mut edit, stat);
    if let Some(target) = extra.destination {
        edit.set_destination(target);
    }
    let xattrs = Some(extra.xattrs).filter(|xattrs| !xattrs.is_empty());
    edit.set(key::ISLINK, kind == Kind::Link).set(key::XATTRS, xattrs).finish()
}

/// Sets all values that `stat` has for the record of a file, link or folder.
pub fn set(edit: &mut Edit<'_>, stat: &Stat) {
    let is_file = kind(stat) == Some(Kind::File);
    let size = stat.st_size as u64;
    edit.set(key::CREATED, changed(stat).as_double())
        .set(key::DEV, (is_file && stat.st_nlink > 1).then_some(system::device(stat)))
        .set(key::GID, stat.st_gid)
        .set(key::INO, stat.st_ino)
        .set(key::MODE, system::mode(stat))
        .set(key::MODIFIED, modified(stat))
        .set(key::MTIME, modified(stat).as_double())
        .set(key::NLINK, system::links(stat))
        .set_known(key::SIZE, is_file.then_some(size))
        .set(key::SPARSE, (is_file && is_sparse(stat)).then_some(true))
        .set(key::UID, stat.st_uid);
}

/// Returns the umask: the mode bits that new files do not get.
///
/// On Linux, it is in `/proc/self/status`. Other systems return it only when it is set. For that instant, files that other
/// threads or their children create get all bits.
pub fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").ok();
    status.as_deref().and_then(umask_of).unwrap_or_else(|| {
        let mask = rustix::process::umask(rustix::fs::Mode::empty());
        rustix::process::umask(mask);
        system::bits(mask.as_raw_mode())
    })
}

/// Returns the octal number after `Umask:` in a `/proc/PID/status` (proc(5)).
fn umask_of(status: &str) -> Option<u32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn to_ask_for_the_umask_changes_it_for_nobody() {
        let temp = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    umask();
                }
            });
            let mode = |i: u32| std::fs::File::create(temp.path().join(i.to_string())).unwrap().metadata().unwrap().mode();
            let modes: Vec<u32> = (0..3000).map(mode).filter(|mode| mode & 0o777 != 0o666 & !umask()).collect();
            done.store(true, Ordering::Relaxed);
            assert!(modes.is_empty(), "{modes:?}");
        });
        assert_eq!(umask_of("Name:\tsh\nUmask:\t0027\nState:\tR\n"), Some(0o27));
        assert_eq!(umask_of("Name:\tUmask\n"), None);
    }
}
