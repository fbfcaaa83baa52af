//! Moving an upload to its place. Behind a proxy, the server can know itself by another scheme or host than its clients, and then
//! refuses the destination of a MOVE as one on another server.

use super::WebDav;
use super::compare::{compare, is_there};
use crate::digest::Md5;
use crate::storage::retry::{Policy, may_pass};
use reqwest::header::HeaderValue;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The number of forms of a destination.
const FORMS: usize = 3;

/// How a server takes a MOVE, as far as that is known.
#[derive(Default)]
pub struct Moves {
    /// The form of the destination to use.
    form: AtomicUsize,
    /// The server has accepted it.
    is_known: AtomicBool,
    are_refused: AtomicBool,
}

impl Moves {
    /// Whether the server has said that it can't move anything.
    pub fn are_refused(&self) -> bool {
        self.are_refused.load(Ordering::Relaxed)
    }
}

/// Returns a destination: as the URL that is used here, as a path only, or as the URL with the other scheme.
fn destination(dav: &WebDav, path: &str, form: usize) -> io::Result<HeaderValue> {
    let request = dav.request("MOVE", path)?;
    let (url, path) = (request.url().as_str(), request.url().path());
    let text = match (form, url.split_once("://")) {
        (1, _) => path.to_string(),
        (2, Some(("https", rest))) => format!("http://{rest}"),
        (2, Some((_, rest))) => format!("https://{rest}"),
        _ => url.to_string(),
    };
    HeaderValue::from_str(&text).map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "a name that no header can have"))
}

/// Moves an upload to its place. It replaces an object only if one with exactly that name exists (`is_there_now`): some servers
/// cut a name at `?`, `#` or `;`, and would replace another object.
pub fn publish(
    dav: &WebDav,
    temp: &str,
    path: &str,
    if_absent: bool,
    is_there_now: bool,
    (md5, size): (Md5, u64),
) -> io::Result<bool> {
    let mut overwrite = is_there_now;
    let (mut form, is_known) = (dav.moves.form.load(Ordering::Relaxed), dav.moves.is_known.load(Ordering::Relaxed));
    let (mut first, mut is_patient) = (None, false);
    loop {
        let is_last = is_known || form + 1 == FORMS;
        let mut request = dav.request("MOVE", temp)?;
        request.headers_mut().insert("destination", destination(dav, path, form)?);
        request.headers_mut().insert("overwrite", HeaderValue::from_static(if overwrite { "T" } else { "F" }));
        // Another form is tried at once.
        let tries = if is_last || is_patient { dav.policy.tries } else { 1 };
        let answer = dav.ask_within(request, &Policy { tries, ..dav.policy.clone() })?;
        match answer.status().as_u16() {
            200 | 201 | 204 => {
                dav.made(answer)?;
                dav.moves.form.store(form, Ordering::Relaxed);
                dav.moves.is_known.store(true, Ordering::Relaxed);
                break;
            }
            412 if if_absent => return Ok(false),
            // Another writer has put an object there in the meantime.
            412 if !overwrite && dav.found_object(path)?.is_some() => overwrite = true,
            // Perhaps the answer to a successful MOVE was lost: then the next MOVE finds nothing to move.
            404 if dav.found_object(temp)?.is_none() => return compare(dav, path, md5, size).map(|()| true),
            400 | 403 | 409 | 502 if !is_last => {
                first.get_or_insert(dav.refused(&answer));
                form += 1;
                is_patient = false;
            }
            // What may pass says nothing about the form: some servers fail if several clients move to one name.
            status if !is_last && !is_patient && may_pass(status) => is_patient = true,
            status => {
                dav.moves.are_refused.fetch_or(matches!(status, 405 | 501), Ordering::Relaxed);
                return Err(first.unwrap_or_else(|| dav.refused(&answer)));
            }
        }
    }
    // Some servers report success although they did nothing, or used another name.
    is_there(dav, path, size, "to have put it there").map(|()| true)
}
