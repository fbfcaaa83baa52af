//! Contents of a WebDAV server, of one version. The etag of a record comes from a PROPFIND; a web server in front may have other
//! ones for a GET, or none. So like is compared with like: where a GET does not know the etag, a PROPFIND tells it before and after.

use super::WebDav;
use super::propfind::Found;
use crate::display::printable;
use crate::etag;
use crate::storage::web::{self, Content};
use std::io::{self, Read};
use std::sync::atomic::Ordering;

/// Does what [`crate::storage::Store::open`] promises.
pub fn open(dav: &WebDav, path: String, from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
    let knows_etags = !dav.has_two_etags.load(Ordering::Relaxed);
    let Some(etag) = etag else {
        // Servers show a folder as a page for people.
        let found = found(dav, &path)?;
        let known = found.etag.as_deref().filter(|_| knows_etags);
        return match content(dav, &path, from, len, known, found.size) {
            Err(e) if known.is_some() && etag::is_changed(&e) => content(dav, &path, from, len, None, found.size),
            opened => opened,
        };
    };
    if knows_etags {
        match content(dav, &path, from, len, Some(etag), None) {
            Err(e) if etag::is_changed(&e) => {}
            opened => return opened,
        }
    }
    let now = is_still(dav, &path, etag)?;
    let reader = content(dav, &path, from, len, None, now.size)?;
    dav.has_two_etags.store(true, Ordering::Relaxed);
    Ok(Box::new(Between { reader, dav: dav.clone(), path, etag: etag.to_string(), is_checked: false }))
}

/// Gets a content; with `etag`, only if the server has that for a GET, and with `size`, only if it has as many bytes.
pub fn content(
    dav: &WebDav,
    path: &str,
    from: u64,
    len: Option<u64>,
    etag: Option<&str>,
    size: Option<u64>,
) -> io::Result<Box<dyn Read + Send>> {
    let content = Content {
        request: dav.request("GET", path)?,
        what: printable(dav.url.as_bytes()),
        host: dav.host.clone(),
        policy: dav.policy.clone(),
        size,
    };
    web::get(dav.client, content, from, len, etag)
}

fn found(dav: &WebDav, path: &str) -> io::Result<Found> {
    dav.found_object(path)?.ok_or_else(|| dav.failed(io::ErrorKind::NotFound, "not found"))
}

/// Asks whether an object still has the etag of a listing; gives what the server tells of it.
fn is_still(dav: &WebDav, path: &str, etag: &str) -> io::Result<Found> {
    let found = found(dav, path)?;
    match found.etag.as_deref().is_some_and(|now| etag::same(now, etag)) {
        true => Ok(found),
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
