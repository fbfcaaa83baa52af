//! Reads listings of versions.

use super::answers::{decoded, document, is_elsewhere, is_encoded, object};
use crate::storage::store::{Object, ObjectVersion};
use crate::storage::web;
use crate::storage::web::api::VersionPage;
use crate::storage::web::service::Good;
use crate::storage::xml::Element;

/// Reads a page of `ListObjectVersions`: a `ListVersionsResult` that says whether it is the last one, and if not, where the next
/// one starts. Versions and marks of deletions come in any order of their elements. The token is the query for the next page.
pub fn page(body: &[u8], bucket: &str, prefix: &str, token: &str) -> Good<VersionPage> {
    document(body, "ListVersionsResult").and_then(|listing| {
        let wrong = |reason: &str| Good::Wrong(reason.to_string());
        let text = |name: &str| listing.child(name).map(|child| child.text.as_str());
        if let Some(reason) = is_elsewhere(&listing, bucket, prefix) {
            return wrong(reason);
        }
        let is_encoded = is_encoded(&listing);
        let all = listing.children.iter().filter(|child| matches!(child.name.as_str(), "Version" | "DeleteMarker"));
        let versions: Option<Vec<ObjectVersion>> = all.map(|element| version(element, is_encoded)).collect();
        let Some(versions) = versions else { return wrong("has a version without a name, an id or a size") };
        let next = || {
            let value = |of: &str| Some(decoded(listing.value(of)?, is_encoded)?.into_owned());
            let marker = |name: &str, of: &str| Some(format!("&{name}={}", web::encode_all(&value(of)?)));
            let id = marker("version-id-marker", "NextVersionIdMarker").unwrap_or_default();
            Some(marker("key-marker", "NextKeyMarker")? + &id).filter(|next| next != token)
        };
        match (text("IsTruncated").map(str::trim), next()) {
            (Some("false"), _) => Good::Yes(VersionPage { versions, next: None }),
            (Some("true"), Some(next)) => Good::Yes(VersionPage { versions, next: Some(next) }),
            (Some("true"), None) => wrong("says that there is more, but not how to go on"),
            _ => wrong("does not say whether it is the last"),
        }
    })
}

/// Returns None if the element lacks something that every version has.
fn version(element: &Element, is_encoded: bool) -> Option<ObjectVersion> {
    let is_deletion = element.name == "DeleteMarker";
    let object = match is_deletion {
        true => Object { key: decoded(element.value("Key")?, is_encoded)?.into_owned().into(), ..Object::default() },
        false => object(element, is_encoded)?,
    };
    Some(ObjectVersion {
        object,
        id: Some(element.value("VersionId")?.to_string()),
        created: element.value("LastModified").and_then(web::time),
        until: None,
        is_latest: element.value("IsLatest").is_some_and(|is| is.trim() == "true"),
        is_deletion,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_versions_and_deletions_and_says_how_to_go_on() {
        let page = |inner: &str| {
            let text = format!("<ListVersionsResult><Name>b</Name><Prefix>p/</Prefix>{inner}</ListVersionsResult>");
            page(text.as_bytes(), "b", "p/", "&key-marker=p%2Fa")
        };
        let one = "<Version><Key>p/a</Key><VersionId>v2</VersionId><IsLatest>true</IsLatest><Size>3</Size>\
            <LastModified>2026-01-02T03:04:05Z</LastModified></Version>";
        let gone = "<DeleteMarker><Key>p/b</Key><VersionId>null</VersionId><IsLatest>true</IsLatest></DeleteMarker>";
        let last = "<IsTruncated>false</IsTruncated>";
        let Good::Yes(read) = page(&format!("{gone}{one}{last}")) else { panic!("no page") };
        let told: Vec<_> = read.versions.iter().map(|v| (v.id.as_deref(), v.is_latest, v.is_deletion, v.object.size)).collect();
        assert_eq!(told, [(Some("null"), true, true, 0), (Some("v2"), true, false, 3)]);
        let more = "<IsTruncated>true</IsTruncated>";
        let Good::Yes(read) =
            page(&format!("{more}<NextKeyMarker>p/a b</NextKeyMarker><NextVersionIdMarker>v</NextVersionIdMarker>"))
        else {
            panic!("no page")
        };
        assert_eq!(read.next.as_deref(), Some("&key-marker=p%2Fa%20b&version-id-marker=v"));
        for wrong in
            [more.to_string(), format!("{more}<NextKeyMarker>p/a</NextKeyMarker>"), one.to_string(), one.replace("v2", "") + last]
        {
            assert!(matches!(page(&wrong), Good::Wrong(_)), "{wrong}");
        }
    }
}
