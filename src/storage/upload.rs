//! Uploads to S3 and Google Cloud Storage: small objects in one request, large ones in pieces that become an object at the end.

use super::intake::altered;
use super::runtime::block_on;
use super::store::{Body, Object, Put};
use super::web::api::Api;
use super::web::service::{Bucket, Call, Failed, Good, Head};
use super::web::upload::Pieces;
use crate::digest::Md5;
use std::io;
use std::sync::Arc;

/// An upload of one object.
pub struct Upload<'a, A> {
    /// The service.
    pub api: &'a Arc<A>,
    /// The name in the bucket.
    pub name: &'a str,
    /// The key below the root.
    pub key: &'a [u8],
    /// The properties of the body, and the attributes to store with the object.
    pub how: &'a Put,
}

/// The requests of an upload, which differ between services.
pub trait Steps {
    /// Returns the sizes of the pieces in bytes.
    fn sizes(&self) -> Box<dyn Iterator<Item = usize>>;

    /// Stores an object with one request.
    fn put_whole(&self, body: Vec<u8>, md5: Md5, size: u64) -> io::Result<bool>;

    /// Begins an upload in pieces, and returns its id.
    fn begin(&self) -> io::Result<String>;

    /// Sends all pieces, and creates the object from them.
    fn put_pieces(&self, id: &str, pieces: &mut Pieces<'_, '_>) -> io::Result<bool>;

    /// Returns the request that gives up an upload in pieces.
    fn abort(&self, id: &str) -> Call;
}

impl<A: Api> Upload<'_, A>
where
    Self: Steps,
{
    /// Does what [`crate::storage::Store::put`] does. If an upload in pieces fails, it is given up. If the stored object is not
    /// the one that was sent, it is deleted.
    pub fn put(&self, body: Body<'_>) -> io::Result<bool> {
        let mut pieces = Pieces::new(body, self.how, self.sizes())?;
        self.bucket().check_put(self.name, pieces.is_empty(), self.how)?;
        if let Some((body, md5, size)) = pieces.single()? {
            return self.put_whole(body, md5, size);
        }
        // Otherwise all pieces would be sent for nothing.
        if self.how.if_absent && self.there()?.is_some() {
            return Ok(false);
        }
        let id = self.begin()?;
        let sent = self.put_pieces(&id, &mut pieces);
        if !matches!(sent, Ok(true)) {
            // An upload that can't be given up is not visible, and the service drops it after some time.
            drop(self.ask(&self.abort(&id), |_, _| Good::Yes(())));
        }
        sent
    }
}

impl<A: Api> Upload<'_, A> {
    /// Returns the bucket.
    pub fn bucket(&self) -> &Bucket {
        &self.api.service().bucket
    }

    /// Looks at the object that is stored now.
    pub fn there(&self) -> io::Result<Option<Object>> {
        block_on(self.api.stat(self.name, self.key))?
    }

    /// Sends a request and waits for its answer.
    pub fn ask<T>(&self, call: &Call, read: impl Fn(&Head, &[u8]) -> Good<T>) -> io::Result<Result<T, Failed>> {
        block_on(self.api.service().ask(call, read))
    }

    /// Decides about an upload that failed. After several tries, an earlier one may have succeeded without an answer: then the
    /// stored object is the one that was sent. If the upload requires that no object exists, another writer may have been first.
    ///
    /// # Errors
    /// The error of the upload, or of the request for the stored object.
    pub fn settle(&self, failed: Failed, is_ours: impl Fn(&Object) -> bool) -> io::Result<bool> {
        let is_race = self.how.if_absent && matches!(failed.status, 409 | 412);
        if is_race && failed.status == 412 && failed.tries == 1 {
            return Ok(false);
        }
        let is_lost = failed.tries > 1 && (400..500).contains(&failed.status) || failed.code == "NoSuchUpload";
        if is_race || is_lost {
            match self.there()? {
                Some(object) if is_lost && is_ours(&object) => return Ok(true),
                // Two uploads end at the same time: the other one has won or will win.
                Some(_) if is_race => return Ok(false),
                _ => {}
            }
        }
        Err(self.bucket().failed_whole(failed))
    }

    /// Deletes an object that is not the one that was sent.
    pub fn take_back(&self) -> io::Result<bool> {
        block_on(self.api.delete_one(self.name))??;
        Err(altered("what arrived is not what was sent"))
    }
}
