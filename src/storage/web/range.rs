//! Contents of a service: an answer has to be the content, in the requested range.

use super::api::Api;
use super::content::{Arriving, Begun, check_version, conditions, reader};
use super::service::{Call, Good, Head};
use crate::display::printable;
use crate::etag;
use crate::storage::runtime::block_on;
use crate::storage::store::{Get, Got};
use http::StatusCode;
use std::io;
use std::sync::Arc;

/// Opens a content of a service as a [`reader`]. Each answer has to be the requested range.
///
/// # Errors
/// Errors of [`reader`].
pub fn get<A: Api>(api: &Arc<A>, call: Call, get: &Get<'_>) -> io::Result<Got> {
    let (policy, api, name) = (api.service().policy.clone(), api.clone(), printable(api.service().bucket.url.as_bytes()));
    reader(get, policy, name.clone(), move |from, last, etag| {
        let service = api.service();
        let is_range = from > 0 || last.is_some();
        let mut call = call.clone().header("accept-encoding", A::ENCODING);
        for (name, value) in conditions(from, last, etag) {
            call = call.header(name, value);
        }
        let is = |head: &Head| is_content::<A>(head, is_range.then_some((from, last)));
        let (head, answer) = match block_on(service.open(&call, is))? {
            Ok(answered) => answered,
            Err(refused) if refused.status == 416 => return Ok(None),
            Err(refused) if refused.status == 412 => return Err(etag::changed(&name)),
            Err(refused) => return Err(api.named(refused.into())),
        };
        let found = head.text("etag").map(str::to_string);
        check_version(found.as_deref(), etag, &name)?;
        let end = answer.content_length().map(|len| len.saturating_add(from));
        let arriving = Arriving::new(answer, service.policy.stall, format!("{name}: {}", service.host));
        Ok(Some(Begun { reader: Box::new(arriving), end, etag: found, more: A::described(&head) }))
    })
}

fn is_content<A: Api>(head: &Head, asked: Option<(u64, Option<u64>)>) -> Good<()> {
    let is_content = A::is_content(head, asked.is_some());
    let is_range = match asked {
        None => head.status == StatusCode::OK,
        Some(asked) => {
            let range = head.text("content-range").unwrap_or_default();
            // An emulator sends a range even after the end.
            let is_empty = is_behind(asked.0, range) && head.text("content-length").is_none_or(|len| len == "0");
            let is_part = is_empty || content_range(range).is_some_and(|range| is_part(asked, range));
            head.status == StatusCode::PARTIAL_CONTENT && is_part
        }
    };
    match (is_content, is_range) {
        (true, true) => Good::Yes(()),
        (true, false) if !head.is_page() => Good::Wrong("has another range than was asked for".to_string()),
        _ => Good::No,
    }
}

/// Reads `bytes 1-2/3`. The size of the whole can be unknown.
fn content_range(text: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, whole) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (from, to) = range.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?, whole.parse().ok()))
}

/// Whether a range starts at the end of a content or after it, such as `bytes 1-0/1`.
fn is_behind(from: u64, range: &str) -> bool {
    let whole = range.strip_prefix(&format!("bytes {from}-")).and_then(|rest| rest.rsplit('/').next()?.parse::<u64>().ok());
    whole.is_some_and(|whole| whole <= from)
}

/// Whether a part is the requested one. It can be shorter only at the end of the content.
fn is_part((from, to): (u64, Option<u64>), (begins, ends, whole): (u64, u64, Option<u64>)) -> bool {
    let at_end = whole.is_none_or(|whole| ends.checked_add(1) == Some(whole));
    begins == from && ends >= from && to.map_or(at_end, |to| ends == to || ends < to && at_end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_contents_are_those_that_were_asked_for() {
        for (asked, told, good) in [
            ((3, Some(5)), "bytes 3-5/9", true),
            ((3, Some(50)), "bytes 3-8/9", true),
            ((3, None), "bytes 3-8/9", true),
            ((3, None), "bytes 3-8/*", true),
            ((3, None), "bytes 3-5/9", false),
            ((3, Some(5)), "bytes 3-4/9", false),
            ((3, Some(5)), "bytes 3-6/9", false),
            ((3, Some(5)), "bytes 0-8/9", false),
            ((3, Some(5)), "bytes */9", false),
        ] {
            let is_good = content_range(told).is_some_and(|told| is_part(asked, told));
            assert_eq!(is_good, good, "{asked:?} {told}");
        }
        assert!(is_behind(0, "bytes 0--1/0") && is_behind(1, "bytes 1-0/1") && !is_behind(1, "bytes 1-1/2"));
    }
}
