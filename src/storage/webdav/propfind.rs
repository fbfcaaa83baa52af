//! The answers of a WebDAV server to PROPFIND. (Fuzz targets take this file alone.)

use super::Malformed;
use quick_xml::NsReader;
use quick_xml::events::Event;
use quick_xml::name::{LocalName, Namespace, ResolveResult};

/// The properties of one path.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The percent-encoded path, or the whole URL.
    pub href: String,
    /// The status that the server gives instead of properties.
    pub status: Option<u16>,
    /// Whether it is a collection; None if the server does not say.
    pub is_folder: Option<bool>,
    /// The size in bytes; servers give none for folders.
    pub size: Option<u64>,
    /// The time of the last change, as HTTP headers write it.
    pub modified: Option<String>,
    /// The etag with its quotes.
    pub etag: Option<String>,
    /// The content type.
    pub content_type: Option<String>,
}

/// Reads a `multistatus` of the namespace `DAV:`. Properties that the server can't give (those of a `propstat` with another
/// status than 200) and unknown elements are skipped.
///
/// # Errors
/// If the answer is something else, is not XML, or ends early. The reason names what arrived instead.
pub fn parse(body: &[u8]) -> Result<Vec<Found>, Malformed> {
    let text = std::str::from_utf8(body).map_err(|_| Malformed::new("an answer that is not UTF-8"))?;
    let text = text.trim_start_matches('\u{feff}');
    if text.trim().is_empty() {
        return Err(Malformed::new("an empty answer"));
    }
    let mut reader = NsReader::from_str(text);
    let mut answer = Parser::default();
    loop {
        let not_xml = |_| Malformed::new("an answer that is not XML");
        let event = reader.read_event().map_err(not_xml)?;
        match &event {
            Event::Start(_) | Event::Empty(_) if answer.is_whole => {
                return Err(Malformed::new("an answer that goes on after its end"));
            }
            Event::Start(start) => answer.begin(reader.resolver().resolve_element(start.name()))?,
            Event::Empty(start) => {
                answer.begin(reader.resolver().resolve_element(start.name()))?;
                answer.end();
            }
            Event::Text(text) => answer.value.push_str(text.as_ref()),
            Event::CData(text) => answer.value.push_str(text.as_ref()),
            Event::GeneralRef(name) => match quick_xml::escape::resolve_xml_entity(name.as_ref()) {
                Some(text) => answer.value.push_str(text),
                None => answer.value.extend(name.resolve_char_ref().map_err(not_xml)?),
            },
            Event::End(_) => answer.end(),
            Event::Eof if answer.is_whole => return Ok(answer.all),
            Event::Eof => return Err(Malformed::new("an answer that breaks off")),
            _ => {}
        }
    }
}

/// The part of an answer that was read.
#[derive(Default)]
struct Parser {
    all: Vec<Found>,
    /// The open elements; those of other namespaces are called `?`.
    path: Vec<String>,
    is_whole: bool,
    found: Found,
    /// The properties of the open `propstat`, and whether its status is 200.
    properties: Found,
    is_ok: bool,
    value: String,
}

impl Parser {
    fn begin(&mut self, (namespace, local): (ResolveResult<'_>, LocalName<'_>)) -> Result<(), Malformed> {
        let is_ours = namespace == ResolveResult::Bound(Namespace("DAV:"));
        let name = if is_ours { local.as_ref() } else { "?" };
        if self.path.is_empty() && name != "multistatus" {
            let page = if local.as_ref().eq_ignore_ascii_case("html") { "an HTML page" } else { "other XML" };
            return Err(Malformed::new(format!("{page} (<{}>)", local.as_ref())));
        }
        self.value.clear();
        self.path.push(name.to_string());
        Ok(())
    }

