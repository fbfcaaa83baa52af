//! A record: one line of a stream. The fields that tools use are typed; everything else stays unchanged.

mod added;
mod edit;
mod fields;

pub use edit::{Base64, Edit, Json, Xattrs, key};
pub use fields::{Fields, Kind};

use crate::error::{Error, Malformed};
use crate::json::{self, Object};
use crate::name::Name;
use crate::time::Time;
use std::fmt;

/// One line of a stream.
#[derive(Clone, PartialEq)]
pub struct Record {
    name: Name,
    kind: Kind,
    fields: Fields,
    text: Vec<u8>,
}

impl Record {
    /// Reads a line (without its end).
    ///
    /// # Errors
    /// The reason in words, and the name if there is one: not UTF-8, not one JSON object, a duplicate key, no name, a name that
    /// every tool refuses, or a field of the wrong type.
    pub fn parse(line: &[u8]) -> Result<Record, Malformed> {
        Record::parse_owned(line.to_vec())
    }

    /// Does what [`Record::parse`] does, without copying the line.
    pub fn parse_owned(line: Vec<u8>) -> Result<Record, Malformed> {
        let object = Object::parse(&line)?;
        let raw = object.get("name").ok_or_else(|| Malformed::new("no \"name\""))?;
        let name = json::decode(raw).ok_or_else(|| fields::not("name", "a string", raw))?;
        let named = |malformed| Malformed { name: Some(name.to_vec()), ..malformed };
        let (name, kind, fields) = fields::typed(&object, &name).map_err(named)?;
        Ok(Record { name, kind, fields, text: line })
    }

    /// Returns a record from its parts, which the caller keeps consistent.
    pub(crate) fn from_parts(name: Name, kind: Kind, fields: Fields, text: Vec<u8>) -> Record {
        Record { name, kind, fields, text }
    }

    /// Returns the error record of a name, which takes the place of its record.
    pub fn failure(name: &Name, reason: &str) -> Record {
        Record::build(name.clone(), Kind::Error).set(key::ERROR, reason.to_string()).finish()
    }

    /// Returns the name below the root.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// Returns the kind of the record.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the typed fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns the line, without its end.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Returns the JSON text of a key's value, unchanged.
    pub fn raw(&self, key: &str) -> Option<String> {
        Object::parse(&self.text).ok()?.get(key).map(str::to_string)
    }

    /// Returns those of these keys that the record has, with the JSON text of their values.
    pub fn raws(&self, keys: &[&'static str]) -> Vec<(&'static str, String)> {
        let Ok(object) = Object::parse(&self.text) else { return Vec::new() };
        keys.iter().filter_map(|key| Some((*key, object.get(key)?.to_string()))).collect()
    }

    /// Returns the value of a string key, or None if it is absent or not a string.
    pub fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(&self.raw(key)?).ok()
    }

    /// Returns the extended attributes: `{"user.name":"base64", …}`.
    pub fn xattrs(&self) -> Xattrs {
        let Some(raw) = self.raw("xattrs") else { return Vec::new() };
        let Ok(object) = Object::parse(raw.as_bytes()) else { return Vec::new() };
        let value = |raw: &str| json::from_base64(&serde_json::from_str::<String>(raw).ok()?);
        object.entries().filter_map(|(name, raw)| Some((name.as_bytes().to_vec(), value(raw)?))).collect()
    }

    /// Returns the approximate size of the record in memory, in bytes.
    pub fn footprint(&self) -> usize {
        std::mem::size_of::<Record>() + self.text.capacity() + self.name.as_bytes().len()
    }

    /// Whether this is a file, link, folder or another entry of a tree, and not an error, an end record or a row of a diff.
    pub fn is_entry(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Link | Kind::Directory | Kind::Other)
    }

    /// Refuses a row of `snap-diff`, and a name that is gone, where files, links and folders are expected.
    ///
    /// # Errors
    /// With the name and what the record is.
    pub fn expect_entry(&self) -> crate::Result<()> {
        let name = self.name.printable();
        match self.kind {
            Kind::Change => Err(Error::refused(format!("{name}: a row of snap-diff, not a file"))),
            Kind::Gone => {
                Err(Error::advise(format!("{name}: a list of changes, not of files"), "snap-patch applies it to a snapshot"))
            }
            _ => Ok(()),
        }
    }

    /// Returns a side of this row of `snap-diff`, `left` or `right`; None if the name is not there.
    ///
    /// # Errors
    /// The reason, if the side is not a file, link or folder of that name.
    pub fn side(&self, side: &str) -> Result<Option<Record>, String> {
        let Some(text) = self.raw(side).filter(|text| text != "null") else { return Ok(None) };
        match Record::parse_owned(text.into_bytes()) {
            Ok(record) if record.name() == self.name() && record.is_entry() => Ok(Some(record)),
            Ok(_) => Err(format!("{side}: is no record of that name")),
            Err(e) => Err(format!("{side}: {e}")),
        }
    }

    /// Returns the exact time of the last change: `modified` if it agrees with `mtime` within the precision of a double, else
    /// `mtime`.
    pub fn modified(&self) -> Option<Time> {
        match (self.fields.modified, self.fields.mtime) {
            (Some(exact), Some(double)) if exact.as_double() != double => Some(Time::from_double(double)),
            (Some(exact), _) => Some(exact),
            (None, Some(double)) => Some(Time::from_double(double)),
            (None, None) => None,
        }
    }

    /// Whether a time is the time of this record, within the precision of the record. True if the record has no time.
    pub fn has_time(&self, time: Time) -> bool {
        match (self.fields.modified, self.fields.mtime) {
            (Some(exact), Some(double)) if exact.as_double() == double => exact == time,
            (_, Some(double)) => double == time.as_double(),
            (Some(exact), None) => exact == time,
            (None, None) => true,
        }
    }
}

