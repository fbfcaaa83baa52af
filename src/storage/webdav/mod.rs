//! `webdav://` and `webdavs://`: folders of a WebDAV server, over HTTP and HTTPS.
//!
//! The requests are made here and not by a library, because uploads are streams under a temporary name until they are compared.

mod compare;
mod href;
mod propfind;
mod publish;
mod put;
mod read;
#[cfg(test)]
mod tests;

use self::href::{is_at, name_in};
use self::propfind::{Found, parse};
use super::attributes::settings;
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Get, Got, Listing, Object, Put, Store, check_key};
use super::tree::{self, Child, Listed, What};
use super::web::{self, Login, Place};
use super::{Options, answer};
use crate::display::printable;
use crate::error::{Malformed, OrFailed, Result};
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use std::collections::HashSet;
use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

/// The names of the options.
const KNOWN: [&str; 2] = ["auth", "token"];

/// The longest listing of one folder, in bytes: about 100,000 entries.
const MOST: usize = 256 << 20;

const PROPFIND: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>"#,
    "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/><D:getetag/><D:getcontenttype/></D:prop></D:propfind>"
);

/// A folder of a server.
#[derive(Clone)]
struct WebDav {
    url: String,
    /// `http://HOST` or `https://HOST`.
    server: String,
    /// The path of the root, not encoded: empty, or with a `/` at its start and none at its end.
    root: String,
    host: String,
    client: &'static Client,
    login: Arc<Login>,
    policy: Policy,
    /// The connection has no TLS, so that uploads have to be compared byte by byte.
    is_plain: bool,
    /// The folders that are known to exist.
    folders: Arc<Mutex<HashSet<String>>>,
    /// How the server takes a MOVE.
    moves: Arc<publish::Moves>,
    /// A GET has returned another etag than a PROPFIND: a web server in front of this one sends its own etags, or none.
    has_two_etags: Arc<AtomicBool>,
}

/// The answer of the server about a path, and perhaps about the entries of that folder.
enum Answer {
    Missing,
    All(Vec<Found>),
    /// The server refuses it, or answers with something else.
    Refused(io::ErrorKind, String),
}

/// Opens `scheme://[user[:password]@]HOST[:PORT]/path`; the path is literal. Options: `auth` (user and password), `token` (a
/// bearer token).
///
/// # Errors
/// If the URL has no host; if an option is unknown or malformed.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    options.check(&KNOWN, scheme)?;
    let place = Place::parse(scheme, rest)?;
    let is_plain = scheme == "webdav";
    let login = Arc::new(Login::new(&place, options, !is_plain)?);
    let url = format!("{scheme}://{}{}", place.host, place.path);
    let root = tree::root(&place.path, &url)?;
    let client = web::client().or_failed(|| url.clone())?;
    Ok(Arc::new(WebDav {
        server: format!("{}://{}", if is_plain { "http" } else { "https" }, place.host),
        url,
        root,
        host: place.host,
        client,
        login,
        policy: Policy::default(),
        is_plain,
        folders: Arc::default(),
        moves: Arc::default(),
        has_two_etags: Arc::default(),
    }))
}

impl WebDav {
    /// Returns the path on the server, not encoded.
    fn path(&self, key: &str) -> String {
        if key.is_empty() { self.root.clone() } else { format!("{}/{key}", self.root) }
    }

