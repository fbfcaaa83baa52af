//! Contents of any web server, even of one that does not support ranges.

use super::content::{Arriving, Begun, check_version, conditions, reader};
use super::text::header;
use super::{Login, refusal, sent_from_elsewhere};
use crate::display::printable;
use crate::etag;
use crate::storage::answer::is_named_page;
use crate::storage::attributes::Keys;
use crate::storage::retry::Policy;
use crate::storage::runtime::block_on;
use crate::storage::store::Get;
use flate2::read::MultiGzDecoder;
use reqwest::{Client, Request, Response};
use std::io::{self, Read};
use std::sync::Arc;

/// A content to get.
pub struct Content {
    /// The GET request, without the headers for ranges and conditions.
    pub request: Request,
    /// The login for it.
    pub login: Arc<Login>,
    /// The name for messages.
    pub what: String,
    /// The server, for messages.
    pub host: String,
    /// The limits for tries.
    pub policy: Policy,
    /// The size of the whole content in bytes, if it is known. An answer with another size is something else.
    pub size: Option<u64>,
}

/// Reads a part of a content. A server without ranges sends the whole content, and the other bytes are skipped.
///
/// # Errors
/// `NotFound` and `PermissionDenied`; [`etag::changed`] if the content has another etag now. Reading fails if the connection
/// breaks again and again, or the content changes meanwhile.
pub fn get(client: &'static Client, content: Content, get: &Get<'_>) -> io::Result<Box<dyn Read + Send>> {
    let (policy, what) = (content.policy.clone(), content.what.clone());
    Ok(reader(get, policy, what, move |from, last, etag| begin(client, &content, from, last, etag))?.content)
}

/// What a server has done to a content on the way.
#[derive(PartialEq, Eq)]
enum Coding {
    None,
    Gzip,
}

/// Returns what a server has done to a content whose size on the way is `total`. Servers say of compressed files, too, that they
/// are encoded, but know the size of those. Others compress on the way although nobody asked for it.
///
/// # Errors
/// `InvalidData` if that can't be undone.
fn coding(answer: &Response, total: Option<u64>, content: &Content) -> io::Result<Coding> {
    let is_as_kept = total.is_some_and(|total| content.size.is_none_or(|size| size == total));
    let coding = header(answer.headers(), "content-encoding").map(|coding| coding.trim().to_ascii_lowercase());
    match coding.as_deref() {
        None | Some("" | "identity") => Ok(Coding::None),
        Some(_) if is_as_kept => Ok(Coding::None),
        Some("gzip" | "x-gzip") if answer.status() == 200 => Ok(Coding::Gzip),
        Some(coding) => {
            let (what, coding) = (&content.what, printable(coding.as_bytes()));
            let reason = format!("{what}: the server sends it compressed ({coding}), although it was asked not to");
            Err(io::Error::new(io::ErrorKind::InvalidData, reason))
        }
    }
}

/// Sends one request. Returns None if there is nothing from byte `from` on.
fn begin(client: &Client, content: &Content, from: u64, last: Option<u64>, etag: Option<&str>) -> io::Result<Option<Begun>> {
    let mut request = content.request.try_clone().ok_or_else(|| io::Error::other("a request that can't be sent again"))?;
    let headers = request.headers_mut();
    let mut put = |name: &'static str, value: String| {
        let value = value.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: not a header")))?;
        headers.insert(name, value);
        Ok::<_, io::Error>(())
    };
    put("accept-encoding", "identity".to_string())?;
    for (name, value) in conditions(from, last, etag) {
        put(name, value)?;
    }
    let answer = block_on(content.login.fetch(client, request, &content.policy, &content.host))??;
    let status = answer.status();
    let starts = match status.as_u16() {
        200 => 0,
        206 => from,
        412 => return Err(etag::changed(&content.what)),
        416 => return Ok(None),
        _ => return Err(refusal(status, &content.what)),
    };
    sent_from_elsewhere(content.request.url(), &answer, &content.what)?;
    let found = header(answer.headers(), "etag").map(str::to_string);
    check_version(found.as_deref(), etag, &content.what)?;
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
    let coding = coding(&answer, total, content)?;
    if let (Some(size), Some(total)) = (content.size, total)
        && size != total
        && coding == Coding::None
    {
        let came = if is_named_page(header(answer.headers(), "content-type")) { "an HTML page" } else { "something else" };
        let reason =
            format!("{}: the server answers with {came} of {total} bytes, not with the {size} bytes of it", content.what);
        return Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    }
    let arriving = Arriving::new(answer, content.policy.stall, content.host.clone());
    let (mut reader, end): (Box<dyn Read + Send>, _) = match coding {
        Coding::None => (Box::new(arriving), end),
        Coding::Gzip => (Box::new(MultiGzDecoder::new(arriving)), content.size),
    };
    let over = from - starts;
    if over > 0 && io::copy(&mut (&mut reader).take(over), &mut io::sink())? < over {
        return Ok(None);
    }
    Ok(Some(Begun { reader, end, etag: found, more: Keys::new() }))
}
