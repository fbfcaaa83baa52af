//! The requests that a service of objects has to support. Azure, S3 and Google Cloud Storage differ in them.

use super::service::{Call, Failed, Head, Service};
use crate::storage::Cold;
#[cfg(doc)]
use crate::storage::Store;
use crate::storage::attributes::{Attributes, Keys, Texts};
use crate::storage::store::{Body, Object, ObjectVersion, Put};
use std::io;
use std::sync::Arc;

/// One bucket or container of a service.
pub trait Api: Send + Sync + 'static {
    /// Whether listings are in the order of the bytes of names.
    const ORDERED: bool;

    /// What to do if a listing is not in that order, for the message.
    const ORDER_HELP: &'static str = "";

    /// The encoding of contents that requests accept. Without `gzip`, Google decompresses objects that are stored as gzip.
    const ENCODING: &'static str = "gzip";

    /// Whether listings have the attributes of objects.
    const LISTS_ATTRIBUTES: bool = true;

    /// Whether objects have tags.
    const HAS_TAGS: bool = false;

    /// The maximum number of names that the service deletes with one request.
    const MOST: usize;

    /// Whether the listings of this bucket are in the order of the bytes of names.
    fn is_ordered(&self) -> bool {
        Self::ORDERED
    }

    /// Returns the connection to the service.
    fn service(&self) -> &Arc<Service>;

    /// Returns the name of a key in the bucket or container.
    ///
    /// # Errors
    /// `InvalidInput` if no object can have this name.
    fn name(&self, key: &[u8]) -> io::Result<String>;

    /// Whether a listing can start behind any name. It has to be in order for that.
    const STARTS: bool = false;

    /// Lists one page.
    fn page(&self, ask: &Ask<'_>) -> impl Future<Output = io::Result<Page>> + Send;

    /// Looks at an object. Returns None if it does not exist, or is only a marker of a folder.
    fn stat(&self, name: &str, key: &[u8]) -> impl Future<Output = io::Result<Option<Object>>> + Send;

    /// Checks that the bucket keeps versions.
    ///
    /// # Errors
    /// `Unsupported` if it does not.
    fn check_versions(&self) -> impl Future<Output = io::Result<()>> + Send;

    /// Lists one page of the versions of the names that start with `prefix`. See [`Api::page`] for `token`.
    fn page_of_versions(&self, prefix: &str, token: &str) -> impl Future<Output = io::Result<VersionPage>> + Send;

    /// Returns the request for the content of a version; None for the current one.
    fn content(&self, name: &str, version: Option<&str>) -> Call;

    /// The codes of answers for objects in an archive.
    const COLD: &'static [&'static str] = &[];

    /// Returns the error for an object in an archive, after a look at its state.
    fn cold(&self, _name: &str, _version: Option<&str>) -> impl Future<Output = Cold> + Send {
        std::future::ready(Cold::under_way("an archive"))
    }

    /// Whether an answer with this head can only be a content: it has something that a generated page lacks.
    fn is_content(head: &Head, is_range: bool) -> bool;

    /// Returns what the answer with a content says about the object, as keys of its record, if the listing does not.
    fn described(_: &Head) -> Keys {
        Keys::new()
    }

    /// Returns the tags of a version of an object.
    fn tags(&self, _name: &str, _version: Option<&str>) -> impl Future<Output = Result<Texts, Failed>> + Send {
        std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, "the storage keeps no tags").into()))
    }

    /// Does what [`Store::keeps`] does.
    fn keeps(&self, attributes: &Attributes) -> Attributes;

    /// Does what [`Store::puts_if_absent`] does.
    fn puts_if_absent(&self) -> bool {
        true
    }

    /// Does what [`Store::put`] does.
    fn put(self: &Arc<Self>, name: &str, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool>;

    /// Deletes these names with one request. An error concerns the request, not a single name.
    fn delete_batch(&self, names: &[String]) -> impl Future<Output = Result<Deletions, Failed>> + Send;

    /// Deletes one name. It is no error if there is no such object.
    fn delete_one(&self, name: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Deletes one name if its object has this identity. See [`Store::delete_if`].
    fn delete_if(&self, name: &str, identity: &str) -> impl Future<Output = io::Result<bool>> + Send;

    /// Whether a batch can contain this name.
    fn batches(_name: &str) -> bool {
        true
    }

    /// Adds the name of the root to an error.
    fn named(&self, e: io::Error) -> io::Error;
}

/// The outcome of each deletion of a batch, or None if the service has not dealt with it.
pub type Deletions = Vec<Option<io::Result<()>>>;

/// The page of a listing that is requested.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ask<'a> {
    /// The start of all names.
    pub prefix: &'a str,
    /// The name behind which the first page started, without the prefix; empty for the start of the listing. Only where
    /// [`Api::STARTS`].
    pub start: &'a str,
    /// Empty for the first page, else [`Page::next`] of the page before.
    pub token: &'a str,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// The objects, with whole names as keys, without those that stand for folders.
    pub objects: Vec<io::Result<Object>>,
    /// The last name of the page, even if it stands for a folder. Only where [`Api::STARTS`].
    pub last: Option<String>,
    /// The token of the next page, or None on the last page.
    pub next: Option<String>,
}

/// A page of versions, with whole names as keys. The versions of a key follow one another, across pages too.
#[derive(Debug, Default)]
pub struct VersionPage {
    /// The versions of the page. Those of a key come in the order of the service.
    pub versions: Vec<ObjectVersion>,
    /// The token of the next page, or None on the last page.
    pub next: Option<String>,
}

impl Page {
    /// Returns a page of these objects, without those that stand for folders.
    pub fn of(objects: Vec<Object>, next: Option<String>) -> Page {
        let last = objects.last().and_then(|object| String::from_utf8(object.key.clone()).ok());
        Page { objects: objects.into_iter().filter(|object| !is_folder(object)).map(Ok).collect(), last, next }
    }
}

/// Whether an object stands for a folder: its name ends with `/`, and it has no content.
pub fn is_folder(object: &Object) -> bool {
    object.key.ends_with(b"/") && object.size == 0
}
