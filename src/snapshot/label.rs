//! What a snapshot says of itself beside its records: JSON in gzip header comments, which other readers pass over.

use crate::name::NameList;
use serde::{Deserialize, Serialize};

/// The comment of the first member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Label {
    /// It saves the state before a restore: "latest" passes it over.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub before_restore: bool,
    /// Whoever published it said that what is missing is meant to be.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
    /// Something was left out. Where `rules` are there, they say what.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub filtered: bool,
    /// The machine it was made on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What was left out for what it is: the heap, the snapshots, other file systems.
    #[serde(skip_serializing_if = "no_names")]
    pub kept_out: NameList,
    /// The file root, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// Mode, owner and times of the root folder itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_folder: Option<serde_json::Value>,
    /// The rules that left something out: [`crate::scan::Rules`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<serde_json::Value>,
    /// Labels that the user gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The types of records that were asked for, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// The version of the format: 1.
    pub v: u32,
}

/// The comment of the last member, which is empty: what the whole snapshot has to hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Records in it.
    pub records: u64,
    /// Records that failed and are missing in it.
    pub errors: u64,
}

fn no_names(names: &NameList) -> bool {
    names.0.is_empty()
}

impl Label {
    /// Reads a comment; None where it is not one of ours.
    pub fn parse(comment: &[u8]) -> Option<Label> {
        serde_json::from_slice::<Label>(comment).ok().filter(|l| l.v >= 1)
    }
}

/// JSON in ASCII without NUL, as a gzip comment has to be.
pub(super) fn ascii(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).unwrap_or_default();
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c.is_ascii() {
            true => out.push(c),
            false => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}"))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_ascii_and_come_back() {
        let label = Label { v: 1, root: Some("/ünï/😀".into()), tags: vec!["a\0b".into()], ..Label::default() };
        let text = ascii(&label);
        assert!(text.is_ascii() && !text.contains('\0'));
        assert_eq!(Label::parse(text.as_bytes()), Some(label));
        assert_eq!(Label::parse(b"{\"tags\":[]}"), None);
    }
}
