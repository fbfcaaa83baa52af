//! What the service says, as errors of one line without secrets.

use crate::display::printable;
use crate::storage::LoginRefused;
use std::error::Error as _;
use std::io::{self, ErrorKind};

/// Why a request did not do what it should.
#[derive(Debug)]
pub struct Failed {
    /// The status; 0 without an answer.
    pub status: u16,
    /// The service's own code, as `BlobNotFound`; empty where it gave none.
    pub code: String,
    /// Tries that were made. After the first one something that is found may be one's own.
    pub tries: u32,
    /// For whoever called.
    pub error: io::Error,
}

impl From<Failed> for io::Error {
    fn from(failed: Failed) -> io::Error {
        failed.error
    }
}

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Failed {
        Failed { status: 0, code: String::new(), tries: 1, error }
    }
}

/// An answer that is no success. `code` is from its header, `body` what came with it.
pub fn answered(status: u16, code: Option<&str>, body: &[u8], container: &str) -> Failed {
    let said = super::xml::error(body);
    let code = code.map(short).or_else(|| said.code.as_deref().map(short)).unwrap_or_default();
    let text = said.detail.or(said.message).map(|t| short(&t).trim_end_matches('.').to_string()).filter(|t| !t.is_empty());
    let mut line = format!("status {status}");
    for (mark, part) in [(" ", Some(code.clone()).filter(|c| !c.is_empty())), (": ", text)] {
        if let Some(part) = part {
            line = line + mark + &part;
        }
    }
    if code == "ContainerNotFound" {
        line = format!("status 404 ContainerNotFound: the container {} does not exist", printable(container.as_bytes()));
    }
    if (300..400).contains(&status) {
        line += ": redirections are not followed";
    }
    let kind = match status {
        401 | 403 => ErrorKind::PermissionDenied,
        404 => ErrorKind::NotFound,
        _ if matches!(&*code, "Md5Mismatch" | "InvalidMd5" | "Crc64Mismatch") => ErrorKind::InvalidData,
        _ if matches!(&*code, "PublicAccessNotPermitted" | "NoAuthenticationInformation") => ErrorKind::PermissionDenied,
        _ => ErrorKind::Other,
    };
    if let Some(advice) = advice(status, &code) {
        line = line + "; " + advice;
    }
    // "Server failed to authenticate the request": whatever it was, all others fare the same.
    let is_login = status == 401 || matches!(&*code, "AuthenticationFailed" | "InvalidAuthenticationInfo");
    let error = if is_login { LoginRefused(line).into() } else { io::Error::new(kind, line) };
    Failed { status, code, tries: 1, error }
}

fn advice(status: u16, code: &str) -> Option<&'static str> {
    match code {
        "AuthenticationFailed" => Some("check the account key or SAS token, its times, and this machine's clock"),
        "AuthorizationFailure" => Some("check the credential and what it allows, and the network rules of the account"),
        "AuthorizationPermissionMismatch" | "InsufficientAccountPermissions" => {
            Some("check the permissions; an identity needs the role Storage Blob Data Contributor, or Reader to read")
        }
        "KeyBasedAuthenticationNotPermitted" => Some("the account takes no keys; use az login or another identity"),
        "PublicAccessNotPermitted" | "NoAuthenticationInformation" => Some("the container is not public; give a credential"),
        _ if matches!(status, 401 | 403) => Some("check the account and its credential"),
        _ => None,
    }
}

/// No answer, or only a part of one. Never with the URL, which may hold a signature.
pub fn broken(host: &str, error: reqwest::Error) -> io::Error {
    let kind = if error.is_timeout() { ErrorKind::TimedOut } else { ErrorKind::Other };
    let error = error.without_url();
    // The outer ones only say that sending or connecting failed; the innermost says why.
    let mut reason = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        reason = inner.to_string();
        source = inner.source();
    }
    if let Some(refused) = super::super::tls::refused(&reason) {
        return io::Error::new(kind, format!("{host}: {refused}"));
    }
    let reason = reason.find(" (os error ").map_or(&*reason, |at| &reason[..at]);
    io::Error::new(kind, format!("{host}: {}", short(reason)))
}

/// Nothing came for so many seconds.
pub fn stalled(host: &str, seconds: u64) -> io::Error {
    io::Error::new(ErrorKind::TimedOut, format!("{host}: nothing came for {seconds} seconds"))
}

/// The first line, not too long, without what could be a signature: what stands behind `sig=` or `Bearer `, and long words
/// of base64.
pub fn short(text: &str) -> String {
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
    let end = out.char_indices().nth(200).map_or(out.len(), |(at, _)| at);
    printable(&out.as_bytes()[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_kinds_and_one_line() {
        let body = b"<Error><Code>AuthorizationFailure</Code><Message>Not allowed.\nRequestId:1\nTime:2</Message></Error>";
        let e = answered(403, None, body, "box").error;
        assert_eq!(e.kind(), ErrorKind::PermissionDenied);
        assert!(e.to_string().starts_with("status 403 AuthorizationFailure: Not allowed; check the credential"), "{e}");
        for (status, code, kind, said) in [
            (404, "ContainerNotFound", ErrorKind::NotFound, "the container box does not exist"),
            (404, "BlobNotFound", ErrorKind::NotFound, "status 404 BlobNotFound"),
            (400, "Md5Mismatch", ErrorKind::InvalidData, "status 400 Md5Mismatch"),
            (409, "PublicAccessNotPermitted", ErrorKind::PermissionDenied, "not public"),
            (307, "", ErrorKind::Other, "status 307: redirections are not followed"),
            (500, "", ErrorKind::Other, "status 500"),
        ] {
            let e = answered(status, Some(code).filter(|c| !c.is_empty()), b"<html>", "box").error;
            assert!(e.kind() == kind && e.to_string().contains(said), "{e}");
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
            assert_eq!(short(text), short_text);
        }
        assert_eq!(short(&"ä ".repeat(500)).chars().count(), 200);
    }
}
