//! A store of S3 in memory, for benchmarks: the objects of each bucket, without signatures, versions and uploads in parts. A page of
//! a listing costs no more than its thousand names, as with services.
//!
//!     store FOLDER
//!
//! Each folder in FOLDER is a bucket, with the files below it as objects. It prints its address when it listens.

use snapshooter::internals::digest::md5_of;
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::ops::Bound::{Included, Unbounded};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// The objects of a bucket by name.
type Bucket = BTreeMap<String, Arc<Object>>;
/// The buckets by name.
type Store = Arc<Mutex<HashMap<String, Bucket>>>;

struct Object {
    content: Vec<u8>,
    etag: String,
}

impl Object {
    fn new(content: Vec<u8>) -> Arc<Object> {
        Arc::new(Object { etag: format!("\"{}\"", md5_of(&content)), content })
    }
}

struct Request {
    method: String,
    bucket: String,
    key: String,
    query: HashMap<String, String>,
    /// With names in small letters.
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

struct Answer {
    status: &'static str,
    headers: String,
    content: Vec<u8>,
    /// The length of the content that HEAD tells.
    length: usize,
}

impl Answer {
    fn new(status: &'static str, content: impl Into<Vec<u8>>) -> Answer {
        let content = content.into();
        Answer { status, headers: String::new(), length: content.len(), content }
    }

    fn error(status: &'static str, code: &str) -> Answer {
        Answer::new(status, format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>"))
    }

    fn with(mut self, name: &str, value: &str) -> Answer {
        self.headers += &format!("{name}: {value}\r\n");
        self
    }
}

fn main() {
    let folder = std::env::args().nth(1).expect("usage: store FOLDER");
    let store = Store::new(Mutex::new(load(Path::new(&folder)).expect("the files")));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("an address to listen on");
        println!("listening on {}", listener.local_addr().expect("an address"));
        loop {
            let Ok((client, _)) = listener.accept().await else { continue };
            let store = store.clone();
            tokio::spawn(async move { _ = talk(client, &store).await });
        }
    });
}

/// Reads all buckets.
fn load(folder: &Path) -> io::Result<HashMap<String, Bucket>> {
    let mut buckets = HashMap::new();
    for bucket in std::fs::read_dir(folder)? {
        let root = bucket?.path();
        let mut objects = Bucket::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_dir() {
                    folders.push(path);
                    continue;
                }
                let name = path.strip_prefix(&root).map_err(io::Error::other)?;
                objects.insert(name.to_string_lossy().into_owned(), Object::new(std::fs::read(&path)?));
            }
        }
        buckets.insert(root.file_name().unwrap_or_default().to_string_lossy().into_owned(), objects);
    }
    Ok(buckets)
}

/// Answers the requests of a connection.
async fn talk(client: TcpStream, store: &Store) -> io::Result<()> {
    client.set_nodelay(true)?;
    let (input, mut output) = client.into_split();
    let mut input = BufReader::new(input);
    while let Some(request) = read(&mut input).await? {
        let answer = match store.lock().unwrap_or_else(PoisonError::into_inner).get_mut(&request.bucket) {
            None => Answer::error("404 Not Found", "NoSuchBucket"),
            Some(bucket) => answer(&request, bucket),
        };
        // Writing times would make records differ.
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-length: {}\r\nlast-modified: Fri, 02 Jan 2026 03:04:05 GMT\r\n{}\r\n",
            answer.status, answer.length, answer.headers
        );
        output.write_all(&[head.into_bytes(), answer.content].concat()).await?;
    }
    Ok(())
}

/// Reads a request; None at the end of the connection.
async fn read(input: &mut (impl AsyncBufReadExt + AsyncReadExt + Unpin)) -> io::Result<Option<Request>> {
    let (mut line, mut headers) = (String::new(), HashMap::new());
    if input.read_line(&mut line).await? == 0 {
        return Ok(None);
    }
    loop {
        let mut header = String::new();
        input.read_line(&mut header).await?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_string());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    input.read_exact(&mut body).await?;
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_string(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let path = decoded(path);
    let (bucket, key) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_matches('/'), ""));
    let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    let query = pairs.map(|(name, value)| (decoded(name), decoded(value))).collect();
    Ok(Some(Request { method, bucket: bucket.to_string(), key: key.to_string(), query, headers, body }))
}

