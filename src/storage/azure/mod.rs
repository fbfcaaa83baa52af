//! `az://CONTAINER/FOLDER`, `abfs://…`, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`: Azure Blob storage, also of
//! accounts with folders, through the blob interface.

mod auth;
mod config;
mod errors;
mod list;
mod request;
mod upload;
mod xml;

use self::request::{Requests, is_blob, is_done};
use super::attributes::{Attributes, Texts};
use super::retry::Policy;
use super::store::{Body, Object, Put, Store};
use super::web::api::{Api, Ask, Deletions, Page, VersionPage};
use super::web::objects::Objects;
use super::web::service::{Call, Failed, Good, Head, Service};
use super::web::{multipart, unconditional};
use super::{Cold, Options, percent, text_variable, xml as document};
use crate::error::{Malformed, OrFailed, Result};
use crate::etag;
use http::{HeaderValue, Method};
use std::io;
use std::sync::Arc;

/// Opens `scheme://rest`. No request is sent yet.
///
/// # Errors
/// If the URL has no container, the account is not known, or options are wrong.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let config = config::config(scheme, rest, options, &text_variable)?;
    let requests = Requests::new(config, Policy::default()).or_failed(|| format!("{scheme}: prepare connections"))?;
    Ok(Arc::new(Objects::new(requests)))
}

impl Api for Requests {
    /// The service promises no order, accounts with folders use another one, and the emulator sorts by UTF-16.
    const ORDERED: bool = false;
    const HAS_TAGS: bool = true;
    const MOST: usize = 256;

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn name(&self, key: &[u8]) -> io::Result<String> {
        Ok(format!("{}{}", self.service.bucket.prefix, config::check_name(key)?))
    }

    async fn page(&self, ask: &Ask<'_>) -> io::Result<Page> {
        list::page(self, ask.prefix, ask.token).await
    }

    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        list::stat(self, name, key).await
    }

    /// Leaves it to the listing: no request for blobs says whether the account keeps versions.
    async fn check_versions(&self) -> io::Result<()> {
        Ok(())
    }

    async fn page_of_versions(&self, prefix: &str, token: &str) -> io::Result<VersionPage> {
        list::page_of_versions(self, prefix, token).await
    }

    fn content(&self, name: &str, version: Option<&str>) -> Call {
        self.call(Method::GET, Some(name), &[("versionid", version.unwrap_or_default())], "a blob")
    }

    async fn tags(&self, name: &str, version: Option<&str>) -> std::result::Result<Texts, Failed> {
        let query = [("comp", "tags"), ("versionid", version.unwrap_or_default())];
        let call = self.call(Method::GET, Some(name), &query, "the tags of a blob");
        let tags = |body: &[u8]| document::parse(std::str::from_utf8(body).ok()?).ok()?.tags();
        let read = |head: &Head, body: &[u8]| match is_done(head, 200) {
            true => tags(body).map_or_else(|| Good::Wrong("has no tags".to_string()), Good::Yes),
            false => Good::No,
        };
        self.service.ask(&call, read).await
    }

    fn keeps(&self, attributes: &Attributes) -> Attributes {
        self.over(upload::kept(attributes))
    }

    const COLD: &'static [&'static str] = &["BlobArchived", "BlobBeingRehydrated"];

    async fn cold(&self, name: &str, _: Option<&str>) -> Cold {
        let call = self.call(Method::HEAD, Some(name), &[], "what it knows of a blob");
        let read = |head: &Head, _: &[u8]| if is_done(head, 200) { Good::Yes(head.clone()) } else { Good::No };
        let head = self.service.ask(&call, read).await.ok();
        match head.as_ref().and_then(|head| head.text("x-ms-archive-status")) {
            Some(_) => Cold::under_way("Archive"),
            None => {
                let of = ["--account-name", &self.account, "--container-name", &self.service.bucket.name, "--name", name];
                Cold::new("Archive", &[&["az", "storage", "blob", "set-tier"], &of[..], &["--tier", "Hot"]].concat())
            }
        }
    }

    fn is_content(head: &Head, _: bool) -> bool {
        is_blob(head)
    }

    fn put(self: &Arc<Self>, name: &str, _: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        upload::put(self, name, body, how)
    }

    async fn delete_batch(&self, names: &[String]) -> std::result::Result<Deletions, Failed> {
        let mut parts = Vec::with_capacity(names.len());
        for name in names {
            let head = self.service.head(&self.bare(Method::DELETE, Some(name), &[], "")).await?;
            let path = head.uri.path_and_query().map_or("/", |p| p.as_str()).to_string();
            let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
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
        Ok((0..names.len()).map(|at| parts.get(&at).and_then(|part| self.outcome(part))).collect())
    }

    async fn delete_one(&self, name: &str) -> io::Result<()> {
        let call = self.call(Method::DELETE, Some(name), &[], "word of a deletion");
        match self.service.ask(&call, |head, _| is_done(head, 202).into()).await {
            Ok(()) => Ok(()),
            Err(Failed { status: 404, code, .. }) if code != "ContainerNotFound" => Ok(()),
            Err(failed) => Err(failed.into()),
        }
    }

    async fn delete_if(&self, name: &str, identity: &str) -> io::Result<bool> {
        let condition = etag::condition(identity).ok_or_else(unconditional)?;
        let call = self.call(Method::DELETE, Some(name), &[], "word of a deletion").header("if-match", condition);
        match self.service.ask(&call, |head, _| is_done(head, 202).into()).await {
            Ok(()) => Ok(true),
            Err(Failed { status: 404, code, .. }) if code != "ContainerNotFound" => Ok(true),
            Err(Failed { status: 412, code, .. }) if code == "ConditionNotMet" => Ok(false),
            Err(failed) => Err(failed.into()),
        }
    }

    /// Leaves the error unchanged: the messages of the service are clear without the root.
    fn named(&self, e: io::Error) -> io::Error {
        e
    }
}

#[cfg(test)]
mod tests;
