//! Etags: the versions of objects in a storage. One comparison for all storages.
//!
//! A storage can write the etag of one version differently in a listing, in the metadata of an object and in the response with
//! its content (quoted or not, weak or not), and a proxy can change it. So equal etags prove the same version. Different etags
//! prove different versions only if both come from the same kind of request.

use std::fmt;
use std::io;

/// Checks whether two etags are equal. Ignores quotes and the mark of a weak etag.
pub fn same(a: &str, b: &str) -> bool {
    bare(a) == bare(b)
}

/// Returns the etag without its quotes and without the mark of a weak etag.
pub fn bare(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// Checks whether the etag is weak. Contents with the same weak etag can differ in their bytes.
pub fn is_weak(etag: &str) -> bool {
    etag.trim().starts_with("W/")
}

/// Returns the value of `If-Match` for an etag, with quotes: some services omit them in listings, but require them here. None for
/// a weak etag, which never matches there (RFC 9110, section 13.1.1).
pub fn condition(etag: &str) -> Option<String> {
    (!is_weak(etag) && !bare(etag).is_empty()).then(|| format!("\"{}\"", bare(etag)))
}

/// Returns the error for a version that no longer exists.
pub fn changed(what: &str) -> io::Error {
    io::Error::other(Changed(what.to_string()))
}

/// Checks whether an error comes from [`changed`]. If the etag comes from another kind of request, only its spelling can differ.
pub fn is_changed(e: &io::Error) -> bool {
    e.get_ref().is_some_and(|inner| inner.is::<Changed>())
}

#[derive(Debug)]
struct Changed(String);

impl fmt::Display for Changed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("it has changed") } else { write!(f, "{}: it has changed", self.0) }
    }
}

impl std::error::Error for Changed {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn etags_are_the_same_however_they_are_written() {
        for (a, b) in [("\"a\"", "a"), ("W/\"a\"", "\"a\""), ("W/\"a\"", "W/a"), (" \"a\" ", "a"), ("", "\"\"")] {
            assert!(same(a, b) && same(b, a), "{a} {b}");
        }
        for (a, b) in [("\"a\"", "\"b\""), ("a", "A"), ("a", "a-1"), ("w/a", "a"), ("", "a")] {
            assert!(!same(a, b) && !same(b, a), "{a} {b}");
        }
    }

    #[test]
    fn a_condition_is_quoted_and_never_weak() {
        assert_eq!(condition("a").as_deref(), Some("\"a\""));
        assert_eq!(condition("\"a-1\"").as_deref(), Some("\"a-1\""));
        assert_eq!((condition("W/\"a\""), condition(""), condition("\"\"")), (None, None, None));
    }

    #[test]
    fn a_change_is_known_again() {
        assert!(is_changed(&changed("x")) && !is_changed(&io::Error::other("x: it has changed")));
        assert_eq!((changed("x").to_string(), changed("").to_string()), ("x: it has changed".into(), "it has changed".into()));
    }
}
