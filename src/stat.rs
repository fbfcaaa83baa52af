//! From what the file system says of a file to its record, with the Python tool's keys and values.

use crate::digest;
use crate::json;
use crate::name::Name;
use crate::record::{Fields, Kind, Record};
use crate::time::Time;
use rustix::fs::{FileType, Stat};
use std::fmt::Write;

/// What has a place in a record beyond `stat`.
#[derive(Default)]
pub struct Extra<'a> {
    /// A link's target.
    pub destination: Option<&'a [u8]>,
    /// Names and values of extended attributes, in order of name.
    pub xattrs: Vec<(Vec<u8>, Vec<u8>)>,
}

/// The kind of record for a file, None for what is not recorded: sockets, fifos, devices.
pub fn kind(stat: &Stat) -> Option<Kind> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Some(Kind::File),
        FileType::Symlink => Some(Kind::Link),
        FileType::Directory => Some(Kind::Directory),
        _ => None,
    }
}

/// Time of the last change of the content.
pub fn modified(stat: &Stat) -> Time {
    Time { sec: stat.st_mtime, nsec: stat.st_mtime_nsec as u32 }
}

/// Time of the last change of the inode.
pub fn changed(stat: &Stat) -> Time {
    Time { sec: stat.st_ctime, nsec: stat.st_ctime_nsec as u32 }
}

/// The record of a file, link or folder. Keys in order, compact.
pub fn record(name: Name, kind: Kind, stat: &Stat, extra: &Extra<'_>) -> Record {
    let (modified, created) = (modified(stat), changed(stat).as_double());
    let mut fields = Fields {
        mtime: Some(modified.as_double()),
        created: Some(created),
        mode: Some(stat.st_mode),
        uid: Some(stat.st_uid),
        gid: Some(stat.st_gid),
        ino: Some(stat.st_ino),
        nlink: Some(stat.st_nlink),
        ..Fields::default()
    };
    let mut out = String::with_capacity(320 + 2 * name.as_bytes().len());
    out.push_str("{\"created\":");
    push_double(&mut out, created);
    if let Some(target) = extra.destination {
        out.push_str(",\"destination\":");
        json::push_string(&mut out, target);
        json::push_bytes_key(&mut out, "destination_bytes", target);
        fields.destination = Some(target.to_vec());
        fields.size = Some(target.len() as u64);
        fields.md5 = Some(digest::md5_of(target));
    }
    if kind == Kind::File {
        fields.size = Some(stat.st_size as u64);
        fields.sparse = (stat.st_blocks as u64).saturating_mul(512) < stat.st_size as u64;
        if stat.st_nlink > 1 {
            fields.dev = Some(stat.st_dev);
            push(&mut out, format_args!(",\"dev\":{}", stat.st_dev));
        }
    }
    push(&mut out, format_args!(",\"gid\":{},\"ino\":{},\"islink\":{}", stat.st_gid, stat.st_ino, kind == Kind::Link));
    if let Some(md5) = fields.md5 {
        push(&mut out, format_args!(",\"md5\":\"{md5}\""));
    }
    push(&mut out, format_args!(",\"mode\":{}", stat.st_mode));
    fields.modified = Some(modified);
    push(&mut out, format_args!(",\"modified\":\"{}\"", modified.text()));
    out.push_str(",\"mtime\":");
    push_double(&mut out, modified.as_double());
    out.push_str(",\"name\":");
    json::push_string(&mut out, name.as_bytes());
    if !name.is_utf8() {
        json::push_bytes_key(&mut out, "name_bytes", name.as_bytes());
    }
    push(&mut out, format_args!(",\"nlink\":{}", stat.st_nlink));
    if let Some(size) = fields.size {
        push(&mut out, format_args!(",\"size\":{size}"));
    }
    if fields.sparse {
        out.push_str(",\"sparse\":true");
    }
    push(&mut out, format_args!(",\"type\":\"{}\",\"uid\":{}", type_word(kind), stat.st_uid));
    push_xattrs(&mut out, &extra.xattrs);
    out.push('}');
    Record::from_parts(name, kind, fields, out.into_bytes())
}

