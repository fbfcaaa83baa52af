//! Listing and deleting the objects of a heap in a folder, for `snap-gc`. Only `ab/<md5>.gz` is an object; other files are left
//! alone.

use super::aside;
use super::condemned::{Entry, Identity};
use super::lease::Lease;
use super::path::object_path;
use crate::digest::Md5;
use crate::error::Result;
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

impl Lease {
    /// Calls `visit` for every object, in order. With `recover`, first puts back what an earlier run left aside.
    ///
    /// # Errors
    /// If a folder can't be listed, and those of `visit`.
    pub fn each(&self, recover: bool, visit: &mut dyn FnMut(Md5, Stat) -> Result<()>) -> Result<()> {
        for number in 0..=255u8 {
            for md5 in self.objects(&format!("{number:02x}"), recover)? {
                if let Some(stat) = self.stat(&md5)?.filter(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile) {
                    visit(md5, stat)?;
                }
            }
        }
        Ok(())
    }

    /// Returns the objects that a folder has names of.
    fn objects(&self, folder: &str, recover: bool) -> Result<Vec<Md5>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = match fs::openat(&self.fd, folder, flags, Mode::empty()) {
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
            open => open.map_err(self.failed("list", folder))?,
        };
        let mut found = Vec::new();
        for entry in Dir::read_from(&open).map_err(self.failed("list", folder))? {
            let entry = entry.map_err(self.failed("list", folder))?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let is_here = |md5: &Md5| object_path(md5)[..2] == *folder;
            if let Some(md5) = name.strip_suffix(".gz").and_then(Md5::parse).filter(is_here) {
                found.push(md5);
            } else if let Some(md5) = aside::md5_of(name).filter(|md5| recover && is_here(md5)) {
                aside::restore(&self.fd, name, &md5).map_err(self.failed("put back", &object_path(&md5)))?;
                found.push(md5);
            }
        }
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Deletes an object. Returns false if it is gone already.
    ///
    /// # Errors
    /// What the system says.
    pub fn delete(&self, md5: &Md5) -> Result<bool> {
        self.unlink(&object_path(md5), md5)
    }

    fn unlink(&self, path: &str, md5: &Md5) -> Result<bool> {
        match fs::unlinkat(&self.fd, path, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.failed("delete", &object_path(md5))(e)),
        }
    }

    /// Deletes an object if it still is what was condemned: renames it, so that no writer can rely on it any more, looks at it,
    /// and puts it back if a writer renewed it before. Returns false if the object stays.
    ///
    /// # Errors
    /// What the system says.
    pub fn delete_unchanged(&self, md5: &Md5, entry: &Entry) -> Result<bool> {
        let path = object_path(md5);
        let failed = self.failed("delete", &path);
        let aside = aside::name(md5);
        let away = format!("{}/{aside}", &path[..2]);
        let is_unchanged = |path: &str| match fs::statat(&self.fd, path, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(entry.is_of(stat.st_size as u64, &Identity::of_file(&stat))),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(failed(e)),
        };
        if !is_unchanged(&path)? {
            return Ok(false);
        }
        match fs::renameat(&self.fd, &path, &self.fd, &away) {
            Ok(()) => {}
            Err(Errno::NOENT) => return Ok(false),
            Err(e) => return Err(failed(e)),
        }
        if !is_unchanged(&away)? {
            aside::restore(&self.fd, &aside, md5).map_err(self.failed("put back", &path))?;
            return Ok(false);
        }
        // False: another run took it for the leftover of a crash and put it back.
        self.unlink(&away, md5)
    }
}
