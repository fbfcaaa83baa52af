//! The end record of a stream, and the comparison of the records that arrived with the listed ones.
//!
//! A tool that lists (scan, read, diff) records in the end record how many records it listed, and a checksum of their names. Both
//! numbers pass through every stage. So a tool that publishes or deletes notices if a program in between left records out.

use crate::json::whole;
use crate::name::{Name, hash};
use crate::part::{Part, PartOf};
use crate::record::{Fields, Kind, Record, key};
use crate::work::Work;
use serde_json::{Map, Value, json};

/// The number of records of a listing and a checksum of their names. Error records count, the end record does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The number of records.
    pub records: u64,
    /// The sum, modulo 2^64, of a hash of each name.
    pub names: u64,
}

impl Listing {
    /// Counts a record.
    pub fn add(&mut self, record: &Record) {
        if record.kind() != Kind::End {
            self.records += 1;
            self.names = self.names.wrapping_add(hash(record.name().as_bytes()));
        }
    }

    /// Adds the records of another listing.
    #[must_use]
    pub fn and(self, other: Listing) -> Listing {
        Listing { records: self.records + other.records, names: self.names.wrapping_add(other.names) }
    }

    /// Removes records that were counted.
    #[must_use]
    pub fn without(self, other: Listing) -> Listing {
        Listing { records: self.records - other.records, names: self.names.wrapping_sub(other.names) }
    }
}

/// The contents of the end record of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct End {
    /// The number of listed records; error records count, the end record does not.
    pub records: Option<u64>,
    /// The sum of the hashes of their names, see [`Listing::names`].
    pub names: Option<u64>,
    /// The number of failed records.
    pub errors: u64,
    /// Records were left out. If `rules` explain all of them, `rules` is set.
    pub filtered: bool,
    /// The rules of the scan, even if they left nothing out: a [`crate::scan::Rules`]. None if records were left out for another
    /// reason.
    pub rules: Option<Value>,
    /// The names of the heap, the snapshots and other file systems, which a scan always leaves out.
    pub kept_out: Vec<Name>,
    /// The types of records that were requested, if not all: `file`, `link`, `directory`.
    pub types: Option<Vec<String>>,
    /// The file root that was scanned, for display: without secrets.
    pub root: Option<String>,
    /// The mode, owner and times of the root folder itself.
    pub root_folder: Option<Value>,
    /// The stream describes the state after a restore.
    pub restored: bool,
    /// The records are those of `snap-put`, which belong to no root.
    pub put: bool,
    /// The version of a snapshot's label, if this tool does not know it.
    pub v: Option<u64>,
    /// The stream has rows of `snap-diff`, not entries.
    pub diff: bool,
    /// The stream has versions of names, from `snap-log` or `snap-scan --versions`, not the entries of one time.
    pub log: bool,
    /// The end records of the two sides of a comparison, left and right.
    pub sides: Option<Box<[End; 2]>>,
    /// The records are a part of a listing: `filtered` and `rules` are here those of the part, and `part` has those of the whole.
    pub part: Option<Box<PartOf>>,
    /// The work of the tools so far.
    pub work: Option<Work>,
    /// Other keys, which pass through.
    pub more: Map<String, Value>,
}

impl End {
    /// Reads an end record. Absent values are zero, false or None. If `kept_out` or `types` is malformed, unknown records may be
    /// missing, so `filtered` is set.
    pub fn of(record: &Record) -> End {
        serde_json::from_slice(record.text()).map(End::from_object).unwrap_or_default()
    }

    fn from_object(mut object: Map<String, Value>) -> End {
        let number = |value: Option<Value>| value.as_ref().and_then(whole);
        let text = |value: Option<Value>| value.as_ref().and_then(Value::as_str).map(str::to_string);
        let truth = |value: Option<Value>| value == Some(Value::Bool(true));
        let side = |value: Option<Value>| match value {
            Some(Value::Object(side)) => Some(End::from_object(side)),
            _ => None,
        };
        object.remove("name");
        object.remove("type");
        let mut take = |key: &str| object.remove(key).filter(|value| !value.is_null());
        let kept_out = take("kept_out").map(serde_json::from_value::<Vec<Name>>).transpose();
        let types = take("types").map(serde_json::from_value::<Vec<String>>).transpose();
        let is_known = kept_out.is_ok() && types.is_ok();
        let sides = side(take("left")).zip(side(take("right")));
        End {
            records: number(take("records")),
            names: text(take("names")).and_then(|hex| u64::from_str_radix(&hex, 16).ok()),
            errors: number(take("errors")).unwrap_or(0),
            filtered: truth(take("filtered")) || !is_known,
            rules: take("rules").filter(|_| is_known),
            kept_out: kept_out.ok().flatten().unwrap_or_default(),
            types: types.ok().flatten(),
            root: text(take("root")),
            root_folder: take("root_folder"),
            restored: truth(take("restored")),
            put: truth(take("put")),
            v: number(take("v")),
            diff: truth(take("diff")),
            log: truth(take("log")),
            part: take("part").as_ref().and_then(PartOf::of).map(Box::new),
            work: take("work").as_ref().and_then(Work::of),
            sides: sides.map(|(left, right)| Box::new([left, right])),
            more: object,
        }
    }

