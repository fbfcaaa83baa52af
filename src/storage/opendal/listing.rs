//! Pages of listings: whether they are what was asked for, and what the library would make something else of.

use super::answers::Good;
use crate::storage::xml;
use serde_json::Value;
use std::collections::BTreeMap;

/// Behind names that the library would take for those of folders, though their objects have bytes; and behind names that end
/// so already.
const MARK: char = '\u{f8ff}';

/// The name that is meant by one of a page that [`s3`] or [`gcs`] has let pass.
pub fn unmarked(name: &str) -> &str {
    name.strip_suffix(MARK).unwrap_or(name)
}

/// A page of `ListObjectsV2`: a `ListBucketResult` that says whether it is the last (`IsTruncated` is in all its examples, and
/// sent by all services), and how to go on where it is not. `Prefix` and `Name` repeat what was asked, where they are sent.
pub fn s3(page: &str, bucket: &str, query: &BTreeMap<String, String>) -> Good {
    if xml::root(page).as_deref() != Some("ListBucketResult") {
        return Good::No;
    }
    let mut found = Found::default();
    let start = page.len() - page.trim_start().len();
    match xml::walk(&page[start..], |element| found.see(element)) {
        Err(reason) => return Good::Broken(reason),
        Ok(()) if found.wrong => return Good::Wrong("has an object without a name or a size".to_string()),
        Ok(()) => {}
    }
    let asked = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    // XML changes line breaks, and can't hold other control characters.
    let prefix = Some(asked("prefix")).filter(|prefix| !prefix.contains(char::is_control));
    if found.prefix.as_deref().zip(prefix).is_some_and(|(told, asked)| told != asked) {
        return Good::Wrong("is that of another folder".to_string());
    }
    // The alias of an access point stands for a bucket of another name.
    let is_alias = bucket.ends_with("-s3alias") || bucket.ends_with("--ol-s3");
    if !is_alias && found.name.is_some_and(|name| name != bucket) {
        return Good::Wrong("is that of another bucket".to_string());
    }
    match (found.truncated.as_deref().map(str::trim), found.token.as_deref().unwrap_or_default()) {
        (Some("false"), "") => {}
        (Some("true"), next) if !next.is_empty() && next != asked("continuation-token") => {}
        (Some("true"), _) => return Good::Wrong("says that there is more, but not how to go on".to_string()),
        (Some("false"), _) => return Good::Wrong("says that it is the last, and how to go on".to_string()),
        _ => return Good::Wrong("does not say whether it is the last".to_string()),
    }
    if found.edits.is_empty() {
        return Good::Yes;
    }
    let mut out = Vec::with_capacity(page.len() + found.edits.len() * 4);
    let mut done = 0;
    for (at, text) in found.edits {
        let at = at + start;
        out.extend_from_slice(&page.as_bytes()[done..at]);
        out.extend(text.to_string().as_bytes());
        done = at;
    }
    out.extend_from_slice(&page.as_bytes()[done..]);
    Good::Page(out)
}

/// What a page of S3 says.
#[derive(Default)]
struct Found {
    name: Option<String>,
    prefix: Option<String>,
    truncated: Option<String>,
    token: Option<String>,
    wrong: bool,
    /// Of the object that is read: its name and where it stands; its size.
    key: Option<(String, std::ops::Range<usize>)>,
    size: Option<u64>,
    /// What to put where.
    edits: Vec<(usize, char)>,
}

impl Found {
    fn see(&mut self, element: xml::Element) {
        const ROOT: &str = "ListBucketResult";
        let text = Some(element.text);
        match element.path {
            [root, name] if root == ROOT => match name.as_str() {
                "Name" => self.name = text,
                "Prefix" => self.prefix = text,
                "IsTruncated" => self.truncated = text,
                "NextContinuationToken" => self.token = text,
                "Contents" => self.object(),
                _ => {}
            },
            [root, contents, name] if root == ROOT && contents == "Contents" => match name.as_str() {
                "Key" => self.key = text.map(|text| (text, element.at)),
                "Size" => self.size = text.and_then(|size| size.trim().parse().ok()),
                _ => {}
            },
            _ => {}
        }
    }

