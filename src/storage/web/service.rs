//! Requests to a service that signs them: made, signed, sent, and sent again where that may help. An answer counts only when it
//! is what was asked for.

use super::auth::Auth;
use super::send::{limit, once};
use super::{asked_wait, broken, header, whole};
use crate::storage::LoginRefused;
use crate::storage::answer::{Said, instead, is_named_page, kind};
use crate::storage::retry::{Policy, Tries, may_pass};
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use reqwest::{Client, Response};
use std::io;
use std::time::Duration;

/// Answers other than contents are never longer, in bytes.
const MOST: usize = 256 << 20;

/// One bucket or container of a service, and the way to it.
#[derive(Debug)]
pub struct Service {
    /// The connections.
    pub client: Client,
    /// The credentials.
    pub auth: Auth,
    /// The server, for messages.
    pub host: String,
    /// The bucket or container.
    pub bucket: String,
    /// How often to try.
    pub policy: Policy,
    /// Sent with each request.
    pub headers: HeaderMap,
    /// Returns the error for an answer that reports a failure.
    pub refusal: fn(&Service, &Call, &Head, &[u8]) -> Failed,
}

/// What to ask for.
#[derive(Clone, Debug, Default)]
pub struct Call {
    /// GET, HEAD, PUT, POST, DELETE.
    pub method: Method,
    /// The whole address, encoded.
    pub url: String,
    /// Headers beyond the usual ones.
    pub headers: Vec<(String, String)>,
    /// What to send.
    pub body: Bytes,
    /// What its answer is to be, for people.
    pub asked: &'static str,
    /// A status that is no refusal beside 200 to 299.
    pub also: Option<u16>,
    /// It ends an upload, for which the service may take long.
    pub finishes: bool,
    /// Its address is a credential of its own.
    pub unsigned: bool,
}

impl Call {
    /// A request; `asked` is what its answer is to be.
    pub fn new(method: Method, url: impl Into<String>, asked: &'static str) -> Call {
        Call { method, url: url.into(), asked, ..Call::default() }
    }

    /// With a header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Call {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// With a body.
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
    /// A header as text, if it is some.
    pub fn text(&self, name: &str) -> Option<&str> {
        header(&self.headers, name).filter(|text| !text.is_empty())
    }

    /// What `read` tells, of an answer with the one status that did it.
    pub fn with<T>(&self, status: u16, read: impl FnOnce() -> Good<T>) -> Good<T> {
        if self.status == status { read() } else { Good::No }
    }

    /// Whether it says that its body is a page for people.
    pub fn is_page(&self) -> bool {
        is_named_page(self.text("content-type"))
    }
}

/// What an answer without a refusal is.
#[derive(Debug, PartialEq)]
pub enum Good<T> {
    /// What was asked for.
    Yes(T),
    /// Its beginning.
    Broken(String),
    /// Of the right kind, but it is not what was asked for, or contradicts itself.
    Wrong(String),
    /// Something else.
    No,
}

impl<T> Good<T> {
    /// Looks further at what was asked for.
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

/// Why a request did not do what it should.
#[derive(Debug)]
pub struct Failed {
    /// The status; 0 without an answer.
    pub status: u16,
    /// The service's own code, as `NoSuchKey`; empty where it gave none.
    pub code: String,
    /// Tries that were made. After the first one something that is found may be one's own.
    pub tries: u32,
    /// Whether another try may fare better.
    pub passes: bool,
    /// In words.
    pub error: io::Error,
}

impl Failed {
    /// That of an answer.
    pub fn new(status: StatusCode, code: &str, error: io::Error) -> Failed {
        Failed { status: status.as_u16(), code: code.to_string(), tries: 1, passes: may_pass(status.as_u16()), error }
    }
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        failed.error
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed { status: 0, code: String::new(), tries: 1, passes: false, error }
    }
}

/// The same error, of something named `what`.
pub fn named(e: io::Error, what: &str) -> io::Error {
    let reason = format!("{what}: {e}");
    match LoginRefused::is(&e) {
        true => LoginRefused(reason).into(),
        false => io::Error::new(e.kind(), reason),
    }
}

/// A try that failed, and how long the service asks to wait before the next one.
type Try = (Failed, Option<Duration>);

fn passing(error: io::Error) -> Try {
    (Failed { passes: true, ..error.into() }, None)
}

impl Service {
    /// The head of a request, signed.
    ///
    /// # Errors
    /// If there is no credential, or something in it can't be sent.
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

