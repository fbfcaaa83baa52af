//! Deleting, many blobs with one request.

use super::super::runtime::block_on;
use super::errors::{self, Failed};
use super::request::{Answer, Call, Client, text};
use bytes::Bytes;
use http::Method;
use std::collections::HashMap;
use std::fmt::Write;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// The service takes no more in one request.
const MOST: usize = 256;
/// Single deletes on their way at the same time.
const IN_FLIGHT: usize = 16;
/// What separates the parts.
const BOUNDARY: &str = "batch_1b0dd7b4-5a0c-4c3b-8a0e-64a4b8d1b7c9";

/// Deletes blobs of one container.
#[derive(Debug)]
pub struct Deletes {
    client: Arc<Client>,
    /// The service, or what stands before it, takes no batches.
    refused: AtomicBool,
}

impl Deletes {
    /// For a container.
    pub fn new(client: Arc<Client>) -> Deletes {
        Deletes { client, refused: AtomicBool::new(false) }
    }

    /// Deletes blobs. One answer for each name, in order; one that is gone already is fine.
    pub fn delete(&self, names: &[String]) -> Vec<io::Result<()>> {
        names.chunks(MOST).flat_map(|names| self.some(names)).collect()
    }

    fn some(&self, names: &[String]) -> Vec<io::Result<()>> {
        let none: Vec<Option<io::Result<()>>> = names.iter().map(|_| None).collect();
        let done = if names.len() > 1 && !self.refused.load(Ordering::Relaxed) {
            block_on(self.batch(names)).and_then(|done| done)
        } else {
            Ok(none)
        };
        // What no batch did is done one by one.
        match done.and_then(|done| block_on(self.rest(names, done))) {
            Ok(done) => done,
            Err(e) => names.iter().map(|_| Err(io::Error::new(e.kind(), e.to_string()))).collect(),
        }
    }

    /// One request for all. None for those that the service has not dealt with.
    async fn batch(&self, names: &[String]) -> io::Result<Vec<Option<io::Result<()>>>> {
        let mut body = String::new();
        for (at, name) in names.iter().enumerate() {
            let call = Call::blob(Method::DELETE, name);
            let head = self.client.head(&call, false).await.map_err(|(e, _)| e)?;
            part(&mut body, at, &head);
        }
        _ = write!(body, "--{BOUNDARY}--\r\n");
        let call = Call::container(Method::POST, &[("restype", "container"), ("comp", "batch")]);
        let call =
            Call { body: Bytes::from(body), ..call }.header("content-type", format!("multipart/mixed; boundary={BOUNDARY}"));
        let none = || names.iter().map(|_| None).collect();
        let (answer, body) = match self.client.send_whole(&call).await {
            Ok(answered) => answered,
            Err(Failed { status: 400..=499 | 501, code, .. }) if code != "ContainerNotFound" => {
                self.refused.store(true, Ordering::Relaxed);
                return Ok(none());
            }
            Err(failed) => return Err(failed.into()),
        };
        let parts = parts(&answer, &body);
        Ok((0..names.len()).map(|at| parts.get(&at).and_then(|part| self.judge(part))).collect())
    }

    fn judge(&self, part: &Part) -> Option<io::Result<()>> {
        match part.status {
            // "202 Accepted", as for each alone.
            202 => Some(Ok(())),
            404 if part.code != "ContainerNotFound" => Some(Ok(())),
            status if super::super::retry::may_pass(status) => None,
            status => {
                let code = Some(&*part.code).filter(|c| !c.is_empty());
                Some(Err(errors::answered(status, code, part.body.as_bytes(), &self.client.container).error))
            }
        }
    }

    async fn rest(&self, names: &[String], mut done: Vec<Option<io::Result<()>>>) -> Vec<io::Result<()>> {
        let mut running = JoinSet::new();
        let mut left: Vec<usize> = (0..names.len()).filter(|at| done[*at].is_none()).collect();
        loop {
            while running.len() < IN_FLIGHT
                && let Some(at) = left.pop()
            {
                let (client, name) = (self.client.clone(), names[at].clone());
                running.spawn(async move { (at, delete_one(&client, &name).await) });
            }
            match running.join_next().await {
                Some(Ok((at, outcome))) => done[at] = Some(outcome),
                Some(Err(_)) => {}
                None => break,
            }
        }
        done.into_iter().map(|outcome| outcome.unwrap_or_else(|| Err(io::Error::other("it was not deleted")))).collect()
    }
}

