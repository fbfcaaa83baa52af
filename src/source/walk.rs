//! The walk through a folder. It keeps the entries of one folder per level in memory and reaches them all through open
//! descriptors.

use super::entry::{FolderSource, failure, stat_at};
use super::selection::{Selection, Unlisted};
use crate::error::{OrFailed, Result};
use crate::filter::Lines;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::Listing;
use crate::system;
use rustix::fs::{self, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

pub(super) struct Walk {
    folder: Arc<FolderSource>,
    selection: Arc<Selection>,
    levels: Vec<Level>,
}

/// A folder that is being listed.
struct Level {
    fd: OwnedFd,
    /// The folder's name and a `/`; empty for the root.
    prefix: Vec<u8>,
    entries: Listing,
    next: usize,
    /// The lines of the folder's ignore files.
    ignore: Option<Arc<Lines>>,
    /// The ignore files of the folder that could not be read, with the reason.
    unread: Vec<(Vec<u8>, io::Error)>,
    /// Whether an include names this folder or a folder above it.
    included: bool,
}

impl Walk {
    pub(super) fn new(folder: Arc<FolderSource>, selection: Arc<Selection>) -> Result<Walk> {
        let shown = folder.location.identity();
        let fd = folder.root.fd().try_clone_to_owned().or_failed(|| shown.clone())?;
        let included = selection.rules().includes_all();
        let mut walk = Walk { folder, selection, levels: Vec::new() };
        let level = walk.list(fd, Vec::new(), included).or_failed(|| format!("list {shown}"))?;
        walk.levels.push(level);
        Ok(walk)
    }

    /// Reads a folder's entries and its ignore files.
    fn list(&self, fd: OwnedFd, prefix: Vec<u8>, included: bool) -> io::Result<Level> {
        let entries = Listing::of(&fd)?;
        let mut level = Level { fd, prefix, entries, next: 0, ignore: None, unread: Vec::new(), included };
        self.read_ignore_files(&mut level);
        Ok(level)
    }

    fn read_ignore_files(&self, level: &mut Level) {
        let mut lines = Lines::default();
        // The order is that of the options, not that of the entries.
        for name in self.selection.options.filter.ignore_files.iter().map(|name| name.as_encoded_bytes()) {
            if !level.entries.iter().any(|entry| entry.name == name && entry.kind != FileType::Directory) {
                continue;
            }
            match self.read_ignore_file(level, name) {
                Ok(text) => lines.read(&text),
                Err(e) => level.unread.push((name.to_vec(), e)),
            }
        }
        if !lines.is_empty() {
            let lines = Arc::new(lines);
            let folder = level.prefix.strip_suffix(b"/").unwrap_or(&level.prefix);
            self.selection.note_ignored(folder, &lines);
            level.ignore = Some(lines);
        }
    }

    /// Returns the whole text of an ignore file; nothing if it is not a regular file.
    fn read_ignore_file(&self, level: &Level, name: &[u8]) -> io::Result<Vec<u8>> {
        /// The maximum size in bytes. A longer file is not a list of patterns, and half of it would be another list.
        const LIMIT: u64 = 16 << 20;
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let mut text = Vec::new();
        match fs::openat(&level.fd, name, flags, Mode::empty()) {
            Ok(fd) if FileType::from_raw_mode(fs::fstat(&fd)?.st_mode) != FileType::RegularFile => {}
            Ok(fd) => {
                std::fs::File::from(fd).take(LIMIT + 1).read_to_end(&mut text)?;
                if text.len() as u64 > LIMIT {
                    return Err(io::Error::other(format!("more than {LIMIT} bytes are no ignore file")));
                }
            }
            Err(Errno::LOOP) => {
                let name = crate::display::printable(&[&level.prefix[..], name].concat());
                self.selection.monitor.note(&format!("{name}: not obeyed: it is a link, which git does not follow either"));
            }
            // It was removed, or it is a socket.
            Err(Errno::NOENT | Errno::NXIO) => {}
            Err(e) => return Err(e.into()),
        }
        Ok(text)
    }

    /// Checks whether the filters leave this path out.
    fn is_filtered(&self, path: &[u8], folder: bool) -> bool {
        let ignore = self.levels.iter().rev().filter_map(|l| Some((l.prefix.len(), &**l.ignore.as_ref()?)));
        self.selection.rules().excludes(ignore, path, folder)
    }

    /// Returns the record of an entry; None if it has none or is not wanted.
    fn emit(&self, level: &Level, part: &[u8], path: Vec<u8>) -> Option<Record> {
        if !self.selection.has(&path) {
            return None;
        }
        let stat = match stat_at(level.fd.as_fd(), part) {
            Ok(stat) => stat,
            // It was removed after the folder was listed. The scan records the current state.
            Err(e) if e.kind() == io::ErrorKind::NotFound => return None,
            Err(e) => return Some(failure(&self.selection, &Name::new(path), "look at it", &e)),
        };
        let folder = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
        if self.selection.keeps_out(&path, &stat) {
            return None;
        }
        if let Some((_, e)) = level.unread.iter().find(|(name, _)| name == part) {
            return Some(failure(&self.selection, &Name::new(path), "read it as an ignore file", e));
        }
        if self.is_filtered(&path, folder) || !(level.included || self.selection.rules().includes(&path, folder)) {
            self.selection.note_filtered();
            return None;
        }
        self.folder.record(level.fd.as_fd(), part, Name::new(path), &stat, &self.selection)
    }

    /// Enters a folder. Returns an error record if that fails.
    fn descend(&mut self, part: &[u8], path: Vec<u8>) -> Option<Record> {
        if !self.selection.reaches(&path) {
            return None;
        }
        if self.is_filtered(&path, true) {
            self.selection.note_filtered();
            return None;
        }
        let level = self.levels.last()?;
        let included = level.included || self.selection.rules().includes(&path, true);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let opened = fs::openat(&level.fd, part, flags, Mode::empty()).and_then(|fd| fs::fstat(&fd).map(|stat| (fd, stat)));
        let (fd, stat) = match opened {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return None,
            Err(e) => return Some(failure(&self.selection, &Name::new(path), "open the folder", &e.into())),
        };
        if self.selection.keeps_out(&path, &stat) {
            return None;
        }
        if self.selection.options.one_file_system && system::device(&stat) != self.folder.device {
            self.selection.note_kept_out(&path);
            return None;
        }
        let mut prefix = path;
        prefix.push(b'/');
        match self.list(fd, prefix.clone(), included) {
            Ok(level) => {
                if level.entries.is_empty() && !self.selection.wants(Kind::Directory) {
                    self.selection.note_unlisted(Unlisted::EmptyFolder);
                }
                self.levels.push(level);
                None
            }
            Err(e) => {
                prefix.pop();
                Some(failure(&self.selection, &Name::new(prefix), "list the folder", &e))
            }
        }
    }
}

impl Iterator for Walk {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            let level = self.levels.last_mut()?;
            level.next += 1;
            let level = self.levels.last()?;
            let Some(entry) = level.entries.get(level.next - 1) else {
                self.levels.pop();
                continue;
            };
            let path = [&level.prefix[..], entry.name].concat();
            let record = if entry.is_inside {
                let part = entry.name.to_vec();
                self.descend(&part, path)
            } else {
                self.emit(level, entry.name, path)
            };
            if let Some(record) = record {
                debug_assert!(record.kind() != Kind::End);
                return Some(Ok(record));
            }
        }
    }
}