    /// Returns the end record with these contents, its keys in order.
    pub fn record(&self) -> Record {
        let mut object = self.object();
        object.insert("name".to_string(), json!(""));
        object.insert("type".to_string(), json!("end"));
        let text = Value::Object(object).to_string().into_bytes();
        Record::from_parts(Name::new(&b""[..]), Kind::End, Fields::default(), text)
    }

    fn object(&self) -> Map<String, Value> {
        let mut object = self.more.clone();
        let mut set = |key: &str, value: Option<Value>| {
            object.extend(value.map(|value| (key.to_string(), value)));
        };
        let truth = |is_so: bool| is_so.then_some(Value::Bool(true));
        set("errors", Some(json!(self.errors)));
        set("records", self.records.map(|n| json!(n)));
        set("names", self.names.map(|n| json!(format!("{n:016x}"))));
        set("filtered", truth(self.filtered));
        set("rules", self.rules.clone());
        set("kept_out", (!self.kept_out.is_empty()).then(|| json!(self.kept_out)));
        set("types", self.types.as_ref().map(|types| json!(types)));
        set("root", self.root.as_ref().map(|root| json!(root)));
        set("root_folder", self.root_folder.clone());
        set("restored", truth(self.restored));
        set("put", truth(self.put));
        set("v", self.v.map(|v| json!(v)));
        set("diff", truth(self.diff));
        set("log", truth(self.log));
        set("part", self.part.as_ref().map(|part| part.value()));
        set("work", self.work.map(|work| work.json()));
        if let Some(sides) = &self.sides {
            set("left", Some(Value::Object(sides[0].object())));
            set("right", Some(Value::Object(sides[1].object())));
        }
        object
    }

    /// Returns this end record for a stream with these records.
    #[must_use]
    pub fn listing(self, listing: Listing) -> End {
        End { records: Some(listing.records), names: Some(listing.names), ..self }
    }

    /// Whether these are the listed records. False if the end record has no count.
    pub fn is_of(&self, came: Listing) -> bool {
        self.records == Some(came.records) && self.names.is_none_or(|names| names == came.names)
    }

    /// Returns the end record for a tool that publishes, deletes or starts a new stream: `filtered` if these are not the listed
    /// records.
    #[must_use]
    pub fn compared_with(self, came: Listing) -> End {
        match self.is_of(came) {
            true => self,
            false => self.short(),
        }
    }

    /// Returns the end record of a part of the listing or snapshot that this one is of. Alone, it is `filtered`.
    #[must_use]
    pub fn part_of(self, part: Part, snapshot: Option<String>) -> End {
        let of = PartOf { part, filtered: self.filtered, rules: self.rules, snapshot };
        End { filtered: true, rules: None, part: Some(Box::new(of)), ..self }
    }

    /// Returns the end record of a stream that lacks listed records.
    fn short(self) -> End {
        let part = self.part.map(|of| Box::new(of.short()));
        let sides = self.sides.map(|sides| Box::new(sides.map(End::short)));
        End { filtered: true, rules: None, part, sides, ..self }
    }

    /// Whether records were left out for another reason than the rules.
    pub fn is_short(&self) -> bool {
        self.filtered && self.rules.is_none()
    }
}

/// Counts the records of a listing, and adds its end record, which `end` makes of their count and the number of error records
/// among them. After an error, there is no end record.
pub fn ended(records: crate::stream::Records, end: impl FnOnce(Listing, u64) -> End + Send + 'static) -> crate::stream::Records {
    let (mut records, mut end, mut listing, mut errors) = (records, Some(end), Listing::default(), 0);
    Box::new(std::iter::from_fn(move || {
        end.as_ref()?;
        match records.next() {
            Some(Ok(record)) => {
                listing.add(&record);
                errors += u64::from(record.kind() == Kind::Error);
                Some(Ok(record))
            }
            Some(Err(e)) => {
                end = None;
                Some(Err(e))
            }
            None => end.take().map(|end| Ok(end(listing, errors).record())),
        }
    }))
}

/// Returns a stream whose end record is `filtered` if its records are not the listed ones.
pub fn compared(records: crate::stream::Records) -> crate::stream::Records {
    let mut came = Listing::default();
    Box::new(records.map(move |record| {
        let record = record?;
        if record.kind() != Kind::End {
            came.add(&record);
            return Ok(record);
        }
        let end = End::of(&record);
        Ok(if end.is_of(came) { record } else { end.compared_with(came).record() })
    }))
}

