//! Uploads: small ones in one request, large ones in parts that become an object at the end.

use super::known::refuses_condition;
use super::{S3, answers};
use crate::digest::{Md5, md5_of, md5_of_all};
use crate::etag;
use crate::storage::answer::is_page;
use crate::storage::attributes::Attributes;
use crate::storage::intake::altered;
use crate::storage::store::Get;
use crate::storage::upload::{Steps, Upload};
use crate::storage::web::api::Api;
use crate::storage::web::range;
use crate::storage::web::service::{Call, Failed, Good, Head};
use crate::storage::web::upload::{Flight, Pieces, part_sizes};
use crate::storage::web::{encode_all, md5_base64, query};
use crate::storage::xml;
use http::Method;
use std::io;
use std::sync::Arc;

/// The number of parts of one upload that are sent at the same time.
const IN_FLIGHT: usize = 2;

impl Steps for Upload<'_, S3> {
    fn sizes(&self) -> Box<dyn Iterator<Item = usize>> {
        part_sizes(self.how.size)
    }

    fn put_whole(&self, body: Vec<u8>, md5: Md5, size: u64) -> io::Result<bool> {
        let call = Call::new(Method::PUT, self.api.address(self.name), "word of an object that is stored");
        let call = self.described(call.body(body)).header("content-md5", md5_base64(md5));
        let etag = md5.to_string();
        match self.ask_if_absent(&call, stored)? {
            None => Ok(false),
            // The service has computed the md5 of what it stored.
            Some(Ok(head)) if head.text("etag").is_some_and(|found| etag::bare(found) == etag) => Ok(true),
            Some(Ok(head)) if self.api.is_same(&head, md5) => self.verify(head.text("etag"), size),
            // The service may have stored a content that it should have refused.
            Some(Ok(head)) => self.prove(head.text("etag"), md5),
            Some(Err(failed)) => self.settle_by(failed, size, &etag, md5),
        }
    }

    fn begin(&self) -> io::Result<String> {
        let url = format!("{}?uploads", self.api.address(self.name));
        let call = self.described(Call::new(Method::POST, url, "the beginning of an upload"));
        let read =
            |head: &Head, body: &[u8]| head.with(200, || answers::element(body, "InitiateMultipartUploadResult", "UploadId"));
        self.ask(&call, read)?.map_err(|failed| self.bucket().failed_whole(failed))
    }

    fn put_pieces(&self, id: &str, pieces: &mut Pieces<'_, '_>) -> io::Result<bool> {
        let failed = |failed| self.bucket().failed_whole(failed);
        let mut flight = Flight::new(IN_FLIGHT);
        let mut md5s = Vec::new();
        while let Some(part) = pieces.next()? {
            let md5 = md5_of(&part);
            md5s.push(md5);
            let number = md5s.len();
            flight.send(put_part(self.api.clone(), self.address(id, Some(number)), number, part, md5)).map_err(failed)?;
        }
        let mut parts: Vec<Part> = flight.all().map_err(failed)?;
        parts.sort();
        let (md5, size) = pieces.check()?;
        self.complete(id, &parts, size, &of_parts(&md5s), md5)
    }

    fn abort(&self, id: &str) -> Call {
        Call::new(Method::DELETE, self.address(id, None), "the end of an upload that is given up")
    }
}

