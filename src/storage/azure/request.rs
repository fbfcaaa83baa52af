//! One request: made, signed, sent, and sent again where that may help.

use super::super::answer::{instead, is_named_page, kind};
use super::super::retry::{self, Policy};
use super::super::tls;
use super::auth::Auth;
use super::config::Config;
use super::errors::{self, Failed};
use crate::time::Time;
use bytes::Bytes;
use http::{HeaderMap, Method, header};
use http_body::{Frame, SizeHint};
use std::convert::Infallible;
use std::fmt::Write;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The version of the protocol.
const VERSION: &str = "2023-11-03";
/// An answer that is to be read whole is never larger.
const LARGEST: usize = 256 << 20;
/// Of an error no more is read.
const LARGEST_ERROR: usize = 64 << 10;
/// A body is given to the connection in such pieces, to see whether it moves.
const PIECE: usize = 64 << 10;
/// How much longer than for a byte of an answer is waited for the answer to an upload: what has been given to the connection
/// may be in the system's buffers for long, and the service has to store it.
const SLOWER: u32 = 2;

/// Sends requests for one container.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    auth: Auth,
    endpoint: String,
    /// The service, for messages.
    pub host: String,
    /// The container.
    pub container: String,
    /// How often to try.
    pub policy: Policy,
}

/// What to ask for.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// GET, HEAD, PUT, POST, DELETE.
    pub method: Method,
    /// The whole name of a blob; None for the container itself.
    pub blob: Option<String>,
    /// Parameters, not encoded. Those without a value are left out, because their signature would be wrong.
    pub query: Vec<(&'static str, String)>,
    /// Headers beyond the usual ones.
    pub headers: Vec<(String, String)>,
    /// What to send.
    pub body: Bytes,
}

impl Call {
    /// A request about a blob.
    pub fn blob(method: Method, name: &str) -> Call {
        Call { method, blob: Some(name.to_string()), ..Call::default() }
    }

    /// A request about the container.
    pub fn container(method: Method, query: &[(&'static str, &str)]) -> Call {
        let query = query.iter().map(|(name, value)| (*name, value.to_string())).collect();
        Call { method, query, ..Call::default() }
    }

    /// What its answer is to be, for people.
    fn shown(&self) -> &'static str {
        match (&self.method, &self.blob) {
            (&Method::GET, None) => "a listing",
            (&Method::GET, _) => "a blob",
            (&Method::HEAD, _) => "what it knows of a blob",
            (&Method::PUT, _) => "word of what is stored",
            _ => "word of a deletion",
        }
    }

    /// The status of an answer that did it: "Status Code" of each operation in the documentation of the service.
    fn expected(&self) -> &'static [u16] {
        match self.method {
            Method::GET => &[200, 206],
            Method::HEAD => &[200],
            Method::PUT => &[201],
            _ => &[202],
        }
    }

    /// Whether a blob appears with it, whose etag is then among the headers: Put Blob and Put Block List.
    fn makes_blob(&self) -> bool {
        self.method == Method::PUT && !self.query.iter().any(|(name, value)| *name == "comp" && value == "block")
    }

    /// With a header.
    pub fn header(mut self, name: &str, value: impl Into<String>) -> Call {
        self.headers.push((name.to_string(), value.into()));
        self
    }
}

/// An answer with a status of 200 to 299.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    response: reqwest::Response,
}

/// A try that failed.
struct Try {
    failed: Failed,
    again: bool,
    asked: Option<Duration>,
}

