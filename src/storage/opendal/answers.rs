//! What the answer to each kind of request has to be, so that it counts. The library takes whatever it can make something of: to
//! it a page for people is the end of a listing, and no answer at all to a deletion is one.
//!
//! What is required is what the services document as always there (Amazon S3 API Reference, "Response Syntax" of each action;
//! Cloud Storage JSON API, "Objects: Resource representations"), and what Ceph, MinIO, R2, Garage and the emulators send too.

use super::Kind;
use super::error::marked;
use super::listing;
use crate::storage::LoginRefused;
use crate::storage::answer::{self, Said};
use crate::storage::web::{decode, header};
use crate::storage::xml;
use http::{HeaderMap, Method, StatusCode, Uri};
use opendal::raw::Operation;
use opendal::{Error, ErrorKind};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io;

/// Codes that speak of the credentials, not of what was asked for. (A signature that does not match may be due to a name that the
/// service writes differently, so it is none.)
const LOGIN: [&str; 7] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "TokenRefreshRequired",
];

/// A request, as far as its answer depends on it.
pub struct Asked {
    kind: Kind,
    bucket: String,
    what: What,
    query: BTreeMap<String, String>,
    /// Of a name, where the address has one.
    key: Option<String>,
    /// From and to, where only a part was asked for.
    range: Option<(u64, Option<u64>)>,
    /// How many are asked for at once.
    count: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    List,
    Stat,
    Read,
    Put,
    Part,
    Begin,
    Complete,
    Abort,
    Delete,
    DeleteMany,
    /// Of an upload to Google that can be taken up again: its beginning, and what is sent then.
    Session,
    Chunk,
}

impl What {
    fn shown(self) -> &'static str {
        match self {
            What::List => "a listing",
            What::Stat => "what it knows of an object",
            What::Read => "an object",
            What::Put | What::Chunk => "word of an object that is stored",
            What::Part => "word of a part that is stored",
            What::Begin | What::Session => "the beginning of an upload",
            What::Complete => "the end of an upload",
            What::Abort => "the end of an upload that is given up",
            What::Delete => "word of a deletion",
            What::DeleteMany => "word of each deletion",
        }
    }
}

impl Asked {
    /// Of a request of the library; None of those for credentials.
    pub fn of(
        kind: Kind,
        bucket: &str,
        operation: Option<Operation>,
        request: &http::request::Parts,
        body: &[u8],
    ) -> Option<Asked> {
        let query = query(&request.uri);
        let has = |name: &str| query.contains_key(name);
        let what = match (operation?, &request.method) {
            (Operation::List, _) => What::List,
            (Operation::Stat, _) => What::Stat,
            (Operation::Read, _) => What::Read,
            (Operation::Delete, &Method::DELETE) => What::Delete,
            (Operation::Delete, _) => What::DeleteMany,
            (Operation::Write, &Method::DELETE) => What::Abort,
            (Operation::Write, &Method::POST) if has("uploads") => What::Begin,
            (Operation::Write, &Method::POST) if has("uploadId") => What::Complete,
            (Operation::Write, &Method::POST) if query.get("uploadType").is_some_and(|t| t == "resumable") => What::Session,
            (Operation::Write, &Method::PUT) if has("partNumber") => What::Part,
            (Operation::Write, &Method::PUT) if kind == Kind::Gcs => What::Chunk,
            (Operation::Write, &Method::PUT | &Method::POST) => What::Put,
            // The library makes no other ones for us.
            _ => return None,
        };
        let key = match kind {
            Kind::S3 => None,
            Kind::Gcs => query.get("name").cloned().or_else(|| key(&request.uri, bucket)),
        };
        let range = header(&request.headers, "range").and_then(range);
        let count = match what {
            What::DeleteMany => {
                memchr::memmem::find_iter(body, if kind == Kind::S3 { &b"<Object>"[..] } else { b"DELETE " }).count()
            }
            _ => 1,
        };
        Some(Asked { kind, bucket: bucket.to_string(), what, query, key, range, count })
    }

    /// Whether the body of a good answer is a content.
    pub fn is_content(&self, status: StatusCode) -> bool {
        self.what == What::Read && status.is_success()
    }

