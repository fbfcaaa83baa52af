//! Contents as blocking readers. If the connection breaks, the rest of the same version is requested.

use super::failure::{broken, stalled};
use crate::etag;
use crate::storage::attributes::Keys;
use crate::storage::resume::resumed;
use crate::storage::retry::Policy;
use crate::storage::runtime::block_on;
use crate::storage::store::{Get, Got};
use crate::storage::traffic;
use bytes::{Buf, Bytes};
use reqwest::Response;
use std::io::{self, Read};
use std::time::Duration;

/// A content that is being received, from the requested byte on.
pub struct Begun {
    /// The rest of the content.
    pub reader: Box<dyn Read + Send>,
    /// The position of the end in bytes of the whole content, if it is known.
    pub end: Option<u64>,
    /// The etag.
    pub etag: Option<String>,
    /// What the answer says about the object, as keys of its record.
    pub more: Keys,
}

/// Reads a part of a content. `begin` sends one request for the bytes from the first number to the second, of the version with
/// this etag. It returns None if there are no such bytes.
///
/// # Errors
/// Errors of `begin`. Reading fails if the connection breaks again and again, or the content changes meanwhile.
pub fn reader(
    get: &Get<'_>,
    policy: Policy,
    what: String,
    begin: impl Fn(u64, Option<u64>, Option<&str>) -> io::Result<Option<Begun>> + Send + 'static,
) -> io::Result<Got> {
    let &Get { from, len, etag, .. } = get;
    let nothing = || Got { content: Box::new(io::empty()), more: Keys::new() };
    if len == Some(0) {
        return Ok(nothing());
    }
    // Servers accept no larger number: some then ignore the range, others answer that the range is empty.
    let last = len.map(|len| from.saturating_add(len - 1).min(i64::MAX as u64));
    let Some(Begun { reader, end, etag, more }) = begin(from, last, etag)? else { return Ok(nothing()) };
    let end = match (end, last) {
        (Some(end), Some(last)) => Some(end.min(last.saturating_add(1))),
        (end, _) => end,
    };
    let rest = resumed(reader, from, end, policy, move |at| {
        // Without an etag, the rest can belong to another content.
        let Some(etag) = &etag else { return Err(io::Error::other(format!("{what}: the connection broke"))) };
        Ok(begin(at, last, Some(etag))?.map_or_else(|| Box::new(io::empty()) as Box<dyn Read + Send>, |begun| begun.reader))
    });
    let content: Box<dyn Read + Send> = match len {
        Some(len) => Box::new(rest.take(len)),
        None => Box::new(rest),
    };
    Ok(Got { content, more })
}

/// Returns the headers that request the bytes from the first number to the second, of the version with this etag.
pub fn conditions(from: u64, last: Option<u64>, etag: Option<&str>) -> impl Iterator<Item = (&'static str, String)> {
    let range = (from > 0 || last.is_some()).then(|| {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        ("range", format!("bytes={from}-{last}"))
    });
    let condition = etag.and_then(etag::condition).map(|etag| ("if-match", etag));
    range.into_iter().chain(condition)
}

/// Refuses another version than the one with this etag. Not every etag can be a condition, and not every server obeys conditions.
///
/// # Errors
/// [`etag::changed`].
pub fn check_version(found: Option<&str>, etag: Option<&str>, what: &str) -> io::Result<()> {
    match etag {
        Some(etag) if !found.is_some_and(|found| etag::same(found, etag)) => Err(etag::changed(what)),
        _ => Ok(()),
    }
}

/// A body that is read as it arrives.
pub struct Arriving {
    answer: Response,
    chunk: Bytes,
    began: bool,
    stall: Duration,
    host: String,
}

impl Arriving {
    /// Returns a reader of the body of an answer. `host` is for messages.
    pub fn new(answer: Response, stall: Duration, host: String) -> Arriving {
        Arriving { answer, chunk: Bytes::new(), began: false, stall, host }
    }
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let (answer, stall, began) = (&mut self.answer, self.stall, self.began);
            // The timer has to be created within the runtime.
            let next = block_on(async {
                // The first bytes are there together with the head.
                if began {
                    traffic::turn(0).await;
                }
                tokio::time::timeout(stall, answer.chunk()).await
            })?;
            self.began = true;
            match next.map_err(|_| stalled(&self.host))?.map_err(|e| broken(&e, &self.host))? {
                Some(chunk) => {
                    traffic::moved(chunk.len());
                    self.chunk = chunk;
                }
                None => return Ok(0),
            }
        }
        let n = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}
