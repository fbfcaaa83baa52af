//! What is known of a snapshot without reading its records.

use super::label::{self, Label, Totals};
use super::{Found, ends};
use crate::error::Result;
use crate::json::{Object, json_string};
use std::os::unix::ffi::OsStrExt;

/// The label, the totals and the size of a snapshot.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The size of the file in bytes.
    pub stored_size: u64,
    /// The label; None for snapshots of the Python tool.
    pub label: Option<Label>,
    /// The totals; None for snapshots of the Python tool.
    pub totals: Option<Totals>,
}

impl Facts {
    /// Reads the two ends of a snapshot.
    ///
    /// # Errors
    /// If the file can't be read, is not gzip, or its end is missing.
    pub fn of(found: &Found) -> Result<Facts> {
        let stored_size = found.place.size()?;
        let label = ends::label(&found.place)?;
        let totals = label.as_ref().map(|_| ends::totals(&found.place)).transpose()?;
        Ok(Facts { stored_size, label, totals })
    }
}

/// Returns the line of `snap-list --json` for a snapshot: one JSON object with its keys in order. They are the keys of the label,
/// `path`, `time`, `stored_size` (the size of the file in bytes), `records` (their number), `files` and `bytes` (the number of
/// the files among them and the sum of their sizes) and `errors` (the number of records that failed and are missing). Snapshots
/// of the Python tool have no label and no counts, and older ones of this program have neither `files` nor `bytes`.
///
/// # Errors
/// See [`Facts::of`].
pub fn describe(found: &Found) -> Result<String> {
    let Facts { stored_size, label, totals } = Facts::of(found)?;
    let mut more = vec![
        ("path", Some(json_string(found.place.as_given().as_bytes()))),
        ("stored_size", Some(stored_size.to_string())),
        ("time", found.time.rfc3339().map(|t| format!("\"{t}\""))),
    ];
    if let Some(totals) = totals {
        let numbers = [("errors", Some(totals.errors)), ("records", Some(totals.records))];
        let known = [("files", totals.files), ("bytes", totals.bytes)];
        more.extend(numbers.into_iter().chain(known).filter_map(|(key, n)| Some((key, Some(n?.to_string())))));
    }
    let label = label.map_or_else(|| "{}".to_string(), |l| label::json(&l));
    Ok(Object::parse(label.as_bytes())?.edited(&more))
}
