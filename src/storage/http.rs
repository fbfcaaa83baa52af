//! `http://` and `https://`: the files of a web server, read-only. There is no listing, so the user has to give the names.

use super::Options;
use super::attributes::settings;
use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Get, Got, Listing, Object, Put, Store, check_key};
use super::web::{self, Content, Login, Place, Redirects, header};
use crate::digest::Md5;
use crate::error::{Error, OrFailed, Result};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Request, Response, Url};
use std::io;
use std::sync::Arc;

/// The names of the options.
const KNOWN: [&str; 3] = ["auth", "headers", "token"];

/// A folder of a web server.
struct Http {
    url: String,
    host: String,
    client: &'static Client,
    headers: HeaderMap,
    login: Arc<Login>,
    policy: Policy,
}

/// Opens `scheme://rest`, where `rest` can be percent-encoded or not. Options: `headers` (an object of texts that are sent with
/// each request), `auth` (user and password), `token` (a bearer token).
///
/// # Errors
/// If the URL has no host, or a query; if an option is unknown or malformed.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    options.check(&KNOWN, scheme)?;
    let place = Place::parse(scheme, rest)?;
    if place.path.contains(['?', '#']) {
        return Err(Error::refused(format!("{scheme}://: a root can't have a query or a fragment")));
    }
    let path = String::from_utf8_lossy(&web::decode(&place.path)).into_owned();
    let mut headers = HeaderMap::new();
    let wrong = || options.wrong("headers", "an object of texts that headers can have");
    if let Some(value) = options.value("headers") {
        for (name, value) in value.as_object().ok_or_else(wrong)? {
            let name = HeaderName::try_from(name.as_str()).map_err(|_| wrong())?;
            let mut value = HeaderValue::from_str(value.as_str().ok_or_else(wrong)?).map_err(|_| wrong())?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
    }
    let redirects = if headers.is_empty() { Redirects::Anywhere } else { Redirects::SameServer };
    let login = Arc::new(Login::new(&place, options, scheme == "https")?);
    let client = web::client_that(redirects).or_failed(|| format!("{scheme}://{}", place.host))?;
    let url = format!("{scheme}://{}{}", place.host, web::encode(&path));
    Ok(Arc::new(Http { url, host: place.host, client, headers, login, policy: Policy::default() }))
}

impl Http {
    fn request(&self, method: Method, key: &[u8]) -> io::Result<Request> {
        let url = format!("{}/{}", self.url, web::encode(check_key(key)?));
        let url = Url::parse(&url).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a URL"))?;
        let mut request = Request::new(method, url);
        *request.headers_mut() = self.headers.clone();
        request.headers_mut().insert("accept-encoding", HeaderValue::from_static("identity"));
        Ok(request)
    }

    fn ask(&self, method: Method, key: &[u8]) -> io::Result<Response> {
        block_on(self.login.fetch(self.client, self.request(method, key)?, &self.policy, &self.host))?
    }
}

/// Returns the md5 of a header `Repr-Digest` (RFC 9530) or `Digest` (RFC 3230).
fn md5_of(headers: &HeaderMap) -> Option<Md5> {
    let all = ["repr-digest", "digest"].into_iter().filter_map(|name| header(headers, name));
    let mut digests = all.flat_map(|value| value.split(',')).filter_map(|digest| digest.trim().split_once('='));
    let (_, value) = digests.find(|(name, _)| name.eq_ignore_ascii_case("md5"))?;
    web::base64_md5(value.trim_matches(':'))
}

fn read_only<T>() -> io::Result<T> {
    Err(io::Error::new(io::ErrorKind::ReadOnlyFilesystem, "http:// can only be read"))
}

/// The storage never lists and never writes. The md5 of an object comes from the header `Content-MD5`, `Repr-Digest` or `Digest`,
/// its time from
/// `Last-Modified`. If a server sends neither `Content-Length` nor `Transfer-Encoding`, a truncated content is not noticed.
impl Store for Http {
    fn url(&self) -> &str {
        &self.url
    }

    fn list_in<'a>(&'a self, _: &[u8], _: fn(&[u8]) -> bool) -> Listing<'a> {
        let reason = "a web server has no listing";
        Box::new(std::iter::once(Err(io::Error::new(io::ErrorKind::Unsupported, reason))))
    }

    fn lists_in_order(&self) -> bool {
        false
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let mut answer = self.ask(Method::HEAD, key)?;
        if matches!(answer.status().as_u16(), 400 | 403 | 405 | 501) {
            answer = self.ask(Method::GET, key)?;
        }
        let status = answer.status();
        if matches!(status.as_u16(), 404 | 410) {
            return Ok(None);
        }
        if status != 200 {
            return Err(web::refusal(status, &self.url));
        }
        web::sent_from_elsewhere(self.request(Method::HEAD, key)?.url(), &answer, &self.url)?;
        let headers = answer.headers();
        let size = match header(headers, "content-length").and_then(|len| len.parse().ok()) {
            Some(size) => size,
            // The server generates the content while it sends it, so the size is known only at the end.
            None => io::copy(&mut self.open(key, 0, None, None)?, &mut io::sink())?,
        };
        // Without a length, it is compressed on the way.
        let coding = header(headers, "content-encoding").filter(|_| headers.contains_key("content-length"));
        let coding = coding.map(|coding| ("content_encoding", Some(coding)));
        let settings = settings(coding.into_iter().chain([("content_type", header(headers, "content-type"))]));
        Ok(Some(Object {
            key: key.to_vec(),
            size,
            modified: header(headers, "last-modified").and_then(web::http_time),
            etag: header(headers, "etag").map(str::to_string),
            md5: header(headers, "content-md5").and_then(web::base64_md5).or_else(|| md5_of(headers)),
            more: vec![settings],
            ..Object::default()
        }))
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        get.check_current()?;
        let request = self.request(Method::GET, key)?;
        let (what, host) = (self.url.clone(), self.host.clone());
        let content = Content { request, login: self.login.clone(), what, host, policy: self.policy.clone(), size: None };
        web::get(self.client, content, get).map(Got::from)
    }

    fn put(&self, _: &[u8], _: Body<'_>, _: &Put) -> io::Result<bool> {
        read_only()
    }

    fn puts_if_absent(&self) -> bool {
        false
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        keys.iter().map(|_| read_only()).collect()
    }
}