impl crate::parallel::Weigh for Record {
    fn weight(&self) -> usize {
        self.footprint()
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Record({})", String::from_utf8_lossy(&self.text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(line: &str) -> String {
        Record::parse(line.as_bytes()).expect_err(line).reason
    }

    #[test]
    fn an_unchanged_record_keeps_its_bytes() {
        let line = br#"{"z": 1e3,  "name": "a", "meta": {"k": [1,2.50]}, "size": 3}"#;
        let r = Record::parse(line).unwrap();
        assert_eq!(r.text(), line);
    }

    #[test]
    fn bad_records_say_why() {
        assert!(refused("[1]").contains("not a JSON object"));
        assert!(refused("{\"name\":").contains("not JSON"));
        assert!(refused("{}").contains("no \"name\""));
        assert!(refused(r#"{"name":5}"#).starts_with("name: expected a string"));
        assert!(refused(r#"{"name":"a","size":"x"}"#).starts_with("size: expected a whole number"));
        assert!(refused(r#"{"name":"a","md5":"D41D8CD98F00B204E9800998ECF8427E"}"#).contains("lower-case"));
        assert!(refused(r#"{"name":"a/../b"}"#).contains("\"..\""));
        assert!(refused(r#"{"name":"a","name":"b"}"#).contains("twice"));
    }

    #[test]
    fn names_that_are_not_utf8_survive_python_and_jq() {
        let python = Record::parse(br#"{"name": "bad\udcff/in"}"#).unwrap();
        assert_eq!(python.name().as_bytes(), b"bad\xff/in");
        let jq = Record::parse("{\"name\":\"bad\u{fffd}/in\",\"name_bytes\":\"YmFk/y9pbg==\"}".as_bytes()).unwrap();
        assert_eq!(jq.name(), python.name());
        assert!(refused(r#"{"name":"other/in","name_bytes":"YmFk/y9pbg=="}"#).contains("name_bytes"));
        assert!(refused(r#"{"name":"\ud800"}"#).contains("surrogate"));
    }

    #[test]
    fn exact_times_count_only_where_they_agree_with_the_double() {
        let r = |m: &str| {
            Record::parse(format!("{{\"name\":\"a\",\"mtime\":1700000000.5,\"modified\":\"{m}\"}}").as_bytes()).unwrap()
        };
        assert_eq!(r("2023-11-14T22:13:20.500000001Z").modified().unwrap().nsec, 500_000_001);
        assert_eq!(r("2023-11-14T22:13:21.5Z").modified().unwrap(), Time { sec: 1_700_000_000, nsec: 500_000_000 });
    }

    #[test]
    fn a_record_takes_the_memory_of_its_text_and_its_name() {
        let of = |name: &str| Record::parse(format!("{{\"name\":\"{name}\"}}").as_bytes()).unwrap().footprint();
        let (short, long) = (of("a"), of(&"a".repeat(1_000_001)));
        assert!((100..2_000).contains(&short) && (2_000_000..4_000_000).contains(&(long - short)), "{short} {long}");
        assert_eq!(crate::parallel::Weigh::weight(&Record::parse(b"{\"name\":\"a\"}").unwrap()), short);
    }

    #[test]
    fn a_file_has_the_time_of_its_record_as_exactly_as_the_record_knows_it() {
        let has = |times: &str, nsec: u32| {
            let record = Record::parse(format!("{{\"name\":\"a\"{times}}}").as_bytes()).unwrap();
            record.has_time(Time { sec: 1_700_000_000, nsec })
        };
        let (mtime, exact) = (r#","mtime":1700000000.5"#, r#","modified":"2023-11-14T22:13:20.500000001Z""#);
        assert!(has("", 1) && has("", 2));
        // A double has no nanoseconds at this distance from 1970.
        assert!(has(mtime, 500_000_000) && has(mtime, 500_000_001) && !has(mtime, 500_001_000));
        for times in [exact.to_string(), format!("{mtime}{exact}")] {
            assert!(has(&times, 500_000_001) && !has(&times, 500_000_000), "{times}");
        }
        // The exact time contradicts the double: the double counts.
        let other = r#","mtime":1700000007.5"#;
        assert!(!has(&format!("{other}{exact}"), 500_000_001));
    }
}
