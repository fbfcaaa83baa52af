//! The parts that all pages have: totals, tables, the map.

use super::text::html;
use crate::diff::readable;
use crate::display::counted;
use crate::display::grouped;
use crate::time::Time;

/// A cell of a table.
pub enum Cell {
    Text(String),
    /// A name, which may be long.
    Name(String),
    Count(u64),
    Bytes(u64),
    /// A number that is not known, or that makes no sense here.
    None,
}

/// A number of the totals: its identity, its title, and the number.
pub type Total = (&'static str, &'static str, Cell);

/// Returns a section with a table, which says how many more rows there are.
pub fn section(id: &str, title: &str, note: &str, heads: &[&str], rows: &[Vec<Cell>], others: u64) -> String {
    let rest = (others > 0).then(|| format!("… and {} more", grouped(others)));
    let note = if note.is_empty() { String::new() } else { format!("<p class=\"note\">{}</p>", html(note)) };
    format!(
        "<section aria-labelledby=\"{id}-h\"><h2 id=\"{id}-h\">{}</h2>{note}{}</section>\n",
        html(title),
        table(id, title, heads, rows, rest)
    )
}

/// Returns a table.
pub fn table(id: &str, caption: &str, heads: &[&str], rows: &[Vec<Cell>], rest: Option<String>) -> String {
    let number = |at: usize| {
        let is_text = rows.first().is_some_and(|row| matches!(row[at], Cell::Text(_) | Cell::Name(_)));
        if is_text { "" } else { " class=\"n\"" }
    };
    let heads: String =
        heads.iter().enumerate().map(|(at, head)| format!("<th scope=\"col\"{}>{}</th>", number(at), html(head))).collect();
    let body: String = rows.iter().map(|row| format!("<tr>{}</tr>", row.iter().map(cell).collect::<String>())).collect();
    let rest = rest.map(|rest| format!("<p class=\"rest\">{}</p>", html(&rest))).unwrap_or_default();
    format!(
        "<div class=\"scroll\"><table id=\"{id}\"><caption>{}</caption><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div>{rest}",
        html(caption)
    )
}

fn cell(cell: &Cell) -> String {
    match cell {
        Cell::Text(text) => format!("<td>{}</td>", html(text)),
        Cell::Name(name) => format!("<td class=\"name\">{}</td>", html(name)),
        Cell::Count(n) => format!("<td class=\"n\" data-n=\"{n}\">{}</td>", grouped(*n)),
        Cell::Bytes(n) => {
            format!("<td class=\"n\" data-n=\"{n}\" title=\"{}\">{}</td>", counted(*n, "byte"), readable(*n))
        }
        Cell::None => "<td class=\"n\">–</td>".to_string(),
    }
}

/// Returns the list of totals.
pub fn totals(totals: Vec<Total>) -> String {
    let mut out = String::from("<dl id=\"totals\">");
    for (id, title, number) in totals {
        let value = match number {
            Cell::Count(n) => format!("<dd id=\"{id}\" data-n=\"{n}\">{}</dd>", grouped(n)),
            Cell::Bytes(n) => format!("<dd id=\"{id}\" data-n=\"{n}\" title=\"{} bytes\">{}</dd>", grouped(n), readable(n)),
            Cell::Text(text) | Cell::Name(text) => format!("<dd id=\"{id}\">{}</dd>", html(&text)),
            Cell::None => format!("<dd id=\"{id}\">–</dd>"),
        };
        out.push_str(&format!("<div><dt>{}</dt>{value}</div>", html(title)));
    }
    out + "</dl>\n"
}

/// Returns the section of the map, which the script fills.
pub fn map(title: &str, note: &str, inside: &str) -> String {
    format!(
        "<section aria-labelledby=\"map-h\"><h2 id=\"map-h\">{}</h2><p class=\"note\">{}</p>\
         <noscript><p>The map needs the script of this page.</p></noscript>\
         <div class=\"bar\"><button type=\"button\" id=\"up\" disabled>Up</button>\
         <nav aria-label=\"The folder shown\"><ol id=\"crumbs\"></ol></nav></div>\
         <div id=\"map\" hidden role=\"group\" aria-label=\"Map\"></div><p id=\"said\" role=\"status\"></p>\
         <details><summary>The same as a table</summary><div class=\"scroll\"><table id=\"here\"><thead><tr><th scope=\"col\">Name</th>\
         <th scope=\"col\" class=\"n\">{inside}</th><th scope=\"col\" class=\"n\">Bytes</th><th scope=\"col\" class=\"n\">Share</th>\
         </tr></thead><tbody></tbody></table></div></details></section>\n",
        html(title),
        html(note)
    )
}

/// Returns a time for display: UTC, to the second.
pub fn clock(time: Time) -> String {
    let text = time.text();
    text.split('.').next().unwrap_or_default().replace('T', " ")
}