    fn end(&mut self) {
        let value = std::mem::take(&mut self.value);
        let value = value.trim();
        let text = || Some(value.to_string()).filter(|text| !text.is_empty());
        let status = || value.split_whitespace().nth(1).and_then(|code| code.parse().ok());
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match path[..] {
            ["multistatus", "response"] => self.all.push(std::mem::take(&mut self.found)),
            ["multistatus", "response", "href"] => self.found.href = value.to_string(),
            ["multistatus", "response", "status"] => self.found.status = status(),
            ["multistatus", "response", "propstat", "status"] => self.is_ok = status() == Some(200),
            ["multistatus", "response", "propstat"] => {
                let properties = std::mem::take(&mut self.properties);
                if std::mem::take(&mut self.is_ok) {
                    let found = std::mem::take(&mut self.found);
                    // Some servers give each property its own `propstat`.
                    self.found = Found {
                        href: found.href,
                        status: found.status,
                        is_folder: properties.is_folder.or(found.is_folder),
                        size: properties.size.or(found.size),
                        modified: properties.modified.or(found.modified),
                        etag: properties.etag.or(found.etag),
                        content_type: properties.content_type.or(found.content_type),
                    };
                }
            }
            ["multistatus", "response", "propstat", "prop", ref property @ ..] => match property {
                ["resourcetype", "collection"] => self.properties.is_folder = Some(true),
                ["resourcetype"] => self.properties.is_folder = self.properties.is_folder.or(Some(false)),
                ["getcontentlength"] => self.properties.size = value.parse().ok(),
                ["getlastmodified"] => self.properties.modified = text(),
                ["getetag"] => self.properties.etag = text(),
                ["getcontenttype"] => self.properties.content_type = text(),
                _ => {}
            },
            _ => {}
        }
        self.path.pop();
        self.is_whole = self.path.is_empty();
    }
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
</ns0:response><response xmlns="DAV:"><href>/a%20b/x&amp;y&#33;</href><propstat><prop><resourcetype/>
<getcontentlength>12</getcontentlength><getetag>"e&quot;</getetag><getcontenttype></getcontenttype>
<getlastmodified>Sun, 06 Nov 1994 08:49:37 GMT</getlastmodified><x:getcontentlength xmlns:x="y">5</x:getcontentlength></prop>
<status>HTTP/1.1 200 OK</status></propstat></response></ns0:multistatus>"#;
        let folder = Found { href: "/a%20b/".into(), is_folder: Some(true), ..Found::default() };
        let file = Found {
            href: "/a%20b/x&y!".into(),
            is_folder: Some(false),
            size: Some(12),
            modified: Some("Sun, 06 Nov 1994 08:49:37 GMT".into()),
            etag: Some("\"e\"".into()),
            ..Found::default()
        };
        assert_eq!(parse(body.as_bytes()), Ok(vec![folder, file]));
    }

    #[test]
    fn a_status_instead_of_properties_is_kept_and_properties_without_one_are_not() {
        let body = |inner: &str| format!("<multistatus xmlns=\"DAV:\"><response><href>/a</href>{inner}</response></multistatus>");
        let bare = Found { href: "/a".into(), ..Found::default() };
        let found = parse(body("<status>HTTP/1.1 403 Forbidden</status>").as_bytes());
        assert_eq!(found, Ok(vec![Found { status: Some(403), href: "/a".into(), ..Found::default() }]));
        for none in [
            "<propstat><prop><getcontentlength>1</getcontentlength></prop></propstat>",
            "<propstat><prop><getcontentlength>1</getcontentlength></prop><status>HTTP/1.1 404 No</status></propstat>",
            "<prop><getcontentlength>1</getcontentlength></prop>",
        ] {
            assert_eq!(parse(body(none).as_bytes()), Ok(vec![Found { href: "/a".into(), ..Found::default() }]), "{none}");
        }
        assert_eq!(parse(body("").as_bytes()), Ok(vec![bare]));
    }

    #[test]
    fn answers_that_break_off_or_are_something_else_are_errors() {
        for (bad, reason) in [
            ("", "empty"),
            (" \n", "empty"),
            ("<html>", "an HTML page (<html>)"),
            ("<!DOCTYPE html><html><body>Log in</body></html>", "an HTML page (<html>)"),
            ("<ListBucketResult></ListBucketResult>", "other XML (<ListBucketResult>)"),
            ("<multistatus><response></response></multistatus>", "other XML (<multistatus>)"),
            ("<D:multistatus xmlns:D=\"DAV\"></D:multistatus>", "other XML (<multistatus>)"),
            ("<multistatus xmlns=\"DAV:\"><response></response>", "breaks off"),
            ("not XML", "breaks off"),
            ("{\"error\": 1}", "breaks off"),
            ("<a></b>", "other XML (<a>)"),
            ("\u{0}", "breaks off"),
            ("<multistatus xmlns=\"DAV:\"></multistatus><a></a>", "goes on"),
        ] {
            let e = parse(bad.as_bytes()).unwrap_err();
            assert!(e.reason.contains(reason), "{bad}: {e}");
        }
        assert!(parse(b"<a>\xff</a>").is_err());
    }
}
