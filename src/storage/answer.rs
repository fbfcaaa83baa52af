//! Descriptions of unexpected answers. A good status alone is not enough: a login page or the console of a service answers
//! every request with 200.

use super::xml;
use crate::display::printable;
use reqwest::StatusCode;

/// The maximum number of characters that are shown of a service's message.
const MOST: usize = 200;

/// The description that [`kind`] returns for an HTML page.
pub(super) const PAGE: &str = "an HTML page";

/// Describes an answer. Of its content only the code and the message of an error are shown.
pub(super) fn kind(content_type: Option<&str>, body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    if is_page(content_type, body) {
        return PAGE.to_string();
    }
    if text.trim().is_empty() {
        return "an empty body".to_string();
    }
    if let Some(said) = ErrorBody::of(body) {
        return format!("an error: {said}");
    }
    match xml::root(&text) {
        Some(root) => format!("XML of another kind (<{}>)", shortened(&root)),
        None if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => "JSON of another kind".to_string(),
        None => "something else".to_string(),
    }
}

/// Whether an answer is an HTML page. Some services call all their answers `text/html`, even empty ones.
pub(super) fn is_page(content_type: Option<&str>, body: &[u8]) -> bool {
    let start = String::from_utf8_lossy(&body[..body.len().min(256)]).to_ascii_lowercase();
    let start = start.trim_start_matches('\u{feff}').trim_start();
    if start.starts_with('<') {
        return start.starts_with("<!doctype html") || xml::root(start).is_some_and(|root| is_html(&root));
    }
    is_named_page(content_type) && !start.is_empty() && !start.starts_with('{')
}

/// Whether a content type is that of an HTML page.
pub(super) fn is_named_page(content_type: Option<&str>) -> bool {
    content_type
        .map(|t| t.trim().to_ascii_lowercase())
        .is_some_and(|t| t.starts_with("text/html") || t.starts_with("application/xhtml"))
}

fn is_html(root: &str) -> bool {
    matches!(
        root.to_ascii_lowercase().as_str(),
        "html" | "head" | "body" | "script" | "meta" | "title" | "div" | "p" | "h1" | "form"
    )
}

/// Returns the message about an unexpected answer.
pub(super) fn instead(asked: &str, status: StatusCode, came: &str) -> String {
    match status.as_u16() {
        200 => format!("the service answered with {came}, not with {asked}"),
        300..400 => format!("the service sends elsewhere ({status}) instead of answering with {asked}"),
        _ => format!("the service answered with {status} and {came}, not with {asked}"),
    }
}

/// The error that a service sends as XML or JSON.
pub(super) struct ErrorBody {
    /// A code such as `NoSuchKey`, or the number that Google sends.
    pub code: String,
    /// The message.
    pub message: String,
}

impl ErrorBody {
    /// Reads an error. Returns None if the body is something else.
    pub fn of(body: &[u8]) -> Option<ErrorBody> {
        let text = std::str::from_utf8(body).ok()?;
        let mut said = ErrorBody { code: String::new(), message: String::new() };
        if text.trim_start().starts_with('{') {
            let json: serde_json::Value = serde_json::from_str(text).ok()?;
            let error = json.get("error")?;
            let code = error.get("code").unwrap_or(error);
            said.code = code.as_str().map_or_else(|| code.to_string(), str::to_string);
            said.message = error.get("message").and_then(|m| m.as_str()).unwrap_or_default().to_string();
            return Some(said).filter(|said| !said.code.is_empty());
        }
        let error = xml::parse(text.trim_start()).ok().filter(|root| root.name == "Error")?;
        said.code = error.value("Code")?.to_string();
        said.message = error.value("Message").unwrap_or_default().to_string();
        Some(said)
    }
}

impl std::fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&shortened(&self.code))?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", shortened(&self.message)) }
    }
}

/// Returns the first line, cut to [`MOST`] characters, without possible secrets: what follows `sig=` or `Bearer `, and long words
/// of base64.
pub(super) fn shortened(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=' | '%' | '-' | '_' | '.');
    let mut out = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let end = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let (part, after) = rest.split_at(end);
        let secret = part.len() >= 40 || part.to_ascii_lowercase().contains("sig=") || out.ends_with("Bearer ");
        out.push_str(if secret { "..." } else { part });
        let next = after.find(word).unwrap_or(after.len());
        out.push_str(&after[..next]);
        rest = &after[next..];
    }
    let end = out.char_indices().nth(MOST).map_or(out.len(), |(at, _)| at);
    printable(&out.as_bytes()[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_named() {
        for (content_type, body, name) in [
            (Some("text/html"), "Please log in", "an HTML page"),
            (None, "\n<!DOCTYPE HTML>\n<html>", "an HTML page"),
            (Some("text/html; charset=utf-8"), "<html><br>", "an HTML page"),
            (Some("text/html"), "<Error><Code>NoSuchKey</Code><Message>no\nsecret</Message></Error>", "an error: NoSuchKey: no"),
            (Some("text/html"), "{\"error\": {\"code\": 404, \"message\": \"no\"}}", "an error: 404: no"),
            (None, "{\"error\": \"invalid_grant\"}", "an error: invalid_grant"),
            (
                Some("application/xml"),
                "<?xml version=\"1.0\"?><ListAllMyBucketsResult/>",
                "XML of another kind (<ListAllMyBucketsResult>)",
            ),
            (None, "[1]", "JSON of another kind"),
            (None, " ", "an empty body"),
            (None, "hello", "something else"),
        ] {
            assert_eq!(kind(content_type, body.as_bytes()), name, "{body}");
        }
    }
    #[test]
    fn what_a_service_says_is_cut_and_cleaned() {
        for (text, short_text) in [
            ("one\ntwo", "one"),
            ("a \x1b[31m b", "a \\u{1b}[31m b"),
            ("no sv=1&sig=abc%2Bdef&se=2", "no sv=1&...&se=2"),
            ("MAC signature 'c0Vj+cmV0c0VjcmV0c0VjcmV0c0VjcmV0c0VjcmV0c0Vj=' is wrong", "MAC signature '...' is wrong"),
            ("Authorization: Bearer abc", "Authorization: Bearer ..."),
        ] {
            assert_eq!(shortened(text), short_text);
        }
        assert_eq!(shortened(&"ä ".repeat(500)).chars().count(), MOST);
    }
}
