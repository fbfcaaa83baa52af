//! Objects in an archive: they exist, but can't be read before the service has been asked to bring them back.

use crate::display::shell_word;
use std::fmt;
use std::io;

/// The reason why an object in an archive can't be read, and what to do about it. It is neither missing nor damaged.
#[derive(Debug)]
pub struct Cold(String);

impl Cold {
    /// Returns the error for an object in this tier of an archive, which the command brings back.
    pub fn new(tier: &str, command: &[&str]) -> Cold {
        let words: Vec<_> = command.iter().map(|word| shell_word(word.as_bytes())).collect();
        Cold(format!("it is cold ({tier}); to read it, bring it back first: {}", words.join(" ")))
    }

    /// Returns the error for an object that is on its way back from this tier.
    pub fn under_way(tier: &str) -> Cold {
        Cold(format!("it is cold ({tier}), and is being brought back already; try again later"))
    }

    /// Whether an error is an object in an archive.
    pub fn is(e: &io::Error) -> bool {
        e.get_ref().is_some_and(|inner| inner.is::<Cold>())
    }
}

impl fmt::Display for Cold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Cold {}

impl From<Cold> for io::Error {
    fn from(cold: Cold) -> io::Error {
        io::Error::other(cold)
    }
}
