//! `webdav://` and `webdavs://`: folders of a WebDAV server, over HTTP and HTTPS.
//!
//! By requests of our own: uploads have to be streams, under a name of their own until they are compared.

mod propfind;
mod put;

use self::propfind::{Found, parse};
use super::Options;
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Listing, Object, Put, Store, check_key};
use super::tree::{self, Child};
use super::web::{self, Content, Place};
use crate::error::{OrFailed, Result, printable};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Method, Request, Response, StatusCode, Url};
use serde_json::Value;
use std::collections::HashSet;
use std::io::{self, Read};
use std::sync::{Arc, Mutex};

/// The options that it has.
const KNOWN: [&str; 2] = ["auth", "token"];

/// A listing of one folder is never longer, in bytes: some 100,000 children.
const MOST: usize = 256 << 20;

const PROPFIND: &str = concat!(
    r#"<?xml version="1.0" encoding="utf-8"?><D:propfind xmlns:D="DAV:"><D:prop>"#,
    "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/><D:getetag/><D:getcontenttype/></D:prop></D:propfind>"
);

/// A folder of a server.
struct WebDav {
    url: String,
    /// `http://HOST` or `https://HOST`.
    server: String,
    /// The path of the root, not encoded: empty, or with a first `/` and none at its end.
    root: String,
    host: String,
    client: &'static Client,
    login: Option<HeaderValue>,
    policy: Policy,
    /// Nothing else compares what arrives.
    is_plain: bool,
    /// Folders that are there, as far as we know.
    folders: Mutex<HashSet<String>>,
}

/// Opens `scheme://[user[:password]@]HOST[:PORT]/path`; the path is literal. Options: `auth` (user and password), `token` (of a
/// bearer).
///
/// # Errors
/// If the URL has no host; if the options are not for it.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    options.check(&KNOWN, scheme)?;
    let place = Place::parse(scheme, rest)?;
    let login = web::authorization(&place, options)?;
    let url = format!("{scheme}://{}{}", place.host, place.path);
    let root = tree::root(&place.path, &url)?;
    let client = web::client().or_failed(|| url.clone())?;
    let is_plain = scheme == "webdav";
    Ok(Arc::new(WebDav {
        server: format!("{}://{}", if is_plain { "http" } else { "https" }, place.host),
        url,
        root,
        host: place.host,
        client,
        login,
        policy: Policy::default(),
        is_plain,
        folders: Mutex::default(),
    }))
}

impl WebDav {
    /// The path on the server, not encoded.
    fn path(&self, key: &str) -> String {
        if key.is_empty() { self.root.clone() } else { format!("{}/{key}", self.root) }
    }

    fn request(&self, method: &'static str, path: &str) -> io::Result<Request> {
        let invalid = |_| io::Error::new(io::ErrorKind::InvalidInput, "not a URL");
        let url = Url::parse(&format!("{}{}", self.server, web::encode(path))).map_err(|e| invalid(e.to_string()))?;
        let method = Method::from_bytes(method.as_bytes()).map_err(|e| invalid(e.to_string()))?;
        let mut request = Request::new(method, url);
        if let Some(login) = &self.login {
            request.headers_mut().insert(AUTHORIZATION, login.clone());
        }
        Ok(request)
    }

    /// Asks, and again while others do something there right now.
    fn ask(&self, request: Request) -> io::Result<Response> {
        let mut tries = self.policy.begin();
        loop {
            let again = request.try_clone().ok_or_else(|| io::Error::other("a request that can't be sent again"))?;
            let answer = block_on(web::fetch(self.client, again, &self.policy, &self.host))??;
            match tries.again(None).filter(|_| answer.status() == StatusCode::LOCKED) {
                Some(wait) => std::thread::sleep(wait),
                None => return Ok(answer),
            }
        }
    }

    fn refused(&self, answer: &Response) -> io::Error {
        web::refusal(answer.status(), &printable(self.url.as_bytes()))
    }

    /// What the server tells of a path and, with a depth of 1, of its children. None if nothing is there.
    fn propfind(&self, path: &str, depth: &'static str) -> io::Result<Option<Vec<Found>>> {
        let mut request = self.request("PROPFIND", path)?;
        request.headers_mut().insert("depth", HeaderValue::from_static(depth));
        request.headers_mut().insert("content-type", HeaderValue::from_static("application/xml; charset=utf-8"));
        *request.body_mut() = Some(PROPFIND.into());
        let answer = self.ask(request)?;
        match answer.status().as_u16() {
            207 => {}
            404 | 410 => return Ok(None),
            _ => return Err(self.refused(&answer)),
        }
        let body = block_on(web::whole(answer, MOST, &self.policy, &self.host))??;
        parse(&body)
            .map(Some)
            .map_err(|reason| io::Error::new(io::ErrorKind::InvalidData, format!("{}: {reason}", printable(self.url.as_bytes()))))
    }

