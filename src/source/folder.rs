//! A folder of this machine as a source. All its entries are reached through open descriptors.

use super::entry::{FolderSource, failure, stat_at};
use super::selection::Selection;
use super::{Content, Opened, Settled, Source, Version, facts, walk};
use crate::digest::md5_of_all;
use crate::error::{Result, reason};
use crate::heap::Stored;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::split;
use crate::stat::{self};
use crate::storage::Location;
use crate::stream::Records;
use crate::system;
use rustix::fs::{self, OFlags, SeekFrom, Stat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

impl Source for FolderSource {
    fn location(&self) -> &Location {
        &self.location
    }

    fn is_folder(&self) -> bool {
        true
    }

    fn root_facts(&self, with_xattrs: bool) -> Option<serde_json::Value> {
        facts::of(&self.root, with_xattrs).ok()
    }

    fn list(self: Arc<Self>, selection: Arc<Selection>) -> Result<Records> {
        Ok(Box::new(walk::Walk::new(self, selection)?))
    }

    fn look(&self, name: Name, selection: &Selection) -> Result<Option<Record>> {
        let bytes = name.as_bytes().to_vec();
        if self.keeps_out_from_above(&bytes, selection) {
            return Ok(None);
        }
        let (above, part) = split(&bytes);
        let open = || self.root.open_at(above, system::PATH | OFlags::DIRECTORY);
        let folder: Option<OwnedFd> = match (!above.is_empty()).then(open).transpose() {
            Ok(folder) => folder,
            Err(e) => return Ok(Some(missing(selection, &name, "open its folder", &e))),
        };
        let folder: BorrowedFd<'_> = folder.as_ref().map_or(self.root.fd(), |f| f.as_fd());
        Ok(match stat_at(folder, part) {
            Ok(stat) if selection.keeps_out(&bytes, &stat) => None,
            Ok(stat) => self.record(folder, part, name, &stat, selection),
            Err(e) => Some(missing(selection, &name, "look at it", &e)),
        })
    }

    fn open(&self, record: &Record) -> io::Result<Opened> {
        let file = self.root.open_file(record.name().as_bytes())?;
        let opened = fs::fstat(&file)?;
        let version = Version::of(&opened);
        // Without a limit, reading a file that grows faster than it is read would never end.
        let content = Box::new(FileContent::new(file, &opened));
        Ok(Opened { record: as_now(record, &opened), version, more: Vec::new(), content })
    }

    fn newer(&self, record: &Record) -> io::Result<Option<Record>> {
        let stat = fs::fstat(self.root.open_at(record.name().as_bytes(), system::PATH)?)?;
        Ok(as_now(record, &stat).filter(|_| stat::kind(&stat) == Some(Kind::File)))
    }
}

/// Returns the record of a name that can't be looked at. It does not exist if a folder above it is a file or a link now.
fn missing(selection: &Selection, name: &Name, doing: &str, e: &io::Error) -> Record {
    let is_absent = matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || Errno::from_io_error(e) == Some(Errno::LOOP);
    match is_absent {
        true => selection.absent(name, &format!("{doing}: {}", reason(e))),
        false => failure(selection, name, doing, e),
    }
}

/// Returns the updated record of a file that changed since it was listed; None if it did not change.
fn as_now(record: &Record, now: &Stat) -> Option<Record> {
    let fields = record.fields();
    let is_listed = fields.size.is_none_or(|s| s == now.st_size as u64)
        && record.has_time(stat::modified(now))
        && fields.created.is_none_or(|c| c == stat::changed(now).as_double())
        && fields.ino.is_none_or(|i| i == now.st_ino);
    (!is_listed).then(|| {
        let mut edit = record.edit();
        stat::set(&mut edit, now);
        edit.finish()
    })
}

impl Version {
    fn of(stat: &Stat) -> Version {
        let (modified, changed) = (Some(stat::modified(stat)), Some(stat::changed(stat)));
        Version { size: Some(stat.st_size as u64), modified, changed, etag: None }
    }
}

/// An open file, read up to the size that it had when it was opened.
struct FileContent {
    file: File,
    version: Version,
    /// The number of bytes that were read.
    at: u64,
    /// The next bytes that are no hole. None if the file has no holes, or holes can't be found.
    data: Option<Range<u64>>,
}

impl Read for FileContent {
    /// Reads the next bytes. Those of a hole are zeros and are not read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let size = self.version.size.unwrap_or(0);
        let data = self.data()?.unwrap_or(self.at..size);
        let until = if self.at < data.start { data.start } else { data.end };
        let most = until.min(size).saturating_sub(self.at).min(buffer.len() as u64) as usize;
        let buffer = &mut buffer[..most];
        let n = if self.at < data.start {
            buffer.fill(0);
            most
        } else {
            self.file.read(buffer)?
        };
        self.at += n as u64;
        Ok(n)
    }
}

