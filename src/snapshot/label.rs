//! The label and the totals of a snapshot: JSON in subfields of gzip headers, which other readers skip.

use crate::codec::{Header, LABEL, TOTALS};
use crate::display::counted;
use crate::error::{Error, Result};
use crate::name::Name;
use crate::record::{Kind, Record};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The version of the labels that this program writes.
pub const VERSION: u32 = 1;

/// The longest label, in bytes. The extra field can have 65,535, and contains more than the label.
pub const LABEL_LIMIT: usize = 60_000;

/// The label of a snapshot, which is in its first member.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Label {
    /// The snapshot saves the state before a restore. `latest` skips it.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub before_restore: bool,
    /// The user declared that missing records are intended: they do not make the snapshot `filtered`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub complete: bool,
    /// Something in the file root was left out: by rules, a list of names, or a filter between the tools.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub filtered: bool,
    /// The machine that made the snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The names that the scan always leaves out: the heap, the snap root, mount points. A restore does not delete them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kept_out: Vec<Name>,
    /// All records are those of `snap-put`, which belong to no root.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub put: bool,
    /// The file root, absolute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The mode, owner and times of the root folder itself, which has no record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root_folder: Option<Value>,
    /// The exclude, include and ignore rules of the scan. A restore does not delete the files that they match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Value>,
    /// The tags that the user gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// The types of records that the user asked for, if not all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub types: Option<Vec<String>>,
    /// The records were copied from a snapshot without a label, as those of the Python tool. Its racy records are not marked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unlabelled: bool,
    /// The version of the format: [`VERSION`], or the one of a later program.
    pub v: u32,
    /// Unknown keys, which are kept.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

/// The totals of a snapshot, which are in its last member. That member is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// The number of records.
    pub records: u64,
    /// The number of records that failed and are missing.
    pub errors: u64,
    /// The number of files among the records. Older snapshots do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub files: Option<u64>,
    /// The sum of the files' sizes in bytes. Older snapshots do not have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}

impl Label {
    /// Reads a label; None if the text is not a label. In a label of a later version, known keys with values of an unknown form
    /// are kept as unknown keys.
    pub fn parse(json: &[u8]) -> Option<Label> {
        let label = serde_json::from_slice::<Label>(json).ok().or_else(|| Label::of_later(json));
        label.filter(|l| l.v >= 1)
    }

    fn of_later(json: &[u8]) -> Option<Label> {
        let mut known: Map<String, Value> = serde_json::from_slice(json).ok()?;
        let v = u32::try_from(known.get("v")?.as_u64()?).ok().filter(|v| *v > VERSION)?;
        let alone = |key: &str, value: &Value| Value::Object(Map::from_iter([(key.to_string(), value.clone())]));
        let strange = |(key, value): (&String, &Value)| {
            serde_json::from_value::<Label>(alone(key, value)).is_err().then(|| (key.clone(), value.clone()))
        };
        let strange: Vec<(String, Value)> = known.iter().filter_map(strange).collect();
        strange.iter().for_each(|(key, _)| drop(known.remove(key)));
        let mut label: Label = serde_json::from_value(Value::Object(known)).ok()?;
        label.more.extend(strange);
        Some(Label { v, ..label })
    }

    /// Returns the label of a snapshot that starts with this header; None if it has none. The first form had the label in a
    /// comment, which can also come from another program.
    ///
    /// # Errors
    /// The reason in words, if there is a label that can't be read.
    pub(super) fn of(first: &Header) -> Result<Option<Label>, &'static str> {
        match first.field(LABEL) {
            Some(json) => Label::parse(json).map(Some).ok_or("its label can't be read"),
            None => Ok(first.comment().and_then(Label::parse)),
        }
    }

    /// Whether a later program wrote it, so that this program may not understand all of it.
    pub fn is_later(&self) -> bool {
        self.v > VERSION
    }

    /// Returns the label as JSON in ASCII.
    ///
    /// # Errors
    /// If it is too long; the message names the long parts.
    pub(super) fn text(&self) -> Result<String> {
        let text = ascii(self);
        if text.len() <= LABEL_LIMIT {
            return Ok(text);
        }
        let parts = serde_json::from_str::<Map<String, Value>>(&text).unwrap_or_default();
        let mut parts: Vec<(usize, String)> = parts.into_iter().map(|(key, value)| (ascii(&value).len(), key)).collect();
        parts.sort_unstable_by(|a, b| b.cmp(a));
        let long = parts.iter().take_while(|(len, _)| *len > text.len() / 10);
        let long: Vec<String> = long.map(|(len, key)| format!("{key} {}", counted(*len as u64, "byte"))).collect();
        let long = if long.is_empty() { "it has very many parts".to_string() } else { long.join(", ") };
        Err(Error::advise(
            format!("the label of the snapshot would have {} bytes, and it may have {LABEL_LIMIT}: {long}", text.len()),
            "give fewer or shorter of them: one pattern for many names, an ignore file at a folder",
        ))
    }
}

