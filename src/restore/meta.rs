//! Mode, owner and time of files and folders: what a record asks for, and setting it through open descriptors.

use super::options::Options;
use super::root::{FolderRoot, is};
use crate::error::{OrFailed, Reason};
use crate::json::{self, Object};
use crate::record::{Record, key};
use crate::rootdir::{Folder, timestamps};
use crate::stat::{self, modified};
use crate::time::Time;
use rustix::fs::{self, FileType, Gid, Mode, Stat, Uid, XattrFlags};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::Ordering;

const OWNER: &str = "can't set the owner";
const TIME: &str = "can't set the time";
const XATTRS: &str = "can't set the extended attributes";

const SETUID: u32 = 0o4000;
const SETGID: u32 = 0o2000;
const SET_ID: u32 = SETUID | SETGID;

/// What a record asks for. `None` stays as it is.
#[derive(Clone)]
pub struct Meta {
    pub mode: Option<u32>,
    uid: Option<u32>,
    gid: Option<u32>,
    /// The owner that the record knows, whether or not it is to be restored.
    known: (Option<u32>, Option<u32>),
    /// It is to be restored.
    owner: bool,
    time: Option<Time>,
    /// Names and values of extended attributes, ACLs among them.
    xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Meta {
    pub fn of(record: &Record, options: &Options) -> Meta {
        let f = record.fields();
        let xattrs = if options.xattrs { xattrs_of(record) } else { Vec::new() };
        // To the system, this number means "do not change it", so it is no owner.
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

    /// The mode for a file of that owner which has the mode `now`. A program that runs as its owner must not come to run as
    /// another user: set-user-id is given only where the owner is brought back, and left where it is.
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

    /// Whether something that is there has another mode, owner or time. A link's mode means nothing.
    pub fn differs(&self, record: &Record, stat: &Stat) -> bool {
        let uid = self.uid.unwrap_or(stat.st_uid);
        let gid = self.gid.unwrap_or(stat.st_gid);
        self.owner_differs(stat)
            || !is(stat, FileType::Symlink) && self.mode_for(uid, gid, stat.st_mode).is_some_and(|m| m != stat.st_mode & 0o7777)
            || !record.has_time(modified(stat))
    }

    /// Whether a file lacks an extended attribute of the record or has another value. True if the attribute can't be read.
    pub fn xattrs_differ(&self, folder: &Folder, leaf: &[u8], seen: &Stat) -> bool {
        !self.xattrs.iter().all(|(name, value)| has_xattr(folder, leaf, seen, name, value))
    }

    /// Sets what differs of a link, whose mode means nothing. Linux lets links have extended attributes of `trusted` and
    /// `security` only.
    ///
    /// # Errors
    /// What could not be set first; all the rest is set.
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

    /// Sets what differs. The owner first, because changing it clears bits of the mode; the time last.
    ///
    /// # Errors
    /// The first failure; everything else is done.
    pub fn set(&self, fd: impl AsFd, root: &FolderRoot) -> Result<(), Reason> {
        let stat = fs::fstat(&fd).map_err(io::Error::from)?;
        let mut set = Ok(());
        let (mut uid, mut gid, mut mode) = (stat.st_uid, stat.st_gid, stat.st_mode & 0o7777);
        if self.owner_differs(&stat) {
            let result = fs::fchown(&fd, self.uid.map(Uid::from_raw), self.gid.map(Gid::from_raw));
            if result.is_ok() {
                (uid, gid) = (self.uid.unwrap_or(uid), self.gid.unwrap_or(gid));
                mode &= !SET_ID;
            }
            set = result.or_reason(OWNER);
        }
        // After the owner, whose change takes capabilities away, and before the mode, which an ACL changes too.
        for (name, value) in &self.xattrs {
            set = set.and(set_xattr(fd.as_fd(), name, value).or_reason(XATTRS));
        }
        if !self.xattrs.is_empty() {
            mode = fs::fstat(&fd).map_or(mode, |now| now.st_mode & 0o7777);
        }
        if let Some(wanted) = self.mode_for(uid, gid, mode) {
            if Some(wanted) != self.mode && !root.stripped.swap(true, Ordering::Relaxed) {
                root.job.monitor.note("set-user-id and set-group-id are left off where the owner is not brought back");
            }
            if wanted != mode {
                set = set.and(fs::fchmod(&fd, Mode::from_raw_mode(wanted)).or_reason("can't set the mode"));
            }
        }
        if let Some(time) = self.time.filter(|t| *t != modified(&stat)) {
            set = set.and(fs::futimens(&fd, &timestamps(time)).or_reason(TIME));
        }
        set
    }
}

/// Gives a root that a restore has made what was known of the root that was backed up (see [`crate::scan::facts`]): to be called
/// when all is done in it, because that changes its time.
///
/// # Errors
/// The first failure; everything else is done.
pub fn set_root(facts: &serde_json::Value, root: &FolderRoot) -> Result<(), Reason> {
    let Some(mut keys) = facts.as_object().cloned() else { return Ok(()) };
    keys.insert("name".to_string(), "root".into());
    keys.insert("type".to_string(), "directory".into());
    let text = serde_json::Value::Object(keys).to_string();
    let record = Record::parse(text.as_bytes()).map_err(|e| e.reason)?;
    Meta::of(&record, &root.job.options).set(root.root.fd(), root)
}

/// The extended attributes of a record: `{"user.name":"base64", …}`.
fn xattrs_of(record: &Record) -> Vec<(Vec<u8>, Vec<u8>)> {
    let Some(raw) = record.raw("xattrs") else { return Vec::new() };
    let Ok(object) = Object::parse(raw.as_bytes()) else { return Vec::new() };
    let value = |raw: &str| json::from_base64(&serde_json::from_str::<String>(raw).ok()?);
    object.entries().filter_map(|(name, raw)| Some((name.as_bytes().to_vec(), value(raw)?))).collect()
}

fn has_xattr(folder: &Folder, leaf: &[u8], seen: &Stat, name: &[u8], value: &[u8]) -> bool {
    folder.xattr(leaf, seen, name, value.len()).is_ok_and(|there| there == value)
}

fn set_xattr(fd: BorrowedFd<'_>, name: &[u8], value: &[u8]) -> io::Result<()> {
    let mut there = vec![0; value.len()];
    if fs::fgetxattr(fd, name, &mut there).is_ok_and(|length| length == value.len() && there == value) {
        return Ok(());
    }
    Ok(fs::fsetxattr(fd, name, value, XattrFlags::empty())?)
}

/// The record with what the file system says now. Its number of blocks can be wrong until they are written, so `sparse` stays.
pub fn fresh(record: &Record, stat: &Stat) -> Record {
    let mut edit = record.edit();
    stat::set(&mut edit, stat);
    let fields = record.fields();
    edit.set(key::SIZE, fields.size).set(key::SPARSE, fields.sparse.then_some(true)).finish()
}

/// The record of a folder as it will be when everything in it is done. Its `created` and its number of links are not known yet.
pub fn fresh_folder(record: &Record, stat: &Stat, options: &Options) -> Record {
    let meta = Meta::of(record, options);
    let (uid, gid) = (meta.uid.unwrap_or(stat.st_uid), meta.gid.unwrap_or(stat.st_gid));
    let mode = match meta.mode_for(uid, gid, stat.st_mode) {
        Some(mode) => stat.st_mode & !0o7777 | mode,
        None => stat.st_mode,
    };
    let mut edit = record.edit();
    edit.set(key::CREATED, None).set(key::NLINK, None).set(key::INO, stat.st_ino);
    edit.set(key::MODE, mode).set(key::UID, uid).set(key::GID, gid).finish()
}
