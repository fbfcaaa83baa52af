//! Reads the documents that the service sends, and checks that they answer the request.
//!
//! An element is required only if the service documents it as always present (Amazon S3 API Reference, "Response Syntax" of each
//! action), and if Ceph, MinIO, R2, Garage and the emulators send it too.

use crate::storage::attributes::Texts;
use crate::storage::store::Object;
use crate::storage::web;
use crate::storage::web::api::Page;
use crate::storage::web::service::Good;
use crate::storage::xml::{self, Element};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashSet;

/// The start of the token of a page that begins after a name. No other token has this character.
pub const MARKER: char = '\0';

/// Reads a page of `ListObjectsV2`: a `ListBucketResult` that says whether it is the last one (`IsTruncated` is in all examples,
/// and all services send it), and if not, where the next one starts. If `Prefix` and `Name` are sent, they have to repeat the
/// request. A page of `ListObjects`, the first version, is accepted, too. The next page begins after its last name.
pub fn page(body: &[u8], bucket: &str, prefix: &str, token: &str) -> Good<Page> {
    // A vector that grows leaves its copies behind, and a page has no more than a thousand objects.
    let (mut objects, mut is_whole) = (Vec::with_capacity(1000.min(body.len() / 64)), true);
    let listed = |contents: &Element| {
        let object = object(contents, false);
        is_whole &= object.is_some();
        objects.extend(object);
    };
    listing(body, listed).and_then(|listing| {
        let wrong = |reason: &str| Good::Wrong(reason.to_string());
        let text = |name: &str| listing.child(name).map(|child| child.text.as_str());
        // This element may come behind the names.
        let is_encoded = is_encoded(&listing);
        if !is_whole || is_encoded && !objects.iter_mut().all(decode_key) {
            return wrong("has an object without a name or a size");
        }
        if let Some(reason) = is_elsewhere(&listing, bucket, prefix) {
            return wrong(reason);
        }
        let next = match (text("IsTruncated").map(str::trim), listing.value("NextContinuationToken")) {
            (Some("false"), None) => None,
            (Some("true"), Some(next)) if next != token => Some(next.to_string()),
            (Some("true"), None) => match marker(&listing, &objects, is_encoded).filter(|next| next != token) {
                Some(next) => Some(next),
                None => return wrong("says that there is more, but not how to go on"),
            },
            (Some("true"), _) => return wrong("says that there is more, but not how to go on"),
            (Some("false"), Some(_)) => return wrong("says that it is the last, and how to go on"),
            _ => return wrong("does not say whether it is the last"),
        };
        Good::Yes(Page::of(objects, next))
    })
}

/// Returns the reason why a listing is not the one that was requested, if `Prefix` and `Name` show that.
pub fn is_elsewhere(listing: &Element, bucket: &str, prefix: &str) -> Option<&'static str> {
    let text = |name: &str| listing.child(name).map(|child| child.text.as_str());
    // XML changes line breaks, and can't hold other control characters. Not every service encodes the prefix, too.
    let is_plain = !prefix.contains(char::is_control);
    let is_prefix = |found: &str| found == prefix || is_encoded(listing) && decoded(found, true).as_deref() == Some(prefix);
    if is_plain && !text("Prefix").is_none_or(is_prefix) {
        return Some("is that of another folder");
    }
    // The name of an access point alias is not the name of its bucket.
    let is_alias = bucket.ends_with("-s3alias") || bucket.ends_with("--ol-s3");
    (!is_alias && text("Name").is_some_and(|name| name != bucket)).then_some("is that of another bucket")
}

/// Whether the names of a listing are encoded as in URLs. Some services encode them although they were not asked to.
pub fn is_encoded(listing: &Element) -> bool {
    listing.value("EncodingType").is_some_and(|how| how.trim() == "url")
}

/// Whether the names in a listing are encoded, if it is a listing.
pub fn has_encoded_names(body: &[u8]) -> bool {
    matches!(listing(body, |_| {}), Good::Yes(listing) if is_encoded(&listing))
}

/// Reads a listing. Each `Contents` goes to `listed`, and is not in the listing that is returned: as a tree, the thousand of a page
/// take some megabytes.
fn listing(body: &[u8], mut listed: impl FnMut(&Element)) -> Good<Element> {
    document_with(body, "ListBucketResult", |child| match child.name.as_str() {
        "Contents" => {
            listed(&child);
            None
        }
        _ => Some(child),
    })
}