    /// Looks at the head of an answer whose body is a content.
    ///
    /// # Errors
    /// If it is not the content that was asked for.
    pub fn check_content(&self, status: StatusCode, headers: &HeaderMap, host: &str) -> Result<(), Error> {
        // The etag is documented for both services; a page that is made for the moment has none.
        let is_object = ["etag", "x-goog-generation", "x-goog-hash"].iter().any(|name| headers.contains_key(*name));
        let is_range = match self.range {
            None => status == StatusCode::OK,
            Some(asked) => {
                let told = header(headers, "content-range").and_then(content_range);
                status == StatusCode::PARTIAL_CONTENT && told.is_some_and(|told| is_part(asked, told))
            }
        };
        // So is the right range. (An emulator leaves the etag out there.)
        if is_range && (is_object || self.range.is_some()) {
            return Ok(());
        }
        if is_object && status.is_success() {
            return Err(marked(io::ErrorKind::Other, format!("{host}: the service sent another range than was asked for")));
        }
        let came = match answer::is_named_page(header(headers, "content-type")) {
            true => "an HTML page",
            false => "something without an etag",
        };
        Err(self.wrong(status, came, host))
    }

    /// Looks at any other answer, and gives what the library is to see of it.
    ///
    /// # Errors
    /// If it is not what was asked for: neither the thing, nor an error of the service that the library knows what to make of.
    pub fn check(&self, status: StatusCode, headers: &HeaderMap, body: Vec<u8>, host: &str) -> Result<Vec<u8>, Error> {
        let is_head = self.kind == Kind::S3 && self.what == What::Stat;
        let is_incomplete = self.what == What::Chunk && status.as_u16() == 308 && !headers.contains_key("location");
        if is_incomplete {
            return Ok(body);
        }
        if !status.is_success() {
            return self.refusal(status, headers, &body, is_head, host).map_or(Ok(body), Err);
        }
        if let Some(said) = Said::of(&body) {
            // Amazon puts errors into an answer that it began well.
            let e = self.said(&said, StatusCode::OK, host);
            let passes = ["InternalError", "SlowDown", "ServiceUnavailable"].contains(&said.code.as_str());
            return Err(if passes { e.set_temporary() } else { e });
        }
        let good = match self.kind {
            Kind::S3 => self.is_good_s3(status, headers, &body),
            Kind::Gcs => self.is_good_gcs(status, headers, &body),
        };
        match good {
            Good::Yes => Ok(body),
            Good::Page(edited) => Ok(edited),
            Good::Broken(reason) => {
                let e = marked(io::ErrorKind::InvalidData, format!("{host}: the answer of the service breaks off: {reason}"));
                Err(e.set_temporary())
            }
            Good::Wrong(reason) => Err(marked(
                io::ErrorKind::Other,
                format!("{host}: the service answered with {} that {reason}", self.what.shown()),
            )),
            Good::No => {
                let page = is_head && answer::is_named_page(header(headers, "content-type"));
                let came = match () {
                    () if page => "an HTML page".to_string(),
                    () if is_head => "something without an etag".to_string(),
                    () => answer::kind(header(headers, "content-type"), &body),
                };
                Err(self.wrong(status, &came, host))
            }
        }
    }

    fn wrong(&self, status: StatusCode, came: &str, host: &str) -> Error {
        marked(io::ErrorKind::Other, format!("{host}: {}", answer::instead(self.what.shown(), status, came)))
    }

    fn said(&self, said: &Said, status: StatusCode, host: &str) -> Error {
        let kind = match status.as_u16() {
            401 | 403 => io::ErrorKind::PermissionDenied,
            _ if said.code == "NoSuchBucket" => io::ErrorKind::NotFound,
            _ => io::ErrorKind::Other,
        };
        marked(kind, format!("{host}: the service says {said}"))
    }

