//! Contents, streamed.

use super::super::resume::resumed;
use super::super::runtime::block_on;
use super::errors::Failed;
use super::request::{Answer, Call, Client, text};
use crate::etag;
use bytes::Bytes;
use http::Method;
use std::io::{self, Read};
use std::sync::Arc;

/// A content from byte `from` on, at most `len` bytes, of the version `etag` if one is given. A connection that breaks is
/// replaced by another one, for the same version.
///
/// # Errors
/// If there is no such blob, or it has changed.
pub fn open(
    client: &Arc<Client>,
    blob: &str,
    from: u64,
    len: Option<u64>,
    etag: Option<&str>,
) -> io::Result<Box<dyn Read + Send>> {
    if len == Some(0) {
        return Ok(Box::new(io::empty()));
    }
    let last = len.map(|len| from.saturating_add(len - 1));
    let Some(answer) = range(client, blob, from, last, etag)? else { return Ok(Box::new(io::empty())) };
    let etag = text(&answer.headers, "etag").or(etag).map(str::to_string);
    let arriving: Option<u64> = text(&answer.headers, "content-length").and_then(|n| n.parse().ok());
    let end = arriving.map(|n| from.saturating_add(n));
    let first = Box::new(Chunks { client: client.clone(), answer, rest: Bytes::new() });
    let (client, blob) = (client.clone(), blob.to_string());
    let policy = client.policy.clone();
    Ok(Box::new(resumed(first, from, end, policy, move |at| {
        let last = end.map(|end| end.saturating_sub(1)).or(last);
        match range(&client, &blob, at, last, etag.as_deref())? {
            Some(answer) => Ok(Box::new(Chunks { client: client.clone(), answer, rest: Bytes::new() })),
            None => Ok(Box::new(io::empty())),
        }
    })))
}

/// Asks for the bytes `from` to `last`. None if there are none.
fn range(client: &Client, blob: &str, from: u64, last: Option<u64>, etag: Option<&str>) -> io::Result<Option<Answer>> {
    let mut call = Call::blob(Method::GET, blob);
    let ranged = from > 0 || last.is_some();
    if ranged {
        let last = last.map(|last| last.to_string()).unwrap_or_default();
        call = call.header("range", format!("bytes={from}-{last}"));
    }
    if let Some(condition) = etag.and_then(etag::condition) {
        call = call.header("if-match", condition);
    }
    let answer = match block_on(client.send(&call))? {
        Ok(answer) => answer,
        Err(Failed { status: 416, .. }) => return Ok(None),
        Err(Failed { status: 412, .. }) => return Err(etag::changed("")),
        Err(failed) => return Err(failed.into()),
    };
    let begins = text(&answer.headers, "content-range").and_then(|r| r.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok());
    if (ranged && begins != Some(from)) || (answer.status == 206) != ranged {
        return Err(io::Error::other(format!("{}: the service sent another range than asked for", client.host)));
    }
    Ok(Some(answer))
}

/// The body of an answer.
struct Chunks {
    client: Arc<Client>,
    answer: Answer,
    rest: Bytes,
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match block_on(self.client.chunk(&mut self.answer))?? {
                Some(chunk) => self.rest = chunk,
                None => return Ok(0),
            }
        }
        let n = into.len().min(self.rest.len());
        into[..n].copy_from_slice(&self.rest.split_to(n));
        Ok(n)
    }
}
