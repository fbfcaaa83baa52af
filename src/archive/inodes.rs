//! Finds the names of the same file among records. Sorting holds little in memory, however many they are.

use super::links::BUDGET;
use crate::error::Result;
use crate::name::Name;
use crate::record::{Kind, Record, key};
use crate::sort::{Order, Spool};
use crate::stream::Records;
use std::iter::Peekable;

/// The first name of each file, for the records of its other names.
pub struct FirstNames {
    /// Links from each other name to the first one, in the order of the records.
    others: Option<Peekable<Records>>,
}

impl FirstNames {
    /// Finds them in records of this order.
    ///
    /// # Errors
    /// If a temporary file can't be written.
    pub fn find(records: &Spool, order: Order) -> Result<FirstNames> {
        let names = records.read().filter_map(|record| record.map(|record| by_file(&record)).transpose());
        let names = Spool::with_doubles(names, BUDGET)?;
        let mut first: Option<Record> = None;
        let others = names.read().filter_map(|name| {
            let name = match name {
                Ok(name) => name,
                Err(e) => return Some(Err(e)),
            };
            match first.as_ref().filter(|first| first.name() == name.name()) {
                Some(first) => Some(Ok(link(own_name(&name), &own_name(first)))),
                None => {
                    first = Some(name);
                    None
                }
            }
        });
        let others = Spool::sorted(others, BUDGET, order, None)?;
        Ok(FirstNames { others: Some(others.read().peekable()) })
    }

    /// Returns those of records that are one name for each file.
    pub fn none() -> FirstNames {
        FirstNames { others: None }
    }

    /// Returns the first name of the file of a record; None if this is the first one. The records have to come in order.
    ///
    /// # Errors
    /// If a temporary file can't be read.
    pub fn first_of(&mut self, record: &Record) -> Result<Option<Name>> {
        let is_next = |next: &Result<Record>| next.as_ref().map_or(true, |next| next.name() == record.name());
        let next = self.others.as_mut().and_then(|others| others.next_if(is_next)).transpose()?;
        Ok(next.map(|next| own_name(&next)))
    }
}

/// Whether a record can be one of several names of a file.
pub fn has_names(record: &Record) -> bool {
    record.kind() == Kind::File && record.fields().nlink.is_some_and(|names| names > 1)
}

/// Returns the name of a file's record below a name that all records of the file have. Records of the same inode with different
/// contents are different files: it changed between them.
fn by_file(record: &Record) -> Option<Record> {
    let fields = record.fields();
    let (ino, md5) = (fields.ino?, fields.md5?);
    let file = format!("{:?} {ino} {md5} {:?}", fields.dev, fields.size);
    has_names(record).then(|| link(Name::new(file.into_bytes()), record.name()))
}

fn link(name: Name, target: &Name) -> Record {
    Record::build(name, Kind::Link).set_destination(target.as_bytes().to_vec()).set(key::MD5, None).finish()
}

fn own_name(link: &Record) -> Name {
    Name::new(link.fields().destination.as_deref().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_name_in_the_order_of_the_records_is_that_of_the_file() {
        let md5 = r#""md5":"d41d8cd98f00b204e9800998ecf8427e""#;
        let lines = [
            format!(r#"{{"name":"d/b",{md5},"ino":5,"nlink":3}}"#),
            format!(r#"{{"name":"d.x",{md5},"ino":5,"nlink":3}}"#),
            format!(r#"{{"name":"other-device",{md5},"dev":1,"ino":5,"nlink":2}}"#),
            format!(r#"{{"name":"z",{md5},"ino":6,"nlink":2}}"#),
            format!(r#"{{"name":"alone",{md5},"ino":5,"nlink":1}}"#),
            format!(r#"{{"name":"no-inode",{md5},"nlink":2}}"#),
            format!(r#"{{"name":"d/a",{md5},"ino":5,"nlink":3}}"#),
            r#"{"name":"changed","md5":"0cc175b9c0f1b6a831c399e269772661","ino":5,"nlink":3}"#.to_string(),
        ];
        let records = || lines.iter().map(|line| Ok(Record::parse(line.as_bytes()).unwrap()));
        let backwards: Order = |a, b| b.cmp(a);
        for (order, firsts) in
            [(Name::cmp as Order, [("d/a", "d.x"), ("d/b", "d.x")]), (backwards, [("d/a", "d/b"), ("d.x", "d/b")])]
        {
            let records = Spool::sorted(records(), 1, order, None).unwrap();
            let mut names = FirstNames::find(&records, order).unwrap();
            let found: Vec<_> = records
                .read()
                .map(Result::unwrap)
                .filter_map(|record| Some((record.name().printable(), names.first_of(&record).unwrap()?.printable())))
                .collect();
            assert_eq!(found, firsts.map(|(name, first)| (name.to_string(), first.to_string())));
        }
    }
}
