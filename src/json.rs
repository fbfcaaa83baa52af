//! JSON text: the keys of one object with the text of their values, strings with lone surrogates, and base64.

mod plain;

use crate::error::Malformed;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// The maximum depth of nested values: less than in jq (256 in some versions) and Python (about 1000), with room for rows that
/// contain records.
pub const DEPTH_LIMIT: usize = 200;

/// One JSON object: its keys and the text of their values, in the original order.
pub struct Object<'a> {
    entries: Vec<(Cow<'a, str>, &'a str)>,
}

impl<'a> Object<'a> {
    /// Reads one object. Nothing may follow it.
    ///
    /// # Errors
    /// The reason in words: not UTF-8, not JSON, not an object, a duplicate key.
    pub fn parse(line: &'a [u8]) -> Result<Object<'a>, Malformed> {
        let text = std::str::from_utf8(line).map_err(|e| Malformed::new(format!("not UTF-8 at byte {}", e.valid_up_to() + 1)))?;
        let object = Object::read(text).map_err(|e| match e.classify() {
            Category::Data => Malformed::new(format!("not a JSON object: {}", excerpt(text))),
            _ => Malformed::new(format!("not JSON: {}", without_line(&e.to_string()))),
        })?;
        object.no_key_twice()?;
        if object.entries.iter().any(|(_, value)| is_deep(value)) {
            return Err(Malformed::new(format!("nested more than {DEPTH_LIMIT} deep")));
        }
        Ok(object)
    }

    fn read(text: &'a str) -> serde_json::Result<Object<'a>> {
        if let Some(entries) = plain::entries(text) {
            return Ok(Object { entries });
        }
        let mut reader = serde_json::Deserializer::from_str(text);
        let object = Object::deserialize(&mut reader)?;
        reader.end().map(|()| object)
    }

    /// Returns the object of a record's text. The text was checked when it was read, or this program wrote it.
    ///
    /// # Panics
    /// If the text is not an object, which is an error of the caller.
    pub(crate) fn of_record(text: &'a [u8]) -> Object<'a> {
        let text = std::str::from_utf8(text).expect("the text of a record is UTF-8");
        Object::read(text).expect("the text of a record is one JSON object")
    }

    /// Returns the text of a key's value.
    pub fn get(&self, key: &str) -> Option<&'a str> {
        self.entries.iter().find(|(k, _)| k == key).map(|(_, v)| *v)
    }

    /// Returns the keys and the text of their values.
    pub fn entries(&self) -> impl Iterator<Item = (&str, &'a str)> {
        self.entries.iter().map(|(k, v)| (k.as_ref(), *v))
    }

    /// Returns the text of the object with some keys set or (with `None`) removed, the others unchanged. A new key is inserted
    /// before the first greater one. Of several changes of one key, the last one counts.
    pub fn edited<V: AsRef<str>>(&self, changes: &[(&str, Option<V>)]) -> String {
        let mut entries: Vec<(&str, Option<&str>)> = Vec::with_capacity(self.entries.len() + changes.len());
        entries.extend(self.entries().map(|(key, value)| (key, Some(value))));
        for (key, value) in changes {
            let value = value.as_ref().map(AsRef::as_ref);
            match entries.iter_mut().find(|(k, _)| k == key) {
                Some(entry) => entry.1 = value,
                None => {
                    let at = entries.iter().position(|(k, _)| k > key).unwrap_or(entries.len());
                    entries.insert(at, (key, value));
                }
            }
        }
        let length = |(key, value): &(&str, Option<&str>)| key.len() + value.map_or(0, str::len) + 4;
        let mut out = String::with_capacity(entries.iter().map(length).sum::<usize>() + 2);
        for (key, value) in entries {
            let Some(value) = value else { continue };
            out.push(if out.is_empty() { '{' } else { ',' });
            push_string(&mut out, key.as_bytes());
            out.push(':');
            out.push_str(value);
        }
        out.push_str(if out.is_empty() { "{}" } else { "}" });
        out
    }

    /// Refuses duplicate keys: two programs could read different values from the same text.
    fn no_key_twice(&self) -> Result<(), Malformed> {
        let mut keys: Vec<&str> = self.entries.iter().map(|(k, _)| k.as_ref()).collect();
        if !keys.is_sorted_by(|a, b| a < b) {
            keys.sort_unstable();
        }
        match keys.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Malformed::new(format!("the key {:?} stands twice", pair[0]))),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object<'de>, D::Error> {
        struct Entries;
        impl<'de> Visitor<'de> for Entries {
            type Value = Object<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Object<'de>, M::Error> {
                let mut entries = Vec::with_capacity(20);
                while let Some(Key(key)) = map.next_key()? {
                    entries.push((key, map.next_value::<&RawValue>()?.get()));
                }
                Ok(Object { entries })
            }
        }
        deserializer.deserialize_map(Entries)
    }
}

