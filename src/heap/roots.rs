//! The snap roots whose snapshots use a heap: `snap-write` notes them in the heap, so that `snap-gc` can't overlook one.

use crate::digest;
use crate::display::printable;
use crate::error::{OrFailed, Result};
use crate::storage::{Body, Cold, Location, Put, Store};
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The folder below the heap root, with an object for each snap root.
pub const FOLDER: &str = "roots";

/// A snap root that was noted.
#[derive(Clone, Debug)]
pub struct Noted {
    /// Its absolute path, or its URL.
    pub root: PathBuf,
    /// The file or object that names the root, for messages.
    pub file: String,
}

/// Notes a snap root in a heap, if it is not noted yet. A heap that does not exist has nothing to lose.
///
/// # Errors
/// If it can't be written.
pub fn note(heap: &Location, snap_root: &Location) -> Result<()> {
    let path = snap_root.absolute();
    let bytes = path.as_os_str().as_bytes();
    // Never a name that looks like an md5: the Python tool takes the start of any file's name for one.
    let key = format!("{FOLDER}/snap-root-{}.path", &digest::md5_of(bytes).to_string()[..16]);
    let (store, line) = (heap.store(), [bytes, b"\n"].concat());
    let is_noted = || match read(&*store, key.as_bytes()) {
        Ok(old) => old == line,
        Err(e) => Cold::is(&e),
    };
    let note = || match is_noted() || !heap.is_there()? {
        true => Ok(true),
        false => store.put(key.as_bytes(), Body::Bytes(line.clone()), &Put { stays_readable: true, ..Put::default() }),
    };
    note().or_failed(|| format!("note the snap root in the heap root {heap}")).map(drop)
}

/// Returns the snap roots that were noted in a heap.
///
/// # Errors
/// If they can't be read.
pub fn noted(heap: &Location) -> Result<Vec<Noted>> {
    let what = || format!("read {heap}/{FOLDER}");
    let store = heap.store_beyond_links();
    let mut noted = Vec::new();
    for object in store.list(format!("{FOLDER}/").as_bytes()) {
        let key = match object {
            // There is no heap.
            Err(e) if e.kind() == ErrorKind::NotFound => break,
            object => object.or_failed(what)?.key,
        };
        if key.starts_with(b"roots/snap-root-") && key.ends_with(b".path") {
            let line = read(&*store, &key).or_failed(what)?;
            let root = PathBuf::from(OsStr::from_bytes(line.strip_suffix(b"\n").unwrap_or(&line)));
            noted.push(Noted { root, file: printable(&store.name_of(&key)) });
        }
    }
    noted.sort_by(|a: &Noted, b| a.root.cmp(&b.root));
    Ok(noted)
}

fn read(store: &dyn Store, key: &[u8]) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    store.open(key, 0, None, None)?.read_to_end(&mut content)?;
    Ok(content)
}

/// Whether two paths lead to the same folder.
pub fn is_same(a: &Path, b: &Path) -> bool {
    let id = |p: &Path| fs::metadata(p).ok().map(|m| (m.dev(), m.ino()));
    a == b || id(a).is_some_and(|a| Some(a) == id(b))
}