    fn request(&self, method: &'static str, path: &str) -> io::Result<Request> {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "not a URL");
        let url = Url::parse(&format!("{}{}", self.server, web::encode(path))).map_err(|e| invalid(e.to_string()))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|e| invalid(e.to_string()))?;
        Ok(Request::new(method, url))
    }

    /// Sends a request, and sends it again while other clients hold a lock.
    fn ask(&self, request: Request) -> io::Result<Response> {
        self.ask_within(request, &self.policy)
    }

    /// Does what `ask` does, within other limits.
    fn ask_within(&self, request: Request, policy: &Policy) -> io::Result<Response> {
        let mut tries = self.policy.begin();
        loop {
            let again = request.try_clone().ok_or_else(|| io::Error::other("a request that can't be sent again"))?;
            let answer = block_on(self.login.fetch(self.client, again, policy, &self.host))??;
            match tries.again(None).filter(|_| answer.status() == StatusCode::LOCKED) {
                Some(wait) => std::thread::sleep(wait),
                None => return Ok(answer),
            }
        }
    }

    fn refused(&self, answer: &Response) -> io::Error {
        web::refusal(answer.status(), &printable(self.url.as_bytes()))
    }

    fn failed(&self, kind: io::ErrorKind, reason: &str) -> io::Error {
        tree::failed(&self.url, kind, reason)
    }

    /// Asks the server about a path and, with a depth of 1, about its entries.
    ///
    /// # Errors
    /// If the server does not answer, or refuses the login.
    fn propfind(&self, path: &str, depth: &'static str) -> io::Result<Answer> {
        let mut request = self.request("PROPFIND", path)?;
        request.headers_mut().insert("depth", HeaderValue::from_static(depth));
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/xml; charset=utf-8"));
        *request.body_mut() = Some(PROPFIND.into());
        let answer = self.ask(request)?;
        let status = answer.status();
        match status.as_u16() {
            207 => {}
            404 | 410 => return Ok(Answer::Missing),
            401 | 407 => return Err(self.refused(&answer)),
            200..300 | 405 | 501 => {
                let came = self.came(answer);
                let reason = format!("the server answers a PROPFIND with {status} and {came}: does it support WebDAV?");
                return Ok(Answer::Refused(io::ErrorKind::Unsupported, reason));
            }
            _ => return Ok(Answer::Refused(web::kind_of(status), web::said(status))),
        }
        let body = block_on(web::whole(answer, MOST, &self.policy, &self.host))??;
        Ok(parse(&body).map_or_else(
            |e| Answer::Refused(io::ErrorKind::InvalidData, format!("the server answers a PROPFIND with {e}")),
            Answer::All,
        ))
    }

    /// Returns the folder or object under a path; None if there is none.
    fn found(&self, path: &str) -> io::Result<Option<Found>> {
        let all = match self.propfind(path, "0")? {
            Answer::Missing => return Ok(None),
            Answer::Refused(kind, reason) => return Err(self.failed(kind, &reason)),
            Answer::All(all) => all,
        };
        let Some(found) = all.into_iter().find(|found| is_at(found, path)) else {
            return Err(self.failed(io::ErrorKind::InvalidData, "the server answers with another path than it was asked for"));
        };
        match found.status.and_then(|code| StatusCode::from_u16(code).ok()) {
            Some(StatusCode::NOT_FOUND | StatusCode::GONE) => Ok(None),
            Some(status) if !status.is_success() => Err(self.failed(web::kind_of(status), &web::said(status))),
            _ if found.is_folder.is_none() && found.size.is_none() => {
                Err(self.failed(io::ErrorKind::InvalidData, "the server says nothing about it"))
            }
            _ => Ok(Some(found)),
        }
    }

    /// Returns the object under a path; None also if there is a folder.
    fn found_object(&self, path: &str) -> io::Result<Option<Found>> {
        Ok(self.found(path)?.filter(|found| found.is_folder != Some(true)))
    }

    /// Lists a folder, for [`tree::list`]. A refused folder does not end the listing if the server still answers about the root.
    fn folder(&self, folder: &str) -> io::Result<Listed> {
        let path = format!("{}/", self.path(folder));
        let listed = match self.propfind(&path, "1")? {
            Answer::Missing => Listed::Missing,
            Answer::Refused(kind, reason) => Listed::Refused(kind, reason),
            Answer::All(all) => self.children(&path, all),
        };
        match listed {
            Listed::Refused(kind, reason) if !folder.is_empty() => match self.found(&format!("{}/", self.root)) {
                Ok(Some(root)) if root.is_folder == Some(true) => Ok(Listed::Refused(kind, reason)),
                _ => Err(self.failed(kind, &reason)),
            },
            listed => Ok(listed),
        }
    }

    /// Returns the folder that an answer describes. The answer must contain the folder itself, and nothing from other folders.
    fn children(&self, path: &str, all: Vec<Found>) -> Listed {
        let odd = |reason: &str| Listed::Refused(io::ErrorKind::InvalidData, format!("the server's listing {reason}"));
        let (mut out, mut itself) = (Vec::with_capacity(all.len()), None);
        for found in all {
            if is_at(&found, path) {
                itself = Some(found);
                continue;
            }
            let Some(name) = name_in(&found, path) else { return odd("has a name from elsewhere") };
            // It was deleted after it was listed.
            if !matches!(found.status, Some(404 | 410)) {
                out.push(Child { what: self.what(&name, &found), name });
            }
        }
        match itself {
            None => odd(&format!("is not of the folder that it was asked for, {path}")),
            Some(Found { status: Some(404 | 410), .. }) => Listed::Missing,
            Some(Found { status: Some(code), .. }) if code != 200 => {
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Listed::Refused(web::kind_of(status), web::said(status))
            }
            Some(Found { is_folder: Some(true), .. }) => Listed::Children(out),
            Some(Found { is_folder: None, size: None, .. }) => odd("does not say what the folder is"),
            Some(_) => Listed::File,
        }
    }

    fn what(&self, name: &[u8], found: &Found) -> What {
        let unknown = |reason: &str| What::Unknown(format!("look at it: {reason}"));
        if name.contains(&b'/') || matches!(name, b"." | b"..") {
            return unknown("the server lists a name that no entry of a folder can have");
        }
        if let Some(code) = found.status.filter(|code| *code != 200) {
            return unknown(&StatusCode::from_u16(code).map_or_else(|_| format!("status {code}"), web::said));
        }
        match (found.is_folder, found.size) {
            (Some(true), _) => What::Folder,
            (_, Some(size)) => What::Object(object(Vec::new(), size, found)),
            (Some(false), None) => unknown("the server does not say its size"),
            (None, None) => unknown("the server says nothing about it"),
        }
    }

    /// Deletes an object, and describes the server's answer in words.
    fn remove(&self, path: &str) -> io::Result<String> {
        let answer = self.ask(self.request("DELETE", path)?)?;
        match answer.status().as_u16() {
            200 | 202 | 204 | 404 | 410 => Ok(self.came(answer)),
            _ => Err(self.refused(&answer)),
        }
    }

    /// Reads the body of an answer, and describes it in words.
    fn came(&self, answer: Response) -> String {
        let content_type = web::header(answer.headers(), "content-type").map(str::to_string);
        let body = block_on(web::whole(answer, MOST, &self.policy, &self.host)).and_then(|body| body).unwrap_or_default();
        answer::kind(content_type.as_deref(), &body)
    }

    /// Refuses a page with status 200 as the answer to a request that creates or moves something: a login page, or a console. A
    /// success has status 201 or 204 (RFC 4918); some servers send a page with it, too.
    fn made(&self, answer: Response) -> io::Result<()> {
        let is_odd = answer.status() == StatusCode::OK;
        match self.came(answer) {
            came if is_odd && came == answer::PAGE => {
                Err(self.failed(io::ErrorKind::InvalidData, &format!("the server answers with {came}, and does nothing")))
            }
            _ => Ok(()),
        }
    }
}

