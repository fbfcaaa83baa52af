//! Reads the XML that services send. (Fuzz targets take this file alone.)

use super::Malformed;
use quick_xml::events::{BytesStart, Event};
use quick_xml::{Reader, escape};
use std::collections::BTreeMap;

/// Elements below this depth are left out: no answer has any, and code that walks through a tree needs a limit.
const DEEPEST: usize = 16;

/// An element of a document.
#[derive(Debug, Default)]
pub(super) struct Element {
    /// The name without the prefix of a namespace.
    pub name: String,
    /// The text after the last child.
    pub text: String,
    /// Names without prefixes, and values as they are written.
    pub attributes: Vec<(String, String)>,
    /// The elements directly in this one, in their order.
    pub children: Vec<Element>,
}

impl Element {
    fn begun(start: &BytesStart) -> Element {
        let attributes = start.attributes().flatten();
        Element {
            name: start.local_name().as_ref().to_string(),
            attributes: attributes.map(|a| (a.key.local_name().as_ref().to_string(), a.value.to_string())).collect(),
            ..Element::default()
        }
    }

    /// Returns the value of an attribute.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// Returns all children of this name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Element> {
        self.children.iter().filter(move |child| child.name == name)
    }

    /// Returns the child of this name, the last one if there are several.
    pub fn child(&self, name: &str) -> Option<&Element> {
        self.all(name).last()
    }

    /// Returns the tags of an object, if this is the root of an answer about them: `TagSet` with a `Tag` of `Key` and `Value` each.
    pub fn tags(&self) -> Option<BTreeMap<String, String>> {
        let tag = |tag: &Element| Some((tag.value("Key")?.to_string(), tag.value("Value").unwrap_or_default().to_string()));
        self.child("TagSet")?.all("Tag").map(tag).collect()
    }

    /// Returns the text of the child of this name, or None if there is no such child or no text.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str()).filter(|text| !text.is_empty())
    }
}

/// Reads a document and returns its root element.
///
/// # Errors
/// If the text is no XML document, or ends early.
pub(super) fn parse(document: &str) -> Result<Element, Malformed> {
    parse_with(document, Some)
}

/// Does what [`parse`] does, and gives each child of the root to `keep` as soon as it has ended. The root has only those that come
/// back, so that a long document is never in memory as a whole tree.
///
/// # Errors
/// Those of [`parse`]. Then `keep` has seen a part of the document.
pub(super) fn parse_with(document: &str, keep: impl FnMut(Element) -> Option<Element>) -> Result<Element, Malformed> {
    let (root, outcome) = read_all(document, keep);
    outcome.map(|()| root)
}

/// Reads a document as far as possible. Returns the part that was read, and the outcome of [`parse`]. Elements that did not end
/// have no text.
pub(super) fn parse_some(document: &str) -> (Element, Result<(), Malformed>) {
    read_all(document, Some)
}

fn read_all(document: &str, keep: impl FnMut(Element) -> Option<Element>) -> (Element, Result<(), Malformed>) {
    let mut tree = Tree { element: Element::default(), above: Vec::new(), keep };
    let outcome = tree.read(document);
    while !tree.above.is_empty() {
        tree.element.text.clear();
        tree.end();
    }
    (tree.element.children.pop().unwrap_or_default(), outcome)
}

/// A document while it is read.
struct Tree<K> {
    /// The innermost element that has not ended. The outermost one stands for the document, and its only child is the root.
    element: Element,
    /// The elements around it, from the outside in.
    above: Vec<Element>,
    /// What becomes of the children of the root.
    keep: K,
}

