//! An S3 of our own whose oddities can be chosen: each is one that services of other vendors have.

mod listing;
mod odd;
mod parts;

pub use odd::{Bodies, Conditions, Etags, Form, Lists, Oddities};

use super::Root;
use super::httpd::{Answer, Request, decode, serve_raw};
use snapshooter::internals::digest::md5_of;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The bucket that is there.
pub const BUCKET: &str = "bucket";

/// A running service.
pub struct FakeS3 {
    /// Its port on 127.0.0.1.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    odd: Oddities,
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct Held {
    content: Vec<u8>,
    etag: String,
}

#[derive(Default)]
struct State {
    objects: BTreeMap<String, Held>,
    uploads: HashMap<String, parts::Upload>,
    count: u64,
    seen: Vec<Request>,
}

impl FakeS3 {
    /// Starts a service with these oddities.
    pub fn that(odd: Oddities) -> FakeS3 {
        let shared = Arc::new(Shared { odd, state: Mutex::default() });
        let served = shared.clone();
        let port = serve_raw(move |request| {
            let answer = served.answer(request);
            served.odd.bodies.sent(request, &answer)
        });
        FakeS3 { port, shared }
    }

    /// A root in its bucket, as a user would give it. The options are added to the usual ones.
    pub fn root(&self, prefix: &str, more: &str) -> Root {
        let options = format!(
            r#"{{"key": "k", "secret": "wrongsecret", "region": "there-1", "endpoint_url": "http://127.0.0.1:{}"{more}}}"#,
            self.port
        );
        let url = format!("s3://{BUCKET}{}{prefix}", if prefix.is_empty() { "" } else { "/" });
        Root { url, options, container: BUCKET.to_string(), prefix: String::new() }
    }

    /// Puts an object there.
    pub fn plant(&self, name: &str, content: impl AsRef<[u8]>) {
        let mut state = self.shared.lock();
        let etag = self.shared.odd.etags.of(content.as_ref(), &mut state.count);
        let held = Held { content: content.as_ref().to_vec(), etag };
        state.objects.insert(name.to_string(), held);
    }

    /// All names that are there, and their contents.
    pub fn there(&self) -> BTreeMap<String, Vec<u8>> {
        self.shared.lock().objects.iter().map(|(name, held)| (name.clone(), held.content.clone())).collect()
    }

    /// The requests so far, without their bodies.
    pub fn seen(&self) -> Vec<Request> {
        self.shared.lock().seen.clone()
    }

    /// The number of requests of a method whose address or headers have this text.
    pub fn count(&self, method: &str, text: &str) -> usize {
        let has = |r: &Request| r.target.contains(text) || r.headers.iter().any(|(name, _)| name == text);
        self.seen().iter().filter(|r| r.method == method && has(r)).count()
    }
}

fn xml(status: u16, body: impl Into<String>) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}", body.into());
    Answer::new(status, body).with("content-type", "application/xml").with("x-amz-request-id", "1")
}

fn error(status: u16, code: &str, message: &str) -> Answer {
    xml(status, format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, request: &Request) -> Answer {
        let mut state = self.lock();
        state.seen.push(Request { body: Vec::new(), ..request.clone() });
        if let Some(refused) = self.odd.region_refused(request) {
            return refused;
        }
        // A request through a proxy has the whole address.
        let path = request.path();
        let path = path.strip_prefix("http://").map_or(path, |rest| &rest[rest.find('/').unwrap_or(rest.len())..]);
        let path = path.strip_prefix(self.odd.base).unwrap_or(path).trim_start_matches('/');
        let (bucket, name) = match self.odd.virtual_host(request) {
            Some(bucket) => (bucket, decode(path)),
            None => {
                let (bucket, name) = path.split_once('/').unwrap_or((path, ""));
                (bucket.to_string(), decode(name))
            }
        };
        if bucket != self.odd.bucket() {
            return error(404, "NoSuchBucket", "there is no such bucket");
        }
        let query = request.query();
        match (request.method.as_str(), name.is_empty()) {
            ("GET", true) => listing::page(&self.odd, &state.objects, &query),
            ("POST", true) if query.contains_key("delete") => delete(&mut state, &String::from_utf8_lossy(&request.body)),
            ("GET" | "HEAD", false) => self.read(&state, request, &name),
            ("PUT", false) if query.contains_key("partNumber") => parts::part(&self.odd, &mut state, request, &query),
            ("POST", false) => parts::end(&self.odd, &mut state, request, &name, &query),
            ("DELETE", false) => self.delete(&mut state, request, &name),
            ("PUT", false) => self.put(&mut state, request, &name),
            _ => error(405, "MethodNotAllowed", "not here"),
        }
    }

    fn delete(&self, state: &mut State, request: &Request, name: &str) -> Answer {
        if let Some(etag) = request.header("if-match") {
            let is_it = state.objects.get(name).is_some_and(|held| held.etag.trim_matches('"') == etag.trim_matches('"'));
            if let Some(refused) = self.odd.deletions.failed(!is_it) {
                return refused;
            }
        }
        if !request.query().contains_key("uploadId") {
            state.objects.remove(name);
        }
        Answer::new(204, "")
    }

    fn read(&self, state: &State, request: &Request, name: &str) -> Answer {
        let Some(held) = state.objects.get(name) else { return error(404, "NoSuchKey", "there is no such key") };
        if request.header("if-match").is_some_and(|asked| asked.trim_matches('"') != held.etag.trim_matches('"')) {
            return error(412, "PreconditionFailed", "it has another etag");
        }
        let all = &held.content;
        let mut answer = Answer::new(200, &all[..]).with("etag", &held.etag).with("last-modified", odd::MODIFIED);
        answer.headers.push(("content-type", "application/octet-stream".to_string()));
        let range = request.header("range").and_then(|r| r.strip_prefix("bytes=")).and_then(|r| r.split_once('-'));
        if let Some((from, to)) = range.filter(|_| request.method == "GET") {
            let from: usize = from.parse().expect("a number");
            let to = to.parse::<usize>().map_or(all.len(), |to| all.len().min(to + 1));
            if from >= all.len() {
                return error(416, "InvalidRange", "behind the end").with("content-range", format!("bytes */{}", all.len()));
            }
            answer.body = all[from..to].to_vec();
            answer.status = 206;
            answer = answer.with("content-range", format!("bytes {from}-{}/{}", to - 1, all.len()));
        }
        answer
    }

    fn put(&self, state: &mut State, request: &Request, name: &str) -> Answer {
        if let Some(refused) = self.odd.conditions.refused(request, state.objects.contains_key(name)) {
            return refused;
        }
        let digest = request.header("content-md5").map(str::to_string);
        if digest.is_some_and(|told| told != odd::base64(&md5_of(&request.body).0)) {
            return error(400, "BadDigest", "another content came");
        }
        let etag = self.odd.etags.of(&request.body, &mut state.count);
        let mut content = request.body.clone();
        if self.odd.corrupts && !content.is_empty() {
            content[0] ^= 1;
        }
        state.objects.insert(name.to_string(), Held { content, etag: etag.clone() });
        Answer::new(200, "").with("etag", etag)
    }
}

fn delete(state: &mut State, body: &str) -> Answer {
    let names: Vec<String> = body.split("<Key>").skip(1).filter_map(|rest| rest.split("</Key>").next()).map(odd::plain).collect();
    let word = |name: &String| format!("<Deleted><Key>{}</Key></Deleted>", odd::escaped(name));
    let done = names.iter().map(word).collect::<String>();
    for name in names {
        state.objects.remove(&name);
    }
    xml(200, format!("<DeleteResult>{done}</DeleteResult>"))
}
