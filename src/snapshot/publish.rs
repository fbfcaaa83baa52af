//! Publishing a snapshot: one file, in one step, or nothing.

use super::index::Builder;
use super::label::{Label, Totals, ascii};
use super::{Place, path_for};
use crate::access::Access;
use crate::codec;
use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use crate::files;
use crate::name::Name;
use crate::parallel;
use crate::record::Record;
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
    /// Until it is written.
    label: Option<String>,
    member: usize,
    texts: Vec<Text>,
    index: Builder,
    /// Bytes written.
    written: u64,
    totals: Totals,
}

/// What goes into a member: records, and the name of the first.
#[derive(Default)]
struct Text {
    first: Option<Name>,
    bytes: Vec<u8>,
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
    /// If the label is too long, or the snap root can't be written.
    pub fn new(root: &Location, time: Time, label: &Label) -> Result<Publisher> {
        let label = Some(label.text()?);
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
        Ok(Publisher {
            root: root.clone(),
            time,
            out,
            label,
            member: MEMBER,
            texts: vec![Text::default()],
            index: Builder::default(),
            written: 0,
            totals: Totals::default(),
        })
    }

    /// How many bytes of text a gzip member has: a megabyte if this is not called. More compress better; fewer are found
    /// quicker.
    #[must_use]
    #[cfg(any(test, feature = "internals"))]
    pub fn with_members_of(self, bytes: usize) -> Publisher {
        Publisher { member: bytes, ..self }
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn push(&mut self, record: &Record) -> Result<()> {
        let full = |text: &Text| text.first.is_some() && text.bytes.len() + record.text().len() >= self.member;
        if self.texts.last().is_some_and(full) {
            if self.texts.len() == GROUP {
                self.flush()?;
            }
            self.texts.push(Text { first: None, bytes: Vec::with_capacity(self.member) });
        }
        self.index.see(record.name());
        if let Some(text) = self.texts.last_mut() {
            text.first.get_or_insert_with(|| record.name().clone());
            text.bytes.extend_from_slice(record.text());
            text.bytes.push(b'\n');
        }
        self.totals.records += 1;
        Ok(())
    }

    /// Compresses and writes what has gathered.
    fn flush(&mut self) -> Result<()> {
        let label = self.label.take();
        let label = label.as_ref().map(|text| (codec::LABEL, text.as_bytes()));
        let texts = std::mem::take(&mut self.texts);
        let compress = |i: usize, text: &Text| codec::member(&text.bytes, LEVEL, label.filter(|_| i == 0), true);
        let members = parallel::map(&texts, compress);
        for (text, member) in texts.iter().zip(&members) {
            if let Some(first) = &text.first {
                self.index.begin(self.written, first);
            }
            self.write(member)?;
        }
        Ok(())
    }

    /// Writes a member, and gives its offset.
    fn write(&mut self, member: &[u8]) -> Result<u64> {
        let written = match &mut self.out {
            Out::Folder(_, temp) => temp.write_all(member),
            Out::Store(_, temp, digest) => {
                digest.update(member);
                temp.write_all(member)
            }
        };
        written.or_failed(|| format!("write a snapshot to {}", self.root))?;
        let at = self.written;
        self.written += member.len() as u64;
        Ok(at)
    }

    /// Writes the members without content: the pieces of the index, if it has any, and the last one.
    fn write_end(&mut self) -> Result<()> {
        let index = std::mem::take(&mut self.index);
        let index = index.finish(&mut |piece| self.write(&codec::member(b"", LEVEL, [(codec::INDEX, piece)], true)))?;
        let totals = ascii(&self.totals);
        let last = |len: u32| {
            let len = len.to_le_bytes();
            let index = index.as_ref().map(|index| (codec::INDEX, &index[..]));
            let fields = [(codec::TOTALS, totals.as_bytes())].into_iter().chain(index).chain([(codec::LAST, &len[..])]);
            codec::member(b"", LEVEL, fields, true)
        };
        // Its own length is in it.
        let len = last(0).len() as u32;
        self.write(&last(len)).map(|_| ())
    }

    /// Publishes: in a folder the file is synced, gets its name (never in place of another), and the new folders are synced;
    /// in another storage it is put where nothing is yet. Where the name is taken the next free microsecond is.
    ///
    /// # Errors
    /// If any of that fails; the snapshot is then not there.
    pub fn finish(mut self, errors: u64) -> Result<Place> {
        self.flush()?;
        self.totals.errors = errors;
        self.write_end()?;
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
