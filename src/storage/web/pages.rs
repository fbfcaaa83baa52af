//! Listings that come page by page: the next one is asked for while the one before is worked on.

use crate::storage::runtime::block_on;
use crate::storage::store::Object;
use std::io;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// A page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// Its objects, with whole names as keys; those that stand for folders are left out.
    pub objects: Vec<io::Result<Object>>,
    /// What to ask for to get the next one; None of the last.
    pub next: Option<String>,
}

impl Page {
    /// A page of these objects, without those that stand for folders.
    pub fn of(objects: Vec<Object>, next: Option<String>) -> Page {
        Page { objects: objects.into_iter().filter(|object| !is_folder(object)).map(Ok).collect(), next }
    }
}

/// Whether an object stands for a folder: its name ends with `/`, and it has no content.
pub fn is_folder(object: &Object) -> bool {
    object.key.ends_with(b"/") && object.size == 0
}

/// What has listings.
pub trait Paged: Send + Sync + 'static {
    /// The page of the names that start with `prefix`, which `token` asks for; it is empty for the first one.
    fn page(&self, prefix: &str, token: &str) -> impl Future<Output = io::Result<Page>> + Send;
}

/// The objects of a listing.
pub struct Pages<P> {
    of: Arc<P>,
    /// All names start with it; of that so many bytes are the root of the store, and are cut off.
    prefix: Arc<str>,
    root: usize,
    /// Whether names have to come in their order, and the last one.
    ordered: bool,
    last: Vec<u8>,
    objects: std::vec::IntoIter<io::Result<Object>>,
    next: Next,
}

enum Next {
    Unasked,
    Asked(JoinHandle<io::Result<Page>>),
    Done,
}

impl<P: Paged> Pages<P> {
    /// All objects below `root` and, there, `prefix`. With `ordered` names that are not in the order of their bytes are an error.
    pub fn new(of: Arc<P>, root: &str, prefix: &str, ordered: bool) -> Pages<P> {
        let objects = Vec::new().into_iter();
        let prefix = format!("{root}{prefix}").into();
        Pages { of, prefix, root: root.len(), ordered, last: Vec::new(), objects, next: Next::Unasked }
    }

    fn ask(&self, token: String) -> impl Future<Output = io::Result<Page>> + Send + 'static {
        let (of, prefix) = (self.of.clone(), self.prefix.clone());
        async move { of.page(&prefix, &token).await }
    }

    /// Gets the page that was asked for, and asks for the one behind it. False after the last.
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

    /// An object by its name below the root; None of what is no object there.
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
        if self.ordered && object.key <= self.last {
            return invalid("the listing is not in the order of names");
        }
        if self.ordered {
            self.last.clone_from(&object.key);
        }
        Ok(Some(object))
    }
}

impl<P: Paged> Iterator for Pages<P> {
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
                    // There is nothing behind an error.
                    self.stop();
                    return Some(Err(e));
                }
            }
        }
    }
}

impl<P> Pages<P> {
    fn stop(&mut self) {
        self.objects = Vec::new().into_iter();
        if let Next::Asked(task) = std::mem::replace(&mut self.next, Next::Done) {
            task.abort();
        }
    }
}

/// Nothing more is asked for.
impl<P> Drop for Pages<P> {
    fn drop(&mut self) {
        self.stop();
    }
}