    fn object(&mut self) {
        let (Some((key, at)), Some(size)) = (self.key.take().filter(|(key, _)| !key.is_empty()), self.size.take()) else {
            self.wrong = true;
            return;
        };
        let (slash, mark) = edits(&key, size);
        self.edits.extend(slash.then_some((at.start, '/')));
        self.edits.extend(mark.then_some((at.end, MARK)));
    }
}

/// What the library is to see of a name: a first `/` doubled, because it strips one, its own names never starting with it; and a
/// mark behind a last `/` where it would take an object for a folder. (A folder marker has no bytes.)
fn edits(key: &str, size: u64) -> (bool, bool) {
    (key.starts_with('/'), (key.ends_with('/') && size > 0) || key.ends_with(MARK))
}

/// A page of `objects.list`: "`kind`: The kind of item this is. For lists of objects, this is always storage#objects." Its last
/// page has no `nextPageToken`.
pub fn gcs(page: &[u8], query: &BTreeMap<String, String>) -> Good {
    let Ok(mut json) = serde_json::from_slice::<Value>(page) else {
        return match page.trim_ascii_start().starts_with(b"{") {
            true => Good::Broken("it is no JSON".to_string()),
            false => Good::No,
        };
    };
    if json.get("kind").and_then(Value::as_str) != Some("storage#objects") {
        return Good::No;
    }
    let asked = query.get("pageToken").map(String::as_str).unwrap_or_default();
    match json.get("nextPageToken") {
        None | Some(Value::Null) => {}
        Some(Value::String(next)) if !next.is_empty() && next != asked => {}
        Some(_) => return Good::Wrong("says that there is more, but not how to go on".to_string()),
    }
    let mut is_edited = false;
    match json.get_mut("items") {
        None | Some(Value::Null) => {}
        Some(Value::Array(items)) => {
            for item in items {
                let size = item.get("size").and_then(|size| size.as_str()?.parse().ok());
                let name = item.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
                let (Some(name), Some(size)) = (name, size) else {
                    return Good::Wrong("has an object without a name or a size".to_string());
                };
                let (slash, mark) = edits(name, size);
                if slash || mark {
                    let (slash, mark) = (if slash { "/" } else { "" }, if mark { MARK.to_string() } else { String::new() });
                    item["name"] = format!("{slash}{name}{mark}").into();
                    is_edited = true;
                }
            }
        }
        Some(_) => return Good::Wrong("has something else than a list".to_string()),
    }
    if is_edited { Good::Page(json.to_string().into_bytes()) } else { Good::Yes }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(good: Good) -> String {
        match good {
            Good::Yes => "yes".to_string(),
            Good::Page(page) => String::from_utf8(page).unwrap(),
            Good::Broken(_) => "broken".to_string(),
            Good::Wrong(reason) => reason,
            Good::No => "no".to_string(),
        }
    }

    fn query(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    #[test]
    fn a_page_of_s3_says_whose_it_is_and_whether_it_is_the_last() {
        let last = "<IsTruncated>false</IsTruncated>";
        let object = "<Contents><Key>p/a</Key><Size>1</Size></Contents>";
        for (inner, expected) in [
            (last.to_string(), "yes"),
            (format!("<Name>b</Name><Prefix>p/</Prefix>{last}{object}"), "yes"),
            ("<IsTruncated>true</IsTruncated><NextContinuationToken>t2</NextContinuationToken>".to_string(), "yes"),
            (format!("{last}<NextContinuationToken>t2</NextContinuationToken>"), "says that it is the last, and how to go on"),
            ("<IsTruncated>true</IsTruncated>".to_string(), "says that there is more, but not how to go on"),
            (
                "<IsTruncated>true</IsTruncated><NextContinuationToken>t1</NextContinuationToken>".to_string(),
                "says that there is more, but not how to go on",
            ),
            (object.to_string(), "does not say whether it is the last"),
            (format!("<Prefix>q/</Prefix>{last}"), "is that of another folder"),
            (format!("<Prefix/>{last}"), "is that of another folder"),
            (format!("<Name>c</Name>{last}"), "is that of another bucket"),
            (format!("{last}<Contents><Key>p/a</Key></Contents>"), "has an object without a name or a size"),
            (format!("{last}<Contents><Key/><Size>1</Size></Contents>"), "has an object without a name or a size"),
            (format!("{last}<Contents><Key>p/a</Key>"), "broken"),
        ] {
            let page = format!("<?xml version=\"1.0\"?>\n<ListBucketResult xmlns=\"x\">{inner}</ListBucketResult>");
            let query = query(&[("prefix", "p/"), ("continuation-token", "t1")]);
            assert_eq!(said(s3(&page, "b", &query)), expected, "{inner}");
        }
        for page in ["<html></html>", "<ListAllMyBucketsResult/>", "<DeleteResult/>", "{}", ""] {
            assert_eq!(said(s3(page, "b", &query(&[]))), "no", "{page}");
        }
        let alias = format!("<ListBucketResult><Name>b</Name>{last}</ListBucketResult>");
        assert_eq!(said(s3(&alias, "x-s3alias", &query(&[]))), "yes");
    }

    #[test]
    fn a_page_of_google_says_its_kind() {
        for (page, expected) in [
            (r#"{"kind": "storage#objects"}"#, "yes"),
            (r#"{"kind": "storage#objects", "items": [{"name": "a", "size": "1"}], "nextPageToken": "t2"}"#, "yes"),
            (r#"{"kind": "storage#objects", "nextPageToken": "t1"}"#, "says that there is more, but not how to go on"),
            (r#"{"kind": "storage#objects", "nextPageToken": ""}"#, "says that there is more, but not how to go on"),
            (r#"{"kind": "storage#objects", "items": [{"name": "a"}]}"#, "has an object without a name or a size"),
            (r#"{"kind": "storage#objects", "items": {}}"#, "has something else than a list"),
            (r#"{"kind": "storage#buckets", "items": []}"#, "no"),
            (r#"{"items": []}"#, "no"),
            ("{}", "no"),
            ("[]", "no"),
            ("<html>", "no"),
            (r#"{"kind": "storage#obj"#, "broken"),
        ] {
            assert_eq!(said(gcs(page.as_bytes(), &query(&[("pageToken", "t1")]))), expected, "{page}");
        }
    }

    #[test]
    fn a_first_slash_is_doubled_and_an_object_with_bytes_is_no_folder() {
        let last = "<IsTruncated>false</IsTruncated>";
        let one = |key: &str, size: u64| format!("<Contents><Key>{key}</Key><Size>{size}</Size></Contents>");
        for (key, size, edited) in [
            ("/a", 1, "//a"),
            ("//a", 0, "///a"),
            ("&#x2f;a&amp;b", 0, "/&#x2f;a&amp;b"),
            ("d/", 5, "d/\u{f8ff}"),
            ("/", 5, "//\u{f8ff}"),
            ("x\u{f8ff}", 0, "x\u{f8ff}\u{f8ff}"),
        ] {
            let page = |key: &str| format!("\n<ListBucketResult>{last}{}{}</ListBucketResult>", one("a", 1), one(key, size));
            assert_eq!(said(s3(&page(key), "b", &query(&[]))), page(edited));
            let json = serde_json::json!({"kind": "storage#objects", "items": [{"name": key, "size": size.to_string()}]});
            if !key.contains('&') {
                let edited: Value = serde_json::from_str(&said(gcs(json.to_string().as_bytes(), &query(&[])))).unwrap();
                let name = edited["items"][0]["name"].as_str().unwrap();
                assert_eq!(unmarked(name).len() + name.len() - unmarked(name).len(), name.len());
                assert_eq!(unmarked(name).trim_start_matches('/'), key.trim_start_matches('/'));
            }
        }
        let plain = format!("<ListBucketResult>{last}{}{}</ListBucketResult>", one("d/", 0), one("a//b", 1));
        assert_eq!(said(s3(&plain, "b", &query(&[]))), "yes");
    }
}