    /// Asks, and again where that may help. `read` tells what the answer is.
    ///
    /// # Errors
    /// For everything but [`Good::Yes`].
    pub async fn ask<T>(&self, call: &Call, read: impl Fn(&Head, &[u8]) -> Good<T>) -> Result<T, Failed> {
        let mut tries = self.policy.begin();
        loop {
            let tried = match self.once(call).await {
                Err(tried) => tried,
                Ok((head, answer)) => match whole(answer, MOST, &self.policy, &self.host).await {
                    Err(e) => passing(e),
                    Ok(body) => match read(&head, &body) {
                        Good::Yes(read) => return Ok(read),
                        other => (self.odd(call, &head, Some(&body), other), None),
                    },
                },
            };
            wait(&mut tries, tried).await?;
        }
    }

    /// The same of a content, whose body is still to come.
    ///
    /// # Errors
    /// For everything but [`Good::Yes`].
    pub async fn open(&self, call: &Call, is: impl Fn(&Head) -> Good<()>) -> Result<(Head, Response), Failed> {
        let mut tries = self.policy.begin();
        loop {
            let tried = match self.once(call).await {
                Err(tried) => tried,
                Ok((head, answer)) => match is(&head) {
                    Good::Yes(()) => return Ok((head, answer)),
                    other => (self.odd(call, &head, None, other), None),
                },
            };
            wait(&mut tries, tried).await?;
        }
    }

    async fn once(&self, call: &Call) -> Result<(Head, Response), Try> {
        let parts = self.head(call).await.map_err(|failed| (failed, None))?;
        let request = http::Request::from_parts(parts, reqwest::Body::default()).try_into();
        let request = request.map_err(|e: reqwest::Error| (broken(&e, &self.host).into(), None))?;
        let limit = if call.finishes { self.policy.finish } else { limit(self.policy.stall, &call.body) };
        let answer = once(&self.client, request, &call.body, limit, &self.host).await.map_err(passing)?;
        let head = Head { status: answer.status(), headers: answer.headers().clone() };
        if head.status.is_success() || call.also == Some(head.status.as_u16()) {
            return Ok((head, answer));
        }
        let asked = asked_wait(&answer);
        let body = whole(answer, MOST, &self.policy, &self.host).await;
        // Of what may pass the body is not needed.
        let body = if may_pass(head.status.as_u16()) { body.unwrap_or_default() } else { body.map_err(passing)? };
        Err(((self.refusal)(self, call, &head, &body), asked))
    }

    /// The error of an answer that is something else than was asked for. Services put errors into answers that began well.
    fn odd<T>(&self, call: &Call, head: &Head, body: Option<&[u8]>, good: Good<T>) -> Failed {
        let host = &self.host;
        let invalid = |passes, reason| {
            let error = io::Error::new(io::ErrorKind::InvalidData, reason);
            Failed { passes, ..Failed::new(head.status, "", error) }
        };
        let (passes, code, reason) = match good {
            Good::Broken(reason) => return invalid(true, format!("{host}: the answer of the service breaks off: {reason}")),
            Good::Wrong(reason) => {
                return invalid(false, format!("{host}: the service answered with {} that {reason}", call.asked));
            }
            Good::Yes(_) | Good::No => match body.and_then(Said::of) {
                Some(said) => {
                    let passes = ["InternalError", "SlowDown", "ServiceUnavailable"].contains(&said.code.as_str());
                    (passes, said.code.clone(), format!("{host}: the service says {said}"))
                }
                None => (false, String::new(), self.instead(call, head, body.unwrap_or_default())),
            },
        };
        Failed { passes, ..Failed::new(head.status, &code, io::Error::other(reason)) }
    }

    /// That something else came than was asked for.
    pub fn instead(&self, call: &Call, head: &Head, body: &[u8]) -> String {
        let came = match () {
            () if !body.is_empty() => kind(head.text("content-type"), body),
            () if head.is_page() => "an HTML page".to_string(),
            // Of a content the body was not looked at, and HEAD has none.
            () if matches!(call.method, Method::GET | Method::HEAD) && head.status.is_success() => {
                "nothing that says it is an object".to_string()
            }
            () => kind(None, body),
        };
        format!("{}: {}", self.host, instead(call.asked, head.status, &came))
    }
}

/// Waits until another try is due.
async fn wait(tries: &mut Tries, (failed, asked): Try) -> Result<(), Failed> {
    let made = tries.made();
    match failed.passes.then(|| tries.again(asked)) {
        Some(Some(wait)) => tokio::time::sleep(wait).await,
        Some(None) => {
            let error = io::Error::new(failed.error.kind(), format!("{} (tried {made} times)", failed.error));
            return Err(Failed { tries: made, error, ..failed });
        }
        None => return Err(Failed { tries: made, ..failed }),
    }
    Ok(())
}
