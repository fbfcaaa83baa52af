//! The ways to put an object: at once, resumable, and in parts as the XML API has it.

use super::super::httpd::{Answer, Request};
use super::{State, error};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One that has begun.
#[derive(Default)]
pub struct Upload {
    bucket: String,
    name: String,
    query: BTreeMap<String, String>,
    about: Map<String, Value>,
    /// Parts by number; a resumable one has only the first.
    parts: BTreeMap<u32, Vec<u8>>,
}

/// Below `/upload/storage/v1/b/`.
pub fn answer(state: &mut State, request: &Request, bucket: &str) -> Answer {
    let query = request.query();
    let name = query.get("name").cloned();
    if let Some(id) = query.get("upload_id") {
        return chunk(state, request, id);
    }
    match query.get("uploadType").map(String::as_str) {
        Some("media") => {
            let mut about = Map::new();
            if let Some(kind) = request.header("content-type") {
                about.insert("contentType".to_string(), kind.into());
            }
            state.put(bucket, &name.unwrap_or_default(), &query, &request.body, about, false)
        }
        Some("multipart") => {
            let Some((about, content)) = two_parts(request) else { return error(400, "invalid") };
            let name = name.or_else(|| about.get("name")?.as_str().map(str::to_string)).unwrap_or_default();
            state.put(bucket, &name, &query, content, about, false)
        }
        Some("resumable") => {
            let about: Map<String, Value> = serde_json::from_slice(&request.body).unwrap_or_default();
            if !state.buckets.contains_key(bucket) {
                return error(404, "notFound");
            }
            let name = name.or_else(|| about.get("name")?.as_str().map(str::to_string)).unwrap_or_default();
            let id = begin(state, Upload { bucket: bucket.to_string(), name, query, about, parts: BTreeMap::new() });
            let host = request.header("host").unwrap_or_default();
            let to = format!("http://{host}/upload/storage/v1/b/{bucket}/o?uploadType=resumable&upload_id={id}");
            Answer::new(200, "").with("location", to)
        }
        _ => error(400, "invalid"),
    }
}

fn begin(state: &mut State, upload: Upload) -> String {
    state.count += 1;
    let id = format!("upload{}", state.count);
    state.uploads.insert(id.clone(), upload);
    id
}

/// `multipart/related`: what is to be known of the object, and its content.
fn two_parts(request: &Request) -> Option<(Map<String, Value>, &[u8])> {
    let kind = request.header("content-type")?;
    let boundary = kind.split("boundary=").nth(1)?.trim_matches('"');
    let body = &request.body;
    let find = |what: &[u8], from: usize| body[from..].windows(what.len()).position(|w| w == what).map(|at| from + at);
    let about = find(b"\r\n\r\n", 0)? + 4;
    let end = find(format!("\r\n--{boundary}").as_bytes(), about)?;
    let content = find(b"\r\n\r\n", end)? + 4;
    // The content may hold anything, but the last boundary is at the very end.
    let tail = format!("\r\n--{boundary}--");
    let last = body.windows(tail.len()).rposition(|w| w == tail.as_bytes())?;
    // Where there is none, the boundary may take the end of the head as its own.
    Some((serde_json::from_slice(&body[about..end]).ok()?, body.get(content..last).unwrap_or_default()))
}

/// `Content-Range: bytes 0-7/*` has more to come, `bytes 0-7/8` is the end, `bytes */8` asks how far it is, or ends it.
fn chunk(state: &mut State, request: &Request, id: &str) -> Answer {
    if request.method == "DELETE" {
        state.uploads.remove(id);
        return Answer::new(499, "");
    }
    let Some(upload) = state.uploads.get_mut(id) else { return error(404, "notFound") };
    let range = request.header("content-range").unwrap_or("bytes */*").trim_start_matches("bytes ");
    let Some((span, total)) = range.split_once('/') else { return error(400, "invalid") };
    let held = upload.parts.entry(0).or_default();
    if let Some(from) = span.split('-').next().and_then(|from| from.parse::<usize>().ok()) {
        if from > held.len() {
            return error(400, "invalid");
        }
        let known = (held.len() - from).min(request.body.len());
        held.extend_from_slice(&request.body[known..]);
    }
    // All but the last chunk come in multiples of 256 KiB.
    let whole = total.parse() == Ok(held.len());
    if !whole && held.len() % (256 << 10) != 0 {
        return error(400, "invalid");
    }
    if !whole {
        let answer = Answer::new(308, "");
        return if held.is_empty() { answer } else { answer.with("range", format!("bytes=0-{}", held.len() - 1)) };
    }
    finish(state, id, false)
}

fn finish(state: &mut State, id: &str, in_parts: bool) -> Answer {
    let Some(upload) = state.uploads.remove(id) else { return error(404, "notFound") };
    let content: Vec<u8> = upload.parts.into_values().flatten().collect();
    state.put(&upload.bucket, &upload.name, &upload.query, &content, upload.about, in_parts)
}

/// `POST ?uploads`, `PUT ?partNumber=..&uploadId=..`, `POST ?uploadId=..`, `DELETE ?uploadId=..`.
pub fn in_parts(state: &mut State, request: &Request, bucket: &str, name: &str) -> Answer {
    let query = request.query();
    let id = query.get("uploadId").cloned().unwrap_or_default();
    if !state.buckets.contains_key(bucket) {
        return error(404, "notFound");
    }
    match request.method.as_str() {
        "POST" if query.contains_key("uploads") => {
            let mut about = Map::new();
            let mut metadata = Map::new();
            for (header, value) in &request.headers {
                if header == "content-type" {
                    about.insert("contentType".to_string(), value.clone().into());
                } else if let Some(key) = header.strip_prefix("x-goog-meta-") {
                    metadata.insert(key.to_string(), value.clone().into());
                }
            }
            about.insert("metadata".to_string(), metadata.into());
            let (bucket, name) = (bucket.to_string(), name.to_string());
            let id = begin(state, Upload { bucket, name, about, ..Upload::default() });
            let body = format!("<InitiateMultipartUploadResult><UploadId>{id}</UploadId></InitiateMultipartUploadResult>");
            Answer::new(200, body).with("content-type", "application/xml")
        }
        "PUT" => {
            let Some(upload) = state.uploads.get_mut(&id) else { return error(404, "notFound") };
            let Some(number) = query.get("partNumber").and_then(|n| n.parse().ok()) else { return error(400, "invalid") };
            upload.parts.insert(number, request.body.clone());
            Answer::new(200, "").with("etag", format!("\"part{number}\""))
        }
        "POST" => {
            let answer = finish(state, &id, true);
            if answer.status != 200 {
                return answer;
            }
            let told: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
            let body = "<CompleteMultipartUploadResult></CompleteMultipartUploadResult>";
            let answer = Answer::new(200, body).with("content-type", "application/xml");
            answer.with("etag", format!("\"{}\"", told["etag"].as_str().unwrap_or_default()))
        }
        "DELETE" => {
            state.uploads.remove(&id);
            Answer::new(204, "")
        }
        _ => error(405, "methodNotAllowed"),
    }
}
