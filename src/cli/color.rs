//! Colour on a terminal.

use super::{Output, terminal};
use crate::storage::variable;
use clap::{Args, ValueEnum};

/// When to write in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set or TERM is dumb
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// For tools that print something for people.
#[allow(missing_docs)] // clap shows the text of the option.
#[derive(Args, Clone, Debug)]
pub struct Color {
    /// Print in colour: on a terminal (auto), always or never [default: auto]
    #[arg(
        long,
        value_enum,
        value_name = "WHEN",
        default_value_t = When::Auto,
        hide_default_value = true,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "always",
        help_heading = "Output"
    )]
    pub color: When,
}

impl Color {
    /// Whether to write to this output in colour.
    pub fn is_wanted(&self, output: &Output) -> bool {
        match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => output.is_terminal() && variable("NO_COLOR").is_none() && terminal::is_capable(),
        }
    }
}

/// Returns a path with its folder less bright, if it is to be coloured.
pub fn path(path: Vec<u8>, is_colored: bool) -> Vec<u8> {
    match path.iter().rposition(|b| *b == b'/') {
        Some(at) if is_colored => [b"\x1b[2m", &path[..=at], b"\x1b[0m", &path[at + 1..]].concat(),
        _ => path,
    }
}
