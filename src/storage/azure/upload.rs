//! Uploads: small ones in one request, large ones in blocks that are committed at the end.

use super::super::runtime::block_on;
use super::super::store::{Body, Put};
use super::errors::Failed;
use super::list;
use super::request::{Call, Client};
use super::xml;
use crate::digest;
use crate::digest::Md5;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::Method;
use md5::Digest;
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Read};
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// What is not larger is put in one request. Also the smallest block.
const BLOCK: usize = 8 << 20;
/// What lies in memory already is put in one request up to this size; beyond it, a broken connection would lose too much.
const SINGLE: usize = 64 << 20;
/// The service takes no more blocks in one blob, ...
const MOST_BLOCKS: u64 = 50_000;
/// ... and no larger ones.
const LARGEST_BLOCK: usize = 4000 << 20;
/// Where the size is not known, blocks double in size after so many.
const DOUBLED_AFTER: usize = 10_000;
/// Blocks of one upload on their way at the same time.
const IN_FLIGHT: usize = 4;
/// Blocks of all uploads of a store on their way at the same time: what bounds the memory.
const ALL_IN_FLIGHT: usize = 8;

/// Puts blobs into one container.
#[derive(Debug)]
pub struct Uploads {
    client: Arc<Client>,
    slots: Arc<Semaphore>,
    in_flight: usize,
    block: usize,
}

impl Uploads {
    /// With so many blocks of one upload on their way at the same time, where that is told.
    pub fn new(client: Arc<Client>, in_flight: Option<usize>) -> Uploads {
        let in_flight = in_flight.unwrap_or(IN_FLIGHT).clamp(1, 64);
        Uploads { client, slots: Arc::new(Semaphore::new(in_flight.max(ALL_IN_FLIGHT))), in_flight, block: BLOCK }
    }

    /// Puts a blob there. False if one was there already and `if_absent` was asked for.
    ///
    /// # Errors
    /// `InvalidData` if the body is not what `how` says; what reading it or the service says. Nothing is there then.
    pub fn put(&self, blob: &str, body: Body<'_>, how: &Put) -> io::Result<bool> {
        match body {
            Body::Bytes(bytes) if bytes.len() <= SINGLE => self.put_whole(blob, bytes, how),
            Body::Bytes(bytes) => self.put_blocks(blob, Vec::new(), &mut &bytes[..], how),
            Body::Stream(reader) => {
                let first = fill(reader, self.block)?;
                if first.len() < self.block {
                    return self.put_whole(blob, first, how);
                }
                self.put_blocks(blob, first, reader, how)
            }
        }
    }

    fn put_whole(&self, blob: &str, bytes: Vec<u8>, how: &Put) -> io::Result<bool> {
        let md5 = digest::md5_of(&bytes);
        let size = bytes.len() as u64;
        agree(how, md5, size)?;
        let body = Bytes::from(bytes);
        let call = Call { body, ..Call::blob(Method::PUT, blob) };
        let call = call.header("x-ms-blob-type", "BlockBlob").header("content-md5", base64(md5));
        self.commit(described(call, how, md5), blob, how, md5, size)
    }

    /// `first`, then what the reader has, block by block.
    fn put_blocks(&self, blob: &str, first: Vec<u8>, reader: &mut (dyn Read + Send), how: &Put) -> io::Result<bool> {
        let mut hasher = md5::Md5::new();
        let mut size = 0;
        let mut ids = Vec::new();
        // Whatever of it still runs when this returns early is stopped; blocks without a list are thrown away by the service.
        let mut running = JoinSet::new();
        let upload = RandomState::new();
        let upload = (upload.hash_one(1u8), upload.hash_one(2u8));
        let mut block = first;
        loop {
            let most = self.block_size(how.size, ids.len());
            if block.is_empty() {
                block = fill(reader, most)?;
            }
            if block.is_empty() {
                break;
            }
            size += block.len() as u64;
            if how.size.is_some_and(|told| size > told) {
                return Err(disagrees("the content is longer than it was said to be"));
            }
            hasher.update(&block);
            // All ids of a blob have to be equally long, those of the Python tool's unfinished uploads (64 letters) included.
            let id = BASE64_STANDARD.encode(format!("{:016x}{:016x}{:016}", upload.0, upload.1, ids.len()));
            let md5 = base64(digest::md5_of(&block));
            let call = Call { body: Bytes::from(std::mem::take(&mut block)), ..Call::blob(Method::PUT, blob) };
            let query = vec![("comp", "block".to_string()), ("blockid", id.clone())];
            let call = Call { query, ..call }.header("content-md5", md5);
            ids.push(id);
            block_on(self.start(&mut running, call))??;
        }
        while let Some(done) = block_on(running.join_next())? {
            done.map_err(io::Error::other)??;
        }
        let md5 = Md5(hasher.finalize().into());
        agree(how, md5, size)?;
        let list = Bytes::from(xml::block_list(&ids));
        let list_md5 = base64(digest::md5_of(&list));
        let query = vec![("comp", "blocklist".to_string())];
        let call = Call { query, body: list, ..Call::blob(Method::PUT, blob) }.header("content-md5", list_md5);
        self.commit(described(call, how, md5), blob, how, md5, size)
    }

