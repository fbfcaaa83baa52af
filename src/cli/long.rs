//! The table of `snap-list --long`.

use super::{Console, Output, plot, terminal};
use crate::diff::readable;
use crate::display::{counted, grouped, printable};
use crate::error::Result;
use crate::parallel;
use crate::snapshot::{self, Facts, Found, MOST_AT_ONCE, Totals};
use crate::time::Time;
use crate::work::Work;
use std::sync::Arc;

/// The least width of the last column.
const NARROW: usize = 12;

/// Prints a line for each snapshot. At most `jobs` of them are read at once. A snapshot that can't be read is reported and left out.
///
/// # Errors
/// If the output can't be written.
pub fn long(found: Vec<Found>, jobs: usize, output: &mut Output, is_colored: bool, console: &Arc<Console>) -> Result<()> {
    let now = Time::now();
    let (jobs, reader) = (jobs.min(MOST_AT_ONCE), console.clone());
    let read = parallel::ordered_map(found.into_iter(), jobs, 2 * jobs, move |found: Found| {
        let row = row(&found, now, &reader);
        (found, row)
    });
    let mut rows = vec![HEAD.map(str::to_string)];
    for (found, row) in read {
        match row {
            Ok(row) => rows.push(row),
            Err(e) => console.unread(&found, &e),
        }
    }
    if rows.len() == 1 {
        return Ok(());
    }
    for line in lines(&rows, terminal::columns(output.is_terminal()), is_colored) {
        output.print(line.as_bytes())?;
    }
    Ok(())
}

const HEAD: [&str; 7] = ["TIME", "AGE", "FILES", "SIZE", "NEW", "TAGS", "ROOT"];
/// The columns of numbers.
const RIGHT: [bool; 7] = [false, true, true, true, true, false, false];

fn row(found: &Found, now: Time, console: &Arc<Console>) -> Result<[String; 7]> {
    let facts = Facts::of(found)?;
    let (files, bytes) = match facts.totals {
        Some(Totals { files: Some(files), bytes: Some(bytes), .. }) => (files, bytes),
        _ => counted_in(found, console)?,
    };
    let label = facts.label.unwrap_or_default();
    let new = Work::among(&label.more).map_or_else(|| "-".to_string(), |work| readable(work.stored));
    let errors = facts.totals.map_or(0, |totals| totals.errors);
    let notes = [
        (label.before_restore, "before a restore".to_string()),
        (errors > 0, format!("{} missing", counted(errors, "record"))),
        (label.filtered && !label.complete, "filtered".to_string()),
    ];
    let notes: Vec<String> = notes.into_iter().filter(|(is_so, _)| *is_so).map(|(_, note)| note).collect();
    let root =
        label.root.map_or_else(|| if label.put { "(snap-put)" } else { "-" }.to_string(), |root| printable(root.as_bytes()));
    let notes = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    Ok([
        plot::time(found),
        age(now.sec.saturating_sub(found.time.sec)),
        grouped(files),
        readable(bytes),
        new,
        if label.tags.is_empty() { "-".to_string() } else { printable(label.tags.join(",").as_bytes()) },
        root + &notes,
    ])
}

/// Returns the number of files and the sum of their sizes, from the records themselves: the Python tool does not note them.
fn counted_in(found: &Found, console: &Arc<Console>) -> Result<(u64, u64)> {
    let mut totals = Totals::none();
    for record in snapshot::read(&found.place, console.clone())? {
        let record = record?;
        if record.is_entry() {
            totals.add(&record);
        }
    }
    Ok((totals.files.unwrap_or(0), totals.bytes.unwrap_or(0)))
}

/// Returns an age in its largest unit, such as `5h`. A snapshot that is dated in the future has none.
fn age(seconds: i64) -> String {
    const DAY: i64 = 86_400;
    let units = [(365 * DAY, "y"), (7 * DAY, "w"), (DAY, "d"), (3600, "h"), (60, "m"), (1, "s")];
    // Twelve weeks say less than 84 days.
    let few = |(length, unit): &&(i64, &str)| seconds >= *length * if *unit == "w" { 9 } else { 1 };
    match units.iter().find(few) {
        Some((length, unit)) => format!("{}{unit}", seconds / length),
        None => "0s".to_string(),
    }
}

/// Returns the lines of a table. If the width is known, the last column is cut to it, at its start, where paths are alike.
fn lines(rows: &[[String; 7]], columns: Option<usize>, is_colored: bool) -> Vec<String> {
    let wide = |text: &String| text.chars().count();
    let widths: Vec<usize> = (0..7).map(|at| rows.iter().map(|row| wide(&row[at])).max().unwrap_or(0)).collect();
    let left: usize = widths[..6].iter().map(|width| width + 2).sum();
    let room = columns.map(|columns| columns.saturating_sub(left).max(NARROW));
    let line = |(i, row): (usize, &[String; 7])| {
        let mut line = String::new();
        for (at, text) in row.iter().enumerate() {
            let blank = " ".repeat(widths[at].saturating_sub(wide(text)));
            let cut = if at == 6 { cut(text, room) } else { text.clone() };
            line += &if RIGHT[at] { format!("{blank}{cut}  ") } else { format!("{cut}{blank}  ") };
        }
        let line = line.trim_end();
        if is_colored && i == 0 { format!("\x1b[1m{line}\x1b[0m\n") } else { format!("{line}\n") }
    };
    rows.iter().enumerate().map(line).collect()
}

fn cut(text: &str, room: Option<usize>) -> String {
    let len = text.chars().count();
    match room {
        Some(room) if len > room => "…".chars().chain(text.chars().skip(len + 1 - room)).collect(),
        _ => text.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_have_one_unit() {
        let shown = [-5, 0, 59, 60, 7199, 86_399, 86_400 * 62, 86_400 * 63, 86_400 * 800].map(age);
        assert_eq!(shown, ["0s", "0s", "59s", "1m", "1h", "23h", "62d", "9w", "2y"]);
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_is_wide() {
        let row =
            |root: &str| ["2026-11-26 21:12:17", "5h", "1,234,567", "123.4 GiB", "12.0 MiB", "daily", root].map(str::to_string);
        let rows = [HEAD.map(str::to_string), row("/usr/share"), row("/home/somebody/with/a/long/path")];
        for width in [80, 100] {
            let lines = lines(&rows, Some(width), false);
            assert!(lines.iter().all(|line| line.trim_end().chars().count() <= width), "{}", lines.concat());
        }
        assert!(lines(&rows, Some(80), false)[2].ends_with("  …th/a/long/path\n"));
        assert!(lines(&rows, None, false)[2].ends_with("/home/somebody/with/a/long/path\n"));
    }
}
