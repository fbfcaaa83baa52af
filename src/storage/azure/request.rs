//! Requests to the service, and which answers are from the service itself.

use super::auth::auth;
use super::config::{self, Config};
use super::errors;
use crate::storage::attributes::Attributes;
use crate::storage::retry::{Policy, may_pass};
use crate::storage::store::Put;
use crate::storage::web::service::{Call, Failed, Head, Service};
use crate::storage::web::{self, encode, encode_all, multipart};
use http::{HeaderMap, Method};
use reqwest::redirect;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The version of the protocol.
const VERSION: &str = "2023-11-03";
/// The number of blocks of one upload that are sent at the same time.
const IN_FLIGHT: usize = 4;
/// The number of blocks of all uploads of a store that are sent at the same time.
const ALL_IN_FLIGHT: usize = 8;

/// Requests to one container.
#[derive(Debug)]
pub struct Requests {
    /// The connection.
    pub service: Arc<Service>,
    /// The address of the container.
    base: String,
    /// The number of blocks of one upload that are sent at the same time.
    pub in_flight: usize,
    /// One permit for each block of all uploads that can be sent at the same time, which bounds the memory.
    pub slots: Arc<Semaphore>,
    /// The account, for messages.
    pub account: String,
    /// The access tier of new blobs, if the options set it.
    tier: Option<String>,
    /// The encryption scope of new blobs, if the options set it.
    scope: Option<String>,
}

impl Requests {
    /// Prepares requests for a root. No request is sent yet.
    ///
    /// # Errors
    /// If the certificates of this machine can't be read.
    pub fn new(config: Config, mut policy: Policy) -> io::Result<Requests> {
        if let Some(seconds) = config.read_timeout.filter(|s| *s > 0) {
            policy.stall = Duration::from_secs(seconds);
        }
        let connect = Duration::from_secs(config.connect_timeout.filter(|s| *s > 0).unwrap_or(10));
        // A redirection would send the credential to another server.
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).http1_only();
        let client = web::build(client, connect, &[])?;
        let auth = auth(&config, &client)?;
        let host = config.endpoint.split_once("://").map_or(&*config.endpoint, |(_, rest)| rest);
        let host = host.split('/').next().unwrap_or_default().to_string();
        let base = format!("{}/{}", config.endpoint, config.root.name);
        let in_flight = config.concurrency.unwrap_or(IN_FLIGHT).clamp(1, 64);
        let slots = Arc::new(Semaphore::new(in_flight.max(ALL_IN_FLIGHT)));
        let service = Service { client, auth, host, bucket: config.root.clone(), policy, headers: HeaderMap::new(), refusal };
        let service = Arc::new(service);
        let config::Config { account, tier, scope, .. } = config;
        Ok(Requests { service, base, in_flight, slots, account, tier, scope })
    }

    /// Returns the attributes with those that the options set for all blobs.
    pub fn over(&self, attributes: Attributes) -> Attributes {
        let tier = self.tier.clone().or(attributes.storage_class);
        Attributes { storage_class: tier, ..attributes }
    }

    /// Returns the attributes of a blob to put. One that has to stay readable is not put in the archive.
    pub fn attributes(&self, how: &Put) -> Attributes {
        let over = self.over(how.attributes.clone());
        let is_archive = over.storage_class.as_deref() == Some("Archive");
        if how.stays_readable && is_archive { Attributes { storage_class: None, ..over } } else { over }
    }

    /// Adds the encryption scope to a request that stores a blob or a block.
    pub fn scoped(&self, call: Call) -> Call {
        match &self.scope {
            Some(scope) => call.header("x-ms-encryption-scope", scope),
            None => call,
        }
    }

    /// Returns a request about a blob, or about the container if the name is None. `asked` names the expected answer. Parameters
    /// without a value are left out, because their signature would be wrong.
    pub fn call(&self, method: Method, blob: Option<&str>, query: &[(&str, &str)], asked: &'static str) -> Call {
        self.bare(method, blob, query, asked).header("x-ms-version", VERSION)
    }

    /// Does what [`Requests::call`] does, but without the version, which the parts of a batch must not have.
    pub fn bare(&self, method: Method, blob: Option<&str>, query: &[(&str, &str)], asked: &'static str) -> Call {
        let blob = blob.map(|blob| format!("/{}", encode(blob))).unwrap_or_default();
        let query = query.iter().filter(|(_, value)| !value.is_empty());
        let query: Vec<_> = query.map(|(name, value)| format!("{name}={}", encode_all(value))).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        Call::new(method, format!("{}{blob}{mark}{}", self.base, query.join("&")), asked)
    }

    /// Returns the outcome of one deletion of a batch, or None if another try may succeed.
    pub fn outcome(&self, part: &multipart::Part) -> Option<io::Result<()>> {
        let code = part.header("x-ms-error-code");
        match part.status {
            // "202 Accepted", as for a single deletion.
            202 => Some(Ok(())),
            404 if code != "ContainerNotFound" => Some(Ok(())),
            status if may_pass(status) => None,
            status => {
                let code = Some(&*code).filter(|c| !c.is_empty());
                let status = http::StatusCode::from_u16(status).ok()?;
                Some(Err(errors::answered(status, code, part.body.as_bytes(), &self.service.bucket.name).error))
            }
        }
    }
}

/// Whether an answer is from the service itself and has the status of success: "Status Code" of each operation in its
/// documentation.
pub fn is_done(head: &Head, status: u16) -> bool {
    head.status == status && is_own(head)
}

fn is_own(head: &Head) -> bool {
    head.text("x-ms-request-id").is_some()
}

/// Whether an answer is about a blob: Get Blob and Get Blob Properties always return the type of a blob.
pub fn is_blob(head: &Head) -> bool {
    is_own(head) && head.text("x-ms-blob-type").is_some()
}

/// Returns the error for an answer that reports a failure. An answer of another server counts only if it may pass, or denies
/// access.
fn refusal(service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
    if is_own(head) || may_pass(head.status.as_u16()) {
        return errors::answered(head.status, head.text("x-ms-error-code"), body, &service.bucket.name);
    }
    let kind = match head.status.as_u16() {
        401 | 403 | 407 => io::ErrorKind::PermissionDenied,
        _ => io::ErrorKind::Other,
    };
    io::Error::new(kind, service.instead(call, head, body)).into()
}