impl Totals {
    /// Returns the totals of no records.
    pub fn none() -> Totals {
        Totals { files: Some(0), bytes: Some(0), ..Totals::default() }
    }

    /// Counts a record.
    pub fn add(&mut self, record: &Record) {
        self.records += 1;
        if record.kind() == Kind::File {
            self.files = self.files.map(|files| files + 1);
            self.bytes = self.bytes.map(|bytes| bytes.saturating_add(record.fields().size.unwrap_or(0)));
        }
    }

    /// Reads the totals in the header of a last member: in its subfield or (in the first form) its comment.
    pub(super) fn of(last: &Header) -> Option<Totals> {
        serde_json::from_slice(last.field(TOTALS).or(last.comment())?).ok()
    }
}

/// Returns a value as JSON with all keys in order.
pub(super) fn json(value: &impl Serialize) -> String {
    serde_json::to_value(value).unwrap_or_default().to_string()
}

/// Returns a value as JSON in ASCII with all keys in order.
pub(super) fn ascii(value: &impl Serialize) -> String {
    let json = json(value);
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
    fn labels_are_ascii_and_come_back_with_what_is_unknown() {
        let label = Label {
            v: 1,
            root: Some("/ünï/😀".into()),
            tags: vec!["a\0b".into()],
            complete: true,
            put: true,
            unlabelled: true,
            kept_out: vec![Name::new(&b"h\xe9ap"[..]), Name::new(&b"mnt"[..])],
            root_folder: Some(serde_json::json!({"mode": 16832})),
            rules: Some(serde_json::json!({"exclude": ["*.o"]})),
            more: Map::from_iter([("work".to_string(), serde_json::json!({"seconds": 1.5}))]),
            ..Label::default()
        };
        let text = label.text().unwrap();
        assert!(text.is_ascii() && !text.contains('\0'));
        assert_eq!(Label::parse(text.as_bytes()), Some(label));
        assert!(text.find("\"v\"").unwrap() < text.find("\"work\"").unwrap(), "keys in order");
        assert_eq!(Label { v: 1, ..Label::default() }.text().unwrap(), r#"{"v":1}"#);
        for none in ["{\"tags\":[]}", "{\"v\":0}", "{\"v\":1,\"tags\":1}", "[]", "", "{\"v\":-1}"] {
            assert_eq!(Label::parse(none.as_bytes()), None, "{none}");
        }
    }

    #[test]
    fn of_a_later_version_what_is_known_is_read_and_the_rest_is_kept() {
        let json = br#"{"host":"alder","new":[1],"tags":{"a":1},"types":["file"],"v":7}"#;
        let label = Label::parse(json).unwrap();
        assert!(label.is_later() && label.tags.is_empty() && label.more["tags"]["a"] == 1 && label.more["new"][0] == 1);
        assert_eq!((label.host.as_deref(), label.types.as_deref()), (Some("alder"), Some(&["file".to_string()][..])));
        assert_eq!(label.text().unwrap().as_bytes(), json);
    }

    #[test]
    fn a_label_that_is_too_long_says_which_parts_are() {
        let rules = serde_json::json!({ "exclude": vec!["*.o"; 12_000] });
        let label = Label { v: 1, rules: Some(rules), tags: vec!["x".repeat(30_000)], ..Label::default() };
        let reason = label.text().unwrap_err().to_string();
        assert!(reason.contains("rules 72013 bytes, tags 30004 bytes") && !reason.contains("v 1"), "{reason}");
        let tags = vec!["x".repeat(LABEL_LIMIT - r#"{"tags":[""],"v":1}"#.len())];
        assert_eq!(Label { v: 1, tags, ..Label::default() }.text().unwrap().len(), LABEL_LIMIT);
    }
}
