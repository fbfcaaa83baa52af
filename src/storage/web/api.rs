//! What a service of objects is asked for, whichever it is.

use super::delete::Deletes;
use super::pages::Paged;
use super::service::{Call, Service};
#[cfg(doc)]
use crate::storage::Store;
use crate::storage::store::{Body, Object, Put};
use std::io;
use std::sync::Arc;

/// What such a service is asked for.
pub trait Api: Paged + Deletes {
    /// Whether listings come in the order of the bytes of names.
    const ORDERED: bool;

    /// The way to it.
    fn service(&self) -> &Arc<Service>;

    /// The place in it: its URL, as a person may see it, and what stands before all keys, which is empty or ends with `/`.
    fn root(&self) -> (&str, &str);

    /// The name of a key in the bucket or container.
    ///
    /// # Errors
    /// `InvalidInput` if no object can have it.
    fn name(&self, key: &[u8]) -> io::Result<String>;

    /// What is known of an object; None where none is, or a marker of a folder.
    fn stat(&self, name: &str, key: &[u8]) -> impl Future<Output = io::Result<Option<Object>>> + Send;

    /// The request for a content.
    fn content(&self, name: &str) -> Call;

    /// What [`Store::put`] does.
    fn put(self: &Arc<Self>, name: &str, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool>;

    /// An error with the name of the root, for messages.
    fn named(&self, e: io::Error) -> io::Error;
}
