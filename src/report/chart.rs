//! The growth over snapshots: two drawn lines, and a table.

use super::growth::{Growth, Point};
use super::parts::{Cell, clock, table};
use super::text::html;
use super::top::ROWS;
use crate::diff::readable;
use crate::display::counted;
use crate::display::grouped;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 180.0;
const EDGE: f64 = 12.0;

/// The points of a line that are drawn. Of more, some are left out.
const POINTS: usize = 500;

/// Returns the section of the page.
pub fn section(growth: &Growth) -> String {
    let mut out = String::from("<section aria-labelledby=\"growth-h\"><h2 id=\"growth-h\">Growth</h2>");
    let mut notes = Vec::new();
    if growth.skipped > 0 {
        let snapshots = counted(growth.skipped, "snapshot");
        notes.push(format!("{snapshots} of other folders, of snap-put or from before a restore left out."));
    }
    if growth.failed > 0 {
        notes.push(format!("{} could not be read, and left out.", counted(growth.failed, "snapshot")));
    }
    notes.iter().for_each(|note| out.push_str(&format!("<p class=\"note\">{}</p>", html(note))));
    if growth.points.is_empty() {
        return out + "<p>There is no snapshot.</p></section>";
    }
    out.push_str("<div class=\"charts\">");
    out.push_str(&line(&growth.points, "Bytes of the files", |point| point.bytes, readable));
    out.push_str(&line(&growth.points, "Files", |point| point.files, grouped));
    out.push_str("</div>");
    let row = |point: &Point| {
        vec![Cell::Text(clock(point.time)), Cell::Count(point.files), Cell::Bytes(point.bytes), Cell::Bytes(point.stored)]
    };
    let rows: Vec<Vec<Cell>> = growth.points.iter().rev().take(ROWS).map(row).collect();
    let older = growth.points.len() - rows.len();
    let rest = (older > 0).then(|| format!("… and {} before", counted(older as u64, "snapshot")));
    let heads = ["Time (UTC)", "Files", "Bytes of the files", "Snapshot file"];
    out + &table("growth", "Snapshots, newest first", &heads, &rows, rest) + "</section>"
}

/// Returns a drawn line of a value over time.
fn line(points: &[Point], title: &str, value: impl Fn(&Point) -> u64, shown: impl Fn(u64) -> String) -> String {
    let most = points.iter().map(&value).max().unwrap_or(0);
    let seconds = |point: &Point| point.time.as_double();
    let (first, last) = (points.first().map_or(0.0, seconds), points.last().map_or(0.0, seconds));
    let x = |point: &Point| match last > first {
        true => EDGE + (seconds(point) - first) / (last - first) * (WIDTH - 2.0 * EDGE),
        false => WIDTH / 2.0,
    };
    let y = |point: &Point| HEIGHT - EDGE - value(point) as f64 / most.max(1) as f64 * (HEIGHT - 2.0 * EDGE);
    let step = points.len().div_ceil(POINTS).max(1);
    let is_drawn = |at: usize| at.is_multiple_of(step) || at + 1 == points.len();
    let drawn: Vec<&Point> = points.iter().enumerate().filter(|(at, _)| is_drawn(*at)).map(|(_, point)| point).collect();
    let path: Vec<String> = drawn.iter().map(|point| format!("{:.1},{:.1}", x(point), y(point))).collect();
    let mut out = format!(
        "<figure><figcaption>{title}: {} now, at most {}</figcaption><svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{title} over time\">\
         <line class=\"axis\" x1=\"0\" x2=\"{WIDTH}\" y1=\"{base}\" y2=\"{base}\"/><polyline class=\"line\" points=\"{}\"/>",
        html(&shown(points.last().map_or(0, &value))),
        html(&shown(most)),
        path.join(" "),
        base = HEIGHT - EDGE,
    );
    for point in drawn {
        let tip = html(&format!("{}: {}", clock(point.time), shown(value(point))));
        out.push_str(&format!("<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"3\"><title>{tip}</title></circle>", x(point), y(point)));
    }
    let day = |point: Option<&Point>| point.map(|point| clock(point.time).split(' ').next().unwrap_or_default().to_string());
    let (from, to) = (day(points.first()).unwrap_or_default(), day(points.last()).unwrap_or_default());
    out + &format!("</svg><p class=\"ends\"><span>{}</span><span>{}</span></p></figure>", html(&from), html(&to))
}
