//! Editing a record: some keys get a value or are removed, all others keep their text and their place. The typed fields change in
//! the same step, so that no caller quotes JSON by hand and no new text is parsed again.

use super::{Fields, Kind, Record};
use crate::digest::{Md5, Sha256};
use crate::json::{self, Object};
use crate::name::Name;
use crate::time::Time;
use crate::work::Work;
use std::fmt::Write;
use std::ops::Range;

/// A key that tools write, with the type of its value.
pub struct Key<T> {
    name: &'static str,
    /// Puts the value into the typed fields. Does nothing for a key without one.
    note: fn(&mut Fields, Option<T>),
}

/// The keys that tools write. [`Fields`] and the description of the format explain them.
pub mod key {
    use super::{Base64, Key, Md5, Sha256, Time, Work, Xattrs};

    /// `created`
    pub const CREATED: Key<f64> = Key { name: "created", note: |fields, value| fields.created = value };
    /// `dev`
    pub const DEV: Key<u64> = Key { name: "dev", note: |fields, value| fields.dev = value };
    /// `destination_bytes`
    pub const DESTINATION_BYTES: Key<Base64> = Key { name: "destination_bytes", note: |_, _| () };
    /// `error`: the reason in words.
    pub const ERROR: Key<String> = Key { name: "error", note: |_, _| () };
    /// `errors`, in an end record.
    pub const ERRORS: Key<u64> = Key { name: "errors", note: |_, _| () };
    /// `etag`
    pub const ETAG: Key<String> = Key { name: "etag", note: |fields, value| fields.etag = value };
    /// `gid`
    pub const GID: Key<u32> = Key { name: "gid", note: |fields, value| fields.gid = value };
    /// `grew`
    pub const GREW: Key<bool> = Key { name: "grew", note: |_, _| () };
    /// `ino`
    pub const INO: Key<u64> = Key { name: "ino", note: |fields, value| fields.ino = value };
    /// `islink`
    pub const ISLINK: Key<bool> = Key { name: "islink", note: |_, _| () };
    /// `md5`
    pub const MD5: Key<Md5> = Key { name: "md5", note: |fields, value| fields.md5 = value };
    /// `mode`
    pub const MODE: Key<u32> = Key { name: "mode", note: |fields, value| fields.mode = value };
    /// `modified`
    pub const MODIFIED: Key<Time> = Key { name: "modified", note: |fields, value| fields.modified = value };
    /// `mtime`
    pub const MTIME: Key<f64> = Key { name: "mtime", note: |fields, value| fields.mtime = value };
    /// `name_bytes`
    pub const NAME_BYTES: Key<Base64> = Key { name: "name_bytes", note: |_, _| () };
    /// `nlink`
    pub const NLINK: Key<u64> = Key { name: "nlink", note: |fields, value| fields.nlink = value };
    /// `racy`
    pub const RACY: Key<bool> = Key { name: "racy", note: |fields, value| fields.racy = value == Some(true) };
    /// `sha256`
    pub const SHA256: Key<Sha256> = Key { name: "sha256", note: |fields, value| fields.sha256 = value };
    /// `size`
    pub const SIZE: Key<u64> = Key { name: "size", note: |fields, value| fields.size = value };
    /// `sparse`
    pub const SPARSE: Key<bool> = Key { name: "sparse", note: |fields, value| fields.sparse = value == Some(true) };
    /// `stored_size`
    pub const STORED_SIZE: Key<u64> = Key { name: "stored_size", note: |fields, value| fields.stored_size = value };
    /// `uid`
    pub const UID: Key<u32> = Key { name: "uid", note: |fields, value| fields.uid = value };
    /// `version_id`: the id of the version of an object.
    pub const VERSION_ID: Key<String> = Key { name: "version_id", note: |_, _| () };
    /// `work`, in an end record.
    pub const WORK: Key<Work> = Key { name: "work", note: |_, _| () };
    /// `xattrs`: names and values, in order of name.
    pub const XATTRS: Key<Xattrs> = Key { name: "xattrs", note: |_, _| () };
}

/// Bytes in base64, for a text that is not UTF-8.
pub struct Base64(pub Vec<u8>);

/// Names and values of extended attributes.
pub type Xattrs = Vec<(Vec<u8>, Vec<u8>)>;

/// A value that can be written as JSON.
pub trait Json {
    /// Appends the JSON of the value.
    fn push_to(&self, out: &mut String);
}

/// A record that is being edited.
pub struct Edit<'a> {
    name: Name,
    kind: Kind,
    fields: Fields,
    /// The text before the edit, or None for a new record.
    text: Option<&'a [u8]>,
    /// The JSON of all new values, one after the other.
    json: String,
    /// The keys that change, each with the range of its new value in `json`, or None if the key is removed.
    changes: Vec<(&'static str, Option<Range<usize>>)>,
}

