//! Where roots lie: paths and URLs. A scheme chooses the storage.

use crate::error::{Error, Result, printable};
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A root: a folder of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    path: PathBuf,
}

impl Location {
    /// Reads a path, or a `file://` or `local://` URL with an absolute path. `option` names it in messages.
    ///
    /// # Errors
    /// If it is empty, or a URL of a scheme that there is no storage for.
    pub fn parse(root: &OsStr, option: &str) -> Result<Location> {
        let bytes = root.as_bytes();
        if bytes.is_empty() {
            return Err(Error::refused(format!("{option}: an empty path")));
        }
        let Some((scheme, rest)) = scheme_of(bytes) else { return Ok(Location { path: root.into() }) };
        match scheme {
            b"file" | b"local" if rest.starts_with(b"/") => Ok(Location { path: OsStr::from_bytes(rest).into() }),
            b"file" | b"local" => {
                Err(Error::refused(format!("{option}: {}: the path after :// has to be absolute", printable(bytes))))
            }
            _ => Err(Error::advise(
                format!("{option}: no storage has the scheme {}://", printable(scheme)),
                "storages are a path or file:///PATH; a folder of that name is ./NAME",
            )),
        }
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The absolute path, for the record of what was backed up. Does not need to exist.
    pub fn absolute(&self) -> PathBuf {
        std::fs::canonicalize(&self.path).or_else(|_| std::path::absolute(&self.path)).unwrap_or_else(|_| self.path.clone())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printable(self.path.as_os_str().as_bytes()))
    }
}

/// Makes a folder and those above it, each new one synced into the one above, so that what is synced in it can be found again.
///
/// # Errors
/// What the system says.
pub fn make_folders(folder: &Path) -> std::io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folders(above)?;
    match std::fs::create_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(e),
        Ok(()) => std::fs::File::open(above)?.sync_all(),
    }
}

/// The scheme and what is behind `://`, where there is one: a letter, then letters, digits, `+`, `-`, `.`.
fn scheme_of(root: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = root.windows(3).position(|w| w == b"://")?;
    let scheme = &root[..at];
    let letters = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    (scheme.first()?.is_ascii_alphabetic() && scheme.iter().all(letters)).then_some((scheme, &root[at + 3..]))
}
