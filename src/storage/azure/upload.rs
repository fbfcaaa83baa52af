//! Uploads: small ones in one request, large ones in blocks that are committed at the end.

use super::config::TIERS;
use super::list;
use super::request::{Requests, is_done};
use super::xml;
use crate::digest::{Md5, md5_of};
use crate::json::to_base64;
use crate::storage::attributes::Attributes;
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Put};
use crate::storage::web::service::{Call, Failed};
use crate::storage::web::upload::{Flight, PIECE as BLOCK, Pieces};
use crate::storage::web::{is_header, md5_base64, query};
use http::Method;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// The size in bytes up to which a body in memory is put in one request. With more, a broken connection would lose too much.
const SINGLE: usize = 64 << 20;
/// The maximum number of blocks in a blob.
const MOST_BLOCKS: u64 = 50_000;
/// The maximum size of a block in bytes.
const LARGEST_BLOCK: usize = 4000 << 20;
/// If the size of the blob is unknown, blocks double in size after this many blocks.
const DOUBLED_AFTER: usize = 10_000;
/// The expected answer to an upload.
const ASKED: &str = "word of what is stored";

/// Puts a blob. Returns false if there was one already and `if_absent` is set.
///
/// # Errors
/// `InvalidData` if the body contradicts `how`; any failure of reading the body or of the service. Then no blob is stored.
pub fn put(requests: &Arc<Requests>, blob: &str, body: Body<'_>, how: &Put) -> io::Result<bool> {
    let how = &Put { attributes: requests.attributes(how), ..how.clone() };
    let first = match &body {
        Body::Bytes(bytes) if bytes.len() <= SINGLE => SINGLE,
        _ => block_size(how.size, 0),
    };
    let sizes = std::iter::once(first).chain((1..).map(|blocks| block_size(how.size, blocks)));
    let mut pieces = Pieces::new(body, how, sizes)?;
    let Some((body, md5, size)) = pieces.single()? else { return put_blocks(requests, blob, &mut pieces, how) };
    let call = requests.call(Method::PUT, Some(blob), &[], ASKED).body(body);
    let call = call.header("x-ms-blob-type", "BlockBlob").header("content-md5", md5_base64(md5));
    commit(requests, requests.scoped(described(call, how, md5)), blob, how, md5, size)
}

fn put_blocks(requests: &Arc<Requests>, blob: &str, pieces: &mut Pieces<'_, '_>, how: &Put) -> io::Result<bool> {
    let mut ids = Vec::new();
    // If this returns early, requests that still run are stopped, and the service drops blocks that are in no list.
    let mut flight = Flight::new(requests.in_flight);
    let upload = RandomState::new();
    let upload = (upload.hash_one(1u8), upload.hash_one(2u8));
    while let Some(block) = pieces.next()? {
        // All ids of a blob have to be equally long, those of the Python tool's unfinished uploads (64 letters) included.
        let id = to_base64(format!("{:016x}{:016x}{:016}", upload.0, upload.1, ids.len()).as_bytes());
        let md5 = md5_base64(md5_of(&block));
        let query = [("comp", "block"), ("blockid", &*id)];
        let call = requests.call(Method::PUT, Some(blob), &query, ASKED).body(block).header("content-md5", md5);
        let call = requests.scoped(call);
        ids.push(id);
        let slot = block_on(requests.slots.clone().acquire_owned())?.map_err(io::Error::other)?;
        flight.send(put_block(requests.clone(), call, slot))?;
    }
    flight.all()?;
    let (md5, size) = pieces.check()?;
    let list = xml::block_list(&ids);
    let list_md5 = md5_base64(md5_of(list.as_bytes()));
    let call = requests.call(Method::PUT, Some(blob), &[("comp", "blocklist")], ASKED).body(list);
    let call = described(call.header("content-md5", list_md5), how, md5);
    commit(requests, requests.scoped(call), blob, how, md5, size)
}

/// Commits the blocks of a blob, so that it appears. Returns false if another writer was first.
fn commit(requests: &Requests, call: Call, blob: &str, how: &Put, md5: Md5, size: u64) -> io::Result<bool> {
    // Put Blob and Put Block List return the etag of the new blob.
    let made = block_on(requests.service.ask(&call, |head, _| (is_done(head, 201) && head.text("etag").is_some()).into()))?;
    let Err(failed) = made else { return Ok(true) };
    // The commit of another writer drops these blocks: that is a lost race, too.
    let lost = matches!((failed.status, &*failed.code), (409, "BlobAlreadyExists" | "") | (412, "ConditionNotMet" | ""))
        || failed.code == "InvalidBlockList";
    if !how.if_absent || !lost {
        return Err(failed.into());
    }
    if failed.tries == 1 && failed.code != "InvalidBlockList" {
        return Ok(false);
    }
    // An earlier try may have succeeded without an answer: then the stored blob is the one that was sent.
    match block_on(list::stat(requests, blob, blob.as_bytes()))?? {
        Some(there) => Ok(failed.tries > 1 && there.size == size && there.md5 == Some(md5)),
        None => Err(failed.into()),
    }
}

/// Returns the size in bytes of the next block after this many blocks.
fn block_size(size: Option<u64>, blocks: usize) -> usize {
    let least = match size {
        // Whole MiB, and large enough for the maximum number of blocks.
        Some(size) => usize::try_from(size.div_ceil(MOST_BLOCKS).next_multiple_of(1 << 20)).unwrap_or(LARGEST_BLOCK),
        None => BLOCK << (blocks / DOUBLED_AFTER).min(8),
    };
    least.clamp(BLOCK, LARGEST_BLOCK)
}

async fn put_block(requests: Arc<Requests>, call: Call, slot: OwnedSemaphorePermit) -> Result<(), Failed> {
    requests.service.ask(&call, |head, _| is_done(head, 201).into()).await?;
    drop(slot);
    Ok(())
}

/// Adds the headers that the service keeps with the blob. Header names are sent in lower case, even those of metadata; the
/// service ignores their case.
fn described(mut call: Call, how: &Put, md5: Md5) -> Call {
    if how.if_absent {
        call = call.header("if-none-match", "*");
    }
    call = call.header("x-ms-blob-content-md5", md5_base64(md5));
    let attributes = &how.attributes;
    call = call.header("x-ms-blob-content-type", attributes.content_type.as_deref().unwrap_or("application/octet-stream"));
    for (name, value) in attributes.common_headers(|_| true) {
        call = call.header(format!("x-ms-blob-{name}"), value);
    }
    for (name, value) in &attributes.metadata {
        call = call.header(format!("x-ms-meta-{name}"), value);
    }
    if let Some(tier) = &attributes.storage_class {
        call = call.header("x-ms-access-tier", tier);
    }
    if !attributes.tags.is_empty() {
        call = call.header("x-ms-tags", query(&attributes.tags));
    }
    call
}

/// Returns the attributes that the service keeps of these. Names of metadata are identifiers of C#, sent in lower case. The tiers
/// are those that block blobs can have by themselves.
pub fn kept(attributes: &Attributes) -> Attributes {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let is_tier = |tier: &String| TIERS.contains(&tier.as_str());
    Attributes {
        content_type: attributes.content_type.clone().filter(|value| is_header(value)),
        headers: attributes.common_headers(is_header),
        metadata: attributes.metadata_in_headers(is_name, is_header),
        storage_class: attributes.storage_class.clone().filter(is_tier),
        tags: attributes.tags.clone(),
    }
}
