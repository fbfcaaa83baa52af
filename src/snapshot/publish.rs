//! Publishing a snapshot: a whole file in one step, or nothing.

use super::encrypted;
use super::index::Builder;
use super::kept;
use super::label::{Label, Totals, ascii};
use super::{ENCRYPTED, Place, path_for};
use crate::codec::{self, GzipReader};
use crate::digest::md5_of_all;
use crate::encryption::Cipher;
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::files::temporaries;
use crate::name::Name;
use crate::parallel;
use crate::record::Record;
use crate::storage::{Attributes, Body, Location, Put, Store};
use crate::stream::Reader;
use crate::time::Time;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStringExt;
use tempfile::SpooledTempFile;

/// The size of the text in a gzip member, in bytes: large enough to compress well, small enough to hold several in memory.
const MEMBER: usize = 1 << 20;
/// The number of members that are compressed at once.
const GROUP: usize = 4;
/// The size in bytes up to which the members are held in memory. Larger ones go to an unnamed file in TMPDIR.
const KEPT: usize = 4 << 20;
/// The level of compression. A snapshot is text, and is read far more often than written.
const LEVEL: i32 = 6;

/// What happens if there is a snapshot of the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The new one gets the next free microsecond.
    Next,
    /// Nothing is published.
    Refuse,
    /// The new one takes its place, in one step.
    Replace,
}

/// Checks that there is no snapshot of exactly this time, to the microsecond.
///
/// # Errors
/// If there is one, or the snap root can't be read.
pub fn refuse_taken(root: &Location, time: Time, is_encrypted: bool) -> Result<()> {
    let (store, key) = (root.store(), key_of(time, is_encrypted)?);
    match store.stat(&key).or_failed(|| format!("snap root {root}"))? {
        Some(_) => Err(taken(&Place::new(store, key))),
        None => Ok(()),
    }
}

/// Returns the error for a time that another snapshot has.
fn taken(place: &Place) -> Error {
    Error::rule(Refusal::SnapshotThere, format!("there is a snapshot of that time already: {place}"))
}

/// A snapshot that is being written. It is compressed while its records arrive, and nothing is published before
/// [`Publisher::finish`].
pub struct Publisher {
    /// The text of the first member, whose header has the label, which is known at the end. None while it is among `texts`.
    first: Option<Text>,
    /// The texts that are not compressed yet; the last one grows.
    texts: Vec<Text>,
    /// The compressed members behind the first.
    out: SpooledTempFile,
    /// The number of bytes in `out`.
    written: u64,
    member: usize,
    index: Builder,
    totals: Totals,
}

/// The content of a member: records, and the name of the first.
#[derive(Default)]
struct Text {
    first: Option<Name>,
    bytes: Vec<u8>,
}

impl Default for Publisher {
    fn default() -> Publisher {
        Publisher {
            first: None,
            texts: vec![Text::default()],
            out: SpooledTempFile::new(KEPT),
            written: 0,
            member: MEMBER,
            index: Builder::default(),
            totals: Totals::none(),
        }
    }
}

impl Publisher {
    /// Sets the size of the text in a gzip member, in bytes; it is 1 MiB by default. Larger members compress better. In smaller
    /// ones, a record is found faster.
    #[must_use]
    #[cfg(any(test, feature = "internals"))]
    pub fn with_members_of(self, bytes: usize) -> Publisher {
        Publisher { member: bytes, ..self }
    }

    /// Whether a record of this name can be the next one: it is behind all others, in order of name.
    pub fn precedes(&self, name: &Name) -> bool {
        self.index.precedes(name)
    }