    /// Starts to upload a block, as soon as not too many are on their way.
    async fn start(&self, running: &mut JoinSet<Result<(), Failed>>, call: Call) -> io::Result<()> {
        while running.len() >= self.in_flight {
            if let Some(done) = running.join_next().await {
                done.map_err(io::Error::other)??;
            }
        }
        let slot = self.slots.clone().acquire_owned().await.map_err(io::Error::other)?;
        running.spawn(put_block(self.client.clone(), call, slot));
        Ok(())
    }

    fn block_size(&self, size: Option<u64>, blocks: usize) -> usize {
        let least = match size {
            // Whole MiB, and never so little that the number of blocks would not do.
            Some(size) => usize::try_from(size.div_ceil(MOST_BLOCKS).next_multiple_of(1 << 20)).unwrap_or(LARGEST_BLOCK),
            None => self.block << (blocks / DOUBLED_AFTER).min(8),
        };
        least.clamp(self.block, LARGEST_BLOCK)
    }

    /// The request that makes the blob appear.
    fn commit(&self, call: Call, blob: &str, how: &Put, md5: Md5, size: u64) -> io::Result<bool> {
        let failed = match block_on(self.client.send(&call))? {
            Ok(_) => return Ok(true),
            Err(failed) => failed,
        };
        // Somebody else's commit drops our blocks: that is a lost race too.
        let lost = matches!((failed.status, &*failed.code), (409, "BlobAlreadyExists" | "") | (412, "ConditionNotMet" | ""))
            || failed.code == "InvalidBlockList";
        if !how.if_absent || !lost {
            return Err(failed.into());
        }
        if failed.tries == 1 && failed.code != "InvalidBlockList" {
            return Ok(false);
        }
        // An earlier try may have arrived without our being told: then what is there is ours.
        match block_on(list::stat(&self.client, blob, blob.as_bytes()))?? {
            Some(there) => Ok(failed.tries > 1 && there.size == size && there.md5 == Some(md5)),
            None => Err(failed.into()),
        }
    }
}

async fn put_block(client: Arc<Client>, call: Call, slot: OwnedSemaphorePermit) -> Result<(), Failed> {
    client.send(&call).await?;
    drop(slot);
    Ok(())
}

/// With what is to be kept with the blob. Header names travel in lower case, and so do those of metadata, which the service
/// compares without regard to case.
fn described(mut call: Call, how: &Put, md5: Md5) -> Call {
    if how.if_absent {
        call = call.header("if-none-match", "*");
    }
    call = call.header("x-ms-blob-content-md5", base64(md5));
    let attributes = &how.attributes;
    call = call.header("x-ms-blob-content-type", attributes.content_type.as_deref().unwrap_or("application/octet-stream"));
    for (name, value) in &attributes.headers {
        call = match *name {
            "cache-control" | "content-encoding" | "content-language" | "content-disposition" => {
                call.header(&format!("x-ms-blob-{name}"), value)
            }
            _ => call,
        };
    }
    for (name, value) in &attributes.metadata {
        call = call.header(&format!("x-ms-meta-{name}"), value);
    }
    call
}

/// Reads so many bytes, fewer only at the end.
fn fill(reader: &mut (dyn Read + Send), most: usize) -> io::Result<Vec<u8>> {
    let mut block = Vec::new();
    reader.take(most as u64).read_to_end(&mut block)?;
    Ok(block)
}

fn agree(how: &Put, md5: Md5, size: u64) -> io::Result<()> {
    if how.size.is_some_and(|told| told != size) {
        return Err(disagrees("the content has another size than it was said to have"));
    }
    if how.md5.is_some_and(|told| told != md5) {
        return Err(disagrees("the content has another md5 than it was said to have"));
    }
    Ok(())
}

fn disagrees(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, reason)
}

fn base64(md5: Md5) -> String {
    BASE64_STANDARD.encode(md5.0)
}
