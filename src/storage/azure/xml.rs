//! Reads the XML that the service sends: listings and errors. (Fuzz targets take this file alone.)

use super::Malformed;
use super::document::{Element, parse, parse_some};
use super::percent::decode;
use std::collections::BTreeMap;

/// One blob of a listing.
#[derive(Debug, Default, PartialEq)]
pub struct Blob {
    /// The whole name, decoded.
    pub name: String,
    /// The properties that have a value, by the names of the service, and `Deleted`.
    pub properties: BTreeMap<String, String>,
    /// The metadata of the user; None if the service sent `<Metadata />`, which the Python tool writes as null. An empty value is
    /// None.
    pub metadata: Option<BTreeMap<String, Option<String>>>,
    /// The id of the version, in a listing of versions.
    pub version: Option<String>,
    /// Whether it is the current version, in a listing of versions.
    pub is_current: bool,
}

/// A page of a listing.
#[derive(Debug, Default, PartialEq)]
pub struct BlobList {
    /// The container, if the page names it.
    pub container: Option<String>,
    /// The requested start of names, if the page repeats it.
    pub prefix: Option<String>,
    /// The blobs in the order of the service.
    pub blobs: Vec<Blob>,
    /// The token of the next page, or None on the last page.
    pub marker: Option<String>,
}

/// The parts of an error.
#[derive(Debug, Default, PartialEq)]
pub struct ServiceError {
    /// A code such as `BlobNotFound`.
    pub code: Option<String>,
    /// The message.
    pub message: Option<String>,
    /// A more exact reason, which only some errors have.
    pub detail: Option<String>,
}

/// Reads a page of a listing.
///
/// # Errors
/// If it is not a page, or not whole.
pub fn page(body: &[u8]) -> Result<BlobList, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::new("it is not UTF-8"))?;
    let listing = parse(text)?;
    // A list of containers starts in the same way.
    let blobs = listing.child("Blobs").filter(|_| listing.name == "EnumerationResults");
    let blobs = blobs.ok_or_else(|| Malformed::new("it is no listing of blobs"))?;
    // On the last page the marker is present, and empty.
    if listing.child("NextMarker").is_none() {
        return Err(Malformed::new("it does not say whether it is the last page"));
    }
    Ok(BlobList {
        container: listing.attribute("ContainerName").map(str::to_string),
        prefix: listing.child("Prefix").and_then(decoded),
        blobs: blobs.all("Blob").map(blob).collect::<Result<_, _>>()?,
        marker: listing.value("NextMarker").map(str::to_string),
    })
}

fn blob(element: &Element) -> Result<Blob, Malformed> {
    let name = element.child("Name").map(|name| decoded(name).ok_or_else(|| Malformed::new("a name that is not UTF-8")));
    let properties = element.all("Properties").flat_map(|properties| &properties.children);
    let properties = properties.filter(|property| !property.text.is_empty()).chain(element.child("Deleted"));
    let metadata = element.child("Metadata").map(|metadata| {
        metadata.children.iter().map(|pair| (pair.name.clone(), Some(pair.text.clone()).filter(|text| !text.is_empty())))
    });
    Ok(Blob {
        name: name.transpose()?.unwrap_or_default(),
        properties: properties.map(|property| (property.name.clone(), property.text.clone())).collect(),
        metadata: match metadata {
            Some(pairs) => Some(pairs.collect()).filter(|pairs: &BTreeMap<_, _>| !pairs.is_empty()),
            None => Some(BTreeMap::new()),
        },
        version: element.value("VersionId").map(str::to_string),
        is_current: element.value("IsCurrentVersion").is_some_and(|is| is.trim() == "true"),
    })
}

/// Names with characters that XML can't hold are sent percent-encoded. Returns None if such a name is not UTF-8.
fn decoded(name: &Element) -> Option<String> {
    match name.attribute("Encoded") {
        Some("true") => String::from_utf8(decode(&name.text)).ok(),
        _ => Some(name.text.clone()),
    }
}

/// Reads an error, as far as it can be read: an answer of a proxy can be anything.
pub fn error(body: &[u8]) -> ServiceError {
    let (error, _) = parse_some(&String::from_utf8_lossy(body));
    let text = |name| error.value(name).filter(|_| error.name == "Error").map(str::to_string);
    ServiceError { code: text("Code"), message: text("Message"), detail: text("AuthenticationErrorDetail") }
}

/// Returns the document that lists the blocks of a blob.
pub fn block_list(ids: &[String]) -> String {
    // Base64 needs no escapes.
    let blocks: String = ids.iter().map(|id| format!("<Latest>{id}</Latest>")).collect();
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>{blocks}</BlockList>")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(blobs: &str) -> Result<BlobList, Malformed> {
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
        assert_eq!(page(whole.as_bytes()).unwrap(), BlobList { marker: None, ..page(whole.as_bytes()).unwrap() });
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
        assert_eq!(error(b"\xff<html>"), ServiceError::default());
    }
}
