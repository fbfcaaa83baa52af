//! Attributes of objects: everything that a service keeps with a content. A record has them under these keys:
//!
//! - `content_settings`: an object of `content_type`, `cache_control`, `content_disposition`, `content_encoding`,
//!   `content_language` and, from S3, `expires` and `website_redirect_location`, each a text, or null if the object has none. A
//!   key that is missing is unknown. (Records from Azure also have `content_md5` there.)
//! - `metadata`: an object of texts, the metadata of the user
//! - `storage_class`: a text, as the service writes it
//! - `tags`: an object of texts; null if they were not requested

use crate::record::Record;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The attributes that are stored with an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `text/plain`, for example.
    pub content_type: Option<String>,
    /// Other HTTP headers, by their names in [`HEADERS`] or [`AMAZON`].
    pub headers: BTreeMap<&'static str, String>,
    /// The metadata of the user.
    pub metadata: Texts,
    /// The storage class or access tier, as the service writes it.
    pub storage_class: Option<String>,
    /// The tags.
    pub tags: Texts,
}

/// The keys of records that come with a content where a listing does not have them.
pub const KEYS: [&str; 3] = ["content_settings", "metadata", "storage_class"];

/// The headers that all services keep, and their keys in `content_settings`.
pub const HEADERS: [(&str, &str); 4] = [
    ("cache-control", "cache_control"),
    ("content-disposition", "content_disposition"),
    ("content-encoding", "content_encoding"),
    ("content-language", "content_language"),
];

/// The further headers that S3 keeps, and their keys in `content_settings`.
pub const AMAZON: [(&str, &str); 2] = [("expires", "expires"), ("x-amz-website-redirect-location", "website_redirect_location")];

/// Names and values.
pub type Texts = BTreeMap<String, String>;

/// Keys of a record, with their values as JSON.
pub type Keys = Vec<(&'static str, String)>;

/// Returns `content_settings` with these values; null stands for a header that the object does not have.
pub fn settings<'a>(values: impl IntoIterator<Item = (&'static str, Option<&'a str>)>) -> (&'static str, String) {
    let values: Map<String, Value> = values.into_iter().map(|(key, value)| (key.to_string(), Value::from(value))).collect();
    ("content_settings", Value::Object(values).to_string())
}

/// Returns `metadata` or `tags` with these texts.
pub fn texts(key: &'static str, values: &Texts) -> (&'static str, String) {
    (key, serde_json::json!(values).to_string())
}

/// The values of a record, of which some can be unknown.
struct Known {
    /// The known settings; None for a header that the object does not have.
    settings: BTreeMap<String, Option<String>>,
    metadata: Option<Texts>,
    storage_class: Option<String>,
    tags: Option<Texts>,
}

impl Known {
    fn of(record: &Record) -> Known {
        // Records are parsed once, because whole snapshots are compared.
        let raws = record.raws(&["content_settings", "content_type", "metadata", "storage_class", "tags"]);
        let raw = |key: &str| raws.iter().find(|(name, _)| *name == key).map(|(_, json)| json);
        let json = |key: &str| -> Option<Value> { serde_json::from_str(raw(key)?).ok() };
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_string);
        let settings = json("content_settings").and_then(|value| value.as_object().cloned()).unwrap_or_default();
        // It belongs to the content.
        let mut settings: BTreeMap<_, _> =
            settings.iter().filter(|(key, _)| *key != "content_md5").map(|(key, value)| (key.clone(), text(value))).collect();
        // Records of earlier versions have only the content type.
        if let Some(content_type) = json("content_type") {
            settings.entry("content_type".to_string()).or_insert_with(|| text(&content_type));
        }
        // Where there is no metadata, Azure has null, and null for an empty value.
        let metadata = json("metadata").map(|value| texts_of(&value));
        let tags = json("tags").filter(|value| !value.is_null()).map(|value| texts_of(&value));
        Known { settings, metadata, storage_class: json("storage_class").as_ref().and_then(text), tags }
    }
}

