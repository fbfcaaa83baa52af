//! Errors of the library as ours: one line, with what the service says, and without the requests and headers it adds.

use crate::display::printable;
use crate::etag;
use crate::storage::LoginRefused;
use opendal::{Error, ErrorKind};
use std::error::Error as _;
use std::io;

/// More of what a service says is not shown, in characters.
const MOST: usize = 200;

/// An error of ours, on its way through the library.
pub fn marked(kind: io::ErrorKind, reason: String) -> Error {
    Error::new(ErrorKind::Unexpected, reason.clone()).set_source(io::Error::new(kind, reason))
}

/// What the library says, of something named `what`, in a bucket named `bucket`.
pub fn translated(e: &Error, what: &str, bucket: &str) -> io::Error {
    let mut source = e.source();
    while let Some(inner) = source {
        if let Some(ours) = inner.downcast_ref::<io::Error>() {
            let reason = format!("{what}: {}", printable(ours.to_string().as_bytes()));
            return match LoginRefused::is(ours) {
                true => LoginRefused(reason).into(),
                false => io::Error::new(ours.kind(), reason),
            };
        }
        source = inner.source();
    }
    let kind = match e.kind() {
        ErrorKind::NotFound => io::ErrorKind::NotFound,
        // It calls a missing bucket so.
        ErrorKind::ConfigInvalid if e.message().contains("NoSuchBucket") => io::ErrorKind::NotFound,
        ErrorKind::PermissionDenied => io::ErrorKind::PermissionDenied,
        ErrorKind::Unsupported => io::ErrorKind::Unsupported,
        // The service has refused a digest: what arrived was not what was sent.
        _ if ["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"].iter().any(|code| e.message().contains(code)) => {
            io::ErrorKind::InvalidData
        }
        _ if ["AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "code: 401"]
            .iter()
            .any(|c| e.message().contains(c)) =>
        {
            io::ErrorKind::PermissionDenied
        }
        _ => io::ErrorKind::Other,
    };
    if e.kind() == ErrorKind::ConditionNotMatch {
        return etag::changed(what);
    }
    if innermost(e).is_some_and(|cause| cause.contains("load signing credential")) {
        return io::Error::new(io::ErrorKind::PermissionDenied, format!("{what}: no credentials were found"));
    }
    let reason = match e.kind() {
        ErrorKind::NotFound => format!("not found in the bucket {}", printable(bucket.as_bytes())),
        _ if kind == io::ErrorKind::NotFound => format!("there is no bucket {}", printable(bucket.as_bytes())),
        _ => said(e),
    };
    io::Error::new(kind, format!("{what}: {reason}"))
}

/// What the service says, else what the library does.
fn said(e: &Error) -> String {
    if let Some(message) = field(e.message(), "message: \"") {
        let code = field(e.message(), "code: \"");
        return shortened(&code.map(|code| format!("{code}: {message}")).unwrap_or(message));
    }
    let code = code(e.message().as_bytes());
    if !code.is_empty() {
        return shortened(&format!("the service says{code}"));
    }
    let first = e.message().lines().next().unwrap_or_default();
    shortened(&innermost(e).map(|cause| format!("{first}: {cause}")).unwrap_or_else(|| first.to_string()))
}

/// The innermost cause of what the library could not do, such as sign; it names files and services, not what is in them.
fn innermost(e: &Error) -> Option<String> {
    let mut cause = e.source()?;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Some(cause.to_string())
}

/// The code of an error that a service sent as XML, with a blank before it; nothing where there is none.
pub fn code(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    let inner = |tag: &str| {
        let from = text.split_once(&format!("<{tag}>"))?.1;
        Some(from.split_once(&format!("</{tag}>"))?.0.to_string())
    };
    inner("Code").map(|code| format!(" {}", shortened(&code))).unwrap_or_default()
}

/// The text behind `mark`, in a text that Rust has quoted.
fn field(debug: &str, mark: &str) -> Option<String> {
    let mut out = String::new();
    let mut chars = debug.split_once(mark)?.1.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('r' | 't') => out.push(' '),
                Some('u') => out.push_str("\\u"),
                next => out.extend(next),
            },
            c => out.push(c),
        }
    }
    Some(out).filter(|text| !text.is_empty())
}

fn shortened(text: &str) -> String {
    let line: String = text.lines().next().unwrap_or_default().chars().take(MOST).collect();
    printable(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(kind: ErrorKind, message: &str) -> (io::ErrorKind, String) {
        let e = Error::new(kind, message).with_context("uri", "https://b/k?X-Amz-Signature=secret");
        let e = translated(&e, "s3://b/k", "b");
        (e.kind(), e.to_string())
    }

    #[test]
    fn what_the_service_says_is_one_line_without_the_request() {
        let debug = r#"S3Error { code: "AccessDenied", message: "Access \"Denied\"", resource: "", request_id: "secret" }"#;
        let expected = (io::ErrorKind::PermissionDenied, "s3://b/k: AccessDenied: Access \"Denied\"".to_string());
        assert_eq!(shown(ErrorKind::PermissionDenied, debug), expected);
        let (kind, text) = shown(ErrorKind::ConfigInvalid, r#"S3Error { code: "NoSuchBucket", message: "no" }"#);
        assert_eq!((kind, text.as_str()), (io::ErrorKind::NotFound, "s3://b/k: there is no bucket b"));
        assert_eq!(shown(ErrorKind::Unexpected, "a\nsecret\u{1b}").1, "s3://b/k: a");
        assert_eq!(shown(ErrorKind::Unexpected, r#"S3Error { code: "BadDigest", message: "m" }"#).0, io::ErrorKind::InvalidData);
        assert!(shown(ErrorKind::Unexpected, &"x".repeat(10_000)).1.len() < 300);
    }

    #[test]
    fn our_own_errors_keep_their_kind() {
        let e = translated(&marked(io::ErrorKind::TimedOut, "h: no answer".into()), "s3://b", "b");
        assert_eq!((e.kind(), e.to_string().as_str()), (io::ErrorKind::TimedOut, "s3://b: h: no answer"));
    }
}
