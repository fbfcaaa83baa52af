//! The walk: a folder's entries in memory at a time, one folder a level, all reached through open descriptors.

use super::entry::{FolderSource, failure, stat_at};
use super::selection::{Selection, Unlisted};
use crate::error::{OrFailed, Result};
use crate::filter::Lines;
use crate::name::{self, Name};
use crate::record::{Kind, Record};
use rustix::fs::{self, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use std::cmp::Ordering;
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
    /// Its name and a `/`; empty for the root.
    prefix: Vec<u8>,
    entries: Entries,
    next: usize,
    /// The lines of its ignore files.
    ignore: Option<Arc<Lines>>,
    /// Its ignore files that could not be read, with the reason.
    unread: Vec<(Vec<u8>, io::Error)>,
    /// An include names it or a folder above it.
    included: bool,
}

/// What to do with an entry when its turn comes. A folder has two turns: its record at `d`, what is in it at `d/`.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    Emit,
    Descend,
}

/// The entries of a folder, packed: a million names take little more than their bytes.
#[derive(Default)]
struct Entries {
    names: Vec<u8>,
    turns: Vec<(u32, u16, Turn)>,
}

impl Entries {
    fn push(&mut self, name: &[u8], turn: Turn) {
        self.turns.push((self.names.len() as u32, name.len() as u16, turn));
        self.names.extend_from_slice(name);
    }

    fn get(&self, at: usize) -> Option<(&[u8], Turn)> {
        let (start, len, turn) = *self.turns.get(at)?;
        Some((&self.names[start as usize..start as usize + usize::from(len)], turn))
    }

    /// Sorts so that the walk comes out in order of whole names: what is in `d` at `d/`, behind `d-x`.
    fn sort(&mut self) {
        let Entries { names, turns } = self;
        let name = |e: &(u32, u16, Turn)| (&names[e.0 as usize..e.0 as usize + usize::from(e.1)], e.2 == Turn::Descend);
        if std::str::from_utf8(names).is_ok() {
            turns.sort_unstable_by(|a, b| compare(name(a), name(b)));
        } else {
            turns.sort_unstable_by(|a, b| {
                let whole = |(n, slash): (&[u8], bool)| [n, if slash { b"/" } else { b"" }].concat();
                name::compare(&whole(name(a)), &whole(name(b)))
            });
        }
        turns.shrink_to_fit();
        names.shrink_to_fit();
    }
}

/// Compares two names, each perhaps with a `/` behind it, by their bytes.
fn compare((a, a_slash): (&[u8], bool), (b, b_slash): (&[u8], bool)) -> Ordering {
    let shared = a.len().min(b.len());
    let next = |n: &[u8], slash: bool| n.get(shared).copied().or(slash.then_some(b'/'));
    a[..shared].cmp(&b[..shared]).then_with(|| next(a, a_slash).cmp(&next(b, b_slash))).then_with(|| a.len().cmp(&b.len()))
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

    /// Reads a folder's entries.
    fn list(&self, fd: OwnedFd, prefix: Vec<u8>, included: bool) -> io::Result<Level> {
        let mut entries = Entries::default();
        let names = &self.selection.options.filter.ignore_files;
        let mut there = vec![false; names.len()];
        for entry in Dir::read_from(&fd)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            entries.push(name, Turn::Emit);
            let file_type = match entry.file_type() {
                FileType::Unknown => stat_at(fd.as_fd(), name).map_or(FileType::Unknown, |s| FileType::from_raw_mode(s.st_mode)),
                known => known,
            };
            if file_type == FileType::Directory {
                entries.push(name, Turn::Descend);
            }
            for (there, _) in there.iter_mut().zip(names).filter(|(_, n)| n.as_encoded_bytes() == name) {
                *there = file_type != FileType::Directory;
            }
        }
        entries.sort();
        let mut level = Level { fd, prefix, entries, next: 0, ignore: None, unread: Vec::new(), included };
        // In the order of the options, whatever that of the folder's entries.
        self.read_ignore_files(
            &mut level,
            names.iter().zip(there).filter(|(_, there)| *there).map(|(n, _)| n.as_encoded_bytes()),
        );
        Ok(level)
    }

    fn read_ignore_files<'a>(&self, level: &mut Level, names: impl Iterator<Item = &'a [u8]>) {
        let mut lines = Lines::default();
        for name in names {
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

    /// All that an ignore file has; nothing if it is no file.
    fn read_ignore_file(&self, level: &Level, name: &[u8]) -> io::Result<Vec<u8>> {
        /// More is no list of patterns, and half of it is another list.
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
            // It went away, or it is a socket.
            Err(Errno::NOENT | Errno::NXIO) => {}
            Err(e) => return Err(e.into()),
        }
        Ok(text)
    }

    /// Whether the filters leave this path out.
    fn is_filtered(&self, path: &[u8], folder: bool) -> bool {
        let ignore = self.levels.iter().rev().filter_map(|l| Some((l.prefix.len(), &**l.ignore.as_ref()?)));
        self.selection.rules().excludes(ignore, path, folder)
    }

    /// The record of an entry, if it has one that is wanted.
    fn emit(&self, level: &Level, part: &[u8], path: Vec<u8>) -> Option<Record> {
        let stat = match stat_at(level.fd.as_fd(), part) {
            Ok(stat) => stat,
            // It went away after the folder was listed: the scan is as of now.
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

    /// Goes into a folder. A record only where that failed.
    fn descend(&mut self, part: &[u8], path: Vec<u8>) -> Option<Record> {
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
        if self.selection.options.one_file_system && stat.st_dev != self.folder.device {
            self.selection.note_kept_out(&path);
            return None;
        }
        let mut prefix = path;
        prefix.push(b'/');
        match self.list(fd, prefix.clone(), included) {
            Ok(level) => {
                if level.entries.turns.is_empty() && !self.selection.wants(Kind::Directory) {
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
            let Some((part, turn)) = level.entries.get(level.next) else {
                self.levels.pop();
                continue;
            };
            let path = [&level.prefix[..], part].concat();
            level.next += 1;
            let record = match turn {
                Turn::Descend => {
                    let part = part.to_vec();
                    self.descend(&part, path)
                }
                Turn::Emit => {
                    let level = self.levels.last()?;
                    let (part, _) = level.entries.get(level.next - 1)?;
                    self.emit(level, part, path)
                }
            };
            if let Some(record) = record {
                debug_assert!(record.kind() != Kind::End);
                return Some(Ok(record));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_in_order_of_whole_names() {
        for odd in [&b"z"[..], b"\xff"] {
            let mut entries = Entries::default();
            for (name, turn) in [
                (&b"d"[..], Turn::Descend),
                (b"d-x", Turn::Emit),
                (b"d", Turn::Emit),
                (b"d0", Turn::Emit),
                (b"d.", Turn::Emit),
                (odd, Turn::Emit),
            ] {
                entries.push(name, turn);
            }
            entries.sort();
            let got: Vec<_> = (0..6).filter_map(|i| entries.get(i)).map(|(n, t)| (n.to_vec(), t == Turn::Descend)).collect();
            let want = [("d", false), ("d-x", false), ("d.", false), ("d", true), ("d0", false)];
            for (got, want) in got.iter().zip(want) {
                assert_eq!((&got.0[..], got.1), (want.0.as_bytes(), want.1));
            }
        }
    }
}
