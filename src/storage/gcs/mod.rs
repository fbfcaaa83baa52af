//! `gs://BUCKET/prefix`, `gcs://…`: Google Cloud Storage, through its JSON API.

mod answers;
mod config;
mod federation;
mod put;
#[cfg(test)]
mod tests;

use super::Options;
use super::attributes::Attributes;
use super::bucket;
use super::retry::Policy;
use super::store::{Body, Object, Put, Store};
use super::upload::Upload;
use super::web::api::{Api, Ask, Deletions, Page, VersionPage};
use super::web::objects::Objects;
use super::web::service::{Bucket, Call, Failed, Good, Head, Service};
use super::web::{self, encode_all, multipart, unconditional};
use crate::error::{OrFailed, Result};
use http::{Method, StatusCode};
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Opens `scheme://BUCKET/prefix`. No request is sent yet.
///
/// # Errors
/// If the URL has no bucket, or options are unknown.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let bucket = Bucket::parse(scheme, rest)?;
    let client = web::client().or_failed(|| bucket.url.clone())?.clone();
    let config = config::config(scheme, options, &client)?;
    Ok(Arc::new(Objects::new(Gcs::new(bucket, config, client, Policy::default()))))
}

/// The objects of a bucket. Put-if-absent is generation 0. The service answers a put with the md5 of the stored content.
#[derive(Debug)]
struct Gcs {
    service: Arc<Service>,
    endpoint: String,
    /// Parameters of requests that store an object.
    storing: String,
    /// The storage class of new objects, if the options set it.
    class: Option<String>,
}

impl Gcs {
    fn new(bucket: Bucket, config: config::Config, client: reqwest::Client, policy: Policy) -> Gcs {
        let config::Config { endpoint, host, headers, auth, storing, class } = config;
        let service = Arc::new(Service { client, auth, host, bucket, policy, headers, refusal });
        Gcs { service, endpoint, storing, class }
    }

    fn objects(&self) -> String {
        format!("{}/storage/v1/b/{}/o", self.endpoint, self.service.bucket.name)
    }

    fn address(&self, name: &str) -> String {
        format!("{}/{}", self.objects(), encode_all(name))
    }
}

fn refusal(service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
    // An emulator sends nothing with this status.
    if head.status == 404 && body.is_empty() {
        let reason = format!("not found in the bucket {}", service.bucket.name);
        return Failed::new(head.status, "", io::Error::new(io::ErrorKind::NotFound, reason));
    }
    bucket::refusal(service, call, head, body)
}

/// Whether an answer confirms a deletion: "If successful, this method returns an empty response body."
fn is_deleted(head: &Head, body: &[u8]) -> Good<()> {
    (head.status == 204 || head.status == 200 && body.is_empty()).into()
}

impl Api for Gcs {
    const ORDERED: bool = true;
    const STARTS: bool = true;
    const MOST: usize = 100;

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn name(&self, key: &[u8]) -> io::Result<String> {
        if key.contains(&b'\r') || key.contains(&b'\n') {
            let reason = "Google Cloud Storage takes no names with line breaks";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        self.service.bucket.object(key)
    }

    async fn page(&self, ask: &Ask<'_>) -> io::Result<Page> {
        let mut url = format!("{}?prefix={}", self.objects(), encode_all(ask.prefix));
        let start = format!("{}{}", ask.prefix, ask.start);
        if !ask.start.is_empty() {
            url += &format!("&startOffset={}", encode_all(&start));
        }
        if !ask.token.is_empty() {
            url += &format!("&pageToken={}", encode_all(ask.token));
        }
        let read = |head: &Head, body: &[u8]| head.with(200, || answers::page(body, ask.token));
        let page = self.service.ask(&Call::new(Method::GET, url, "a listing"), read).await;
        let mut page = page.map_err(|failed| self.service.bucket.of_bucket(failed))?;
        // The service starts with this name, not behind it.
        if !ask.start.is_empty() {
            page.objects.retain(|object| object.as_ref().map_or(true, |object| object.key != start.as_bytes()));
        }
        Ok(page)
    }

    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        let call = Call::new(Method::GET, self.address(name), "what it knows of an object");
        let read = |head: &Head, body: &[u8]| head.with(200, || answers::object(body, &self.service.bucket.name, name));
        self.service.bucket.found(self.service.ask(&call, read).await, key)
    }