/// Whether a value, which is valid JSON, is nested too deeply.
fn is_deep(value: &str) -> bool {
    if value.len() <= DEPTH_LIMIT || !value.starts_with(['[', '{']) {
        return false;
    }
    let (mut depth, mut in_string, mut escaped) = (0usize, false, false);
    value.bytes().any(|b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth -= 1,
            _ => {}
        }
        depth > DEPTH_LIMIT
    })
}

/// A key, borrowed from the text where it has no escapes.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// Returns the value of a JSON string as WTF-8: UTF-8, except for lone surrogates, which have three bytes each. None if it is not
/// a string.
pub fn decode(raw: &str) -> Option<Cow<'_, [u8]>> {
    struct Bytes(Vec<u8>);
    impl<'de> Deserialize<'de> for Bytes {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Bytes, D::Error> {
            struct Any;
            impl Visitor<'_> for Any {
                type Value = Bytes;
                fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str("a string")
                }
                fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
                    Ok(Bytes(bytes.to_vec()))
                }
            }
            deserializer.deserialize_bytes(Any)
        }
    }
    if !raw.starts_with('"') {
        return None;
    }
    if !raw.contains('\\') {
        return Some(Cow::Borrowed(&raw.as_bytes()[1..raw.len() - 1]));
    }
    serde_json::from_str::<Bytes>(raw).ok().map(|b| Cow::Owned(b.0))
}

/// Returns the bytes that a string stands for: its own, but each surrogate U+DC80..U+DCFF is the byte 0x80..0xFF (Python's
/// `surrogateescape`). None if it has another lone surrogate.
pub fn unescape(wtf8: &[u8]) -> Option<Cow<'_, [u8]>> {
    if std::str::from_utf8(wtf8).is_ok() {
        return Some(Cow::Borrowed(wtf8));
    }
    let mut out = Vec::with_capacity(wtf8.len());
    let mut rest = wtf8;
    while let Some(&first) = rest.first() {
        // In WTF-8 only surrogates start with ED A0..BF; U+DC80..U+DCFF are ED B2 80 .. ED B3 BF.
        match rest {
            [0xED, b @ 0xB2..=0xB3, c, ..] => {
                out.push(((b & 0x03) << 6) | (c & 0x3F));
                rest = &rest[3..];
            }
            [0xED, 0xA0..=0xBF, ..] => return None,
            _ => {
                out.push(first);
                rest = &rest[1..];
            }
        }
    }
    Some(Cow::Owned(out))
}

/// Appends a JSON string: bytes that are not UTF-8 as `\udcNN`, control characters escaped, the rest unchanged.
pub fn push_string(out: &mut String, bytes: &[u8]) {
    out.push('"');
    for chunk in bytes.utf8_chunks() {
        let mut plain = chunk.valid();
        while let Some(at) = plain.bytes().position(|b| b < 0x20 || b == b'"' || b == b'\\' || b == 0x7f) {
            out.push_str(&plain[..at]);
            match plain.as_bytes()[at] {
                b'"' => out.push_str("\\\""),
                b'\\' => out.push_str("\\\\"),
                b'\n' => out.push_str("\\n"),
                b'\r' => out.push_str("\\r"),
                b'\t' => out.push_str("\\t"),
                b => out.push_str(&format!("\\u{b:04x}")),
            }
            plain = &plain[at + 1..];
        }
        out.push_str(plain);
        for b in chunk.invalid() {
            out.push_str(&format!("\\udc{b:02x}"));
        }
    }
    out.push('"');
}

