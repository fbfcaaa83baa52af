//! `s3://BUCKET/prefix`: Amazon S3, and services with the same interface.

mod answers;
mod attributes;
mod config;
mod credentials;
mod known;
mod profile;
mod put;
mod region;
#[cfg(test)]
mod tests;
mod versions;
mod writing;

use self::known::Known;
use self::writing::Writing;
use super::attributes::{Attributes, Keys, Texts};
use super::retry::Policy;
use super::store::{Body, Object, Put, Store};
use super::upload::Upload;
use super::web::api::{Api, Ask, Deletions, Page, VersionPage};
use super::web::objects::Objects;
use super::web::service::{Bucket, Call, Failed, Good, Head, Service};
use super::web::{self, encode, encode_all, unconditional};
use super::{Cold, Options, xml};
use crate::error::{OrFailed, Result};
use crate::etag;
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

/// The objects of a bucket. Uploads contain their md5, which the service compares.
#[derive(Debug)]
struct S3 {
    service: Arc<Service>,
    /// The address of the bucket, without a `/` at its end.
    base: String,
    /// Whether the bucket is part of the host name.
    is_virtual: bool,
    /// Whether listings are in the order of names.
    is_ordered: bool,
    known: Known,
    /// What the options add to requests.
    writing: Writing,
}

impl S3 {
    fn new(bucket: Bucket, config: config::Config, client: reqwest::Client, policy: Policy) -> S3 {
        let config::Config { base, is_virtual, is_ordered, host, writing, auth } = config;
        let headers = writing.always.clone();
        let known = Known::default();
        if is_amazon(&host) {
            known.obeys_conditions.learn();
        }
        let service = Arc::new(Service { client, auth, host, bucket, policy, headers, refusal: region::refusal });
        S3 { service, base, is_virtual, is_ordered, known, writing }
    }

    /// Returns the address of the bucket with a query.
    fn whole(&self, query: &str) -> String {
        format!("{}{}?{query}", self.base, if self.is_virtual { "/" } else { "" })
    }

    /// Asks for a page, with names that are encoded or not. Returns whether they are.
    async fn listing(&self, ask: &Ask<'_>, encoded: bool) -> std::result::Result<(Page, bool), Failed> {
        let Ask { prefix, token, .. } = *ask;
        let start = if token.is_empty() && !ask.start.is_empty() { format!("{prefix}{}", ask.start) } else { String::new() };
        let marker = token.strip_prefix(answers::MARKER);
        let is_first = marker.is_some() || token.is_empty() && self.known.lists_by_markers.is_known();
        let mut query = if is_first { "max-keys=1000" } else { "list-type=2" }.to_string();
        let place = marker.map_or(("continuation-token", token), |marker| ("marker", marker));
        let start = (if is_first { "marker" } else { "start-after" }, start.as_str());
        for (name, value) in [("prefix", prefix), start, place, ("encoding-type", if encoded { "url" } else { "" })] {
            if !value.is_empty() {
                query += &format!("&{name}={}", encode_all(value));
            }
        }
        let call = Call::new(Method::GET, self.whole(&query), "a listing");
        let read = |head: &Head, body: &[u8]| {
            let page = head.with(200, || answers::page(body, &self.service.bucket.name, prefix, token));
            page.and_then(|page| Good::Yes((page, encoded && answers::has_encoded_names(body))))
        };
        let asked = self.service.ask(&call, read).await;
        match asked {
            Ok((page, is_encoded)) => {
                if page.next.as_ref().is_some_and(|next| next.starts_with(answers::MARKER)) {
                    self.known.lists_by_markers.learn();
                }
                Ok((page, is_encoded))
            }
            Err(failed) if !is_first && token.is_empty() && known::refuses_version(&failed) => {
                self.known.lists_by_markers.learn();
                // If this fails, too, the first reason is the one to tell.
                Box::pin(self.listing(ask, encoded)).await.map_err(|_| failed)
            }
            Err(failed) => Err(failed),
        }
    }

