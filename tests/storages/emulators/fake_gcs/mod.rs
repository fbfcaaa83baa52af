//! A Google Cloud Storage of our own, for what gcp-storage-emulator has not: conditions, resumable and multipart uploads,
//! pages. It keeps to the rules of the real one: no newlines in names, no md5 for what came in parts, conditions that hold
//! for many at once.

mod upload;

use super::gcs::Gcs;
use super::httpd::{Answer, Request, decode, serve};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use snapshooter::internals::time::Time;
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The one of this process.
pub fn fake_gcs() -> &'static Gcs {
    static ONE: OnceLock<Gcs> = OnceLock::new();
    ONE.get_or_init(|| {
        let fake = Fake::default();
        Gcs::at("fake-gcs", serve(move |request| fake.answer(request)), None)
    })
}

#[derive(Clone, Default)]
struct Held {
    content: Arc<[u8]>,
    generation: u64,
    updated: String,
    md5: Option<String>,
    /// contentType, contentEncoding, metadata and so on.
    about: serde_json::Map<String, Value>,
    /// When it was replaced or deleted, in a bucket that keeps versions.
    deleted: Option<String>,
}

/// The objects of a bucket.
#[derive(Default)]
struct Bucket {
    objects: BTreeMap<String, Held>,
    /// Whether it keeps versions, and those that are not current.
    keeps: bool,
    old: BTreeMap<(String, u64), Held>,
}

impl Bucket {
    /// Takes an object away, or makes it an old version.
    fn retire(&mut self, name: &str) {
        let Some(held) = self.objects.remove(name).filter(|_| self.keeps) else { return };
        let key = (name.to_string(), held.generation);
        self.old.insert(key, Held { deleted: Some(now()), ..held });
    }
}

#[derive(Default)]
struct State {
    buckets: BTreeMap<String, Bucket>,
    uploads: HashMap<String, upload::Upload>,
    count: u64,
}

#[derive(Default)]
struct Fake(Mutex<State>);

fn error(status: u16, reason: &str) -> Answer {
    let body = json!({"error": {"code": status, "message": reason, "errors": [{"reason": reason}]}});
    Answer::new(status, body.to_string()).with("content-type", "application/json")
}

impl Held {
    fn etag(&self) -> String {
        BASE64_STANDARD.encode(self.generation.to_be_bytes())
    }

    fn json(&self, bucket: &str, name: &str) -> Value {
        let mut all = self.about.clone();
        all.remove("name");
        let mut add = |key: &str, value: Value| drop(all.insert(key.to_string(), value));
        add("kind", json!("storage#object"));
        add("bucket", json!(bucket));
        add("name", json!(name));
        add("size", json!(self.content.len().to_string()));
        add("generation", json!(self.generation.to_string()));
        add("updated", json!(self.updated));
        add("timeCreated", json!(self.updated));
        if let Some(deleted) = &self.deleted {
            add("timeDeleted", json!(deleted));
        }
        add("etag", json!(self.etag()));
        if let Some(md5) = &self.md5 {
            add("md5Hash", json!(md5));
        }
        Value::Object(all)
    }
}

impl State {
    /// Puts an object there, if the condition of the query holds.
    fn put(
        &mut self,
        bucket: &str,
        name: &str,
        query: &BTreeMap<String, String>,
        content: &[u8],
        about: serde_json::Map<String, Value>,
        in_parts: bool,
    ) -> Answer {
        if name.is_empty() || name.contains(['\r', '\n']) || name == "." || name == ".." {
            return error(400, "invalid");
        }
        let md5 = BASE64_STANDARD.encode(snapshooter::internals::digest::md5_of(content).0);
        if about.get("md5Hash").is_some_and(|told| *told != json!(md5)) {
            return error(400, "invalid");
        }
        self.count += 1;
        let generation = self.count;
        let Some(place) = self.buckets.get_mut(bucket) else { return error(404, "notFound") };
        let there = place.objects.get(name).map_or(0, |held| held.generation);
        if query.get("ifGenerationMatch").is_some_and(|wanted| *wanted != there.to_string()) {
            return error(412, "conditionNotMet");
        }
        let md5 = Some(md5).filter(|_| !in_parts);
        let held = Held { content: content.into(), generation, updated: now(), md5, about, deleted: None };
        let told = held.json(bucket, name);
        place.retire(name);
        place.objects.insert(name.to_string(), held);
        Answer::new(200, told.to_string()).with("content-type", "application/json")
    }
}

/// RFC 3339, in milliseconds.
fn now() -> String {
    let now = Time::now();
    let seconds = chrono::DateTime::from_timestamp(now.sec, now.nsec).expect("the time now");
    seconds.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

impl Fake {
    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Google's own library gets contents here.
        let path = request.path().trim_start_matches("/download").to_string();
        if path == "/batch/storage/v1" {
            return batch(&mut state, request);
        }
        if let Some(rest) = path.strip_prefix("/upload/storage/v1/b/") {
            return upload::answer(&mut state, request, rest.trim_end_matches("/o"));
        }
        if let Some(rest) = path.strip_prefix("/storage/v1/b") {
            return self::json_api(&mut state, request, rest.trim_start_matches('/'));
        }
        match path.trim_start_matches('/').split_once('/') {
            Some((bucket, name)) => upload::in_parts(&mut state, request, bucket, &decode(name)),
            None => error(404, "notFound"),
        }
    }
}

