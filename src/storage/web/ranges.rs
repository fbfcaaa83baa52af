//! A listing in parallel: which pages to request, and what is known of the names after each answer.
//!
//! All names are divided into ranges, in order, and each range is listed page by page. When more requests may be under way, the
//! first range that is likely to have more than one page is cut: its second part starts at a name that is guessed from the names
//! so far. A wrong guess costs a request, never a name: each name is in exactly one range, wherever the ranges end.

use super::api::Page;
use super::guess::Alphabet;
use crate::storage::store::Object;
use std::collections::VecDeque;
use std::io;

/// The largest number of requests under way.
const REQUESTS: usize = 16;
/// The largest number of pages that are under way or wait to be read. Only the first range is listed beyond it.
const PAGES: usize = 32;
/// A range of which this number of pages wait is requested no further, unless it is the first one.
const WAITING: usize = 6;
/// The smallest and the largest distance of two guesses, in pages; a little less, so that the last page of a range is not almost
/// empty if pages are alike. The more requests were in vain, the larger it is.
const APART: (u32, u32) = (2, 6);
/// A listing of no more than this number of pages is requested page by page, because a guess would not help.
const SHORT: usize = 4;
/// The number of requests for nothing that are always allowed.
const SPARE: f64 = 3.0;
/// The part of the requests that may have been for nothing beyond that.
const IN_VAIN: f64 = 0.25;

/// A page to request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// The range that it is for.
    pub range: u64,
    /// Where the first page of these pages started: behind this name, without the prefix. Empty for the start of the listing.
    pub start: String,
    /// The token of the page; empty for the first one.
    pub token: String,
}

/// What comes next in a listing.
pub enum Next {
    /// An object.
    Object(io::Result<Object>),
    /// Another page begins, or is needed. So more pages may be wanted.
    Turn,
    /// Nothing before another answer.
    Wait,
    /// The end.
    End,
}

/// An answer that can't be true if the earlier answers are, or if the service lists from a name on.
#[derive(Debug, PartialEq, Eq)]
pub struct Contradiction;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Its next page can be requested.
    Ready,
    Requested,
    Done,
}

/// The names behind `after`, up to and including `until`. What was received of them is not in `after..`, but in `found`.
#[derive(Debug)]
struct Range {
    id: u64,
    after: String,
    until: Option<String>,
    /// See [`Wanted`].
    start: String,
    token: String,
    state: State,
    /// The pages that wait to be read.
    found: VecDeque<std::vec::IntoIter<io::Result<Object>>>,
    /// Two names that are almost a page apart, nearby.
    page: Option<(String, String)>,
}

/// The ranges of a listing.
#[derive(Debug)]
pub struct Ranges {
    ranges: VecDeque<Range>,
    names: Alphabet,
    /// The start of all names, which ranges leave out.
    prefix: String,
    is_parallel: bool,
    ids: u64,
    under_way: usize,
    /// The number of answers, and of those that were needed; in parts, if only a part of a page was.
    answers: usize,
    needed: f64,
}

impl Ranges {
    /// Returns the ranges of a listing of the names that start with `prefix`: one, until there are answers.
    pub fn new(prefix: &str, is_parallel: bool) -> Ranges {
        Ranges { is_parallel, ..Ranges::between(prefix, "", None) }
    }

    /// Returns the ranges of a listing in parallel of the names that start with `prefix` and then have something behind `after`, up
    /// to and including `until`.
    pub fn between(prefix: &str, after: &str, until: Option<&str>) -> Ranges {
        let all = Range {
            id: 0,
            after: after.to_string(),
            until: until.map(str::to_string),
            start: after.to_string(),
            token: String::new(),
            state: State::Ready,
            found: VecDeque::new(),
            page: None,
        };
        Ranges {
            ranges: [all].into(),
            names: Alphabet::default(),
            prefix: prefix.to_string(),
            is_parallel: true,
            ids: 0,
            under_way: 0,
            answers: 0,
            needed: 0.0,
        }
    }

