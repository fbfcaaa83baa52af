//! Reading and checking heap objects.

use super::path::{WHOLE_LIMIT, read_up_to};
use crate::codec::{self, FieldId, GzipReader, Header};
use crate::content::Content;
use crate::digest::{Md5, Sha256};
use crate::error::Reason;
use sha2::Digest;
use std::io::{self, BufReader, Read};

/// The bytes of content in each member of an object that has several.
pub(super) const PIECE: usize = 512 << 10;

/// The state of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does not exist.
    Missing,
    /// It is damaged, or has another content.
    Bad,
    /// It is what it should be, as far as it was checked.
    Good {
        /// Its size in bytes.
        stored_size: u64,
        /// The sha256 that it names, or that was computed from its content.
        sha256: Option<Sha256>,
    },
}

/// The properties that a content has to have.
#[derive(Clone, Copy)]
pub(super) struct Expected {
    pub md5: Md5,
    pub sha256: Option<Sha256>,
    pub size: Option<u64>,
    /// Compute both digests. Otherwise a known sha256 proves the content alone, because it was compared with the md5 when the
    /// content was stored; the md5 is computed if there is none.
    pub both: bool,
}

impl Expected {
    /// Starts to compute the digests of a content, whose object names this sha256.
    fn proof(&self, named: Option<Sha256>) -> Proof {
        let md5 = (self.both || self.sha256.is_none()).then(md5::Md5::default);
        let sha256 = (self.both || self.sha256.or(named).is_some()).then(sha2::Sha256::default);
        Proof { md5, sha256, len: 0 }
    }

    /// Compares them with those of a content that was read. Returns its sha256, if that was computed.
    fn check(&self, proof: Proof, named: Option<Sha256>) -> Result<Option<Sha256>, Reason> {
        let md5 = proof.md5.map(|md5| Md5(md5.finalize().into()));
        let sha256 = proof.sha256.map(|sha256| Sha256(sha256.finalize().into()));
        if let Some(size) = self.size.filter(|size| *size != proof.len) {
            return Err(format!("its content has {} bytes, not {size}", proof.len).into());
        }
        if let Some(md5) = md5.filter(|md5| *md5 != self.md5) {
            return Err(format!("its content has the md5 {md5}").into());
        }
        match (self.sha256.or(named), sha256) {
            (Some(expected), Some(sha256)) if expected != sha256 => {
                let right = if md5.is_some() { "right md5 and the wrong sha256" } else { "wrong sha256" };
                Err(format!("its content has the {right} {sha256}").into())
            }
            (_, sha256) => Ok(sha256),
        }
    }
}

/// The digests of a content that is being read.
struct Proof {
    md5: Option<md5::Md5>,
    sha256: Option<sha2::Sha256>,
    len: u64,
}

impl Proof {
    fn update(&mut self, bytes: &[u8]) {
        self.md5.iter_mut().for_each(|md5| md5.update(bytes));
        self.sha256.iter_mut().for_each(|sha256| sha256.update(bytes));
        self.len += bytes.len() as u64;
    }
}

/// Returns the sha256 that an object's header names: in its subfield, or in the comment of the first form.
fn named_sha256(header: &Header) -> Option<Sha256> {
    #[derive(serde::Deserialize)]
    struct Comment {
        sha256: String,
    }
    match header.field(codec::SHA256) {
        Some(bytes) => bytes.try_into().ok().map(Sha256),
        None => Sha256::parse(&serde_json::from_slice::<Comment>(header.comment()?).ok()?.sha256),
    }
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
    // Other writers put a time and a name there. An extra field with the length of ours that can't be read was ours.
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
    let plain = header.bytes[3] & !flags == 0 && header.bytes[4..10] == [0, 0, 0, 0, 0, 255];
    let fits = match named {
        Some(named) => sha256.is_none_or(|s| s == named),
        None => header.comment().is_none(),
    };
    if plain && read && fits { None } else { FAULT }
}