impl Client {
    /// For a root. Nothing is sent yet.
    ///
    /// # Errors
    /// If the certificates of this machine can't be read.
    pub fn new(config: &Config, mut policy: Policy) -> io::Result<Client> {
        if let Some(seconds) = config.read_timeout.filter(|s| *s > 0) {
            policy.stall = Duration::from_secs(seconds);
        }
        let connect = Duration::from_secs(config.connect_timeout.filter(|s| *s > 0).unwrap_or(10));
        // Redirections would carry the credential elsewhere. Stalls are watched here, because reqwest's timeout of reading runs
        // while a body is sent too, and would end slow uploads that do move.
        let http = reqwest::Client::builder()
            .user_agent(concat!("snapshooter/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .connect_timeout(connect);
        let http = tls::trusting(http, &["REQUESTS_CA_BUNDLE"])?.build().map_err(|e| errors::broken("HTTP", e))?;
        let host = config.endpoint.split_once("://").map_or(&*config.endpoint, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default().to_string();
        let (endpoint, container) = (config.endpoint.clone(), config.container.clone());
        Ok(Client { http, auth: Auth::new(config)?, endpoint, host, container, policy })
    }

    /// The address of a blob or of the container, without parameters.
    fn address(&self, blob: Option<&str>) -> String {
        let mut out = format!("{}/{}", self.endpoint, self.container);
        if let Some(blob) = blob {
            out.push('/');
            encode(blob, true, &mut out);
        }
        out
    }

    /// The head of a request, signed. `version` is wrong for those within a batch.
    ///
    /// # Errors
    /// If there is no credential, or something in it can't be sent; the flag tells whether another try may help.
    pub async fn head(&self, call: &Call, version: bool) -> Result<http::request::Parts, (io::Error, bool)> {
        let mut uri = self.address(call.blob.as_deref());
        let mut mark = '?';
        for (name, value) in call.query.iter().filter(|(_, value)| !value.is_empty()) {
            uri.push(mark);
            uri.push_str(name);
            uri.push('=');
            encode(value, false, &mut uri);
            mark = '&';
        }
        let mut request = http::Request::builder().method(call.method.clone()).uri(uri);
        if version {
            request = request.header("x-ms-version", VERSION);
        }
        if !matches!(call.method, Method::GET | Method::HEAD) {
            request = request.header(header::CONTENT_LENGTH, call.body.len());
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let invalid = |e: http::Error| (io::Error::new(io::ErrorKind::InvalidInput, e.to_string()), false);
        let (mut parts, ()) = request.body(()).map_err(invalid)?.into_parts();
        self.auth.sign(&mut parts).await?;
        Ok(parts)
    }

    /// Sends it, and again where that may help. The body of the answer is still to come.
    ///
    /// # Errors
    /// For everything but success.
    pub async fn send(&self, call: &Call) -> Result<Answer, Failed> {
        Ok(self.send_and(call, false).await?.0)
    }

    /// The same, with the body of the answer.
    ///
    /// # Errors
    /// For everything but success.
    pub async fn send_whole(&self, call: &Call) -> Result<(Answer, Vec<u8>), Failed> {
        self.send_and(call, true).await
    }

    async fn send_and(&self, call: &Call, whole: bool) -> Result<(Answer, Vec<u8>), Failed> {
        let mut tries = self.policy.begin();
        loop {
            let made = tries.made();
            let tried = match self.try_once(call).await {
                Ok(answer) if !whole => return Ok((answer, Vec::new())),
                Ok(mut answer) => match self.body(&mut answer).await {
                    Ok(body) => return Ok((answer, body)),
                    Err(error) => Try { failed: error.into(), again: true, asked: None },
                },
                Err(tried) => tried,
            };
            let mut failed = Failed { tries: made, ..tried.failed };
            if !tried.again {
                return Err(failed);
            }
            match tries.again(tried.asked) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => {
                    failed.error = io::Error::new(failed.error.kind(), format!("{} (tried {made} times)", failed.error));
                    return Err(failed);
                }
            }
        }
    }

    async fn try_once(&self, call: &Call) -> Result<Answer, Try> {
        let early = |(error, again): (io::Error, bool)| Try { failed: error.into(), again, asked: None };
        let parts = self.head(call, true).await.map_err(early)?;
        let moved = Arc::new(AtomicUsize::new(0));
        let body = match call.body.is_empty() {
            true => reqwest::Body::default(),
            false => reqwest::Body::wrap(Pieces { rest: call.body.clone(), moved: moved.clone() }),
        };
        let request = http::Request::from_parts(parts, body).try_into();
        let request: reqwest::Request = request.map_err(|e| early((errors::broken(&self.host, e), false)))?;
        let limit = self.policy.stall * if call.body.is_empty() { 1 } else { SLOWER };
        crate::storage::count_request();
        let response = match unless_stalled(self.http.execute(request), &moved, limit).await {
            Some(Ok(response)) => response,
            Some(Err(e)) => return Err(early((errors::broken(&self.host, e), true))),
            None => return Err(early((errors::stalled(&self.host, limit.as_secs()), true))),
        };
        let status = response.status();
        let mut answer = Answer { status: status.as_u16(), headers: response.headers().clone(), response };
        let is_service = text(&answer.headers, "x-ms-request-id").is_some();
        // Get Blob and Get Blob Properties always tell of what type a blob is.
        let is_read = matches!(call.method, Method::GET | Method::HEAD) && call.blob.is_some();
        let is_blob = text(&answer.headers, "x-ms-blob-type").is_some() || !is_read;
        if is_service
            && is_blob
            && call.expected().contains(&answer.status)
            && (!call.makes_blob() || text(&answer.headers, "etag").is_some())
        {
            return Ok(answer);
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = self.chunk(&mut answer).await {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ERROR {
                break;
            }
        }
        // Of what others answer nothing counts but that something may pass, and that access is denied.
        if (status.is_success() || !is_service) && !retry::may_pass(answer.status) {
            let content_type = text(&answer.headers, "content-type");
            let came = match () {
                () if body.is_empty() && !is_named_page(content_type) => "nothing that says it is a blob".to_string(),
                () if body.is_empty() => "an HTML page".to_string(),
                () => kind(content_type, &body),
            };
            let kind = match answer.status {
                401 | 403 | 407 => io::ErrorKind::PermissionDenied,
                _ => io::ErrorKind::Other,
            };
            let reason = format!("{}: {}", self.host, instead(call.shown(), status, &came));
            return Err(early((io::Error::new(kind, reason), false)));
        }
        let failed = errors::answered(answer.status, text(&answer.headers, "x-ms-error-code"), &body, &self.container);
        // A body that did not arrive as it was sent may arrive well next time.
        let again = retry::may_pass(answer.status) || failed.code == "Md5Mismatch";
        let asked = text(&answer.headers, "retry-after").and_then(|h| retry::retry_after(h, Time::now()));
        Err(Try { failed, again, asked })
    }

    async fn body(&self, answer: &mut Answer) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = self.chunk(answer).await? {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST {
                return Err(io::Error::other(format!("{}: an answer of more than {LARGEST} bytes", self.host)));
            }
        }
        Ok(body)
    }

    /// The next bytes of an answer; None at its end.
    ///
    /// # Errors
    /// If the connection breaks, stalls, or ends before the length that was announced.
    pub async fn chunk(&self, answer: &mut Answer) -> io::Result<Option<Bytes>> {
        match tokio::time::timeout(self.policy.stall, answer.response.chunk()).await {
            Ok(chunk) => chunk.map_err(|e| errors::broken(&self.host, e)),
            Err(_) => Err(errors::stalled(&self.host, self.policy.stall.as_secs())),
        }
    }
}

/// A header as text, if it is some.
pub fn text<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name)?.to_str().ok().filter(|t| !t.is_empty())
}

/// Percent-encodes all but letters, digits and `-._~`, and with `path` the `/`.
fn encode(text: &str, path: bool, out: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'/' if path => out.push('/'),
            b'-' | b'.' | b'_' | b'~' => out.push(byte.into()),
            _ if byte.is_ascii_alphanumeric() => out.push(byte.into()),
            // Writing to a String does not fail.
            _ => _ = write!(out, "%{byte:02X}"),
        }
    }
}

