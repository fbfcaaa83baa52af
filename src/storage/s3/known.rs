//! What was found out about a service: the ways in which it differs from Amazon's. Each costs a failed request, once.

use crate::storage::web::service::Failed;
use std::sync::atomic::{AtomicBool, Ordering};

/// Something that is not known at first.
#[derive(Debug, Default)]
pub struct Fact(AtomicBool);

impl Fact {
    /// Whether it was found out.
    pub fn is_known(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Remembers it.
    pub fn learn(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What is known about the service of a root.
#[derive(Debug, Default)]
pub struct Known {
    /// It obeys the condition that no object exists (`If-None-Match: *`).
    pub obeys_conditions: Fact,
    /// It refuses that condition.
    pub refuses_conditions: Fact,
    /// Its etags look like md5s and are none.
    pub has_random_etags: Fact,
    /// It has only the first version of listings.
    pub lists_by_markers: Fact,
    /// It encodes names in listings, if it is asked to.
    pub encodes_names: Fact,
}

/// Whether a service refuses a request because of the condition in this header, such as `if-none-match`. It may refuse something
/// else, which shows when the request is sent again without the condition.
pub fn refuses_condition(failed: &Failed, header: &str) -> bool {
    let is_named = || failed.error.to_string().to_ascii_lowercase().contains(header);
    match (failed.status, &*failed.code) {
        (501, _) | (405, "") | (_, "NotImplemented") => true,
        (400 | 405, _) => is_named(),
        _ => false,
    }
}

/// Whether a service may refuse a listing because it is of the second version.
pub fn refuses_version(failed: &Failed) -> bool {
    matches!((failed.status, &*failed.code), (501, _) | (400 | 405, "NotImplemented" | "InvalidArgument" | "InvalidRequest"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::StatusCode;
    use std::io;

    #[test]
    fn a_refusal_is_one_of_the_condition_if_it_says_so_or_says_nothing() {
        for (status, code, message, expected) in [
            (501, "", "", true),
            (501, "NotImplemented", "A header you provided implies functionality that is not implemented", true),
            (400, "InvalidArgument", "If-None-Match is not supported", true),
            (400, "InvalidArgument", "the key is too long", false),
            (405, "MethodNotAllowed", "header if-none-match", true),
            (405, "", "", true),
            (405, "MethodNotAllowed", "not here", false),
            (403, "AccessDenied", "If-None-Match", false),
            (412, "PreconditionFailed", "If-None-Match", false),
        ] {
            let failed = Failed::new(StatusCode::from_u16(status).unwrap(), code, io::Error::other(message));
            assert_eq!(refuses_condition(&failed, "if-none-match"), expected, "{status} {code} {message}");
        }
    }
}
