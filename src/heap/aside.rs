//! Objects that `snap-gc` is about to delete: it renames an object before it looks at it for the last time, and puts it back if it
//! has changed. After a crash, a writer that needs the object puts it back, and so does every later `snap-gc`.

use super::path::Names;
use crate::digest::Md5;
use crate::system;
use rustix::fs::{self, AtFlags, Mode, OFlags};
use rustix::io::{Errno, Result};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

/// Returns a name for an object aside, in its folder. It is unique over processes and crashes, and never looks like an md5.
pub fn name(id: &Md5) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let now = crate::time::Time::now();
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("gc-{id}-{}-{}.{:09}-{count}", std::process::id(), now.sec, now.nsec)
}

/// Returns the id of the object that was put aside under this name.
pub fn id_of(name: &str) -> Option<Md5> {
    Md5::parse(name.strip_prefix("gc-")?.get(..32)?)
}

/// Puts an object back. If the object was stored again meanwhile, the old one is deleted.
///
/// # Errors
/// What the system says.
pub fn restore(heap: &OwnedFd, names: &Names, name: &str, id: &Md5) -> Result<()> {
    let path = names.path(id);
    let from = format!("{}/{name}", &path[..2]);
    let result = match system::rename_new(heap, &from, heap, &path) {
        // The file system has no such rename.
        Err(Errno::INVAL) => match fs::linkat(heap, &from, heap, &path, AtFlags::empty()) {
            Ok(()) => Err(Errno::EXIST),
            Err(e) => Err(e),
        },
        result => result,
    };
    match result {
        Err(Errno::EXIST) => match fs::unlinkat(heap, &from, AtFlags::empty()) {
            Err(Errno::NOENT) | Ok(()) => Ok(()),
            Err(e) => Err(e),
        },
        // Another process put it back.
        Err(Errno::NOENT) => Ok(()),
        result => result,
    }
}

/// Returns the names of objects that were put aside with this id, in their folder.
///
/// # Errors
/// What the system says.
pub fn find(heap: &OwnedFd, id: &Md5) -> Result<Vec<String>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let folder = match fs::openat(heap, &id.to_string()[..2], flags, Mode::empty()) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        folder => folder?,
    };
    let mut found = Vec::new();
    for entry in fs::Dir::read_from(&folder)? {
        let entry = entry?;
        if let Some(name) = entry.file_name().to_str().ok().filter(|name| id_of(name) == Some(*id)) {
            found.push(name.to_string());
        }
    }
    Ok(found)
}

/// Puts back all objects with this id that are aside. Returns whether there was one.
///
/// # Errors
/// What the system says.
pub fn put_back(heap: &OwnedFd, names: &Names, id: &Md5) -> Result<bool> {
    let found = find(heap, id)?;
    for name in &found {
        restore(heap, names, name, id)?;
    }
    Ok(!found.is_empty())
}
