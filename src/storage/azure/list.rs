//! Listings, page by page, and what is told of a blob.

use super::super::runtime::block_on;
use super::super::store::Object;
use super::document;
use super::errors::Failed;
use super::request::{Call, Client, text};
use super::xml::{self, Blob};
use crate::digest::Md5;
use crate::etag;
use crate::storage::answer::{instead, kind};
use crate::time::Time;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, Method, StatusCode};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The blobs of a listing.
pub struct Pages {
    client: Arc<Client>,
    /// All names start with it; that of the store, which is cut off, and what was asked for.
    prefix: String,
    root: usize,
    blobs: VecDeque<Blob>,
    next: Next,
}

/// The next page: asked for while the one before is worked on.
enum Next {
    Unasked,
    Asked(JoinHandle<io::Result<xml::Page>>),
    Done,
}

impl Pages {
    /// All blobs whose name starts with `prefix`, of which the first `root` bytes are cut off.
    pub fn new(client: Arc<Client>, prefix: String, root: usize) -> Pages {
        Pages { client, prefix, root, blobs: VecDeque::new(), next: Next::Unasked }
    }

    /// Gets the page that was asked for, and asks for the one behind it. False after the last.
    fn turn(&mut self) -> io::Result<bool> {
        // Whatever happens, there is nothing behind an error.
        let arrived = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Done => return Ok(false),
            Next::Unasked => block_on(page(self.client.clone(), self.prefix.clone(), String::new()))??,
            Next::Asked(task) => block_on(task)?.map_err(io::Error::other)??,
        };
        self.blobs = arrived.blobs.into();
        if let Some(marker) = arrived.marker {
            let (client, prefix) = (self.client.clone(), self.prefix.clone());
            self.next = block_on(async move { Next::Asked(tokio::spawn(page(client, prefix, marker))) })?;
        }
        Ok(true)
    }
}

impl Iterator for Pages {
    type Item = io::Result<Object>;

    fn next(&mut self) -> Option<io::Result<Object>> {
        loop {
            if let Some(blob) = self.blobs.pop_front() {
                let outside = || io::Error::other("the listing has a name that was not asked for");
                let Some(key) = blob.name.strip_prefix(&self.prefix).map(|_| &blob.name[self.root..]) else {
                    return Some(Err(outside()));
                };
                if key.is_empty() || is_folder(&blob) {
                    continue;
                }
                let key = key.as_bytes().to_vec();
                return Some(object(key, &blob));
            }
            match self.turn() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

/// Nothing more is asked for.
impl Drop for Pages {
    fn drop(&mut self) {
        if let Next::Asked(task) = &self.next {
            task.abort();
        }
    }
}

async fn page(client: Arc<Client>, prefix: String, marker: String) -> io::Result<xml::Page> {
    let query = [
        ("restype", "container"),
        ("comp", "list"),
        ("prefix", &prefix),
        ("marker", &marker),
        ("maxresults", "5000"),
        ("include", "metadata"),
    ];
    let (answer, body) = client.send_whole(&Call::container(Method::GET, &query)).await?;
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let content_type = text(&answer.headers, "content-type");
    if document::root(&String::from_utf8_lossy(&body)).as_deref() != Some("EnumerationResults") {
        let reason = instead("a listing", StatusCode::OK, &kind(content_type, &body));
        return Err(invalid(format!("{}: {reason}", client.host)));
    }
    let page = xml::page(&body).map_err(|reason| invalid(format!("{}: the listing can't be read: {reason}", client.host)))?;
    check(&page, &client, &prefix, &marker).map_err(|reason| invalid(format!("{}: {reason}", client.host)))?;
    Ok(page)
}

/// "ContainerName", "Prefix", "Marker" and "NextMarker" are in the response's syntax; an answer to another question repeats another
/// one. The emulator leaves out what is empty.
fn check(page: &xml::Page, client: &Client, prefix: &str, marker: &str) -> Result<(), &'static str> {
    if page.container.as_ref().is_some_and(|container| !container.is_empty() && *container != client.container) {
        return Err("the service answered with the listing of another container");
    }
    // XML changes line breaks, and can't hold other control characters.
    let is_plain = !prefix.contains(char::is_control);
    if is_plain && page.prefix.as_ref().is_some_and(|told| told != prefix) {
        return Err("the service answered with the listing of another folder");
    }
    match &page.marker {
        Some(next) if next == marker => Err("the service says that there is more, but not how to go on"),
        _ => Ok(()),
    }
}

/// What a HEAD says of a blob; None where none is, or a folder.
///
/// # Errors
/// If the container does not exist, or the service can't be asked.
pub async fn stat(client: &Client, blob: &str, key: &[u8]) -> io::Result<Option<Object>> {
    match client.send(&Call::blob(Method::HEAD, blob)).await {
        Ok(answer) => {
            let blob = of_headers(blob, &answer.headers);
            if is_folder(&blob) { Ok(None) } else { object(key.to_vec(), &blob).map(Some) }
        }
        Err(Failed { status: 404, code, .. }) if code != "ContainerNotFound" => Ok(None),
        Err(failed) => Err(failed.into()),
    }
}

/// The headers of a blob, as if they stood in a listing.
fn of_headers(name: &str, headers: &HeaderMap) -> Blob {
    let names = [
        ("content-length", "Content-Length"),
        ("last-modified", "Last-Modified"),
        ("etag", "Etag"),
        ("content-md5", "Content-MD5"),
        ("content-type", "Content-Type"),
        ("content-encoding", "Content-Encoding"),
        ("content-language", "Content-Language"),
        ("content-disposition", "Content-Disposition"),
        ("cache-control", "Cache-Control"),
        ("x-ms-creation-time", "Creation-Time"),
        ("x-ms-last-access-time", "LastAccessTime"),
        ("x-ms-archive-status", "ArchiveStatus"),
        ("x-ms-tag-count", "TagCount"),
        ("x-ms-resource-type", "ResourceType"),
    ];
    let properties = names.iter().filter_map(|(from, to)| Some((to.to_string(), text(headers, from)?.to_string()))).collect();
    let metadata = headers.iter().filter_map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some((name.as_str().strip_prefix("x-ms-meta-")?.to_string(), Some(value).filter(|v| !v.is_empty())))
    });
    Blob { name: name.to_string(), properties, metadata: Some(metadata.collect()) }
}

