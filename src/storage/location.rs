//! A root: a folder of this machine, or a place in another storage.

use super::staging::StagingFolder;
use super::{Gap, Options, Store, folder};
use crate::access::Access;
use crate::display::printable;
use crate::error::{Error, Result};
use std::ffi::OsStr;
use std::fmt;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
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
    /// Reads a path, also as `file:PATH`, `file://PATH`, `local:PATH` or `local://PATH`, or the URL of another storage. `~` and
    /// `~/` at the start of a path mean the folder HOME. A text that starts like a URL, but is not one, is refused; a folder of
    /// such a name can be written `./NAME`. `option` names the root in messages.
    ///
    /// # Errors
    /// If the text is empty, or a URL that no storage accepts; if the storage does not accept the options.
    pub fn parse(root: &OsStr, option: &str, options: &Options) -> Result<Location> {
        let bytes = root.as_bytes();
        let named = |reason: String| Error::refused(format!("{option}: {reason}"));
        if bytes.is_empty() {
            return Err(named("an empty path".to_string()));
        }
        if let Some(path) = as_path(root)? {
            return Ok(Location::Folder(path));
        }
        let shown = printable(bytes);
        match scheme_of(bytes) {
            None => Err(Error::advise(
                format!("{option}: {shown}: neither a path nor the URL of one storage (chained URLs are not known)"),
                match bytes.windows(2).any(|pair| pair == b"::") {
                    true => format!("{}; {}", super::CHAINED, super::storages()),
                    false => super::storages(),
                },
            )),
            Some((scheme, rest)) => {
                let rest = std::str::from_utf8(rest).map_err(|_| named("the URL is not UTF-8".to_string()))?;
                super::open(scheme, rest, options).map(Location::Remote).map_err(|e| match e {
                    Error::Refused { reason, help, refusal } if !reason.starts_with("--") => {
                        Error::Refused { reason: format!("{option}: {reason}"), help, refusal }
                    }
                    e => e,
                })
            }
        }
    }

    /// Returns the storage of the root. Listings of a folder skip the symbolic links in it.
    pub fn store(&self) -> Arc<dyn Store> {
        self.store_with(false)
    }

    /// Returns the storage of the root. Listings of a folder follow symbolic links, for callers that must not overlook anything.
    pub fn store_beyond_links(&self) -> Arc<dyn Store> {
        self.store_with(true)
    }

    fn store_with(&self, beyond_links: bool) -> Arc<dyn Store> {
        match self {
            Location::Folder(path) => folder::open(path, beyond_links),
            Location::Remote(store) => store.clone(),
        }
    }

    /// Returns the storage of the root for many objects, which may be permanent only after [`Store::settle`]. A folder has to
    /// exist.
    ///
    /// # Errors
    /// The error of the system.
    pub fn staging_store(&self) -> io::Result<Arc<dyn Store>> {
        match self {
            Location::Folder(path) => Ok(Arc::new(StagingFolder::open(path)?)),
            Location::Remote(store) => Ok(store.clone()),
        }
    }

    /// Creates the root if it is a folder that does not exist. Other storages create their root with the first put.
    ///
    /// # Errors
    /// If the folder can't be created.
    pub fn make(&self) -> io::Result<()> {
        self.folder().map_or(Ok(()), |path| Access::make_root(path).map(drop))
    }

    /// Whether the root exists. In a storage without folders, every root exists if its bucket or container does.
    ///
    /// # Errors
    /// If the storage does not answer, or the root is a file.
    pub fn is_there(&self) -> io::Result<bool> {
        match self.store().list_in(b"", |_| false).next() {
            Some(Err(e)) if e.kind() == ErrorKind::NotFound => Ok(false),
            Some(Err(e)) if Gap::of(&e).is_none() => Err(e),
            Some(_) | None => Ok(true),
        }
    }

    /// Returns a place that has nothing.
    pub(crate) fn nowhere() -> Location {
        Location::Remote(super::memory::open("nothing is ever kept here"))
    }

    /// Returns the path of the folder; None if the root is in another storage.
    pub fn folder(&self) -> Option<&Path> {
        match self {
            Location::Folder(path) => Some(path),
            Location::Remote(_) => None,
        }
    }

    /// Returns the root with an absolute path, which stays the same if the process changes its current folder.
    ///
    /// # Errors
    /// If the current folder is not known.
    pub fn made_absolute(self) -> io::Result<Location> {
        match self {
            Location::Folder(path) => std::path::absolute(path).map(Location::Folder),
            remote => Ok(remote),
        }
    }

    /// Returns the number of files to work on at once that suits the storage; None if that depends on the machine.
    pub fn jobs(&self) -> Option<usize> {
        let Location::Remote(store) = self else { return None };
        Some(store.jobs())
    }

    /// Whether the root and its contents are gone when this process ends.
    pub fn ends_with_process(&self) -> bool {
        matches!(self, Location::Remote(store) if store.url().starts_with("memory://"))
    }

    /// Returns the absolute path, which does not need to exist, or the URL, as snapshots record it.
    pub fn absolute(&self) -> PathBuf {
        match self {
            Location::Folder(path) => {
                std::fs::canonicalize(path).or_else(|_| std::path::absolute(path)).unwrap_or_else(|_| path.clone())
            }
            Location::Remote(store) => PathBuf::from(store.url()),
        }
    }

    /// Returns [`Location::absolute`] as text: the identity of a root in end records and labels.
    pub fn identity(&self) -> String {
        self.absolute().to_string_lossy().into_owned()
    }

    /// Whether `root`, from an end record or a label, means this root: it has the same spelling, or it is the same folder.
    pub fn is_called(&self, root: &str) -> bool {
        use std::os::unix::fs::MetadataExt;
        let inode = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
        let is_same = |folder: &Path| inode(folder).is_some_and(|folder| inode(Path::new(root)) == Some(folder));
        self.identity() == root || self.folder().is_some_and(is_same)
    }

    /// Returns the name of another root below this one, empty if they are the same; None if it is elsewhere. Neither needs to
    /// exist.
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

    /// Returns the path as the user gave it, or the URL without secrets.
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