impl Content for FileContent {
    fn settle(&mut self, read: &Stored) -> io::Result<Settled> {
        let size = self.version.size.unwrap_or(0);
        let is_whole = read.size == size && self.is_at_end()?;
        let now = Version::of(&fs::fstat(&self.file)?);
        Ok(match (now == self.version, is_whole) {
            (true, true) => Settled::Whole,
            (true, false) => {
                Settled::Odd(format!("it is no ordinary file: its content is not what its size says, of {size} bytes"))
            }
            (false, _) if now.size > self.version.size && self.only_grew(read)? => Settled::Grew,
            (false, _) => Settled::Changed,
        })
    }
}

impl FileContent {
    fn new(file: File, stat: &Stat) -> FileContent {
        /// The holes of smaller files are read, because looking for them takes as long.
        const LARGE: i64 = 1 << 20;
        let data = (stat.st_size >= LARGE && stat::is_sparse(stat)).then_some(0..0);
        FileContent { file, version: Version::of(stat), at: 0, data }
    }

    /// Returns the bytes that are no hole, from the one that is read next or a later one on. The file is then at their start, or
    /// inside. None if that is not known.
    fn data(&mut self) -> io::Result<Option<Range<u64>>> {
        if let Some(known) = self.data.clone().filter(|data| data.end <= self.at) {
            let end = self.version.size.unwrap_or(0);
            let next = match fs::seek(&self.file, SeekFrom::Data(self.at)) {
                Ok(start) => fs::seek(&self.file, SeekFrom::Hole(start)).map(|end| start..end),
                // A hole goes up to the end. If the file was cut meanwhile, its size will tell.
                Err(Errno::NXIO) => Ok(end..u64::MAX),
                Err(e) => Err(e),
            };
            // Where the file system does not know, everything is read.
            self.data = next.ok().filter(|next| next.start >= self.at && next.end > known.end);
            fs::seek(&self.file, SeekFrom::Start(self.data.as_ref().map_or(self.at, |data| data.start)))?;
        }
        Ok(self.data.clone())
    }

    /// Checks whether the file has no more bytes.
    fn is_at_end(&mut self) -> io::Result<bool> {
        Ok(self.file.read(&mut [0])? == 0)
    }

