//! Reading and checking heap objects.

use super::path::{WHOLE_LIMIT, read_up_to};
use super::proof::{Chunks, Expected, Proven, cant_read, explain, named_sha256};
use crate::codec::{self, FieldId, Header};
use crate::content::Content;
use crate::digest::Sha256;
use crate::error::Reason;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes of content in each member of an object that has several.
pub(super) const PIECE: usize = 512 << 10;

/// The state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does not exist.
    Missing,
    /// It is damaged, or has another content.
    Bad,
    /// It is in an archive of its storage, and can't be read now. Nothing is known against it.
    Cold {
        /// Its size in bytes.
        stored_size: u64,
    },
    /// It is what it should be, as far as it was checked.
    Good {
        /// Its size in bytes.
        stored_size: u64,
        /// The sha256 that it names, or that was computed from its content.
        sha256: Option<Sha256>,
    },
}

/// Returns the subfield of an object's header that names the sha256 of its content. Its length is always the same.
pub(super) fn sha256_field(sha256: &Sha256) -> (FieldId, &[u8]) {
    (codec::SHA256, &sha256.0)
}

/// The bytes at the start of an object that are read for its header.
pub(super) const HEAD: u64 = 4096;

/// Both ends of an object.
pub(super) struct Ends {
    /// Its size in bytes.
    pub stored_size: u64,
    /// Its first bytes, at most [`HEAD`]. None if they were not read.
    pub head: Option<Vec<u8>>,
    /// Its last four bytes, if it has that many.
    pub tail: Option<[u8; 4]>,
}

impl Ends {
    /// Checks the ends: the start has to be gzip, and the end has to name the size of the content, or of its last piece if the
    /// object is in pieces.
    pub fn check(&self, size: Option<u64>) -> Health {
        let header = match &self.head {
            Some(head) => match codec::read_header(&mut &head[..]) {
                Ok(Some(header)) => Some(header),
                _ => return Health::Bad,
            },
            None => None,
        };
        let Some(tail) = self.tail.filter(|_| self.stored_size >= 18) else { return Health::Bad };
        let last = u64::from(u32::from_le_bytes(tail));
        let fits = match (size, header.as_ref().and_then(Header::lengths)) {
            (None, _) => true,
            (Some(size), None) => last == size & 0xffff_ffff,
            (Some(size), Some((_, first))) => {
                let piece = u64::from(first).max(1);
                last == if size % piece == 0 && size > 0 { piece } else { size % piece }
            }
        };
        let sha256 = header.as_ref().and_then(named_sha256);
        if fits { Health::Good { stored_size: self.stored_size, sha256 } } else { Health::Bad }
    }
}

/// Returns what is wrong with an object's header if we wrote it: damage there does not show in the content. `sha256` is that of
/// the content, if it is known.
pub(super) fn header_fault(head: &[u8], sha256: Option<Sha256>) -> Option<&'static str> {
    const FAULT: Option<&str> = Some("its gzip header is damaged");
    /// The lengths of our extra fields: with the lengths of a member, the sha256, or both.
    const OURS: [usize; 3] = [12, 36, 48];
    let Ok(Some(header)) = codec::read_header(&mut &head[..]) else { return FAULT };
    let named = named_sha256(&header);
    // Other writers put a name there. An extra field with the length of ours that can't be read was ours.
    let flags = match (header.extra_len(), header.comment()) {
        (_, Some(_)) => 4 | 16,
        (Some(len), None) if OURS.contains(&len) || named.is_some() || header.lengths().is_some() => 4,
        _ => return None,
    };
    let read = header.comment().is_some()
        || header.extra_len().is_none_or(|len| match len {
            12 => header.lengths().is_some(),
            36 => named.is_some(),
            48 => named.is_some() && header.lengths().is_some(),
            _ => true,
        });
    let has_time = codec::time_of(&header.bytes).is_some_and(codec::is_time);
    let plain = header.bytes[3] & !flags == 0 && has_time && header.bytes[8..10] == [0, 255];
    let fits = match named {
        Some(named) => sha256.is_none_or(|s| s == named),
        None => header.comment().is_none(),
    };
    if plain && read && fits { None } else { FAULT }
}

