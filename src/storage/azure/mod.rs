//! `az://CONTAINER/FOLDER`, `abfs://…`, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`: Azure Blob storage, also of
//! accounts with folders, through the blob interface.

mod auth;
mod config;
mod errors;
mod list;
mod request;
mod upload;
mod xml;

use super::retry::Policy;
use super::runtime::block_on;
use super::store::{Body, Listing, Object, Put, Store, check_key};
use super::web::delete::Deleter;
use super::web::pages::Pages;
use super::web::range;
use super::{Options, percent, text_variable, xml as document};
use crate::error::{OrFailed, Result};
use http::Method;
use std::io::{self, Read};
use std::sync::Arc;

/// A folder of a container.
#[derive(Debug)]
struct Azure {
    url: String,
    /// Empty, or with a `/` at its end.
    prefix: String,
    requests: Arc<request::Requests>,
    uploads: upload::Uploads,
    deleter: Deleter<request::Requests>,
}

/// Opens `scheme://rest`. Nothing is asked of the service yet.
///
/// # Errors
/// If the URL has no container, the account is not known, or options are wrong.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let config = config::config(scheme, rest, options, &text_variable)?;
    let store = Azure::new(config, Policy::default()).or_failed(|| format!("{scheme}: prepare connections"))?;
    Ok(Arc::new(store))
}

impl Azure {
    fn new(config: config::Config, policy: Policy) -> io::Result<Azure> {
        let requests = Arc::new(request::Requests::new(&config, policy)?);
        let uploads = upload::Uploads::new(requests.clone(), config.concurrency);
        let deleter = Deleter::new(requests.clone());
        Ok(Azure { url: config.url, prefix: config.prefix, requests, uploads, deleter })
    }

    /// The name of the blob of a key.
    fn blob(&self, key: &[u8]) -> io::Result<String> {
        Ok(format!("{}{}", self.prefix, check_name(key)?))
    }
}

/// The service takes a backslash for a slash: a key with one would be another key.
fn check_name(key: &[u8]) -> io::Result<&str> {
    if key.contains(&b'\\') {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the storage takes a backslash in a name for a slash"));
    }
    check_key(key)
}

impl Store for Azure {
    fn url(&self) -> &str {
        &self.url
    }

    fn list<'a>(&'a self, prefix: &[u8]) -> Listing<'a> {
        // What no key can start with needs no request.
        let Ok(prefix) = std::str::from_utf8(prefix) else { return Box::new(std::iter::empty()) };
        Box::new(Pages::new(self.requests.clone(), &self.prefix, prefix, false))
    }

    /// The service promises nothing, accounts with folders have another order, and the emulator's is that of UTF-16.
    fn lists_in_order(&self) -> bool {
        false
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let blob = self.blob(key)?;
        block_on(list::stat(&self.requests, &blob, key))?
    }

    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        let call = self.requests.call(Method::GET, Some(&self.blob(key)?), &[], "a blob");
        range::open(&self.requests.service, call, (from, len), etag, String::new(), io::Error::from)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        self.uploads.put(&self.blob(key)?, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.deleter.delete(keys, |key| self.blob(key))
    }
}

#[cfg(test)]
mod tests;
