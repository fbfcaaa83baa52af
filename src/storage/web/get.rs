//! Contents over HTTP: ranges of them, of one version, asked for again where the connection broke.

use super::text::header;
use super::{broken, fetch, refusal, sent_from_elsewhere, stalled};
use crate::etag;
use crate::storage::answer::is_named_page;
use crate::storage::resume::resumed;
use crate::storage::retry::Policy;
use crate::storage::runtime::block_on;
use bytes::{Buf, Bytes};
use reqwest::{Client, Request, Response};
use std::io::{self, Read};

/// What to get.
pub struct Content {
    /// A GET of it, with all headers but those of ranges and conditions.
    pub request: Request,
    /// How it is named in messages.
    pub what: String,
    /// The server, for messages.
    pub host: String,
    /// How often to try.
    pub policy: Policy,
    /// The bytes of the whole content, where they are known: what has another length is something else.
    pub size: Option<u64>,
}

/// Reads a content from byte `from` on, at most `len` bytes; with `etag`, only if it still has that. A server that knows no
/// ranges sends all of it, and what was not asked for is passed over.
///
/// # Errors
/// `NotFound` and `PermissionDenied`; [`etag::changed`] if it has another etag now. Those of the reader: a connection that breaks again and
/// again, or a content that has changed under way.
pub fn get(
    client: &'static Client,
    content: Content,
    from: u64,
    len: Option<u64>,
    etag: Option<&str>,
) -> io::Result<Box<dyn Read + Send>> {
    if len == Some(0) {
        return Ok(Box::new(io::empty()));
    }
    // No server takes more: some ignore the range then, others say that there is nothing.
    let last = len.map(|len| from.saturating_add(len - 1).min(i64::MAX as u64));
    let Some((reader, end, version)) = begin(client, &content, from, last, etag)? else { return Ok(Box::new(io::empty())) };
    let policy = content.policy.clone();
    let end = match (end, last) {
        (Some(end), Some(last)) => Some(end.min(last.saturating_add(1))),
        (end, _) => end,
    };
    let rest = resumed(reader, from, end, policy, move |at| match begin(client, &content, at, last, version.as_deref())? {
        Some((reader, ..)) if version.is_some() => Ok(reader),
        // Without an etag nobody can tell whether the rest is that of the same content.
        _ => Err(io::Error::other(format!("{}: the connection broke", content.what))),
    });
    Ok(match len {
        Some(len) => Box::new(rest.take(len)),
        None => Box::new(rest),
    })
}

type Begun = (Box<dyn Read + Send>, Option<u64>, Option<String>);

/// One request: a reader that stands at `from`, the end of the content where it is known, and its etag. None if there is nothing
/// behind `from`.
fn begin(client: &Client, content: &Content, from: u64, last: Option<u64>, etag: Option<&str>) -> io::Result<Option<Begun>> {
    let mut request = content.request.try_clone().ok_or_else(|| io::Error::other("a request that can't be sent again"))?;
    let headers = request.headers_mut();
    let mut put = |name: &'static str, value: String| {
        let value = value.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: not a header")))?;
        headers.insert(name, value);
        Ok::<_, io::Error>(())
    };
    put("accept-encoding", "identity".to_string())?;
    match last {
        Some(last) => put("range", format!("bytes={from}-{last}"))?,
        None if from > 0 => put("range", format!("bytes={from}-"))?,
        None => {}
    }
    if let Some(condition) = etag.and_then(etag::condition) {
        put("if-match", condition)?;
    }
    let answer = block_on(fetch(client, request, &content.policy, &content.host))??;
    let changed = || etag::changed(&content.what);
    let status = answer.status();
    let starts = match status.as_u16() {
        200 => 0,
        206 => from,
        412 => return Err(changed()),
        416 => return Ok(None),
        _ => return Err(refusal(status, &content.what)),
    };
    sent_from_elsewhere(content.request.url(), &answer, &content.what)?;
    let found = header(answer.headers(), "etag").map(str::to_string);
    if etag.is_some_and(|etag| !found.as_deref().is_some_and(|found| etag::same(found, etag))) {
        return Err(changed());
    }
    let is_range = header(answer.headers(), "content-range").map(|range| range.trim_start_matches("bytes "));
    if status.as_u16() == 206 && !is_range.is_some_and(|range| range.starts_with(&format!("{from}-"))) {
        let reason = format!("{}: the server sent another range than was asked for", content.what);
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let end = answer.content_length().map(|len| len.saturating_add(starts));
    let total = match status.as_u16() {
        206 => is_range.and_then(|range| range.rsplit('/').next()?.parse().ok()),
        _ => end,
    };
    if let (Some(size), Some(total)) = (content.size, total)
        && size != total
    {
        let came = if is_named_page(header(answer.headers(), "content-type")) { "an HTML page" } else { "something else" };
        let reason =
            format!("{}: the server answers with {came} of {total} bytes, not with the {size} bytes of it", content.what);
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let mut reader = Arriving { answer, chunk: Bytes::new(), stall: content.policy.stall, host: content.host.clone() };
    let over = from - starts;
    if over > 0 && io::copy(&mut (&mut reader).take(over), &mut io::sink())? < over {
        return Ok(None);
    }
    Ok(Some((Box::new(reader), end, found)))
}

/// A body as it arrives.
struct Arriving {
    answer: Response,
    chunk: Bytes,
    stall: std::time::Duration,
    host: String,
}

impl Read for Arriving {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.chunk.is_empty() {
            let (answer, stall) = (&mut self.answer, self.stall);
            // The timer is made within the runtime.
            let next = block_on(async { tokio::time::timeout(stall, answer.chunk()).await })?;
            match next.map_err(|_| stalled(&self.host))?.map_err(|e| broken(&e, &self.host))? {
                Some(chunk) => self.chunk = chunk,
                None => return Ok(0),
            }
        }
        let n = into.len().min(self.chunk.len());
        self.chunk.copy_to_slice(&mut into[..n]);
        Ok(n)
    }
}