/// Inflates all of an object.
pub(super) fn verify(object: Box<dyn Read + Send>, expected: Expected) -> io::Result<Health> {
    match prove(object, expected) {
        Ok(Proved { stored_size, sha256, .. }) => Ok(Health::Good { stored_size, sha256 }),
        Err(e) if cant_read(&e) => Err(e),
        Err(_) => Ok(Health::Bad),
    }
}

/// An object that was read from its start to its end, and is good.
pub(super) struct Proved {
    /// Its size in bytes.
    pub stored_size: u64,
    /// The size of its content in bytes.
    pub size: u64,
    /// The sha256 of its content, if that was computed.
    pub sha256: Option<Sha256>,
}

/// Reads and inflates all of an object. What is wrong with it is an error `InvalidData`, `InvalidInput` or `UnexpectedEof`.
pub(super) fn prove(mut rest: Box<dyn Read + Send>, expected: Expected) -> io::Result<Proved> {
    let mut head = Vec::new();
    rest.by_ref().take(HEAD).read_to_end(&mut head)?;
    let count = Arc::new(AtomicU64::new(0));
    let counted = Counted { reader: io::Cursor::new(head.clone()).chain(rest), count: count.clone() };
    let mut all = Proven::new(counted, expected)?;
    let size = all.try_fold(0, |size, chunk| chunk.map(|chunk| size + chunk.len() as u64))?;
    // Damage there does not show in the content.
    if let Some(fault) = header_fault(&head, expected.sha256) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
    }
    Ok(Proved { stored_size: count.load(Ordering::Relaxed), size, sha256: all.sha256 })
}

/// Counts the bytes that are read.
struct Counted<R> {
    reader: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(out)?;
        self.count.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Returns the content of an object.
///
/// About `stored_size` bytes are expected.
pub(super) fn content(mut input: Box<dyn Read + Send>, expected: Expected, stored_size: Option<u64>) -> Result<Content, Reason> {
    let mut gzip = Vec::new();
    if let Some(size) = expected.size.filter(|size| *size <= WHOLE_LIMIT) {
        // A gzip member can't be larger than its content by more than its headers.
        gzip = read_up_to(&mut input, 2 * WHOLE_LIMIT, stored_size.unwrap_or(size))?;
        if (gzip.len() as u64) < 2 * WHOLE_LIMIT {
            return inflate(&gzip, size, expected).map(|(content, _)| Content::Whole(content));
        }
    }
    let all = io::Cursor::new(gzip).chain(input);
    let chunks = Proven::new(all, expected).map_err(explain)?;
    Ok(Content::Stream(Box::new(Chunks::new(chunks.ahead()))))
}

/// Inflates a whole object whose content has `size` bytes. Returns the content, and its sha256 if that was computed.
pub(super) fn inflate(gzip: &[u8], size: u64, expected: Expected) -> Result<(Vec<u8>, Option<Sha256>), Reason> {
    if let Some(content) = codec::inflate_whole(gzip, size as usize) {
        let named = codec::read_header(&mut &*gzip).ok().flatten().as_ref().and_then(named_sha256);
        let mut proof = expected.proof(named);
        proof.update(&content);
        let sha256 = expected.check(proof, named)?;
        return Ok((content, sha256));
    }
    // It has several members, is of another writer, or is damaged: the usual reader finds out what is wrong.
    let mut chunks = Proven::new(io::Cursor::new(gzip.to_vec()), expected).map_err(explain)?;
    let content = chunks.by_ref().collect::<io::Result<Vec<_>>>().map_err(explain)?;
    Ok((content.concat(), chunks.sha256))
}
