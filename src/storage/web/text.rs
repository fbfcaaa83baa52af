//! Values that HTTP has as text: servers, logins, times, digests.

use crate::digest::Md5;
use crate::error::Result;
use crate::json;
use crate::storage::Options;
use crate::storage::percent::encode_all;
use crate::storage::place::Place;
use crate::time::Time;
use chrono::DateTime;
use reqwest::header::{HeaderMap, HeaderValue};
use serde_json::Value;
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

/// Returns the `Authorization` header: from the option `token`, from `auth` (user and password), or from the URL. None if there
/// is no login.
///
/// # Errors
/// If the options have another form, or characters that no header can have.
pub fn authorization(place: &Place, options: &Options) -> Result<Option<HeaderValue>> {
    let pair = match options.value("auth") {
        None => place.user.clone().map(|user| (user, place.password.clone().unwrap_or_default())),
        Some(value) => match value.as_array().map(|pair| pair.iter().filter_map(Value::as_str).collect::<Vec<_>>()).as_deref() {
            Some([user, password]) => Some((user.to_string(), password.to_string())),
            _ => return Err(options.wrong("auth", "[USER, PASSWORD]")),
        },
    };
    let basic = |(user, password)| {
        let login = format!("{user}:{password}");
        format!("Basic {}", json::to_base64(login.as_bytes()))
    };
    let value = options.text("token")?.map(|token| format!("Bearer {token}")).or(pair.map(basic));
    let Some(value) = value else { return Ok(None) };
    let mut value = HeaderValue::from_str(&value).map_err(|_| options.wrong("token", "characters that a header can have"))?;
    value.set_sensitive(true);
    Ok(Some(value))
}

/// Reads the time of a `Last-Modified` header, in whole seconds.
pub fn http_time(text: &str) -> Option<Time> {
    let sec = DateTime::parse_from_rfc2822(text.trim()).ok()?.timestamp();
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
    fn logins_come_from_options_or_the_url() {
        let place = Place::parse("http", "me:%C3%A4@host").unwrap();
        let header = |text: &str| {
            let options = Options::parse(text.as_ref(), "--options").unwrap();
            authorization(&place, &options).map(|value| value.map(|v| v.to_str().unwrap_or_default().to_string()))
        };
        assert_eq!(header("{}").unwrap().as_deref(), Some("Basic bWU6w6Q="));
        assert_eq!(header("{\"auth\": [\"a\", \"b\"]}").unwrap().as_deref(), Some("Basic YTpi"));
        assert_eq!(header("{\"token\": \"t\"}").unwrap().as_deref(), Some("Bearer t"));
        for bad in ["{\"auth\": [\"secret\"]}", "{\"auth\": \"secret\"}", "{\"token\": \"secret\\n\"}"] {
            assert!(header(bad).is_err_and(|e| !e.to_string().contains("secret")), "{bad}");
        }
    }

    #[test]
    fn times_of_headers_are_utc() {
        assert_eq!(http_time("Sun, 06 Nov 1994 08:49:37 GMT"), Some(Time { sec: 784_111_777, nsec: 0 }));
        assert_eq!(http_time("yesterday"), None);
    }
}
