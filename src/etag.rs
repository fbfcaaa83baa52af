//! Etags: what storages call the version of an object. One comparison for all of them.
//!
//! An etag is a token of one kind of request: a listing, a look at one object and the answer with its content may each write the
//! same version differently (quoted or not, weak or not), and a proxy may write another one. So two etags that are the same prove
//! the same version, and two that differ prove nothing unless both come from the same kind of request.

use std::fmt;
use std::io;

/// Whether two etags are the same, however weak and however quoted.
pub fn same(a: &str, b: &str) -> bool {
    bare(a) == bare(b)
}

/// The etag without its quotes and without the mark of a weak one.
pub fn bare(etag: &str) -> &str {
    let etag = etag.trim();
    etag.strip_prefix("W/").unwrap_or(etag).trim_matches('"')
}

/// Whether the server says that contents with this etag are only as good as the same.
pub fn is_weak(etag: &str) -> bool {
    etag.trim().starts_with("W/")
}

/// What `If-Match` can say of an etag. Nothing of a weak one, which never matches there (RFC 9110, section 13.1.1); and some
/// services leave the quotes off in their listings, but do not know the etag again without them.
pub fn condition(etag: &str) -> Option<String> {
    (!is_weak(etag) && !bare(etag).is_empty()).then(|| format!("\"{}\"", bare(etag)))
}

/// The error of a version that is not there any more.
pub fn changed(what: &str) -> io::Error {
    io::Error::other(Changed(what.to_string()))
}

/// Whether an error is that of [`changed`]. Where the version is known from another kind of request it may be a difference of
/// writing.
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