fn decoded(text: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), text.bytes());
    while let Some(byte) = rest.next() {
        let mut digit = || char::from(rest.next().unwrap_or(b'0')).to_digit(16).unwrap_or(0) as u8;
        bytes.push(if byte == b'%' { digit() << 4 | digit() } else { byte });
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn answer(request: &Request, bucket: &mut Bucket) -> Answer {
    let Request { method, key, query, headers, body, .. } = request;
    let object = bucket.get(key).cloned();
    match (method.as_str(), object) {
        ("GET", _) if key.is_empty() && query.contains_key("list-type") => page(query, bucket),
        ("POST", _) if query.contains_key("delete") => {
            let text = String::from_utf8_lossy(body);
            let keys = text.split("<Key>").skip(1).filter_map(|rest| Some(rest.split_once("</Key>")?.0));
            keys.for_each(|key| drop(bucket.remove(key)));
            Answer::new("200 OK", "<DeleteResult/>")
        }
        ("DELETE", _) => {
            bucket.remove(key);
            Answer::new("204 No Content", "")
        }
        ("PUT", Some(_)) if headers.contains_key("if-none-match") => {
            Answer::error("412 Precondition Failed", "PreconditionFailed")
        }
        ("PUT", _) => {
            let object = Object::new(body.clone());
            let etag = object.etag.clone();
            bucket.insert(key.clone(), object);
            Answer::new("200 OK", "").with("etag", &etag)
        }
        ("GET", Some(object)) => got(&object, headers.get("range")),
        ("HEAD", Some(object)) => Answer { length: object.content.len(), ..Answer::new("200 OK", "").with("etag", &object.etag) },
        ("GET" | "HEAD", None) => Answer::error("404 Not Found", "NoSuchKey"),
        _ => Answer::error("501 Not Implemented", "NotImplemented"),
    }
}

/// Returns the content, or the range of it.
fn got(object: &Object, range: Option<&String>) -> Answer {
    let size = object.content.len();
    let Some((first, last)) = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-')) else {
        return Answer::new("200 OK", object.content.clone()).with("etag", &object.etag);
    };
    let (first, end) = (first.parse().unwrap_or(0), last.parse().map_or(size, |last: usize| size.min(last.saturating_add(1))));
    if first >= end {
        return Answer::error("416 Range Not Satisfiable", "InvalidRange");
    }
    Answer::new("206 Partial Content", &object.content[first..end])
        .with("etag", &object.etag)
        .with("content-range", &format!("bytes {first}-{}/{size}", end - 1))
}

/// Returns a page of a listing. Its token is its last name.
fn page(query: &HashMap<String, String>, bucket: &Bucket) -> Answer {
    let value = |name: &str| query.get(name).map_or("", String::as_str);
    let prefix = value("prefix");
    let behind = value("continuation-token").max(value("start-after"));
    let from = prefix.max(behind).to_string();
    let mut names = bucket.range((Included(from), Unbounded)).filter(|(name, _)| *name != behind || behind.is_empty());
    let mut found = Vec::new();
    for (name, object) in names.by_ref().take_while(|(name, _)| name.starts_with(prefix)).take(1001) {
        found.push((name, object));
    }
    let more = (found.len() > 1000).then(|| format!("<NextContinuationToken>{}</NextContinuationToken>", found[999].0));
    found.truncate(1000);
    let object = |(name, object): (&String, &Arc<Object>)| {
        format!(
            "<Contents><Key>{name}</Key><LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>{}</ETag><Size>{}</Size>\
             <StorageClass>STANDARD</StorageClass></Contents>",
            object.etag.replace('"', "&quot;"),
            object.content.len()
        )
    };
    let objects: String = found.into_iter().map(object).collect();
    let head = format!("<IsTruncated>{}</IsTruncated>{}", more.is_some(), more.unwrap_or_default());
    Answer::new("200 OK", format!("<ListBucketResult>{head}{objects}</ListBucketResult>")).with("content-type", "application/xml")
}