impl Record {
    /// Starts an edit of this record. Other keys keep their text. A new key is inserted before the first greater one, so that
    /// sorted keys stay sorted.
    pub fn edit(&self) -> Edit<'_> {
        let (name, kind, fields) = (self.name.clone(), self.kind, self.fields.clone());
        Edit { name, kind, fields, text: Some(&self.text), json: String::new(), changes: Vec::with_capacity(4) }
    }

    /// Starts a new record. Its keys are in order.
    pub fn build(name: Name, kind: Kind) -> Edit<'static> {
        let json = String::with_capacity(320 + name.as_bytes().len());
        Edit { name, kind, fields: Fields::default(), text: None, json, changes: Vec::with_capacity(24) }
    }
}

impl Edit<'_> {
    /// Sets or removes a key.
    pub fn set<T: Json>(&mut self, key: Key<T>, value: impl Into<Option<T>>) -> &mut Self {
        let value = value.into();
        match &value {
            Some(value) => self.put(key.name, |json| value.push_to(json)),
            None => self.changes.push((key.name, None)),
        }
        (key.note)(&mut self.fields, value);
        self
    }

    /// Sets a key if there is a value, and leaves it unchanged otherwise.
    pub fn set_known<T: Json>(&mut self, key: Key<T>, value: Option<T>) -> &mut Self {
        if value.is_some() { self.set(key, value) } else { self }
    }

    /// Sets the target of a link, and also its size and md5.
    pub fn set_destination(&mut self, target: Vec<u8>) -> &mut Self {
        self.put("destination", |json| json::push_string(json, &target));
        let bytes = std::str::from_utf8(&target).is_err().then(|| Base64(target.clone()));
        self.set(key::DESTINATION_BYTES, bytes).set(key::SIZE, target.len() as u64).set(key::MD5, crate::digest::md5_of(&target));
        self.fields.destination = Some(target);
        self
    }

    /// Sets a key without a typed field to a name, and the second key to its bytes if it is not UTF-8.
    pub fn set_name(&mut self, [key, bytes]: [&'static str; 2], name: &Name) -> &mut Self {
        self.put(key, |json| json::push_string(json, name.as_bytes()));
        if !name.is_utf8() {
            self.put(bytes, |json| Base64(name.as_bytes().into()).push_to(json));
        }
        self
    }

    /// Sets a key without a typed field to a value that is JSON already.
    pub fn set_json(&mut self, key: &'static str, json: &str) -> &mut Self {
        self.put(key, |out| out.push_str(json));
        self
    }

    fn put(&mut self, key: &'static str, push: impl FnOnce(&mut String)) {
        let start = self.json.len();
        push(&mut self.json);
        self.changes.push((key, Some(start..self.json.len())));
    }

    /// Returns the record with all changes. Of several values of one key, the last one counts.
    pub fn finish(&mut self) -> Record {
        let text = match self.text {
            Some(text) => {
                let value = |at: &Option<Range<usize>>| at.clone().map(|at| &self.json[at]);
                let changes: Vec<_> = self.changes.iter().map(|(key, at)| (*key, value(at))).collect();
                Object::of_record(text).edited(&changes)
            }
            None => self.new_text(),
        };
        let (name, fields) = (std::mem::replace(&mut self.name, Name::new([])), std::mem::take(&mut self.fields));
        Record { name, kind: self.kind, fields, text: text.into_bytes() }
    }

    /// Returns the text of a new record, its keys in order.
    fn new_text(&mut self) -> String {
        let start = self.json.len();
        json::push_string(&mut self.json, self.name.as_bytes());
        self.changes.push(("name", Some(start..self.json.len())));
        if !self.name.is_utf8() {
            self.set(key::NAME_BYTES, Base64(self.name.as_bytes().into()));
        }
        if let Some(word) = self.kind.word() {
            self.put("type", |json| json::push_string(json, word.as_bytes()));
        }
        // Nearly all keys are in order already, so this is fast.
        self.changes.sort_by_key(|(key, _)| *key);
        let mut text = String::with_capacity(self.json.len() + 16 * self.changes.len());
        let mut changes = self.changes.iter().peekable();
        while let Some((key, value)) = changes.next() {
            if let Some(value) = value.clone().filter(|_| changes.peek().is_none_or(|(next, _)| next != key)) {
                text.push_str(if text.is_empty() { "{\"" } else { ",\"" });
                text.push_str(key);
                text.push_str("\":");
                text.push_str(&self.json[value]);
            }
        }
        text.push('}');
        text
    }
}

impl Json for Work {
    fn push_to(&self, out: &mut String) {
        out.push_str(&self.json().to_string());
    }
}

macro_rules! as_displayed {
    ($($type:ty: $format:literal)*) => {
        $(impl Json for $type {
            fn push_to(&self, out: &mut String) {
                // Writing to a String can't fail.
                _ = write!(out, $format, self);
            }
        })*
    };
}

