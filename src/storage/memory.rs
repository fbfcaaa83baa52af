//! `memory://NAME`: a map in this process, for tests and for programs that need no permanent storage.

use super::attributes::{AMAZON, Attributes, HEADERS, texts};
use super::intake::Intake;
use super::store::{Body, Get, Got, Listing, Object, Put, Store, check_key};
use crate::digest::Md5;
use crate::etag;
use crate::parallel::lock;
use crate::time::Time;
use std::collections::{BTreeMap, HashMap};
use std::io::{self, Cursor, Read};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

/// The number of objects that a listing reads at once.
const PAGE: usize = 1000;

#[derive(Clone)]
struct Held {
    content: Arc<[u8]>,
    modified: Time,
    etag: u64,
    md5: Md5,
    attributes: Attributes,
}

type Map = BTreeMap<Vec<u8>, Held>;
/// The objects, and the number of puts so far.
type Shared = Arc<Mutex<(Map, u64)>>;

/// Objects in memory.
pub struct Memory {
    url: String,
    held: Shared,
    prefix: Vec<u8>,
}

/// Returns the store of that name; a process has one for each name. The part of the name after its first `/` is a prefix of all
/// keys.
pub fn open(name: &str) -> Arc<dyn Store> {
    static ALL: OnceLock<Mutex<HashMap<String, Shared>>> = OnceLock::new();
    let name = name.trim_end_matches('/');
    let (first, below) = name.split_once('/').unwrap_or((name, ""));
    let all = ALL.get_or_init(Mutex::default);
    let held = lock(all).entry(first.to_string()).or_default().clone();
    let prefix = if below.is_empty() { Vec::new() } else { format!("{below}/").into_bytes() };
    Arc::new(Memory { url: format!("memory://{name}"), held, prefix })
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, (Map, u64)> {
        lock(&self.held)
    }

    fn path(&self, key: &[u8]) -> io::Result<Vec<u8>> {
        Ok([&self.prefix, check_key(key)?.as_bytes()].concat())
    }

    fn object(&self, path: &[u8], held: &Held) -> Object {
        Object {
            key: path[self.prefix.len()..].to_vec(),
            size: held.content.len() as u64,
            modified: Some(held.modified),
            etag: Some(format!("\"{:x}\"", held.etag)),
            md5: Some(held.md5),
            more: {
                let mut keys = held.attributes.keys(&[&HEADERS[..], &AMAZON].concat());
                keys.push(texts("tags", &held.attributes.tags));
                keys
            },
            ..Object::default()
        }
    }
}

impl Store for Memory {
    fn url(&self) -> &str {
        &self.url
    }

    fn list_in<'a>(&'a self, prefix: &[u8], _: fn(&[u8]) -> bool) -> Listing<'a> {
        let prefix = [&self.prefix, prefix].concat();
        let mut next = Some(Bound::Included(prefix.clone()));
        let pages = std::iter::from_fn(move || {
            let from = next.take()?;
            let held = self.lock();
            let below = held.0.range((from, Bound::Unbounded)).take_while(|(path, _)| path.starts_with(&prefix)).take(PAGE);
            let page: Vec<Object> = below.map(|(path, held)| self.object(path, held)).collect();
            next = page.last().filter(|_| page.len() == PAGE).map(|o| Bound::Excluded([&self.prefix, &o.key[..]].concat()));
            Some(page)
        });
        Box::new(pages.flatten().map(Ok))
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        let path = self.path(key)?;
        Ok(self.lock().0.get(&path).map(|held| self.object(&path, held)))
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        get.check_current()?;
        let path = self.path(key)?;
        let held = self.lock().0.get(&path).cloned().ok_or(io::ErrorKind::NotFound)?;
        if get.etag.is_some_and(|etag| !self.object(&path, &held).etag.is_some_and(|held| etag::same(&held, etag))) {
            return Err(etag::changed(""));
        }
        let mut content = Cursor::new(held.content);
        content.set_position(get.from);
        let content: Box<dyn Read + Send> = match get.len {
            Some(len) => Box::new(content.take(len)),
            None => Box::new(content),
        };
        Ok(content.into())
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        let path = self.path(key)?;
        let mut intake = Intake::new(body);
        let content = intake.next(usize::MAX)?;
        let (md5, _) = intake.check(how)?;
        let mut held = self.lock();
        if how.if_absent && held.0.contains_key(&path) {
            return Ok(false);
        }
        held.1 += 1;
        let (etag, attributes) = (held.1, how.attributes.clone());
        held.0.insert(path, Held { content: content.into(), modified: Time::now(), etag, md5, attributes });
        Ok(true)
    }

    fn keeps(&self, attributes: &Attributes) -> Attributes {
        attributes.clone()
    }

    fn puts_if_absent(&self) -> bool {
        true
    }

    fn deletes_if(&self) -> bool {
        true
    }

    fn delete_if(&self, key: &[u8], identity: &str) -> io::Result<bool> {
        let path = self.path(key)?;
        let mut held = self.lock();
        let Some(there) = held.0.get(&path) else { return Ok(true) };
        let is_it = self.object(&path, there).identity() == Some(identity);
        if is_it {
            held.0.remove(&path);
        }
        Ok(is_it)
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        keys.iter().map(|key| self.path(key).map(|path| drop(self.lock().0.remove(&path)))).collect()
    }
}