fn texts_of(value: &Value) -> Texts {
    let texts = value.as_object().into_iter().flatten();
    texts.map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_string())).collect()
}

impl Attributes {
    /// Returns the attributes of a record, without what a folder marker has.
    pub fn of(record: &Record) -> Attributes {
        let Known { mut settings, metadata, storage_class, tags } = Known::of(record);
        let mut take = |key: &str| settings.remove(key).flatten();
        let content_type = take("content_type");
        let headers = HEADERS.iter().chain(&AMAZON).filter_map(|(header, key)| Some((*header, take(key)?))).collect();
        // These would make the object a folder marker.
        let is_plain = |key: &str| !matches!(key.to_ascii_lowercase().as_str(), "hdi_isfolder" | "is_directory");
        let metadata = metadata.unwrap_or_default().into_iter().filter(|(key, _)| is_plain(key)).collect();
        Attributes { content_type, headers, metadata, storage_class, tags: tags.unwrap_or_default() }
    }

    /// Returns those of the headers that all services keep, if their values can be kept.
    pub fn common_headers(&self, is_value: impl Fn(&str) -> bool) -> BTreeMap<&'static str, String> {
        let is_common = |name: &str| HEADERS.iter().any(|(common, _)| *common == name);
        let headers = self.headers.iter().filter(|(name, value)| is_common(name) && is_value(value));
        headers.map(|(name, value)| (*name, value.clone())).collect()
    }

    /// Returns the metadata as a service has it that keeps it in headers, and has names in lower case.
    pub fn metadata_in_headers(&self, is_name: impl Fn(&str) -> bool, is_value: impl Fn(&str) -> bool) -> Texts {
        let metadata = self.metadata.iter().filter(|(name, value)| is_name(name) && is_value(value));
        metadata.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_string())).collect()
    }

    /// Returns the keys of a record, if all attributes but the tags are known. `headers` are those that the service can have.
    pub fn keys(&self, headers: &[(&'static str, &'static str)]) -> Keys {
        let set = headers.iter().map(|(header, key)| (*key, self.headers.get(header).map(String::as_str)));
        let mut keys = vec![
            settings([("content_type", self.content_type.as_deref())].into_iter().chain(set)),
            texts("metadata", &self.metadata),
        ];
        keys.extend(self.storage_class.iter().map(|class| ("storage_class", Value::from(class.as_str()).to_string())));
        keys
    }
}

/// Whether an object has other attributes than those that its storage keeps of a record's. What the record or the storage does
/// not know is no difference.
pub fn differ(kept: &Attributes, record: &Record, there: &Record) -> bool {
    let (wanted, there) = (Known::of(record), Known::of(there));
    let setting = |key: &str| there.settings.get(key).filter(|_| wanted.settings.contains_key(key));
    let other = |key: &str, value: Option<&String>| setting(key).is_some_and(|now| now.as_ref() != value);
    // An object without a content type gets one.
    kept.content_type.is_some() && other("content_type", kept.content_type.as_ref())
        || HEADERS.iter().chain(&AMAZON).any(|(header, key)| other(key, kept.headers.get(header)))
        || wanted.metadata.is_some() && there.metadata.is_some_and(|now| now != kept.metadata)
        || kept.storage_class.is_some() && there.storage_class.is_some_and(|now| Some(now) != kept.storage_class)
        || wanted.tags.is_some() && there.tags.is_some_and(|now| now != kept.tags)
}

/// Returns the names of the attributes that only the first ones have.
pub fn lost(wanted: &Attributes, kept: &Attributes) -> BTreeSet<&'static str> {
    let mut lost = BTreeSet::new();
    let mut note = |is_lost: bool, name| is_lost.then(|| lost.insert(name));
    note(wanted.content_type.is_some() && kept.content_type.is_none(), "content-type");
    for (header, _) in wanted.headers.iter().filter(|(header, _)| !kept.headers.contains_key(*header)) {
        note(true, header);
    }
    note(kept.metadata.len() < wanted.metadata.len(), "metadata");
    note(wanted.storage_class.is_some() && kept.storage_class.is_none(), "storage class");
    note(kept.tags.len() < wanted.tags.len(), "tags");
    lost
}

