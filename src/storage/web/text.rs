//! Values that HTTP has as text: servers, logins, times, digests.

use crate::digest::Md5;
use crate::json;
use crate::storage::percent::encode_all;
use crate::storage::place::Place;
use crate::time::Time;
use chrono::{DateTime, NaiveDateTime};
use reqwest::header::HeaderMap;
use std::collections::BTreeMap;

/// Returns the host of an address of http or https, for messages.
pub fn host_of(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https"))?;
    Place::parse(scheme, rest).ok().map(|place| place.host)
}

/// Puts a scheme before an address that has none.
pub fn with_scheme(address: String, scheme: &str) -> String {
    if address.contains("://") { address } else { format!("{scheme}://{address}") }
}

/// Whether an endpoint is on this machine.
pub fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_string)).unwrap_or_default();
    host == "localhost" || host == "[::1]" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// Reads the time of a `Last-Modified` header or property, in whole seconds. Beside the usual form there are the two old ones of
/// HTTP, and some WebDAV servers use RFC 3339.
pub fn http_time(text: &str) -> Option<Time> {
    let text = text.trim();
    let old = |form| NaiveDateTime::parse_from_str(text, form).ok().map(|time| time.and_utc().timestamp());
    let usual = DateTime::parse_from_rfc2822(text).or_else(|_| DateTime::parse_from_rfc3339(text)).ok();
    let sec = usual.map(|time| time.timestamp());
    let sec = sec.or_else(|| old("%A, %d-%b-%y %H:%M:%S GMT")).or_else(|| old("%a %b %e %H:%M:%S %Y"))?;
    Some(Time { sec, nsec: 0 })
}

/// Reads a time of a listing (RFC 3339).
pub fn time(text: &str) -> Option<Time> {
    DateTime::parse_from_rfc3339(text.trim()).ok().map(|time| Time::from(time.to_utc()))
}

/// Whether a text can be the value of a header that every service stores unchanged: visible ASCII characters and spaces.
pub fn is_header(text: &str) -> bool {
    text.bytes().all(|b| b == b' ' || b.is_ascii_graphic())
}

/// Returns a header as text, or None if it is missing or no text.
pub fn header<'h>(headers: &'h HeaderMap, name: &str) -> Option<&'h str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Reads an md5 in base64 of a header or a listing. Services send an empty one if they have none.
pub fn base64_md5(text: &str) -> Option<Md5> {
    json::from_base64(text.trim())?.try_into().ok().map(Md5)
}

/// Returns names and values in the form of the query of a URL.
pub fn query(pairs: &BTreeMap<String, String>) -> String {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{}={}", encode_all(name), encode_all(value))).collect();
    pairs.join("&")
}

/// Returns an md5 in base64.
pub fn md5_base64(md5: Md5) -> String {
    json::to_base64(&md5.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_headers_are_utc() {
        for text in [
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Sunday, 06-Nov-94 08:49:37 GMT",
            "Sun Nov  6 08:49:37 1994",
            "1994-11-06T08:49:37Z",
            " 1994-11-06T09:49:37.25+01:00",
        ] {
            assert_eq!(http_time(text), Some(Time { sec: 784_111_777, nsec: 0 }), "{text}");
        }
        assert_eq!(http_time("yesterday"), None);
    }
}