/// Resolves the symbolic links of a path that does not need to exist: those in the part that exists.
pub fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    path.ancestors().find_map(|above| {
        let there = above.canonicalize().ok()?;
        let rest = path.strip_prefix(above).ok()?;
        Some(if rest.as_os_str().is_empty() { there } else { there.join(rest) })
    })
}

/// Returns the path on this machine that a root or a snapshot names: `file:`, `file://`, `local:` and `local://` at the start are
/// removed, `~` and `~/` mean HOME. None if the text starts like the URL of another storage: with `://` before any other `/`.
///
/// # Errors
/// If the path is below `~` and HOME is not set, or below the home folder of another user, which is not looked up.
pub fn as_path(text: &OsStr) -> Result<Option<PathBuf>> {
    let bytes = text.as_bytes();
    let prefixes = [&b"file://"[..], b"local://", b"file:", b"local:"];
    let rest = prefixes.iter().find_map(|prefix| bytes.strip_prefix(*prefix)).filter(|rest| !rest.is_empty());
    let path = rest.unwrap_or(bytes);
    if rest.is_none() && is_like_url(path) {
        return Ok(None);
    }
    if !path.starts_with(b"~") {
        return Ok(Some(OsStr::from_bytes(path).into()));
    }
    let shown = printable(bytes);
    let below = match &path[1..] {
        b"" => b"",
        [b'/', below @ ..] => below,
        _ => {
            return Err(Error::advise(
                format!("{shown}: the home folder of another user is not looked up"),
                "write the whole path; a file or folder of that name is ./NAME",
            ));
        }
    };
    let home = super::variable("HOME").ok_or_else(|| Error::refused(format!("{shown}: HOME is not set")))?;
    let below = below.iter().position(|b| *b != b'/').map_or(&b""[..], |at| &below[at..]);
    Ok(Some(if below.is_empty() { home.into() } else { PathBuf::from(home).join(OsStr::from_bytes(below)) }))
}

/// Whether `://` comes before any other `/`.
fn is_like_url(text: &[u8]) -> bool {
    let slash = text.iter().position(|b| *b == b'/').unwrap_or(text.len());
    text[..slash].ends_with(b":") && text[slash..].starts_with(b"//")
}

/// Splits a URL at `://` into the scheme and the rest; None if there is no scheme: a letter, then letters, digits, `+`, `-`, `.`.
fn scheme_of(root: &[u8]) -> Option<(&str, &[u8])> {
    let at = root.windows(3).position(|w| w == b"://")?;
    let scheme = std::str::from_utf8(&root[..at]).ok()?;
    let letters = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    (scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.bytes().all(letters)).then_some((scheme, &root[at + 3..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_many_spellings_and_one_meaning() {
        let home = std::env::var("HOME").expect("HOME is set");
        for (text, path) in [
            ("file:x", "x".to_string()),
            ("file://x", "x".to_string()),
            ("file:///a/b", "/a/b".to_string()),
            ("local://x", "x".to_string()),
            ("local:x", "x".to_string()),
            ("a~/b", "a~/b".to_string()),
            ("file:", "file:".to_string()),
            ("./simplecache::s3://b/x", "./simplecache::s3://b/x".to_string()),
            ("a/b://c", "a/b://c".to_string()),
            ("a:b", "a:b".to_string()),
            ("~", home.clone()),
            ("~/x y", format!("{home}/x y")),
            ("~//x", format!("{home}/x")),
            ("file:~/x", format!("{home}/x")),
        ] {
            let root = Location::parse(OsStr::new(text), "--root", &Options::default());
            assert_eq!(root.unwrap_or_else(|e| panic!("{text}: {e}")).folder(), Some(Path::new(&path)), "{text}");
        }
    }

    #[test]
    fn what_begins_like_a_url_and_is_none_is_refused() {
        for text in
            ["simplecache::s3://b/x", "xyz://b", "zip://x.zip::s3://b", "my_scheme://x", "://x", "1s://x", "~user/x", "~user"]
        {
            let e = Location::parse(OsStr::new(text), "--root", &Options::default()).expect_err(text);
            assert!(e.help().is_some_and(|help| help.contains("./NAME")), "{text}: {e}: {:?}", e.help());
            assert_eq!(e.help().is_some_and(|help| help.contains("rclone://REMOTE")), text.contains("::"), "{text}");
        }
    }
}
