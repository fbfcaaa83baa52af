//! Reads the documents that the service sends, and checks that they answer the request (Cloud Storage JSON API, "Objects:
//! Resource representations").

use crate::storage::attributes::{Attributes, HEADERS};
use crate::storage::store::{Object, ObjectVersion};
use crate::storage::web;
use crate::storage::web::api::Page;
use crate::storage::web::api::VersionPage;
use crate::storage::web::service::Good;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// A page of `objects.list`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListBody {
    kind: Option<String>,
    items: Option<Vec<Item>>,
    next_page_token: Option<String>,
}

/// An object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    kind: Option<String>,
    bucket: Option<String>,
    name: Option<String>,
    size: Option<String>,
    updated: Option<String>,
    etag: Option<String>,
    md5_hash: Option<String>,
    content_type: Option<String>,
    cache_control: Option<String>,
    content_disposition: Option<String>,
    content_encoding: Option<String>,
    content_language: Option<String>,
    metadata: Option<BTreeMap<String, String>>,
    storage_class: Option<String>,
    generation: Option<String>,
    time_created: Option<String>,
    time_deleted: Option<String>,
}

impl Item {
    /// Returns None if there is no name, no size or no id.
    fn version(self) -> Option<ObjectVersion> {
        let time = |text: &Option<String>| text.as_deref().and_then(web::time);
        let (created, until) = (time(&self.time_created), time(&self.time_deleted));
        let id = Some(self.generation.clone()?);
        Some(ObjectVersion { id, created, until, is_latest: until.is_none(), is_deletion: false, object: self.object()? })
    }

    /// Returns None if there is no name or no size.
    fn object(self) -> Option<Object> {
        let headers = [self.cache_control, self.content_disposition, self.content_encoding, self.content_language];
        let headers = HEADERS.iter().zip(headers).filter_map(|((name, _), value)| Some((*name, value?)));
        let attributes = Attributes {
            content_type: self.content_type,
            headers: headers.collect(),
            metadata: self.metadata.unwrap_or_default(),
            storage_class: self.storage_class,
            ..Attributes::default()
        };
        let more = attributes.keys(&HEADERS);
        Some(Object {
            size: self.size.as_ref()?.parse().ok()?,
            modified: self.updated.as_deref().and_then(web::time),
            md5: self.md5_hash.as_deref().and_then(web::base64_md5),
            key: self.name.filter(|name| !name.is_empty())?.into_bytes(),
            etag: self.etag.filter(|etag| !etag.is_empty()),
            generation: self.generation,
            more,
            ..Object::default()
        })
    }
}

/// Reads a page of a listing with `versions=true`. The service has no marks of deletions, but the times when versions ended: if
/// the next version did not begin then, the object was deleted.
pub fn versions(body: &[u8], token: &str) -> Good<VersionPage> {
    listing(body, token).and_then(|listing| {
        let versions: Option<Vec<ObjectVersion>> = listing.items.unwrap_or_default().into_iter().map(Item::version).collect();
        let Some(versions) = versions else { return Good::Wrong("has a version without a name, an id or a size".to_string()) };
        Good::Yes(VersionPage { versions, next: listing.next_page_token })
    })
}

/// Reads a page: "`kind`: The kind of item this is. For lists of objects, this is always storage#objects." The last page has no
/// `nextPageToken`.
pub fn page(body: &[u8], token: &str) -> Good<Page> {
    listing(body, token).and_then(|listing| {
        let objects: Option<Vec<Object>> = listing.items.unwrap_or_default().into_iter().map(Item::object).collect();
        let Some(objects) = objects else { return Good::Wrong("has an object without a name or a size".to_string()) };
        Good::Yes(Page::of(objects, listing.next_page_token))
    })
}

fn listing(body: &[u8], token: &str) -> Good<ListBody> {
    json(body).and_then(|listing: ListBody| {
        if listing.kind.as_deref() != Some("storage#objects") {
            return Good::No;
        }
        match listing.next_page_token.as_ref().is_some_and(|next| next.is_empty() || next == token) {
            true => Good::Wrong("says that there is more, but not how to go on".to_string()),
            false => Good::Yes(listing),
        }
    })
}

