//! Attributes of objects, as S3 has them in headers.

use crate::storage::attributes::{AMAZON, Attributes, HEADERS, Keys};
use crate::storage::web::is_header;
use crate::storage::web::service::Head;
use std::collections::BTreeMap;

/// The start of the headers of the user's metadata.
const METADATA: &str = "x-amz-meta-";

/// The classes that objects can have by themselves (Amazon S3 API Reference, PutObject, `x-amz-storage-class`). `OUTPOSTS` and the
/// classes of other kinds of buckets belong to the bucket.
const CLASSES: [&str; 8] = [
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER",
    "DEEP_ARCHIVE",
    "GLACIER_IR",
];

/// Returns the attributes in the head of an object, as keys of its record. "Amazon S3 returns this header for all objects except
/// for S3 Standard storage class objects."
pub fn keys(head: &Head) -> Keys {
    let headers = [HEADERS.as_slice(), &AMAZON].concat();
    let metadata = head.headers.iter().filter_map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        Some((name.as_str().strip_prefix(METADATA)?.to_string(), value))
    });
    let attributes = Attributes {
        content_type: head.text("content-type").map(str::to_string),
        headers: headers.iter().filter_map(|(name, _)| Some((*name, head.text(name)?.to_string()))).collect(),
        metadata: metadata.collect(),
        storage_class: Some(head.text("x-amz-storage-class").unwrap_or("STANDARD").to_string()),
        tags: BTreeMap::new(),
    };
    attributes.keys(&headers)
}

/// Returns the attributes that S3 keeps of these. Names of metadata are stored in lower case.
pub fn kept(attributes: &Attributes) -> Attributes {
    let text = |value: &String| Some(value.clone()).filter(|value| is_header(value) && !value.is_empty());
    // This is the encoding of an upload, which some clients leave behind. The service would take our content for such an upload.
    let encoding = |value: &str| {
        let parts: Vec<_> = value.split(',').map(str::trim).filter(|part| *part != "aws-chunked" && !part.is_empty()).collect();
        parts.join(",")
    };
    let header = |(name, value): (&&'static str, &String)| match *name {
        "content-encoding" => Some((*name, text(&encoding(value))?)),
        name => Some((name, text(value)?)),
    };
    let is_name = |name: &str| !name.is_empty() && http::HeaderName::try_from(format!("{METADATA}{name}")).is_ok();
    Attributes {
        content_type: attributes.content_type.as_ref().and_then(text),
        headers: attributes.headers.iter().filter_map(header).collect(),
        metadata: attributes.metadata_in_headers(is_name, is_header),
        storage_class: attributes.storage_class.clone().filter(|class| CLASSES.contains(&class.as_str())),
        tags: attributes.tags.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_headers_can_have_is_kept() {
        let text = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect()
        };
        let kept = kept(&Attributes {
            content_type: Some("text/ä".to_string()),
            headers: [("content-encoding", "gzip, aws-chunked".to_string()), ("cache-control", "a\nb".to_string())].into(),
            metadata: text(&[("Owner", "me "), ("a b", "x"), ("name", "ö")]),
            storage_class: Some("COLDLINE".to_string()),
            tags: text(&[("ä", "ö")]),
        });
        assert_eq!(
            kept,
            Attributes {
                headers: [("content-encoding", "gzip".to_string())].into(),
                metadata: text(&[("owner", "me")]),
                tags: text(&[("ä", "ö")]),
                ..Attributes::default()
            }
        );
    }
}
