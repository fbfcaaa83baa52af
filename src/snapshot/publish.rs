//! Publishing a snapshot: a whole file in one step, or nothing.

use super::index::Builder;
use super::label::{Label, Totals, ascii};
use super::{Place, path_for};
use crate::codec;
use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use crate::files::temporaries;
use crate::name::Name;
use crate::parallel;
use crate::record::Record;
use crate::storage::{Attributes, Body, Location, Put};
use crate::time::Time;
use md5::Digest;
use std::io::{Seek, Write};
use std::os::unix::ffi::OsStringExt;
use tempfile::SpooledTempFile;

/// The size of the text in a gzip member, in bytes: large enough to compress well, small enough to hold several in memory.
const MEMBER: usize = 1 << 20;
/// The number of members that are compressed at once.
const GROUP: usize = 4;
/// The size in bytes up to which a snapshot is held in memory until it is whole. A larger one goes to an unnamed file in TMPDIR.
const KEPT: usize = 4 << 20;
/// The level of compression. A snapshot is text, and is read far more often than written.
const LEVEL: i32 = 6;

/// A snapshot that is being written. If it is dropped before [`Publisher::finish`], nothing is left.
pub struct Publisher {
    root: Location,
    time: Time,
    /// The bytes written so far, to be put when the snapshot is whole, and their md5.
    out: SpooledTempFile,
    md5: md5::Md5,
    /// None after it was written.
    label: Option<String>,
    member: usize,
    texts: Vec<Text>,
    index: Builder,
    /// The number of bytes written.
    written: u64,
    totals: Totals,
}

/// The content of a member: records, and the name of the first.
#[derive(Default)]
struct Text {
    first: Option<Name>,
    bytes: Vec<u8>,
}

impl Publisher {
    /// Starts a snapshot of that time.
    ///
    /// # Errors
    /// If the label is too long, or the snap root can't be written.
    pub fn new(root: &Location, time: Time, label: &Label) -> Result<Publisher> {
        let label = Some(label.text()?);
        root.make().or_failed(|| format!("write the snap root {root}"))?;
        Ok(Publisher {
            root: root.clone(),
            time,
            out: SpooledTempFile::new(KEPT),
            md5: md5::Md5::default(),
            label,
            member: MEMBER,
            texts: vec![Text::default()],
            index: Builder::default(),
            written: 0,
            totals: Totals::default(),
        })
    }

    /// Sets the size of the text in a gzip member, in bytes; it is 1 MiB by default. Larger members compress better. In smaller
    /// ones, a record is found faster.
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

    /// Compresses and writes the texts that have gathered.
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

    /// Writes a member, and returns its offset.
    fn write(&mut self, member: &[u8]) -> Result<u64> {
        self.md5.update(member);
        self.out.write_all(member).or_failed(temporaries)?;
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
        // It contains its own length.
        let len = last(0).len() as u32;
        self.write(&last(len)).map(|_| ())
    }

    /// Publishes the snapshot durably, in one step, under a name that is free: if it is taken, the next free microsecond is used.
    ///
    /// # Errors
    /// If that fails; there is no snapshot then.
    pub fn finish(mut self, errors: u64) -> Result<Place> {
        self.flush()?;
        self.totals.errors = errors;
        self.write_end()?;
        let what = || format!("write a snapshot to {}", self.root);
        let attributes = Attributes { content_type: Some("application/gzip".to_string()), ..Attributes::default() };
        let md5 = Some(Md5(self.md5.finalize().into()));
        let how = Put { if_absent: true, md5, size: Some(self.written), attributes };
        let (store, mut time) = (self.root.store(), self.time);
        loop {
            let key = path_for(time).ok_or_else(out_of_range)?.into_os_string().into_vec();
            self.out.rewind().or_failed(what)?;
            if store.put(&key, Body::Stream(&mut self.out), &how).or_failed(what)? {
                return Ok(Place::new(store, key));
            }
            time = next(time);
        }
    }
}

fn out_of_range() -> Error {
    Error::refused("the clock is out of range")
}

/// Returns the next time that a snapshot can have.
fn next(time: Time) -> Time {
    Time { sec: time.sec + i64::from(time.nsec >= 999_999_000), nsec: (time.nsec + 1000) % 1_000_000_000 }
}