async fn delete_one(client: &Client, name: &str) -> io::Result<()> {
    match client.send(&Call::blob(Method::DELETE, name)).await {
        Ok(_) => Ok(()),
        Err(Failed { status: 404, code, .. }) if code != "ContainerNotFound" => Ok(()),
        Err(failed) => Err(failed.into()),
    }
}

/// One request within the batch.
fn part(body: &mut String, at: usize, head: &http::request::Parts) {
    let path = head.uri.path_and_query().map_or("/", |p| p.as_str());
    // Writing to a String does not fail.
    _ = write!(
        body,
        "--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\nContent-ID: {at}\r\n\r\n\
         {} {path} HTTP/1.1\r\n",
        head.method
    );
    for (name, value) in &head.headers {
        _ = write!(body, "{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()));
    }
    body.push_str("\r\n");
}

/// One answer within the batch's answer.
#[derive(Debug, PartialEq)]
struct Part {
    status: u16,
    code: String,
    body: String,
}

fn parts(answer: &Answer, body: &[u8]) -> HashMap<usize, Part> {
    let boundary = text(&answer.headers, "content-type").and_then(boundary);
    boundary.map(|boundary| split(&boundary, &String::from_utf8_lossy(body))).unwrap_or_default()
}

fn boundary(content_type: &str) -> Option<String> {
    let at = content_type.to_ascii_lowercase().find("boundary=")? + "boundary=".len();
    let value = content_type[at..].split(';').next()?.trim().trim_matches('"');
    Some(value.to_string()).filter(|b| !b.is_empty())
}

/// The answers by their number. What can't be read is left out: it is done again, one by one.
fn split(boundary: &str, body: &str) -> HashMap<usize, Part> {
    let body = body.replace("\r\n", "\n");
    let mark = format!("--{boundary}");
    body.split(&mark).filter_map(read).collect()
}

fn read(part: &str) -> Option<(usize, Part)> {
    let (outer, inner) = part.split_once("\n\n")?;
    let (head, body) = inner.split_once("\n\n").unwrap_or((inner, ""));
    let mut lines = head.trim_start().lines();
    let status = lines.next()?.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()?;
    let header = |lines: &str, name: &str| {
        let mut pairs = lines.lines().filter_map(|line| line.split_once(':'));
        pairs.find(|(n, _)| n.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_string())
    };
    let at = header(outer, "content-id")?.parse().ok()?;
    let code = header(head, "x-ms-error-code").unwrap_or_default();
    Some((at, Part { status, code, body: body.trim().to_string() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_a_request_of_its_own() {
        let head = http::Request::delete("https://me.blob.core.windows.net/box/a%20b?sig=x").header("x-ms-date", "now");
        let (head, ()) = head.body(()).unwrap().into_parts();
        let mut body = String::new();
        part(&mut body, 7, &head);
        let lines: Vec<&str> = body.split("\r\n").collect();
        let mark = format!("--{BOUNDARY}");
        let outer = ["Content-Type: application/http", "Content-Transfer-Encoding: binary", "Content-ID: 7", ""];
        let inner = ["DELETE /box/a%20b?sig=x HTTP/1.1", "x-ms-date: now", "", ""];
        assert_eq!(lines, [&[mark.as_str()][..], &outer, &inner].concat());
    }

    #[test]
    fn answers_are_found_by_their_number() {
        let body = "--b_1\r\nContent-Type: application/http\r\nContent-ID: 1\r\n\r\nHTTP/1.1 404 The specified blob does not \
            exist.\r\nx-ms-error-code: BlobNotFound\r\nContent-Length: 3\r\n\r\n<a>\r\n--b_1\r\nContent-ID: 0\r\n\r\nHTTP/1.1 \
            202 Accepted\r\nServer: x\r\n\r\n--b_1\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n--b_1\r\nContent-ID: 2\r\n\r\nnonsense\
            \r\n--b_1--";
        let found = split("b_1", body);
        let part = |status, code: &str, body: &str| Part { status, code: code.into(), body: body.into() };
        assert_eq!(found, HashMap::from([(0, part(202, "", "")), (1, part(404, "BlobNotFound", "<a>"))]));
        assert_eq!(boundary("multipart/mixed; boundary=\"b_1\"; x=y").as_deref(), Some("b_1"));
        assert_eq!(boundary("text/plain"), None);
    }
}