    /// Returns the size of an object, if HEAD does not tell it: that of the answer with its first byte.
    async fn size(&self, name: &str) -> std::result::Result<u64, Failed> {
        let call = Call::new(Method::GET, self.address(name), "the size of an object")
            .header("accept-encoding", S3::ENCODING)
            .header("range", "bytes=0-0");
        let is = |head: &Head| size_in(head).is_some().into();
        match self.service.open(&call, is).await {
            Ok((head, _)) => Ok(size_in(&head).unwrap_or(0)),
            // There is no first byte.
            Err(Failed { status: 416, .. }) => Ok(0),
            Err(failed) => Err(failed),
        }
    }

    /// Returns the address of an object.
    fn address(&self, name: &str) -> String {
        format!("{}/{}", self.base, encode(name))
    }
}

/// Returns the size of the whole content in an answer with a part of it, or with all of it.
fn size_in(head: &Head) -> Option<u64> {
    match head.status.as_u16() {
        206 => head.text("content-range")?.rsplit('/').next()?.parse().ok(),
        200 => head.text("content-length")?.parse().ok(),
        _ => None,
    }
}

/// Whether a server is one of Amazon's.
fn is_amazon(host: &str) -> bool {
    let host = host.split(':').next().unwrap_or_default();
    host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn")
}

/// Whether a name in XML may be another one in the bucket.
fn is_doubtful(name: &[u8]) -> bool {
    String::from_utf8_lossy(name).contains(|c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER)
}

impl Api for S3 {
    const ORDERED: bool = true;
    const STARTS: bool = true;
    const ORDER_HELP: &'static str = "; the option listing_order: false sorts it";
    /// Proxies that compress contents leave those alone.
    const ENCODING: &'static str = "identity";
    /// The requests for a content and for its head return them.
    const LISTS_ATTRIBUTES: bool = false;
    const HAS_TAGS: bool = true;
    const MOST: usize = 1000;

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn is_ordered(&self) -> bool {
        self.is_ordered
    }

    fn name(&self, key: &[u8]) -> io::Result<String> {
        self.service.bucket.object(key)
    }

