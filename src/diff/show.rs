//! The output of a comparison: records, a table, names with signs, or counts.

use super::{Count, Diff, Row, Status};
use crate::display::printable;
use crate::error::Result;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::stream;
use crate::time::Time;
use chrono::{DateTime, Datelike, Local};
use std::io::Write;

/// The format of the output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Style {
    /// Rows for programs, one JSON object per line
    Jsonl,
    /// A table for people
    Table,
    /// The names, each with a sign in front: - + ! =
    Names,
    /// Counts and sizes
    Stat,
}

/// Prints rows one by one, so that memory does not grow with their number.
pub struct Printer {
    style: Style,
    end: bool,
    head: bool,
    color: bool,
}

impl Printer {
    /// Returns a printer for a style. In the style `Jsonl`, the end record is printed only if `end`.
    pub fn new(style: Style, end: bool) -> Printer {
        Printer { style, end, head: true, color: false }
    }

    /// Returns a printer that marks the statuses in colour, except in the style `Jsonl`.
    #[must_use]
    pub fn colored(self, color: bool) -> Printer {
        Printer { color, ..self }
    }

    /// Prints a row.
    ///
    /// # Errors
    /// Errors of [`stream::write`].
    pub fn row(&mut self, out: &mut dyn Write, row: Row) -> Result<()> {
        let status = status_of(&row);
        let line = match (self.style, row) {
            (Style::Jsonl, Row::End(_)) if !self.end => return Ok(()),
            (Style::Jsonl, row) => return stream::write(out, &row.into_record()),
            (Style::Table, row) => table(row),
            (Style::Names, row) => names(row),
            (Style::Stat, _) => None,
        };
        let Some(line) = line else { return Ok(()) };
        let mut text = String::new();
        if self.style == Style::Table && std::mem::take(&mut self.head) {
            let head = columns("STATUS", "TYPE", "SIZE", "MODIFIED", "NAME");
            text = if self.color { marked("1", head.trim_end()) + "\n" } else { head };
        }
        text.push_str(&self.painted(status, line));
        out.write_all(text.as_bytes()).map_err(stream::write_error)
    }

    /// Returns a line in the colour of its status: the whole line in the style `Names`, otherwise its first column.
    fn painted(&self, status: Option<Status>, line: String) -> String {
        if !self.color {
            return line;
        }
        let end = if self.style == Style::Names { line.len() - 1 } else { line.find(' ').unwrap_or(0) };
        marked(code(status), &line[..end]) + &line[end..]
    }

    /// Prints the counts of these statuses, in the style `Stat`.
    ///
    /// # Errors
    /// Errors of [`stream::write`].
    pub fn finish(&self, out: &mut dyn Write, diff: &Diff, statuses: &[Status]) -> Result<()> {
        if self.style != Style::Stat {
            return Ok(());
        }
        for status in statuses {
            let line = self.painted(Some(*status), stat(*status, diff.count(*status)));
            out.write_all(line.as_bytes()).map_err(stream::write_error)?;
        }
        Ok(())
    }
}

fn status_of(row: &Row) -> Option<Status> {
    match row {
        Row::Change(status, ..) | Row::Moved(status, ..) => Some(*status),
        Row::Failure(_) | Row::End(_) => None,
    }
}

/// Returns the colour of a status for a terminal; of a failure for None.
fn code(status: Option<Status>) -> &'static str {
    match status {
        Some(Status::OnlyLeft) => "31",
        Some(Status::OnlyRight) => "32",
        Some(Status::Different) => "33",
        Some(Status::Unsure) => "35",
        Some(Status::Equal) => "2",
        None => "1;31",
    }
}

fn marked(code: &str, text: &str) -> String {
    format!("\u{1b}[{code}m{text}\u{1b}[0m")
}

fn names(row: Row) -> Option<String> {
    let (status, left, right, other) = match row {
        Row::Change(status, left, right) => (status, left, right, String::new()),
        Row::Moved(status, record, other) => (status, Some(record), None, arrow(status, &other)),
        Row::Failure(_) | Row::End(_) => return None,
    };
    let sign = match status {
        Status::OnlyLeft => '-',
        Status::OnlyRight => '+',
        Status::Different => '!',
        Status::Equal => '=',
        Status::Unsure => '?',
    };
    let name = right.or(left)?.name().printable();
    Some(format!("{sign} {name}{other}\n"))
}

