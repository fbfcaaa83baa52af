//! `s3://BUCKET/prefix`: Amazon S3 and what speaks like it.

mod answers;
mod config;
mod put;
#[cfg(test)]
mod tests;

use super::bucket::{self, Bucket};
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Listing, Object, Put, Store};
use super::web::delete::{Deleter, Deletes, Done};
use super::web::pages::{Page, Paged};
use super::web::range;
use super::web::service::{Call, Failed, Good, Head, Manner, Service};
use super::web::{self, encode, encode_all};
use super::{Options, xml};
use crate::error::{OrFailed, Result};
use http::{Method, StatusCode};
use serde_json::Value;
use std::io::{self, Read};
use std::sync::Arc;

/// A place in a bucket.
#[derive(Debug)]
struct S3 {
    bucket: Arc<Bucket>,
    requests: Arc<Requests>,
    deleter: Deleter<Requests>,
}

/// Opens `s3://BUCKET/prefix`.
///
/// # Errors
/// If the URL has no bucket; if the options are not for it, or something is missing in them.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let bucket = Bucket::parse(scheme, rest)?;
    let config = config::config(&bucket.name, options)?;
    let client = web::client_for_amazon().or_failed(|| bucket.url.clone())?.clone();
    Ok(Arc::new(S3::new(bucket, config, client, Policy::default())))
}

impl S3 {
    fn new(bucket: Bucket, config: config::Config, client: reqwest::Client, policy: Policy) -> S3 {
        let auth = config.login.auth(&config.region, &client);
        let service = Service {
            client,
            auth,
            host: config.host,
            bucket: bucket.name.clone(),
            policy,
            headers: config.headers,
            manner: &Amazon,
        };
        let bucket = Arc::new(bucket);
        let (base, is_virtual) = (config.base, config.is_virtual);
        let requests = Arc::new(Requests { bucket: bucket.clone(), service: Arc::new(service), base, is_virtual });
        S3 { bucket, deleter: Deleter::new(requests.clone()), requests }
    }
}

/// The requests that the service knows.
#[derive(Debug)]
struct Requests {
    bucket: Arc<Bucket>,
    service: Arc<Service>,
    /// The address of the bucket, without a `/` at its end.
    base: String,
    /// Whether the bucket stands in the name of the host.
    is_virtual: bool,
}

impl Requests {
    /// The address of the bucket, with a query.
    fn whole(&self, query: &str) -> String {
        format!("{}{}?{query}", self.base, if self.is_virtual { "/" } else { "" })
    }

    /// The address of an object.
    fn address(&self, name: &str) -> String {
        format!("{}/{}", self.base, encode(name))
    }

    /// What a HEAD says of an object; None where none is, or a marker of a folder.
    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        let call = Call::new(Method::HEAD, self.address(name), "what it knows of an object");
        // "ETag" is among the elements of the response; a page that is made for the moment has none.
        let read = |head: &Head, _: &[u8]| {
            let size = head.text("content-length").and_then(|size| size.parse().ok());
            match (head.status == StatusCode::OK, head.text("etag"), size) {
                (true, Some(etag), Some(size)) => Good::Yes((etag.to_string(), size, head.clone())),
                _ => Good::No,
            }
        };
        let (etag, size, head) = match self.service.ask(&call, read).await {
            Ok(told) => told,
            Err(Failed { status: 404, .. }) => return Ok(None),
            Err(failed) => return Err(self.bucket.failed(failed)),
        };
        if name.ends_with('/') && size == 0 {
            return Ok(None);
        }
        let more = head.text("content-type").map(|t| ("content_type", Value::from(t).to_string()));
        Ok(Some(Object {
            key: key.to_vec(),
            size,
            modified: head.text("last-modified").and_then(web::http_time),
            etag: Some(etag),
            // An etag is no md5 that it promises.
            md5: None,
            more: more.into_iter().collect(),
        }))
    }
}

/// What sets it apart.
#[derive(Debug)]
struct Amazon;

impl Manner for Amazon {
    /// The etag is documented; a page that is made for the moment has none. (An emulator leaves it out of ranges.)
    fn is_content(&self, head: &Head, is_range: bool) -> bool {
        is_range || head.text("etag").is_some()
    }

    fn refusal(&self, service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
        bucket::refusal(service, call, head, body)
    }
}

impl Paged for Requests {
    async fn page(&self, prefix: &str, token: &str) -> io::Result<Page> {
        let mut query = "list-type=2".to_string();
        for (name, value) in [("prefix", prefix), ("continuation-token", token)] {
            if !value.is_empty() {
                query += &format!("&{name}={}", encode_all(value));
            }
        }
        let call = Call::new(Method::GET, self.whole(&query), "a listing");
        let read = |head: &Head, body: &[u8]| match head.status == StatusCode::OK {
            true => answers::page(body, &self.bucket.name, prefix, token),
            false => Good::No,
        };
        self.service.ask(&call, read).await.map_err(|failed| self.bucket.of_bucket(failed))
    }
}

impl Deletes for Requests {
    const MOST: usize = 1000;

    /// What XML can't carry goes alone, and so never stands for another name.
    fn batches(name: &str) -> bool {
        !name.contains(char::is_control)
    }

    async fn delete_batch(&self, names: &[String]) -> std::result::Result<Done, Failed> {
        let object = |name: &String| format!("<Object><Key>{}</Key></Object>", xml::escaped(name));
        let body = format!("<Delete>{}</Delete>", names.iter().map(object).collect::<String>());
        let call = Call::new(Method::POST, self.whole("delete"), "word of each deletion")
            .header("content-type", "application/xml")
            .header("content-md5", web::md5_base64(crate::codec::md5_of(body.as_bytes())))
            .body(body);
        let read = |head: &Head, body: &[u8]| match head.status == StatusCode::OK {
            true => answers::deleted(body),
            false => Good::No,
        };
        let deleted = self.service.ask(&call, read).await?;
        Ok(names.iter().map(|name| deleted.contains(name).then_some(Ok(()))).collect())
    }

    /// "HTTP/1.1 204", also for what is not there. Others answer 404 then.
    async fn delete_one(&self, name: &str) -> io::Result<()> {
        let call = Call::new(Method::DELETE, self.address(name), "word of a deletion");
        match self.service.ask(&call, |head, _| (head.status == StatusCode::NO_CONTENT).into()).await {
            Ok(()) => Ok(()),
            Err(Failed { status: 404, code, .. }) if code == "NoSuchKey" => Ok(()),
            Err(failed) => Err(self.bucket.failed(failed)),
        }
    }
}

/// An object is there whole or not at all, and put-if-absent is decided by the service (`If-None-Match: *`, which an older
/// service of another maker may ignore). Uploads carry their md5, which the service compares. Keys that end with `/` are markers
/// of folders where they have no bytes: never listed, and not put.
impl Store for S3 {
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
        block_on(self.requests.stat(&self.bucket.object(key)?, key))?
    }

    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        let call = Call::new(Method::GET, self.requests.address(&self.bucket.object(key)?), "an object");
        let bucket = self.bucket.clone();
        let failed = move |failed| bucket.failed(failed);
        range::open(&self.requests.service, call, (from, len), etag, self.bucket.shown(), failed)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        put::put(&self.requests, &self.bucket.object(key)?, key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.deleter.delete(keys, |key| self.bucket.object(key))
    }
}