/// Returns a name that may be encoded, or None if it is no text then. Amazon writes a space as `+`, others as `%20`.
pub fn decoded(text: &str, is_encoded: bool) -> Option<Cow<'_, str>> {
    match is_encoded {
        true => String::from_utf8(web::decode(&text.replace('+', " "))).ok().map(Cow::Owned),
        false => Some(Cow::Borrowed(text)),
    }
}

/// Decodes the key of an object. Returns false if it is no text then.
fn decode_key(object: &mut Object) -> bool {
    let key = std::str::from_utf8(&object.key).ok().and_then(|key| Some(decoded(key, true)?.into_owned()));
    let is_text = key.is_some();
    object.key = key.unwrap_or_default().into();
    is_text
}

/// Returns the token of the page after one of the first version: `NextMarker`, or else the last name.
fn marker(listing: &Element, objects: &[Object], is_encoded: bool) -> Option<String> {
    let named = listing.value("NextMarker").and_then(|marker| decoded(marker, is_encoded));
    let last = || Some(Cow::Borrowed(std::str::from_utf8(&objects.last()?.key).ok()?));
    named.or_else(last).map(|name| format!("{MARKER}{name}"))
}

/// Returns None if the element has no name or no size.
pub fn object(contents: &Element, is_encoded: bool) -> Option<Object> {
    Some(Object {
        key: decoded(contents.value("Key")?, is_encoded)?.into_owned().into(),
        size: contents.value("Size")?.trim().parse().ok()?,
        modified: contents.value("LastModified").and_then(web::time),
        etag: contents.value("ETag").map(str::to_string),
        more: contents.value("StorageClass").map(|class| ("storage_class", Value::from(class).to_string())).into_iter().collect(),
        ..Object::default()
    })
}

/// Reads an answer to `DeleteObjects`, and returns the names that it confirms as deleted. The others have to be deleted one by
/// one.
pub fn deleted(body: &[u8]) -> Good<HashSet<String>> {
    document(body, "DeleteResult").and_then(|result| {
        let names = result.all("Deleted").filter_map(|deleted| deleted.value("Key"));
        Good::Yes(names.map(str::to_string).collect())
    })
}

/// Reads an answer to `GetBucketVersioning`. There is a status if versions were ever switched on.
pub fn keeps_versions(body: &[u8]) -> Good<bool> {
    // An emulator sends the name of the answer in place of that of the document.
    let said = match document(body, "VersioningConfiguration") {
        Good::No => document(body, "GetBucketVersioningResponse"),
        said => said,
    };
    said.and_then(|said| Good::Yes(said.value("Status").is_some()))
}

/// Reads an answer to `GetObjectTagging`.
pub fn tags(body: &[u8]) -> Good<Texts> {
    document(body, "Tagging").and_then(|tagging| tagging.tags().map_or_else(|| Good::Wrong("has no tags".to_string()), Good::Yes))
}

/// Returns the text of the element `name` in a document with this root.
pub fn element(body: &[u8], root: &str, name: &str) -> Good<String> {
    document(body, root).and_then(|result| match result.value(name).filter(|text| !text.trim().is_empty()) {
        Some(text) => Good::Yes(text.to_string()),
        None => Good::Wrong(format!("has no {name}")),
    })
}

/// Reads a document with this root.
pub fn document(body: &[u8], root: &str) -> Good<Element> {
    document_with(body, root, Some)
}