/// Returns the other name of a moved file, behind an arrow.
fn arrow(status: Status, other: &Name) -> String {
    let sign = if status == Status::OnlyLeft { '→' } else { '←' };
    format!(" {sign} {}", other.printable())
}

/// Returns a row of the table. Its columns have fixed widths, except the last one (the name), so no row depends on the next ones.
fn table(row: Row) -> Option<String> {
    match row {
        Row::End(_) => None,
        Row::Failure(record) => {
            let reason = record.string("error").unwrap_or_default();
            Some(columns("error", "", "", "", &format!("{}: {}", record.name().printable(), printable(reason.as_bytes()))))
        }
        Row::Change(status, left, right) => entry(status, left.as_ref(), right.as_ref(), ""),
        Row::Moved(status, record, other) => entry(status, Some(&record), None, &arrow(status, &other)),
    }
}

/// Returns the row of a name. `other` stands behind it.
fn entry(status: Status, left: Option<&Record>, right: Option<&Record>, other: &str) -> Option<String> {
    let newest = right.or(left)?;
    let time = newest.modified().and_then(local_time).unwrap_or_default();
    let mut name = newest.name().printable() + other;
    if let (Kind::Link, Some(target)) = (newest.kind(), &newest.fields().destination) {
        name = format!("{name} -> {}", printable(target));
    }
    Some(columns(&status.to_string(), &both(left, right, word), &both(left, right, size), &time, &name))
}

fn columns(status: &str, kind: &str, size: &str, time: &str, name: &str) -> String {
    format!("{status:<10}  {kind:<9}  {size:>21}  {time:<19}  {name}\n")
}

/// Returns a value of both sides, such as `file→link`, or once if it is the same.
fn both(left: Option<&Record>, right: Option<&Record>, what: impl Fn(&Record) -> String) -> String {
    match (left.map(&what), right.map(&what)) {
        (Some(l), Some(r)) if l != r => format!("{}→{}", l, r),
        (Some(one), _) | (None, Some(one)) => one,
        (None, None) => String::new(),
    }
}

fn word(record: &Record) -> String {
    match record.kind() {
        Kind::File => "file",
        Kind::Link => "link",
        Kind::Directory => "dir",
        _ => "other",
    }
    .to_string()
}

fn size(record: &Record) -> String {
    match (record.kind(), record.fields().size) {
        (Kind::File, Some(bytes)) => readable(bytes),
        (Kind::File, None) => "?".to_string(),
        _ => "-".to_string(),
    }
}

/// Returns a time for display, in the time zone of the user; None if it is out of range.
pub fn local_time(time: Time) -> Option<String> {
    // chrono supports a few more years. With this limit, no time zone leads out of chrono's range.
    let utc = DateTime::from_timestamp(time.sec, time.nsec).filter(|t| t.year().abs() < 262_000)?;
    Some(utc.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string())
}

fn stat(status: Status, count: Count) -> String {
    let bytes = match status {
        Status::OnlyLeft | Status::Equal => readable(count.left),
        Status::OnlyRight => readable(count.right),
        Status::Different | Status::Unsure => format!("{} → {}", readable(count.left), readable(count.right)),
    };
    format!("{status:<10}  {:>10}  {bytes}\n", count.rows)
}

/// Returns a size for display: `999 B`, `1.2 KiB`.
pub fn readable(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].into_iter();
    let mut unit = "B";
    // 1023.95 would show as 1024.0.
    while value >= 1023.95 {
        let Some(next) = units.next() else { break };
        (value, unit) = (value / 1024.0, next);
    }
    match unit {
        "B" => format!("{bytes} B"),
        _ => format!("{value:.1} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_readable() {
        let shown: Vec<String> = [0, 1023, 1024, 1_048_524, 1_048_576, u64::MAX].into_iter().map(readable).collect();
        assert_eq!(shown, ["0 B", "1023 B", "1.0 KiB", "1023.9 KiB", "1.0 MiB", "16.0 EiB"]);
    }
}
