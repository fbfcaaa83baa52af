//! The page as a whole: its policy, style, script and data, and what is said of an incomplete input.

use super::facts::{Facts, Options, Seen};
use super::growth::Growth;
use super::parts::{Cell, clock, section};
use super::text::{html, shown};
use super::{chart, show};
use crate::digest::Digests;
use crate::display::counted;
use crate::end::End;
use crate::json::to_base64;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Returns the page.
pub fn page(facts: Facts, seen: &Seen, options: &Options, growth: Option<&Growth>) -> String {
    let is_diff = matches!(facts, Facts::Changes(_));
    let about = about(seen, options, is_diff);
    let notices = notices(seen, is_diff);
    let (main, data) = match facts {
        Facts::Files(files, contents) => show::files(files, contents, seen),
        Facts::Changes(changes) => show::changes(changes, seen),
    };
    let growth = growth.map(chart::section).unwrap_or_default();
    let failures = failures(seen);
    let title = html(&about[0]);
    let source = |text: &str| format!("'sha256-{}'", to_base64(&Digests::of(text.as_bytes()).1.0));
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(SCRIPT)
    );
    let head: String = about[1..].iter().map(|line| format!("<p class=\"about\">{}</p>", html(line))).collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
         <header><h1>{title}</h1>{head}</header>\n<main>\n{notices}{main}{growth}{failures}</main>\n\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script>{SCRIPT}</script>\n</body>\n</html>\n"
    )
}

/// Returns the title, and lines about the source.
fn about(seen: &Seen, options: &Options, is_diff: bool) -> Vec<String> {
    let (left, root) = (seen.root(0), seen.root(1));
    let what = if is_diff { "Changes" } else { "Files" };
    let mut lines = vec![root.or(left).map_or_else(|| what.to_string(), |root| format!("{what} of {}", shown(root)))];
    if let (Some(left), Some(right)) = (left, root)
        && left != right
    {
        lines.push(format!("From {} to {}", shown(left), shown(right)));
    }
    let made = options.time.map(|time| format!("Snapshot of {} UTC", clock(time)));
    lines.extend(made);
    lines.extend(options.from.clone());
    if let Some(seconds) = seen.end.as_ref().and_then(|end| end.more.get("work")?.get("seconds")?.as_f64()) {
        lines.push(format!("The backup took {seconds:.1} seconds."));
    }
    lines
}

/// Returns what is to be known of an input that is not complete.
fn notices(seen: &Seen, is_diff: bool) -> String {
    let mut notes = Vec::new();
    match &seen.end {
        None => notes
            .push("The input has no end record, so records may be missing: a program before this one may have died.".to_string()),
        Some(end) => notes.extend(of_end(end, is_diff)),
    }
    if seen.errors() > 0 {
        let names = counted(seen.errors(), "record");
        notes.push(format!("{names} failed when the list was made. What failed is missing in all numbers of this page."));
    }
    let notes: String = notes.iter().map(|note| format!("<li>{}</li>", html(note))).collect();
    match notes.is_empty() {
        true => String::new(),
        false => format!("<aside id=\"notices\" aria-label=\"Notes\"><ul>{notes}</ul></aside>\n"),
    }
}

fn of_end(end: &End, is_diff: bool) -> Vec<String> {
    let mut notes = Vec::new();
    let (is_short, by_rules) = match &end.sides {
        Some(sides) if is_diff => (sides.iter().any(End::is_short), sides.iter().any(|side| side.filtered)),
        _ => (end.is_short(), end.filtered),
    };
    // A row that a filter removed is not one of a side.
    if is_short || is_diff && end.filtered && !by_rules {
        notes.push("Records were left out on the way, so this is a part of the whole.".to_string());
    } else if by_rules {
        notes.push("The rules of the scan left some names out.".to_string());
    }
    if let Some(types) = &end.types {
        let names = |word: &String| match word.as_str() {
            "file" => "files".to_string(),
            "link" => "links".to_string(),
            "directory" => "folders".to_string(),
            other => shown(other),
        };
        notes.push(format!("Only {} were listed.", types.iter().map(names).collect::<Vec<_>>().join(" and ")));
    }
    notes
}

/// Returns the section of the records that failed.
fn failures(seen: &Seen) -> String {
    if seen.failures.is_empty() {
        return String::new();
    }
    let row = |(name, reason): &(String, String)| vec![Cell::Name(name.clone()), Cell::Text(reason.clone())];
    let rows: Vec<_> = seen.failures.iter().map(row).collect();
    section("failures", "What failed", "", &["Name", "Reason"], &rows, seen.failed - rows.len() as u64)
}