/// Returns an end record with the work of one more tool.
pub fn worked(end: &Record, more: Work) -> Record {
    let mut work = End::of(end).work.unwrap_or_default();
    work += more;
    end.edit().set(key::WORK, work).finish()
}

/// Counts failures and work, for the end record of a stage.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// Error records of the input that were passed on.
    pub passed: u64,
    /// Failures of the stage itself.
    pub own: u64,
    /// The work of the stage itself.
    pub work: Work,
}

impl Tally {
    /// Counts a record that is passed on unchanged, whether it is an error record or not.
    pub fn pass(&mut self, record: &Record) {
        self.passed += u64::from(record.kind() == Kind::Error);
    }

    /// Returns the total number of failures. `stated` is the number in the end record of the input.
    pub fn errors(&self, stated: u64) -> u64 {
        self.passed.max(stated).saturating_add(self.own)
    }

    /// Returns the end record for the output of a stage: the end record of its input with the total number of failures.
    pub fn close(&self, end: &Record) -> Record {
        let stated = End::of(end);
        let end = end.edit().set(key::ERRORS, self.errors(stated.errors)).finish();
        if self.work == Work::default() { end } else { worked(&end, self.work) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_and_what_was_listed_passes_through() {
        let mut tally = Tally { own: 2, ..Tally::default() };
        for line in ["{\"name\":\"a\"}", "{\"name\":\"b\",\"type\":\"error\"}"] {
            tally.pass(&Record::parse(line.as_bytes()).unwrap());
        }
        let end = End::of(&tally.close(&Record::parse(b"{\"name\":\"\",\"records\":7,\"type\":\"end\"}").unwrap()));
        assert_eq!((end.records, end.errors), (Some(7), 3));
    }

    fn listing(names: &[&str]) -> Listing {
        let mut listing = Listing::default();
        for name in names {
            listing.add(&Record::failure(&Name::new(name.as_bytes()), "x"));
        }
        listing
    }

    #[test]
    fn all_that_an_end_says_comes_back() {
        let side = End { errors: 1, filtered: true, rules: Some(json!({"exclude": ["*.o"]})), ..End::default() };
        let end = End {
            filtered: true,
            kept_out: vec![Name::new(&b"heap"[..]), Name::new(&b"m\xff"[..])],
            types: Some(vec!["file".into()]),
            root: Some("/ünï\n".into()),
            root_folder: Some(json!({"mode": 16832})),
            restored: true,
            put: true,
            v: Some(9),
            part: Some(Box::new(PartOf {
                part: Part::Prefix(Name::new(&b"a"[..])),
                filtered: true,
                rules: None,
                snapshot: None,
            })),
            diff: true,
            log: true,
            sides: Some(Box::new([side, End::default()])),
            work: Some(Work { read: 1, seconds: 0.5, ..Work::default() }),
            more: Map::from_iter([("later".to_string(), json!({"read": 1}))]),
            ..End::default()
        };
        let end = end.listing(listing(&["a", "b"]));
        let record = end.record();
        assert_eq!(End::of(&Record::parse(record.text()).unwrap()), end);
        assert_eq!(End::of(&Record::parse(br#"{"name":"","type":"end","records":2e0,"rules":null}"#).unwrap()).records, Some(2));
    }

    #[test]
    fn what_makes_no_sense_is_no_permission() {
        for odd in [r#""kept_out":[1]"#, r#""types":"file""#, r#""kept_out":[{"name":"a"}],"rules":{}"#] {
            let line = format!(r#"{{"name":"","type":"end","records":0,{odd}}}"#);
            assert!(End::of(&Record::parse(line.as_bytes()).unwrap()).is_short(), "{odd}");
        }
    }

    #[test]
    fn other_records_than_were_listed_are_a_filter() {
        let end = End { rules: Some(json!({})), filtered: true, ..End::default() }.listing(listing(&["a", "x1", "x4"]));
        assert!(end.is_of(listing(&["x4", "a", "x1"])), "in any order");
        for other in [&["a", "x1"][..], &["a", "x2", "x3"], &["a", "x1", "x4", "x4"], &[]] {
            let end = end.clone().compared_with(listing(other));
            assert!(end.is_short(), "{other:?}");
        }
        assert!(End::default().compared_with(listing(&[])).is_short(), "it does not say what was listed");
        assert_eq!(listing(&["a", "b"]).without(listing(&["b"])), listing(&["a"]));
        assert_eq!(listing(&["a"]).and(listing(&["b"])), listing(&["a", "b"]));
    }
}
