//! Reading one version of a content of a WebDAV server. The etag of a record comes from a PROPFIND. A web server in front may
//! answer a GET with another etag, or with none. Then the etags of a PROPFIND before and of one after the GET are compared.

use super::WebDav;
use super::propfind::Found;
use crate::display::printable;
use crate::etag;
use crate::storage::store::Get;
use crate::storage::web::{self, Content};
use std::io::{self, Read};
use std::sync::atomic::Ordering;

/// Does what [`crate::storage::Store::open`] promises.
pub fn open(dav: &WebDav, path: String, from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
    let knows_etags = !dav.has_two_etags.load(Ordering::Relaxed);
    let Some(etag) = etag else {
        // The properties are requested first, because servers answer the GET of a folder with an HTML page.
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

/// Opens a content; with `etag`, only if a GET returns that etag, and with `size`, only if the content has that many bytes.
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
        login: dav.login.clone(),
        what: printable(dav.url.as_bytes()),
        host: dav.host.clone(),
        policy: dav.policy.clone(),
        size,
    };
    web::get(dav.client, content, &Get { from, len, etag, version: None })
}

fn found(dav: &WebDav, path: &str) -> io::Result<Found> {
    dav.found_object(path)?.ok_or_else(|| dav.failed(io::ErrorKind::NotFound, "not found"))
}

/// Checks that an object still has the etag of a listing, and returns its properties.
fn is_still(dav: &WebDav, path: &str, etag: &str) -> io::Result<Found> {
    let found = found(dav, path)?;
    match found.etag.as_deref().is_some_and(|now| etag::same(now, etag)) {
        true => Ok(found),
        false => Err(etag::changed(&printable(dav.url.as_bytes()))),
    }
}

/// A content that had this etag before it was read, and must have it when its end is reached.
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