    /// The error of an answer that is no success, where the library is not to see it: it takes some statuses for an answer, whatever
    /// comes with them.
    fn refusal(&self, status: StatusCode, headers: &HeaderMap, body: &[u8], is_head: bool, host: &str) -> Option<Error> {
        let said = Said::of(body);
        let code = said.as_ref().map(|said| said.code.as_str()).unwrap_or_default();
        if LOGIN.contains(&code) || status == StatusCode::UNAUTHORIZED {
            let reason = said.map_or_else(|| status.to_string(), |said| said.to_string());
            let e = io::Error::from(LoginRefused(format!("{host}: the service says {reason}")));
            return Some(Error::new(ErrorKind::PermissionDenied, e.to_string()).set_source(e));
        }
        let page = answer::is_page(header(headers, "content-type"), body);
        match status.as_u16() {
            // Of an error the answer to HEAD has the status alone.
            404 | 412 if is_head => None,
            403 if is_head => {
                let reason =
                    format!("{host}: the service says 403 Forbidden: access denied, and nothing more (HEAD has no reasons)");
                Some(marked(io::ErrorKind::PermissionDenied, reason))
            }
            _ if is_head => Some(marked(io::ErrorKind::Other, format!("{host}: the service says {status}, and nothing more"))),
            416 if headers.contains_key("content-range") => None,
            _ if page => Some(self.page(status, host)),
            // An emulator leaves its body empty.
            404 if self.kind == Kind::Gcs && body.is_empty() => None,
            404 | 409 | 412 | 416 if said.is_none() => Some(self.wrong(status, &answer::kind(None, body), host)),
            300..400 if said.is_none() => Some(self.wrong(status, &answer::kind(None, body), host)),
            // For S3 nothing is ever gone twice: it answers 204.
            404 if self.kind == Kind::S3 && self.what == What::Delete && code != "NoSuchKey" => {
                said.as_ref().map(|said| self.said(said, status, host))
            }
            _ if body.is_empty() => {
                let kind = if status == StatusCode::FORBIDDEN { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
                Some(marked(kind, format!("{host}: the service says {status}")))
            }
            _ => None,
        }
    }

    fn page(&self, status: StatusCode, host: &str) -> Error {
        let kind = if status == StatusCode::FORBIDDEN { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
        marked(kind, format!("{host}: {}", answer::instead(self.what.shown(), status, "an HTML page")))
    }

    fn is_good_s3(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Good {
        let has_etag = header(headers, "etag").is_some_and(|etag| !etag.is_empty());
        let is_ok = status == StatusCode::OK;
        let page = answer::is_page(header(headers, "content-type"), body);
        match self.what {
            What::List if is_ok => match xml_text(body).map(|text| listing::s3(text, &self.bucket, &self.query)) {
                Some(good) => good,
                None => Good::No,
            },
            // HeadObject, GetObject, PutObject and UploadPart: "ETag" is among the elements of their responses.
            What::Stat => (is_ok && has_etag).into(),
            What::Put => ((is_ok || status == StatusCode::CREATED) && has_etag && !page).into(),
            What::Part => (is_ok && has_etag && !page).into(),
            What::Begin if is_ok => elements(body, "InitiateMultipartUploadResult", "UploadId"),
            What::Complete if is_ok => elements(body, "CompleteMultipartUploadResult", "ETag"),
            // DeleteObject and AbortMultipartUpload: "HTTP/1.1 204".
            What::Delete | What::Abort => (status == StatusCode::NO_CONTENT).into(),
            // In "quiet" mode, or for what was deleted before, its content may be empty.
            What::DeleteMany if is_ok => match root(body).as_deref() {
                Some("DeleteResult") => Good::Yes,
                _ => Good::No,
            },
            _ => Good::No,
        }
    }

    fn is_good_gcs(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Good {
        let is_ok = matches!(status.as_u16(), 200 | 201);
        let has_etag = header(headers, "etag").is_some_and(|etag| !etag.is_empty());
        match self.what {
            What::List if is_ok => listing::gcs(body, &self.query),
            What::Stat | What::Put | What::Chunk if is_ok => self.is_object(body),
            What::Session => (is_ok && headers.contains_key("location")).into(),
            What::Part => (is_ok && has_etag && !answer::is_page(header(headers, "content-type"), body)).into(),
            What::Begin if is_ok => elements(body, "InitiateMultipartUploadResult", "UploadId"),
            What::Complete if is_ok => elements(body, "CompleteMultipartUploadResult", "ETag"),
            // "If successful, this method returns an empty response body."
            What::Delete | What::Abort => (status == StatusCode::NO_CONTENT || is_ok && body.is_empty()).into(),
            What::DeleteMany if is_ok => {
                let is_mixed = header(headers, "content-type").is_some_and(|t| t.starts_with("multipart/mixed"));
                let parts = memchr::memmem::find_iter(body, b"\nHTTP/1.1 ").count();
                (is_mixed && parts == self.count).into()
            }
            _ => Good::No,
        }
    }

    /// `kind`: "For objects, this is always storage#object."
    fn is_object(&self, body: &[u8]) -> Good {
        let Ok(json) = serde_json::from_slice::<Value>(body) else { return Good::No };
        if json.get("kind").and_then(Value::as_str) != Some("storage#object") {
            return Good::No;
        }
        let is = |name: &str, expected: &str| json.get(name).and_then(Value::as_str) == Some(expected);
        if !is("bucket", &self.bucket) || self.key.as_ref().is_some_and(|key| !is("name", key)) {
            return Good::Wrong("is that of another object".to_string());
        }
        Good::Yes
    }
}

/// What an answer with a good status is.
pub enum Good {
    /// What was asked for.
    Yes,
    /// That too, as the library is to see it.
    Page(Vec<u8>),
    /// Its beginning.
    Broken(String),
    /// Of the right kind, but it is not what was asked for, or contradicts itself.
    Wrong(String),
    /// Something else.
    No,
}

impl From<bool> for Good {
    fn from(good: bool) -> Good {
        if good { Good::Yes } else { Good::No }
    }
}

fn xml_text(body: &[u8]) -> Option<&str> {
    std::str::from_utf8(body).ok().filter(|text| xml::root(text).is_some())
}

fn root(body: &[u8]) -> Option<String> {
    xml::root(xml_text(body)?)
}

/// An element of a document with that root, which has a text.
fn elements(body: &[u8], expected: &str, name: &str) -> Good {
    if root(body).as_deref() != Some(expected) {
        return Good::No;
    }
    let mut found = false;
    let walked = xml::walk(xml_text(body).unwrap_or_default().trim_start(), |element| {
        found |= element.is(&[expected, name]) && !element.text.trim().is_empty();
    });
    match walked {
        Err(reason) => Good::Broken(reason),
        Ok(()) if found => Good::Yes,
        Ok(()) => Good::Wrong(format!("has no {name}")),
    }
}

fn query(uri: &Uri) -> BTreeMap<String, String> {
    let text = |text: &str| String::from_utf8_lossy(&decode(text)).into_owned();
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).map(|(name, value)| (text(name), text(value))).collect()
}

/// The name in an address of Google's JSON API.
fn key(uri: &Uri, bucket: &str) -> Option<String> {
    let key = uri.path().split_once(&format!("/b/{bucket}/o/"))?.1;
    String::from_utf8(decode(key)).ok()
}

/// `bytes=1-2` or `bytes=1-`.
fn range(text: &str) -> Option<(u64, Option<u64>)> {
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()))
}

/// `bytes 1-2/3`; the whole may be unknown.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?, whole.parse().ok()))
}

