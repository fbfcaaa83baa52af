//! The note in the header of an object: the number of bytes that are encrypted, and a code that only a writer of this heap can
//! compute. Who can't decrypt the object sees by it whether the object is the one of its name, and has the right size.

use super::naming::{Code, LEN, NamingKey, Use};
use crate::digest::Md5;
use age_core::format::{FileKey, Stanza};
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use std::collections::HashSet;

/// The tag of the stanza. Stock tools pass over stanzas with tags that they do not know.
const TAG: &str = "snapshooter";

/// The number of bytes at the start of an object in which its header has to end.
pub const HEADER: u64 = 16 << 10;
/// The first line of an age file.
const FIRST: &[u8] = b"age-encryption.org/v1\n";
/// The bytes of a chunk, of the nonce before the first one, and of the tag behind each.
const CHUNK: u64 = 64 << 10;
const NONCE: u64 = 16;
const CHUNK_TAG: u64 = 16;

/// A note, which the age library takes for a recipient.
pub struct Note {
    len: u64,
    code: Code,
}

impl Note {
    /// Returns the note for an object with this id, of which `len` bytes are encrypted.
    pub fn new(naming: &NamingKey, id: &Md5, len: u64) -> Note {
        Note { len, code: code_of(naming, id, len) }
    }
}

impl age::Recipient for Note {
    fn wrap_file_key(&self, _: &FileKey) -> Result<(Vec<Stanza>, HashSet<String>), age::EncryptError> {
        let stanza = Stanza { tag: TAG.to_string(), args: vec![self.len.to_string()], body: self.code.to_vec() };
        Ok((vec![stanza], HashSet::new()))
    }
}

fn code_of(naming: &NamingKey, id: &Md5, len: u64) -> Code {
    naming.code(Use::Note, &[&id.0, &len.to_le_bytes()])
}

/// Returns the size in bytes of an age file whose header has `header` bytes, with `len` bytes encrypted.
pub fn size_of(header: u64, len: u64) -> u64 {
    header + NONCE + len + CHUNK_TAG * len.div_ceil(CHUNK).max(1)
}

/// Returns the size in bytes that an object has to have, by the note in its header, which is in its first bytes. None if there is no
/// note, or another writer made it, or for another id.
pub fn noted_size(naming: &NamingKey, id: &Md5, head: &[u8]) -> Option<u64> {
    let mut lines = head.strip_prefix(FIRST)?.split_inclusive(|b| *b == b'\n');
    let mut header = FIRST.len();
    let mut noted = None;
    while let Some(line) = lines.next() {
        header += line.len();
        let text = line.strip_suffix(b"\n")?;
        if text.starts_with(b"--- ") {
            return noted.map(|len| size_of(header as u64, len));
        }
        let Some(len) = text.strip_prefix(b"-> ").and_then(|stanza| stanza.strip_prefix(TAG.as_bytes())) else { continue };
        let len = std::str::from_utf8(len.strip_prefix(b" ")?).ok()?.parse().ok()?;
        let body = lines.next()?;
        header += body.len();
        let code: [u8; LEN] = STANDARD_NO_PAD.decode(body.trim_ascii_end()).ok()?.try_into().ok()?;
        if code != code_of(naming, id, len) || noted.replace(len).is_some() {
            return None;
        }
    }
    None
}