    async fn page(&self, ask: &Ask<'_>) -> io::Result<Page> {
        let named = |failed| self.service.bucket.of_bucket(failed);
        let (page, _) = self.listing(ask, self.known.encodes_names.is_known()).await.map_err(named)?;
        if self.known.encodes_names.is_known() || !page.objects.iter().flatten().any(|object| is_doubtful(&object.key)) {
            return Ok(page);
        }
        // XML has no control characters, and services replace them differently. Not every service can encode names.
        let (encoded, is_encoded) = self.listing(ask, true).await.map_err(named)?;
        if !is_encoded {
            return Ok(page);
        }
        self.known.encodes_names.learn();
        Ok(encoded)
    }

    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        let call = self.writing.keyed(Call::new(Method::HEAD, self.address(name), "what it knows of an object"));
        // "ETag" is among the elements of the response; a generated page has none.
        let read = |head: &Head, _: &[u8]| {
            let size = head.text("content-length").map(str::parse);
            let (StatusCode::OK, Some(etag), None | Some(Ok(_))) = (head.status, head.text("etag"), &size) else {
                return Good::No;
            };
            let object = Object {
                key: name.into(),
                size: size.clone().and_then(std::result::Result::ok).unwrap_or(0),
                modified: head.text("last-modified").and_then(web::http_time),
                etag: Some(etag.to_string()),
                // The service does not promise that an etag is an md5.
                md5: None,
                more: attributes::keys(head),
                ..Object::default()
            };
            Good::Yes((object, size.is_some()))
        };
        let mut asked = self.service.ask(&call, read).await;
        if asked.as_ref().is_err_and(|failed| failed.status == 400) {
            // The answer to HEAD has no reason. The reason can be another region, where the next request goes.
            drop(self.size(name).await);
            asked = self.service.ask(&call, read).await;
        }
        let object = match asked {
            Ok((object, true)) => Ok(object),
            Ok((object, false)) => self.size(name).await.map(|size| Object { size, ..object }),
            Err(failed) => Err(failed),
        };
        self.service.bucket.found(object, key)
    }

    async fn check_versions(&self) -> io::Result<()> {
        let call = Call::new(Method::GET, self.whole("versioning"), "word of versions");
        let asked = self.service.ask(&call, |head, body| head.with(200, || answers::keeps_versions(body))).await;
        self.service.bucket.keeps_versions(asked)
    }

    async fn page_of_versions(&self, prefix: &str, token: &str) -> io::Result<VersionPage> {
        let prefix_is = if prefix.is_empty() { String::new() } else { format!("&prefix={}", encode_all(prefix)) };
        let call = Call::new(Method::GET, self.whole(&format!("versions{prefix_is}{token}")), "a listing of versions");
        let read = |head: &Head, body: &[u8]| head.with(200, || versions::page(body, &self.service.bucket.name, prefix, token));
        self.service.ask(&call, read).await.map_err(|failed| self.service.bucket.of_bucket(failed))
    }

    fn content(&self, name: &str, version: Option<&str>) -> Call {
        let version = version.map(|id| format!("?versionId={}", encode_all(id))).unwrap_or_default();
        self.writing.keyed(Call::new(Method::GET, format!("{}{version}", self.address(name)), "an object"))
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
        self.writing.over(attributes::kept(attributes))
    }

    const COLD: &'static [&'static str] = &["InvalidObjectState"];

    /// The head of an object says where it is ("x-amz-archive-status" for objects that moved by themselves), and whether it is
    /// being restored.
    async fn cold(&self, name: &str, version: Option<&str>) -> Cold {
        let id = version.map(|id| format!("?versionId={}", encode_all(id))).unwrap_or_default();
        let call = Call::new(Method::HEAD, format!("{}{id}", self.address(name)), "what it knows of an object");
        let read = |head: &Head, _: &[u8]| head.with(200, || Good::Yes(head.clone()));
        let head = self.service.ask(&self.writing.keyed(call), read).await.ok();
        let header = |name: &str| head.as_ref().and_then(|head| head.text(name));
        let by_itself = header("x-amz-archive-status");
        let tier = by_itself.or(header("x-amz-storage-class")).unwrap_or("an archive");
        if header("x-amz-restore").is_some_and(|restore| restore.contains("ongoing-request=\"true\"")) {
            return Cold::under_way(tier);
        }
        // Without Days, an object that moved by itself comes back for good.
        let request = if by_itself.is_some() { "{}" } else { "Days=7" };
        let of = ["--bucket", &self.service.bucket.name, "--key", name];
        let version: Vec<_> = version.into_iter().flat_map(|id| ["--version-id", id]).collect();
        Cold::new(tier, &[&["aws", "s3api", "restore-object"], &of[..], &version, &["--restore-request", request]].concat())
    }

    /// Whether an answer is a content: it has the documented etag, and a generated page has none. (An emulator leaves it out of
    /// ranges.)
    fn is_content(head: &Head, is_range: bool) -> bool {
        is_range || head.text("etag").is_some()
    }

    fn puts_if_absent(&self) -> bool {
        self.known.obeys_conditions.is_known()
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

    async fn delete_if(&self, name: &str, identity: &str) -> io::Result<bool> {
        let condition = etag::condition(identity).ok_or_else(unconditional)?;
        let call = Call::new(Method::DELETE, self.address(name), "word of a deletion").header("if-match", condition);
        match self.service.ask(&call, |head, _| (head.status == StatusCode::NO_CONTENT).into()).await {
            Ok(()) => Ok(true),
            Err(Failed { status: 404, code, .. }) if code == "NoSuchKey" => Ok(true),
            // "409 ConditionalRequestConflict": another request changes it at this moment.
            Err(Failed { status: 412, .. }) => Ok(false),
            Err(Failed { status: 409, code, .. }) if code == "ConditionalRequestConflict" => Ok(false),
            Err(failed) if known::refuses_condition(&failed, "if-match") => {
                Err(io::Error::new(io::ErrorKind::Unsupported, self.service.bucket.failed(failed).to_string()))
            }
            Err(failed) => Err(self.service.bucket.failed(failed)),
        }
    }

    fn named(&self, e: io::Error) -> io::Error {
        self.service.bucket.failed(e)
    }
}
