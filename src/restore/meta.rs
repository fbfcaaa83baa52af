//! Reads mode, owner and time of files and folders from records, and sets them through open descriptors.

use super::options::Options;
use super::root::{FolderRoot, is};
use crate::error::{OrFailed, Reason};
use crate::record::{Record, key};
use crate::rootdir::{Folder, timestamps};
use crate::stat::{self, modified};
use crate::system;
use crate::time::Time;
use rustix::fs::{self, FileType, Gid, Stat, Uid};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

const OWNER: &str = "can't set the owner";
const TIME: &str = "can't set the time";
const XATTRS: &str = "can't set the extended attributes";

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const SET_ID: u32 = SETUID | SETGID;

/// The metadata of a record. A value that is `None` is not set.
#[derive(Clone)]
pub struct Meta {
    pub mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    /// The owner and group of the record, whether or not they are restored.
    known: (Option<u32>, Option<u32>),
    /// Whether the owner is restored.
    owner: bool,
    time: Option<Time>,
    /// Names and values of extended attributes, including ACLs.
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Meta {
    pub fn of(record: &Record, options: &Options) -> Meta {
        let f = record.fields();
        let xattrs = if options.xattrs { record.xattrs() } else { Vec::new() };
        // For the system, this number means "do not change it", so it is not a valid owner.
        let known = (f.uid.filter(|n| *n != u32::MAX), f.gid.filter(|n| *n != u32::MAX));
        let (uid, gid) = if options.owner { known } else { (None, None) };
        Meta { mode: f.mode.map(|m| m & 0o7777), uid, gid, known, owner: options.owner, time: record.modified(), xattrs }
    }

    /// Adds a mode, if the record has none.
    pub fn or_mode(self, mode: u32) -> Meta {
        Meta { mode: self.mode.or(Some(mode)), ..self }
    }

    pub fn owner_differs(&self, stat: &Stat) -> bool {
        self.uid.is_some_and(|u| u != stat.st_uid) || self.gid.is_some_and(|g| g != stat.st_gid)
    }

    /// Returns the mode for a file with this owner and group and the current mode `now`. A program that runs as its owner must
    /// not run as another user: set-user-id is added only if the owner is restored. If it is already set, it stays.
    fn mode_for(&self, uid: u32, gid: u32, now: u32) -> Option<u32> {
        let mut mode = self.mode?;
        if !self.owner {
            mode &= !SET_ID | now;
        }
        if self.known.0 != Some(uid) {
            mode &= !SETUID;
        }
        if self.known.1 != Some(gid) {
            mode &= !SETGID;
        }
        Some(mode)
    }

    /// Checks whether an existing entry has another mode, owner or time. The mode of a link is ignored.
    pub fn differs(&self, record: &Record, stat: &Stat) -> bool {
        let uid = self.uid.unwrap_or(stat.st_uid);
        let gid = self.gid.unwrap_or(stat.st_gid);
        self.owner_differs(stat)
            || !is(stat, FileType::Symlink)
                && self.mode_for(uid, gid, system::mode(stat)).is_some_and(|m| m != system::mode(stat) & 0o7777)
            || !record.has_time(modified(stat))
    }

    /// Checks whether a file lacks an extended attribute of the record or has another value. True if the attribute can't be read.
    pub fn xattrs_differ(&self, folder: &Folder, leaf: &[u8], seen: &Stat) -> bool {
        !self.xattrs.iter().all(|(name, value)| has_xattr(folder, leaf, seen, name, value))
    }

    /// Sets the values of a link that differ. Its mode is ignored. On Linux, links can only have extended attributes of `trusted`
    /// and `security`.
    ///
    /// # Errors
    /// The first failure; everything else is set.
    pub fn set_link(&self, record: &Record, folder: &Folder, leaf: &[u8], stat: &Stat) -> Result<(), Reason> {
        let mut set = Ok(());
        if self.owner_differs(stat) {
            set = folder.set_link_owner(leaf, stat, self.uid, self.gid).or_reason(OWNER);
        }
        if let Some(time) = self.time.filter(|_| !record.has_time(modified(stat))) {
            set = set.and(folder.set_link_time(leaf, stat, time).or_reason(TIME));
        }
        for (name, value) in &self.xattrs {
            if !has_xattr(folder, leaf, stat, name, value) {
                set = set.and(folder.set_link_xattr(leaf, stat, name, value).or_reason(XATTRS));
            }
        }
        set
    }

    /// Sets the values that differ: the owner first, because that clears bits of the mode, and the time last.
    ///
    /// # Errors
    /// The first failure; everything else is set.
    pub fn set(&self, fd: impl AsFd, root: &FolderRoot) -> Result<(), Reason> {
        let stat = fs::fstat(&fd).map_err(io::Error::from)?;
        let mut set = Ok(());
        let (mut uid, mut gid, mut mode) = (stat.st_uid, stat.st_gid, system::mode(&stat) & 0o7777);
        if self.owner_differs(&stat) {
            let result = fs::fchown(&fd, self.uid.map(Uid::from_raw), self.gid.map(Gid::from_raw));
            if result.is_ok() {
                (uid, gid) = (self.uid.unwrap_or(uid), self.gid.unwrap_or(gid));
                mode &= !SET_ID;
            }
            set = result.or_reason(OWNER);
        }
        // After the owner, because changing it removes capabilities. Before the mode, because an ACL changes it too.
        for (name, value) in &self.xattrs {
            set = set.and(set_xattr(fd.as_fd(), name, value).or_reason(XATTRS));
        }
        if !self.xattrs.is_empty() {
            mode = fs::fstat(&fd).map_or(mode, |now| system::mode(&now) & 0o7777);
        }
        if let Some(wanted) = self.mode_for(uid, gid, mode) {
            if Some(wanted) != self.mode && !root.stripped.swap(true, Ordering::Relaxed) {
                root.job.monitor.note("set-user-id and set-group-id are left off where the owner is not brought back");
            }
            if wanted != mode {
                set = set.and(fs::fchmod(&fd, system::permissions(wanted)).or_reason("can't set the mode"));
            }
        }
        if let Some(time) = self.time.filter(|t| *t != modified(&stat)) {
            set = set.and(fs::futimens(&fd, &timestamps(time)).or_reason(TIME));
        }
        set
    }
}

/// Gives a root that the restore made the metadata of the root that was backed up (see [`crate::scan::facts`]). Has to be called
/// when everything in it is done, because that changes its time.
///
/// # Errors
/// The first failure; everything else is set.
pub fn set_root(facts: &serde_json::Value, root: &FolderRoot) -> Result<(), Reason> {
    let Some(mut keys) = facts.as_object().cloned() else { return Ok(()) };
    keys.insert("name".to_string(), "root".into());
    keys.insert("type".to_string(), "directory".into());
    let text = serde_json::Value::Object(keys).to_string();
    let record = Record::parse(text.as_bytes()).map_err(|e| e.reason)?;
    Meta::of(&record, &root.job.options).set(root.root.fd(), root)
}

fn has_xattr(folder: &Folder, leaf: &[u8], seen: &Stat, name: &[u8], value: &[u8]) -> bool {
    folder.xattr(leaf, seen, name, value.len()).is_ok_and(|there| there == value)
}

fn set_xattr(fd: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    let mut there = vec![0; value.len()];
    if system::fgetxattr(fd, name, &mut there).is_ok_and(|length| length == value.len() && there == value) {
        return Ok(());
    }
    Ok(system::set_xattr(fd, name, value)?)
}

/// Returns the record with the current metadata. The number of blocks can be wrong until they are written, so `sparse` stays.
pub fn fresh(record: &Record, stat: &Stat) -> Record {
    let mut edit = record.edit();
    stat::set(&mut edit, stat);
    let fields = record.fields();
    edit.set(key::SIZE, fields.size).set(key::SPARSE, fields.sparse.then_some(true)).finish()
}

/// Returns the record of a folder as it will be when everything in it is done. `created` and the number of links are still
/// unknown.
pub fn fresh_folder(record: &Record, stat: &Stat, options: &Options) -> Record {
    let meta = Meta::of(record, options);
    let (uid, gid) = (meta.uid.unwrap_or(stat.st_uid), meta.gid.unwrap_or(stat.st_gid));
    let mode = match meta.mode_for(uid, gid, system::mode(stat)) {
        Some(mode) => system::mode(stat) & !0o7777 | mode,
        None => system::mode(stat),
    };
    let mut edit = record.edit();
    edit.set(key::CREATED, None).set(key::NLINK, None).set(key::INO, stat.st_ino);
    edit.set(key::MODE, mode).set(key::UID, uid).set(key::GID, gid).finish()
}
