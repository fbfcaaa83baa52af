//! `az://CONTAINER/FOLDER`, `abfs://…`, `abfss://CONTAINER@ACCOUNT.dfs.core.windows.net/FOLDER`: Azure Blob storage, also of
//! accounts with folders, through the blob interface.

mod auth;
mod config;
mod errors;
mod list;
mod request;
mod upload;
mod xml;

use self::request::Requests;
use super::retry::Policy;
use super::store::{Body, Object, Put, Store};
use super::web::service::{Call, Service};
use super::web::{api::Api, objects::Objects};
use super::{Options, percent, text_variable, xml as document};
use crate::error::{Malformed, OrFailed, Result};
use http::Method;
use std::io;
use std::sync::Arc;

/// Opens `scheme://rest`. Nothing is asked of the service yet.
///
/// # Errors
/// If the URL has no container, the account is not known, or options are wrong.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let config = config::config(scheme, rest, options, &text_variable)?;
    let requests = Requests::new(config, Policy::default()).or_failed(|| format!("{scheme}: prepare connections"))?;
    Ok(Arc::new(Objects::new(requests)))
}

impl Api for Requests {
    /// The service promises nothing, accounts with folders have another order, and the emulator's is that of UTF-16.
    const ORDERED: bool = false;

    fn service(&self) -> &Arc<Service> {
        &self.service
    }

    fn root(&self) -> (&str, &str) {
        (&self.url, &self.prefix)
    }

    fn name(&self, key: &[u8]) -> io::Result<String> {
        Ok(format!("{}{}", self.prefix, config::check_name(key)?))
    }

    async fn stat(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        list::stat(self, name, key).await
    }

    fn content(&self, name: &str) -> Call {
        self.call(Method::GET, Some(name), &[], "a blob")
    }

    fn put(self: &Arc<Self>, name: &str, _: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        upload::put(self, name, body, how)
    }

    /// The service's words suffice.
    fn named(&self, e: io::Error) -> io::Error {
        e
    }
}

#[cfg(test)]
mod tests;
