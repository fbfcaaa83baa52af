//! The filter of a scan: lines in the syntax of `.gitignore`.

mod pattern;
pub(crate) mod reach;
mod rules;
mod wildmatch;

pub(crate) use pattern::Lines;
pub(crate) use rules::Met;
pub use rules::Rules;

use crate::error::{Error, OrFailed, Result};
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// Excludes, includes, and the names of ignore files.
#[derive(Default)]
pub struct Filter {
    /// The lines that apply to all folders.
    pub(crate) rules: Rules,
    /// The names of ignore files to obey in every folder. The lines of a later one are added after the lines of an earlier one.
    pub ignore_files: Vec<OsString>,
}

impl Filter {
    /// Makes a filter of lines. The lines of `exclude_from` files are added after those of `exclude`.
    ///
    /// # Errors
    /// If a line of an option is a comment or empty, or a file can't be read.
    pub fn new(exclude: &[OsString], exclude_from: &[impl AsRef<Path>], include: &[OsString]) -> Result<Filter> {
        let mut rules = Rules::default();
        for (lines, into) in [(exclude, &mut rules.exclude), (include, &mut rules.include)] {
            for line in lines {
                if !into.push(line.as_encoded_bytes()) {
                    let shown = crate::display::printable(line.as_encoded_bytes());
                    return Err(Error::advise(
                        format!("'{shown}' is no pattern"),
                        "as in .gitignore, a line that is empty or starts with # says nothing; write \\# for the character",
                    ));
                }
            }
        }
        for path in exclude_from {
            let path = path.as_ref();
            rules.exclude.read(&std::fs::read(path).or_failed(|| format!("read {}", path.display()))?);
        }
        Ok(Filter { rules, ignore_files: Vec::new() })
    }

    /// Makes a filter of patterns that choose names. A pattern with a `!` in front leaves out what the others choose.
    ///
    /// # Errors
    /// If a pattern is a comment or empty.
    pub fn choosing(patterns: &[OsString]) -> Result<Filter> {
        let (mut exclude, mut include) = (Vec::new(), Vec::new());
        for pattern in patterns {
            match pattern.as_bytes().strip_prefix(b"!") {
                Some(rest) => exclude.push(OsString::from_vec(rest.to_vec())),
                None => include.push(pattern.clone()),
            }
        }
        Filter::new(&exclude, &[] as &[&Path], &include)
    }
}
