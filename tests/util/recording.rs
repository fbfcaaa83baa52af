//! A storage that writes down what is asked of it, for tests of how many requests are made.

use snapshooter::internals::storage::{Attributes, Body, Get, Got, Listing, Object, Put, Store};
use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What was asked of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// With the prefix.
    List(Vec<u8>),
    /// With the key.
    Stat(Vec<u8>),
    /// With the key, the first byte, and how many at most.
    Open(Vec<u8>, u64, Option<u64>),
    /// With the key and `if_absent`.
    Put(Vec<u8>, bool),
    /// With the keys of one call.
    Delete(Vec<Vec<u8>>),
    /// With the key.
    DeleteIf(Vec<u8>),
}

/// Passes everything on to another store.
pub struct Recording {
    inner: Arc<dyn Store>,
    calls: Mutex<Vec<Call>>,
    read: Arc<AtomicU64>,
    listed: AtomicU64,
}

impl Recording {
    /// Records what is asked of `inner` from now on.
    pub fn of(inner: Arc<dyn Store>) -> Arc<Recording> {
        Arc::new(Recording { inner, calls: Mutex::default(), read: Arc::default(), listed: AtomicU64::new(0) })
    }

    /// Takes the calls so far, in order; what comes next is recorded anew.
    pub fn take(&self) -> Vec<Call> {
        std::mem::take(&mut self.lock())
    }

    /// How many calls so far are such.
    pub fn count(&self, is_such: impl Fn(&Call) -> bool) -> usize {
        self.lock().iter().filter(|call| is_such(call)).count()
    }

    /// Bytes that readers gave, in all.
    pub fn bytes_read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Objects that listings gave, in all.
    pub fn objects_listed(&self) -> u64 {
        self.listed.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Counting {
    inner: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(buffer)?;
        self.read.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

impl Store for Recording {
    fn url(&self) -> &str {
        self.inner.url()
    }

    fn list_in<'a>(&'a self, prefix: &[u8], enters: fn(&[u8]) -> bool) -> Listing<'a> {
        self.lock().push(Call::List(prefix.to_vec()));
        Box::new(self.inner.list_in(prefix, enters).inspect(|_| {
            self.listed.fetch_add(1, Ordering::Relaxed);
        }))
    }

    fn lists_attributes(&self) -> bool {
        self.inner.lists_attributes()
    }

    fn keeps(&self, attributes: &Attributes) -> Attributes {
        self.inner.keeps(attributes)
    }

    fn makes_roots(&self) -> bool {
        self.inner.makes_roots()
    }

    fn lists_in_pages(&self) -> bool {
        self.inner.lists_in_pages()
    }

    fn lists_in_order(&self) -> bool {
        self.inner.lists_in_order()
    }

    fn stat(&self, key: &[u8]) -> io::Result<Option<Object>> {
        self.lock().push(Call::Stat(key.to_vec()));
        self.inner.stat(key)
    }

    fn get(&self, key: &[u8], get: &Get<'_>) -> io::Result<Got> {
        self.lock().push(Call::Open(key.to_vec(), get.from, get.len));
        let got = self.inner.get(key, get)?;
        Ok(Got { content: Box::new(Counting { inner: got.content, read: Arc::clone(&self.read) }), ..got })
    }

    fn put(&self, key: &[u8], body: Body<'_>, how: &Put) -> io::Result<bool> {
        self.lock().push(Call::Put(key.to_vec(), how.if_absent));
        self.inner.put(key, body, how)
    }

    fn puts_if_absent(&self) -> bool {
        self.inner.puts_if_absent()
    }

    fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        self.lock().push(Call::Delete(keys.to_vec()));
        self.inner.delete(keys)
    }

    fn deletes_if(&self) -> bool {
        self.inner.deletes_if()
    }

    fn delete_if(&self, key: &[u8], identity: &str) -> io::Result<bool> {
        self.lock().push(Call::DeleteIf(key.to_vec()));
        self.inner.delete_if(key, identity)
    }

    fn jobs(&self) -> usize {
        self.inner.jobs()
    }
}

#[test]
fn calls_are_recorded_and_passed_on() {
    let store = Recording::of(snapshooter::internals::storage::memory::open("recorded"));
    let key = |k: &str| k.as_bytes().to_vec();
    let how = Put { if_absent: true, ..Put::default() };
    assert!(store.put(b"a/b", Body::Bytes(b"content".to_vec()), &how).expect("put"));
    assert!(!store.put(b"a/b", Body::Bytes(b"other".to_vec()), &how).expect("put"));
    assert_eq!(store.stat(b"a/b").expect("stat").map(|o| o.size), Some(7));
    let mut content = String::new();
    store.open(b"a/b", 1, Some(3), None).expect("open").read_to_string(&mut content).expect("read");
    assert_eq!((content.as_str(), store.bytes_read()), ("ont", 3));
    assert_eq!(store.list(b"a/").filter_map(Result::ok).map(|o| o.key).collect::<Vec<_>>(), [key("a/b")]);
    assert!(store.delete(&[key("a/b"), key("c")]).iter().all(Result::is_ok));
    assert_eq!(store.count(|call| matches!(call, Call::Put(_, true))), 2);
    assert_eq!(store.objects_listed(), 1);
    let calls = store.take();
    let put = Call::Put(key("a/b"), true);
    let rest = [Call::Stat(key("a/b")), Call::Open(key("a/b"), 1, Some(3)), Call::List(key("a/"))];
    assert_eq!(calls[..2], [put.clone(), put]);
    assert_eq!(calls[2..5], rest);
    assert_eq!(calls[5], Call::Delete(vec![key("a/b"), key("c")]));
    assert!(store.take().is_empty());
}
