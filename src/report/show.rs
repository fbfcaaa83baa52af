//! The two kinds of pages: of records, and of rows of a comparison.

use super::changes::{Change, Changes, sign};
use super::facts::Seen;
use super::files::{Contents, Copies, Files};
use super::parts::{Cell, clock, map, section, totals};
use super::tree::NODES;
use crate::diff::Status;
use crate::display::{counted, grouped};

/// Returns the body and the data of the page about records.
pub fn files(files: Files, contents: Contents, seen: &Seen) -> (String, String) {
    let mut numbers = vec![
        ("files", "Files", Cell::Count(files.files)),
        ("bytes", "Bytes of the files", Cell::Bytes(files.bytes)),
        ("folders", "Folders", Cell::Count(files.folders)),
        ("links", "Links", Cell::Count(files.links)),
    ];
    if files.others > 0 {
        numbers.push(("others", "Others", Cell::Count(files.others)));
    }
    numbers.push(("errors", "Failed", Cell::Count(seen.errors())));
    if files.unread < files.files {
        numbers.push(("distinct", "Different contents", Cell::Count(contents.distinct)));
        numbers.push(("saved", "Saved by storing each once", Cell::Bytes(contents.saved)));
    }
    let mut out = totals(numbers);
    if files.sizeless > 0 {
        out.push_str(&format!("<p class=\"note\">The size of {} is not known.</p>", counted(files.sizeless, "file")));
    }
    let note = format!(
        "Each area is as large as the files in it. The map has the {} largest files and folders; smaller ones are summed up in their folder.",
        grouped(NODES as u64)
    );
    out.push_str(&map("Sizes by folder", &note, "Files in it"));

    let (largest, others) = files.largest.finish();
    let rows: Vec<_> = largest.into_iter().map(|(bytes, name)| vec![Cell::Bytes(bytes), Cell::Name(name.0)]).collect();
    out.push_str(&section("largest", "Largest files", "", &["Bytes", "Name"], &rows, others));

    let (newest, others) = files.newest.finish();
    let row = |(time, name, size): (_, std::cmp::Reverse<String>, Option<u64>)| {
        vec![Cell::Text(clock(time)), size.map_or(Cell::None, Cell::Bytes), Cell::Name(name.0)]
    };
    let rows: Vec<_> = newest.into_iter().map(row).collect();
    out.push_str(&section("newest", "Newest files", "", &["Modified (UTC)", "Bytes", "Name"], &rows, others));
    out.push_str(&copies(contents, files.files, files.unread));
    (out, format!("{{\"one\":\"file\",\"tree\":{}}}", files.tree.json(NODES)))
}

/// Returns the section of contents that several files have.
fn copies(contents: Contents, files: u64, unread: u64) -> String {
    if unread == files && files > 0 {
        let note = "The records have no md5, so it is not known which files have the same content.";
        return format!("<section><h2>Most duplicated contents</h2><p id=\"no-md5\">{note}</p></section>\n");
    }
    let (most, others) = contents.most.finish();
    let row = |copies: Copies| {
        let hidden = copies.count - copies.names.len() as u64;
        let more = if hidden > 0 { format!(", … and {hidden} more") } else { String::new() };
        vec![
            Cell::Bytes(copies.saved),
            Cell::Count(copies.count),
            Cell::Bytes(copies.size),
            Cell::Name(copies.names.join(", ") + &more),
        ]
    };
    let rows: Vec<_> = most.into_iter().map(row).collect();
    let mut note = "A heap stores each content once. Saved are the bytes of all copies but one.".to_string();
    if unread > 0 {
        note.push_str(&format!(" {} without md5 not compared.", counted(unread, "file")));
    }
    section("copies", "Most duplicated contents", &note, &["Saved", "Copies", "Bytes of one", "Names"], &rows, others)
}

/// Returns the body and the data of the page about rows.
pub fn changes(changes: Changes, seen: &Seen) -> (String, String) {
    let count = |status: Status| changes.counts[status as usize];
    let rows = |status: Status| Cell::Count(count(status).rows);
    let mut numbers = vec![
        ("only_right", "New", rows(Status::OnlyRight)),
        ("only_left", "Removed", rows(Status::OnlyLeft)),
        ("different", "Changed", rows(Status::Different)),
    ];
    let more = [("unsure", "Unsure", Status::Unsure), ("equal", "Equal", Status::Equal)];
    numbers.extend(more.into_iter().filter(|(_, _, s)| count(*s).rows > 0).map(|(id, title, s)| (id, title, rows(s))));
    if changes.moved > 0 {
        numbers.push(("moved", "Moved, in both of new and removed", Cell::Count(changes.moved)));
    }
    numbers.push(("bytes", "Bytes that changed", Cell::Bytes(changes.tree.sum().bytes)));
    numbers.push(("errors", "Failed", Cell::Count(seen.errors())));
    let mut out = totals(numbers);
    let row = |status: Status| {
        let count = Some(count(status)).filter(|count| count.rows > 0)?;
        let word = format!("{} {status}", sign(status));
        Some(vec![Cell::Text(word), Cell::Count(count.rows), Cell::Bytes(count.left), Cell::Bytes(count.right)])
    };
    let rows: Vec<_> = Status::ALL.into_iter().filter_map(row).collect();
    out.push_str(&section("statuses", "By status", "", &["Status", "Rows", "Bytes before", "Bytes after"], &rows, 0));
    let note = format!(
        "Each area is as large as what changed: the larger of both sides of a file; nothing, if only its metadata changed. \
         + is new, - removed, ! changed. The map has the {} largest names; smaller ones are summed up in their folder.",
        grouped(NODES as u64)
    );
    out.push_str(&map("Changes by folder", &note, "Rows in it"));
    let (largest, others) = changes.largest.finish();
    let side = |bytes: Option<u64>| bytes.map_or(Cell::None, Cell::Bytes);
    let row = |change: Change| {
        let other = match (change.sign, change.other) {
            (_, None) => String::new(),
            ('-', Some(name)) => format!(" → {name}"),
            (_, Some(name)) => format!(" ← {name}"),
        };
        let name = format!("{} {}{other}", change.sign, change.name.0);
        vec![Cell::Bytes(change.bytes), side(change.left), side(change.right), Cell::Name(name)]
    };
    let rows: Vec<_> = largest.into_iter().map(row).collect();
    out.push_str(&section("largest", "Largest changes", "", &["Bytes that changed", "Before", "After", "Name"], &rows, others));
    (out, format!("{{\"one\":\"row\",\"tree\":{}}}", changes.tree.json(NODES)))
}