fn object(key: Vec<u8>, size: u64, found: &Found) -> Object {
    Object {
        key,
        size,
        modified: found.modified.as_deref().and_then(web::http_time),
        etag: found.etag.clone(),
        md5: None,
        more: vec![settings([("content_type", found.content_type.as_deref())])],
        ..Object::default()
    }
}

/// An object exists whole or not at all, if the server's MOVE is atomic: it is uploaded under another name in the same folder
/// (`.snap-*.tmp`), and its size is compared. Over `webdav://`, its md5 is compared too, because nothing else notices changes on
/// the way. Then it is moved, and checked under its name. Put-if-absent is not atomic, because servers check first and then move.
/// A server without MOVE gets an upload under its name, which is visible before it is
/// complete. There are no md5s, and times are whole seconds. Content types are kept only if the server keeps them, other attributes never.
impl Store for WebDav {
    fn url(&self) -> &str {
        &self.url
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        tree::list(prefix, enters, move |folder| self.folder(folder), &self.url)
    }

    fn makes_roots(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let Some(found) = self.found_object(&self.path(tree::check(key)?))? else { return Ok(None) };
        let size =
            found.size.ok_or_else(|| self.failed(io::ErrorKind::Unsupported, "the server does not say the object's size"))?;
        Ok(Some(object(key.to_vec(), size, &found)))
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        get.check_current()?;
        read::open(self, self.path(tree::check(key)?), get.from, get.len, get.etag).map(Got::from)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        put::put(self, tree::check(key)?, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        false
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let one = |key: &Vec<u8>| {
            check_key(key)?;
            let Ok(key) = tree::check(key) else { return Ok(()) };
            let path = self.path(key);
            // A folder would be deleted with all that is in it.
            if self.found_object(&path)?.is_none() {
                return Ok(());
            }
            let came = self.remove(&path)?;
            match self.found_object(&path)? {
                None => Ok(()),
                Some(_) => {
                    let reason = format!("the server claims to have deleted it, with {came}, but it is still there");
                    Err(self.failed(io::ErrorKind::Other, &reason))
                }
            }
        };
        keys.iter().map(one).collect()
    }

    fn jobs(&self) -> usize {
        8
    }
}
