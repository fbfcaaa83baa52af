//! A record: one line of a stream. The fields that tools work with are typed, the rest stays as it came.

use crate::name::Name;
use crate::text::{self, Object};
use crate::time::Time;
use std::fmt;

mod edit;

pub use edit::{Base64, Edit, Json, Key, Xattrs, key};

/// What a record is about, by its `type`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Kind {
    /// A regular file or an object. Also a record without `type`.
    File,
    /// A symbolic link.
    Link,
    /// A folder.
    Directory,
    /// A file, link or folder that something failed for; `error` says what.
    Error,
    /// The mark that the stream is whole.
    End,
    /// A row of `snap-diff`: no `type`, but `status`, `left` and `right`.
    Change,
    /// A type that we do not know. It travels, but is not restored.
    Other,
}

impl Kind {
    /// The word for it in `type`; None where there is none of its own.
    pub fn word(self) -> Option<&'static str> {
        match self {
            Kind::File => Some("file"),
            Kind::Link => Some("link"),
            Kind::Directory => Some("directory"),
            Kind::Error => Some("error"),
            Kind::End => Some("end"),
            Kind::Change | Kind::Other => None,
        }
    }
}

/// The md5 of a content, and so its address in the heap.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Md5(pub [u8; 16]);

impl Md5 {
    /// Reads 32 lower-case hex digits and nothing else.
    pub fn parse(hex: &str) -> Option<Md5> {
        text::unhex(hex).map(Md5)
    }
}

impl fmt::Display for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_hex(f, &self.0)
    }
}

impl fmt::Debug for Md5 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The sha256 of a content: the second digest beside its md5.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256(pub [u8; 32]);

impl Sha256 {
    /// Reads 64 lower-case hex digits and nothing else.
    pub fn parse(hex: &str) -> Option<Sha256> {
        text::unhex(hex).map(Sha256)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::write_hex(f, &self.0)
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The fields of a record that tools work with. Absent, null or (for times) of another storage's form is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fields {
    /// Bytes of the content; of the target's text for a link.
    pub size: Option<u64>,
    /// md5 of the content; of the target's text for a link.
    pub md5: Option<Md5>,
    /// sha256 of the content, where it was read.
    pub sha256: Option<Sha256>,
    /// Bytes of the heap object.
    pub stored_size: Option<u64>,
    /// Time of the last change of the content as the Python tool has it: `sec + 1e-9 * nsec`.
    pub mtime: Option<f64>,
    /// Time of the last change of the inode (`st_ctime`), as the Python tool has it.
    pub created: Option<f64>,
    /// Time of the last change of the content, exact.
    pub modified: Option<Time>,
    /// The whole `st_mode`, file type included.
    pub mode: Option<u32>,
    /// Numeric owner.
    pub uid: Option<u32>,
    /// Numeric group.
    pub gid: Option<u32>,
    /// Inode number.
    pub ino: Option<u64>,
    /// Device of the inode; written for files with several names only.
    pub dev: Option<u64>,
    /// Number of names of the inode.
    pub nlink: Option<u64>,
    /// A link's target, raw bytes.
    pub destination: Option<Vec<u8>>,
    /// Read within a second of its last change: not to be trusted as a base.
    pub racy: bool,
    /// The file had holes.
    pub sparse: bool,
    /// The storage's token of equality, as it came (quotes and all).
    pub etag: Option<String>,
}

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
    /// The reason in words, and the name where one could be made out: not UTF-8, not one JSON object, a key twice, no name,
    /// a name that no tool takes, a field of the wrong type.
    pub fn parse(line: &[u8]) -> Result<Record, (Option<Vec<u8>>, String)> {
        Record::parse_owned(line.to_vec())
    }

    /// [`Record::parse`] without the copy.
    pub fn parse_owned(line: Vec<u8>) -> Result<Record, (Option<Vec<u8>>, String)> {
        let object = Object::parse(&line).map_err(|reason| (None, reason))?;
        let name = match object.get("name") {
            Some(raw) => {
                text::decode(raw).ok_or_else(|| (None, format!("name: expected a string, got {}", text::excerpt(raw))))?
            }
            None => return Err((None, "no \"name\"".to_string())),
        };
        let (name, kind, fields) = match crate::fields::typed(&object, &name) {
            Ok(typed) => typed,
            Err(reason) => return Err((Some(name), reason)),
        };
        Ok(Record { name, kind, fields, text: line })
    }

    /// A record from its parts, for those who make both from one source.
    pub(crate) fn from_parts(name: Name, kind: Kind, fields: Fields, text: Vec<u8>) -> Record {
        Record { name, kind, fields, text }
    }

    /// What failed for a name: a record of type `error`, to stand in place of the record.
    pub fn failure(name: &Name, reason: &str) -> Record {
        Record::build(name.clone(), Kind::Error).set(key::ERROR, reason.to_string()).finish()
    }

    /// The name below the root.
    pub fn name(&self) -> &Name {
        &self.name
    }

    /// What the record is about.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The typed fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// The line, without its end.
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// The JSON text of a key's value, as it came.
    pub fn raw(&self, key: &str) -> Option<String> {
        Object::parse(&self.text).ok()?.get(key).map(str::to_string)
    }

    /// The value of a string key; None where it is absent or no string.
    pub fn string(&self, key: &str) -> Option<String> {
        serde_json::from_str(&self.raw(key)?).ok()
    }

    /// About how many bytes of memory this record takes.
    pub fn footprint(&self) -> usize {
        std::mem::size_of::<Record>() + self.text.capacity() + self.name.as_bytes().len()
    }

    /// Whether this is a file, link, folder or something else that has a place in a tree: no error, end or diff row.
    pub fn is_entry(&self) -> bool {
        matches!(self.kind, Kind::File | Kind::Link | Kind::Directory | Kind::Other)
    }

    /// The exact time of the last change: `modified` where it agrees with `mtime` to the double's precision, else `mtime`.
    pub fn modified(&self) -> Option<Time> {
        match (self.fields.modified, self.fields.mtime) {
            (Some(exact), Some(double)) if exact.as_double() != double => Some(Time::from_double(double)),
            (Some(exact), _) => Some(exact),
            (None, Some(double)) => Some(Time::from_double(double)),
            (None, None) => None,
        }
    }

    /// Whether a file's time is that of this record, as exactly as the record knows it. True where the record has none.
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
        Record::parse(line.as_bytes()).expect_err(line).1
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
        assert_eq!(Sha256([0x0f; 32]).to_string(), "0f".repeat(32));
    }

    #[test]
    fn a_file_has_the_time_of_its_record_as_exactly_as_the_record_knows_it() {
        let has = |times: &str, nsec: u32| {
            let record = Record::parse(format!("{{\"name\":\"a\"{times}}}").as_bytes()).unwrap();
            record.has_time(Time { sec: 1_700_000_000, nsec })
        };
        let (mtime, exact) = (r#","mtime":1700000000.5"#, r#","modified":"2023-11-14T22:13:20.500000001Z""#);
        assert!(has("", 1) && has("", 2));
        // A double knows no nanoseconds at this distance from 1970.
        assert!(has(mtime, 500_000_000) && has(mtime, 500_000_001) && !has(mtime, 500_001_000));
        for times in [exact.to_string(), format!("{mtime}{exact}")] {
            assert!(has(&times, 500_000_001) && !has(&times, 500_000_000), "{times}");
        }
        // An exact time that is another's: the double counts.
        let other = r#","mtime":1700000007.5"#;
        assert!(!has(&format!("{other}{exact}"), 500_000_001));
    }
}
