//! Contents of objects, which rclone serves over the loopback interface.

use super::api::{Control, client};
use super::words::Refused;
use crate::display::printable;
use crate::storage::attributes::Keys;
use crate::storage::retry::Policy;
use crate::storage::runtime::block_on;
use crate::storage::store::{Get, Got};
use crate::storage::traffic::{self, UnderWay};
use crate::storage::web;
use crate::storage::web::content::{Arriving, Begun, conditions, reader};
use reqwest::Method;
use reqwest::header::{HeaderName, HeaderValue};
use serde_json::Value;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

/// The longest error message in bytes.
const MOST: usize = 1 << 20;

/// The longest pause in a content. Within it, rclone tries again what fails and may pass, and gives up.
const STALL: Duration = Duration::from_secs(600);

/// Reads a part of a content, which must not go beyond its end. `path` is that of [`super::remote::Remote::content`].
///
/// # Errors
/// Errors of rclone. Reading fails if the content is truncated.
pub fn open(control: Arc<Control>, path: &str, get: &Get<'_>, url: &str) -> io::Result<Got> {
    let (path, what) = (web::encode(path), printable(url.as_bytes()));
    let name = what.clone();
    reader(get, Policy::default(), what, move |from, last, _| begin(&control, &path, from, last, &name))
}

/// Sends the request. Returns None if there is nothing from byte `from` on.
fn begin(control: &Control, path: &str, from: u64, last: Option<u64>, what: &str) -> io::Result<Option<Begun>> {
    let mut request = control.request(Method::GET, path)?;
    for (name, value) in conditions(from, last, None) {
        let value = HeaderValue::from_str(&value).map_err(io::Error::other)?;
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    let answer = block_on(async {
        traffic::turn(path.len()).await;
        let _under_way = UnderWay::begin();
        let answer = tokio::time::timeout(STALL, client()?.execute(request)).await;
        let answer = answer.map_err(|_| io::Error::new(ErrorKind::TimedOut, "rclone: no answer"))?;
        answer.map_err(|e| control.broken(&e))
    })??;
    let status = answer.status().as_u16();
    let odd = |reason: &str| Err(io::Error::new(ErrorKind::InvalidData, format!("{what}: {reason}")));
    match status {
        200 if from == 0 => {}
        200 => return odd("rclone serves no part of it"),
        206 => {
            let range = web::header(answer.headers(), "content-range").unwrap_or_default();
            if !range.starts_with(&format!("bytes {from}-")) {
                return odd("rclone sent another range than was asked for");
            }
        }
        416 => return Ok(None),
        _ => {
            let body = block_on(web::whole(answer, MOST, &Policy::default(), "rclone"))??;
            let said: Value = serde_json::from_slice(&body).unwrap_or_default();
            let said = said["error"].as_str().map_or_else(|| format!("status {status}"), str::to_string);
            return Err(Refused::new(&said).named(what));
        }
    }
    let end = answer.content_length().map(|length| length.saturating_add(from));
    let reader = Arriving::new(answer, STALL, "rclone".to_string());
    Ok(Some(Begun { reader: Box::new(reader), end, etag: None, more: Keys::new() }))
}
