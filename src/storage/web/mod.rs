//! HTTP for the storages that use it: shared clients, requests that are tried again, blocking bodies.

#[cfg(feature = "signed")]
pub(super) mod api;
#[cfg(feature = "signed")]
pub(super) mod auth;
pub(super) mod content;
#[cfg(feature = "signed")]
pub(super) mod delete;
mod digest;
mod failure;
mod gate;
mod get;
#[cfg(feature = "signed")]
mod guess;
mod login;
#[cfg(feature = "signed")]
pub(super) mod multipart;
#[cfg(feature = "signed")]
pub(super) mod objects;
#[cfg(feature = "signed")]
pub(super) mod pages;
mod proxy;
#[cfg(feature = "signed")]
pub(super) mod range;
#[cfg(feature = "signed")]
mod ranges;
mod send;
#[cfg(feature = "signed")]
pub(super) mod service;
#[cfg(test)]
mod tests;
mod text;
#[cfg(feature = "signed")]
pub(super) mod upload;
#[cfg(feature = "signed")]
pub(super) mod versions;

pub(super) use super::percent::{decode, encode, encode_all};
pub(super) use super::place::Place;
pub(super) use get::{Content, get};
pub(super) use login::Login;
pub(super) use text::{base64_md5, header, host_of, http_time, is_header, is_loopback, md5_base64, query, time, with_scheme};

use self::send::{head_size, limit, once, request_size};
use super::LoginRefused;
use super::answer::is_named_page;
use super::retry::{Policy, may_pass, retry_after};
use super::tls;
use super::traffic::{self, UnderWay};
use crate::time::Time;
use bytes::Bytes;
use failure::{broken, stalled};
use reqwest::{Body, Client, ClientBuilder, Request, Response, StatusCode, Url, redirect};
use std::io;
use std::sync::OnceLock;
use std::time::Duration;

/// The time limit to connect.
const CONNECT: Duration = Duration::from_secs(20);

/// The redirections that a client follows.
#[derive(Clone, Copy)]
pub(super) enum Redirects {
    /// None: data is written and deleted only at the address that the user gave, and a signature is for one address only.
    Never,
    /// Those to the same server: they get the headers of the user, which can be secrets.
    SameServer,
    /// All; the login is not passed on.
    Anywhere,
}

/// Returns the client of this process for storages that write: connections are shared.
///
/// # Errors
/// If the system has no certificates, or they can't be read.
pub(super) fn client() -> io::Result<&'static Client> {
    client_that(Redirects::Never)
}

/// Returns the client of this process that follows these redirections.
///
/// # Errors
/// Errors of [`client`].
pub(super) fn client_that(redirects: Redirects) -> io::Result<&'static Client> {
    static CLIENTS: [OnceLock<Client>; 3] = [const { OnceLock::new() }; 3];
    held(&CLIENTS[redirects as usize], redirects, &[])
}

/// Returns the client of this process for S3, whose other tools read one more variable for certificates.
///
/// # Errors
/// Errors of [`client`].
pub(super) fn client_for_amazon() -> io::Result<&'static Client> {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    held(&CLIENT, Redirects::Never, &["AWS_CA_BUNDLE"])
}

