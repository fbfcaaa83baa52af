//! Versions of objects, page by page, put into groups by key.

use super::api::{Api, is_folder};
use crate::storage::runtime::block_on;
use crate::storage::store::{Object, ObjectVersion};
use std::io;
use std::sync::Arc;

/// The versions of all objects below a root, those of a key from the oldest to the latest.
pub struct VersionGroups<A> {
    of: Arc<A>,
    /// The versions of the current page that were not looked at yet, the first one last.
    page: Vec<ObjectVersion>,
    /// The token of the next page; None after the last one.
    next: Option<String>,
    /// The versions of one key, the oldest one last.
    ready: Vec<ObjectVersion>,
}

impl<A: Api> VersionGroups<A> {
    /// Returns the versions of all objects below the root.
    pub fn new(of: Arc<A>) -> VersionGroups<A> {
        VersionGroups { of, page: Vec::new(), next: Some(String::new()), ready: Vec::new() }
    }

    /// Returns the next version in the order of the service.
    fn take(&mut self) -> io::Result<Option<ObjectVersion>> {
        while self.page.is_empty() {
            let Some(token) = self.next.take() else { return Ok(None) };
            let of = &self.of;
            let page = block_on(of.page_of_versions(&of.service().bucket.prefix, &token))??;
            self.page = page.versions;
            self.page.reverse();
            self.next = page.next;
        }
        Ok(self.page.pop())
    }

    /// Reads all versions of the next key.
    fn group(&mut self) -> io::Result<bool> {
        let prefix = self.of.service().bucket.prefix.as_bytes();
        let root = prefix.len();
        let Some(first) = self.take()? else { return Ok(false) };
        let mut group = vec![first];
        while let Some(next) = self.take()? {
            match next.object.key == group[0].object.key {
                true => group.push(next),
                false => {
                    self.page.push(next);
                    break;
                }
            }
        }
        if !group[0].object.key.starts_with(self.of.service().bucket.prefix.as_bytes()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the listing has a name from elsewhere"));
        }
        group.retain(|version| version.object.key.len() > root && !is_folder(&version.object));
        group.iter_mut().for_each(|version| drop(version.object.key.drain(..root)));
        // The latest one first. Some services list marks of deletions apart from the other versions of a key. Times have whole
        // seconds, so that the order of the service counts for the rest.
        group.sort_by_key(|version| (!version.is_latest, version.created.map(std::cmp::Reverse)));
        self.ready = Vec::with_capacity(group.len());
        for version in group {
            self.ready.extend(deletion(&version, self.ready.last()));
            self.ready.push(version);
        }
        Ok(true)
    }
}

/// Returns the mark of a deletion that ended a version, if the next version of the key did not end it.
fn deletion(version: &ObjectVersion, next: Option<&ObjectVersion>) -> Option<ObjectVersion> {
    let until = version.until.filter(|until| next.is_none_or(|next| next.created.is_some_and(|created| created > *until)))?;
    let object = Object { key: version.object.key.clone(), ..Object::default() };
    Some(ObjectVersion { object, created: Some(until), is_deletion: true, ..ObjectVersion::default() })
}

impl<A: Api> Iterator for VersionGroups<A> {
    type Item = io::Result<ObjectVersion>;

    fn next(&mut self) -> Option<io::Result<ObjectVersion>> {
        loop {
            if let Some(version) = self.ready.pop() {
                return Some(Ok(version));
            }
            match self.group() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(e) => {
                    // An error ends the listing.
                    (self.page, self.next) = (Vec::new(), None);
                    return Some(Err(self.of.named(e)));
                }
            }
        }
    }
}
