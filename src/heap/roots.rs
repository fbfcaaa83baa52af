//! The snap roots whose snapshots use a heap: `snap-write` notes them in it, so that `snap-gc` can't overlook one.

use super::small;
use crate::digest;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::storage::{Body, Location, Put};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder below the heap root, with a file for each snap root.
pub const FOLDER: &str = "roots";

/// A snap root that was noted.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Its absolute path, or its URL.
    pub root: PathBuf,
    /// The file or object that says so, for messages.
    pub file: String,
}

/// Notes a snap root in a heap, if it is not yet. A heap that is not there has nothing to lose.
///
/// # Errors
/// If it can't be written.
pub fn note(heap: &Location, snap_root: &Location) -> Result<()> {
    let path = snap_root.absolute();
    let bytes = path.as_os_str().as_bytes();
    // Never a name that could pass for an md5: the Python tool takes any file's name for one.
    let name = format!("snap-root-{}.path", &digest::md5_of(bytes).to_string()[..16]);
    let what = || format!("note the snap root in the heap root {heap}");
    let line = [bytes, b"\n"].concat();
    match heap {
        Location::Folder(heap) if !heap.is_dir() => Ok(()),
        Location::Folder(heap) => {
            if fs::read(heap.join(FOLDER).join(&name)).is_ok_and(|old| old == line) {
                return Ok(());
            }
            let mut file = small::create(heap, FOLDER, &name)?;
            file.write_all(&line).and_then(|()| file.finish()).or_failed(what)
        }
        Location::Remote(store) => {
            let key = format!("{FOLDER}/{name}").into_bytes();
            if store.stat(&key).or_failed(what)?.is_none() {
                store.put(&key, Body::Bytes(line), &Put::default()).or_failed(what)?;
            }
            Ok(())
        }
    }
}

/// The snap roots that were noted in a heap.
///
/// # Errors
/// If they can't be read.
pub fn noted(heap: &Location) -> Result<Vec<Noted>> {
    let what = || format!("read {heap}/{FOLDER}");
    let mut noted = Vec::new();
    let mut add = |name: &[u8], line: Vec<u8>| {
        if name.starts_with(b"snap-root-") && name.ends_with(b".path") {
            let root = PathBuf::from(OsStr::from_bytes(line.strip_suffix(b"\n").unwrap_or(&line)));
            noted.push(Noted { root, file: format!("{heap}/{FOLDER}/{}", printable(name)) });
        }
    };
    match heap {
        Location::Folder(heap) => {
            let entries = match fs::read_dir(heap.join(FOLDER)) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
                entries => entries.or_failed(what)?,
            };
            for entry in entries {
                let entry = entry.or_failed(what)?;
                add(entry.file_name().as_bytes(), fs::read(entry.path()).or_failed(what)?);
            }
        }
        Location::Remote(store) => {
            for object in store.list(format!("{FOLDER}/").as_bytes()) {
                let key = object.or_failed(what)?.key;
                let mut line = Vec::new();
                store.open(&key, 0, None, None).and_then(|mut r| r.read_to_end(&mut line)).or_failed(what)?;
                add(&key[FOLDER.len() + 1..], line);
            }
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
