//! The way of the library to the service: our client and our retries, which wait as long as the service asks, and what the
//! library leaves out: digests of what is uploaded, names with a first `/`, contents as they are stored.

use super::Kind;
use super::answers::Asked;
use super::error::marked;
use crate::digest::Md5;
use crate::digest::md5_of;
use crate::etag;
use crate::storage::retry::Policy;
use crate::storage::web::{self, header};
use base64::Engine;
use futures_util::stream;
use opendal::raw::Operation;
use opendal::{Buffer, Error, ErrorKind, HttpBody, HttpTransport, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method};
use std::io;
use std::time::Duration;

/// Answers other than contents are never longer, in bytes.
const MOST: usize = 64 << 20;

/// What a service needs of it.
pub struct Transport {
    /// The shared client.
    pub client: &'static Client,
    /// The service, for messages.
    pub host: String,
    /// Sent with each request to the storage.
    pub headers: HeaderMap,
    /// Which service. To S3 uploads carry their md5, and an etag that is one has to be the same.
    pub kind: Kind,
    /// The bucket, which answers repeat.
    pub bucket: String,
    /// How often to try.
    pub policy: Policy,
}

impl HttpTransport for Transport {
    async fn fetch(&self, request: http::Request<Buffer>) -> Result<http::Response<HttpBody>> {
        let operation = request.extensions().get::<Operation>().copied();
        let (parts, body) = request.into_parts();
        let body = body.to_bytes();
        let asked = Asked::of(self.kind, &self.bucket, operation, &parts, &body);
        let uploaded =
            (self.kind == Kind::S3 && operation == Some(Operation::Write) && parts.method == Method::PUT).then(|| md5_of(&body));
        let finishes = parts.method == Method::POST && parts.uri.query().is_some_and(|query| query.contains("uploadId="));
        let mut request = reqwest::Request::try_from(http::Request::from_parts(parts, body))
            .map_err(|_| Error::new(ErrorKind::Unexpected, "a name that no URL can have"))?;
        if request.body().and_then(reqwest::Body::as_bytes).is_some_and(<[u8]>::is_empty) {
            *request.body_mut() = None;
        }
        let headers = request.headers_mut();
        if let Some(Md5(md5)) = uploaded {
            let md5 = base64::engine::general_purpose::STANDARD.encode(md5);
            headers.extend(HeaderValue::from_str(&md5).map(|value| (HeaderName::from_static("content-md5"), value)));
        }
        if operation == Some(Operation::Read) {
            // Else GCS unpacks what is stored as gzip.
            headers.insert("accept-encoding", HeaderValue::from_static("gzip"));
        }
        if operation.is_some() {
            headers.extend(self.headers.clone());
        }
        let policy = match operation {
            // Where there are no credentials, what is asked for them lies in nowhere: that has to show soon.
            None => Policy { tries: 2, in_all: Duration::from_secs(10), stall: Duration::from_secs(5), ..self.policy.clone() },
            // A try that is given up goes on at the service all the same, and the next one finds no such upload any more.
            Some(_) if finishes => Policy { stall: self.policy.finish, ..self.policy.clone() },
            Some(_) => self.policy.clone(),
        };
        let answer = web::fetch(self.client, request, &policy, &self.host).await.map_err(unreachable)?;
        if let Some(asked) = asked.as_ref().filter(|asked| asked.is_content(answer.status())) {
            asked.check_content(answer.status(), answer.headers(), &self.host)?;
            return Ok(content(answer, self.policy.stall, self.host.clone()));
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        // A page that breaks off is asked for again by the layer above.
        let body = web::whole(answer, MOST, &policy, &self.host).await.map_err(|e| unreachable(e).set_temporary())?;
        if let Some(md5) = uploaded.filter(|_| status.is_success()) {
            compare(&headers, md5)?;
        }
        let may_pass = crate::storage::retry::may_pass(status.as_u16());
        let body = match asked.filter(|_| !may_pass) {
            Some(asked) => asked.check(status, &headers, body, &self.host)?,
            None => body,
        };
        if status == 416 {
            // Of GCS the library makes nothing special.
            return Err(Error::new(ErrorKind::RangeNotSatisfied, "behind the end"));
        }
        // All tries were made: the layer above is not to make as many again.
        if may_pass {
            let reason = format!("{}: the service says {status}{}", self.host, super::error::code(&body));
            return Err(marked(io::ErrorKind::Other, reason));
        }
        let len = body.len() as u64;
        let body = HttpBody::new(stream::iter([Ok(Buffer::from(body))]), Some(len));
        let mut out = http::Response::new(body);
        (*out.status_mut(), *out.headers_mut()) = (status, headers);
        Ok(out)
    }
}

fn unreachable(e: io::Error) -> Error {
    marked(e.kind(), e.to_string())
}

/// A content, as it arrives.
fn content(answer: reqwest::Response, stall: Duration, host: String) -> http::Response<HttpBody> {
    let (status, headers, len) = (answer.status(), answer.headers().clone(), answer.content_length());
    let chunks = stream::try_unfold(answer, move |mut answer| {
        let host = host.clone();
        async move {
            let next = tokio::time::timeout(stall, answer.chunk()).await;
            let next = next.map_err(|_| marked(io::ErrorKind::TimedOut, format!("{host}: no answer")))?;
            let chunk = next.map_err(|e| unreachable(web::broken(&e, &host)))?;
            Ok(chunk.map(|chunk| (Buffer::from(chunk), answer)))
        }
    });
    let mut out = http::Response::new(HttpBody::new(Box::pin(chunks), len));
    (*out.status_mut(), *out.headers_mut()) = (status, headers);
    out
}

/// Compares the etag of an upload with its md5, where it is one: not with encryption that makes it something else.
fn compare(headers: &HeaderMap, md5: Md5) -> Result<()> {
    let encrypted = header(headers, "x-amz-server-side-encryption").is_some_and(|how| how.starts_with("aws:"));
    if encrypted || headers.contains_key("x-amz-server-side-encryption-customer-algorithm") {
        return Ok(());
    }
    let told = header(headers, "etag").and_then(|etag| Md5::parse(&etag::bare(etag).to_ascii_lowercase()));
    match told {
        Some(told) if told != md5 => Err(marked(io::ErrorKind::InvalidData, "what arrived is not what was sent".to_string())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_etag_that_is_another_md5_is_an_error_unless_it_is_encrypted() {
        let md5 = md5_of(b"content");
        let answer = |etag: String, more: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("etag", etag.parse().unwrap());
            headers.extend(more.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))));
            compare(&headers, md5).is_ok()
        };
        let other = format!("\"{}\"", md5_of(b"kontent"));
        assert!(answer(format!("\"{md5}\""), &[]) && answer(format!("\"{md5}-2\""), &[]) && answer("\"opaque\"".into(), &[]));
        assert!(!answer(other.clone(), &[]) && !answer(other.clone(), &[("x-amz-server-side-encryption", "AES256")]));
        assert!(answer(other.clone(), &[("x-amz-server-side-encryption", "aws:kms")]));
        assert!(answer(other, &[("x-amz-server-side-encryption-customer-algorithm", "AES256")]));
    }
}