    /// Checks whether the bytes that were read are still the start of the file. If so, data was only appended, as to a log.
    fn only_grew(&mut self, read: &Stored) -> io::Result<bool> {
        if Some(read.size) != self.version.size {
            return Ok(false);
        }
        self.file.rewind()?;
        let again = FileContent::new(self.file.try_clone()?, &fs::fstat(&self.file)?);
        Ok(md5_of_all(&mut again.take(read.size))? == read.md5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heap;
    use std::io::Write;

    #[test]
    fn only_what_comes_behind_the_end_is_growth() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("f"), "first").unwrap();
        let source = FolderSource::open(temp.path()).unwrap();
        let record = Record::parse(br#"{"name":"f"}"#).unwrap();
        let settled = |change: &dyn Fn(&mut File)| {
            let mut content = source.open(&record).unwrap().content;
            let read = heap::digest(&mut content).unwrap();
            change(&mut File::options().write(true).open(temp.path().join("f")).unwrap());
            content.settle(&read).unwrap()
        };
        assert_eq!(settled(&|_| ()), Settled::Whole);
        let append = |file: &mut File| file.seek(io::SeekFrom::End(0)).and_then(|_| file.write_all(b" and more")).unwrap();
        assert_eq!(settled(&append), Settled::Grew);
        assert_eq!(
            settled(&|file| file
                .write_all(b"F")
                .and_then(|()| file.seek(io::SeekFrom::End(0)))
                .and_then(|_| file.write_all(b"x"))
                .unwrap()),
            Settled::Changed
        );
        assert_eq!(settled(&|file| file.set_len(3).unwrap()), Settled::Changed);
    }

    #[test]
    fn a_file_that_is_what_was_listed_has_no_newer_record() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("f"), "first").unwrap();
        std::os::unix::fs::symlink("f", temp.path().join("l")).unwrap();
        let source = FolderSource::open(temp.path()).unwrap();
        let record = |text: &str| Record::parse(text.as_bytes()).unwrap();
        assert_eq!(source.newer(&record(r#"{"name":"f","size":5}"#)).unwrap(), None);
        let newer = source.newer(&record(r#"{"name":"f","size":4,"tag":"kept"}"#)).unwrap().unwrap();
        assert_eq!((newer.fields().size, newer.string("tag")), (Some(5), Some("kept".to_string())));
        assert_eq!(source.open(&record(r#"{"name":"f","size":4,"tag":"kept"}"#)).unwrap().record, Some(newer));
        assert_eq!(source.newer(&record(r#"{"name":"l","size":4}"#)).unwrap(), None, "a link is no file");
        assert_eq!(source.newer(&record(r#"{"name":"g"}"#)).unwrap_err().kind(), io::ErrorKind::NotFound);
    }

    /// Returns the number of bytes that this thread has read so far.
    fn bytes_read() -> u64 {
        let counts = std::fs::read_to_string("/proc/thread-self/io").unwrap();
        counts.lines().find_map(|line| line.strip_prefix("rchar: ")).unwrap().parse().unwrap()
    }

    /// A file with holes whose data is `X` everywhere. Returns its content.
    fn with_holes(path: &std::path::Path, size: u64, data: &[(u64, u64)]) -> Vec<u8> {
        let mut content = vec![0; size as usize];
        let file = File::create(path).unwrap();
        file.set_len(size).unwrap();
        for (at, len) in data {
            let bytes = vec![b'X'; *len as usize];
            std::os::unix::fs::FileExt::write_all_at(&file, &bytes, *at).unwrap();
            content[*at as usize..][..bytes.len()].copy_from_slice(&bytes);
        }
        content
    }

    #[test]
    fn holes_anywhere_are_zeros_and_are_not_read() {
        let temp = tempfile::tempdir().unwrap();
        let source = FolderSource::open(temp.path()).unwrap();
        let record = Record::parse(br#"{"name":"f"}"#).unwrap();
        let (size, end) = (8 << 20, (8 << 20) - 1);
        for data in [
            vec![],
            vec![(0, 1)],
            vec![(end, 1)],
            vec![(0, 5000), (1 << 20, 1 << 20), (4_999_999, 3)],
            vec![(4096, 4096), (3 * 4096, 1), (end - 70_000, 70_001)],
        ] {
            let content = with_holes(&temp.path().join("f"), size, &data);
            let stat = fs::stat(temp.path().join("f")).unwrap();
            let mut opened = source.open(&record).unwrap().content;
            let (mut read, before) = (Vec::with_capacity(9 << 20), bytes_read());
            opened.read_to_end(&mut read).unwrap();
            let bytes = bytes_read() - before;
            assert!(read == content, "{data:?}");
            if stat::is_sparse(&stat) {
                let most = data.iter().map(|(_, len)| len + (1 << 17)).sum::<u64>() + 1000;
                assert!(bytes <= most, "{data:?}: {bytes} bytes were read");
            }
            let stored = heap::digest(&mut &content[..]).unwrap();
            assert_eq!(opened.settle(&stored).unwrap(), Settled::Whole, "{data:?}");
        }
    }

    #[test]
    fn a_file_whose_holes_change_while_it_is_read_is_found_out() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("f");
        let source = FolderSource::open(temp.path()).unwrap();
        let record = Record::parse(br#"{"name":"f"}"#).unwrap();
        let changes = [
            ((|_| ()) as fn(&File), Settled::Whole),
            (|file| std::os::unix::fs::FileExt::write_all_at(file, b"Y", 3 << 20).unwrap(), Settled::Changed),
            (|file| file.set_len(5 << 20).unwrap(), Settled::Changed),
            (|file| file.set_len(9 << 20).unwrap(), Settled::Grew),
        ];
        for (change, settled) in changes {
            with_holes(&path, 8 << 20, &[(0, 1), (6 << 20, 1)]);
            // A change in the same tick of the clock shows too.
            File::options().write(true).open(&path).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
            let mut content = source.open(&record).unwrap().content;
            content.read_exact(&mut vec![0; 1 << 20]).unwrap();
            change(&File::options().write(true).open(&path).unwrap());
            let read =
                heap::digest(&mut io::Read::chain(&with_holes(&temp.path().join("g"), 1 << 20, &[(0, 1)])[..], &mut content));
            assert_eq!(content.settle(&read.unwrap()).unwrap(), settled);
        }
    }
}