/// Returns these bytes as a JSON string.
pub fn json_string(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len() + 2);
    push_string(&mut out, bytes);
    out
}

/// Appends `,"key":"base64"` if the bytes are not UTF-8, otherwise nothing.
pub fn push_bytes_key(out: &mut String, key: &str, bytes: &[u8]) {
    if std::str::from_utf8(bytes).is_err() {
        out.push_str(",\"");
        out.push_str(key);
        out.push_str("\":\"");
        STANDARD.encode_string(bytes, out);
        out.push('"');
    }
}

/// Reads base64 with padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// Returns base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Returns a number without its fraction. jq writes large numbers as doubles.
pub fn whole(value: &serde_json::Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_f64().map(|n| n as u64))
}

/// Returns the start of a text, for messages: one line of at most 40 characters.
pub fn excerpt(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    let dots = if shown.len() < text.len() { "…" } else { "" };
    crate::display::printable(shown.as_bytes()) + dots
}

/// Removes the line number: serde_json always gets one line.
fn without_line(message: &str) -> String {
    message.replace(" at line 1 column ", " at column ").replace(" at line 1, column ", " at column ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_go_there_and_back() {
        for bytes in [&b"plain"[..], b"q\"b\\n\nt\tc\x01\x7f", "ünï😀\u{2028}".as_bytes(), b"bad\xff\xfe/\xe9", b"\xed\xa0\x80"]
        {
            let json = json_string(bytes);
            assert_eq!(unescape(&decode(&json).unwrap()).as_deref(), Some(bytes), "{json}");
        }
        assert_eq!(json_string(b"bad\xff\x7f"), "\"bad\\udcff\\u007f\"");
        assert_eq!(unescape(&decode("\"\\ud800\"").unwrap()), None);
        assert_eq!(decode("\"\\ud83d\\ude00\"").unwrap(), "😀".as_bytes());
    }

    #[test]
    fn keys_with_escapes_and_duplicates() {
        let o = Object::parse(br#"{"a\u0062": 1}"#).unwrap();
        assert_eq!(o.get("ab"), Some("1"));
        assert!(Object::parse(br#"{"ab":1,"a\u0062":2}"#).is_err());
        assert!(Object::parse(b"{} x").is_err());
        assert_eq!(Object::parse(b"{}").unwrap().edited::<&str>(&[]), "{}");
    }

    #[test]
    fn base64_and_starts_of_texts() {
        assert_eq!((to_base64(b"\xff\0"), from_base64("/wA=")), ("/wA=".to_string(), Some(b"\xff\0".to_vec())));
        assert_eq!((excerpt(&"x".repeat(40)), excerpt(&"x".repeat(41))), ("x".repeat(40), "x".repeat(40) + "…"));
        assert_eq!(Object::parse(b"{\"a\":}").err().unwrap().reason, "not JSON: expected value at column 6");
    }

    #[test]
    fn values_may_be_nested_so_deep_and_no_deeper() {
        let nested = |depth: usize, inside: &str| format!("{}{inside}{}", "[{\"k\":".repeat(depth / 2), "}]".repeat(depth / 2));
        let taken = |value: String| Object::parse(format!("{{\"x\":{value}}}").as_bytes()).is_ok();
        assert!(taken(nested(200, "1")) && !taken(nested(202, "1")) && !taken(nested(200, "[]")));
        // Brackets in strings, or beside each other, add no depth.
        assert!(taken(nested(198, &format!("[\"{}\\\"[{{\",\"]\"]", "[".repeat(300)))));
        assert!(taken(format!("[{}1]", "[],{},".repeat(300))) && taken(format!("\"{}\"", "[".repeat(300))));
        assert!(!taken(format!("[\"\\\\\",{}]", nested(200, "1"))));
    }
}
