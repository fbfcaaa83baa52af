//! What a WebDAV server answers to PROPFIND.

use quick_xml::Reader;
use quick_xml::events::Event;

/// What it tells of one path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Its path, percent-encoded, or its whole URL.
    pub href: String,
    /// Whether it is a collection.
    pub is_folder: bool,
    /// Bytes; servers do not tell those of folders.
    pub size: Option<u64>,
    /// The time as it is in headers.
    pub modified: Option<String>,
    /// The etag, quotes and all.
    pub etag: Option<String>,
    /// The content type.
    pub content_type: Option<String>,
}

/// Reads a `multistatus`. Properties that a server could not tell (a `propstat` with another status than 200) are left out;
/// whatever else it tells is passed over. Prefixes of namespaces are not looked at, so that servers may choose them.
///
/// # Errors
/// The reason, if it is not XML, or breaks off.
pub fn parse(body: &[u8]) -> Result<Vec<Found>, &'static str> {
    let text = std::str::from_utf8(body).map_err(|_| "the answer is not UTF-8")?;
    let mut reader = Reader::from_str(text);
    let (mut all, mut path, mut whole) = (Vec::new(), Vec::<String>::new(), false);
    let (mut found, mut properties, mut is_ok, mut value) = (Found::default(), Found::default(), true, String::new());
    loop {
        match reader.read_event().map_err(|_| "the answer is not XML")? {
            Event::Start(_) | Event::Empty(_) if whole => return Err("the answer goes on after its end"),
            Event::Start(start) => {
                path.push(local(start.local_name().as_ref()));
                value.clear();
                if path.last().is_some_and(|name| name == "propstat") {
                    (properties, is_ok) = (Found::default(), true);
                }
                properties.is_folder |= is_collection(&path);
            }
            Event::Empty(start) => {
                path.push(local(start.local_name().as_ref()));
                properties.is_folder |= is_collection(&path);
                path.pop();
            }
            Event::Text(text) => value.push_str(text.as_ref()),
            Event::CData(text) => value.push_str(text.as_ref()),
            Event::GeneralRef(name) => match name.as_ref() {
                "lt" => value.push('<'),
                "gt" => value.push('>'),
                "amp" => value.push('&'),
                "quot" => value.push('"'),
                "apos" => value.push('\''),
                _ => value.extend(name.resolve_char_ref().map_err(|_| "the answer is not XML")?),
            },
            Event::End(_) => {
                let Some(name) = path.pop() else { return Err("the answer is not XML") };
                let text = || Some(value.trim().to_string()).filter(|text| !text.is_empty());
                match (name.as_str(), path.last().map(String::as_str)) {
                    ("href", Some("response")) => found.href = value.trim().to_string(),
                    ("getcontentlength", _) => properties.size = value.trim().parse().ok(),
                    ("getlastmodified", _) => properties.modified = text(),
                    ("getetag", _) => properties.etag = text(),
                    ("getcontenttype", _) => properties.content_type = text(),
                    ("status", Some("propstat")) => is_ok = value.split_whitespace().nth(1) == Some("200"),
                    ("propstat", _) if is_ok => {
                        let href = std::mem::take(&mut found.href);
                        found = Found { href, ..std::mem::take(&mut properties) };
                    }
                    ("response", _) => all.push(std::mem::take(&mut found)),
                    _ => {}
                }
                value.clear();
                whole = path.is_empty();
            }
            Event::Eof if whole && !all.is_empty() => return Ok(all),
            Event::Eof => return Err("the answer breaks off"),
            _ => {}
        }
    }
}

fn is_collection(path: &[String]) -> bool {
    matches!(path, [.., above, last] if above == "resourcetype" && last == "collection")
}

fn local(name: &str) -> String {
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_are_told_apart_whatever_the_namespaces_are_called() {
        let body = r#"<?xml version="1.0"?>
<ns0:multistatus xmlns:ns0="DAV:"><ns0:response><ns0:href>/a%20b/</ns0:href><ns0:propstat><ns0:prop>
<ns0:resourcetype><ns0:collection /></ns0:resourcetype></ns0:prop><ns0:status>HTTP/1.1 200 OK</ns0:status></ns0:propstat>
<ns0:propstat><ns0:prop><ns0:getcontentlength/></ns0:prop><ns0:status>HTTP/1.1 404 Not Found</ns0:status></ns0:propstat>
</ns0:response><D:response xmlns:D="DAV:"><D:href>/a%20b/x&amp;y&#33;</D:href><D:propstat><D:prop><D:resourcetype/>
<D:getcontentlength>12</D:getcontentlength><D:getetag>"e&quot;</D:getetag><D:getcontenttype></D:getcontenttype>
<D:getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</D:getlastmodified><x:owner xmlns:x="y">me</x:owner></D:prop>
<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response></ns0:multistatus>"#;
        let folder = Found { href: "/a%20b/".into(), is_folder: true, ..Found::default() };
        let file = Found {
            href: "/a%20b/x&y!".into(),
            size: Some(12),
            modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
            etag: Some("\"e\"".into()),
            ..Found::default()
        };
        assert_eq!(parse(body.as_bytes()), Ok(vec![folder, file]));
    }

    #[test]
    fn answers_that_break_off_or_are_something_else_are_errors() {
        for bad in [
            "",
            "<html>",
            "<multistatus><response></response>",
            "not XML",
            "<a></b>",
            "\u{0}",
            "<html></html>",
            "<a></a><a><response></response></a>",
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }
}
