//! One file or link: left alone, put right, or made anew beside its name and then renamed.

use super::Context;
use super::meta::{Meta, fresh};
use crate::content::{Content, Lack};
use crate::error::{Error, reason};
use crate::record::{Kind, Md5, Record};
use crate::rootdir::{Folder, Temp};
use md5::Digest;
use rustix::fs::{FileType, Stat};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// A record and the open folder that its name is in.
pub struct Target {
    pub record: Record,
    pub folder: Arc<Folder>,
}

impl Target {
    pub fn leaf(&self) -> &[u8] {
        crate::rootdir::split(self.record.name().as_bytes()).1
    }
}

/// A file or link that is there now.
pub struct Made {
    /// Its record as the file system has it, if that was asked for.
    pub now: Option<Box<Record>>,
    /// What of its metadata could not be set, and why.
    pub set: Result<(), String>,
}

/// Why a file or link is not there.
pub enum Trouble {
    /// A failure of this one record.
    Failed(String),
    /// A folder that is not empty is in its place.
    Blocked,
    /// The disk is full, or the like: no other file will fare better.
    Fatal(Error),
}

impl From<Lack> for Trouble {
    fn from(lack: Lack) -> Trouble {
        match lack {
            Lack::Record(reason) => Trouble::Failed(reason),
            Lack::All(e) => Trouble::Fatal(e),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Trouble {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match e.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => Trouble::Fatal(Error::io("write", e)),
            _ => Trouble::Failed(reason(&e)),
        }
    }
}

/// What is under the name and has to go.
enum There {
    Nothing,
    File,
    Folder,
}

/// Makes a file or link as its record says.
pub fn make(target: &Target, context: &Context) -> Result<Made, Trouble> {
    let made = match target.record.kind() {
        Kind::Link => link(target, context),
        _ => file(target, context),
    };
    made.map_err(|trouble| match trouble {
        Trouble::Fatal(Error::Io { source, .. }) => {
            Trouble::Fatal(Error::io(format!("write {}", target.record.name().printable()), source))
        }
        trouble => trouble,
    })
}

fn file(target: &Target, context: &Context) -> Result<Made, Trouble> {
    let (record, folder, leaf) = (&target.record, &target.folder, target.leaf());
    let meta = Meta::of(record, context);
    let there = folder.lstat(leaf)?;
    if let Some(stat) = there.as_ref().filter(|s| is(s, FileType::RegularFile)) {
        let differs = meta.differs(record, stat) || meta.xattrs_differ(folder, leaf, stat);
        // What has several names may have one that is not ours to change: it is replaced, never changed.
        if same_content(target, stat, context)? && !(differs && stat.st_nlink > 1) {
            if !differs {
                return Ok(Made { now: context.report.then(|| Box::new(fresh(record, stat))), set: Ok(()) });
            }
            let fd = folder.open_same(leaf, stat)?;
            let set = meta.set(&fd, context);
            return Ok(Made { now: report(record, context, || Ok(rustix::fs::fstat(&fd)?))?, set });
        }
    }
    let there = in_the_way(folder, leaf, there.as_ref(), context)?;
    let content = context.source.content(record)?;
    let mut temp = Temp::new(folder, !matches!(there, There::Nothing))?;
    write(temp.file(), content, record.fields().sparse)?;
    let set = meta.or_mode(0o666 & !context.umask).set(temp.file(), context);
    make_way(folder, leaf, &there)?;
    temp.publish(leaf)?;
    Ok(Made { now: report(record, context, || Ok(rustix::fs::fstat(temp.file())?))?, set })
}

fn link(target: &Target, context: &Context) -> Result<Made, Trouble> {
    let (record, folder, leaf) = (&target.record, &target.folder, target.leaf());
    let meta = Meta::of(record, context);
    let Some(destination) = record.fields().destination.as_deref() else {
        return Err(Trouble::Failed("the link has no target".into()));
    };
    if record.fields().md5.is_some_and(|md5| md5 != Md5(md5::Md5::digest(destination).into())) {
        return Err(Trouble::Failed("its target is not what its md5 says".into()));
    }
    let mut there = folder.lstat(leaf)?;
    let same = there.as_ref().is_some_and(|s| is(s, FileType::Symlink)) && folder.read_link(leaf)? == destination;
    let several_names = there.as_ref().is_some_and(|s| s.st_nlink > 1);
    let stat = match there.take().filter(|s| same && !(several_names && differs(&meta, target, s))) {
        Some(stat) => stat,
        None => {
            let there = in_the_way(folder, leaf, folder.lstat(leaf)?.as_ref(), context)?;
            make_way(folder, leaf, &there)?;
            folder.symlink(destination, leaf, matches!(there, There::File))?;
            folder.lstat(leaf)?.ok_or_else(|| Trouble::Failed("it was removed at once".into()))?
        }
    };
    let mut set = Ok(());
    if meta.owner_differs(&stat) {
        set = folder.set_link_owner(leaf, &stat, meta.uid, meta.gid).map_err(|e| format!("can't set the owner: {}", reason(&e)));
    }
    if let Some(time) = meta.time.filter(|_| !record.has_time(crate::stat::modified(&stat))) {
        set = set.and(folder.set_link_time(leaf, &stat, time).map_err(|e| format!("can't set the time: {}", reason(&e))));
    }
    set = set.and(meta.set_link_xattrs(folder, leaf, &stat));
    let now = report(record, context, || folder.lstat(leaf)?.ok_or_else(|| io::ErrorKind::NotFound.into()))?;
    Ok(Made { now, set })
}

/// A link's mode means nothing.
pub fn differs(meta: &Meta, target: &Target, stat: &Stat) -> bool {
    meta.owner_differs(stat)
        || !target.record.has_time(crate::stat::modified(stat))
        || meta.xattrs_differ(&target.folder, target.leaf(), stat)
}

/// Makes a file another name of one that was restored before.
pub fn hard_link(target: &Target, first: (&Folder, &[u8]), context: &Context) -> Result<Made, Trouble> {
    let work = || -> Result<Made, Trouble> {
        let (folder, leaf) = (&target.folder, target.leaf());
        let origin = first.0.lstat(first.1)?.filter(|s| is(s, FileType::RegularFile));
        let origin = origin.ok_or_else(|| Trouble::Failed("the file that it is another name of is gone".into()))?;
        let there = folder.lstat(leaf)?;
        if there.as_ref().is_none_or(|s| (s.st_dev, s.st_ino) != (origin.st_dev, origin.st_ino)) {
            let there = in_the_way(folder, leaf, there.as_ref(), context)?;
            make_way(folder, leaf, &there)?;
            folder.link(leaf, first.0, first.1, matches!(there, There::File))?;
        }
        let now = report(&target.record, context, || folder.lstat(leaf)?.ok_or_else(|| io::ErrorKind::NotFound.into()))?;
        Ok(Made { now, set: Ok(()) })
    };
    match work() {
        // Another file system, too many links: then it becomes a file of its own.
        Err(Trouble::Failed(_)) => make(target, context),
        made => made,
    }
}

fn report(record: &Record, context: &Context, stat: impl FnOnce() -> io::Result<Stat>) -> Result<Option<Box<Record>>, Trouble> {
    if context.report { Ok(Some(Box::new(fresh(record, &stat()?)))) } else { Ok(None) }
}

/// Whether a regular file has the content of its record: by size and time, or by reading it.
pub fn same_content(target: &Target, stat: &Stat, context: &Context) -> io::Result<bool> {
    let fields = target.record.fields();
    if fields.size.is_some_and(|size| size != stat.st_size as u64) {
        return Ok(false);
    }
    if !context.checksum && fields.size.is_some() && target.record.modified().is_some() {
        return Ok(target.record.has_time(crate::stat::modified(stat)));
    }
    let Some(md5) = fields.md5 else { return Ok(false) };
    let mut file = target.folder.open_file(target.leaf())?;
    let (mut digest, mut buffer) = (md5::Md5::new(), vec![0; 1 << 17]);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(md5 == Md5(digest.finalize().into())),
            Ok(n) => digest.update(&buffer[..n]),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}

pub fn is(stat: &Stat, kind: FileType) -> bool {
    FileType::from_raw_mode(stat.st_mode) == kind
}

/// What is to be replaced. A folder that is not empty, or is a root that is not to be touched, stays.
fn in_the_way(folder: &Folder, leaf: &[u8], stat: Option<&Stat>, context: &Context) -> Result<There, Trouble> {
    match stat {
        None => Ok(There::Nothing),
        Some(stat) if !is(stat, FileType::Directory) => Ok(There::File),
        Some(stat) if context.keeps(stat) => Err(Trouble::Failed("the heap or the snapshots are in its place".into())),
        Some(_) => match folder.open_own(leaf).and_then(|(fd, _)| Folder::of(fd).is_empty())? {
            true => Ok(There::Folder),
            false => Err(Trouble::Blocked),
        },
    }
}

fn make_way(folder: &Folder, leaf: &[u8], there: &There) -> Result<(), Trouble> {
    match there {
        There::Folder => folder.remove_folder(leaf).map_err(|e| match e.kind() {
            io::ErrorKind::DirectoryNotEmpty => Trouble::Blocked,
            _ => e.into(),
        }),
        _ => Ok(()),
    }
}

/// Writes a content.
fn write(file: &File, content: Content, sparse: bool) -> Result<(), Trouble> {
    let mut out = Writer { file, at: 0, sparse };
    match content {
        Content::Whole(bytes) => out.put(&bytes)?,
        Content::Stream(mut input) => {
            let mut buffer = vec![0; 1 << 18];
            loop {
                // Filled as far as it goes, so that holes keep to whole blocks.
                let mut filled = 0;
                while filled < buffer.len() {
                    match input.read(&mut buffer[filled..]) {
                        Ok(0) => break,
                        Ok(n) => filled += n,
                        Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                        Err(e) => return Err(Trouble::Failed(reason(&e))),
                    }
                }
                out.put(&buffer[..filled])?;
                if filled < buffer.len() {
                    break;
                }
            }
        }
    }
    if sparse { Ok(file.set_len(out.at)?) } else { Ok(()) }
}

struct Writer<'a> {
    file: &'a File,
    at: u64,
    sparse: bool,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        /// Holes are made of whole blocks of the file system.
        const BLOCK: usize = 4096;
        if !self.sparse {
            let mut file = self.file;
            self.at += bytes.len() as u64;
            return file.write_all(bytes);
        }
        // Data in a row goes out in one piece.
        let mut data = 0..0;
        for block in bytes.chunks(BLOCK) {
            let end = data.end + block.len();
            if block.len() == BLOCK && block.iter().all(|b| *b == 0) {
                self.file.write_all_at(&bytes[data.clone()], self.at + data.start as u64)?;
                data = end..end;
            } else {
                data.end = end;
            }
        }
        self.file.write_all_at(&bytes[data.clone()], self.at + data.start as u64)?;
        self.at += bytes.len() as u64;
        Ok(())
    }
}
