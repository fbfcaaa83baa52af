//! The XML that the service sends: listings and errors.

use super::document::{Element, walk};
use super::percent::decode;
use std::collections::BTreeMap;

/// One blob of a listing.
#[derive(Debug, Default, PartialEq)]
pub struct Blob {
    /// The whole name, decoded.
    pub name: String,
    /// The properties that have a value, by the names that the service gives them, and `Deleted` too.
    pub properties: BTreeMap<String, String>,
    /// What the user put to it; None where the service sent `<Metadata />`, which the Python tool writes as null. One without
    /// a value is None.
    pub metadata: Option<BTreeMap<String, Option<String>>>,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq)]
pub struct Page {
    /// The container that it is of, where it says so.
    pub container: Option<String>,
    /// What was asked for: how names begin, where it says so.
    pub prefix: Option<String>,
    /// In the service's order.
    pub blobs: Vec<Blob>,
    /// What to ask for to get the next page; None after the last.
    pub marker: Option<String>,
}

/// What an error says.
#[derive(Debug, Default, PartialEq)]
pub struct Said {
    /// As `BlobNotFound`.
    pub code: Option<String>,
    /// For people.
    pub message: Option<String>,
    /// More, for some.
    pub detail: Option<String>,
}

/// Reads a page of a listing.
///
/// # Errors
/// The reason, if it is not one, or not whole.
pub fn page(document: &[u8]) -> Result<Page, String> {
    let document = std::str::from_utf8(document).map_err(|_| "it is not UTF-8".to_string())?;
    let mut page = Page::default();
    let mut blob = Blob { metadata: Some(BTreeMap::new()), ..Blob::default() };
    let mut pairs = BTreeMap::new();
    let mut wrong = None;
    let (mut is_listing, mut has_blobs, mut tells_end) = (false, false, false);
    walk(document, |element| match element.path.len() {
        1 => {
            is_listing = element.is(&["EnumerationResults"]);
            page.container = element.attribute("ContainerName").map(str::to_string);
        }
        2 if element.path[1] == "Blobs" => has_blobs = true,
        2 if element.path[1] == "Prefix" => page.prefix = decoded(&element),
        2 if element.path[1] == "NextMarker" => {
            tells_end = true;
            page.marker = Some(element.text).filter(|m| !m.is_empty());
        }
        3 if element.is(&["EnumerationResults", "Blobs", "Blob"]) => {
            let empty = Blob { metadata: Some(BTreeMap::new()), ..Blob::default() };
            page.blobs.push(std::mem::replace(&mut blob, empty));
        }
        4 if element.path[3] == "Name" => match decoded(&element) {
            Some(name) => blob.name = name,
            None => wrong = Some("a name that is not UTF-8"),
        },
        4 if element.path[3] == "Deleted" => {
            blob.properties.insert("Deleted".to_string(), element.text);
        }
        4 if element.path[3] == "Metadata" => {
            blob.metadata = Some(std::mem::take(&mut pairs)).filter(|m| !m.is_empty());
        }
        5 if element.path[3] == "Properties" && !element.text.is_empty() => {
            blob.properties.insert(element.path[4].clone(), element.text);
        }
        5 if element.path[3] == "Metadata" => {
            pairs.insert(element.path[4].clone(), Some(element.text).filter(|t| !t.is_empty()));
        }
        _ => {}
    })?;
    match wrong {
        Some(reason) => Err(reason.to_string()),
        // A list of containers begins in the same way.
        None if !is_listing || !has_blobs => Err("it is no listing of blobs".to_string()),
        // The last page has an empty one.
        None if !tells_end => Err("it does not say whether it is the last page".to_string()),
        None => Ok(page),
    }
}

/// Names with characters that XML can't hold come percent-encoded.
fn decoded(element: &Element) -> Option<String> {
    let name = &element.text;
    if element.attribute("Encoded") != Some("true") {
        return Some(name.clone());
    }
    String::from_utf8(decode(name)).ok()
}

/// Reads what an error says, as far as it can be read.
pub fn error(document: &[u8]) -> Said {
    let mut said = Said::default();
    // An answer of a proxy is whatever it likes; what could be read until then is fine.
    let _ = walk(&String::from_utf8_lossy(document), |element| {
        let text = Some(element.text).filter(|t| !t.is_empty());
        match element.path {
            [root, name] if root == "Error" => match name.as_str() {
                "Code" => said.code = text,
                "Message" => said.message = text,
                "AuthenticationErrorDetail" => said.detail = text,
                _ => {}
            },
            _ => {}
        }
    });
    said
}