/// Inflates all of an object.
pub(super) fn verify(mut rest: Box<dyn Read + Send>, expected: Expected) -> io::Result<Health> {
    let mut head = Vec::new();
    rest.by_ref().take(HEAD).read_to_end(&mut head)?;
    if header_fault(&head, expected.sha256).is_some() {
        return Ok(Health::Bad);
    }
    let mut count = 0;
    let counted = Counted { reader: io::Cursor::new(head).chain(rest), count: &mut count };
    let checked = Verifying::new(BufReader::with_capacity(64 << 10, counted), expected).and_then(Verifying::finish);
    match checked {
        Ok(sha256) => Ok(Health::Good { stored_size: count, sha256 }),
        Err(e) if cant_read(&e) => Err(e),
        Err(_) => Ok(Health::Bad),
    }
}

/// Whether the disk or the service failed: that says nothing about the object.
fn cant_read(e: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    e.raw_os_error().is_some() || !matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

struct Counted<'a, R> {
    reader: R,
    count: &'a mut u64,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(out)?;
        *self.count += n as u64;
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
            if let Some(content) = codec::inflate_whole(&gzip, size as usize) {
                let named = codec::read_header(&mut &gzip[..]).ok().flatten().as_ref().and_then(named_sha256);
                let mut proof = expected.proof(named);
                proof.update(&content);
                expected.check(proof, named)?;
                return Ok(Content::Whole(content));
            }
            // It has several members, is of another writer, or is damaged: a stream finds out what is wrong.
            let mut content = Vec::new();
            let mut stream = Verifying::new(&gzip[..], expected).map_err(explain)?;
            stream.read_to_end(&mut content).map_err(explain)?;
            return Ok(Content::Whole(content));
        }
    }
    let all = io::Cursor::new(gzip).chain(input);
    let stream = Verifying::new(BufReader::with_capacity(64 << 10, all), expected).map_err(explain)?;
    Ok(Content::Stream(Box::new(stream)))
}

/// Explains why an object can't be inflated.
fn explain(e: io::Error) -> Reason {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off".into(),
        _ => e.into(),
    }
}

/// Reads a content and checks it at its end. Never returns more bytes than it should have. What is wrong with the content is an
/// error `InvalidData`.
struct Verifying<R> {
    reader: GzipReader<R>,
    named: Option<Sha256>,
    proof: Option<Proof>,
    /// The sha256 of the content, at its end.
    sha256: Option<Sha256>,
    left: Option<u64>,
    expected: Expected,
}

impl<R: io::BufRead> Verifying<R> {
    fn new(input: R, expected: Expected) -> io::Result<Verifying<R>> {
        let reader = GzipReader::new(input)?;
        let named = named_sha256(reader.first());
        Ok(Verifying { reader, named, proof: Some(expected.proof(named)), sha256: None, left: expected.size, expected })
    }

    /// Reads all of it, and returns its sha256.
    fn finish(mut self) -> io::Result<Option<Sha256>> {
        let mut piece = vec![0; 64 << 10];
        loop {
            match self.read(&mut piece) {
                Ok(0) => return Ok(self.sha256),
                Err(e) if e.kind() != io::ErrorKind::Interrupted => return Err(e),
                Ok(_) | Err(_) => {}
            }
        }
    }
}

impl<R: io::BufRead> Read for Verifying<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let bad = |reason: Reason| io::Error::new(io::ErrorKind::InvalidData, reason);
        if out.is_empty() {
            return Ok(0);
        }
        let n = self.reader.read(out).map_err(|e| if cant_read(&e) { e } else { bad(explain(e)) })?;
        if let (Some(left), Some(size)) = (self.left.as_mut(), self.expected.size) {
            *left = left.checked_sub(n as u64).ok_or_else(|| bad(format!("its content has more than {size} bytes").into()))?;
        }
        match (n, self.proof.take()) {
            (0, Some(proof)) => self.sha256 = self.expected.check(proof, self.named).map_err(bad)?,
            (_, Some(mut proof)) => {
                proof.update(&out[..n]);
                self.proof = Some(proof);
            }
            (_, None) => {}
        }
        Ok(n)
    }
}
