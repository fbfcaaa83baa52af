//! The two ends of a snapshot: the label in its first header and the totals in its last one.

use super::damage::{damaged, explain};
use super::label::{Label, Totals};
use super::place::Place;
use crate::codec::{self, Header};
use crate::display::counted;
use crate::end::End;
use crate::error::Result;

/// Returns the end record of one of our snapshots, without counts.
pub(super) fn end_of(label: &Label, totals: Totals) -> End {
    End {
        errors: totals.errors,
        filtered: label.filtered,
        rules: label.rules.clone(),
        kept_out: label.kept_out.clone(),
        types: label.types.clone(),
        root: label.root.clone(),
        root_folder: label.root_folder.clone(),
        put: label.put,
        // A tool that deletes has to know that the snapshot may contain more than this version understands.
        v: label.is_later().then(|| label.v.into()),
        ..End::default()
    }
}

/// Returns the label of a snapshot; None if it has none, as snapshots of the Python tool.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn label(place: &Place) -> Result<Option<Label>> {
    let header = codec::read_header(&mut place.open()?).map_err(|e| explain(&place.to_string(), e))?;
    let header = header.ok_or_else(|| damaged(&place.to_string(), "it is empty"))?;
    label_of(&header, &place.to_string())
}

pub(super) fn label_of(first: &Header, path: &str) -> Result<Option<Label>> {
    Label::of(first).map_err(|reason| damaged(path, reason))
}

/// Returns the types of records that a snapshot covers; None for all. Snapshots of the Python tool have no label and cover files
/// only.
///
/// # Errors
/// If the file can't be read or is not gzip.
pub fn types(place: &Place) -> Result<Option<Vec<String>>> {
    Ok(label(place)?.map_or_else(|| Some(vec!["file".to_string()]), |label| label.types))
}

pub(super) fn totals_in(path: &str, last: Option<&Header>) -> Result<Totals> {
    last.and_then(Totals::of).ok_or_else(|| damaged(path, "its end is missing"))
}

/// Returns the totals of a snapshot. Their number of records has to be the number of records that were read.
pub(super) fn totals_of(path: &str, last: Option<&Header>, records: u64) -> Result<Totals> {
    let totals = totals_in(path, last)?;
    if totals.records != records {
        return Err(damaged(path, &format!("it has {}, not {}", counted(records, "record"), totals.records)));
    }
    Ok(totals)
}

/// Returns the totals in the last member of one of our snapshots, without reading the others.
///
/// # Errors
/// If that member is missing, or the file can't be read.
pub fn totals(place: &Place) -> Result<Totals> {
    totals_in(&place.to_string(), last_header(place)?.map(|(_, header)| header).as_ref())
}

/// Returns the number of records that failed and are missing in a snapshot. It is not known of those without a label.
///
/// # Errors
/// If its end is missing, or the file can't be read.
pub fn failures(place: &Place) -> Result<u64> {
    Ok(totals(place)?.errors)
}

/// Returns the offset and the header of the last member, if it is one of ours without content.
pub(super) fn last_header(place: &Place) -> Result<Option<(u64, Header)>> {
    // Most last members are not longer.
    const TAIL: u64 = 4 << 10;
    let size = place.size()?;
    let from = size.saturating_sub(TAIL);
    let mut tail = place.part(from, size - from)?;
    let Some(len) = last_length(&tail) else { return Ok(last_of_first_form(&tail).map(|(at, h)| (size - at as u64, h))) };
    let Some(at) = size.checked_sub(len) else { return Ok(None) };
    if len > tail.len() as u64 {
        tail = place.part(at, len)?;
    }
    let Some(last) = tail.len().checked_sub(len as usize).map(|at| &tail[at..]) else { return Ok(None) };
    let header = codec::read_header(&mut &last[..]).ok().flatten();
    Ok(header.filter(|header| header.lengths() == Some((len as u32, 0))).map(|header| (at, header)))
}

/// Returns the length of the last member, from the last of its subfields.
fn last_length(tail: &[u8]) -> Option<u64> {
    let at = tail.len().checked_sub(codec::BEHIND_LAST + 8)?;
    let [a, b, 4, 0, ref len @ ..] = tail[at..at + 8] else { return None };
    let len = u32::from_le_bytes(len.try_into().ok()?);
    ([a, b] == codec::LAST && len as usize <= 12 + codec::FIELDS_LIMIT + codec::BEHIND_LAST).then_some(len.into())
}

/// Returns the last member of a snapshot of the first form, which does not say its length: the last bytes that are a header of
/// that length. The number is the distance of its start from the end of the file.
fn last_of_first_form(tail: &[u8]) -> Option<(usize, Header)> {
    let starts = (0..tail.len()).rev().filter(|at| tail[*at..].starts_with(&[0x1f, 0x8b, 8]));
    let mut headers = starts.filter_map(|at| Some((tail.len() - at, codec::read_header(&mut &tail[at..]).ok()??)));
    headers.find(|(len, header)| header.lengths() == Some((*len as u32, 0)))
}