as_displayed! {
    bool: "{}"
    u32: "{}"
    u64: "{}"
    Md5: "\"{}\""
    Sha256: "\"{}\""
}

/// The shortest text that is read back as the same number.
impl Json for f64 {
    fn push_to(&self, out: &mut String) {
        out.push_str(&serde_json::to_string(self).unwrap_or_default());
    }
}

impl Json for String {
    fn push_to(&self, out: &mut String) {
        json::push_string(out, self.as_bytes());
    }
}

impl Json for Time {
    fn push_to(&self, out: &mut String) {
        _ = write!(out, "\"{}\"", self.text());
    }
}

impl Json for Base64 {
    fn push_to(&self, out: &mut String) {
        json::push_string(out, json::to_base64(&self.0).as_bytes());
    }
}

/// `{"user.name":"base64", …}`.
impl Json for Xattrs {
    fn push_to(&self, out: &mut String) {
        let mut before = '{';
        for (name, value) in self {
            out.push(before);
            json::push_string(out, name);
            out.push(':');
            json::push_string(out, json::to_base64(value).as_bytes());
            before = ',';
        }
        out.push_str(if before == '{' { "{}" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_set_is_read_back_as_it_is_typed() {
        let time = Time { sec: 1_700_000_000, nsec: 500_000_001 };
        let mut record = Record::build(Name::new(&b"bad\xff"[..]), Kind::Link);
        record
            .set_destination(b"to \"\xfe\"".to_vec())
            .set(key::MODIFIED, time)
            .set(key::MTIME, time.as_double())
            .set(key::CREATED, 7.0)
            .set(key::MODE, 0o644);
        record.set(key::UID, 0).set(key::GID, 1).set(key::INO, 2).set(key::DEV, 3).set(key::NLINK, u64::MAX);
        record.set(key::RACY, true).set(key::SPARSE, true).set(key::ETAG, "\"x\"".to_string());
        record.set(key::SHA256, Sha256([7; 32])).set(key::STORED_SIZE, 9).set(key::GREW, true);
        let xattrs = vec![(b"user.a".to_vec(), b"\0".to_vec()), (b"user.b\xff".to_vec(), Vec::new())];
        let record = record.set(key::XATTRS, xattrs).finish();
        assert_eq!(Record::parse(record.text()).unwrap(), record);
        assert_eq!(record.raw("xattrs").unwrap(), r#"{"user.a":"AA==","user.b\udcff":""}"#);
        assert_eq!((record.raw("created").unwrap(), record.raw("nlink").unwrap()), ("7.0".into(), u64::MAX.to_string()));
        let edited = record.edit().set(key::UID, None).set(key::MD5, None).set(key::RACY, None).set(key::SPARSE, None).finish();
        let (old, new) = (record.fields(), edited.fields());
        assert_eq!(
            (old.uid, old.racy, old.sparse, new.uid, new.md5, new.racy, new.sparse),
            (Some(0), true, true, None, None, false, false)
        );
        assert_eq!(Record::parse(edited.text()).unwrap(), edited);
        let keys = |r: &Record| Object::parse(r.text()).unwrap().entries().map(|(k, _)| k.to_string()).collect::<Vec<_>>();
        assert!(keys(&record).is_sorted() && keys(&edited).is_sorted() && keys(&edited).len() == keys(&record).len() - 4);
    }

    #[test]
    fn keys_that_are_not_touched_keep_their_text_and_their_place() {
        let line = br#"{"z": 1e3,  "name": "a", "meta": {"k": [1,2.50]}, "size": 3, "uid":5}"#;
        let record =
            Record::parse(line).unwrap().edit().set(key::SIZE, 4).set(key::MD5, Md5([0; 16])).set(key::UID, None).finish();
        let md5 = "0".repeat(32);
        let text = format!(r#"{{"md5":"{md5}","z":1e3,"name":"a","meta":{{"k": [1,2.50]}},"size":4}}"#);
        assert_eq!(String::from_utf8_lossy(record.text()), text);
        assert_eq!(record.edit().set_known(key::UID, None).finish(), record);
        let twice = |mut edit: Edit<'_>| edit.set(key::SIZE, 1).set(key::UID, 1).set(key::SIZE, 2).set(key::UID, None).finish();
        assert_eq!(twice(Record::parse(br#"{"name":"a"}"#).unwrap().edit()).text(), br#"{"name":"a","size":2}"#);
        assert_eq!(twice(Record::parse(br#"{"name":"a","size":7,"uid":3}"#).unwrap().edit()).text(), br#"{"name":"a","size":2}"#);
        assert_eq!(twice(Record::build(Name::new(&b"a"[..]), Kind::Other)).text(), br#"{"name":"a","size":2}"#);
    }
}
