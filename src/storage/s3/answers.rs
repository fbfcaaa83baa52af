//! What the service's documents say, and whether they are what was asked for.
//!
//! What is required is what the service documents as always there (Amazon S3 API Reference, "Response Syntax" of each action),
//! and what Ceph, MinIO, R2, Garage and the emulators send too.

use crate::storage::store::Object;
use crate::storage::web;
use crate::storage::web::pages::Page;
use crate::storage::web::service::Good;
use crate::storage::xml::{self, Element};
use std::collections::HashSet;

/// A page of `ListObjectsV2`: a `ListBucketResult` that says whether it is the last (`IsTruncated` is in all its examples, and
/// sent by all services), and how to go on where it is not. `Prefix` and `Name` repeat what was asked, where they are sent.
pub fn page(body: &[u8], bucket: &str, prefix: &str, token: &str) -> Good<Page> {
    document(body, "ListBucketResult", Found::default(), Found::see, |found| found.page(bucket, prefix, token))
}

/// What a page says.
#[derive(Default)]
struct Found {
    name: Option<String>,
    prefix: Option<String>,
    is_truncated: Option<String>,
    token: Option<String>,
    objects: Vec<Object>,
    is_odd: bool,
    /// The object that is read, and its size.
    object: Object,
    size: Option<u64>,
}

impl Found {
    fn page(self, bucket: &str, prefix: &str, token: &str) -> Good<Page> {
        let wrong = |reason: &str| Good::Wrong(reason.to_string());
        if self.is_odd {
            return wrong("has an object without a name or a size");
        }
        // XML changes line breaks, and can't hold other control characters.
        let is_plain = !prefix.contains(char::is_control);
        if is_plain && self.prefix.is_some_and(|told| told != prefix) {
            return wrong("is that of another folder");
        }
        // The alias of an access point stands for a bucket of another name.
        let is_alias = bucket.ends_with("-s3alias") || bucket.ends_with("--ol-s3");
        if !is_alias && self.name.is_some_and(|name| name != bucket) {
            return wrong("is that of another bucket");
        }
        let next = match (self.is_truncated.as_deref().map(str::trim), self.token.filter(|next| !next.is_empty())) {
            (Some("false"), None) => None,
            (Some("true"), Some(next)) if next != token => Some(next),
            (Some("true"), _) => return wrong("says that there is more, but not how to go on"),
            (Some("false"), Some(_)) => return wrong("says that it is the last, and how to go on"),
            _ => return wrong("does not say whether it is the last"),
        };
        Good::Yes(Page { objects: self.objects.into_iter().map(Ok).collect(), next })
    }

    fn see(&mut self, element: Element) {
        let text = element.text;
        match element.path {
            [_, name] => match name.as_str() {
                "Name" => self.name = Some(text),
                "Prefix" => self.prefix = Some(text),
                "IsTruncated" => self.is_truncated = Some(text),
                "NextContinuationToken" => self.token = Some(text),
                "Contents" => self.end(),
                _ => {}
            },
            [_, contents, name] if contents == "Contents" => match name.as_str() {
                "Key" => self.object.key = text.into_bytes(),
                "Size" => self.size = text.trim().parse().ok(),
                "LastModified" => self.object.modified = web::time(&text),
                "ETag" => self.object.etag = Some(text).filter(|etag| !etag.is_empty()),
                _ => {}
            },
            _ => {}
        }
    }

    fn end(&mut self) {
        let object = std::mem::take(&mut self.object);
        match self.size.take() {
            Some(size) if !object.key.is_empty() => {
                let is_folder = object.key.ends_with(b"/") && size == 0;
                self.objects.extend((!is_folder).then_some(Object { size, ..object }));
            }
            _ => self.is_odd = true,
        }
    }
}

/// The names of which the answer to `DeleteObjects` says that they are deleted. The others have to be asked about.
pub fn deleted(body: &[u8]) -> Good<HashSet<String>> {
    let see = |names: &mut HashSet<String>, element: Element| {
        if matches!(element.path, [_, deleted, key] if deleted == "Deleted" && key == "Key") {
            names.insert(element.text);
        }
    };
    document(body, "DeleteResult", HashSet::new(), see, Good::Yes)
}

/// An element of a document with that root, which has a text.
pub fn element(body: &[u8], root: &str, name: &str) -> Good<String> {
    let see = |found: &mut String, element: Element| {
        if matches!(element.path, [_, n] if n == name) {
            *found = element.text;
        }
    };
    document(body, root, String::new(), see, |found| match found.trim() {
        "" => Good::Wrong(format!("has no {name}")),
        _ => Good::Yes(found),
    })
}

/// Goes through a document with that root: `see` each element, and what they come to at the `end`.
fn document<S, T>(
    body: &[u8],
    root: &str,
    mut state: S,
    mut see: impl FnMut(&mut S, Element),
    end: impl FnOnce(S) -> Good<T>,
) -> Good<T> {
    let Some(text) = std::str::from_utf8(body).ok().filter(|text| xml::root(text).as_deref() == Some(root)) else {
        return Good::No;
    };
    match xml::walk(text.trim_start(), |element| see(&mut state, element)) {
        Ok(()) => end(state),
        Err(reason) => Good::Broken(reason),
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
