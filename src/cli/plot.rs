//! A plot of the snapshots for a terminal: a line for each, with bars for the number of its records and for its size.

use super::{Console, Output, terminal};
use crate::diff::{local_time, readable};
use crate::error::Result;
use crate::snapshot::{Facts, Found};

/// The columns that a line has if neither the terminal nor COLUMNS says how many there are.
const WIDTH: usize = 80;

/// From this width on, there is room for two bars.
const WIDE: usize = 64;

/// The least width that a plot needs.
const NARROW: usize = 40;

/// A snapshot. The number of records is not known of those of the Python tool.
struct Point {
    time: String,
    records: Option<u64>,
    size: u64,
}

/// Prints the plot. A snapshot that can't be read is reported and left out.
///
/// # Errors
/// If the output can't be written.
pub fn plot<'a>(found: impl Iterator<Item = &'a Found>, output: &mut Output, is_colored: bool, console: &Console) -> Result<()> {
    let mut points = Vec::new();
    for found in found {
        match point(found) {
            Ok(point) => points.push(point),
            Err(e) => console.unread(found, &e),
        }
    }
    if points.is_empty() {
        return Ok(());
    }
    let columns = terminal::columns(output.is_terminal()).unwrap_or(WIDTH).max(NARROW);
    for line in lines(&points, columns, is_colored) {
        output.print(line.as_bytes())?;
    }
    Ok(())
}

fn point(found: &Found) -> Result<Point> {
    let facts = Facts::of(found)?;
    Ok(Point { time: time(found), records: facts.totals.map(|totals| totals.records), size: facts.stored_size })
}

/// Returns the time of a snapshot in the time zone of the user.
pub(super) fn time(found: &Found) -> String {
    local_time(found.time).unwrap_or_else(|| found.time.text())
}

fn lines(points: &[Point], width: usize, is_colored: bool) -> Vec<String> {
    let most = |value: fn(&Point) -> u64| points.iter().map(value).max().unwrap_or(0);
    let (records, size) = (most(|point| point.records.unwrap_or(0)), most(|point| point.size));
    let count = |point: &Point| point.records.map_or_else(|| "?".to_string(), |n| n.to_string());
    let digits = points.iter().map(|point| count(point).len()).max().unwrap_or(0).max("RECORDS".len());
    let is_wide = width >= WIDE + digits - "RECORDS".len();
    // Two spaces stand between the columns, one before a bar.
    let left = 19 + 2 + digits + 1;
    let bars = match is_wide {
        true => (width - left - 2 - 10 - 1) / 2,
        false => width.saturating_sub(left).max(1),
    };
    let painted = |code: &str, text: String| if is_colored { format!("\x1b[{code}m{text}\x1b[0m") } else { text };
    let mut head = format!("{:<19}  {:>digits$}", "TIME", "RECORDS");
    if is_wide {
        head.push_str(&format!(" {:bars$}  {:>10}", "", "SIZE"));
    }
    let mut lines = vec![painted("1", head) + "\n"];
    for point in points {
        let first = bar(point.records.unwrap_or(0), records, bars);
        let blank = " ".repeat(bars - first.chars().count());
        let mut line = format!("{:<19}  {:>digits$} {}", point.time, count(point), painted("36", first));
        if is_wide {
            line.push_str(&format!("{blank}  {:>10} {}", readable(point.size), painted("34", bar(point.size, size, bars))));
        }
        lines.push(line.trim_end().to_string() + "\n");
    }
    lines
}

/// Returns a bar of a value: as long as the width for the greatest value, and never nothing for a value above 0.
fn bar(value: u64, most: u64, width: usize) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = match value {
        0 => 0,
        _ => ((value as f64 / most.max(1) as f64 * width as f64 * 8.0).round() as usize).clamp(1, width * 8),
    };
    "█".repeat(eighths / 8) + PARTS[eighths % 8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_long_as_their_values() {
        assert_eq!([0, 1, 50, 100].map(|n| bar(n, 100, 4)), ["", "▏", "██", "████"]);
        assert_eq!((bar(1, 1_000_000, 4), bar(0, 0, 4), bar(7, 8, 1)), ("▏".into(), String::new(), "▉".into()));
    }

    #[test]
    fn no_line_is_longer_than_the_terminal_is_wide() {
        let point = |records, size| Point { time: "2026-11-25 20:33:56".into(), records, size };
        let points = [point(Some(1_234_567_890), u64::MAX), point(Some(1), 1), point(None, 0)];
        for width in [40, 63, 64, 66, 67, 80, 200] {
            let lines = lines(&points, width, false);
            let longest = lines.iter().map(|line| line.trim_end().chars().count()).max().unwrap();
            assert!(longest <= width && longest + 2 > width, "{width}: {longest}\n{}", lines.concat());
        }
        assert!(lines(&points, 80, false)[3].starts_with("2026-11-25 20:33:56           ?"), "it is not known");
    }
}
