//! Encrypted snapshots: an age file around what a plain snapshot has, and behind that a gzip member with an authentication code. So
//! `age -d FILE | gzip -dc` shows the records.
//!
//! Encryption to a public key proves no sender. The code does: only who has the naming key of the heap can compute it. It covers the
//! time of the snapshot and all bytes before it, among which is the label with the root.

use super::damage::damaged;
use crate::codec::{self, CODE};
use crate::encryption::{Cipher, Code};
use crate::error::{OrFailed, Result};
use crate::files::temporaries;
use crate::time::Time;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use tempfile::SpooledTempFile;

/// A decrypted snapshot of up to this many bytes is held in memory. A larger one goes to an unnamed file in TMPDIR.
const HELD: usize = 4 << 20;
/// The number of bytes that are read at once.
const PIECE: usize = 64 << 10;
/// The number of bytes of a time in the last member.
const TIME: usize = 12;

/// Returns the last member, with the time of a snapshot and its code. Its length is always the same.
fn last_member(time: Time, code: &Code) -> Vec<u8> {
    codec::member(b"", 1, [(CODE, &[&time_bytes(time)[..], code].concat()[..])], true)
}

fn time_bytes(time: Time) -> [u8; TIME] {
    let mut bytes = [0; TIME];
    bytes[..8].copy_from_slice(&time.sec.to_le_bytes());
    bytes[8..].copy_from_slice(&time.nsec.to_le_bytes());
    bytes
}

/// Encrypts a snapshot of this time to memory or a temporary file, which is at its start then.
///
/// # Errors
/// If a temporary file can't be read or written.
pub fn seal(cipher: &Cipher, time: Time, mut plain: impl Read) -> Result<SpooledTempFile> {
    let mut sealing = || -> io::Result<SpooledTempFile> {
        let (mut code, mut writer) = (cipher.snapshot_code(), cipher.seal(BufWriter::new(SpooledTempFile::new(HELD)))?);
        let mut piece = vec![0; PIECE];
        while let n @ 1.. = plain.read(&mut piece)? {
            code.update(&piece[..n]);
            writer.write_all(&piece[..n])?;
        }
        code.update(&time_bytes(time));
        writer.write_all(&last_member(time, &code.finish()))?;
        let mut file = writer.finish()?.into_inner().map_err(|e| e.into_error())?;
        file.seek(SeekFrom::Start(0))?;
        Ok(file)
    };
    sealing().or_failed(temporaries)
}

/// A snapshot that was decrypted, with a code that is right.
pub struct Plain {
    held: Vec<u8>,
    /// Where it is if it is too large for memory.
    file: Option<File>,
    len: u64,
}

impl Plain {
    /// Decrypts a snapshot. `time` is the one in its name, if its name has one.
    ///
    /// # Errors
    /// If it can't be read or decrypted, is damaged, was written by nobody of this heap, or has the name of another one.
    pub fn unseal(cipher: &Cipher, shown: &str, time: Option<Time>, from: impl Read) -> Result<Plain> {
        let explain = |e| super::damage::explain(shown, e);
        let mut reader = cipher.unseal(from).map_err(explain)?;
        let mut plain = Plain { held: Vec::new(), file: None, len: 0 };
        let mut code = cipher.snapshot_code();
        // The last bytes so far may be the last member, which is no part of the snapshot.
        let length = last_member(Time { sec: 0, nsec: 0 }, &Code::default()).len();
        let (mut ahead, mut piece) = (Vec::with_capacity(PIECE + length), vec![0; PIECE]);
        while let n @ 1.. = reader.read(&mut piece).map_err(explain)? {
            ahead.extend_from_slice(&piece[..n]);
            let sure = ahead.len().saturating_sub(length);
            code.update(&ahead[..sure]);
            plain.add(&ahead[..sure]).or_failed(temporaries)?;
            ahead.drain(..sure);
        }
        let Some((said, right)) = said_in(&ahead) else { return Err(damaged(shown, "it has no authentication code at its end")) };
        code.update(&time_bytes(said));
        if !code.is(&right) {
            return Err(damaged(shown, "its authentication code is wrong: nobody who writes to this heap wrote it"));
        }
        match time.is_none_or(|time| time == said) {
            true => Ok(plain),
            false => Err(damaged(shown, "it is the snapshot of another time under this name")),
        }
    }

    fn add(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if self.file.is_none() && self.held.len() + bytes.len() > HELD {
            let file = self.file.insert(tempfile::tempfile()?);
            file.write_all(&std::mem::take(&mut self.held))?;
        }
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => {
                self.held.extend_from_slice(bytes);
                Ok(())
            }
        }
    }

    /// Returns its size in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        match &self.file {
            Some(file) => file.read_at(out, at),
            None => self.held.get(at as usize..).unwrap_or_default().read(out),
        }
    }
}

/// Returns the time and the code that the last member has.
fn said_in(member: &[u8]) -> Option<(Time, Code)> {
    let header = codec::read_header(&mut &*member).ok()??;
    let (time, code) = header.field(CODE)?.split_at_checked(TIME)?;
    let (sec, nsec) = time.split_at(8);
    let time = Time { sec: i64::from_le_bytes(sec.try_into().ok()?), nsec: u32::from_le_bytes(nsec.try_into().ok()?) };
    let code: Code = code.try_into().ok()?;
    (last_member(time, &code) == member).then_some((time, code))
}

/// A reader of a part of a decrypted snapshot.
pub struct PlainReader {
    plain: Arc<Plain>,
    at: u64,
    end: u64,
}

impl PlainReader {
    /// Returns a reader of at most `len` bytes from an offset.
    pub fn new(plain: Arc<Plain>, at: u64, len: Option<u64>) -> PlainReader {
        let end = len.map_or(plain.len, |len| at.saturating_add(len).min(plain.len));
        PlainReader { plain, at, end }
    }
}

impl Read for PlainReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX).min(out.len());
        let n = self.plain.read_at(&mut out[..most], self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}
