//! Attributes of objects that the listing does not have. Those of an object that is read come with its content.

use crate::record::Record;
use crate::source::Source;
use crate::storage::attributes::{Keys, texts};
use std::io;

/// Adds the attributes of an unchanged object that neither the listing nor the base has.
///
/// # Errors
/// The error of the storage.
pub(super) fn described(source: &dyn Source, record: Record) -> io::Result<Record> {
    Ok(match source.describe(&record)? {
        Some(keys) => with(&record, keys),
        None => record,
    })
}

/// Adds the tags of an object.
///
/// # Errors
/// The error of the storage.
pub(super) fn tagged(source: &dyn Source, record: &Record) -> io::Result<Record> {
    Ok(with(record, vec![texts("tags", &source.tags(record)?)]))
}

fn with(record: &Record, keys: Keys) -> Record {
    let mut edit = record.edit();
    keys.iter().for_each(|(key, json)| _ = edit.set_json(key, json));
    edit.finish()
}
