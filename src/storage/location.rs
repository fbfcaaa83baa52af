//! A root: a folder of this machine, or a place in another storage.

use super::{Options, Store};
use crate::error::{Error, Result, printable};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A root.
#[derive(Clone)]
pub enum Location {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A place in another storage.
    Remote(Arc<dyn Store>),
}

impl Location {
    /// Reads a path, a `file://` or `local://` URL with an absolute path, or the URL of another storage. `option` names it in
    /// messages.
    ///
    /// # Errors
    /// If it is empty, or a URL that no storage can be opened for; if the options are not for it.
    pub fn parse(root: &OsStr, option: &str, options: &Options) -> Result<Location> {
        let bytes = root.as_bytes();
        let named = |reason: String| Error::refused(format!("{option}: {reason}"));
        if bytes.is_empty() {
            return Err(named("an empty path".to_string()));
        }
        let Some((scheme, rest)) = scheme_of(bytes) else { return Ok(Location::Folder(root.into())) };
        match scheme {
            "file" | "local" if rest.starts_with(b"/") => Ok(Location::Folder(OsStr::from_bytes(rest).into())),
            "file" | "local" => Err(named(format!("{}: the path after :// has to be absolute", printable(bytes)))),
            scheme => {
                let rest = std::str::from_utf8(rest).map_err(|_| named("the URL is not UTF-8".to_string()))?;
                super::open(scheme, rest, options).map(Location::Remote).map_err(|e| match e {
                    Error::Refused { reason, help } if !reason.starts_with("--") => {
                        Error::Refused { reason: format!("{option}: {reason}"), help }
                    }
                    e => e,
                })
            }
        }
    }

    /// The folder; None where it is in another storage.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Location::Folder(path) => Some(path),
            Location::Remote(_) => None,
        }
    }

    /// How it is recorded what was backed up: the absolute path, which does not need to exist, or the URL.
    pub fn absolute(&self) -> PathBuf {
        match self {
            Location::Folder(path) => {
                std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.clone())
            }
            Location::Remote(store) => PathBuf::from(store.url()),
        }
    }

    /// What [`Location::absolute`] says, as text: the identity of a root in end records and labels.
    pub fn identity(&self) -> String {
        self.absolute().to_string_lossy().into_owned()
    }

    /// Whether an end record or a label that names this root speaks of this one: it is spelt so, or it is the same folder.
    pub fn is_called(&self, root: &str) -> bool {
        use std::os::unix::fs::MetadataExt;
        let inode = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
        let is_same = |folder: &Path| inode(folder).is_some_and(|folder| inode(Path::new(root)) == Some(folder));
        self.identity() == root || self.folder().is_some_and(is_same)
    }

    /// The name of another root below this one, empty if it is the same; None where it lies elsewhere. Neither has to be there.
    pub fn name_of(&self, other: &Location) -> Option<Vec<u8>> {
        match (self, other) {
            (Location::Folder(root), Location::Folder(other)) => {
                let name = resolved(other)?;
                Some(name.strip_prefix(resolved(root)?).ok()?.as_os_str().as_bytes().to_vec())
            }
            (Location::Remote(root), Location::Remote(other)) => {
                let rest = other.url().strip_prefix(root.url())?;
                let name = if rest.is_empty() { rest } else { rest.strip_prefix('/')? };
                Some(name.as_bytes().to_vec())
            }
            _ => None,
        }
    }

    /// The path as it was given, or the URL without secrets.
    pub fn as_given(&self) -> &OsStr {
        match self {
            Location::Folder(path) => path.as_os_str(),
            Location::Remote(store) => OsStr::new(store.url()),
        }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.as_given().as_bytes()))
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The path of something that need not be there: the part that is there without links, and the rest as it stands.
pub fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|above| {
        let there = above.canonicalize().ok()?;
        let rest = path.strip_prefix(above).ok()?;
        Some(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
    })
}

/// Makes a folder with that mode and those above it with the usual one, each new one synced into the one above, so that what is
/// synced in it can be found again.
///
/// # Errors
/// What the system says.
pub fn make_folders(folder: &Path, mode: u32) -> std::io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|p| !p.as_os_str().is_empty());
    let make = || std::fs::DirBuilder::new().mode(mode).create(folder);
    let mut made = make();
    if made.as_ref().is_err_and(|e| e.kind() == std::io::ErrorKind::NotFound) {
        // Also where nothing can be known of any folder this comes to an end.
        let Some(above) = above else { return made };
        make_folders(above, 0o777)?;
        made = make();
    }
    match made {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        Ok(()) => std::fs::File::open(above.unwrap_or(Path::new(".")))?.sync_all(),
    }
}

/// The scheme and what is behind `://`, where there is one: a letter, then letters, digits, `+`, `-`, `.`.
pub(super) fn scheme_of(root: &[u8]) -> Option<(&str, &[u8])> {
    let at = root.windows(3).position(|w| w == b"://")?;
    let scheme = std::str::from_utf8(&root[..at]).ok()?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(letters)).then_some((scheme, &root[at + 3..]))
}
