//! Reading the XML that services send.

use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};

/// An element that has ended: the names of those it stands in and its own, its text, and its attributes.
pub(super) struct Element<'a> {
    /// From the root to itself, without prefixes of namespaces.
    pub path: &'a [String],
    /// What stands in it, behind its last child.
    pub text: String,
    /// Names, without prefixes, and values as they stand there.
    pub attributes: Vec<(String, String)>,
}

impl Element<'_> {
    /// Whether it has this path.
    pub fn is(&self, path: &[&str]) -> bool {
        self.path.iter().map(String::as_str).eq(path.iter().copied())
    }

    /// The value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
}

/// Goes through a document, innermost elements first.
///
/// # Errors
/// If it is none, or ends early.
pub(super) fn walk(document: &str, mut each: impl FnMut(Element)) -> Result<(), String> {
    let mut reader = Reader::from_str(document.trim_start_matches('\u{feff}'));
    let mut path: Vec<String> = Vec::new();
    let mut begins: Vec<Vec<(String, String)>> = Vec::new();
    let mut text = String::new();
    let mut whole = false;
    let attributes = |start: &BytesStart| -> Vec<(String, String)> {
        start.attributes().flatten().map(|a| (a.key.local_name().as_ref().to_string(), a.value.to_string())).collect()
    };
    loop {
        let event = reader.read_event().map_err(|e| e.to_string())?;
        match event {
            Event::Start(_) | Event::Empty(_) if whole => return Err("there is more after its end".to_string()),
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_string());
                begins.push(attributes(&start));
                text.clear();
            }
            Event::Empty(start) => {
                path.push(start.local_name().as_ref().to_string());
                each(Element { path: &path, text: String::new(), attributes: attributes(&start) });
                path.pop();
                text.clear();
                whole = path.is_empty();
            }
            Event::Text(part) => text.push_str(&part.into_inner()),
            Event::CData(part) => text.push_str(&part.into_inner()),
            Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|e| e.to_string())? {
                Some(c) => text.push(c),
                None => {
                    let name = name.into_inner();
                    text.push_str(escape::resolve_xml_entity(&name).ok_or_else(|| format!("unknown entity {name}"))?);
                }
            },
            Event::End(_) => {
                let attributes = begins.pop().unwrap_or_default();
                each(Element { path: &path, text: std::mem::take(&mut text), attributes });
                path.pop();
                whole = path.is_empty();
            }
            Event::Eof => return if whole { Ok(()) } else { Err("it ends early".to_string()) },
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
}

/// A text as it has to stand in a document.
pub(super) fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    escape::escape(text)
}

/// The name of the root element, of whatever can be read of a document.
pub(super) fn root(document: &str) -> Option<String> {
    let mut reader = Reader::from_str(document.trim_start_matches('\u{feff}').trim_start());
    loop {
        match reader.read_event().ok()? {
            Event::Start(start) | Event::Empty(start) => return Some(start.local_name().as_ref().to_string()),
            Event::Decl(_) | Event::Comment(_) | Event::PI(_) | Event::DocType(_) => {}
            Event::Text(text) if text.trim().is_empty() => {}
            _ => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_tell_where_they_stand_and_their_text() {
        let document = "\u{feff}<?xml version=\"1.0\"?><a><b>x&amp;y</b><c/><d></d></a>";
        let mut found = Vec::new();
        walk(document, |e| found.push((e.path.join("/"), e.text))).unwrap();
        let expected = [("a/b", "x&y"), ("a/c", ""), ("a/d", ""), ("a", "")];
        assert_eq!(found, expected.map(|(p, t)| (p.to_string(), t.to_string())));
        assert!(walk("<a><b></b>", |_| {}).is_err() && walk("", |_| {}).is_err() && walk("<a/><b/>", |_| {}).is_err());
        assert!(walk("<a/>", |_| {}).is_ok());
    }

    #[test]
    fn the_root_shows_even_where_the_rest_can_not_be_read() {
        assert_eq!(root("\n<?xml version=\"1.0\"?>\n<!-- x --><x:Error><").as_deref(), Some("Error"));
        assert_eq!(root("<!DOCTYPE html><html><br><p>").as_deref(), Some("html"));
        assert_eq!((root("{}"), root(""), root("text <a/>")), (None, None, None));
    }
}