/// Whether a part is the one that was asked for: shorter only where the content ends.
fn is_part((from, to): (u64, Option<u64>), (begins, ends, whole): (u64, u64, Option<u64>)) -> bool {
    let at_end = whole.is_none_or(|whole| ends.checked_add(1) == Some(whole));
    begins == from && ends >= from && to.map_or(at_end, |to| ends == to || ends < to && at_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_contents_are_those_that_were_asked_for() {
        for (asked, told, good) in [
            ("bytes=3-5", "bytes 3-5/9", true),
            ("bytes=3-50", "bytes 3-8/9", true),
            ("bytes=3-", "bytes 3-8/9", true),
            ("bytes=3-", "bytes 3-8/*", true),
            ("bytes=3-", "bytes 3-5/9", false),
            ("bytes=3-5", "bytes 3-4/9", false),
            ("bytes=3-5", "bytes 3-6/9", false),
            ("bytes=3-5", "bytes 0-8/9", false),
            ("bytes=3-5", "bytes */9", false),
        ] {
            let is_good = range(asked).zip(content_range(told)).is_some_and(|(asked, told)| is_part(asked, told));
            assert_eq!(is_good, good, "{asked} {told}");
        }
    }

    #[test]
    fn uploads_begin_with_an_id_and_end_with_an_etag() {
        let is = |body: &str| match elements(body.as_bytes(), "R", "Id") {
            Good::Yes => "yes".to_string(),
            Good::Broken(_) => "broken".to_string(),
            Good::Wrong(reason) => reason,
            _ => "no".to_string(),
        };
        assert_eq!(is("\n <?xml version=\"1.0\"?><x:R xmlns:x=\"y\"><Id>1</Id></x:R>"), "yes");
        assert_eq!((is("<R><Id> </Id></R>"), is("<R/>")), ("has no Id".to_string(), "has no Id".to_string()));
        assert_eq!((is("<R><Id>1</Id>"), is("<S><Id>1</Id></S>"), is("")), ("broken".into(), "no".into(), "no".into()));
    }
}
