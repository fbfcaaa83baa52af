//! Where roots lie: paths and URLs. A scheme chooses the storage.

#[cfg(feature = "network")]
mod answer;
#[cfg(feature = "network")]
mod azure;
#[cfg(all(test, feature = "network"))]
mod fake;
mod folder;
#[cfg(feature = "network")]
mod http;
mod intake;
mod location;
pub mod memory;
#[cfg(feature = "network")]
mod opendal;
mod options;
#[cfg(feature = "network")]
mod resume;
#[cfg(feature = "network")]
mod retry;
#[cfg(feature = "network")]
mod runtime;
#[cfg(feature = "network")]
mod sftp;
mod store;
#[cfg(feature = "network")]
mod tls;
#[cfg(feature = "network")]
mod tree;
#[cfg(feature = "network")]
mod web;
#[cfg(feature = "network")]
mod webdav;
#[cfg(feature = "network")]
mod xml;

pub use location::{Location, as_path, resolved};
pub use options::{Options, text_variable, variable};
pub use store::{Attributes, Body, Gap, Listing, LoginRefused, Object, Put, Store, check_key};

use crate::error::{Error, Result};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

static REQUESTS: AtomicU64 = AtomicU64::new(0);

/// How many requests this process has made of other storages, those that were made again included.
pub fn requests() -> u64 {
    REQUESTS.load(Ordering::Relaxed)
}

#[cfg(feature = "network")]
fn count_request() {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
}

/// The schemes of URLs, for messages.
const SCHEMES: &str = "file, az, abfs, abfss, s3, gs, gcs, webdav, webdavs, sftp, ssh, http, https, memory";

/// Opens the root that a URL speaks of: `scheme://rest`. Nothing is asked of the service yet.
///
/// # Errors
/// If there is no storage for that scheme, the URL lacks something, or the options are not for it.
fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    match scheme {
        "memory" => {
            options.check(&[], scheme)?;
            Ok(memory::open(rest))
        }
        #[cfg(feature = "network")]
        "az" | "abfs" | "abfss" => azure::open(scheme, rest, options),
        #[cfg(feature = "network")]
        "s3" | "gs" | "gcs" => opendal::open(scheme, rest, options),
        #[cfg(feature = "network")]
        "webdav" | "webdavs" => webdav::open(scheme, rest, options),
        #[cfg(feature = "network")]
        "sftp" | "ssh" => sftp::open(scheme, rest, options),
        #[cfg(feature = "network")]
        "http" | "https" => http::open(scheme, rest, options),
        #[cfg(not(feature = "network"))]
        "az" | "abfs" | "abfss" | "s3" | "gs" | "gcs" | "webdav" | "webdavs" | "sftp" | "ssh" | "http" | "https" => {
            Err(Error::refused(format!("{scheme}:// needs the network, which this build was made without")))
        }
        _ => Err(Error::advise(
            format!("no storage has the scheme {}://", crate::display::printable(scheme.as_bytes())),
            format!("storages are a path and URLs with {SCHEMES}; a folder of that name is ./NAME"),
        )),
    }
}

/// Whether the root of this URL is a folder only by what is in it: anything below a container or bucket.
pub fn has_no_folders(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    matches!(scheme, "az" | "abfs" | "abfss" | "s3" | "gs" | "gcs" | "memory") && rest.contains('/')
}
