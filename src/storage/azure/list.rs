//! Listings, page by page, and the properties of a blob.

use super::document;
use super::request::{Requests, is_blob, is_done};
use super::xml::{self, Blob};
use crate::etag;
use crate::storage::attributes::Keys;
use crate::storage::store::{Object, ObjectVersion};
use crate::storage::web::api::Page;
use crate::storage::web::api::VersionPage;
use crate::storage::web::service::{Failed, Good, Head};
use crate::storage::web::{self, header};
use crate::time::Time;
use chrono::{DateTime, SecondsFormat, Utc};
use http::{HeaderMap, Method};
use serde_json::{Value, json};
use std::io;

/// Lists one page of the blobs whose names start with `prefix`.
///
/// # Errors
/// If the service refuses it, or sends something else.
pub async fn page(requests: &Requests, prefix: &str, token: &str) -> io::Result<Page> {
    let page = ask(requests, prefix, token, "metadata").await?;
    let blobs = page.blobs.into_iter().filter(|blob| !is_folder(blob));
    Ok(Page { objects: blobs.map(|blob| object(blob.name.clone().into_bytes(), &blob)).collect(), next: page.marker })
}

/// Lists one page of the versions of blobs. Their ids are the times when they were made. The service does not say when a blob was
/// deleted.
///
/// # Errors
/// `Unsupported` if the account keeps no versions; errors of [`page`].
pub async fn page_of_versions(requests: &Requests, prefix: &str, token: &str) -> io::Result<VersionPage> {
    let page = ask(requests, prefix, token, "metadata,versions").await?;
    let version = |blob: Blob| {
        let Some(id) = blob.version.clone() else {
            let reason = "the account keeps no versions: they were not switched on when some of these blobs were written";
            return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
        };
        let (created, is_latest) = (web::time(&id), blob.is_current);
        let object = object(blob.name.clone().into_bytes(), &blob)?;
        Ok(ObjectVersion { object, id: Some(id), created, until: None, is_latest, is_deletion: false })
    };
    let blobs = page.blobs.into_iter().filter(|blob| !is_folder(blob));
    Ok(VersionPage { versions: blobs.map(version).collect::<io::Result<_>>()?, next: page.marker })
}

async fn ask(requests: &Requests, prefix: &str, token: &str, include: &str) -> io::Result<xml::BlobList> {
    let query = [
        ("restype", "container"),
        ("comp", "list"),
        ("prefix", prefix),
        ("marker", token),
        ("maxresults", "5000"),
        ("include", include),
    ];
    let call = requests.call(Method::GET, None, &query, "a listing");
    let read = |head: &Head, body: &[u8]| {
        let is_listing = document::root(&String::from_utf8_lossy(body)).as_deref() == Some("EnumerationResults");
        if !is_listing || !is_done(head, 200) {
            return Good::No;
        }
        match xml::page(body) {
            Ok(page) => check(page, &requests.service.bucket.name, prefix, token),
            Err(malformed) => Good::Wrong(format!("can't be read: {malformed}")),
        }
    };
    Ok(requests.service.ask(&call, read).await?)
}

/// Refuses the answer to another request. The response repeats "ContainerName", "Prefix" and "Marker"; the emulator leaves out
/// what is empty.
fn check(page: xml::BlobList, container: &str, prefix: &str, marker: &str) -> Good<xml::BlobList> {
    let wrong = |reason: &str| Good::Wrong(reason.to_string());
    if page.container.as_ref().is_some_and(|found| !found.is_empty() && found != container) {
        return wrong("is that of another container");
    }
    // XML changes line breaks, and can't hold other control characters.
    let is_plain = !prefix.contains(char::is_control);
    if is_plain && page.prefix.as_ref().is_some_and(|found| found != prefix) {
        return wrong("is that of another folder");
    }
    match &page.marker {
        Some(next) if next == marker => wrong("says that there is more, but not how to go on"),
        _ => Good::Yes(page),
    }
}

/// Looks at a blob with a HEAD request. Returns None if there is none, or only a folder.
///
/// # Errors
/// If the container does not exist, or the request fails.
pub async fn stat(requests: &Requests, blob: &str, key: &[u8]) -> io::Result<Option<Object>> {
    let call = requests.call(Method::HEAD, Some(blob), &[], "what it knows of a blob");
    let read = |head: &Head, _: &[u8]| {
        let is_known = is_done(head, 200) && is_blob(head);
        if is_known { Good::Yes(of_headers(blob, &head.headers)) } else { Good::No }
    };
    match requests.service.ask(&call, read).await {
        Ok(blob) if is_folder(&blob) => Ok(None),
        Ok(blob) => object(key.to_vec(), &blob).map(Some),
        Err(Failed { status: 404, code, .. }) if code != "ContainerNotFound" => Ok(None),
        Err(failed) => Err(failed.into()),
    }
}

/// Returns the headers of a blob in the form of a listing.
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
        ("x-ms-access-tier", "AccessTier"),
        ("x-ms-access-tier-inferred", "AccessTierInferred"),
        ("x-ms-archive-status", "ArchiveStatus"),
        ("x-ms-tag-count", "TagCount"),
        ("x-ms-resource-type", "ResourceType"),
    ];
    let properties = names
        .iter()
        .filter_map(|(from, to)| Some((to.to_string(), header(headers, from).filter(|text| !text.is_empty())?.to_string())))
        .collect();
    let metadata = headers.iter().filter_map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some((name.as_str().strip_prefix("x-ms-meta-")?.to_string(), Some(value).filter(|v| !v.is_empty())))
    });
    Blob { name: name.to_string(), properties, metadata: Some(metadata.collect()), ..Blob::default() }
}

/// Whether a blob stands for a folder: by the property that accounts with folders have, by the metadata that tools write in other
/// accounts, or by its name. A blob with content is no folder, no matter how it is marked.
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
        // Listings of the service have no quotes here, but headers and the emulator have; conditions need quotes.
        etag: get("Etag").and_then(etag::condition),
        md5: get("Content-MD5").and_then(web::base64_md5),
        more: more(blob),
        ..Object::default()
    })
}

fn date(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc2822(text).ok().map(|t| t.to_utc())
}

/// Returns the keys of the Python tool's records in addition to `name`, `type`, `size`, `md5` and `etag`, each as JSON:
///
/// - `content_settings`: an object of `cache_control`, `content_disposition`, `content_encoding`, `content_language`,
///   `content_md5` (base64) and `content_type`, each a text or null;
/// - `creation_time`, `last_modified`, `last_accessed_on`, `deleted_time`: as `2026-11-23T05:07:40+00:00`, or null;
/// - `metadata`: an object of texts (null for empty ones); null where the service sent an empty element, as the real one does
///   and the emulator does not;
/// - `archive_status`: a text or null; `deleted`: true, false or null; `remaining_retention_days`, `tag_count`: a number or
///   null; `tags`: always null, because listings are requested without tags.
///
/// Beyond those there is `storage_class`, the access tier, unless it is inferred from the account.
fn more(blob: &Blob) -> Keys {
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
    let tier = get("AccessTier").filter(|_| get("AccessTierInferred") != Some("true"));
    let tier = tier.map(|tier| ("storage_class", json!(tier)));
    all.into_iter().chain(tier).map(|(name, value)| (name, value.to_string())).collect()
}

#[cfg(test)]
#[path = "list_tests.rs"]
mod tests;
