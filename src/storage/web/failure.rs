//! Errors of requests without an answer.

use crate::display::printable;
use crate::storage::tls;
use std::error::Error as _;
use std::io;

/// Returns the error without the URL, which can contain secrets.
pub fn broken(e: &reqwest::Error, host: &str) -> io::Error {
    let mut kind = if e.is_timeout() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
    let mut reason = if e.is_connect() { "can't connect".to_string() } else { "the connection broke".to_string() };
    let mut source = e.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            kind = io.kind();
        }
        let text = inner.to_string();
        reason = tls::refused(&text).unwrap_or_else(|| crate::error::reason(&io::Error::other(text)));
        source = inner.source();
    }
    io::Error::new(kind, format!("{host}: {}", printable(reason.as_bytes())))
}

/// Returns the error for a request without an answer in time.
pub fn stalled(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{host}: no answer"))
}
