//! Listings that come page by page. The next page is requested while the one before is handled.

use super::api::{Api, Page};
use crate::display::printable;
use crate::storage::runtime::block_on;
use crate::storage::store::Object;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// The objects of a listing.
pub struct Pages<A> {
    of: Arc<A>,
    /// The start of all names. The first `root` bytes are the root of the store and are cut off.
    prefix: Arc<str>,
    root: usize,
    /// The last name, if names have to be in order.
    last: Vec<u8>,
    objects: std::vec::IntoIter<io::Result<Object>>,
    next: Next,
}

enum Next {
    Unasked,
    Asked(JoinHandle<io::Result<Page>>),
    Done,
}

impl<A: Api> Pages<A> {
    /// Returns the listing of all objects below the root whose keys start with `prefix`. If the service lists in the order of the
    /// bytes of names, a name out of order is an error.
    pub fn new(of: Arc<A>, prefix: &str) -> Pages<A> {
        let root = &of.service().bucket.prefix;
        let (prefix, root) = (format!("{root}{prefix}").into(), root.len());
        Pages { of, prefix, root, last: Vec::new(), objects: Vec::new().into_iter(), next: Next::Unasked }
    }

    fn ask(&self, token: String) -> impl Future<Output = io::Result<Page>> + Send + 'static {
        let (of, prefix) = (self.of.clone(), self.prefix.clone());
        async move { of.page(&prefix, &token).await }
    }

    /// Waits for the requested page, and requests the one after it. Returns false after the last page.
    fn turn(&mut self) -> io::Result<bool> {
        let page = match std::mem::replace(&mut self.next, Next::Done) {
            Next::Done => return Ok(false),
            Next::Unasked => block_on(self.ask(String::new()))??,
            Next::Asked(task) => block_on(task)?.map_err(io::Error::other)??,
        };
        self.objects = page.objects.into_iter();
        if let Some(token) = page.next {
            let asked = self.ask(token);
            self.next = block_on(async move { Next::Asked(tokio::spawn(asked)) })?;
        }
        Ok(true)
    }

    /// Returns an object with its name below the root, or None for the root itself.
    fn checked(&mut self, object: io::Result<Object>) -> io::Result<Option<Object>> {
        let mut object = object?;
        let invalid = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
        if !object.key.starts_with(self.prefix.as_bytes()) {
            return invalid("the listing has a name from elsewhere");
        }
        object.key.drain(..self.root);
        if object.key.is_empty() {
            return Ok(None);
        }
        if self.of.is_ordered() && object.key == self.last {
            return invalid(&format!("the listing has {} twice", printable(&object.key)));
        }
        if self.of.is_ordered() && object.key < self.last {
            return invalid(&format!("the listing is not in the order of names{}", A::ORDER_HELP));
        }
        if self.of.is_ordered() {
            self.last.clone_from(&object.key);
        }
        Ok(Some(object))
    }
}

impl<A: Api> Iterator for Pages<A> {
    type Item = io::Result<Object>;

    fn next(&mut self) -> Option<io::Result<Object>> {
        loop {
            let found = match self.objects.next() {
                Some(object) => self.checked(object),
                None => match self.turn() {
                    Ok(true) => continue,
                    Ok(false) => return None,
                    Err(e) => Err(e),
                },
            };
            match found {
                Ok(None) => {}
                Ok(Some(object)) => return Some(Ok(object)),
                Err(e) => {
                    // An error ends the listing.
                    self.stop();
                    return Some(Err(e));
                }
            }
        }
    }
}

impl<A> Pages<A> {
    fn stop(&mut self) {
        self.objects = Vec::new().into_iter();
        if let Next::Asked(task) = std::mem::replace(&mut self.next, Next::Done) {
            task.abort();
        }
    }
}

/// Requests no further page.
impl<A> Drop for Pages<A> {
    fn drop(&mut self) {
        self.stop();
    }
}
