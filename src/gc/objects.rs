//! The objects of a heap: listing and deleting them. Only `ab/<md5>.gz` is an object; whatever else lies there is left alone.

use crate::digest::Md5;
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::heap::condemned::Entry;
use crate::heap::{Heap, aside};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;
use std::os::fd::OwnedFd;
use std::path::Path;

pub struct Objects {
    shown: String,
    fd: OwnedFd,
}

impl Objects {
    pub fn open(heap: &Path) -> Result<Objects> {
        let shown = printable(heap.as_os_str().as_encoded_bytes());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = fs::open(heap, flags, Mode::empty()).or_failed(|| format!("heap root {shown}"))?;
        Ok(Objects { shown, fd })
    }

    fn failed(&self, what: &str, path: &str) -> impl Fn(Errno) -> Error {
        let what = format!("{what} {}/{path}", self.shown);
        move |e| Error::io(what.clone(), e.into())
    }

    /// Calls `visit` for every object, in order. With `recover`, what an earlier run left aside is put back first.
    pub fn each(&mut self, recover: bool, visit: &mut dyn FnMut(&Objects, Md5, Stat) -> Result<()>) -> Result<()> {
        for number in 0..=255u8 {
            let folder = format!("{number:02x}");
            for name in self.names(&folder, recover)? {
                match fs::statat(&self.fd, Heap::object_path(&name), AtFlags::SYMLINK_NOFOLLOW) {
                    Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile => visit(self, name, stat)?,
                    Ok(_) | Err(Errno::NOENT) => {}
                    Err(e) => return Err(self.failed("read", &Heap::object_path(&name))(e)),
                }
            }
        }
        Ok(())
    }

    /// The objects that a folder has names of.
    fn names(&self, folder: &str, recover: bool) -> Result<Vec<Md5>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = match fs::openat(&self.fd, folder, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            open => open.map_err(self.failed("list", folder))?,
        };
        let mut found = Vec::new();
        for entry in Dir::read_from(&open).map_err(self.failed("list", folder))? {
            let entry = entry.map_err(self.failed("list", folder))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let object = |md5: &Md5| Heap::object_path(md5)[..2] == *folder;
            if let Some(md5) = name.strip_suffix(".gz").and_then(Md5::parse).filter(object) {
                found.push(md5);
            } else if let Some(md5) = aside::md5_of(name).filter(|md5| recover && object(md5)) {
                aside::restore(&self.fd, name, &md5).map_err(self.failed("put back", &Heap::object_path(&md5)))?;
                found.push(md5);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Deletes an object. False if it is gone already.
    pub fn delete(&self, md5: &Md5) -> Result<bool> {
        let path = Heap::object_path(md5);
        match fs::unlinkat(&self.fd, &path, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.failed("delete", &path)(e)),
        }
    }

    /// Deletes an object if it still is what was condemned: it is renamed aside, so that nobody can take it up any more,
    /// looked at, and put back if a writer was quicker. False if it stays.
    pub fn delete_unchanged(&self, md5: &Md5, entry: &Entry) -> Result<bool> {
        let path = Heap::object_path(md5);
        let failed = self.failed("delete", &path);
        let aside = aside::name(md5);
        let away = format!("{}/{aside}", &path[..2]);
        let unchanged = |path: &str| match fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(entry.is_of(&stat)),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(failed(e)),
        };
        if !unchanged(&path)? {
            return Ok(false);
        }
        match fs::renameat(&self.fd, &path, &self.fd, &away) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(e) => return Err(failed(e)),
        }
        if !unchanged(&away)? {
            aside::restore(&self.fd, &aside, md5).map_err(self.failed("put back", &path))?;
            return Ok(false);
        }
        match fs::unlinkat(&self.fd, &away, AtFlags::empty()) {
            Ok(()) => Ok(true),
            // Another run took it for the leftover of a crash and put it back.
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(failed(e)),
        }
    }
}
