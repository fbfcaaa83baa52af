//! The snap roots whose snapshots use a heap: `snap-write` notes them in it, so that `snap-gc` can't overlook one.

use super::small;
use crate::codec;
use crate::error::{OrFailed, Result, printable};
use crate::storage::Location;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder below the heap root, with a file for each snap root.
pub const FOLDER: &str = "roots";

/// A snap root that was noted.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Its absolute path.
    pub root: PathBuf,
    /// The file that says so.
    pub file: PathBuf,
}

/// Notes a snap root in a heap, if it is not yet. A heap that is not there has nothing to lose.
///
/// # Errors
/// If it can't be written.
pub fn note(heap: &Location, snap_root: &Location) -> Result<()> {
    if !heap.path().is_dir() {
        return Ok(());
    }
    let path = snap_root.absolute();
    let bytes = path.as_os_str().as_bytes();
    let folder = heap.path().join(FOLDER);
    // Never a name that could pass for an md5: the Python tool takes any file's name for one.
    let name = format!("snap-root-{}.path", &codec::md5_of(bytes).to_string()[..16]);
    if fs::read(folder.join(&name)).is_ok_and(|old| old.strip_suffix(b"\n") == Some(bytes)) {
        return Ok(());
    }
    let mut temp = small::temp(&folder)?;
    temp.write_all(&[bytes, b"\n"].concat()).or_failed(|| format!("note the snap root in the heap root {heap}"))?;
    small::publish(temp, &folder, &name)
}

/// The snap roots that were noted in a heap.
///
/// # Errors
/// If they can't be read.
pub fn noted(heap: &Location) -> Result<Vec<Noted>> {
    let folder = heap.path().join(FOLDER);
    let what = || format!("read {}", printable(folder.as_os_str().as_bytes()));
    let entries = match fs::read_dir(&folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.or_failed(what)?,
    };
    let mut noted = Vec::new();
    for entry in entries {
        let file = entry.or_failed(what)?.path();
        let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
        if name.starts_with("snap-root-") && name.ends_with(".path") {
            let bytes = fs::read(&file).or_failed(what)?;
            let root = PathBuf::from(OsStr::from_bytes(bytes.strip_suffix(b"\n").unwrap_or(&bytes)));
            noted.push(Noted { root, file });
        }
    }
    noted.sort_by(|a, b| a.root.cmp(&b.root));
    Ok(noted)
}

/// Whether two paths are of one folder, however they are spelt.
pub fn is_same(a: &Path, b: &Path) -> bool {
    let id = |p: &Path| fs::metadata(p).ok().map(|m| (m.dev(), m.ino()));
    a == b || id(a).is_some_and(|a| Some(a) == id(b))
}