fn json_api(state: &mut State, request: &Request, rest: &str) -> Answer {
    if rest.is_empty() && request.method == "POST" {
        let about: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        let bucket = state.buckets.entry(about["name"].as_str().unwrap_or_default().to_string()).or_default();
        bucket.keeps = about["versioning"]["enabled"] == true;
        return Answer::new(200, "{}");
    }
    let (bucket, below) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(place) = state.buckets.get_mut(bucket) else { return error(404, "notFound") };
    let Some(name) = below.strip_prefix("o/") else {
        let about = json!({"versioning": {"enabled": place.keeps}});
        return if below == "o" { list(bucket, place, &request.query()) } else { Answer::new(200, about.to_string()) };
    };
    let name = decode(name);
    let query = request.query();
    let version = query.get("generation").and_then(|generation| generation.parse().ok());
    let old = version.and_then(|generation| place.old.get(&(name.clone(), generation)));
    let is_it = |held: &&Held| version.is_none_or(|generation| generation == held.generation);
    let Some(held) = old.or(place.objects.get(&name).filter(is_it)) else { return error(404, "notFound") };
    let etag = request.header("if-match").map(|e| e.trim_matches('"'));
    let generation = query.get("ifGenerationMatch");
    if etag.is_some_and(|e| e != held.etag()) || generation.is_some_and(|g| *g != held.generation.to_string()) {
        return error(412, "conditionNotMet");
    }
    match request.method.as_str() {
        "DELETE" => {
            place.retire(&name);
            Answer::new(204, "")
        }
        "GET" if query.get("alt").is_some_and(|alt| alt == "media") => media(held, request.header("range")),
        "GET" => Answer::new(200, held.json(bucket, &name).to_string()).with("content-type", "application/json"),
        _ => error(405, "methodNotAllowed"),
    }
}

fn list(bucket: &str, place: &Bucket, query: &BTreeMap<String, String>) -> Answer {
    let objects = &place.objects;
    if query.get("versions").is_some_and(|is| is == "true") {
        let current = objects.iter().map(|(name, held)| ((name.clone(), held.generation), held));
        let all: BTreeMap<_, _> = place.old.iter().map(|(key, held)| (key.clone(), held)).chain(current).collect();
        let prefix = query.get("prefix").map_or("", String::as_str);
        let below = all.iter().filter(|((name, _), _)| name.starts_with(prefix));
        let items: Vec<Value> = below.map(|((name, _), held)| held.json(bucket, name)).collect();
        let answer = json!({"kind": "storage#objects", "items": items});
        return Answer::new(200, answer.to_string()).with("content-type", "application/json");
    }
    let most: usize = query.get("maxResults").and_then(|m| m.parse().ok()).unwrap_or(1000).min(1000);
    let prefix = query.get("prefix").map_or("", String::as_str);
    let after = query.get("pageToken").map(|t| Bound::Excluded(t.clone()));
    let from = after.unwrap_or_else(|| Bound::Included(prefix.to_string()));
    let below = objects.range((from, Bound::Unbounded)).take_while(|(name, _)| name.starts_with(prefix));
    let page: Vec<_> = below.take(most + 1).collect();
    let items: Vec<Value> = page.iter().take(most).map(|(name, held)| held.json(bucket, name)).collect();
    let mut answer = json!({"kind": "storage#objects", "items": items});
    if page.len() > most {
        answer["nextPageToken"] = json!(page[most - 1].0);
    }
    Answer::new(200, answer.to_string()).with("content-type", "application/json")
}

fn media(held: &Held, range: Option<&str>) -> Answer {
    let all = &held.content;
    let Some((from, to)) = range.and_then(|r| r.strip_prefix("bytes=")).and_then(|r| r.split_once('-')) else {
        return Answer::new(200, &all[..]).with("etag", held.etag()).with("content-type", "application/octet-stream");
    };
    let from: usize = from.parse().unwrap_or(0);
    let to = to.parse::<usize>().map_or(all.len(), |to| to.saturating_add(1).min(all.len()));
    if from >= all.len() {
        return error(416, "requestedRangeNotSatisfiable").with("content-range", format!("bytes */{}", all.len()));
    }
    let range = format!("bytes {from}-{}/{}", to - 1, all.len());
    Answer::new(206, &all[from..to]).with("content-range", range).with("etag", held.etag())
}

/// Many deletions in one request: parts with a request each, as `multipart/mixed`.
fn batch(state: &mut State, request: &Request) -> Answer {
    let kind = request.header("content-type").unwrap_or_default();
    let boundary = kind.split("boundary=").nth(1).unwrap_or_default().trim_matches('"');
    let body = String::from_utf8_lossy(&request.body);
    let mut out = String::new();
    for part in body.split(&format!("--{boundary}")).filter(|p| p.contains("HTTP/1.1")) {
        let line = part.lines().find(|l| l.ends_with("HTTP/1.1")).unwrap_or_default();
        let mut words = line.split_whitespace().map(str::to_string);
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let inner = Request { method, target, ..Request::default() };
        let rest = inner.path().strip_prefix("/storage/v1/b/").unwrap_or_default().to_string();
        let id = part.lines().find_map(|l| l.to_ascii_lowercase().strip_prefix("content-id:").map(|i| i.trim().to_string()));
        let status = json_api(state, &inner, &rest).status;
        let id = id.unwrap_or_default();
        out.push_str(&format!("--answer\r\nContent-Type: application/http\r\nContent-ID: response-{id}\r\n\r\n"));
        out.push_str(&format!("HTTP/1.1 {status} Whatever\r\nContent-Length: 0\r\n\r\n\r\n"));
    }
    out.push_str("--answer--\r\n");
    Answer::new(200, out).with("content-type", "multipart/mixed; boundary=answer")
}
