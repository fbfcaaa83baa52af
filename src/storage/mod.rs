//! The storages of roots, which are paths and URLs. The scheme of a URL chooses the storage.

// A build with only some storages does not need all the code that they share.
#![cfg_attr(not(feature = "network"), allow(dead_code, unused_imports))]

#[cfg(feature = "web")]
mod answer;
pub mod attributes;
#[cfg(feature = "azure")]
mod azure;
#[cfg(any(feature = "s3", feature = "gcs"))]
mod bucket;
mod cold;
#[cfg(all(test, feature = "web"))]
mod fake;
mod folder;
pub mod fsspec;
#[cfg(feature = "gcs")]
mod gcs;
#[cfg(feature = "http")]
mod http;
mod intake;
pub mod links;
mod location;
pub mod memory;
mod options;
#[cfg(feature = "remote")]
mod percent;
#[cfg(feature = "remote")]
mod place;
#[cfg(feature = "rclone")]
mod rclone;
mod refused;
#[cfg(feature = "remote")]
mod resume;
#[cfg(feature = "remote")]
mod retry;
#[cfg(feature = "remote")]
mod runtime;
#[cfg(feature = "s3")]
mod s3;
#[cfg(feature = "sftp")]
mod sftp;
mod staging;
mod store;
mod temps;
#[cfg(feature = "web")]
mod tls;
pub mod traffic;
#[cfg(feature = "remote")]
mod tree;
#[cfg(any(feature = "s3", feature = "gcs"))]
mod upload;
#[cfg(feature = "web")]
mod web;
#[cfg(feature = "webdav")]
mod webdav;
#[cfg(feature = "web")]
mod xml;

pub use attributes::Attributes;
pub use cold::Cold;
pub use location::{Location, as_path};
pub use options::{Options, text_variable, variable};
pub use refused::LoginRefused;
pub use store::{Body, Draft, Entry, Gap, Get, Got, Listing, Object, ObjectVersion, Put, Store, check_key};
pub use temps::Temps;

use crate::error::{Error, Malformed, Result};
use std::sync::Arc;

/// A kind of storage.
struct Storage {
    /// The feature that a build needs for it.
    feature: &'static str,
    /// The schemes of its URLs.
    schemes: &'static [&'static str],
    /// None if this build was made without the feature.
    open: Option<Opener>,
    /// Whether folders exist by themselves. Otherwise a folder exists only by the objects in it.
    has_folders: bool,
}

/// Opens a root, given the scheme of its URL and the rest after `://`. It sends no request yet.
type Opener = fn(&str, &str, &Options) -> Result<Arc<dyn Store>>;

/// A row of the table.
macro_rules! storage {
    ($feature:literal, $schemes:expr, $open:path, has_folders: $has_folders:literal) => {
        Storage {
            feature: $feature,
            schemes: &$schemes,
            #[cfg(feature = $feature)]
            open: Some($open),
            #[cfg(not(feature = $feature))]
            open: None,
            has_folders: $has_folders,
        }
    };
}

/// All storages but the folders of this machine.
const STORAGES: [Storage; 8] = [
    storage!("azure", ["az", "abfs", "abfss"], azure::open, has_folders: false),
    storage!("s3", ["s3"], s3::open, has_folders: false),
    storage!("gcs", ["gs", "gcs"], gcs::open, has_folders: false),
    storage!("webdav", ["webdav", "webdavs"], webdav::open, has_folders: true),
    storage!("sftp", ["sftp", "ssh"], sftp::open, has_folders: true),
    storage!("http", ["http", "https"], http::open, has_folders: true),
    storage!("rclone", ["rclone"], rclone::open, has_folders: true),
    Storage { feature: "", schemes: &["memory"], open: Some(open_memory), has_folders: false },
];

fn open_memory(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    options.check(&[], scheme)?;
    Ok(memory::open(rest))
}

fn storage(scheme: &str) -> Option<&'static Storage> {
    STORAGES.iter().find(|storage| storage.schemes.contains(&scheme))
}

/// Opens the root of the URL `scheme://rest`. It sends no request yet.
///
/// # Errors
/// If no storage has that scheme, the URL is incomplete, or the storage does not accept the options.
fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    match storage(scheme) {
        Some(Storage { open: Some(open), .. }) => open(scheme, rest, options),
        Some(Storage { feature, .. }) => {
            Err(Error::refused(format!("{scheme}:// needs the feature {feature}, which this build was made without")))
        }
        None => Err(Error::advise(
            format!("no storage has the scheme {}://", crate::display::printable(scheme.as_bytes())),
            match scheme {
                _ if rest.contains("::") => format!("{CHAINED}; {}", storages()),
                _ if OF_RCLONE.contains(&scheme) => {
                    "rclone knows it: make a remote with `rclone config`, and write rclone://REMOTE/PATH".to_string()
                }
                _ => storages(),
            },
        )),
    }
}

/// Schemes of other programs, for storages that rclone knows.
const OF_RCLONE: [&str; 17] = [
    "b2",
    "box",
    "dropbox",
    "ftp",
    "ftps",
    "gdrive",
    "googledrive",
    "hdfs",
    "oci",
    "ocilake",
    "onedrive",
    "oss",
    "pcloud",
    "smb",
    "swift",
    "cifs",
    "webhdfs",
];

/// What to write instead of a chained URL.
const CHAINED: &str = "write the URL of the storage alone; for storages of other programs there is rclone://REMOTE/PATH";

/// Returns the kinds of roots, for messages.
fn storages() -> String {
    let schemes: Vec<_> = STORAGES.iter().flat_map(|storage| storage.schemes).copied().collect();
    format!("storages are a path and URLs with file, {}; a folder of that name is ./NAME", schemes.join(", "))
}

/// Whether the root of this URL exists only by the objects in it: any root below a container or bucket.
pub fn has_no_folders(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else { return false };
    storage(scheme).is_some_and(|storage| !storage.has_folders) && rest.contains('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn for_schemes_of_others_there_is_rclone() {
        for scheme in OF_RCLONE {
            assert!(storage(scheme).is_none());
            let e = open(scheme, "h/a", &Options::default()).err().expect(scheme);
            assert!(e.help().is_some_and(|help| help.contains("rclone://REMOTE/PATH")), "{scheme}: {e}");
        }
    }

    #[test]
    fn each_scheme_is_of_one_storage_and_of_a_feature_that_is_built_in_or_named() {
        for storage in &STORAGES {
            for scheme in storage.schemes {
                assert_eq!(STORAGES.iter().filter(|other| other.schemes.contains(scheme)).count(), 1, "{scheme}");
                let e = open(scheme, "", &Options::default()).err().map(|e| e.to_string()).unwrap_or_default();
                let is_missing =
                    e == format!("{scheme}:// needs the feature {}, which this build was made without", storage.feature);
                assert_eq!(is_missing, storage.open.is_none(), "{e}");
            }
        }
    }
}
