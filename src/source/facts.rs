//! The metadata of the root itself, which has no record. The end record and the snapshot's label keep it, so that a restore that
//! makes the root can make it the same.

use super::xattrs;
use crate::json::to_base64;
use crate::record::Kind;
use crate::rootdir::RootDir;
use crate::stat;
use rustix::fs;
use serde_json::{Map, Value};
use std::io;

/// Returns the mode, owner and time of a root, and its extended attributes on request. Keys and values are those of a folder's
/// record.
///
/// # Errors
/// The system's error.
pub fn of(root: &RootDir, with_xattrs: bool) -> io::Result<Value> {
    let stat = fs::fstat(root.fd())?;
    let mut facts = Map::new();
    facts.insert("mode".to_string(), stat.st_mode.into());
    facts.insert("uid".to_string(), stat.st_uid.into());
    facts.insert("gid".to_string(), stat.st_gid.into());
    if let Some(modified) = stat::modified(&stat).rfc3339() {
        facts.insert("modified".to_string(), modified.into());
    }
    let xattrs = if with_xattrs { xattrs::of(root.fd(), b".", Kind::Directory)?.unwrap_or_default() } else { Vec::new() };
    if !xattrs.is_empty() {
        // A label can't contain a name that is not UTF-8.
        let pair = |(name, value): &(Vec<u8>, Vec<u8>)| Some((str::from_utf8(name).ok()?.to_string(), to_base64(value).into()));
        facts.insert("xattrs".to_string(), Value::Object(xattrs.iter().filter_map(pair).collect()));
    }
    Ok(Value::Object(facts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Time;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_root_is_told_by_mode_owner_and_exact_time() {
        let temp = tempfile::tempdir().unwrap();
        std::fs::set_permissions(temp.path(), std::fs::Permissions::from_mode(0o2751)).unwrap();
        let root = RootDir::open(temp.path()).unwrap();
        let time = Time { sec: 1_700_000_000, nsec: 123_456_789 };
        fs::futimens(root.fd(), &crate::rootdir::timestamps(time)).unwrap();
        let facts = of(&root, true).unwrap();
        let stat = fs::fstat(root.fd()).unwrap();
        assert_eq!(facts["mode"], 0o42751);
        assert_eq!((&facts["uid"], &facts["gid"]), (&stat.st_uid.into(), &stat.st_gid.into()));
        assert_eq!(facts["modified"], "2023-11-14T22:13:20.123456789Z");
    }

    #[test]
    fn extended_attributes_are_told_if_asked_for() {
        let temp = tempfile::tempdir_in(".").unwrap();
        let root = RootDir::open(temp.path()).unwrap();
        if fs::fsetxattr(root.fd(), "user.tag", b"red", fs::XattrFlags::empty()).is_err() {
            eprintln!("skipped: this file system has no extended attributes");
            return;
        }
        assert_eq!(of(&root, true).unwrap()["xattrs"]["user.tag"], "cmVk");
        assert!(of(&root, false).unwrap().get("xattrs").is_none());
    }
}
