//! A folder of this machine as a storage: its objects are the files below it, whose names can be any bytes.
//!
//! A new file has a temporary name in the same folder until it is whole and synced. New files and folders get the permissions
//! that the root determines ([`Access`]). The first put creates a root that does not exist.

use super::intake;
use super::store::{Body, Gap, Get, Got, Listing, Object, Put, Store, check_path};
use crate::access::Access;
use crate::error;
use crate::files::sync_folder;
use crate::time::Time;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use walkdir::{DirEntry, WalkDir};

/// A folder.
pub struct Folder {
    path: PathBuf,
    url: String,
    beyond_links: bool,
}

/// Returns the storage of a folder, which does not need to exist. Listings skip symbolic links below it. With `beyond_links`,
/// they follow them, and a broken link is a [`Gap`]. Keys lead through links in any case.
pub fn open(path: &Path, beyond_links: bool) -> Arc<dyn Store> {
    Arc::new(Folder { path: path.to_path_buf(), url: path.to_string_lossy().into_owned(), beyond_links })
}

impl Folder {
    fn path(&self, key: &[u8]) -> io::Result<PathBuf> {
        check_path(key)?;
        Ok(self.path.join(OsStr::from_bytes(key)))
    }

    fn key(&self, path: &Path) -> Vec<u8> {
        path.strip_prefix(&self.path).unwrap_or(path).as_os_str().as_bytes().to_vec()
    }

    /// Returns the folder that a listing starts in; None if there is nothing below the prefix.
    fn start(&self, prefix: &[u8]) -> io::Result<Option<PathBuf>> {
        if !fs::metadata(&self.path)?.is_dir() {
            return Err(io::Error::new(ErrorKind::NotADirectory, "it is a file, not a folder"));
        }
        let below = prefix.strip_suffix(b"/").unwrap_or(prefix);
        if below.is_empty() {
            return Ok(Some(self.path.clone()));
        }
        // No folder can have such a name, so there is nothing below it.
        let Ok(path) = self.path(below) else { return Ok(None) };
        match fs::metadata(&path) {
            Ok(meta) => Ok(meta.is_dir().then_some(path)),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Returns the item of a listing for an entry; None for a folder.
    fn item(&self, entry: walkdir::Result<DirEntry>) -> Option<io::Result<Object>> {
        let gap = |path: &Path, is_folder, reason: String| Some(Err(Gap { key: self.key(path), is_folder, reason }.into()));
        let reason =
            |e: &walkdir::Error| e.io_error().map_or("a link that leads back to a folder above it".into(), error::reason);
        let entry = match entry {
            Ok(entry) => entry,
            // The target of a broken link is unknown: it may be a folder.
            Err(e) => return gap(e.path().unwrap_or(&self.path), true, reason(&e)),
        };
        match entry.file_type() {
            kind if kind.is_dir() || kind.is_symlink() => None,
            kind if !kind.is_file() => gap(entry.path(), false, "it is not a regular file".into()),
            _ => match entry.metadata() {
                Ok(meta) => Some(Ok(object(self.key(entry.path()), &meta))),
                // It was deleted after its folder was read. A caller that opens it gets the error.
                Err(e) if e.io_error().is_some_and(is_missing) => {
                    Some(Ok(Object { key: self.key(entry.path()), ..Object::default() }))
                }
                Err(e) => gap(entry.path(), false, reason(&e)),
            },
        }
    }

    /// Writes a temporary file that will get that path.
    fn write(&self, path: &Path, access: Access, body: Body<'_>, how: &Put) -> io::Result<tempfile::NamedTempFile> {
        let mut temp = tempfile::Builder::new().prefix(".snap-").suffix(".tmp").tempfile_in(above(path))?;
        crate::cleanup::register(temp.path());
        intake::copy(body, how, &mut temp)?;
        temp.as_file().set_permissions(Permissions::from_mode(access.file_mode()))?;
        temp.as_file().sync_all()?;
        Ok(temp)
    }

    /// Syncs the folders that a new name is in, up to the root.
    fn sync_above(&self, path: &Path) -> io::Result<()> {
        path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.path)).try_for_each(sync)
    }
}

