//! Listings that come page by page. Further pages are requested while one is read: [`Ranges`] says which.

use super::api::{Api, Ask, Page};
use super::ranges::{Next, Ranges};
use crate::display::printable;
use crate::storage::runtime::block_on;
use crate::storage::store::Object;
use std::io;
use std::sync::Arc;
use tokio::task::JoinSet;

/// The objects of a listing.
pub struct Pages<A> {
    of: Arc<A>,
    /// The start of all names. The first `root` bytes are the root of the store and are cut off.
    prefix: Arc<str>,
    root: usize,
    /// The last name, if names have to be in order.
    last: Vec<u8>,
    /// The last name that was returned before the listing started anew, page after page.
    returned: Vec<u8>,
    ranges: Ranges,
    /// The requests that are under way. They are given up when this is dropped.
    under_way: JoinSet<Answer>,
    /// A request that starts behind a name has succeeded.
    starts: bool,
    is_over: bool,
}

/// The answer to the request of a range. The flag says that the request starts behind a name.
type Answer = (u64, bool, io::Result<Page>);

impl<A: Api> Pages<A> {
    /// Returns the listing of all objects below the root whose keys start with `prefix`. If the service lists in the order of the
    /// bytes of names, a name out of order is an error.
    pub fn new(of: Arc<A>, prefix: &str) -> Pages<A> {
        Pages::between(of, prefix, "", None)
    }

    /// Does what [`Pages::new`] does, but if the service can start behind a name, it lists only the names behind `after`, up to and
    /// including `until`; both without `prefix`.
    pub fn between(of: Arc<A>, prefix: &str, after: &str, until: Option<&str>) -> Pages<A> {
        let root = &of.service().bucket.prefix;
        let (prefix, root): (Arc<str>, usize) = (format!("{root}{prefix}").into(), root.len());
        let ranges = match A::STARTS && of.is_ordered() {
            true => Ranges::between(&prefix, after, until),
            false => Ranges::new(&prefix, false),
        };
        let (last, returned) = (Vec::new(), Vec::new());
        Pages { of, prefix, root, last, returned, ranges, under_way: JoinSet::new(), starts: false, is_over: false }
    }

    /// Requests the pages that are wanted.
    fn request(&mut self) -> io::Result<()> {
        while let Some(wanted) = self.ranges.wanted() {
            let (of, prefix) = (self.of.clone(), self.prefix.clone());
            let answer = async move {
                let ask = Ask { prefix: &prefix, start: &wanted.start, token: &wanted.token };
                (wanted.range, !wanted.start.is_empty(), of.page(&ask).await)
            };
            let under_way = &mut self.under_way;
            block_on(async { _ = under_way.spawn(answer) })?;
        }
        Ok(())
    }

    /// Takes the answers that have come. With `wait`, it waits for one.
    fn answers(&mut self, wait: bool) -> io::Result<()> {
        let mut wait = wait;
        loop {
            let answer = match std::mem::take(&mut wait) {
                true => block_on(self.under_way.join_next())?,
                false => self.under_way.try_join_next(),
            };
            let Some(answer) = answer else { return Ok(()) };
            let (range, starts, page) = answer.map_err(io::Error::other)?;
            let is_right = match page {
                Ok(page) => {
                    self.starts |= starts;
                    self.ranges.answer(range, page).is_ok()
                }
                // The service may not know how to start behind a name.
                Err(_) if starts && !self.starts => false,
                Err(e) => return Err(e),
            };
            if !is_right {
                self.start_anew();
                self.request()?;
            }
        }
    }

    /// Lists one page after the other, from the beginning, because the answers contradict each other. What was returned already is
    /// not returned again.
    fn start_anew(&mut self) {
        self.returned = std::mem::take(&mut self.last);
        self.under_way = JoinSet::new();
        self.ranges = Ranges::new(&self.prefix, false);
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
        Ok(Some(object).filter(|object| self.returned.is_empty() || object.key > self.returned))
    }

    fn step(&mut self) -> io::Result<Option<Object>> {
        loop {
            let object = match self.ranges.next() {
                Next::Object(object) => object,
                Next::End => return Ok(None),
                Next::Turn => {
                    self.answers(false)?;
                    self.request()?;
                    continue;
                }
                Next::Wait => {
                    self.request()?;
                    self.answers(true)?;
                    self.request()?;
                    continue;
                }
            };
            if let Some(object) = self.checked(object)? {
                return Ok(Some(object));
            }
        }
    }
}

impl<A: Api> Iterator for Pages<A> {
    type Item = io::Result<Object>;

    fn next(&mut self) -> Option<io::Result<Object>> {
        if self.is_over {
            return None;
        }
        let next = self.step().transpose();
        // An error ends the listing.
        if !matches!(next, Some(Ok(_))) {
            self.is_over = true;
            self.under_way = JoinSet::new();
        }
        next
    }
}
