//! What a scan leaves out: globs in the words of `.gitignore`.

use crate::error::{Error, OrFailed, Result};
use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Excludes, includes, and the names of files that hold excludes of their folder.
#[derive(Default)]
pub struct Filter {
    exclude: Option<Gitignore>,
    include: Option<Gitignore>,
    /// The names of ignore files to obey in every folder.
    pub ignore_files: Vec<OsString>,
}

impl Filter {
    /// A filter of globs. The lines of `exclude_from` files count like `exclude`.
    ///
    /// # Errors
    /// If a glob is none, or a file can't be read.
    pub fn new(exclude: &[String], exclude_from: &[impl AsRef<Path>], include: &[String]) -> Result<Filter> {
        let mut excludes: Vec<String> = exclude.to_vec();
        for path in exclude_from {
            let path = path.as_ref();
            let text = std::fs::read_to_string(path).or_failed(|| format!("read {}", path.display()))?;
            excludes.extend(text.lines().map(str::to_string));
        }
        Ok(Filter { exclude: globs("--exclude", &excludes)?, include: globs("--include", include)?, ignore_files: Vec::new() })
    }

    /// Whether an exclude names this path.
    pub(super) fn excludes(&self, path: &[u8], folder: bool) -> bool {
        self.exclude.as_ref().is_some_and(|g| g.matched(OsStr::from_bytes(path), folder).is_ignore())
    }

    /// Whether this path is to be listed as far as includes go.
    pub(super) fn includes(&self, path: &[u8], folder: bool) -> bool {
        self.include.as_ref().is_none_or(|g| g.matched(OsStr::from_bytes(path), folder).is_ignore())
    }

    /// Whether an object of this key is listed: where there are no folders, the parts of its key stand for those above it.
    pub(super) fn takes(&self, key: &[u8]) -> bool {
        // A `/` at the start would be taken for another root.
        let start = key.iter().take_while(|b| **b == b'/').count();
        let path = OsStr::from_bytes(&key[start..]);
        let matches = |globs: &Gitignore| globs.matched_path_or_any_parents(path, false).is_ignore();
        !self.exclude.as_ref().is_some_and(matches) && self.include.as_ref().is_none_or(matches)
    }

    /// Whether only included things are listed.
    pub(super) fn has_includes(&self) -> bool {
        self.include.is_some()
    }
}

/// The globs of an ignore file that lies in `folder`. Lines that are no glob do nothing, as with git.
pub(super) fn ignore_rules(folder: &[u8], text: &[u8]) -> Option<Gitignore> {
    let mut builder = GitignoreBuilder::new(OsStr::from_bytes(folder));
    for line in String::from_utf8_lossy(text).lines() {
        let _ = builder.add_line(None, line);
    }
    builder.build().ok().filter(|g| !g.is_empty())
}

/// Whether the ignore files of the folders above, innermost first, leave this path out.
pub(super) fn ignored<'a>(rules: impl Iterator<Item = &'a Gitignore>, path: &[u8], folder: bool) -> bool {
    for rule in rules {
        match rule.matched(OsStr::from_bytes(path), folder) {
            Match::Ignore(_) => return true,
            Match::Whitelist(_) => return false,
            Match::None => {}
        }
    }
    false
}

fn globs(option: &str, lines: &[String]) -> Result<Option<Gitignore>> {
    if lines.is_empty() {
        return Ok(None);
    }
    let mut builder = GitignoreBuilder::new("");
    for line in lines {
        builder.add_line(None, line).map_err(|e| Error::refused(format!("{option} {line:?}: {e}")))?;
    }
    builder.build().map(Some).map_err(|e| Error::refused(format!("{option}: {e}")))
}

/// What a scan leaves out by rule.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Rules {}

impl Rules {
    /// Whether the rules leave this name out.
    pub fn leaves_out(&self, _name: &[u8], _folder: bool) -> bool {
        false
    }
}