impl<K: FnMut(Element) -> Option<Element>> Tree<K> {
    fn read(&mut self, document: &str) -> Result<(), Malformed> {
        let mut reader = Reader::from_str(document.trim_start_matches('\u{feff}'));
        loop {
            let is_whole = self.above.is_empty() && !self.element.children.is_empty();
            match reader.read_event().map_err(|e| Malformed::new(e.to_string()))? {
                Event::Start(_) | Event::Empty(_) if is_whole => return Err(Malformed::new("there is more after its end")),
                Event::Start(start) => self.begin(&start),
                Event::Empty(start) => {
                    self.begin(&start);
                    self.end();
                }
                Event::End(_) => self.end(),
                Event::Text(part) => self.element.text.push_str(&part.into_inner()),
                Event::CData(part) => self.element.text.push_str(&part.into_inner()),
                Event::GeneralRef(name) => match name.resolve_char_ref().map_err(|e| Malformed::new(e.to_string()))? {
                    Some(c) => self.element.text.push(c),
                    None => {
                        let name = name.into_inner();
                        let text = escape::resolve_xml_entity(&name);
                        let text = text.ok_or_else(|| Malformed::new(format!("unknown entity {name}")))?;
                        self.element.text.push_str(text);
                    }
                },
                Event::Eof if is_whole => return Ok(()),
                Event::Eof => return Err(Malformed::new("it ends early")),
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
            }
        }
    }

    fn begin(&mut self, start: &BytesStart) {
        self.above.push(std::mem::replace(&mut self.element, Element::begun(start)));
    }

    fn end(&mut self) {
        let Some(parent) = self.above.pop() else { return };
        let ended = std::mem::replace(&mut self.element, parent);
        self.element.text.clear();
        match self.above.len() {
            1 => self.element.children.extend((self.keep)(ended)),
            DEEPEST.. => {}
            _ => self.element.children.push(ended),
        }
    }
}

/// Escapes a text for a document.
pub(super) fn escaped(text: &str) -> std::borrow::Cow<'_, str> {
    escape::escape(text)
}

/// Returns the name of the root element, even if the rest of the document can't be read.
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
    fn elements_have_their_text_and_their_children() {
        let root = parse("\u{feff}<?xml version=\"1.0\"?><a>1<b c=\"d\">x&amp;y</b>2<c/><d></d></a>").unwrap();
        assert_eq!((root.name.as_str(), root.text.as_str(), root.value("b"), root.value("c")), ("a", "", Some("x&y"), None));
        assert!(root.child("c").is_some() && root.child("d").is_some() && root.child("e").is_none());
        assert_eq!(root.child("b").and_then(|b| b.attribute("c")), Some("d"));
        assert!(parse("<a><b></b>").is_err() && parse("").is_err() && parse("<a/><b/>").is_err());
        assert!(parse("<a/>").is_ok());
    }

    #[test]
    fn the_root_has_only_the_children_that_come_back() {
        let mut seen = Vec::new();
        let keep = |child: Element| {
            seen.push((child.name.clone(), child.value("c").map(str::to_string)));
            (child.name != "b").then_some(child)
        };
        let root = parse_with("<a><b><c>1</c></b><d>2</d><b><b/><c>3</c></b>4</a>", keep).unwrap();
        let named = |name: &str, text: Option<&str>| (name.to_string(), text.map(str::to_string));
        assert_eq!(seen, [named("b", Some("1")), named("d", None), named("b", Some("3"))]);
        assert_eq!((root.name.as_str(), root.children.len(), root.value("d")), ("a", 1, Some("2")));
        assert!(parse_with("<a><b/>", |_| None).is_err());
    }

    #[test]
    fn what_is_nested_too_deeply_is_left_out() {
        let (deep, mut found, mut depth) = ("<a>".repeat(100_000), parse_some(&"<a>".repeat(100_000)).0, 1);
        while let Some(inner) = found.children.pop() {
            (found, depth) = (inner, depth + 1);
        }
        assert_eq!(depth, DEEPEST);
        assert!(parse(&format!("{deep}{}", "</a>".repeat(100_000))).is_ok());
    }

    #[test]
    fn the_root_shows_even_where_the_rest_can_not_be_read() {
        assert_eq!(root("\n<?xml version=\"1.0\"?>\n<!-- x --><x:Error><").as_deref(), Some("Error"));
        assert_eq!(root("<!DOCTYPE html><html><br><p>").as_deref(), Some("html"));
        assert_eq!((root("{}"), root(""), root("text <a/>")), (None, None, None));
    }
}
