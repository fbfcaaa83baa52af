//! Deletes objects, many with one request if the service can.

use super::api::{Api, Deletions};
use super::service::Failed;
use crate::storage::runtime::block_on;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// The number of single deletions that run at the same time.
const IN_FLIGHT: usize = 16;

/// Deletes objects of one bucket or container.
#[derive(Debug)]
pub struct Deleter<A> {
    of: Arc<A>,
    /// Whether the service, or a proxy before it, refuses batches.
    refused: AtomicBool,
}

impl<A: Api> Deleter<A> {
    /// Returns a deleter of objects of this service.
    pub fn new(of: Arc<A>) -> Deleter<A> {
        Deleter { of, refused: AtomicBool::new(false) }
    }

    /// Deletes keys. Returns one outcome for each key, in order. It is no error if an object is gone already.
    pub fn delete(&self, keys: &[Vec<u8>]) -> Vec<io::Result<()>> {
        let mut names = Vec::new();
        let checked: Vec<_> = keys.iter().map(|key| self.of.name(key).map(|name| names.push(name))).collect();
        let mut done = names.chunks(A::MOST).flat_map(|names| self.some(names));
        // Impossible names have their outcome already; the outcomes of the others are in order.
        checked.into_iter().map(|ok| ok.and_then(|()| done.next().unwrap_or_else(not_deleted))).collect()
    }

    fn some(&self, names: &[String]) -> Vec<io::Result<()>> {
        let together: Vec<String> = names.iter().filter(|name| A::batches(name)).cloned().collect();
        let all_failed = |e: io::Error| names.iter().map(|_| Err(io::Error::new(e.kind(), e.to_string()))).collect();
        let mut batched = match together.len() > 1 && !self.refused.load(Ordering::Relaxed) {
            false => Vec::new(),
            true => match block_on(self.of.delete_batch(&together)) {
                Ok(Ok(done)) => done,
                // The service answers: single deletions can succeed.
                Ok(Err(Failed { status: 200..=299, .. })) => Vec::new(),
                Ok(Err(Failed { status: 400..=499 | 501, .. })) => {
                    self.refused.store(true, Ordering::Relaxed);
                    Vec::new()
                }
                Ok(Err(Failed { error: e, .. })) | Err(e) => return all_failed(e),
            },
        }
        .into_iter();
        let done = names.iter().map(|name| if A::batches(name) { batched.next().flatten() } else { None });
        let done: Deletions = done.collect();
        block_on(self.rest(names, done)).unwrap_or_else(all_failed)
    }

    /// Deletes one by one the objects that no batch has deleted.
    async fn rest(&self, names: &[String], mut done: Deletions) -> Vec<io::Result<()>> {
        let mut running = JoinSet::new();
        let mut left: Vec<usize> = (0..names.len()).filter(|at| done[*at].is_none()).collect();
        loop {
            while running.len() < IN_FLIGHT
                && let Some(at) = left.pop()
            {
                let (of, name) = (self.of.clone(), names[at].clone());
                running.spawn(async move { (at, of.delete_one(&name).await) });
            }
            match running.join_next().await {
                Some(Ok((at, outcome))) => done[at] = Some(outcome),
                Some(Err(_)) => {}
                None => break,
            }
        }
        done.into_iter().map(|outcome| outcome.unwrap_or_else(not_deleted)).collect()
    }
}

fn not_deleted() -> io::Result<()> {
    Err(io::Error::other("it was not deleted"))
}
