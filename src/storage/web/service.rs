//! Signed requests to a service. Each is sent again as long as that may help. An answer counts only if it is the expected one.

use super::auth::Auth;
use super::send::{limit, once};
use super::{asked_wait, broken, header, whole};
use crate::storage::LoginRefused;
use crate::storage::answer::{ErrorBody, instead, is_named_page, kind};
use crate::storage::retry::{Policy, Tries, may_pass};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Response};
use std::io;
use std::time::Duration;

/// The maximum size of an answer in bytes, except for contents.
const MOST: usize = 256 << 20;

/// A place in a bucket or container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    /// The URL without secrets, and without a `/` at its end.
    pub url: String,
    /// The prefix of all keys: empty, or ends with `/`.
    pub name: String,
    /// The prefix of all keys: empty, or ends with `/`.
    pub prefix: String,
}

/// The connection to one bucket or container of a service.
#[derive(Debug)]
pub struct Service {
    /// The connections.
    pub client: Client,
    /// The credentials.
    pub auth: Auth,
    /// The server, for messages.
    pub host: String,
    /// The bucket or container, and the root in it.
    pub bucket: Bucket,
    /// The limits for tries.
    pub policy: Policy,
    /// Sent with each request.
    pub headers: HeaderMap,
    /// Returns the error for an answer that reports a failure.
    pub refusal: fn(&Service, &Call, &Head, &[u8]) -> Failed,
}

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// GET, HEAD, PUT, POST, DELETE.
    pub method: Method,
    /// The whole address, percent-encoded.
    pub url: String,
    /// Headers in addition to the usual ones.
    pub headers: Vec<(String, String)>,
    /// The content to send.
    pub body: Bytes,
    /// The expected answer, for messages.
    pub asked: &'static str,
    /// A status that counts as success in addition to 200 to 299.
    pub also: Option<u16>,
    /// Whether it ends an upload, which can take the service a long time.
    pub finishes: bool,
    /// Whether it is sent without a signature, because the address is the credential.
    pub unsigned: bool,
}

impl Call {
    /// Returns a request; `asked` names the expected answer.
    pub fn new(method: Method, url: impl Into<String>, asked: &'static str) -> Call {
        Call { method, url: url.into(), asked, ..Call::default() }
    }

    /// Adds a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Call {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    pub fn body(self, body: impl Into<Bytes>) -> Call {
        Call { body: body.into(), ..self }
    }
}

/// The head of an answer.
#[derive(Clone, Debug)]
pub struct Head {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
}

impl Head {
    /// Returns a header as text, or None if it is missing, empty or no text.
    pub fn text(&self, name: &str) -> Option<&str> {
        header(&self.headers, name).filter(|text| !text.is_empty())
    }

    /// Calls `read` if the answer has this status.
    pub fn with<T>(&self, status: u16, read: impl FnOnce() -> Good<T>) -> Good<T> {
        if self.status == status { read() } else { Good::No }
    }

    /// Whether the content type is that of an HTML page.
    pub fn is_page(&self) -> bool {
        is_named_page(self.text("content-type"))
    }
}

/// The result of examining an answer with a good status.
#[derive(Debug, PartialEq)]
pub enum Good<T> {
    /// The expected answer.
    Yes(T),
    /// The start of the expected answer.
    Broken(String),
    /// An answer of the right kind that is for something else, or contradicts itself.
    Wrong(String),
    /// Another kind of answer.
    No,
}

impl<T> Good<T> {
    /// Examines the expected answer further.
    pub fn and_then<U>(self, look: impl FnOnce(T) -> Good<U>) -> Good<U> {
        match self {
            Good::Yes(read) => look(read),
            Good::Broken(reason) => Good::Broken(reason),
            Good::Wrong(reason) => Good::Wrong(reason),
            Good::No => Good::No,
        }
    }
}

impl From<bool> for Good<()> {
    fn from(good: bool) -> Good<()> {
        if good { Good::Yes(()) } else { Good::No }
    }
}

/// The reason why a request failed.
#[derive(Debug)]
pub struct Failed {
    /// The status, or 0 if there was no answer.
    pub status: u16,
    /// The code of the service, such as `NoSuchKey`; empty if there is none.
    pub code: String,
    /// The number of tries. After several tries, an object that is found can be the one that was sent.
    pub tries: u32,
    /// Whether another try may succeed.
    pub passes: bool,
    /// The wait before the next try that the service asks for.
    pub wait: Option<Duration>,
    /// The reason.
    pub error: io::Error,
}

impl Failed {
    /// Returns the failure that an answer reports.
    pub fn new(status: StatusCode, code: &str, error: io::Error) -> Failed {
        let passes = may_pass(status.as_u16());
        Failed { status: status.as_u16(), code: code.to_string(), passes, ..error.into() }
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        failed.error
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed { status: 0, code: String::new(), tries: 1, passes: false, wait: None, error }
    }
}

/// Adds the name of the thing that failed to an error.
pub fn named(e: io::Error, what: &str) -> io::Error {
    let reason = format!("{what}: {e}");
    match LoginRefused::is(&e) {
        true => LoginRefused(reason).into(),
        false => io::Error::new(e.kind(), reason),
    }
}

fn passing(error: io::Error) -> Failed {
    Failed { passes: !LoginRefused::is(&error), ..error.into() }
}