/// Whether it stands for a folder: by what accounts with folders say, by what tools without them write, by its name. None of these
/// has bytes: a blob with some is none, whatever it is marked as.
fn is_folder(blob: &Blob) -> bool {
    let is = |name: &str, value: &str| blob.properties.get(name).is_some_and(|v| v == value);
    let mut marks = blob.metadata.iter().flatten();
    let is_empty = is("Content-Length", "0");
    is("ResourceType", "directory")
        || marks.any(|(name, value)| {
            let marks = name.eq_ignore_ascii_case("is_directory") || name.eq_ignore_ascii_case("hdi_isfolder");
            marks && value.as_ref().is_some_and(|v| v.eq_ignore_ascii_case("true")) && is_empty
        })
        || (blob.name.ends_with('/') && is_empty)
}

fn object(key: Vec<u8>, blob: &Blob) -> io::Result<Object> {
    let get = |name: &str| blob.properties.get(name).map(String::as_str);
    let size = get("Content-Length").and_then(|n| n.parse().ok());
    let size = size.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "the service tells no size"))?;
    Ok(Object {
        key,
        size,
        modified: get("Last-Modified").and_then(date).map(Time::from),
        // Listings of the service have it without quotes, headers and those of the emulator with them; conditions need them.
        etag: get("Etag").and_then(etag::condition),
        md5: get("Content-MD5").and_then(md5),
        more: more(blob),
    })
}

/// An md5 in base64.
fn md5(text: &str) -> Option<Md5> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok().map(Md5)
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|t| t.to_utc())
}

/// What records of the Python tool have beyond `name`, `type`, `size`, `md5` and `etag`, each as JSON:
///
/// - `content_settings`: an object of `cache_control`, `content_disposition`, `content_encoding`, `content_language`,
///   `content_md5` (base64) and `content_type`, each a text or null;
/// - `creation_time`, `last_modified`, `last_accessed_on`, `deleted_time`: as `2026-11-23T05:07:40+00:00`, or null;
/// - `metadata`: an object of texts (null for empty ones); null where the service sent an empty element, as the real one does
///   and the emulator does not;
/// - `archive_status`: a text or null; `deleted`: true, false or null; `remaining_retention_days`, `tag_count`: a number or
///   null; `tags`: always null, because listings are made without.
fn more(blob: &Blob) -> Vec<(&'static str, String)> {
    let get = |name: &str| blob.properties.get(name).map(String::as_str);
    let time = |name| json!(get(name).and_then(date).map(|t| t.to_rfc3339_opts(SecondsFormat::Secs, false)));
    let number = |name| json!(get(name).and_then(|n| n.parse::<i64>().ok()));
    let settings = json!({
        "cache_control": get("Cache-Control"),
        "content_disposition": get("Content-Disposition"),
        "content_encoding": get("Content-Encoding"),
        "content_language": get("Content-Language"),
        "content_md5": get("Content-MD5"),
        "content_type": get("Content-Type"),
    });
    let all: [(&'static str, Value); 11] = [
        ("archive_status", json!(get("ArchiveStatus"))),
        ("content_settings", settings),
        ("creation_time", time("Creation-Time")),
        ("deleted", json!(get("Deleted").map(|d| d == "true"))),
        ("deleted_time", time("DeletedTime")),
        ("last_accessed_on", time("LastAccessTime")),
        ("last_modified", time("Last-Modified")),
        ("metadata", json!(blob.metadata)),
        ("remaining_retention_days", number("RemainingRetentionDays")),
        ("tag_count", number("TagCount")),
        ("tags", Value::Null),
    ];
    all.into_iter().map(|(name, value)| (name, value.to_string())).collect()
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