    /// Adds a record.
    ///
    /// # Errors
    /// If it can't be written.
    pub fn push(&mut self, record: &Record) -> Result<()> {
        let full = |text: &Text| text.first.is_some() && text.bytes.len() + record.text().len() >= self.member;
        if self.texts.last().is_none_or(full) {
            if self.first.is_none() {
                self.first = self.texts.pop();
            }
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
        self.totals.add(record);
        Ok(())
    }

    /// Returns the number of records.
    pub fn records(&self) -> u64 {
        self.totals.records
    }

    /// Reads the records so far once more.
    ///
    /// # Errors
    /// If the temporary file can't be written or read.
    pub fn read(&mut self) -> Result<impl Iterator<Item = Result<Record>>> {
        if self.first.is_some() {
            self.flush()?;
        }
        let text = self.first.as_ref().or(self.texts.first()).map_or(&[][..], |text| &text.bytes);
        let rest = match self.written {
            0 => None,
            _ => {
                self.out.rewind().or_failed(temporaries)?;
                let gzip = GzipReader::new(BufReader::new(&mut self.out)).or_failed(temporaries)?;
                Some(Reader::new(temporaries(), gzip))
            }
        };
        Ok(Reader::new(temporaries(), text).chain(rest.into_iter().flatten()))
    }

    /// Compresses and writes the texts that have gathered.
    fn flush(&mut self) -> Result<()> {
        // The members may have been read since the last one was written.
        self.out.seek(SeekFrom::End(0)).or_failed(temporaries)?;
        let texts = std::mem::take(&mut self.texts);
        let members = parallel::map(&texts, |_, text: &Text| codec::member(&text.bytes, LEVEL, None, true));
        for (text, member) in texts.iter().zip(&members) {
            let Some(first) = &text.first else { continue };
            self.index.begin(self.written, first);
            self.write(member)?;
        }
        Ok(())
    }

    /// Writes a member, and returns its offset.
    fn write(&mut self, member: &[u8]) -> Result<u64> {
        self.out.write_all(member).or_failed(temporaries)?;
        let at = self.written;
        self.written += member.len() as u64;
        Ok(at)
    }

    /// Returns the first member, with the label. The offsets of the others are counted from its start then.
    fn first(&mut self, label: &str) -> Vec<u8> {
        let text = self.first.take().unwrap_or_default();
        let member = codec::member(&text.bytes, LEVEL, [(codec::LABEL, label.as_bytes())], true);
        self.index.begin_all(member.len() as u64, text.first.as_ref());
        self.written += member.len() as u64;
        member
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
        // It contains its own length.
        let len = last(0).len() as u32;
        self.write(&last(len)).map(|_| ())
    }

    /// Makes the snap root, and returns the text of the label. What fails here fails before anything else is changed.
    ///
    /// # Errors
    /// If the label is too long, or the snap root can't be written.
    pub fn ready(root: &Location, label: &Label) -> Result<String> {
        let label = label.text()?;
        root.make().or_failed(|| format!("write the snap root {root}"))?;
        Ok(label)
    }

    /// Does what [`Publisher::publish`] does. If the time is taken, the next free microsecond is used.
    ///
    /// # Errors
    /// Those of [`Publisher::publish`].
    #[cfg(any(test, feature = "internals"))]
    pub fn finish(self, root: &Location, time: Time, label: &Label, errors: u64) -> Result<Place> {
        self.publish(root, time, Taken::Next, label, errors, None)
    }

    /// Publishes the snapshot durably, in one step, under the name of its time; encrypted, if there are keys for that. `errors` is the
    /// number of records that are missing because they failed.
    ///
    /// # Errors
    /// If the label is too long, the time is taken and that is refused, or the snap root can't be written; nothing has changed
    /// then.
    pub fn publish(
        mut self,
        root: &Location,
        mut time: Time,
        if_taken: Taken,
        label: &Label,
        errors: u64,
        cipher: Option<&Cipher>,
    ) -> Result<Place> {
        let label_text = Publisher::ready(root, label)?;
        let what = || format!("write a snapshot to {root}");
        if self.first.is_none() {
            self.first = self.texts.pop();
        }
        self.flush()?;
        self.totals.errors = errors;
        let first = self.first(&label_text);
        self.write_end()?;
        let store = root.store();
        // The name has microseconds.
        time.nsec -= time.nsec % 1000;
        loop {
            let key = key_of(time, cipher.is_some())?;
            let is_put = match cipher {
                None => put(&*store, &key, Whole { first: &first, rest: &mut self.out, media: "application/gzip" }, if_taken)?,
                Some(cipher) => {
                    self.out.rewind().or_failed(temporaries)?;
                    // The time is part of what is encrypted.
                    let mut sealed = encrypted::seal(cipher, time, first.chain(&mut self.out))?;
                    put(&*store, &key, Whole { first: b"", rest: &mut sealed, media: "application/octet-stream" }, if_taken)?
                }
            };
            if is_put.or_failed(what)? {
                if let Some(cipher) = cipher {
                    self.out.rewind().or_failed(temporaries)?;
                    let name = path_for(time).unwrap_or_default();
                    kept::keep(cipher, root, label.root.as_deref(), &name, &mut first.chain(&mut self.out));
                }
                return Ok(Place::new(store, key));
            }
            if if_taken == Taken::Refuse {
                return Err(taken(&Place::new(store, key)));
            }
            time = next(time);
        }
    }
}

/// The bytes of a snapshot, and their media type.
struct Whole<'a, R> {
    first: &'a [u8],
    rest: &'a mut R,
    media: &'static str,
}

/// Puts a snapshot. Returns false if there is one of this key already, unless that is to be replaced.
fn put(store: &dyn Store, key: &[u8], whole: Whole<'_, impl Read + Seek + Send>, if_taken: Taken) -> Result<io::Result<bool>> {
    let Whole { first, rest, media } = whole;
    rest.rewind().or_failed(temporaries)?;
    let md5 = md5_of_all(&mut first.chain(&mut *rest)).or_failed(temporaries)?;
    let size = first.len() as u64 + rest.stream_position().or_failed(temporaries)?;
    rest.rewind().or_failed(temporaries)?;
    let attributes = Attributes { content_type: Some(media.to_string()), ..Attributes::default() };
    let if_absent = if_taken != Taken::Replace;
    let how = Put { if_absent, md5: Some(md5), size: Some(size), attributes, stays_readable: true };
    // A storage may ignore the condition without a word. If it lets nobody look, the condition has to do.
    let is_taken = if_absent && !store.puts_if_absent() && matches!(store.stat(key), Ok(Some(_)));
    Ok(if is_taken { Ok(false) } else { store.put(key, Body::Stream(&mut first.chain(rest)), &how) })
}

/// Returns the key of the snapshot of a time.
fn key_of(time: Time, is_encrypted: bool) -> Result<Vec<u8>> {
    let path = path_for(time).ok_or_else(|| Error::refused("the time of the snapshot is out of range"))?;
    let mut key = path.into_os_string().into_vec();
    key.extend_from_slice(if is_encrypted { ENCRYPTED.as_bytes() } else { b"" });
    Ok(key)
}

/// Returns the next time that a snapshot can have.
fn next(time: Time) -> Time {
    Time { sec: time.sec + i64::from(time.nsec >= 999_999_000), nsec: (time.nsec + 1000) % 1_000_000_000 }
}
