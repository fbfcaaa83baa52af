//! `s3://BUCKET/prefix`: Amazon S3, and services with the same interface.

mod answers;
mod attributes;
mod config;
mod put;
#[cfg(test)]
mod tests;

use super::attributes::{Attributes, Keys, Texts};
use super::bucket;
use super::retry::Policy;
use super::store::{Body, Object, Put, Store};
use super::upload::Upload;
use super::web::api::{Api, Ask, Deletions, Page};
use super::web::objects::Objects;
use super::web::service::{Bucket, Call, Failed, Good, Head, Service};
use super::web::{self, encode, encode_all};
use super::{Options, xml};
use crate::error::{OrFailed, Result};
use http::{Method, StatusCode};
use std::io;
use std::sync::Arc;

/// Opens `s3://BUCKET/prefix`. No request is sent yet.
///
/// # Errors
/// If the URL has no bucket, options are unknown, or a required one is missing.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let bucket = Bucket::parse(scheme, rest)?;
    let client = web::client_for_amazon().or_failed(|| bucket.url.clone())?.clone();
    let config = config::config(&bucket.name, options, &client)?;
    Ok(Arc::new(Objects::new(S3::new(bucket, config, client, Policy::default()))))
}

/// The objects of a bucket. Older services of other vendors ignore put-if-absent (`If-None-Match: *`). Uploads contain their md5,
/// which the service compares.
#[derive(Debug)]
struct S3 {
    service: Arc<Service>,
    /// The address of the bucket, without a `/` at its end.
    base: String,
    /// Whether the bucket is part of the host name.
    is_virtual: bool,
}

impl S3 {
    fn new(bucket: Bucket, config: config::Config, client: reqwest::Client, policy: Policy) -> S3 {
        let config::Config { base, is_virtual, host, headers, auth } = config;
        let service = Arc::new(Service { client, auth, host, bucket, policy, headers, refusal: bucket::refusal });
        S3 { service, base, is_virtual }
    }

    /// Returns the address of the bucket with a query.
    fn whole(&self, query: &str) -> String {
        format!("{}{}?{query}", self.base, if self.is_virtual { "/" } else { "" })
    }

    /// Returns the address of an object.
    fn address(&self, name: &str) -> String {
        format!("{}/{}", self.base, encode(name))
    }
}

impl Api for S3 {
    const ORDERED: bool = true;
    const STARTS: bool = true;
    /// The requests for a content and for its head return them.
    const LISTS_ATTRIBUTES: bool = false;
    const HAS_TAGS: bool = true;
    const MOST: usize = 1000;

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn name(&self, key: &[u8]) -> io::Result<String> {
        self.service.bucket.object(key)
    }

    async fn page(&self, ask: &Ask<'_>) -> io::Result<Page> {
        let mut query = "list-type=2".to_string();
        let Ask { prefix, token, .. } = *ask;
        let is_first = token.is_empty() && !ask.start.is_empty();
        let start = if is_first { format!("{prefix}{}", ask.start) } else { String::new() };
        for (name, value) in [("prefix", prefix), ("start-after", &start), ("continuation-token", token)] {
            if !value.is_empty() {
                query += &format!("&{name}={}", encode_all(value));
            }
        }
        let call = Call::new(Method::GET, self.whole(&query), "a listing");
        let read = |head: &Head, body: &[u8]| head.with(200, || answers::page(body, &self.service.bucket.name, prefix, token));
        self.service.ask(&call, read).await.map_err(|failed| self.service.bucket.of_bucket(failed))
    }

    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        let call = Call::new(Method::HEAD, self.address(name), "what it knows of an object");
        // "ETag" is among the elements of the response; a generated page has none.
        let read = |head: &Head, _: &[u8]| {
            let size = head.text("content-length").and_then(|size| size.parse().ok());
            let (StatusCode::OK, Some(etag), Some(size)) = (head.status, head.text("etag"), size) else { return Good::No };
            Good::Yes(Object {
                key: name.into(),
                size,
                modified: head.text("last-modified").and_then(web::http_time),
                etag: Some(etag.to_string()),
                // The service does not promise that an etag is an md5.
                md5: None,
                more: attributes::keys(head),
            })
        };
        self.service.bucket.found(self.service.ask(&call, read).await, key)
    }

    fn content(&self, name: &str, version: Option<&str>) -> io::Result<Call> {
        let version = version.map(|id| format!("?versionId={}", encode_all(id))).unwrap_or_default();
        Ok(Call::new(Method::GET, format!("{}{version}", self.address(name)), "an object"))
    }

    fn described(head: &Head) -> Keys {
        attributes::keys(head)
    }

    async fn tags(&self, name: &str, version: Option<&str>) -> std::result::Result<Texts, Failed> {
        let version = version.map(|id| format!("&versionId={}", encode_all(id))).unwrap_or_default();
        let call = Call::new(Method::GET, format!("{}?tagging{version}", self.address(name)), "the tags of an object");
        self.service.ask(&call, |head, body| head.with(200, || answers::tags(body))).await
    }

    fn keeps(&self, attributes: &Attributes) -> Attributes {
        attributes::kept(attributes)
    }

    /// Whether an answer is a content: it has the documented etag, and a generated page has none. (An emulator leaves it out of
    /// ranges.)
    fn is_content(head: &Head, is_range: bool) -> bool {
        is_range || head.text("etag").is_some()
    }

    fn put(self: &Arc<Self>, name: &str, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        Upload { api: self, name, key, how }.put(body)
    }

    /// Whether a batch can contain this name. XML can't hold control characters, so such names are deleted alone. Otherwise
    /// another name could be deleted instead.
    fn batches(name: &str) -> bool {
        !name.contains(char::is_control)
    }

    async fn delete_batch(&self, names: &[String]) -> std::result::Result<Deletions, Failed> {
        let object = |name: &String| format!("<Object><Key>{}</Key></Object>", xml::escaped(name));
        let body = format!("<Delete>{}</Delete>", names.iter().map(object).collect::<String>());
        let call = Call::new(Method::POST, self.whole("delete"), "word of each deletion")
            .header("content-type", "application/xml")
            .header("content-md5", web::md5_base64(crate::digest::md5_of(body.as_bytes())))
            .body(body);
        let read = |head: &Head, body: &[u8]| head.with(200, || answers::deleted(body));
        let deleted = self.service.ask(&call, read).await?;
        Ok(names.iter().map(|name| deleted.contains(name).then_some(Ok(()))).collect())
    }

    /// Deletes an object. The answer is "HTTP/1.1 204", even if there is no such object. Other services then answer 404.
    async fn delete_one(&self, name: &str) -> io::Result<()> {
        let call = Call::new(Method::DELETE, self.address(name), "word of a deletion");
        match self.service.ask(&call, |head, _| (head.status == StatusCode::NO_CONTENT).into()).await {
            Ok(()) => Ok(()),
            Err(Failed { status: 404, code, .. }) if code == "NoSuchKey" => Ok(()),
            Err(failed) => Err(self.service.bucket.failed(failed)),
        }
    }

    fn named(&self, e: io::Error) -> io::Error {
        self.service.bucket.failed(e)
    }
}
