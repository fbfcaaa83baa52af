//! Bodies of several parts: many requests in one, and their answers; an object together with its metadata.

use super::service::Head;
use http::Method;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

/// Returns the content type and the body of a `multipart/mixed` of many requests. Each has a method, a path with its query, and
/// headers.
pub fn requests(parts: impl IntoIterator<Item = (Method, String, Vec<(String, String)>)>) -> (String, String) {
    let boundary = boundary();
    let mut body = String::new();
    for (at, (method, path, headers)) in parts.into_iter().enumerate() {
        body += &format!(
            "--{boundary}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {at}\r\n\r\n\
             {method} {path} HTTP/1.1\r\n"
        );
        headers.iter().for_each(|(name, value)| body += &format!("{name}: {value}\r\n"));
        body += "\r\n";
    }
    body += &format!("--{boundary}--\r\n");
    (format!("multipart/mixed; boundary={boundary}"), body)
}

/// Returns the content type and the body of a `multipart/related` of an object: its metadata as JSON, and its content.
pub fn related(about: &str, content_type: &str, content: &[u8]) -> (String, Vec<u8>) {
    let boundary = boundary();
    let head = format!(
        "--{boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n{about}\r\n--{boundary}\r\nContent-Type: \
         {content_type}\r\n\r\n"
    );
    let body = [head.as_bytes(), content, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    (format!("multipart/related; boundary={boundary}"), body)
}

/// Returns a random separator of parts, which no content has by chance.
fn boundary() -> String {
    let random = RandomState::new();
    format!("part_{:016x}{:016x}", random.hash_one(1u8), random.hash_one(2u8))
}

/// The answer to one of many requests.
#[derive(Debug, PartialEq)]
pub struct Part {
    /// The status.
    pub status: u16,
    /// The headers, one in each line.
    pub head: String,
    /// The body.
    pub body: String,
}

impl Part {
    /// Returns a header; empty if there is none.
    pub fn header(&self, name: &str) -> String {
        header(&self.head, name).unwrap_or_default()
    }
}

/// Returns the answers in a `multipart/mixed` by their number, without those that can't be read; None if it is something else.
pub fn answers(head: &Head, body: &[u8]) -> Option<HashMap<usize, Part>> {
    let content_type = head.text("content-type")?;
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let boundary = content_type[at..].split(';').next()?.trim().trim_matches('"');
    (!boundary.is_empty()).then(|| split(boundary, &String::from_utf8_lossy(body)))
}

fn split(boundary: &str, body: &str) -> HashMap<usize, Part> {
    let body = body.replace("\r\n", "\n");
    body.split(&format!("--{boundary}")).filter_map(read).collect()
}

fn read(part: &str) -> Option<(usize, Part)> {
    let (outer, inner) = part.split_once("\n\n")?;
    let (head, body) = inner.split_once("\n\n").unwrap_or((inner, ""));
    let (first, head) = head.trim_start().split_once('\n').unwrap_or((head.trim_start(), ""));
    let status = first.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.trim().parse().ok()?;
    // Google writes a word before the number.
    let id = header(outer, "content-id")?;
    let at = id.trim_matches(['<', '>']).trim_start_matches("response-").parse().ok()?;
    Some((at, Part { status, head: head.to_string(), body: body.trim().to_string() }))
}

fn header(lines: &str, name: &str) -> Option<String> {
    let mut pairs = lines.lines().filter_map(|line| line.split_once(':'));
    pairs.find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, StatusCode};

    #[test]
    fn a_part_is_a_request_of_its_own() {
        let headers = vec![("x-ms-date".to_string(), "now".to_string())];
        let (content_type, body) = requests([(Method::DELETE, "/box/a%20b?sig=x".to_string(), headers)]);
        let lines: Vec<&str> = body.split("\r\n").collect();
        let mark = format!("--{}", content_type.strip_prefix("multipart/mixed; boundary=").unwrap());
        let outer = ["Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 0", ""];
        let inner = ["DELETE /box/a%20b?sig=x HTTP/1.1", "x-ms-date: now", ""];
        assert_eq!(lines, [&[mark.as_str()][..], &outer, &inner, &[&format!("{mark}--"), ""]].concat());
    }

    #[test]
    fn answers_are_found_by_their_number() {
        let body = "--b_1\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 404 The specified blob does not \
            exist.\r\nx-ms-error-code: BlobNotFound\r\nContent-Length: 3\r\n\r\n<a>\r\n--b_1\r\nContent-ID: <response-0>\r\n\r\nHTTP/1.1 \
            202 Accepted\r\nServer: x\r\n\r\n--b_1\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n--b_1\r\nContent-ID: 2\r\n\r\nnonsense\
            \r\n--b_1--";
        let answers = |content_type: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("content-type", content_type.parse().unwrap());
            super::answers(&Head { status: StatusCode::OK, headers }, body.as_bytes())
        };
        let found = answers("multipart/mixed; Boundary=\"b_1\"; x=y").unwrap();
        let mut told: Vec<_> =
            found.iter().map(|(at, p)| (*at, p.status, p.header("X-Ms-Error-Code"), p.body.as_str())).collect();
        told.sort();
        assert_eq!(told, [(0, 202, String::new(), ""), (1, 404, "BlobNotFound".to_string(), "<a>")]);
        assert!(answers("text/plain").is_none());
    }
}