impl Store for Folder {
    fn url(&self) -> &str {
        &self.url
    }

    fn name_of(&self, key: &[u8]) -> Vec<u8> {
        self.path.join(OsStr::from_bytes(key)).as_os_str().as_bytes().to_vec()
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        let start = match self.start(prefix) {
            Ok(Some(start)) => start,
            Ok(None) => return Box::new(std::iter::empty()),
            Err(e) => return Box::new(std::iter::once(Err(e))),
        };
        let walk = WalkDir::new(start).min_depth(1).follow_links(self.beyond_links).sort_by(|a, b| sort_key(a).cmp(sort_key(b)));
        let enters = move |entry: &DirEntry| !entry.file_type().is_dir() || enters(&[&self.key(entry.path())[..], b"/"].concat());
        Box::new(walk.into_iter().filter_entry(enters).filter_map(|entry| self.item(entry)))
    }

    fn makes_roots(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        match fs::metadata(self.path(key)?) {
            Ok(meta) => Ok((!meta.is_dir()).then(|| object(key.to_vec(), &meta))),
            Err(e) if is_missing(&e) => Ok(None),
            Err(e) => Err(e),
        }
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        let path = self.path(key)?;
        refuse_version(get)?;
        let file = File::open(path).map_err(|e| if is_missing(&e) { ErrorKind::NotFound.into() } else { e })?;
        if file.metadata()?.is_dir() {
            return Err(io::Error::new(ErrorKind::IsADirectory, "it is a folder"));
        }
        part(file, get.from, get.len).map(Got::from)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        let path = self.path(key)?;
        let access = Access::make_root(&self.path)?;
        access.make_folders(&self.path, Path::new(OsStr::from_bytes(key)).parent().unwrap_or(Path::new("")))?;
        let temp = self.write(&path, access, body, how)?;
        match how.if_absent {
            false => temp.persist(&path).map_err(|e| e.error)?,
            true => match temp.persist_noclobber(&path) {
                Err(e) if e.error.kind() == ErrorKind::AlreadyExists => return Ok(false),
                named => named.map_err(|e| e.error)?,
            },
        };
        let synced = self.sync_above(&path);
        if synced.is_err() && how.if_absent {
            // After a failure, the caller must not find the file.
            let _ = fs::remove_file(&path);
        }
        synced.map(|()| true)
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let delete = |key: &Vec<u8>| {
            let path = self.path(key)?;
            match fs::remove_file(&path) {
                Err(e) if is_missing(&e) => Ok(()),
                Err(e) => Err(e),
                Ok(()) => sync(above(&path)),
            }
        };
        keys.iter().map(delete).collect()
    }
}

fn object(key: Vec<u8>, meta: &Metadata) -> Object {
    let modified = Time { sec: meta.mtime(), nsec: meta.mtime_nsec() as u32 };
    Object { key, size: meta.len(), modified: Some(modified), ..Object::default() }
}

/// Returns the key that sorts siblings by whole names: the names of all files in a folder continue with a `/`.
fn sort_key(entry: &DirEntry) -> impl Iterator<Item = u8> + '_ {
    let slash = entry.file_type().is_dir().then_some(b'/');
    entry.file_name().as_bytes().iter().copied().chain(slash)
}

/// Returns a reader of at most `len` bytes of a file from byte `from` on. A pipe can't seek, so there is no seek to byte 0.
pub(super) fn part(mut file: File, from: u64, len: Option<u64>) -> io::Result<Box<dyn Read + Send>> {
    if from > 0 {
        file.seek(SeekFrom::Start(from))?;
    }
    Ok(match len {
        Some(len) => Box::new(file.take(len)),
        None => Box::new(file),
    })
}

