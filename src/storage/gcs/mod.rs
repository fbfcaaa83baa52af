//! `gs://BUCKET/prefix`, `gcs://…`: Google Cloud Storage, through its JSON API.

mod answers;
mod config;
mod put;
#[cfg(test)]
mod tests;

use super::Options;
use super::bucket::{self, Bucket};
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Listing, Object, Put, Store};
use super::web::delete::{Deleter, Deletes, Done};
use super::web::pages::{Page, Paged};
use super::web::service::{Call, Failed, Good, Head, Manner, Service};
use super::web::{self, encode_all, multipart, range};
use crate::error::{OrFailed, Result};
use http::{Method, StatusCode};
use std::io::{self, Read};
use std::sync::Arc;

/// A place in a bucket.
#[derive(Debug)]
struct Gcs {
    bucket: Arc<Bucket>,
    requests: Arc<Requests>,
    deleter: Deleter<Requests>,
}

/// Opens `scheme://BUCKET/prefix`.
///
/// # Errors
/// If the URL has no bucket; if the options are not for it.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let bucket = Bucket::parse(scheme, rest)?;
    let config = config::config(scheme, options)?;
    let client = web::client().or_failed(|| bucket.url.clone())?.clone();
    Ok(Arc::new(Gcs::new(bucket, config, client, Policy::default())))
}

impl Gcs {
    fn new(bucket: Bucket, config: config::Config, client: reqwest::Client, policy: Policy) -> Gcs {
        let auth = config.login.auth(&client);
        let service = Service {
            client,
            auth,
            host: config.host,
            bucket: bucket.name.clone(),
            policy,
            headers: config.headers,
            manner: &Google,
        };
        let bucket = Arc::new(bucket);
        let requests = Requests { bucket: bucket.clone(), service: Arc::new(service), endpoint: config.endpoint };
        let requests = Arc::new(requests);
        Gcs { bucket, deleter: Deleter::new(requests.clone()), requests }
    }

    /// The name in the bucket.
    fn object(&self, key: &[u8]) -> io::Result<String> {
        if key.contains(&b'\r') || key.contains(&b'\n') {
            let reason = "Google Cloud Storage takes no names with line breaks";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        self.bucket.object(key)
    }
}

/// The requests that the service knows.
#[derive(Debug)]
struct Requests {
    bucket: Arc<Bucket>,
    service: Arc<Service>,
    endpoint: String,
}

impl Requests {
    fn objects(&self) -> String {
        format!("{}/storage/v1/b/{}/o", self.endpoint, self.bucket.name)
    }

    fn address(&self, name: &str) -> String {
        format!("{}/{}", self.objects(), encode_all(name))
    }

    /// What is known of an object; None where none is, or a marker of a folder.
    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        let call = Call::new(Method::GET, self.address(name), "what it knows of an object");
        let read = |head: &Head, body: &[u8]| match head.status == StatusCode::OK {
            true => answers::object(body, &self.bucket.name, name),
            false => Good::No,
        };
        match self.service.ask(&call, read).await {
            Ok(object) if answers::is_folder(&object) => Ok(None),
            Ok(object) => Ok(Some(Object { key: key.to_vec(), ..object })),
            Err(Failed { status: 404, .. }) => Ok(None),
            Err(failed) => Err(self.bucket.failed(failed)),
        }
    }
}

/// What sets it apart.
#[derive(Debug)]
struct Google;

impl Manner for Google {
    /// A page that is made for the moment has none of these. (An emulator leaves them out of ranges.)
    fn is_content(&self, head: &Head, is_range: bool) -> bool {
        is_range || ["etag", "x-goog-generation", "x-goog-hash"].iter().any(|name| head.text(name).is_some())
    }

    fn refusal(&self, service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
        // An emulator says nothing with it.
        if head.status == 404 && body.is_empty() {
            let reason = format!("not found in the bucket {}", service.bucket);
            return Failed::new(head.status, "", io::Error::new(io::ErrorKind::NotFound, reason));
        }
        bucket::refusal(service, call, head, body)
    }
}

impl Paged for Requests {
    async fn page(&self, prefix: &str, token: &str) -> io::Result<Page> {
        let token_is = if token.is_empty() { String::new() } else { format!("&pageToken={}", encode_all(token)) };
        let url = format!("{}?prefix={}{token_is}", self.objects(), encode_all(prefix));
        let read = |head: &Head, body: &[u8]| match head.status == StatusCode::OK {
            true => answers::page(body, token),
            false => Good::No,
        };
        let page = self.service.ask(&Call::new(Method::GET, url, "a listing"), read).await;
        page.map_err(|failed| self.bucket.of_bucket(failed))
    }
}

impl Deletes for Requests {
    const MOST: usize = 100;

    async fn delete_batch(&self, names: &[String]) -> std::result::Result<Done, Failed> {
        let path = |name: &String| format!("/storage/v1/b/{}/o/{}", self.bucket.name, encode_all(name));
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

    /// "If successful, this method returns an empty response body."
    async fn delete_one(&self, name: &str) -> io::Result<()> {
        let call = Call::new(Method::DELETE, self.address(name), "word of a deletion");
        let read = |head: &Head, body: &[u8]| (head.status == 204 || head.status == 200 && body.is_empty()).into();
        match self.service.ask(&call, read).await {
            Ok(()) | Err(Failed { status: 404, .. }) => Ok(()),
            Err(failed) => Err(self.bucket.failed(failed)),
        }
    }
}

/// An object is there whole or not at all, and put-if-absent is decided by the service (generation 0). The service answers with
/// the md5 of what it has. Keys that end with `/` are markers of folders where they have no bytes: never listed, and not put.
impl Store for Gcs {
    fn url(&self) -> &str {
        &self.bucket.url
    }

    fn list<'a>(&'a self, prefix: &[u8]) -> Listing<'a> {
        self.bucket.list(&self.requests, prefix)
    }

    fn lists_in_order(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        block_on(self.requests.stat(&self.object(key)?, key))?
    }

    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        let url = format!("{}?alt=media", self.requests.address(&self.object(key)?));
        let bucket = self.bucket.clone();
        let failed = move |failed| bucket.failed(failed);
        let call = Call::new(Method::GET, url, "an object");
        range::open(&self.requests.service, call, (from, len), etag, self.bucket.shown(), failed)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        put::put(&self.requests, &self.object(key)?, key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.deleter.delete(keys, |key| self.object(key))
    }
}
