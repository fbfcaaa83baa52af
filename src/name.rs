//! The name of a record: bytes below a root, ordered by code point as the Python tool orders them.

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

/// A path below a root, `/`-separated, in the bytes of the file system.
///
/// Ordered by code point, where a byte that is not UTF-8 counts as U+DC80..U+DCFF (Python's `surrogateescape`, in which the
/// Python tool sorts and writes such names). For names that are UTF-8 this is the order of their bytes.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(into = "Spelt", try_from = "Spelt")]
pub struct Name {
    bytes: Box<[u8]>,
    utf8: bool,
}

impl Name {
    /// Returns a name of these bytes. They are not checked, see [`Name::check`].
    pub fn new(bytes: impl Into<Box<[u8]>>) -> Name {
        let bytes = bytes.into();
        let utf8 = std::str::from_utf8(&bytes).is_ok();
        Name { bytes, utf8 }
    }

    /// Returns the bytes, as in the file system.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the bytes are UTF-8. If not, a record needs the key `name_bytes`.
    pub fn is_utf8(&self) -> bool {
        self.utf8
    }

    /// Returns the name for messages: one line, without control characters.
    pub fn printable(&self) -> String {
        crate::display::printable(&self.bytes)
    }

    /// Refuses an empty name, NUL, and the parts `.` and `..`. Every tool refuses such names, except in error records.
    ///
    /// # Errors
    /// The reason, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        check(&self.bytes)
    }

    /// Whether `self` is a folder above `other`: `a` of `a/b`, not of `a-b`.
    pub fn is_above(&self, other: &Name) -> bool {
        let n = self.bytes.len();
        other.bytes.len() > n && other.bytes[n] == b'/' && other.bytes[..n] == self.bytes[..]
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.printable())
    }
}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Name) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Name) -> Ordering {
        if self.utf8 && other.utf8 {
            return self.bytes.cmp(&other.bytes);
        }
        compare(&self.bytes, &other.bytes)
    }
}

impl crate::parallel::Weigh for Name {
    fn weight(&self) -> usize {
        self.as_bytes().len()
    }
}

/// A name in JSON: a string, or `{"name_bytes": BASE64}` if it is not UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Spelt {
    Text(String),
    Bytes { name_bytes: String },
}

impl From<Name> for Spelt {
    fn from(name: Name) -> Spelt {
        match std::str::from_utf8(&name.bytes) {
            Ok(text) => Spelt::Text(text.to_string()),
            Err(_) => Spelt::Bytes { name_bytes: crate::json::to_base64(&name.bytes) },
        }
    }
}

impl TryFrom<Spelt> for Name {
    type Error = &'static str;

    fn try_from(spelt: Spelt) -> Result<Name, &'static str> {
        match spelt {
            Spelt::Text(text) => Ok(Name::new(text.into_bytes())),
            Spelt::Bytes { name_bytes } => crate::json::from_base64(&name_bytes).map(Name::new).ok_or("name_bytes: not base64"),
        }
    }
}

/// Names that stand for all that is in them, while other names pass in order.
#[derive(Debug, Default)]
pub struct Folders(BTreeSet<Name>);

impl Folders {
    /// The number of names that are remembered. Only streams that are out of order, or with very many errors, have more.
    const LIMIT: usize = 4096;

    /// Adds a name.
    pub fn insert(&mut self, name: Name) {
        if self.0.len() < Folders::LIMIT {
            self.0.insert(name);
        }
    }

    /// Whether the name or a folder above it was added. Names must be passed in order; those that were passed are forgotten.
    pub fn cover(&mut self, name: &Name) -> bool {
        // A folder comes before all that is in it, and all names between start with its name.
        let passed: Vec<Name> = self.0.range(..name).filter(|n| !name.as_bytes().starts_with(n.as_bytes())).cloned().collect();
        for name in &passed {
            self.0.remove(name);
        }
        let bytes = name.as_bytes();
        let mut above = bytes.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| &bytes[..at]);
        !self.0.is_empty() && (self.0.contains(name) || above.any(|folder| self.0.contains(&Name::new(folder))))
    }
}

/// Does what [`Name::check`] does, for the bytes of a name.
///
/// # Errors
/// The reason, in words.
pub fn check(name: &[u8]) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("the name is empty");
    }
    if memchr::memchr(0, name).is_some() {
        return Err("the name holds a NUL byte");
    }
    if name.split(|b| *b == b'/').any(|part| part == b"." || part == b"..") {
        return Err("the name has a part \".\" or \"..\"");
    }
    Ok(())
}