/// Reads the part of a bucket that says whether it keeps versions.
pub fn keeps_versions(body: &[u8]) -> Good<bool> {
    json(body).and_then(|bucket: serde_json::Value| Good::Yes(bucket["versioning"]["enabled"] == true))
}

/// Reads an object: "`kind`: For objects, this is always storage#object."
pub fn object(body: &[u8], bucket: &str, name: &str) -> Good<Object> {
    json(body).and_then(|item: Item| {
        if item.kind.as_deref() != Some("storage#object") {
            return Good::No;
        }
        if item.bucket.as_deref() != Some(bucket) || item.name.as_deref() != Some(name) {
            return Good::Wrong("is that of another object".to_string());
        }
        item.object().map_or_else(|| Good::Wrong("tells no size".to_string()), Good::Yes)
    })
}

/// Reads JSON of this form.
fn json<T: DeserializeOwned>(body: &[u8]) -> Good<T> {
    match serde_json::from_slice(body) {
        Ok(read) => Good::Yes(read),
        Err(_) if !body.trim_ascii_start().starts_with(b"{") => Good::No,
        Err(e) if e.is_data() => Good::Wrong("has something else than it should have".to_string()),
        Err(_) => Good::Broken("it is no JSON".to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(good: Good<Page>) -> String {
        match good {
            Good::Yes(page) => page.next.unwrap_or_else(|| "yes".to_string()),
            Good::Broken(_) => "broken".to_string(),
            Good::Wrong(reason) => reason,
            Good::No => "no".to_string(),
        }
    }

    #[test]
    fn a_page_says_its_kind() {
        for (page, expected) in [
            (r#"{"kind": "storage#objects"}"#, "yes"),
            (r#"{"kind": "storage#objects", "items": [{"name": "a", "size": "1"}], "nextPageToken": "t2"}"#, "t2"),
            (r#"{"kind": "storage#objects", "nextPageToken": "t1"}"#, "says that there is more, but not how to go on"),
            (r#"{"kind": "storage#objects", "nextPageToken": ""}"#, "says that there is more, but not how to go on"),
            (r#"{"kind": "storage#objects", "items": [{"name": "a"}]}"#, "has an object without a name or a size"),
            (r#"{"kind": "storage#objects", "items": [{"name": "", "size": "1"}]}"#, "has an object without a name or a size"),
            (r#"{"kind": "storage#objects", "items": {}}"#, "has something else than it should have"),
            (r#"{"kind": "storage#buckets", "items": []}"#, "no"),
            (r#"{"items": []}"#, "no"),
            ("{}", "no"),
            ("[]", "no"),
            ("<html>", "no"),
            (r#"{"kind": "storage#obj"#, "broken"),
        ] {
            assert_eq!(said(super::page(page.as_bytes(), "t1")), expected, "{page}");
        }
    }

    #[test]
    fn an_object_is_the_one_that_was_asked_for() {
        let is = |name, json: &str| match object(json.as_bytes(), "b", name) {
            Good::Yes(object) => format!("{} {:?}", object.size, object.md5.map(|md5| md5.to_string())),
            Good::Wrong(reason) => reason,
            _ => "no".to_string(),
        };
        let json =
            r#"{"kind": "storage#object", "bucket": "b", "name": "a", "size": "5", "md5Hash": "XUFAKrxLKna5cZ2REBfFkg=="}"#;
        assert_eq!(is("a", json), "5 Some(\"5d41402abc4b2a76b9719d911017c592\")");
        assert_eq!(
            (is("c", json).as_str(), is("a", "{\"kind\": \"storage#objects\"}").as_str()),
            ("is that of another object", "no")
        );
        assert_eq!(is("a", &json.replace("\"5\"", "5")), "has something else than it should have");
    }

    #[test]
    fn an_object_with_bytes_is_no_folder() {
        let page = r#"{"kind": "storage#objects", "items": [{"name": "/a", "size": "0"}, {"name": "d/", "size": "5"},
            {"name": "e/", "size": "0"}]}"#;
        let Good::Yes(page) = page_of(page) else { panic!("no page") };
        let keys: Vec<_> = page.objects.into_iter().map(|o| o.unwrap().key).collect();
        assert_eq!(keys, [b"/a".to_vec(), b"d/".to_vec()]);
    }

    fn page_of(text: &str) -> Good<Page> {
        page(text.as_bytes(), "")
    }
}