fn held(held: &'static OnceLock<Client>, redirects: Redirects, bundles: &[&str]) -> io::Result<&'static Client> {
    if let Some(client) = held.get() {
        return Ok(client);
    }
    let follows = match redirects {
        Redirects::Never => redirect::Policy::none(),
        Redirects::SameServer => redirect::Policy::custom(|attempt| {
            let is_same = attempt.previous().first().is_some_and(|first| first.origin() == attempt.url().origin());
            if is_same { redirect::Policy::default().redirect(attempt) } else { attempt.stop() }
        }),
        Redirects::Anywhere => redirect::Policy::default(),
    };
    let client = build(Client::builder().redirect(follows), CONNECT, bundles)?;
    Ok(held.get_or_init(|| client))
}

/// Builds a client that trusts the certificates of the system, of `REQUESTS_CA_BUNDLE` and of these variables. It has to connect
/// within `connect`.
///
/// # Errors
/// If there are no certificates, or they can't be read.
pub(super) fn build(builder: ClientBuilder, connect: Duration, bundles: &[&str]) -> io::Result<Client> {
    let agent = concat!("snapshooter/", env!("CARGO_PKG_VERSION"));
    let builder = builder.connect_timeout(connect).user_agent(agent);
    let builder = tls::trusting(builder, &[bundles, &["REQUESTS_CA_BUNDLE"]].concat())?;
    builder.build().map_err(|e| broken(&e, "the HTTP client"))
}

/// Sends a request, again as long as that may help, but only once if its body is a stream. The answer can have any status. `host`
/// is for messages.
///
/// # Errors
/// If no answer came.
pub(super) async fn fetch(client: &Client, request: Request, policy: &Policy, host: &str) -> io::Result<Response> {
    let mut tries = policy.begin();
    let body = request.body().and_then(Body::as_bytes).map(Bytes::copy_from_slice).unwrap_or_default();
    let limit = limit(policy.stall, &body);
    let mut next = Some(request);
    loop {
        let Some(request) = next.take() else { return Err(io::Error::other("a request that can't be sent again")) };
        next = request.try_clone();
        let sent = match &next {
            Some(_) => once(client, request, &body, limit, host).await,
            // The limits of a stream are set where it is created. It waits for no place: its source can be the same server,
            // whose connection may have to be made again before the stream ends.
            None => {
                traffic::turn(request_size(&request)).await;
                let _under_way = UnderWay::begin();
                let address = request.url().clone();
                let answer = client.execute(request).await.map_err(|e| broken(&e, host));
                let answer = answer.and_then(|answer| proxy::passed(answer, &address));
                answer.inspect(|answer| traffic::moved(head_size(answer.headers())))
            }
        };
        let (asked, failed) = match sent {
            Ok(answer) if !may_pass(answer.status().as_u16()) => return Ok(answer),
            Ok(answer) => (asked_wait(&answer), Ok(answer)),
            Err(e) => (None, Err(e)),
        };
        let is_final = failed.as_ref().is_err_and(LoginRefused::is);
        match tries.again(asked).filter(|_| next.is_some() && !is_final) {
            Some(wait) => tokio::time::sleep(wait).await,
            None => return failed,
        }
    }
}

/// Returns how long the server asks to wait before another try.
pub(super) fn asked_wait(answer: &Response) -> Option<Duration> {
    retry_after(header(answer.headers(), "retry-after")?, Time::now())
}

/// The most room that is made beforehand for an answer that says its length.
const EXPECTED: u64 = 1 << 20;

/// Reads the whole body of an answer that is small.
///
/// # Errors
/// If the connection breaks, or the body is longer than `most` bytes.
pub(super) async fn whole(mut answer: Response, most: usize, policy: &Policy, host: &str) -> io::Result<Vec<u8>> {
    // A longer one, or one that does not say its length, grows.
    let expected = answer.content_length().unwrap_or(0).min(EXPECTED);
    let mut body = Vec::with_capacity(expected as usize);
    loop {
        // The first bytes are there together with the head.
        if !body.is_empty() {
            traffic::turn(0).await;
        }
        let chunk = tokio::time::timeout(policy.stall, answer.chunk()).await.map_err(|_| stalled(host))?;
        match chunk.map_err(|e| broken(&e, host))? {
            None => return Ok(body),
            Some(chunk) if body.len() + chunk.len() > most => {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("{host}: an answer of more than {most} bytes")));
            }
            Some(chunk) => {
                traffic::moved(chunk.len());
                body.extend_from_slice(&chunk);
            }
        }
    }
}

/// Refuses an HTML page from another address, such as a login page, or a page that says that there is no such file. Files can
/// come from another address, and so can pages if they have the same name.
pub(super) fn sent_from_elsewhere(asked: &Url, answer: &Response, what: &str) -> io::Result<()> {
    let name = |url: &Url| url.path().rsplit('/').next().unwrap_or_default().to_string();
    if asked == answer.url() || name(asked) == name(answer.url()) || !is_named_page(header(answer.headers(), "content-type")) {
        return Ok(());
    }
    Err(io::Error::other(format!("{what}: the server sends elsewhere, and answers with an HTML page from there")))
}

/// Returns the error for an object whose identity can't be the condition of a request.
#[cfg(feature = "signed")]
pub(super) fn unconditional() -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, "the service gives the object no identity that a request can refer to")
}

/// Returns the kind of error for a status.
pub(super) fn kind_of(status: StatusCode) -> io::ErrorKind {
    match status.as_u16() {
        401 | 403 | 407 => io::ErrorKind::PermissionDenied,
        404 | 410 => io::ErrorKind::NotFound,
        405 | 501 => io::ErrorKind::Unsupported,
        408 | 504 => io::ErrorKind::TimedOut,
        507 => io::ErrorKind::StorageFull,
        _ => io::ErrorKind::Other,
    }
}

/// Returns the message for a status.
pub(super) fn said(status: StatusCode) -> String {
    match status.as_u16() {
        401 | 407 => format!("the server says {status}: the login is missing or wrong, or has expired"),
        _ => format!("the server says {status}"),
    }
}

/// Returns the error for a status. `what` names the file or folder.
pub(super) fn refusal(status: StatusCode, what: &str) -> io::Error {
    let reason = format!("{what}: {}", said(status));
    match status.as_u16() {
        401 | 407 => LoginRefused(reason).into(),
        _ => io::Error::new(kind_of(status), reason),
    }
}