    /// What is there under a path: an object, or none, because there is nothing or a folder.
    fn found(&self, path: &str) -> io::Result<Option<Found>> {
        let all = self.propfind(path, "0")?.unwrap_or_default();
        Ok(all.into_iter().next().filter(|found| !found.is_folder))
    }

    /// The children of a folder, as [`tree::list`] wants them.
    fn children(&self, folder: &str) -> io::Result<Option<Vec<Child>>> {
        let path = format!("{}/", self.path(folder));
        let Some(all) = self.propfind(&path, "1")? else { return Ok(None) };
        let mut out = Vec::new();
        for found in all {
            // Some servers give whole URLs, some only paths.
            let href = match found.href.split_once("://") {
                Some((_, rest)) => rest.find('/').map_or("/", |at| &rest[at..]),
                None => &found.href,
            };
            let decoded = web::decode(href);
            let name = decoded.strip_prefix(path.as_bytes()).map(|name| name.strip_suffix(b"/").unwrap_or(name));
            let Some(name) = name.filter(|name| !name.is_empty()) else {
                // The folder itself, however it is written; not something from elsewhere.
                let itself = decoded.strip_suffix(b"/").unwrap_or(&decoded) == &path.as_bytes()[..path.len() - 1];
                match itself || (path == "/" && decoded == b"/") {
                    true => continue,
                    false => return Err(self.odd_listing()),
                }
            };
            if name.contains(&b'/') || matches!(name, b"." | b"..") {
                return Err(self.odd_listing());
            }
            let object = (!found.is_folder).then(|| self.object(Vec::new(), &found)).transpose()?;
            out.push(Child { name: name.to_vec(), object });
        }
        Ok(Some(out))
    }

    fn odd_listing(&self) -> io::Error {
        let reason = format!("{}: the listing has a name from elsewhere", printable(self.url.as_bytes()));
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }

    fn object(&self, key: Vec<u8>, found: &Found) -> io::Result<Object> {
        let size = found.size.ok_or_else(|| {
            let reason = format!("{}: the server tells no sizes", printable(self.url.as_bytes()));
            io::Error::new(io::ErrorKind::Unsupported, reason)
        })?;
        let content_type = found.content_type.as_ref().map(|t| ("content_type", Value::from(t.as_str()).to_string()));
        Ok(Object {
            key,
            size,
            modified: found.modified.as_deref().and_then(web::http_time),
            etag: found.etag.clone(),
            md5: None,
            more: content_type.into_iter().collect(),
        })
    }

    fn content(&self, path: &str, from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        let content = Content {
            request: self.request("GET", path)?,
            what: printable(self.url.as_bytes()),
            host: self.host.clone(),
            policy: self.policy.clone(),
        };
        web::get(self.client, content, from, len, etag)
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let answer = self.ask(self.request("DELETE", path)?)?;
        match answer.status().as_u16() {
            200 | 202 | 204 | 404 | 410 => Ok(()),
            _ => Err(self.refused(&answer)),
        }
    }
}

/// What it promises: an object is there whole or not at all, as far as the server's MOVE is: it is uploaded under another name in
/// the same folder (`.snap-*.tmp`), its size compared, over `webdav://` also its md5, because there nothing else
/// tells what was altered on the way, and then moved. Put-if-absent is not atomic: servers look first and move then. No md5s;
/// times are whole seconds; content types stay only if the server keeps them, other attributes never.
impl Store for WebDav {
    fn url(&self) -> &str {
        &self.url
    }

    fn list<'a>(&'a self, prefix: &[u8]) -> Listing<'a> {
        tree::list(prefix, move |folder| self.children(folder), &self.url)
    }

    fn lists_in_order(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let found = self.found(&self.path(tree::check(key)?))?;
        found.map(|found| self.object(key.to_vec(), &found)).transpose()
    }

    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        let path = self.path(tree::check(key)?);
        // Servers show a folder as a page for people, which never has the etag of an object.
        if etag.is_none() && self.found(&path)?.is_none() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("{}: not found", printable(self.url.as_bytes()))));
        }
        self.content(&path, from, len, etag)
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
            match self.found(&path)? {
                Some(_) => self.remove(&path),
                None => Ok(()),
            }
        };
        keys.iter().map(one).collect()
    }

    fn jobs(&self) -> usize {
        8
    }
}