impl Upload<'_, S3> {
    /// Returns the address of an upload in parts.
    fn address(&self, id: &str, part: Option<usize>) -> String {
        let part = part.map(|number| format!("partNumber={number}&")).unwrap_or_default();
        format!("{}?{part}uploadId={}", self.api.address(self.name), encode_all(id))
    }

    fn complete(&self, id: &str, parts: &[Part], size: u64, etag: &str, md5: Md5) -> io::Result<bool> {
        let part = |part: &Part| {
            format!("<Part><PartNumber>{}</PartNumber><ETag>{}</ETag></Part>", part.number, xml::escaped(&part.etag))
        };
        let body = parts.iter().map(part).collect::<String>();
        let call = Call::new(Method::POST, self.address(id, None), "the end of an upload")
            .header("content-type", "application/xml")
            .body(format!("<CompleteMultipartUpload>{body}</CompleteMultipartUpload>"));
        // The service continues a try that was given up here, so the next try finds no such upload.
        let call = Call { finishes: true, ..self.api.writing.keyed(call) };
        let read = |head: &Head, body: &[u8]| head.with(200, || answers::element(body, "CompleteMultipartUploadResult", "ETag"));
        match self.ask_if_absent(&call, read)? {
            None => Ok(false),
            Some(Ok(etag)) if parts.iter().all(|part| part.is_same) => self.verify(Some(&etag), size),
            Some(Ok(etag)) => self.prove(Some(&etag), md5),
            Some(Err(failed)) => self.settle_by(failed, size, etag, md5),
        }
    }

    /// Sends an upload on the condition that no object exists, if the caller wants it. If the service refuses the condition, the
    /// name is looked at instead. Returns None if there is an object.
    fn ask_if_absent<T>(&self, call: &Call, read: fn(&Head, &[u8]) -> Good<T>) -> io::Result<Option<Result<T, Failed>>> {
        let known = &self.api.known;
        if !self.how.if_absent {
            return self.ask(call, read).map(Some);
        }
        if !known.refuses_conditions.is_known() {
            match self.ask(&call.clone().header("if-none-match", "*"), read)? {
                Err(failed) if refuses_condition(&failed, "if-none-match") => {}
                answered => {
                    if matches!(&answered, Err(Failed { status: 412, .. })) {
                        known.obeys_conditions.learn();
                    }
                    return Ok(Some(answered));
                }
            }
        }
        if self.there()?.is_some() {
            return Ok(None);
        }
        let answered = self.ask(call, read)?;
        if answered.is_ok() {
            known.refuses_conditions.learn();
        }
        Ok(Some(answered))
    }

    fn settle_by(&self, failed: Failed, size: u64, etag: &str, md5: Md5) -> io::Result<bool> {
        self.settle(failed, |there| {
            let is_same = there.etag.as_deref().is_some_and(|found| etag::same(found, etag));
            // With some encryption, and on some services, the etag can't tell.
            there.size == size && (is_same || self.read_back(there.etag.as_deref()).is_ok_and(|found| found == md5))
        })
    }

    /// Adds the headers that the service keeps with the object.
    fn described(&self, call: Call) -> Call {
        self.api.writing.created(described(call, &self.api.writing.attributes(self.how)))
    }

    /// Compares the stored object with the content that was sent, by its size.
    fn verify(&self, etag: Option<&str>, size: u64) -> io::Result<bool> {
        let Some(there) = self.there()? else { return Err(altered("what was sent is not there")) };
        // An object that another writer has stored since then is neither checked nor deleted.
        let is_other = etag.zip(there.etag.as_deref()).is_some_and(|(ours, theirs)| !etag::same(ours, theirs));
        if there.size == size || is_other { Ok(true) } else { self.take_back() }
    }

    /// Compares the stored object with the content that was sent, byte by byte, because its etag is another md5 than that of the
    /// content. If the content is right, the etags of this service say nothing.
    fn prove(&self, etag: Option<&str>, md5: Md5) -> io::Result<bool> {
        let found_etag = self.there()?.ok_or_else(|| altered("what was sent is not there"))?.etag;
        if self.read_back(found_etag.as_deref())? == md5 {
            self.api.known.has_random_etags.learn();
            return Ok(true);
        }
        let is_other = etag.zip(found_etag.as_deref()).is_some_and(|(ours, theirs)| !etag::same(ours, theirs));
        if is_other { Ok(true) } else { self.take_back() }
    }

    /// Reads the stored object with this etag. Returns its md5.
    fn read_back(&self, etag: Option<&str>) -> io::Result<Md5> {
        let call = self.api.content(self.name, None);
        let get = Get { etag, ..Get::default() };
        let mut content = range::get(self.api, self.name.to_string(), call, &get)?.content;
        md5_of_all(&mut content)
    }
}

impl S3 {
    /// Whether the etag of an upload is the expected md5, or says nothing.
    fn is_same(&self, head: &Head, md5: Md5) -> bool {
        self.known.has_random_etags.is_known() || self.writing.hides_md5() || is_same(head, md5)
    }
}

