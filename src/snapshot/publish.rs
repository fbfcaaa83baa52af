//! Publishing a snapshot: one file, in one step, or nothing.

use super::label::{Label, Totals, ascii};
use super::{Place, path_for};
use crate::access::Access;
use crate::codec;
use crate::error::{Error, OrFailed, Result};
use crate::files;
use crate::parallel;
use crate::record::{Md5, Record};
use crate::storage::{Attributes, Body, Location, Put, Store};
use crate::time::Time;
use md5::Digest;
use std::fs::File;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::NamedTempFile;

/// Bytes of text in a gzip member: enough to compress well, few enough to keep several in memory.
const MEMBER: usize = 1 << 20;
/// Members that are compressed at once.
const GROUP: usize = 4;
/// A snapshot is text that is read far more often than written.
const LEVEL: i32 = 6;

/// A snapshot that is being written. Dropped before [`Publisher::finish`], it leaves nothing.
pub struct Publisher {
    root: Location,
    time: Time,
    out: Out,
    comment: Option<String>,
    texts: Vec<Vec<u8>>,
    totals: Totals,
}

/// Where it is written.
enum Out {
    /// Beside its final place, under a name that nobody takes for a snapshot.
    Folder(PathBuf, NamedTempFile),
    /// In a file without a name, to be sent when it is whole.
    Store(Arc<dyn Store>, File, Box<md5::Md5>),
}

impl Publisher {
    /// Starts a snapshot of that time.
    ///
    /// # Errors
    /// If the snap root can't be written.
    pub fn new(root: &Location, time: Time, label: &Label) -> Result<Publisher> {
        let what = || format!("write the snap root {root}");
        let out = match root {
            Location::Folder(folder) => {
                let below = path_for(time).ok_or_else(out_of_range)?;
                let beside = folder.join(below.parent().unwrap_or(Path::new("")));
                let access = Access::make_root(folder).or_failed(what)?;
                access.make_folders(folder, below.parent().unwrap_or(Path::new(""))).or_failed(what)?;
                let temp = tempfile::Builder::new().prefix(".snap-").suffix(".tmp").tempfile_in(&beside).or_failed(what)?;
                crate::cleanup::register(temp.path());
                Out::Folder(folder.clone(), temp)
            }
            Location::Remote(store) => {
                let temp = files::temporary()?;
                Out::Store(store.clone(), temp, Box::default())
            }
        };
        let comment = Some(ascii(label));
        Ok(Publisher { root: root.clone(), time, out, comment, texts: vec![Vec::new()], totals: Totals::default() })
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn push(&mut self, record: &Record) -> Result<()> {
        if self.texts.last().is_some_and(|t| t.len() + record.text().len() >= MEMBER) {
            if self.texts.len() == GROUP {
                self.flush()?;
            }
            self.texts.push(Vec::with_capacity(MEMBER));
        }
        if let Some(text) = self.texts.last_mut() {
            text.extend_from_slice(record.text());
            text.push(b'\n');
        }
        self.totals.records += 1;
        Ok(())
    }

    /// Compresses and writes what has gathered.
    fn flush(&mut self) -> Result<()> {
        let first = self.comment.take();
        let texts = std::mem::take(&mut self.texts);
        let member = |i: usize, text: &Vec<u8>| codec::member(text, LEVEL, first.as_deref().filter(|_| i == 0), true);
        let members = parallel::map(&texts, member);
        members.iter().try_for_each(|member| self.write(member))
    }

    fn write(&mut self, member: &[u8]) -> Result<()> {
        let written = match &mut self.out {
            Out::Folder(_, temp) => temp.write_all(member),
            Out::Store(_, temp, digest) => {
                digest.update(member);
                temp.write_all(member)
            }
        };
        written.or_failed(|| format!("write a snapshot to {}", self.root))
    }

    /// Publishes: in a folder the file is synced, gets its name (never in place of another), and the new folders are synced;
    /// in another storage it is put where nothing is yet. Where the name is taken the next free microsecond is.
    ///
    /// # Errors
    /// If any of that fails; the snapshot is then not there.
    pub fn finish(mut self, errors: u64) -> Result<Place> {
        self.flush()?;
        self.totals.errors = errors;
        let last = codec::member(b"", LEVEL, Some(&ascii(&self.totals)), true);
        self.write(&last)?;
        let what = || format!("write a snapshot to {}", self.root);
        match self.out {
            Out::Folder(root, temp) => {
                let mode = Access::of(&root).or_failed(what)?.file_mode();
                temp.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).or_failed(what)?;
                temp.as_file().sync_all().or_failed(what)?;
                name_file(&root, temp, self.time, &self.root)
            }
            Out::Store(store, temp, digest) => {
                let md5 = Md5((*digest).finalize().into());
                send(store, temp, md5, self.time, &self.root)
            }
        }
    }
}

fn out_of_range() -> Error {
    Error::refused("the clock is out of range")
}

/// The next time that a snapshot may have.
fn next(time: Time) -> Time {
    Time { sec: time.sec + i64::from(time.nsec >= 999_999_000), nsec: (time.nsec + 1000) % 1_000_000_000 }
}

fn name_file(root: &Path, mut temp: NamedTempFile, mut time: Time, shown: &Location) -> Result<Place> {
    loop {
        let below = path_for(time).ok_or_else(out_of_range)?;
        let path = root.join(&below);
        let folder = below.parent().unwrap_or(Path::new(""));
        let made = Access::of(root).and_then(|access| access.make_folders(root, folder));
        made.or_failed(|| format!("write the snap root {shown}"))?;
        match temp.persist_noclobber(&path) {
            Ok(_) => match sync_folders(root, &below) {
                Ok(()) => return Ok(Place::File(path)),
                Err(e) => {
                    // Whoever hears that it failed must not find it.
                    let _ = std::fs::remove_file(&path);
                    return Err(e).or_failed(|| format!("sync {}", path.display()));
                }
            },
            Err(e) if e.error.kind() == std::io::ErrorKind::AlreadyExists => {
                temp = e.file;
                time = next(time);
            }
            Err(e) => return Err(Error::io(format!("write a snapshot to {shown}"), e.error)),
        }
    }
}

fn send(store: Arc<dyn Store>, mut temp: File, md5: Md5, mut time: Time, shown: &Location) -> Result<Place> {
    let what = || format!("write a snapshot to {shown}");
    let size = temp.metadata().or_failed(what)?.len();
    let attributes = Attributes { content_type: Some("application/gzip".to_string()), ..Attributes::default() };
    let how = Put { if_absent: true, md5: Some(md5), size: Some(size), attributes };
    loop {
        let key = path_for(time).ok_or_else(out_of_range)?.into_os_string().into_vec();
        temp.rewind().or_failed(what)?;
        if store.put(&key, Body::Stream(&mut temp), &how).or_failed(what)? {
            return Ok(Place::Object(store, key));
        }
        time = next(time);
    }
}

/// Makes the new name last, and the folders' names that lead to it.
fn sync_folders(root: &Path, below: &Path) -> std::io::Result<()> {
    for folder in below.ancestors().skip(1) {
        let folder = root.join(folder);
        File::open(&folder)?.sync_all()?;
    }
    Ok(())
}
