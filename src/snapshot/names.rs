//! Names as JSON, for labels and end records.

use crate::name::Name;
use crate::text;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list of names: an array of a string each, or `{"name_bytes":"base64"}` for one that is not UTF-8, which no string holds
/// that every program keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameList(pub Vec<Name>);

impl NameList {
    /// Whether there is none in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Form {
    Text(String),
    Bytes { name_bytes: String },
}

impl Serialize for NameList {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|name| match std::str::from_utf8(name.as_bytes()) {
            Ok(text) => Form::Text(text.to_string()),
            Err(_) => Form::Bytes { name_bytes: text::to_base64(name.as_bytes()) },
        }))
    }
}

impl<'de> Deserialize<'de> for NameList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NameList, D::Error> {
        let names = Vec::<Form>::deserialize(deserializer)?.into_iter().map(|form| match form {
            Form::Text(text) => Ok(Name::new(text.into_bytes())),
            Form::Bytes { name_bytes } => {
                text::from_base64(&name_bytes).map(Name::new).ok_or_else(|| D::Error::custom("name_bytes: expected base64"))
            }
        });
        Ok(NameList(names.collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_all_kinds_come_back() {
        let names = NameList([&b"a/b"[..], "日本 \"q\"\n".as_bytes(), b"latin1_\xe9"].map(Name::new).to_vec());
        let json = serde_json::to_string(&names).unwrap();
        assert_eq!(json, r#"["a/b","日本 \"q\"\n",{"name_bytes":"bGF0aW4xX+k="}]"#);
        assert_eq!(serde_json::from_str::<NameList>(&json).unwrap(), names);
        for bad in [r#"[1]"#, r#"[{"name_bytes":"?"}]"#, r#"[{"name":"a"}]"#, r#"{"a":"b"}"#] {
            assert!(serde_json::from_str::<NameList>(bad).is_err(), "{bad}");
        }
    }
}
