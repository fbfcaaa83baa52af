//! Uploads: small ones in one request, large ones in chunks that become an object with the last of them.

use super::{Gcs, answers};
use crate::digest::Md5;
use crate::storage::intake::{Intake, altered};
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Object, Put};
use crate::storage::web::api::Api;
use crate::storage::web::service::{Call, Failed, Good, Head};
use crate::storage::web::upload::PIECE;
use crate::storage::web::{encode_all, md5_base64, multipart};
use http::Method;
use serde_json::{Value, json};
use std::io;

/// Does what [`crate::storage::Store::put`] promises. An upload in chunks that fails is taken back, and so is an object that
/// turns out to be not what was sent.
pub fn put(api: &Gcs, name: &str, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
    let mut intake = Intake::new(body);
    let first = intake.next(PIECE)?;
    let second = intake.next(PIECE)?;
    api.bucket.check_put(name, first.is_empty(), how)?;
    let object = Upload { api, name, key, how };
    if second.is_empty() {
        let (md5, size) = intake.check(how)?;
        return object.put_whole(first, md5, size);
    }
    // Before all of it is sent in vain.
    if how.if_absent && object.there()?.is_some() {
        return Ok(false);
    }
    let session = object.begin()?;
    let sent = object.put_chunks(&session, first, second, &mut intake);
    if !matches!(sent, Ok(true)) {
        // What can't be taken back is not visible, and the service drops it after a week.
        let call = Call { unsigned: true, ..Call::new(Method::DELETE, session, "the end of an upload that is given up") };
        drop(object.ask(&call, |_, _| Good::Yes(())));
    }
    sent
}

/// An object on its way.
struct Upload<'a> {
    api: &'a Gcs,
    name: &'a str,
    key: &'a [u8],
    how: &'a Put,
}

impl Upload<'_> {
    fn there(&self) -> io::Result<Option<Object>> {
        block_on(self.api.stat(self.name, self.key))?
    }

    fn ask<T>(&self, call: &Call, read: impl Fn(&Head, &[u8]) -> Good<T>) -> io::Result<Result<T, Failed>> {
        block_on(self.api.service.ask(call, read))
    }

    /// Where uploads of this kind go.
    fn address(&self, kind: &str) -> String {
        let Gcs { endpoint, bucket, .. } = self.api;
        let absent = if self.how.if_absent { "&ifGenerationMatch=0" } else { "" };
        let name = encode_all(self.name);
        format!("{endpoint}/upload/storage/v1/b/{}/o?uploadType={kind}&name={name}{absent}", bucket.name)
    }

    /// What is to be kept with the object. With its md5 the service takes nothing else.
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
        if let Some(md5) = md5 {
            all["md5Hash"] = Value::from(md5_base64(md5));
        }
        all.to_string()
    }

    fn content_type(&self) -> &str {
        self.how.attributes.content_type.as_deref().unwrap_or("application/octet-stream")
    }

    fn put_whole(&self, body: Vec<u8>, md5: Md5, size: u64) -> io::Result<bool> {
        let (content_type, body) = multipart::related(&self.about(Some(md5)), self.content_type(), &body);
        let call = Call::new(Method::POST, self.address("multipart"), "word of an object that is stored");
        match self.ask(&call.header("content-type", content_type).body(body), |head, body| self.stored(head, body))? {
            Ok(stored) => self.verify(&stored, md5, size),
            Err(failed) => self.settled(failed, md5, size),
        }
    }

    /// An object that is stored, as the service has it.
    fn stored(&self, head: &Head, body: &[u8]) -> Good<Object> {
        match matches!(head.status.as_u16(), 200 | 201) {
            true => answers::object(body, &self.api.bucket.name, self.name),
            false => Good::No,
        }
    }

    /// The address of a new upload in chunks, which is the credential for it, too.
    fn begin(&self) -> io::Result<String> {
        let call = Call::new(Method::POST, self.address("resumable"), "the beginning of an upload")
            .header("content-type", "application/json; charset=UTF-8")
            .header("x-upload-content-type", self.content_type())
            .body(self.about(self.how.md5));
        let read = |head: &Head, _: &[u8]| match head.text("location") {
            Some(session) if matches!(head.status.as_u16(), 200 | 201) => Good::Yes(session.to_string()),
            _ => Good::No,
        };
        self.ask(&call, read)?.map_err(|failed| self.api.bucket.failed_whole(failed))
    }

    fn put_chunks(&self, session: &str, first: Vec<u8>, second: Vec<u8>, intake: &mut Intake<'_>) -> io::Result<bool> {
        let (mut chunk, mut next, mut from) = (first, second, 0);
        while !next.is_empty() {
            intake.check_so_far(self.how)?;
            let len = chunk.len() as u64;
            match self.put_chunk(session, from, chunk, None)? {
                Ok(None) => {}
                Ok(Some(_)) => return Err(altered("the service took a part for the whole")),
                Err(failed) => return Err(self.api.bucket.failed_whole(failed)),
            }
            from += len;
            chunk = std::mem::replace(&mut next, intake.next(PIECE)?);
        }
        let (md5, size) = intake.check(self.how)?;
        match self.put_chunk(session, from, chunk, Some(size))? {
            Ok(Some(stored)) => self.verify(&stored, md5, size),
            Ok(None) => Err(altered("the service took the whole for a part")),
            Err(failed) => self.settled(failed, md5, size),
        }
    }

    /// Sends a chunk, of which the service forgets what it has already. None if there is more to come.
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

    fn settled(&self, failed: Failed, md5: Md5, size: u64) -> io::Result<bool> {
        let is_ours = |there: &Object| there.size == size && there.md5 == Some(md5);
        self.api.bucket.settled(failed, self.how, is_ours, || self.there())
    }

    /// Compares what the service has with what was sent.
    fn verify(&self, stored: &Object, md5: Md5, size: u64) -> io::Result<bool> {
        if stored.size == size && stored.md5.is_none_or(|told| told == md5) {
            return Ok(true);
        }
        block_on(self.api.delete_one(self.name))??;
        Err(altered("what arrived is not what was sent"))
    }
}
