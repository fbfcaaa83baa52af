//! Uploads: small ones in one request, large ones in chunks that become an object with the last of them.

use super::{Gcs, answers};
use crate::digest::Md5;
use crate::storage::intake::altered;
use crate::storage::store::Object;
use crate::storage::upload::{Steps, Upload};
use crate::storage::web::service::{Call, Failed, Good, Head};
use crate::storage::web::upload::{PIECE, Pieces};
use crate::storage::web::{encode_all, md5_base64, multipart};
use http::Method;
use serde_json::{Value, json};
use std::io;

impl Steps for Upload<'_, Gcs> {
    fn sizes(&self) -> Box<dyn Iterator<Item = usize>> {
        Box::new(std::iter::repeat(PIECE))
    }

    fn put_whole(&self, body: Vec<u8>, md5: Md5, size: u64) -> io::Result<bool> {
        let (content_type, body) = multipart::related(&self.about(Some(md5)), self.content_type(), &body);
        let call = Call::new(Method::POST, self.address("multipart"), "word of an object that is stored");
        match self.ask(&call.header("content-type", content_type).body(body), |head, body| self.stored(head, body))? {
            Ok(stored) => self.verify(&stored, md5, size),
            Err(failed) => self.settle_by(failed, md5, size),
        }
    }

    /// Returns the address of a new upload in chunks. The address is also the credential for the upload.
    fn begin(&self) -> io::Result<String> {
        let call = Call::new(Method::POST, self.address("resumable"), "the beginning of an upload")
            .header("content-type", "application/json; charset=UTF-8")
            .header("x-upload-content-type", self.content_type())
            .body(self.about(self.how.md5));
        let read = |head: &Head, _: &[u8]| match head.text("location") {
            Some(session) if matches!(head.status.as_u16(), 200 | 201) => Good::Yes(session.to_string()),
            _ => Good::No,
        };
        self.ask(&call, read)?.map_err(|failed| self.bucket().failed_whole(failed))
    }

    fn put_pieces(&self, session: &str, pieces: &mut Pieces<'_, '_>) -> io::Result<bool> {
        let (mut chunk, mut from) = (pieces.next()?.unwrap_or_default(), 0);
        while let Some(next) = pieces.next()? {
            let len = chunk.len() as u64;
            match self.put_chunk(session, from, chunk, None)? {
                Ok(None) => {}
                Ok(Some(_)) => return Err(altered("the service took a part for the whole")),
                Err(failed) => return Err(self.bucket().failed_whole(failed)),
            }
            (chunk, from) = (next, from + len);
        }
        let (md5, size) = pieces.check()?;
        match self.put_chunk(session, from, chunk, Some(size))? {
            Ok(Some(stored)) => self.verify(&stored, md5, size),
            Ok(None) => Err(altered("the service took the whole for a part")),
            Err(failed) => self.settle_by(failed, md5, size),
        }
    }

    fn abort(&self, session: &str) -> Call {
        Call { unsigned: true, ..Call::new(Method::DELETE, session, "the end of an upload that is given up") }
    }
}

impl Upload<'_, Gcs> {
    /// Returns the address for uploads of this kind.
    fn address(&self, kind: &str) -> String {
        let absent = if self.how.if_absent { "&ifGenerationMatch=0" } else { "" };
        let name = encode_all(self.name);
        format!(
            "{}/upload/storage/v1/b/{}/o?uploadType={kind}&name={name}{absent}{}",
            self.api.endpoint,
            self.bucket().name,
            self.api.storing
        )
    }

    /// Returns the metadata that the service keeps with the object, as JSON. If it has an md5, the service refuses any other
    /// content.
    fn about(&self, md5: Option<Md5>) -> String {
        let attributes = &self.how.attributes;
        let mut all = json!({"contentType": self.content_type()});
        for (header, name) in [
            ("cache-control", "cacheControl"),
            ("content-disposition", "contentDisposition"),
            ("content-encoding", "contentEncoding"),
            ("content-language", "contentLanguage"),
        ] {
            if let Some(value) = attributes.headers.get(header) {
                all[name] = Value::from(value.as_str());
            }
        }
        if !attributes.metadata.is_empty() {
            all["metadata"] = json!(attributes.metadata);
        }
        if let Some(class) = self.api.class.as_ref().or(attributes.storage_class.as_ref()) {
            all["storageClass"] = Value::from(class.as_str());
        }
        if let Some(md5) = md5 {
            all["md5Hash"] = Value::from(md5_base64(md5));
        }
        all.to_string()
    }

    fn content_type(&self) -> &str {
        self.how.attributes.content_type.as_deref().unwrap_or("application/octet-stream")
    }

    /// Reads the description of a stored object.
    fn stored(&self, head: &Head, body: &[u8]) -> Good<Object> {
        let is_done = matches!(head.status.as_u16(), 200 | 201);
        if is_done { answers::object(body, &self.bucket().name, self.name) } else { Good::No }
    }

    /// Sends a chunk. The service ignores bytes that it has already. Returns None if more chunks have to follow.
    fn put_chunk(
        &self,
        session: &str,
        from: u64,
        chunk: Vec<u8>,
        size: Option<u64>,
    ) -> io::Result<Result<Option<Object>, Failed>> {
        let last = from + chunk.len() as u64 - 1;
        let of = size.map_or_else(|| "*".to_string(), |size| size.to_string());
        let call = Call::new(Method::PUT, session, "word of an object that is stored")
            .header("content-range", format!("bytes {from}-{last}/{of}"))
            .body(chunk);
        let call = Call { unsigned: true, also: Some(308), finishes: size.is_some(), ..call };
        self.ask(&call, |head, body| match head.status.as_u16() {
            308 if head.text("location").is_none() => {
                let has = head.text("range").and_then(|range| range.strip_prefix("bytes=0-")?.parse().ok());
                match has == Some(last) && size.is_none() {
                    true => Good::Yes(None),
                    false => Good::Broken("a part of it was not stored".to_string()),
                }
            }
            _ => self.stored(head, body).and_then(|object| Good::Yes(Some(object))),
        })
    }

    fn settle_by(&self, failed: Failed, md5: Md5, size: u64) -> io::Result<bool> {
        self.settle(failed, |there| there.size == size && there.md5 == Some(md5))
    }

    /// Compares the stored object with the content that was sent.
    fn verify(&self, stored: &Object, md5: Md5, size: u64) -> io::Result<bool> {
        if stored.size == size && stored.md5.is_none_or(|found| found == md5) {
            return Ok(true);
        }
        self.take_back()
    }
}