/// Whether two records have the same attributes, as far as both know them.
pub fn same(left: &Record, right: &Record) -> bool {
    fn known<T: PartialEq>(left: &Option<T>, right: &Option<T>) -> bool {
        left.is_none() || right.is_none() || left == right
    }
    let (left, right) = (Known::of(left), Known::of(right));
    left.settings.iter().all(|(key, value)| right.settings.get(key).is_none_or(|other| other == value))
        && known(&left.metadata, &right.metadata)
        && known(&left.storage_class, &right.storage_class)
        && known(&left.tags, &right.tags)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(keys: &str) -> Record {
        Record::parse(format!(r#"{{"name":"a"{keys}}}"#).as_bytes()).unwrap()
    }

    #[test]
    fn a_record_keeps_all_attributes() {
        let text = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let all = Attributes {
            content_type: Some("text/html".to_string()),
            headers: [("cache-control", "max-age=60".to_string()), ("expires", "never".to_string())].into(),
            metadata: text(&[("owner", "me"), ("empty", "")]),
            storage_class: Some("STANDARD_IA".to_string()),
            tags: BTreeMap::new(),
        };
        let headers = [HEADERS.as_slice(), &AMAZON].concat();
        let keys: String = all.keys(&headers).into_iter().map(|(key, json)| format!(",\"{key}\":{json}")).collect();
        assert_eq!(Attributes::of(&record(&keys)), all, "{keys}");
        let tagged = record(&format!("{keys},{}", r#""tags":{"a":"b"}"#));
        assert_eq!(Attributes::of(&tagged), Attributes { tags: text(&[("a", "b")]), ..all });
        assert_eq!(Attributes::of(&record(r#","metadata":{"Is_Directory":"true"},"tags":null"#)), Attributes::default());
    }

    #[test]
    fn attributes_differ_only_where_both_are_known() {
        let of = |settings: &str| format!(r#","content_settings":{settings}"#);
        for (left, right, expected) in [
            (of(r#"{"content_type":"a"}"#), of(r#"{"content_type":"b"}"#), false),
            (of(r#"{"content_type":"a","cache_control":null}"#), of(r#"{"content_type":"a","cache_control":"x"}"#), false),
            (of(r#"{"content_type":"a"}"#), of(r#"{"content_type":"a","cache_control":"x"}"#), true),
            (of(r#"{"content_type":"a"}"#), r#","content_type":"b""#.to_string(), false),
            (of(r#"{"content_md5":"a"}"#), of(r#"{"content_md5":"b"}"#), true),
            (of(r#"{"content_type":""}"#), of(r#"{"content_type":null}"#), true),
            (of(r#"{"content_type":"a"}"#), String::new(), true),
            (r#","metadata":null"#.to_string(), r#","metadata":{}"#.to_string(), true),
            (r#","metadata":{"a":null}"#.to_string(), r#","metadata":{"a":""}"#.to_string(), true),
            (r#","metadata":{"a":"b"}"#.to_string(), r#","metadata":{}"#.to_string(), false),
            (r#","tags":null"#.to_string(), r#","tags":{"a":"b"}"#.to_string(), true),
            (r#","tags":{}"#.to_string(), r#","tags":{"a":"b"}"#.to_string(), false),
            (r#","storage_class":"A""#.to_string(), r#","storage_class":"B""#.to_string(), false),
        ] {
            let (left, right) = (record(&left), record(&right));
            assert_eq!((same(&left, &right), same(&right, &left)), (expected, expected), "{left:?} {right:?}");
        }
    }
}