/// The list of blocks that make a blob.
pub fn block_list(ids: &[String]) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
    for id in ids {
        // Base64 needs no escapes.
        out.push_str("<Latest>");
        out.push_str(id);
        out.push_str("</Latest>");
    }
    out + "</BlockList>"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(blobs: &str) -> Result<Page, String> {
        let text = format!(
            "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults ServiceEndpoint=\"http://x/\">\
             <Prefix>a &amp; b/</Prefix><Blobs>{blobs}</Blobs><NextMarker>2!8!a&lt;b</NextMarker></EnumerationResults>"
        );
        page(text.as_bytes())
    }

    #[test]
    fn names_are_taken_to_the_letter() {
        for (sent, name) in [
            ("<Name> lead and trail </Name>", " lead and trail "),
            ("<Name>a &amp; b&lt;&#9;&#x1F600;&quot;.txt</Name>", "a & b<\t\u{1f600}\".txt"),
            ("<Name>line\nbreak&#xA;&#xD;</Name>", "line\nbreak\n\r"),
            ("<Name>100%25 %2Fx</Name>", "100%25 %2Fx"),
            ("<Name Encoded=\"true\">x%01y%20%C3%A4%</Name>", "x\u{1}y ä%"),
            ("<Name Encoded=\"false\">x%01y</Name>", "x%01y"),
            ("<Name><![CDATA[<a>]]></Name>", "<a>"),
        ] {
            let page = of(&format!("<Blob>{sent}</Blob>")).unwrap();
            assert_eq!((page.blobs[0].name.as_str(), page.blobs.len()), (name, 1));
            assert_eq!(page.marker.as_deref(), Some("2!8!a<b"));
        }
        assert!(of("<Blob><Name Encoded=\"true\">%FF</Name></Blob>").is_err());
    }

    #[test]
    fn properties_and_metadata_do_not_mix() {
        let page =
            of("<Blob><Name>a</Name><Deleted>false</Deleted><Properties><Etag>0x1</Etag><Content-MD5 /><Content-Encoding>\
             </Content-Encoding></Properties><Metadata><Owner>me &amp; you</Owner><Etag>mine</Etag><empty /></Metadata>\
             <OrMetadata /></Blob><Blob><Name>b</Name><Properties><Etag>0x2</Etag></Properties><Metadata /></Blob>\
             <Blob><Name>c</Name></Blob>")
            .unwrap();
        let [a, b, c] = &page.blobs[..] else { panic!("{page:?}") };
        let text = |s: &str| s.to_string();
        assert_eq!(a.properties, BTreeMap::from([(text("Deleted"), text("false")), (text("Etag"), text("0x1"))]));
        let metadata = [(text("Owner"), Some(text("me & you"))), (text("Etag"), Some(text("mine"))), (text("empty"), None)];
        assert_eq!(a.metadata, Some(BTreeMap::from(metadata)));
        assert_eq!((&b.metadata, b.properties.len()), (&None, 1));
        assert_eq!((&c.metadata, c.properties.len()), (&Some(BTreeMap::new()), 0));
    }

    #[test]
    fn half_a_page_is_no_page() {
        let whole = "<EnumerationResults><Blobs><Blob><Name>a</Name></Blob></Blobs><NextMarker /></EnumerationResults>";
        assert_eq!(page(whole.as_bytes()).unwrap(), Page { marker: None, ..page(whole.as_bytes()).unwrap() });
        for end in (0..whole.len()).step_by(7) {
            assert!(page(&whole.as_bytes()[..end]).is_err(), "{end}");
        }
        for other in ["", "plain", "<html></html>", "<EnumerationResults>&nope;</EnumerationResults>", "\u{1}", &whole.repeat(2)]
        {
            assert!(page(other.as_bytes()).is_err(), "{other}");
        }
        assert!(page(b"\xff").is_err());
    }

    #[test]
    fn errors_are_read_as_far_as_they_go() {
        let said = error(b"<Error><Code>C</Code><Message>M\nmore</Message><AuthenticationErrorDetail>D</Authen");
        assert_eq!((said.code.as_deref(), said.message.as_deref(), said.detail), (Some("C"), Some("M\nmore"), None));
        assert_eq!(error(b"\xff<html>"), Said::default());
    }
}
