//! Contents of a WebDAV server, of one version. The etag of a record comes from a PROPFIND; a web server in front may have other
//! ones for a GET, or none. So like is compared with like: where a GET does not know the etag, a PROPFIND tells it before and after.

use super::WebDav;
use crate::error::printable;
use crate::etag;
use crate::storage::web::{self, Content};
use std::io::{self, Read};
use std::sync::atomic::Ordering;

/// Does what [`crate::storage::Store::open`] promises.
pub fn open(dav: &WebDav, path: String, from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
    let Some(etag) = etag else {
        // Servers show a folder as a page for people.
        return match dav.found_object(&path)? {
            Some(_) => content(dav, &path, from, len, None),
            None => Err(dav.failed(io::ErrorKind::NotFound, "not found")),
        };
    };
    if !dav.has_two_etags.load(Ordering::Relaxed) {
        match content(dav, &path, from, len, Some(etag)) {
            Err(e) if etag::is_changed(&e) => {}
            opened => return opened,
        }
    }
    is_still(dav, &path, etag)?;
    let reader = content(dav, &path, from, len, None)?;
    dav.has_two_etags.store(true, Ordering::Relaxed);
    Ok(Box::new(Between { reader, dav: dav.clone(), path, etag: etag.to_string(), is_checked: false }))
}

/// Gets a content; with `etag`, only if the server has that for a GET.
pub fn content(dav: &WebDav, path: &str, from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
    let content = Content {
        request: dav.request("GET", path)?,
        what: printable(dav.url.as_bytes()),
        host: dav.host.clone(),
        policy: dav.policy.clone(),
    };
    web::get(dav.client, content, from, len, etag)
}

/// Asks whether an object still has the etag of a listing.
fn is_still(dav: &WebDav, path: &str, etag: &str) -> io::Result<()> {
    let found = dav.found_object(path)?.ok_or_else(|| dav.failed(io::ErrorKind::NotFound, "not found"))?;
    match found.etag.is_some_and(|now| etag::same(&now, etag)) {
        true => Ok(()),
        false => Err(etag::changed(&printable(dav.url.as_bytes()))),
    }
}

/// A content that had this etag before it was read, and has to have it when its end is reached.
struct Between {
    reader: Box<dyn Read + Send>,
    dav: WebDav,
    path: String,
    etag: String,
    is_checked: bool,
}

impl Read for Between {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let n = self.reader.read(into)?;
        if n == 0 && !into.is_empty() && !self.is_checked {
            is_still(&self.dav, &self.path, &self.etag)?;
            self.is_checked = true;
        }
        Ok(n)
    }
}
