//! The Markdown table of `compare-snapshots`: `name`, then both sides of every key that a record has, `status` among them.
//!
//! The columns and their widths are known only after the last row. So the rows are read twice, and none is kept in memory.

use crate::diff::{Diff, Row, Status};
use crate::display::printable;
use crate::error::Result;
use crate::json::{self, Object};
use crate::record::Record;
use crate::stream::write_error;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

/// The largest width of a column. Rows with wider cells are longer.
const WIDTH_LIMIT: usize = 60;

/// Writes the table of the rows. `rows` has to give the same rows each time. Returns the rows with their final counts.
///
/// # Errors
/// Errors of the rows and of writing.
pub fn show(rows: impl Fn() -> Result<Diff>, out: &mut dyn Write) -> Result<Diff> {
    let mut widths: BTreeMap<String, usize> = BTreeMap::new();
    let mut name_width = "name".len();
    let mut first = rows()?;
    for row in first.by_ref() {
        let Row::Change(status, left, right) = row? else { continue };
        let cells = cells(status, left.as_ref(), right.as_ref());
        name_width = name_width.max(width(&cells.name));
        for (column, cell) in cells.others {
            let widest = widths.entry(column).or_default();
            *widest = (*widest).max(width(&cell));
        }
    }
    // A key of one side has a column for both sides.
    let sides = widths.keys().filter_map(|c| c.strip_suffix("_left").or(c.strip_suffix("_right")));
    let keys: BTreeSet<String> = sides.map(str::to_string).collect();
    for key in keys {
        for side in ["left", "right"] {
            widths.entry(format!("{key}_{side}")).or_default();
        }
    }
    if widths.is_empty() {
        return Ok(first);
    }
    for (column, widest) in &mut widths {
        *widest = (*widest).clamp(column.len(), WIDTH_LIMIT.max(column.len()));
    }
    let name_width = name_width.min(WIDTH_LIMIT);
    let mut line = |name: &str, cell: &dyn Fn(&str, usize) -> String| {
        let mut text = format!("| {} |", padded(name, name_width));
        for (column, width) in &widths {
            text.push_str(&cell(column, *width));
            text.push('|');
        }
        text.push('\n');
        out.write_all(text.as_bytes()).map_err(write_error)
    };
    line("name", &|column, width| format!(" {} ", padded(column, width)))?;
    line(&"-".repeat(name_width), &|_, width| format!(" {} ", "-".repeat(width)))?;
    for row in rows()? {
        let Row::Change(status, left, right) = row? else { continue };
        let cells = cells(status, left.as_ref(), right.as_ref());
        line(&cells.name, &|column, width| format!(" {} ", padded(cells.others.get(column).map_or("", String::as_str), width)))?;
    }
    Ok(first)
}

struct Cells {
    name: String,
    others: BTreeMap<String, String>,
}

fn cells(status: Status, left: Option<&Record>, right: Option<&Record>) -> Cells {
    let name = left.or(right).map_or_else(String::new, |r| escaped(r.name().as_bytes()));
    let mut others = BTreeMap::from([("status".to_string(), status.to_string())]);
    for (side, record) in [("left", left), ("right", right)] {
        // The text of a record is always valid.
        let Some(Ok(object)) = record.map(|r| Object::parse(r.text())) else { continue };
        for (key, value) in object.entries().filter(|(key, _)| !matches!(*key, "name" | "name_bytes")) {
            others.insert(format!("{}_{side}", escaped(key.as_bytes())), cell(value));
        }
    }
    Cells { name, others }
}

/// Returns a JSON value as a cell: a string without its quotes, everything else as it is in the record.
fn cell(value: &str) -> String {
    let wtf8 = json::decode(value);
    match wtf8.as_deref().and_then(json::unescape) {
        Some(bytes) => escaped(&bytes),
        None => escaped(value.as_bytes()),
    }
}

/// Escapes text for one line of a cell. Bars are escaped too, because a bar ends the cell.
fn escaped(bytes: &[u8]) -> String {
    printable(bytes).replace('|', "\\|")
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn padded(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}
