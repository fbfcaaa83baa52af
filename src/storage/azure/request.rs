//! The requests that the service knows, and which answers are its own.

use super::auth::auth;
use super::config::Config;
use super::errors;
use crate::storage::retry::{Policy, may_pass};
use crate::storage::web::delete::{Deletes, Done};
use crate::storage::web::service::{Call, Failed, Good, Head, Manner, Service};
use crate::storage::web::{self, encode, encode_all, multipart};
use http::{HeaderMap, Method};
use reqwest::redirect;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The version of the protocol.
const VERSION: &str = "2023-11-03";
/// Blocks of one upload on their way at the same time.
const IN_FLIGHT: usize = 4;
/// Blocks of all uploads of a store on their way at the same time.
const ALL_IN_FLIGHT: usize = 8;

/// Requests to one container.
#[derive(Debug)]
pub struct Requests {
    /// The way to it.
    pub service: Arc<Service>,
    /// The root as it may be shown.
    pub url: String,
    /// Before all keys: empty, or with a `/` at its end.
    pub prefix: String,
    /// The address of the container.
    base: String,
    /// Blocks of one upload on their way at the same time.
    pub in_flight: usize,
    /// One for each block of all uploads that may be on its way, which bounds the memory.
    pub slots: Arc<Semaphore>,
}

impl Requests {
    /// For a root. Nothing is sent yet.
    ///
    /// # Errors
    /// If the certificates of this machine can't be read.
    pub fn new(config: Config, mut policy: Policy) -> io::Result<Requests> {
        if let Some(seconds) = config.read_timeout.filter(|s| *s > 0) {
            policy.stall = Duration::from_secs(seconds);
        }
        let connect = Duration::from_secs(config.connect_timeout.filter(|s| *s > 0).unwrap_or(10));
        // Redirections would carry the credential elsewhere.
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).http1_only();
        let client = web::build(client, connect, &[])?;
        let auth = auth(&config, &client)?;
        let host = config.endpoint.split_once("://").map_or(&*config.endpoint, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default().to_string();
        let base = format!("{}/{}", config.endpoint, config.container);
        let in_flight = config.concurrency.unwrap_or(IN_FLIGHT).clamp(1, 64);
        let slots = Arc::new(Semaphore::new(in_flight.max(ALL_IN_FLIGHT)));
        let bucket = config.container;
        let service = Service { client, auth, host, bucket, policy, headers: HeaderMap::new(), manner: &Azure };
        let service = Arc::new(service);
        Ok(Requests { service, url: config.url, prefix: config.prefix, base, in_flight, slots })
    }

    /// A request about a blob, or with its name None about the container. `asked` is what its answer is to be. Parameters without
    /// a value are left out, because their signature would be wrong.
    pub fn call(&self, method: Method, blob: Option<&str>, query: &[(&str, &str)], asked: &'static str) -> Call {
        self.bare(method, blob, query, asked).header("x-ms-version", VERSION)
    }

    /// The same without what is wrong within a batch.
    fn bare(&self, method: Method, blob: Option<&str>, query: &[(&str, &str)], asked: &'static str) -> Call {
        let blob = blob.map(|blob| format!("/{}", encode(blob))).unwrap_or_default();
        let query = query.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<_> = query.map(|(name, value)| format!("{name}={}", encode_all(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        Call::new(method, format!("{}{blob}{mark}{}", self.base, query.join("&")), asked)
    }

    fn deletion(&self, name: &str) -> Call {
        self.call(Method::DELETE, Some(name), &[], "word of a deletion")
    }
}

/// Whether an answer is the service's own and has the status of one that did it: "Status Code" of each operation in its
/// documentation.
pub fn is_done(head: &Head, status: u16) -> bool {
    head.status == status && is_own(head)
}

fn is_own(head: &Head) -> bool {
    head.text("x-ms-request-id").is_some()
}

/// Get Blob and Get Blob Properties always tell of what type a blob is.
pub fn is_blob(head: &Head) -> bool {
    is_own(head) && head.text("x-ms-blob-type").is_some()
}

/// What sets it apart.
#[derive(Debug)]
struct Azure;

impl Manner for Azure {
    fn is_content(&self, head: &Head, _: bool) -> bool {
        is_blob(head)
    }

    /// Of what others answer nothing counts but that something may pass, and that access is denied.
    fn refusal(&self, service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
        if is_own(head) || may_pass(head.status.as_u16()) {
            return errors::answered(head.status, head.text("x-ms-error-code"), body, &service.bucket);
        }
        let kind = match head.status.as_u16() {
            401 | 403 | 407 => io::ErrorKind::PermissionDenied,
            _ => io::ErrorKind::Other,
        };
        io::Error::new(kind, service.instead(call, head, body)).into()
    }
}

impl Deletes for Requests {
    const MOST: usize = 256;

    async fn delete_batch(&self, names: &[String]) -> Result<Done, Failed> {
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            let head = self.service.head(&self.bare(Method::DELETE, Some(name), &[], "")).await?;
            let path = head.uri.path_and_query().map_or("/", |p| p.as_str()).to_string();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
            parts.push((head.method, path, headers));
        }
        let (content_type, body) = multipart::requests(parts);
        let query = [("restype", "container"), ("comp", "batch")];
        let call = self.call(Method::POST, None, &query, "word of each deletion");
        let call = call.header("content-type", content_type).body(body);
        let read = |head: &Head, body: &[u8]| match is_done(head, 202) {
            true => Good::Yes(multipart::answers(head, body).unwrap_or_default()),
            false => Good::No,
        };
        let parts = self.service.ask(&call, read).await?;
        Ok((0..names.len()).map(|at| parts.get(&at).and_then(|part| self.judge(part))).collect())
    }

    async fn delete_one(&self, name: &str) -> io::Result<()> {
        match self.service.ask(&self.deletion(name), |head, _| is_done(head, 202).into()).await {
            Ok(()) => Ok(()),
            Err(Failed { status: 404, code, .. }) if code != "ContainerNotFound" => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }
}

impl Requests {
    /// What the service says of one deletion of a batch; None if that may pass.
    fn judge(&self, part: &multipart::Part) -> Option<io::Result<()>> {
        let code = part.header("x-ms-error-code");
        match part.status {
            // "202 Accepted", as for each alone.
            202 => Some(Ok(())),
            404 if code != "ContainerNotFound" => Some(Ok(())),
            status if may_pass(status) => None,
            status => {
                let code = Some(&*code).filter(|c| !c.is_empty());
                let status = http::StatusCode::from_u16(status).ok()?;
                Some(Err(errors::answered(status, code, part.body.as_bytes(), &self.service.bucket).error))
            }
        }
    }
}