/// Reads a document with this root, of which only the children stay that `keep` returns.
fn document_with(body: &[u8], root: &str, keep: impl FnMut(Element) -> Option<Element>) -> Good<Element> {
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| xml::root(text).as_deref() == Some(root)) else {
        return Good::No;
    };
    match xml::parse_with(text.trim_start(), keep) {
        Ok(element) => Good::Yes(element),
        Err(malformed) => Good::Broken(malformed.reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T>(good: Good<T>, yes: impl FnOnce(T) -> String) -> String {
        match good {
            Good::Yes(read) => yes(read),
            Good::Broken(_) => "broken".to_string(),
            Good::Wrong(reason) => reason,
            Good::No => "no".to_string(),
        }
    }

    #[test]
    fn a_page_says_whose_it_is_and_whether_it_is_the_last() {
        let last = "<IsTruncated>false</IsTruncated>";
        let object = "<Contents><Key>p/a</Key><Size>1</Size></Contents>";
        let said = |page: &str, bucket, prefix| {
            said(super::page(page.as_bytes(), bucket, prefix, "t1"), |page| page.next.unwrap_or_else(|| "yes".to_string()))
        };
        for (inner, expected) in [
            (last.to_string(), "yes"),
            (format!("<Name>b</Name><Prefix>p/</Prefix>{last}{object}"), "yes"),
            ("<IsTruncated>true</IsTruncated><NextContinuationToken>t2</NextContinuationToken>".to_string(), "t2"),
            (format!("{last}<NextContinuationToken>t2</NextContinuationToken>"), "says that it is the last, and how to go on"),
            ("<IsTruncated>true</IsTruncated>".to_string(), "says that there is more, but not how to go on"),
            (
                "<IsTruncated>true</IsTruncated><NextContinuationToken>t1</NextContinuationToken>".to_string(),
                "says that there is more, but not how to go on",
            ),
            (object.to_string(), "does not say whether it is the last"),
            // The first version of listings begins a page after a name.
            (format!("<IsTruncated>true</IsTruncated>{object}"), "\0p/a"),
            (format!("<IsTruncated>true</IsTruncated><NextMarker>p/b</NextMarker>{object}"), "\0p/b"),
            (format!("{object}<NextMarker/>{last}"), "yes"),
            // Encoded names.
            (format!("<EncodingType>url</EncodingType><Prefix>p%2F</Prefix>{last}"), "yes"),
            (
                "<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextMarker>p/a+%2B</NextMarker>".to_string(),
                "\0p/a +",
            ),
            (format!("<Prefix>p%2F</Prefix>{last}"), "is that of another folder"),
            (format!("<Prefix>q/</Prefix>{last}"), "is that of another folder"),
            (format!("<Prefix/>{last}"), "is that of another folder"),
            (format!("<Name>c</Name>{last}"), "is that of another bucket"),
            (format!("{last}<Contents><Key>p/a</Key></Contents>"), "has an object without a name or a size"),
            (format!("{last}<Contents><Key/><Size>1</Size></Contents>"), "has an object without a name or a size"),
            (format!("{last}<Contents><Key>p/a</Key>"), "broken"),
        ] {
            let page = format!("<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\">{inner}</ListBucketResult>");
            assert_eq!(said(&page, "b", "p/"), expected, "{inner}");
        }
        for page in ["<html></html>", "<ListAllMyBucketsResult/>", "<DeleteResult/>", "{}", ""] {
            assert_eq!(said(page, "b", ""), "no", "{page}");
        }
        let alias = format!("<ListBucketResult><Name>b</Name>{last}</ListBucketResult>");
        assert_eq!(said(&alias, "x-s3alias", ""), "yes");
    }

    #[test]
    fn names_are_those_of_the_page_and_an_object_with_bytes_is_no_folder() {
        let one = |(key, size): (&str, u64)| format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>");
        let all: String = [("/a", 1), ("//a", 0), ("&#x2f;a&amp;b ", 0), ("d/", 5), ("e/", 0), ("/", 5)].map(one).concat();
        let page =
            page(format!("\n<ListBucketResult><IsTruncated>false</IsTruncated>{all}</ListBucketResult>").as_bytes(), "b", "", "");
        let Good::Yes(page) = page else { panic!("{page:?}") };
        let keys: Vec<_> = page.objects.into_iter().map(|o| String::from_utf8(o.unwrap().key).unwrap()).collect();
        assert_eq!(keys, ["/a", "//a", "/a&b ", "d/", "/"]);
    }

    #[test]
    fn uploads_begin_with_an_id_and_end_with_an_etag() {
        let is = |body: &str| said(element(body.as_bytes(), "R", "Id"), |id| id);
        assert_eq!(is("\n <?xml version=\"1.0\"?><x:R xmlns:x=\"y\"><Id>1</Id></x:R>"), "1");
        assert_eq!((is("<R><Id> </Id></R>"), is("<R/>")), ("has no Id".to_string(), "has no Id".to_string()));
        assert_eq!((is("<R><Id>1</Id>"), is("<S><Id>1</Id></S>"), is("")), ("broken".into(), "no".into(), "no".into()));
    }
}
