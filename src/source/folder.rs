//! A folder of this machine as a source. All its entries are reached through open descriptors.

use super::entry::{FolderSource, failure, stat_at};
use super::selection::Selection;
use super::{Content, Opened, Settled, Source, Version, facts, walk};
use crate::error::Result;
use crate::heap::{self, Stored};
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::split;
use crate::stat::{self};
use crate::storage::Location;
use crate::stream::Records;
use rustix::fs::{self, OFlags, Stat};
use std::fs::File;
use std::io::{self, Read, Seek};
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
        let open = || self.root.open_at(above, OFlags::PATH | OFlags::DIRECTORY);
        let folder: Option<OwnedFd> = match (!above.is_empty()).then(open).transpose() {
            Ok(folder) => folder,
            Err(e) => return Ok(Some(failure(selection, &name, "open its folder", &e))),
        };
        let folder: BorrowedFd<'_> = folder.as_ref().map_or(self.root.fd(), |f| f.as_fd());
        Ok(match stat_at(folder, part) {
            Ok(stat) if selection.keeps_out(&bytes, &stat) => None,
            Ok(stat) => self.record(folder, part, name, &stat, selection),
            Err(e) => Some(failure(selection, &name, "look at it", &e)),
        })
    }

    fn open(&self, record: &Record) -> io::Result<Opened> {
        let file = self.root.open_file(record.name().as_bytes())?;
        let opened = fs::fstat(&file)?;
        let version = Version::of(&opened);
        // Without a limit, reading a file that grows faster than it is read would never end.
        let content = Box::new(FileContent { file: file.take(opened.st_size as u64), version: version.clone() });
        Ok(Opened { record: as_now(record, &opened), version, content })
    }

    fn newer(&self, record: &Record) -> io::Result<Option<Record>> {
        let stat = fs::fstat(self.root.open_at(record.name().as_bytes(), OFlags::PATH)?)?;
        Ok(as_now(record, &stat).filter(|_| stat::kind(&stat) == Some(Kind::File)))
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
    file: io::Take<File>,
    version: Version,
}

impl Read for FileContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Content for FileContent {
    fn settle(&mut self, read: &Stored) -> io::Result<Settled> {
        let size = self.version.size.unwrap_or(0);
        let is_whole = read.size == size && self.is_at_end()?;
        let now = Version::of(&fs::fstat(self.file.get_ref())?);
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
    /// Checks whether the file has no more bytes.
    fn is_at_end(&mut self) -> io::Result<bool> {
        self.file.set_limit(1);
        Ok(io::copy(&mut self.file, &mut io::sink())? == 0)
    }

    /// Checks whether the bytes that were read are still the start of the file. If so, data was only appended, as to a log.
    fn only_grew(&mut self, read: &Stored) -> io::Result<bool> {
        if Some(read.size) != self.version.size {
            return Ok(false);
        }
        let mut again = self.file.get_ref();
        again.rewind()?;
        Ok(heap::digest(&mut again.take(read.size))?.md5 == read.md5)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
