//! The content of an object, inflated and compared with what it should be. Of a large one, other threads inflate the parts, and
//! another one computes the digests, ahead of the reader.

use crate::codec::{self, Header, Inflated, Part, Parts};
use crate::digest::{Md5, Sha256, WORTH};
use crate::error::Reason;
use crate::parallel::{self, Job};
use sha2::Digest;
use std::io::{self, BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The properties that a content has to have.
#[derive(Clone, Copy)]
pub struct Expected {
    pub md5: Md5,
    pub sha256: Option<Sha256>,
    pub size: Option<u64>,
    /// Compute both digests. Otherwise a known sha256 proves the content alone, because it was compared with the md5 when the
    /// content was stored; the md5 is computed if there is none.
    pub both: bool,
}

impl Expected {
    /// Starts to compute the digests of a content, whose object names this sha256.
    pub fn proof(&self, named: Option<Sha256>) -> Proof {
        let md5 = (self.both || self.sha256.is_none()).then(md5::Md5::default);
        let sha256 = (self.both || self.sha256.or(named).is_some()).then(sha2::Sha256::default);
        Proof { md5, sha256, len: 0 }
    }

    /// Compares them with those of a content that was read. Returns its sha256, if that was computed.
    pub fn check(&self, proof: Proof, named: Option<Sha256>) -> Result<Option<Sha256>, Reason> {
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
pub struct Proof {
    md5: Option<md5::Md5>,
    sha256: Option<sha2::Sha256>,
    len: u64,
}

impl Proof {
    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        match (&mut self.md5, &mut self.sha256) {
            (Some(md5), Some(sha256)) if bytes.len() >= WORTH => {
                let job: Job = Box::new(|| sha256.update(bytes));
                parallel::beside([job], || md5.update(bytes));
            }
            (md5, sha256) => {
                md5.iter_mut().for_each(|md5| md5.update(bytes));
                sha256.iter_mut().for_each(|sha256| sha256.update(bytes));
            }
        }
    }
}

/// Returns the sha256 that an object's header names: in its subfield, or in the comment of the first form.
pub fn named_sha256(header: &Header) -> Option<Sha256> {
    #[derive(serde::Deserialize)]
    struct Comment {
        sha256: String,
    }
    match header.field(codec::SHA256) {
        Some(bytes) => bytes.try_into().ok().map(Sha256),
        None => Sha256::parse(&serde_json::from_slice::<Comment>(header.comment()?).ok()?.sha256),
    }
}

/// Whether the disk or the service failed: that says nothing about the object.
pub fn cant_read(e: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    e.raw_os_error().is_some() || !matches!(e.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// Explains why an object can't be inflated.
pub fn explain(e: io::Error) -> Reason {
    match e.kind() {
        io::ErrorKind::UnexpectedEof => "it is cut off".into(),
        _ => e.into(),
    }
}

/// A content of more bytes than this is inflated and hashed by other threads. Starting them for a smaller one is not worth it.
pub const LARGE: u64 = 64 << 20;
/// The number of contents that other threads work on at once. Where there are more, the threads that read them are enough, and
/// each takes some megabytes of memory.
const AT_ONCE: usize = 1;
/// The number of threads that inflate one content. More do not help: computing the digest takes longer.
const INFLATERS: usize = 4;

/// The right to let other threads work on a content.
struct Permit;

/// The permits that are given out.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

impl Permit {
    fn take() -> Option<Permit> {
        let next = |given| (given < AT_ONCE).then_some(given + 1);
        GIVEN.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).ok().map(|_| Permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        GIVEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The chunks of a content.
type Chunked = Box<dyn Iterator<Item = io::Result<Vec<u8>>> + Send>;

/// The chunks of a content, which is checked at its end. Never returns more bytes than it should have. What is wrong with the
/// content is an error `InvalidData`. Nothing follows an error.
pub struct Proven {
    /// None after the end or an error.
    chunks: Option<Chunked>,
    named: Option<Sha256>,
    proof: Proof,
    /// The sha256 of the content, at its end.
    pub sha256: Option<Sha256>,
    expected: Expected,
    permit: Option<Permit>,
}

impl Proven {
    /// Starts to read an object.
    ///
    /// # Errors
    /// If it is not gzip or can't be read.
    pub fn new(input: impl Read + Send + 'static, expected: Expected) -> io::Result<Proven> {
        let (first, parts) = Parts::new(BufReader::with_capacity(64 << 10, input))?;
        let named = named_sha256(&first);
        let content = |part: io::Result<Inflated>| part.map(|part| part.content);
        let permit = if expected.size.is_none_or(|size| size > LARGE) { Permit::take() } else { None };
        let chunks: Chunked = match permit {
            Some(_) => Box::new(codec::ahead(parts, parallel::processors().min(INFLATERS)).map(content)),
            None => Box::new(parts.map(move |part| content(part.and_then(Part::inflate)))),
        };
        Ok(Proven { chunks: Some(chunks), named, proof: expected.proof(named), sha256: None, expected, permit })
    }

    /// Returns the chunks; of a large content, another thread computes the digests before they are asked for.
    pub fn ahead(self) -> Chunked {
        match self.permit {
            Some(_) => Box::new(parallel::ahead(self, 2)),
            None => Box::new(self),
        }
    }

    /// Adds a chunk to the digests, or compares them after the last one.
    fn prove(&mut self, chunk: Option<io::Result<Vec<u8>>>) -> io::Result<Option<Vec<u8>>> {
        let bad = |reason: Reason| io::Error::new(io::ErrorKind::InvalidData, reason);
        let Some(chunk) = chunk else {
            let proof = std::mem::replace(&mut self.proof, self.expected.proof(self.named));
            self.sha256 = self.expected.check(proof, self.named).map_err(bad)?;
            return Ok(None);
        };
        let chunk = chunk.map_err(|e| if cant_read(&e) { e } else { bad(explain(e)) })?;
        if let Some(size) = self.expected.size.filter(|size| self.proof.len + chunk.len() as u64 > *size) {
            return Err(bad(format!("its content has more than {size} bytes").into()));
        }
        self.proof.update(&chunk);
        Ok(Some(chunk))
    }
}

impl Iterator for Proven {
    type Item = io::Result<Vec<u8>>;

    fn next(&mut self) -> Option<io::Result<Vec<u8>>> {
        let chunk = self.chunks.as_mut()?.next();
        let proven = self.prove(chunk).transpose();
        if !matches!(proven, Some(Ok(_))) {
            self.chunks = None;
        }
        proven
    }
}

/// A reader of chunks.
pub struct Chunks {
    chunks: Chunked,
    chunk: Vec<u8>,
    at: usize,
}

impl Chunks {
    /// Returns a reader of these chunks.
    pub fn new(chunks: Chunked) -> Chunks {
        Chunks { chunks, chunk: Vec::new(), at: 0 }
    }
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.at == self.chunk.len() {
            let Some(next) = self.chunks.next() else { break };
            (self.chunk, self.at) = (next?, 0);
        }
        Ok(&self.chunk[self.at..])
    }

    fn consume(&mut self, n: usize) {
        self.at += n;
    }
}

impl Read for Chunks {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.fill_buf()?.read(out)?;
        self.consume(n);
        Ok(n)
    }
}