    /// Returns the number of requests that may be under way. Short listings, which end before a guess would help, have only one.
    fn limit(&self) -> usize {
        let slow = 1 + (self.needed / 2.0) as usize;
        if self.is_parallel && self.answers >= SHORT { slow.min(REQUESTS) } else { 1 }
    }

    /// Returns the next page to request, and takes note that it is.
    pub fn wanted(&mut self) -> Option<Wanted> {
        let at = self.ready().or_else(|| self.cut())?;
        let range = &mut self.ranges[at];
        range.state = State::Requested;
        self.under_way += 1;
        Some(Wanted { range: range.id, start: range.start.clone(), token: range.token.clone() })
    }

    /// Whether another page may be requested, with `kept` places for pages of the ranges that there are.
    fn has_place(&self, kept: usize) -> bool {
        let waiting: usize = self.ranges.iter().map(|range| range.found.len()).sum();
        self.under_way < self.limit() && waiting + self.under_way + kept < PAGES
    }

    /// Returns the first range to request. That at the front is requested as soon as its last page is being read.
    fn ready(&self) -> Option<usize> {
        let first = self.ranges.iter().position(|range| range.state != State::Done)?;
        let waiting: usize = self.ranges.iter().take(first + 1).map(|range| range.found.len()).sum();
        if waiting <= 1 && self.ranges[first].state == State::Ready {
            return Some(first);
        }
        let many = if self.limit() > 1 && self.has_place(0) { self.ranges.len() } else { 0 };
        self.ranges.iter().take(many).position(|range| range.state == State::Ready && range.found.len() < WAITING)
    }

    /// Cuts the first range that is likely to have more than two pages. Returns the part to request.
    fn cut(&mut self) -> Option<usize> {
        let in_vain = self.answers as f64 - self.needed + self.under_way as f64 * IN_VAIN;
        let open = self.ranges.iter().filter(|range| range.state != State::Done && range.until.is_some()).count();
        if self.limit() == 1 || !self.has_place(open) || in_vain > SPARE + self.needed * IN_VAIN {
            return None;
        }
        let more = (self.answers as f64 / self.needed - 1.0) / IN_VAIN * f64::from(APART.1);
        let apart = (more as u32).clamp(APART.0, APART.1);
        let cut = |range: &Range| {
            let (low, high) = range.page.as_ref().filter(|_| range.state != State::Done)?;
            let guess = |times| self.names.ahead(&range.after, low, high, times).filter(|name| *name > range.after);
            let is_inside = |name: &String| range.until.as_ref().is_none_or(|until| name < until);
            // A part of less than a page is not worth a request.
            match range.until.is_none() || guess(apart + 1).as_ref().is_some_and(is_inside) {
                true => guess(apart).filter(is_inside),
                false => None,
            }
        };
        let (at, name) = self.ranges.iter().enumerate().find_map(|(at, range)| Some((at, cut(range)?)))?;
        self.ids += 1;
        let range = &mut self.ranges[at];
        let rest = Range {
            id: self.ids,
            after: name.clone(),
            until: range.until.replace(name.clone()),
            start: name,
            token: String::new(),
            state: State::Ready,
            found: VecDeque::new(),
            page: range.page.clone(),
        };
        self.ranges.insert(at + 1, rest);
        Some(at + 1)
    }

    /// Takes the answer to a request.
    ///
    /// # Errors
    /// If it is not a page of names in order, or not of those that were asked for.
    pub fn answer(&mut self, id: u64, page: Page) -> Result<(), Contradiction> {
        let Some(first) = self.ranges.iter().position(|range| range.id == id) else { return Err(Contradiction) };
        self.under_way -= 1;
        self.answers += 1;
        if !self.is_parallel {
            self.take_all(first, page);
            return Ok(());
        }
        // A name from elsewhere is behind no other.
        let last = match &page.last {
            Some(last) => last.strip_prefix(self.prefix.as_str()).unwrap_or_default().to_string(),
            None => self.ranges[first].after.clone(),
        };
        let (after, goes_on) = (self.ranges[first].after.clone(), !self.ranges[first].token.is_empty());
        let pair = match self.learn(&page, &after, goes_on, &last) {
            Ok(pair) => pair,
            // Nothing was cut yet, so the listing just goes on page after page.
            Err(Contradiction) if self.ids == 0 => {
                self.is_parallel = false;
                self.take_all(first, page);
                return Ok(());
            }
            Err(contradiction) => return Err(contradiction),
        };
        let end = page.next.as_ref().map(|_| last);
        self.take(first, page, end, pair);
        Ok(())
    }

