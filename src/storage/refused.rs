//! The error for a login that the storage refuses.

use std::fmt;
use std::io;

/// The storage refuses the login: it is wrong, or has expired. Every other request would fail too.
#[derive(Debug)]
pub struct LoginRefused(pub String);

impl LoginRefused {
    /// Whether an error is a refused login.
    pub fn is(e: &io::Error) -> bool {
        e.get_ref().is_some_and(|inner| inner.is::<LoginRefused>())
    }
}

impl fmt::Display for LoginRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for LoginRefused {}

impl From<LoginRefused> for io::Error {
    fn from(refused: LoginRefused) -> io::Error {
        io::Error::new(io::ErrorKind::PermissionDenied, refused)
    }
}
