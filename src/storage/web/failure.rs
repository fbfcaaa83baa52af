//! Errors of requests without an answer.

use super::proxy;
use crate::display::printable;
use crate::storage::tls;
use std::error::Error as _;
use std::io;

/// Returns the error without the URL, which can contain secrets. If a proxy is in between, it is named.
pub fn broken(e: &reqwest::Error, host: &str) -> io::Error {
    let mut kind = if e.is_timeout() { io::ErrorKind::TimedOut } else { io::ErrorKind::Other };
    let mut reason = if e.is_connect() { "can't connect".to_string() } else { "the connection broke".to_string() };
    let proxy = e.url().and_then(|url| proxy::of(url.as_str()));
    let (mut source, mut is_tunnel) = (e.source(), false);
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            kind = io.kind();
        }
        let text = inner.to_string();
        is_tunnel |= text.contains("tunnel error");
        if let Some(proxy) = proxy.as_ref().filter(|_| text.contains("proxy authorization required")) {
            return proxy::asks_for_login(proxy);
        }
        reason = tls::refused(&text).unwrap_or_else(|| crate::error::reason(&io::Error::other(text)));
        source = inner.source();
    }
    let through = match proxy.filter(|_| e.is_connect()) {
        Some(proxy) if is_tunnel => format!("the proxy {proxy} does not connect: "),
        Some(proxy) => format!("through the proxy {proxy}: "),
        None => String::new(),
    };
    io::Error::new(kind, format!("{host}: {through}{}", printable(reason.as_bytes())))
}

/// Returns the error for a request without an answer in time.
pub fn stalled(host: &str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, format!("{host}: no answer"))
}