    /// Gives a range all objects of the page that it asked for.
    fn take_all(&mut self, at: usize, page: Page) {
        let range = &mut self.ranges[at];
        range.found.push_back(page.objects.into_iter());
        range.state = if page.next.is_some() { State::Ready } else { State::Done };
        range.token = page.next.unwrap_or_default();
    }

    /// Checks the names of a page, and learns from them. Returns two names that are almost a page apart, if it is a full page. If it
    /// goes on where another page ended, `after` is a name of the listing.
    fn learn(&mut self, page: &Page, after: &str, goes_on: bool, last: &str) -> Result<Option<(String, String)>, Contradiction> {
        let names: Option<Vec<&str>> = page.objects.iter().flatten().map(|object| name_of(object, &self.prefix)).collect();
        let names = names.ok_or(Contradiction)?;
        let is_first = self.answers == 1;
        let starts = names.first().is_none_or(|first| is_first && after.is_empty() || *first > after);
        let ends = names.last().is_none_or(|end| *end <= last);
        if !starts || !ends || !names.windows(2).all(|pair| pair[0] < pair[1]) || last < after {
            return Err(Contradiction);
        }
        self.names.learn(goes_on.then_some(after).into_iter().chain(names.iter().copied()));
        // A little less than a page, so that two of these distances are no more than two pages.
        let (low, high) = (names.first(), names.get(names.len() * 95 / 100));
        let pair = low.zip(high).filter(|(low, high)| page.next.is_some() && low < high);
        Ok(pair.map(|(low, high)| (low.to_string(), high.to_string())))
    }

    /// Gives a range the objects of the page that it asked for, up to its end. `end` is the last name of the page, if there are
    /// more. The names behind the end of the range are those of the next one, which asks for them itself.
    fn take(&mut self, at: usize, page: Page, end: Option<String>, pair: Option<(String, String)>) {
        let (range, mut objects) = (&mut self.ranges[at], page.objects);
        let is_inside = |object: &io::Result<Object>| match (object, &range.until) {
            (Ok(object), Some(until)) => name_of(object, &self.prefix).is_some_and(|name| name <= until.as_str()),
            _ => true,
        };
        let all = objects.len();
        objects.truncate(objects.partition_point(is_inside));
        self.needed += match (objects.len(), &end) {
            // A page can be without objects because all of them only mark folders.
            (used, Some(_)) if used == all => 1.0,
            (used, _) => {
                if end.is_none() && used > 0 {
                    1.0
                } else {
                    used as f64 / all.max(1) as f64
                }
            }
        };
        if !objects.is_empty() {
            range.found.push_back(objects.into_iter());
        }
        range.page = pair.or(range.page.take());
        range.token = page.next.unwrap_or_default();
        range.state = State::Done;
        if let Some(end) = end.filter(|end| range.until.as_ref().is_none_or(|until| end < until)) {
            (range.after, range.state) = (end, State::Ready);
        }
    }

    /// Returns the next object, if it is known.
    pub fn next(&mut self) -> Next {
        loop {
            let Some(range) = self.ranges.front_mut() else { return Next::End };
            match range.found.front_mut().map(Iterator::next) {
                Some(Some(object)) => return Next::Object(object),
                Some(None) => {
                    range.found.pop_front();
                    return Next::Turn;
                }
                None if range.state == State::Done => _ = self.ranges.pop_front(),
                None => return Next::Wait,
            }
        }
    }
}

/// Returns the name of an object without the prefix; None if it does not have it.
fn name_of<'a>(object: &'a Object, prefix: &str) -> Option<&'a str> {
    std::str::from_utf8(&object.key).ok()?.strip_prefix(prefix)
}

#[cfg(test)]
#[path = "ranges_tests.rs"]
mod tests;
