//! The entries of a folder: which of them are files, where links lead, and what is neither.

use super::{Sftp, described, is, names, object};
use crate::storage::store::{Entry, Object};
use crate::storage::tree::{self, What};
use openssh_sftp_client::error::SftpErrorKind;
use openssh_sftp_client::metadata::{FileType, MetaData};
use std::io;
use std::os::unix::ffi::OsStrExt;

/// What becomes of symbolic links in a listing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// A link to a file counts as that file. Other links, which could lead back to a folder above, are not listed, and neither
    /// are fifos, sockets and devices.
    Follow,
    /// Links, fifos, sockets and devices are listed as what they are.
    Keep,
}

impl Sftp {
    /// Returns the kind of an entry of a folder; None if it is not listed.
    pub fn what(&self, folder: &str, name: &[u8], mut meta: MetaData, links: Links) -> io::Result<Option<What>> {
        let unknown = |reason: &str| Ok(Some(What::Unknown(format!("look at it: {reason}"))));
        if name.is_empty() || name.contains(&b'/') {
            return unknown("the server lists a name that no entry of a folder can have");
        }
        if is(&meta, |kind| kind.is_dir()) {
            return Ok(Some(What::Folder));
        }
        let text = std::str::from_utf8(name);
        let path = format!("{}/{}", folder.trim_end_matches('/'), text.unwrap_or_default());
        let is_link = is(&meta, |kind| kind.is_symlink());
        // Some servers give no types in listings.
        if text.is_ok() && (is_link && links == Links::Follow || meta.file_type().is_none()) {
            let found = self.run(async |session| match links {
                Links::Follow => session.sftp.fs().metadata(&path).await,
                Links::Keep => session.sftp.fs().symlink_metadata(&path).await,
            })?;
            meta = match found {
                Ok(found) => found,
                Err(SftpErrorKind::NoSuchFile) => return Ok(None),
                Err(kind) => return unknown(described(kind).1),
            };
            if is(&meta, |kind| kind.is_dir()) {
                return Ok((!is_link).then_some(What::Folder));
            }
        }
        let Some(kind) = meta.file_type() else { return unknown("the server does not say what it is") };
        let entry = |entry| Object { entry, ..Object::default() };
        match special(kind) {
            Some(special) => return Ok((links == Links::Keep).then(|| What::Object(entry(special)))),
            None if kind.is_symlink() && links == Links::Follow => return Ok(None),
            None if text.is_err() => return unknown("its name is not UTF-8, and can't be used over SFTP"),
            None => {}
        }
        if kind.is_symlink() {
            return match self.target(&path)? {
                Ok(target) => Ok(Some(What::Object(link(Vec::new(), &meta, target)))),
                Err(SftpErrorKind::NoSuchFile) => Ok(None),
                Err(kind) => unknown(&format!("read the link: {}", described(kind).1)),
            };
        }
        match object(Vec::new(), &meta) {
            Some(object) => Ok(Some(What::Object(object))),
            None => unknown("the server does not say its size"),
        }
    }

    /// Returns the description of a name, with links not followed; None if there is nothing, or a folder.
    pub fn look(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let path = self.path(tree::check(key)?);
        let meta = match self.run(async |session| session.sftp.fs().symlink_metadata(&path).await)? {
            Ok(meta) => meta,
            Err(SftpErrorKind::NoSuchFile) => return Ok(None),
            Err(kind) => return Err(self.refused(kind)),
        };
        let unsaid = |what: &str| self.failed(io::ErrorKind::Unsupported, &format!("the server does not say {what}"));
        let Some(kind) = meta.file_type() else { return Err(unsaid("what it is")) };
        if kind.is_dir() {
            return Ok(None);
        }
        if kind.is_symlink() {
            let target = self.target(&path)?.map_err(|kind| self.refused(kind))?;
            return Ok(Some(link(key.to_vec(), &meta, target)));
        }
        if let Some(entry) = special(kind) {
            return Ok(Some(Object { key: key.to_vec(), entry, ..Object::default() }));
        }
        object(key.to_vec(), &meta).map(Some).ok_or_else(|| unsaid("the file's size"))
    }

    /// Returns the target of a link.
    pub fn target(&self, path: &str) -> io::Result<Result<Vec<u8>, SftpErrorKind>> {
        let read = self.run(async |session| session.sftp.fs().read_link(path).await)?;
        Ok(read.map(|target| names::bytes_of(target.as_os_str().as_bytes())))
    }
}

fn link(key: Vec<u8>, meta: &MetaData, target: Vec<u8>) -> Object {
    Object { size: target.len() as u64, entry: Entry::Link(target), ..object(key, meta).unwrap_or_default() }
}

/// Returns the type of what is no file, folder or link.
fn special(kind: FileType) -> Option<Entry> {
    if kind.is_file() || kind.is_symlink() || kind.is_dir() {
        return None;
    }
    Some(match kind {
        kind if kind.is_fifo() => Entry::Fifo,
        kind if kind.is_socket() => Entry::Socket,
        _ => Entry::Device,
    })
}
