//! An open folder of this machine, and the records of its files.

use super::selection::{Selection, Unlisted};
use super::{kept, xattrs};
use crate::error::{OrFailed, Result, reason};
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::RootDir;
use crate::stat::{self, Extra};
use crate::storage::Location;
use crate::stream::LINE_LIMIT;
use crate::system;
use rustix::fs::{self, AtFlags, FileType, Stat};
use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

/// An open folder.
pub(super) struct FolderSource {
    pub(super) root: RootDir,
    pub(super) location: Location,
    /// The device of the folder itself.
    pub(super) device: u64,
    /// Whether the monitor was notified that the extended attributes of links can't be read here.
    noted_links: AtomicBool,
}

impl FolderSource {
    /// Opens a folder.
    ///
    /// # Errors
    /// If there is nothing at the path, or something that is not a folder.
    pub(super) fn open(path: &Path) -> Result<FolderSource> {
        let location = Location::Folder(path.to_path_buf());
        let root = RootDir::open(path).or_failed(|| location.to_string())?;
        let device = system::device(&fs::fstat(root.fd()).or_failed(|| location.to_string())?);
        Ok(FolderSource { root, location, device, noted_links: AtomicBool::new(false) })
    }

    /// Checks whether a given name is below one of the roots and outputs that a scan leaves out.
    pub(super) fn keeps_out_from_above(&self, name: &[u8], selection: &Selection) -> bool {
        let stat = |above: &[u8]| fs::fstat(self.root.open_at(above, system::PATH)?).map_err(io::Error::from);
        // A name that does not exist can't be left out.
        let keeps_out = |above: &[u8]| stat(above).is_ok_and(|stat| selection.keeps_out(above, &stat));
        selection.may_keep_out() && kept::above(name).any(keeps_out)
    }

    /// Returns the record of the entry `part` of `folder`; None if the kind of the entry is not wanted.
    pub(super) fn record(
        &self,
        folder: BorrowedFd<'_>,
        part: &[u8],
        name: Name,
        stat: &Stat,
        selection: &Selection,
    ) -> Option<Record> {
        let Some(kind) = stat::kind(stat) else {
            selection.note_unlisted(match FileType::from_raw_mode(stat.st_mode) {
                FileType::Socket => Unlisted::Socket,
                FileType::Fifo => Unlisted::Fifo,
                _ => Unlisted::Device,
            });
            return None;
        };
        if !selection.wants(kind) {
            if kind == Kind::Link {
                selection.note_unlisted(Unlisted::Link);
            }
            return None;
        }
        let mut extra = Extra::default();
        if kind == Kind::Link {
            match fs::readlinkat(folder, part, Vec::new()) {
                Ok(target) => extra.destination = Some(target.into_bytes()),
                Err(e) => return Some(failure(selection, &name, "read the link", &e.into())),
            }
        }
        if selection.options.xattrs {
            match xattrs::of(folder, part, kind) {
                Ok(Some(all)) => extra.xattrs = all,
                Ok(None) if self.noted_links.swap(true, Ordering::Relaxed) => {}
                Ok(None) => {
                    let note = "extended attributes of links are not recorded: there is no /proc to reach them by";
                    selection.monitor.note(note);
                }
                Err(e) => return Some(failure(selection, &name, "read extended attributes", &e)),
            }
        }
        let record = stat::record(name, kind, stat, extra);
        // No tool would read a line this long. One file that can't be recorded is better than an unreadable stream.
        match record.text().len() < LINE_LIMIT / 2 {
            true => Some(record),
            false => Some(selection.failure(record.name(), "record it: its extended attributes are too many")),
        }
    }
}

/// Returns the error record for a step (`doing`) that failed for a name.
pub(super) fn failure(selection: &Selection, name: &Name, doing: &str, e: &io::Error) -> Record {
    selection.failure(name, &format!("{doing}: {}", reason(e)))
}

/// Returns the metadata of the entry `part` of `folder`. For a symbolic link, this is the metadata of the link itself.
pub(super) fn stat_at(folder: BorrowedFd<'_>, part: &[u8]) -> io::Result<Stat> {
    Ok(fs::statat(folder, part, AtFlags::SYMLINK_NOFOLLOW)?)
}