impl Service {
    /// Returns the signed head of a request.
    ///
    /// # Errors
    /// If there is no credential, or a header can't be sent.
    pub async fn head(&self, call: &Call) -> Result<http::request::Parts, Failed> {
        let mut request = http::Request::builder().method(call.method.clone()).uri(&call.url);
        if !matches!(call.method, Method::GET | Method::HEAD) {
            request = request.header(http::header::CONTENT_LENGTH, call.body.len());
        }
        for (name, value) in &call.headers {
            request = request.header(name, value);
        }
        let invalid = |e: http::Error| io::Error::new(io::ErrorKind::InvalidInput, e.to_string());
        let (mut parts, ()) = request.body(()).map_err(invalid)?.into_parts();
        parts.headers.extend(self.headers.clone());
        if !call.unsigned {
            let signed = self.auth.sign(&mut parts).await;
            signed.map_err(|(error, passes)| Failed { passes, ..error.into() })?;
        }
        Ok(parts)
    }

    /// Sends a request, again as long as that may help, and reads the whole answer.
    ///
    /// # Errors
    /// If there is no answer, or it is not [`Good::Yes`].
    pub async fn ask<T>(&self, call: &Call, read: impl Fn(&Head, &[u8]) -> Good<T>) -> Result<T, Failed> {
        let mut tries = self.policy.begin();
        loop {
            let failed = match self.once(call).await {
                Err(failed) => failed,
                Ok((head, answer)) => match whole(answer, MOST, &self.policy, &self.host).await {
                    Err(e) => passing(e),
                    Ok(body) => match read(&head, &body) {
                        Good::Yes(read) => return Ok(read),
                        other => self.odd(call, &head, Some(&body), other),
                    },
                },
            };
            wait(&mut tries, failed).await?;
        }
    }

    /// Does what [`Service::ask`] does, but for a content, whose body is not read yet.
    ///
    /// # Errors
    /// If there is no answer, or it is not [`Good::Yes`].
    pub async fn open(&self, call: &Call, is: impl Fn(&Head) -> Good<()>) -> Result<(Head, Response), Failed> {
        let mut tries = self.policy.begin();
        loop {
            let failed = match self.once(call).await {
                Err(failed) => failed,
                Ok((head, answer)) => match is(&head) {
                    Good::Yes(()) => return Ok((head, answer)),
                    other => self.odd(call, &head, None, other),
                },
            };
            wait(&mut tries, failed).await?;
        }
    }

    async fn once(&self, call: &Call) -> Result<(Head, Response), Failed> {
        let parts = self.head(call).await?;
        let request = http::Request::from_parts(parts, reqwest::Body::default()).try_into();
        let request = request.map_err(|e: reqwest::Error| broken(&e, &self.host))?;
        let limit = if call.finishes { self.policy.finish } else { limit(self.policy.stall, &call.body) };
        let answer = once(&self.client, request, &call.body, limit, &self.host).await.map_err(passing)?;
        let head = Head { status: answer.status(), headers: answer.headers().clone() };
        if head.status.is_success() || call.also == Some(head.status.as_u16()) {
            return Ok((head, answer));
        }
        let wait = asked_wait(&answer);
        let body = whole(answer, MOST, &self.policy, &self.host).await;
        // The body is not needed if another try may succeed.
        let body = if may_pass(head.status.as_u16()) { body.unwrap_or_default() } else { body.map_err(passing)? };
        Err(Failed { wait, ..(self.refusal)(self, call, &head, &body) })
    }

    /// Returns the error for an answer that is not the expected one. Services send errors with good statuses, too.
    fn odd<T>(&self, call: &Call, head: &Head, body: Option<&[u8]>, good: Good<T>) -> Failed {
        let host = &self.host;
        let invalid = |passes, reason| {
            let error = io::Error::new(io::ErrorKind::InvalidData, reason);
            Failed { passes, ..Failed::new(head.status, "", error) }
        };
        match good {
            Good::Broken(reason) => invalid(true, format!("{host}: the answer of the service breaks off: {reason}")),
            Good::Wrong(reason) => invalid(false, format!("{host}: the service answered with {} that {reason}", call.asked)),
            Good::Yes(_) | Good::No => match body.and_then(ErrorBody::of) {
                Some(said) => {
                    let error = io::Error::other(format!("{host}: the service says {said}"));
                    let passes = ["InternalError", "SlowDown", "ServiceUnavailable"].contains(&said.code.as_str());
                    Failed { passes, ..Failed::new(head.status, &said.code, error) }
                }
                None => {
                    let error = io::Error::other(self.instead(call, head, body.unwrap_or_default()));
                    Failed { passes: false, ..Failed::new(head.status, "", error) }
                }
            },
        }
    }

    /// Returns a message about an unexpected answer.
    pub fn instead(&self, call: &Call, head: &Head, body: &[u8]) -> String {
        let came = match () {
            () if !body.is_empty() => kind(head.text("content-type"), body),
            () if head.is_page() => "an HTML page".to_string(),
            // The body of a content was not read, and HEAD has none.
            () if matches!(call.method, Method::GET | Method::HEAD) && head.status.is_success() => {
                "nothing that says it is an object".to_string()
            }
            () => kind(None, body),
        };
        format!("{}: {}", self.host, instead(call.asked, head.status, &came))
    }
}

/// Waits until the next try. Returns the failure if there is none.
async fn wait(tries: &mut Tries, failed: Failed) -> Result<(), Failed> {
    let made = tries.made();
    match failed.passes.then(|| tries.again(failed.wait)) {
        Some(Some(wait)) => tokio::time::sleep(wait).await,
        Some(None) => {
            let error = io::Error::new(failed.error.kind(), format!("{} (tried {made} times)", failed.error));
            return Err(Failed { tries: made, error, ..failed });
        }
        None => return Err(Failed { tries: made, ..failed }),
    }
    Ok(())
}
