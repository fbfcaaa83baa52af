//! What is known of the terminal.

use crate::storage::variable;
use std::os::fd::AsFd;

/// Returns the number of columns for the output; None if it is no terminal and COLUMNS is not set.
pub fn columns(is_terminal: bool) -> Option<usize> {
    given().or_else(|| columns_of(std::io::stdout()).filter(|_| is_terminal))
}

/// Returns the number of columns that COLUMNS gives.
pub fn given() -> Option<usize> {
    variable("COLUMNS").and_then(|columns| columns.to_str()?.parse().ok()).filter(|columns| *columns > 0)
}

/// Returns the number of columns of a terminal; None for anything else, and for a terminal that does not know its size.
pub fn columns_of(terminal: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(terminal).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

/// Whether TERM names a terminal that can erase a line and write in colour.
pub fn is_capable() -> bool {
    variable("TERM").is_some_and(|term| term != "dumb")
}