/// A part that is stored.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    number: usize,
    etag: String,
    /// The etag is the md5 of the part, or says nothing.
    is_same: bool,
}

async fn put_part(api: Arc<S3>, url: String, number: usize, part: Vec<u8>, md5: Md5) -> Result<Part, Failed> {
    let call = Call::new(Method::PUT, url, "word of a part that is stored");
    let call = api.writing.keyed(call.body(part).header("content-md5", md5_base64(md5)));
    let head = api.service.ask(&call, stored).await?;
    let is_same = api.is_same(&head, md5);
    Ok(Part { number, etag: head.text("etag").unwrap_or_default().to_string(), is_same })
}

/// Reads the answers of PutObject and UploadPart: "ETag" is among the elements of their responses.
fn stored(head: &Head, body: &[u8]) -> Good<Head> {
    let is_done = matches!(head.status.as_u16(), 200 | 201) && head.text("etag").is_some();
    if is_done && !is_page(head.text("content-type"), body) { Good::Yes(head.clone()) } else { Good::No }
}

/// Whether the etag of an upload is the expected md5. With some encryption the etag is not an md5, and counts as the expected
/// one.
fn is_same(head: &Head, md5: Md5) -> bool {
    let is_encrypted = head.text("x-amz-server-side-encryption").is_some_and(|how| how.starts_with("aws:"))
        || head.text("x-amz-server-side-encryption-customer-algorithm").is_some();
    let found = head.text("etag").and_then(|etag| Md5::parse(&etag::bare(etag).to_ascii_lowercase()));
    is_encrypted || found.is_none_or(|found| found == md5)
}

/// Returns the etag that S3 gives to an object of parts with these md5s: the md5 of all md5s, and the number of parts.
fn of_parts(md5s: &[Md5]) -> String {
    let all: Vec<u8> = md5s.iter().flat_map(|md5| md5.0).collect();
    format!("{}-{}", md5_of(&all), md5s.len())
}

/// Adds the headers that the service keeps with the object.
fn described(mut call: Call, attributes: &Attributes) -> Call {
    call = call.header("content-type", attributes.content_type.as_deref().unwrap_or("application/octet-stream"));
    for (name, value) in &attributes.headers {
        call = call.header(*name, value);
    }
    for (name, value) in &attributes.metadata {
        call = call.header(format!("x-amz-meta-{name}"), value);
    }
    // Every object has this class by default, and some services of other vendors know none.
    if let Some(class) = attributes.storage_class.as_ref().filter(|class| *class != "STANDARD") {
        call = call.header("x-amz-storage-class", class);
    }
    if !attributes.tags.is_empty() {
        call = call.header("x-amz-tagging", query(&attributes.tags));
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderMap;
    use http::header::{HeaderName, HeaderValue};

    #[test]
    fn etags_of_parts_are_those_of_s3() {
        let md5s = [md5_of(&[0; 5 << 20]), md5_of(&[0; 1 << 20])];
        assert_eq!(of_parts(&md5s), "b7992ce8540773fdfcab72bd0e8c4c64-2");
    }

    #[test]
    fn an_etag_that_is_another_md5_is_an_error_unless_it_is_encrypted() {
        let md5 = md5_of(b"content");
        let answer = |etag: String, more: &[(&'static str, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert("etag", etag.parse().unwrap());
            headers.extend(more.iter().map(|(n, v)| (HeaderName::from_static(n), HeaderValue::from_static(v))));
            is_same(&Head { status: http::StatusCode::OK, headers }, md5)
        };
        let other = format!("\"{}\"", md5_of(b"kontent"));
        assert!(answer(format!("\"{md5}\""), &[]) && answer(format!("\"{md5}-2\""), &[]) && answer("\"opaque\"".into(), &[]));
        assert!(!answer(other.clone(), &[]) && !answer(other.clone(), &[("x-amz-server-side-encryption", "AES256")]));
        assert!(answer(other.clone(), &[("x-amz-server-side-encryption", "aws:kms")]));
        assert!(answer(other, &[("x-amz-server-side-encryption-customer-algorithm", "AES256")]));
    }
}
