//! Listing and deleting the objects of a heap in a folder, for `snap-gc`. Only `ab/<md5>.gz` is an object, or `ab/<id>.gz.age` in an
//! encrypted heap; other files are left alone.

use super::aside;
use super::condemned::{Entry, Identity};
use super::lease::{Lease, shown};
use crate::digest::Md5;
use crate::error::{OrFailed, Result};
use rustix::fs::{self, AtFlags, Dir, FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

impl Lease {
    /// Calls `visit` for every object, in order. With `recover`, first puts back what an earlier run left aside.
    ///
    /// # Errors
    /// If a folder can't be listed, and those of `visit`.
    pub fn each(&self, recover: bool, visit: &mut dyn FnMut(Md5, Stat) -> Result<()>) -> Result<()> {
        for number in 0..=255u8 {
            for id in self.objects(&format!("{number:02x}"), recover)? {
                if let Some(stat) = self.stat(&id)?.filter(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile) {
                    visit(id, stat)?;
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
            let is_here = |id: &Md5| id.to_string()[..2] == *folder;
            if let Some(id) = self.names.id_in(folder, name) {
                found.push(id);
            } else if let Some(id) = aside::id_of(name).filter(|id| recover && is_here(id)) {
                aside::restore(&self.fd, &self.names, name, &id).map_err(self.failed("put back", &self.names.path(&id)))?;
                found.push(id);
            } else {
                let key = format!("{folder}/{name}");
                self.names.check_form(key.as_bytes()).or_failed(|| shown(&self.path))?;
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
    pub fn delete(&self, id: &Md5) -> Result<bool> {
        self.unlink(&self.names.path(id), id)
    }

    fn unlink(&self, path: &str, id: &Md5) -> Result<bool> {
        match fs::unlinkat(&self.fd, path, AtFlags::empty()) {
            Ok(()) => Ok(true),
            Err(Errno::NOENT) => Ok(false),
            Err(e) => Err(self.failed("delete", &self.names.path(id))(e)),
        }
    }

    /// Deletes an object if it still is what was condemned: renames it, so that no writer can rely on it any more, looks at it,
    /// and puts it back if a writer renewed it before. Returns false if the object stays.
    ///
    /// # Errors
    /// What the system says.
    pub fn delete_unchanged(&self, id: &Md5, entry: &Entry) -> Result<bool> {
        let path = self.names.path(id);
        let failed = self.failed("delete", &path);
        let aside = aside::name(id);
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
            aside::restore(&self.fd, &self.names, &aside, id).map_err(self.failed("put back", &path))?;
            return Ok(false);
        }
        // False: another run took it for the leftover of a crash and put it back.
        self.unlink(&away, id)
    }
}