    async fn check_versions(&self) -> io::Result<()> {
        let bucket = &self.service.bucket;
        let url = format!("{}/storage/v1/b/{}?fields=versioning", self.endpoint, bucket.name);
        let call = Call::new(Method::GET, url, "word of versions");
        bucket.keeps_versions(self.service.ask(&call, |head, body| head.with(200, || answers::keeps_versions(body))).await)
    }

    async fn page_of_versions(&self, prefix: &str, token: &str) -> io::Result<VersionPage> {
        let token_is = if token.is_empty() { String::new() } else { format!("&pageToken={}", encode_all(token)) };
        let url = format!("{}?versions=true&prefix={}{token_is}", self.objects(), encode_all(prefix));
        let read = |head: &Head, body: &[u8]| head.with(200, || answers::versions(body, token));
        let page = self.service.ask(&Call::new(Method::GET, url, "a listing of versions"), read).await;
        page.map_err(|failed| self.service.bucket.of_bucket(failed))
    }

    fn content(&self, name: &str, version: Option<&str>) -> Call {
        let version = version.map(|id| format!("&generation={}", encode_all(id))).unwrap_or_default();
        Call::new(Method::GET, format!("{}?alt=media{version}", self.address(name)), "an object")
    }

    /// The service keeps no tags and fewer headers than S3. The classes are those that objects can have by themselves.
    fn keeps(&self, attributes: &Attributes) -> Attributes {
        let is_class = |class: &String| matches!(class.as_str(), "STANDARD" | "NEARLINE" | "COLDLINE" | "ARCHIVE");
        Attributes {
            headers: attributes.common_headers(|_| true),
            storage_class: self.class.clone().or(attributes.storage_class.clone().filter(is_class)),
            tags: BTreeMap::new(),
            ..attributes.clone()
        }
    }

    /// Whether an answer is a content: a generated page has none of these headers. (An emulator leaves them out of ranges.)
    fn is_content(head: &Head, is_range: bool) -> bool {
        is_range || ["etag", "x-goog-generation", "x-goog-hash"].iter().any(|name| head.text(name).is_some())
    }

    fn put(self: &Arc<Self>, name: &str, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        Upload { api: self, name, key, how }.put(body)
    }

    async fn delete_batch(&self, names: &[String]) -> std::result::Result<Deletions, Failed> {
        let path = |name: &String| format!("/storage/v1/b/{}/o/{}", self.service.bucket.name, encode_all(name));
        let parts = names.iter().map(|name| (Method::DELETE, path(name), Vec::new()));
        let (content_type, body) = multipart::requests(parts);
        let url = format!("{}/batch/storage/v1", self.endpoint);
        let call = Call::new(Method::POST, url, "word of each deletion").header("content-type", content_type).body(body);
        let read = |head: &Head, body: &[u8]| match multipart::answers(head, body) {
            Some(parts) if head.status == StatusCode::OK && !parts.is_empty() => Good::Yes(parts),
            _ => Good::No,
        };
        let parts = self.service.ask(&call, read).await?;
        let is_done = |status: u16| (200..300).contains(&status) || status == 404;
        let done = |at| parts.get(&at).is_some_and(|part| is_done(part.status)).then_some(Ok(()));
        Ok((0..names.len()).map(done).collect())
    }

    async fn delete_one(&self, name: &str) -> io::Result<()> {
        let call = Call::new(Method::DELETE, self.address(name), "word of a deletion");
        match self.service.ask(&call, is_deleted).await {
            Ok(()) | Err(Failed { status: 404, .. }) => Ok(()),
            Err(failed) => Err(self.service.bucket.failed(failed)),
        }
    }

    async fn delete_if(&self, name: &str, identity: &str) -> io::Result<bool> {
        if identity.is_empty() || !identity.bytes().all(|b| b.is_ascii_digit()) {
            return Err(unconditional());
        }
        let call =
            Call::new(Method::DELETE, format!("{}?ifGenerationMatch={identity}", self.address(name)), "word of a deletion");
        match self.service.ask(&call, is_deleted).await {
            Ok(()) | Err(Failed { status: 404, .. }) => Ok(true),
            Err(Failed { status: 412, .. }) => Ok(false),
            Err(failed) => Err(self.service.bucket.failed(failed)),
        }
    }

    fn named(&self, e: io::Error) -> io::Error {
        self.service.bucket.failed(e)
    }
}
