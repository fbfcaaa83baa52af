//! Buckets, through Apache OpenDAL: `s3://`, `gs://` and `gcs://`. Nothing of that library leaves this folder.
//!
//! Its public interface takes names apart and puts them together again: ` a//b ` becomes `a/b`. So its services are called
//! directly, which take names as they are, and have no root, which would be taken apart as well.

mod answers;
mod error;
mod gcs;
mod listing;
mod put;
mod read;
mod s3;
#[cfg(test)]
mod tests;
mod transport;

use self::error::translated;
use self::transport::Transport;
use super::runtime::block_on;
use super::store::{Body, Listing, Object, Put, Store, check_key};
use super::{Options, web};
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::time::Time;
use opendal::options::ListOptions;
use opendal::raw::oio::{DeleteDyn, ListDyn};
use opendal::raw::{OpDelete, OpList, OpStat, Servicer};
use opendal::{ErrorKind, HttpTransporter, Metadata, OperationContext, Operator};
use serde_json::Value;
use std::io::{self, Read};
use std::sync::Arc;
use std::time::SystemTime;

/// Opens `scheme://BUCKET/prefix`.
///
/// # Errors
/// If the URL has no bucket; if the options are not for it, or something is missing in them.
pub fn open(scheme: &str, rest: &str, options: &Options) -> Result<Arc<dyn Store>> {
    let rest = rest.trim_end_matches('/');
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    // The library puts it into URLs as it is.
    let is_bucket = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if bucket.is_empty() || !bucket.bytes().all(is_bucket) || matches!(bucket, "." | "..") {
        return Err(Error::refused(format!("{scheme}://: the URL needs a bucket, as in {scheme}://BUCKET/PREFIX")));
    }
    let url = format!("{scheme}://{rest}");
    if !prefix.is_empty() {
        check_key(prefix.as_bytes()).map_err(|e| Error::refused(format!("{}: {e}", printable(url.as_bytes()))))?;
    }
    let kind = if scheme == "s3" { Kind::S3 } else { Kind::Gcs };
    let client = if kind == Kind::S3 { web::client_for_amazon() } else { web::client() }.or_failed(|| url.clone())?;
    let transport = |host: String| Transport {
        client,
        host,
        headers: Default::default(),
        kind,
        bucket: bucket.to_string(),
        policy: Default::default(),
    };
    let (operator, transport) = if scheme == "s3" {
        s3::operator(bucket, options, transport)?
    } else {
        gcs::operator(scheme, bucket, options, transport)?
    };
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    Ok(Arc::new(Bucket::new(operator, transport, kind, bucket, prefix, url)))
}

/// Which service it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    S3,
    Gcs,
}

/// A place in a bucket.
#[derive(Clone)]
struct Bucket {
    url: String,
    bucket: String,
    /// Before all keys: empty, or ends with `/`.
    prefix: String,
    kind: Kind,
    context: OperationContext,
    /// Tries again what our transport can't: answers that are wrong within.
    service: Servicer,
    /// The same without that. For contents: taken up again without a condition, one could be mixed with another.
    plain: Servicer,
}

impl Bucket {
    fn new(operator: Operator, transport: Transport, kind: Kind, bucket: &str, prefix: String, url: String) -> Bucket {
        let context = OperationContext::new().with_http_transport(HttpTransporter::new(transport));
        let operator = operator.with_context(context);
        let (context, plain) = operator.clone().into_parts();
        let retry = opendal::layers::RetryLayer::new()
            .with_max_times(3)
            .with_jitter()
            .with_notify(|_: opendal::layers::RetryEvent<'_>| {});
        let (_, service) = operator.layer(retry).into_parts();
        Bucket { url, bucket: bucket.to_string(), prefix, kind, context, service, plain }
    }

    /// The name in the bucket.
    fn name(&self, key: &[u8]) -> io::Result<String> {
        let key = check_key(key)?;
        // The library takes it for the bucket.
        if self.prefix.is_empty() && key == "/" {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name that is nothing but a /"));
        }
        // S3 and GCS take no longer ones; the library panics at 65,535.
        if self.prefix.len() + key.len() > 1024 {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "a name of more than 1024 bytes"));
        }
        if self.kind == Kind::Gcs && key.contains(['\r', '\n']) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "Google Cloud Storage takes no names with line breaks"));
        }
        Ok(format!("{}{key}", self.prefix))
    }

    fn failed(&self, e: &opendal::Error) -> io::Error {
        translated(e, &printable(self.url.as_bytes()), &self.bucket)
    }

    /// The same of what needs nothing but the bucket.
    fn failed_whole(&self, e: &opendal::Error) -> io::Error {
        let e = self.failed(e);
        match e.kind() {
            io::ErrorKind::NotFound => {
                io::Error::new(e.kind(), format!("{}: there is no bucket {}", printable(self.url.as_bytes()), self.bucket))
            }
            _ => e,
        }
    }

    fn object(&self, key: Vec<u8>, meta: &Metadata) -> Object {
        let more = meta.content_type().map(|t| ("content_type", Value::from(t).to_string()));
        Object {
            key,
            size: meta.content_length(),
            modified: meta.last_modified().map(|t| time(t.into())),
            etag: meta.etag().filter(|etag| !etag.is_empty()).map(str::to_string),
            // What S3 answers with is no md5 that it promises, and not told in its listings.
            md5: meta.content_md5().filter(|_| self.kind == Kind::Gcs).and_then(web::base64_md5),
            more: more.into_iter().collect(),
        }
    }

    fn stat_name(&self, name: &str, key: &[u8]) -> io::Result<Option<Object>> {
        // Of names that end so the library tells no sizes; a listing does, and begins with the name itself.
        if name.ends_with('/') {
            return Ok(self.list(key).next().transpose()?.filter(|found| found.key == key));
        }
        match block_on(self.service.stat_dyn(&self.context, name, OpStat::default()))? {
            Ok(found) => Ok(Some(self.object(key.to_vec(), &found.into_metadata()))),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(self.failed(&e)),
        }
    }

    fn delete_names(&self, names: &[&str]) -> io::Result<()> {
        let deleted = block_on(async {
            let mut deleter = self.service.delete_dyn(&self.context)?;
            for name in names {
                deleter.delete_dyn(name, OpDelete::default()).await?;
            }
            deleter.close_dyn().await
        })?;
        match deleted {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(self.failed(&e)),
            _ => Ok(()),
        }
    }
}