/// How often within the limit is looked whether anything moved: a stall is noticed that part of the limit too late at most.
const LOOKS: u32 = 8;

/// Waits for something as long as `moved` changes within each `limit`.
async fn unless_stalled<T>(work: impl Future<Output = T>, moved: &AtomicUsize, limit: Duration) -> Option<T> {
    let mut work = pin!(work);
    let (mut before, mut looks) = (moved.load(Ordering::Relaxed), 0);
    loop {
        match tokio::time::timeout(limit / LOOKS, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) => {
                let now = moved.load(Ordering::Relaxed);
                looks = if now == before { looks + 1 } else { 0 };
                before = now;
            }
        }
        if looks == LOOKS {
            return None;
        }
    }
}

/// A body that counts what was taken of it.
struct Pieces {
    rest: Bytes,
    moved: Arc<AtomicUsize>,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        self.moved.fetch_add(piece, Ordering::Relaxed);
        let piece = self.rest.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_encoded_whole() {
        let mut out = String::new();
        encode("a b/ä+%2F?x#y&=~-._\t\\", true, &mut out);
        assert_eq!(out, "a%20b/%C3%A4%2B%252F%3Fx%23y%26%3D~-._%09%5C");
        out.clear();
        encode("a/b", false, &mut out);
        assert_eq!(out, "a%2Fb");
    }

    #[test]
    fn slow_is_not_stalled() {
        let moved = AtomicUsize::new(0);
        let limit = Duration::from_millis(1);
        // Never ready but moving, each time it is looked at: five times.
        let slow = std::future::poll_fn(|_| match moved.fetch_add(1, Ordering::Relaxed) {
            4 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        let outcome = super::super::super::runtime::block_on(async {
            let slow = unless_stalled(slow, &moved, limit).await;
            (slow, unless_stalled(std::future::pending::<()>(), &moved, limit).await)
        });
        assert_eq!(outcome.unwrap(), (Some(()), None));
    }
}
