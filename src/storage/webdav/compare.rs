//! Comparing what a server has with what was sent.

use super::{WebDav, read};
use crate::digest::Md5;
use crate::storage::intake::Intake;
use crate::storage::store::{Body, Put};
use std::io;

/// The number of bytes that are compared at once.
const PIECE: usize = 256 << 10;

/// Compares an upload: its size, or over `webdav://` its content.
pub fn compare(dav: &WebDav, path: &str, md5: Md5, size: u64) -> io::Result<()> {
    if !dav.is_plain {
        return is_there(dav, path, size, "to have the upload");
    }
    let mut content = read::content(dav, path, 0, None, None, None)?;
    let mut intake = Intake::new(Body::Stream(&mut *content));
    while !intake.next(PIECE)?.is_empty() {}
    match intake.check(&Put { md5: Some(md5), ..Put::default() }) {
        Ok(_) => Ok(()),
        Err(e) => Err(dav.failed(e.kind(), "what arrived is not what was sent")),
    }
}

/// Checks that an object of this size exists, as the server claims.
pub fn is_there(dav: &WebDav, path: &str, size: u64, claim: &str) -> io::Result<()> {
    let there = match dav.found_object(path)? {
        Some(there) if there.size == Some(size) => return Ok(()),
        Some(_) => "another size",
        None => "nothing",
    };
    Err(dav.failed(io::ErrorKind::InvalidData, &format!("the server claims {claim}, but {there} is there")))
}