fn time(time: SystemTime) -> Time {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => Time { sec: i64::try_from(since.as_secs()).unwrap_or(i64::MAX), nsec: since.subsec_nanos() },
        Err(before) => Time { sec: -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX), nsec: 0 },
    }
}

/// What both services promise: an object is there whole or not at all, and put-if-absent is decided by the service (S3:
/// `If-None-Match: *`, which an older service of another maker may ignore; GCS: generation 0). Uploads to S3 carry their md5,
/// which the service compares; GCS answers with the md5 of what it has. Keys that end with `/` are markers of folders where they
/// have no bytes: never listed, and not put.
impl Store for Bucket {
    fn url(&self) -> &str {
        &self.url
    }

    fn list<'a>(&'a self, prefix: &[u8]) -> Listing<'a> {
        let below = match std::str::from_utf8(prefix) {
            Ok(prefix) => format!("{}{prefix}", self.prefix),
            Err(_) => return Box::new(std::iter::empty()),
        };
        let args = OpList::from(ListOptions { recursive: true, ..ListOptions::default() });
        let (mut lister, mut failed) = match self.service.list_dyn(&self.context, &below, args) {
            Ok(lister) => (Some(lister), None),
            Err(e) => (None, Some(self.failed_whole(&e))),
        };
        let mut last = Vec::new();
        Box::new(std::iter::from_fn(move || {
            if let Some(e) = failed.take() {
                return Some(Err(e));
            }
            loop {
                let next = block_on(lister.as_mut()?.next_dyn()).and_then(|next| next.map_err(|e| self.failed_whole(&e)));
                let entry = match next {
                    Ok(entry) => entry?,
                    Err(e) => {
                        lister = None;
                        return Some(Err(e));
                    }
                };
                let (name, meta) = entry.into_parts();
                if name.ends_with('/') {
                    continue;
                }
                let name = listing::unmarked(&name);
                let Some(key) = name.strip_prefix(&self.prefix).filter(|_| name.starts_with(&below)) else {
                    lister = None;
                    let reason = format!("{}: the listing has a name from elsewhere", printable(self.url.as_bytes()));
                    return Some(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                };
                let object = self.object(key.as_bytes().to_vec(), &meta);
                if object.key <= last && !last.is_empty() {
                    lister = None;
                    let reason = format!("{}: the listing is not in the order of names", printable(self.url.as_bytes()));
                    return Some(Err(io::Error::new(io::ErrorKind::InvalidData, reason)));
                }
                last.clone_from(&object.key);
                return Some(Ok(object));
            }
        }))
    }

    fn lists_in_order(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        self.stat_name(&self.name(key)?, key)
    }

    fn open(&self, key: &[u8], from: u64, len: Option<u64>, etag: Option<&str>) -> io::Result<Box<dyn Read + Send>> {
        read::open(self, self.name(key)?, from, len, etag)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        put::put(self, &self.name(key)?, key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let most = self.service.capability_dyn().delete_max_size.unwrap_or(1).max(1);
        let mut out = Vec::with_capacity(keys.len());
        for batch in keys.chunks(most) {
            let names: Vec<_> = batch.iter().map(|key| self.name(key)).collect();
            // What XML can't carry goes alone, and so never stands for another name.
            let plain = |name: &&str| !name.contains(|c: char| c.is_control());
            let together: Vec<_> = names.iter().flatten().map(String::as_str).filter(plain).collect();
            let done = together.len() > 1 && self.delete_names(&together).is_ok();
            out.extend(names.iter().map(|name| match name {
                Ok(name) if done && plain(&name.as_str()) => Ok(()),
                // Of a batch that failed nobody says which were deleted.
                Ok(name) => self.delete_names(&[name]),
                Err(e) => Err(io::Error::new(e.kind(), e.to_string())),
            }));
        }
        out
    }
}