/// Refuses an etag and the id of a version, because files have none.
pub(super) fn refuse_version(get: &Get<'_>) -> io::Result<()> {
    get.check_current()?;
    get.etag.map_or(Ok(()), |_| Err(io::Error::new(ErrorKind::Unsupported, "it has no etags")))
}

pub(super) fn is_missing(e: &io::Error) -> bool {
    matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Returns the folder that a path is in.
fn above(path: &Path) -> &Path {
    path.parent().filter(|above| !above.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn sync(folder: &Path) -> io::Result<()> {
    sync_folder(File::open(folder)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn texts(listing: Listing<'_>) -> Vec<String> {
        let text = |e: io::Error| match Gap::of(&e) {
            Some(gap) => format!("{gap}{}", if gap.is_folder { "/" } else { "" }),
            None => format!("{:?}", e.kind()),
        };
        listing.map(|object| object.map_or_else(text, |o| String::from_utf8(o.key).unwrap())).collect()
    }

    #[test]
    fn links_are_passed_over_or_lead_on_and_what_can_t_be_told_is_a_gap() {
        let temp = tempfile::tempdir().unwrap();
        let at = |name: &str| temp.path().join(name);
        fs::create_dir_all(at("root/d/e")).unwrap();
        fs::create_dir(at("other")).unwrap();
        for file in ["root/d/e/f", "root/d-x", "root/d0", "other/o"] {
            fs::write(at(file), "x").unwrap();
        }
        rustix::fs::mknodat(rustix::fs::CWD, at("root/pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for (name, target) in [("to-file", "../other/o"), ("to-folder", "../other"), ("nowhere", "nothing"), ("d/up", "..")] {
            symlink(target, at("root").join(name)).unwrap();
        }
        let root = open(&at("root"), false);
        let plain = ["d-x", "d/e/f", "d0", "pipe: it is not a regular file"];
        assert_eq!(texts(root.list(b"")), plain);
        let beyond = open(&at("root"), true);
        let loops = "d/up: a link that leads back to a folder above it/";
        let nowhere = "nowhere: No such file or directory/";
        let all = ["d-x", "d/e/f", loops, "d0", nowhere, "pipe: it is not a regular file", "to-file", "to-folder/o"];
        assert_eq!(texts(beyond.list(b"")), all);
        assert_eq!(texts(beyond.list_in(b"", |key| key == b"to-folder/")).last().unwrap(), "to-folder/o");
        assert_eq!((texts(root.list(b"d/e/")), texts(root.list(b"to-folder/")).len()), (vec!["d/e/f".to_string()], 1));
        assert_eq!(texts(open(&at("none"), false).list(b"d/")), ["NotFound"]);
        assert_eq!(texts(open(&at("other/o"), false).list(b"")), ["NotADirectory"]);
    }

    #[test]
    fn what_is_put_has_the_rights_that_the_root_gives_and_leaves_nothing_beside_it() {
        let temp = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o7777;
        for (bits, folder, file) in [(0o700, 0o700, 0o600), (0o750, 0o750, 0o640), (0o2777, 0o2777, 0o666)] {
            let path = temp.path().join(format!("{bits:o}"));
            fs::create_dir(&path).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(bits)).unwrap();
            let store = open(&path, false);
            for how in [Put::default(), Put { if_absent: true, ..Put::default() }] {
                store.put(b"a/b/c", Body::Bytes(b"x".to_vec()), &how).unwrap();
            }
            let modes = [path.join("a"), path.join("a/b"), path.join("a/b/c")].map(|path| mode(&path));
            assert_eq!(modes, [folder, folder, file], "{bits:o}");
            assert_eq!(path.join("a/b").read_dir().unwrap().count(), 1);
        }
        let made = temp.path().join("new/root");
        assert!(open(&made, false).put(b"x", Body::Bytes(Vec::new()), &Put::default()).unwrap());
        assert_eq!((mode(&made), mode(&made.join("x"))), (0o700, 0o600));
    }
}
