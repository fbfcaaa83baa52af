//! A storage of objects: what Azure, S3 and Google Cloud Storage have in common.

use super::api::Api;
use super::delete::Deleter;
use super::pages::Pages;
use super::range;
use super::versions::VersionGroups;
use crate::name::Name;
use crate::part::Part;
use crate::storage::attributes::{Attributes, Texts};
use crate::storage::runtime::block_on;
use crate::storage::store::{Body, Get, Got, Listing, Object, Put, Store, VersionListing};
use std::io;
use std::sync::Arc;

/// The objects below a root.
#[derive(Debug)]
pub struct Objects<A> {
    /// The service.
    pub api: Arc<A>,
    deleter: Deleter<A>,
}

impl<A: Api> Objects<A> {
    /// Returns the storage of this service's objects.
    pub fn new(api: A) -> Objects<A> {
        let api = Arc::new(api);
        Objects { deleter: Deleter::new(api.clone()), api }
    }
}

/// An object is stored as a whole or not at all, and the service decides about put-if-absent. Empty objects whose keys end with
/// `/` are markers of folders and never listed.
impl<A: Api> Store for Objects<A> {
    fn url(&self) -> &str {
        &self.api.service().bucket.url
    }

    fn list_in<'a>(&'a self, prefix: &[u8], _: fn(&[u8]) -> bool) -> Listing<'a> {
        // No key starts with such a prefix, so no request is needed.
        let Ok(prefix) = std::str::from_utf8(prefix) else { return Box::new(std::iter::empty()) };
        let pages = Pages::new(self.api.clone(), prefix);
        Box::new(pages.map(|object| object.map_err(|e| self.api.named(e))))
    }

    fn entries_of(&self, part: Option<&Part>) -> Listing<'_> {
        let text = |name: &Option<Name>| name.as_ref().map(|name| String::from_utf8(name.as_bytes().to_vec())).transpose();
        let (after, until) = match part {
            Some(Part::Prefix(prefix)) => return self.list(prefix.as_bytes()),
            Some(Part::Range { after, until }) => (text(after), text(until)),
            _ => return self.entries(),
        };
        // The keys of services are UTF-8, but a limit may be none.
        let (Ok(after), Ok(until)) = (after, until) else { return self.entries() };
        let pages = Pages::between(self.api.clone(), "", &after.unwrap_or_default(), until.as_deref());
        Box::new(pages.map(|object| object.map_err(|e| self.api.named(e))))
    }

    fn lists_in_order(&self) -> bool {
        self.api.is_ordered()
    }

    fn lists_in_pages(&self) -> bool {
        true
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        block_on(self.api.stat(&self.api.name(key)?, key))?
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        let name = self.api.name(key)?;
        range::get(&self.api, name.clone(), self.api.content(&name, get.version), get)
    }

    fn lists_attributes(&self) -> bool {
        A::LISTS_ATTRIBUTES
    }

    fn versions(&self) -> io::Result<VersionListing<'_>> {
        block_on(self.api.check_versions())?.map_err(|e| self.api.named(e))?;
        Ok(Box::new(VersionGroups::new(self.api.clone())))
    }

    fn has_tags(&self) -> bool {
        A::HAS_TAGS
    }

    fn tags(&self, key: &[u8], version: Option<&str>) -> io::Result<Texts> {
        let name = self.api.name(key)?;
        block_on(self.api.tags(&name, version))?.map_err(|failed| self.api.named(failed.into()))
    }

    fn keeps(&self, attributes: &Attributes) -> Attributes {
        self.api.keeps(attributes)
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        self.api.put(&self.api.name(key)?, key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        self.api.puts_if_absent()
    }

    /// A thread that waits for the network takes a third of a megabyte. The gate lets fewer requests pass if that is better.
    fn jobs(&self) -> usize {
        128
    }

    fn deletes_if(&self) -> bool {
        true
    }

    fn delete_if(&self, key: &[u8], identity: &str) -> io::Result<bool> {
        block_on(self.api.delete_if(&self.api.name(key)?, identity))?
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.deleter.delete(keys)
    }
}