/// Returns the FNV-1a hash over 64 bits, mixed as in SplitMix64. Without the mixing, different sets of names with regular
/// differences in their last characters would have the same sum.
pub fn hash(name: &[u8]) -> u64 {
    let mut h = name.iter().fold(0xcbf2_9ce4_8422_2325, |h: u64, b| (h ^ u64::from(*b)).wrapping_mul(0x0100_0000_01b3));
    h = (h ^ (h >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    h = (h ^ (h >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    h ^ (h >> 31)
}

/// Compares names by code point. Bytes that are not UTF-8 count as U+DC80..U+DCFF.
pub fn compare(a: &[u8], b: &[u8]) -> Ordering {
    units(a).cmp(units(b))
}

/// Returns the code points of `bytes`, each byte 0xNN outside UTF-8 as 0xDCNN.
pub fn units(bytes: &[u8]) -> impl Iterator<Item = u32> + '_ {
    bytes.utf8_chunks().flat_map(|chunk| {
        let escaped = chunk.invalid().iter().map(|b| 0xDC00 | u32::from(*b));
        chunk.valid().chars().map(u32::from).chain(escaped)
    })
}

/// Whether `wtf8` is `bytes` after a tool like jq replaced the bytes that are not UTF-8 by U+FFFD.
pub fn is_replaced(wtf8: &[u8], bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(wtf8) else { return false };
    let each = units(bytes).map(|u| char::from_u32(u).unwrap_or('\u{fffd}'));
    text.chars().eq(each) || text == String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_tool_wrote_with_replacement_characters_are_known_again() {
        assert!(is_replaced("bad\u{fffd}".as_bytes(), b"bad\xff") && !is_replaced(b"bad", b"bad\xff"));
        // Some tools write U+FFFD for each byte, others for each incomplete character.
        assert!(["\u{fffd}", "\u{fffd}\u{fffd}"].iter().all(|text| is_replaced(text.as_bytes(), b"\xe2\x82")));
    }

    #[test]
    fn order_is_that_of_the_python_tool() {
        // The observed order of the Python tool.
        let names: Vec<Vec<u8>> = [" lead", "-dash", ".hidden", "A", "a b", "a-b", "a.txt", "a/b", "a0", "日本"]
            .iter()
            .map(|s| s.as_bytes().to_vec())
            .chain([b"\xff\xfe".to_vec(), "\u{f8ff}_pua".into(), "\u{feff}bom".into(), "😀.txt".into()])
            .collect();
        let mut sorted: Vec<Name> = names.iter().rev().map(|n| Name::new(n.clone())).collect();
        sorted.sort();
        assert!(Name::new("é".as_bytes()).is_utf8() && !Name::new(&b"\xe9"[..]).is_utf8());
        assert_eq!(sorted.iter().map(|n| n.as_bytes().to_vec()).collect::<Vec<_>>(), names);
    }

    #[test]
    fn bad_parts_are_refused() {
        for bad in ["", ".", "..", "a/..", "../a", "a/./b", "a\0b"] {
            assert!(Name::new(bad.as_bytes()).check().is_err(), "{bad:?}");
        }
        for good in ["a", "...", "a..b", "/a", "a//b", ".a/..b"] {
            assert!(Name::new(good.as_bytes()).check().is_ok(), "{good:?}");
        }
    }

    #[test]
    fn names_of_all_kinds_come_back_from_json() {
        let names = [&b"a/b"[..], "日本 \"q\"\n".as_bytes(), b"latin1_\xe9"].map(Name::new).to_vec();
        let json = serde_json::to_string(&names).unwrap();
        assert_eq!(json, r#"["a/b","日本 \"q\"\n",{"name_bytes":"bGF0aW4xX+k="}]"#);
        assert_eq!(serde_json::from_str::<Vec<Name>>(&json).unwrap(), names);
        for bad in [r#"[1]"#, r#"[{"name_bytes":"?"}]"#, r#"[{"name":"a"}]"#, r#"{"a":"b"}"#] {
            assert!(serde_json::from_str::<Vec<Name>>(bad).is_err(), "{bad}");
        }
    }
}