/// The word for a kind in `type`.
pub fn type_word(kind: Kind) -> &'static str {
    match kind {
        Kind::Link => "link",
        Kind::Directory => "directory",
        _ => "file",
    }
}

/// A double as JSON; the shortest text that reads back as the same.
pub fn push_double(out: &mut String, value: f64) {
    match value.fract() == 0.0 && value.abs() < 1e15 {
        true => push(out, format_args!("{value:.1}")),
        false => out.push_str(&serde_json::to_string(&value).unwrap_or_default()),
    }
}

fn push(out: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = out.write_fmt(what);
}

/// `,"xattrs":{"user.name":"base64", …}`; nothing where there are none.
fn push_xattrs(out: &mut String, xattrs: &[(Vec<u8>, Vec<u8>)]) {
    if xattrs.is_empty() {
        return;
    }
    out.push_str(",\"xattrs\":{");
    for (i, (name, value)) in xattrs.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        json::push_string(out, name);
        push(out, format_args!(":\"{}\"", json::to_base64(value)));
    }
    out.push('}');
}

/// The mode bits that new files go without.
///
/// Linux names them in `/proc/self/status`. Elsewhere the system tells them only by setting them, and for that instant files
/// that other threads or their children make have no such bits taken away.
pub fn umask() -> u32 {
    let told = std::fs::read_to_string("/proc/self/status").ok();
    told.as_deref().and_then(umask_of).unwrap_or_else(|| {
        let mask = rustix::process::umask(rustix::fs::Mode::empty());
        rustix::process::umask(mask);
        mask.as_raw_mode()
    })
}

/// The octal number behind `Umask:` in a `/proc/PID/status` (proc(5)).
fn umask_of(status: &str) -> Option<u32> {
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"))?;
    u32::from_str_radix(mask.trim(), 8).ok()
}

/// The keys of a file's or folder's record that `stat` gives, for a record that is older than the file.
pub fn changes(stat: &Stat) -> Vec<(&'static str, Option<String>)> {
    let double = |t: Time| {
        let mut out = String::new();
        push_double(&mut out, t.as_double());
        Some(out)
    };
    let file = kind(stat) == Some(Kind::File);
    let sparse = file && (stat.st_blocks as u64).saturating_mul(512) < stat.st_size as u64;
    let mut changes = vec![
        ("created", double(changed(stat))),
        ("dev", (file && stat.st_nlink > 1).then(|| stat.st_dev.to_string())),
        ("gid", Some(stat.st_gid.to_string())),
        ("ino", Some(stat.st_ino.to_string())),
        ("mode", Some(stat.st_mode.to_string())),
        ("modified", Some(format!("\"{}\"", modified(stat).text()))),
        ("mtime", double(modified(stat))),
        ("nlink", Some(stat.st_nlink.to_string())),
        ("sparse", sparse.then(|| "true".to_string())),
        ("uid", Some(stat.st_uid.to_string())),
    ];
    if file {
        changes.push(("size", Some(stat.st_size.to_string())));
    }
    changes
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn to_ask_for_the_umask_changes_it_for_nobody() {
        let temp = tempfile::tempdir().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    umask();
                }
            });
            let mode = |i: u32| std::fs::File::create(temp.path().join(i.to_string())).unwrap().metadata().unwrap().mode();
            let modes: Vec<u32> = (0..3000).map(mode).filter(|mode| mode & 0o777 != 0o666 & !umask()).collect();
            done.store(true, Ordering::Relaxed);
            assert!(modes.is_empty(), "{modes:?}");
        });
        assert_eq!(umask_of("Name:\tsh\nUmask:\t0027\nState:\tR\n"), Some(0o27));
        assert_eq!(umask_of("Name:\tUmask\n"), None);
    }
}
