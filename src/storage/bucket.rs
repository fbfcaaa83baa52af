//! What S3 and Google Cloud Storage have in common: names in a bucket, and the meaning of refusals.

use super::LoginRefused;
use super::answer::{ErrorBody, is_page, shortened};
use super::retry::may_pass;
use super::store::{Object, Put, check_key};
use super::web::api::is_folder;
use super::web::service::{Bucket, Call, Failed, Head, Service, named};
use crate::display::printable;
use crate::error::{Error, Result};
use http::Method;
use std::io;

/// Codes about the credentials, not about the request. (`SignatureDoesNotMatch` is not among them: its cause can be a name that
/// the service writes differently.)
const LOGIN: [&str; 7] = [
    "ExpiredToken",
    "ExpiredTokenException",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidToken",
    "RequestTimeTooSkewed",
    "TokenRefreshRequired",
];
/// Codes for a content that was changed on its way to the service.
const DIGEST: [&str; 3] = ["BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch"];
/// The maximum length of a name in bytes.
const LONGEST: usize = 1024;
/// The maximum size of metadata in bytes of names and values.
const MOST_METADATA: usize = 16 << 10;

impl Bucket {
    /// Reads `BUCKET/prefix`.
    ///
    /// # Errors
    /// If there is no bucket, or no object can have the prefix.
    pub fn parse(scheme: &str, rest: &str) -> Result<Bucket> {
        let rest = rest.trim_end_matches('/');
        let (name, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        // The name is part of addresses, and is not encoded.
        let is_bucket = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
        if name.is_empty() || !name.bytes().all(is_bucket) || matches!(name, "." | "..") {
            return Err(Error::refused(format!("{scheme}://: the URL needs a bucket, as in {scheme}://BUCKET/PREFIX")));
        }
        let url = format!("{scheme}://{rest}");
        if !prefix.is_empty() {
            check_key(prefix.as_bytes()).map_err(|e| Error::refused(format!("{}: {e}", printable(url.as_bytes()))))?;
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Ok(Bucket { url, name: name.to_string(), prefix })
    }

    /// Returns the name of a key in the bucket.
    ///
    /// # Errors
    /// `InvalidInput` if no object can have this name.
    pub fn object(&self, key: &[u8]) -> io::Result<String> {
        let invalid = |reason| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        let key = check_key(key)?;
        // Some servers treat its address as the address of the bucket, and would delete the bucket.
        if self.prefix.is_empty() && key == "/" {
            return invalid("a name that is nothing but a /");
        }
        if self.prefix.len() + key.len() > LONGEST {
            return invalid("a name of more than 1024 bytes");
        }
        Ok(format!("{}{key}", self.prefix))
    }

    /// Refuses markers of folders, and more metadata than the services accept.
    ///
    /// # Errors
    /// `InvalidInput`.
    pub fn check_put(&self, name: &str, is_empty: bool, how: &Put) -> io::Result<()> {
        let invalid = |reason| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        if is_empty && name.ends_with('/') {
            return invalid("a name that ends with / is that of a folder where it has no content");
        }
        if how.attributes.metadata.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() > MOST_METADATA {
            return invalid("metadata of more than 16 KiB");
        }
        Ok(())
    }

    /// Returns the outcome of a request that looks at an object: None if there is none, or only a marker of a folder.
    ///
    /// # Errors
    /// Any other failure of the request.
    pub fn found(&self, asked: Result<Object, Failed>, key: &[u8]) -> io::Result<Option<Object>> {
        match asked {
            Ok(object) if is_folder(&object) => Ok(None),
            Ok(object) => Ok(Some(Object { key: key.to_vec(), ..object })),
            Err(Failed { status: 404, .. }) => Ok(None),
            Err(failed) => Err(self.failed(failed)),
        }
    }

    /// Returns the outcome of a request that asks whether the bucket keeps versions. Without the permission to ask, the listing has
    /// to do.
    ///
    /// # Errors
    /// `Unsupported` if it keeps none, and any other failure of the request.
    pub fn keeps_versions(&self, asked: Result<bool, Failed>) -> io::Result<()> {
        match asked {
            Ok(true) | Err(Failed { status: 403, .. }) => Ok(()),
            Ok(false) => {
                let reason =
                    format!("the bucket {} keeps no versions: they were never switched on", printable(self.name.as_bytes()));
                Err(io::Error::new(io::ErrorKind::Unsupported, reason))
            }
            Err(failed) => Err(self.of_bucket(failed)),
        }
    }

    /// Adds the URL to the error of a request about an object.
    pub fn failed(&self, failed: impl Into<io::Error>) -> io::Error {
        named(failed.into(), &printable(self.url.as_bytes()))
    }

    /// Adds the URL to the error of a request that needs nothing but the bucket.
    pub fn failed_whole(&self, failed: Failed) -> io::Error {
        self.failed(self.of_bucket(failed))
    }

    /// Does what [`Bucket::failed_whole`] does, but without the URL, which listings add themselves.
    pub fn of_bucket(&self, failed: Failed) -> io::Error {
        match (failed.status, &*failed.code) {
            (404, "" | "404") => missing(&self.name),
            _ => failed.into(),
        }
    }
}

fn missing(bucket: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no bucket {}", printable(bucket.as_bytes())))
}

/// Returns the error for an answer that reports a failure. Its status counts only if the answer is from the service: an HTML page
/// of a proxy says nothing about objects.
pub fn refusal(service: &Service, call: &Call, head: &Head, body: &[u8]) -> Failed {
    let (status, host) = (head.status, &service.host);
    let said = ErrorBody::of(body);
    let code = said.as_ref().map(|said| said.code.as_str()).unwrap_or_default();
    let known = |kind, reason: String| Failed::new(status, code, io::Error::new(kind, reason));
    let kind = if status == 403 { io::ErrorKind::PermissionDenied } else { io::ErrorKind::Other };
    let unknown = |reason: String| Failed::from(io::Error::new(kind, reason));
    if LOGIN.contains(&code) || status == 401 {
        let reason = said.as_ref().map_or_else(|| status.to_string(), |said| said.to_string());
        return Failed::new(status, code, LoginRefused(format!("{host}: the service says {reason}")).into());
    }
    if may_pass(status.as_u16()) {
        let code = Some(format!(" {}", shortened(code))).filter(|code| code.contains(char::is_alphabetic)).unwrap_or_default();
        return known(io::ErrorKind::Other, format!("{host}: the service says {status}{code}"));
    }
    if call.method == Method::HEAD {
        // The answer to a failed HEAD has only the status.
        return match status.as_u16() {
            404 => known(io::ErrorKind::NotFound, format!("not found in the bucket {}", service.bucket.name)),
            403 => {
                known(kind, format!("{host}: the service says {status}: access denied, and nothing more (HEAD has no reasons)"))
            }
            400 => known(kind, format!("{host}: the service says {status}, and nothing more")),
            _ => unknown(format!("{host}: the service says {status}, and nothing more")),
        };
    }
    if status == 416 && head.text("content-range").is_some() {
        return known(kind, format!("{host}: there is nothing behind the end"));
    }
    if matches!(status.as_u16(), 405 | 501) && body.is_empty() {
        return known(kind, format!("{host}: the service says {status}"));
    }
    let Some(said) = said.as_ref().filter(|_| !is_page(head.text("content-type"), body)) else {
        let is_answer = matches!(status.as_u16(), 300..400 | 404 | 409 | 412 | 416) || !body.is_empty();
        return unknown(if is_answer { service.instead(call, head, body) } else { format!("{host}: the service says {status}") });
    };
    match status.as_u16() {
        _ if code == "NoSuchBucket" => Failed::new(status, code, missing(&service.bucket.name)),
        404 if matches!(code, "NoSuchKey" | "404") => {
            known(io::ErrorKind::NotFound, format!("not found in the bucket {}", service.bucket.name))
        }
        404 => known(io::ErrorKind::NotFound, said.to_string()),
        403 => known(kind, said.to_string()),
        _ if matches!(code, "AccessDenied" | "SignatureDoesNotMatch") => known(io::ErrorKind::PermissionDenied, said.to_string()),
        _ if DIGEST.contains(&code) => known(io::ErrorKind::InvalidData, said.to_string()),
        _ => known(io::ErrorKind::Other, said.to_string()),
    }
}
