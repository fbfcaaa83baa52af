//! Deleting, many objects with one request where the service has that.

use super::service::Failed;
use crate::storage::runtime::block_on;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// Single deletions on their way at the same time.
const IN_FLIGHT: usize = 16;

/// What became of each deletion of a batch; None where the service has not dealt with it.
pub type Done = Vec<Option<io::Result<()>>>;

/// What can delete.
pub trait Deletes: Send + Sync + 'static {
    /// The service takes no more names in one request.
    const MOST: usize;

    /// One request for all of these. A failure is none of a single name.
    fn delete_batch(&self, names: &[String]) -> impl Future<Output = Result<Done, Failed>> + Send;

    /// A deletion alone. A name that is not there is deleted.
    fn delete_one(&self, name: &str) -> impl Future<Output = io::Result<()>> + Send;

    /// Whether a name can stand in a batch at all.
    fn batches(_name: &str) -> bool {
        true
    }
}

/// Deletes objects of one bucket or container.
#[derive(Debug)]
pub struct Deleter<D> {
    of: Arc<D>,
    /// The service, or what stands before it, takes no batches.
    refused: AtomicBool,
}

impl<D: Deletes> Deleter<D> {
    /// Of that service.
    pub fn new(of: Arc<D>) -> Deleter<D> {
        Deleter { of, refused: AtomicBool::new(false) }
    }

    /// Deletes keys. One answer for each, in order; one that is gone already is fine. `name` gives the whole name of a key.
    pub fn delete(&self, keys: &[Vec<u8>], name: impl Fn(&[u8]) -> io::Result<String>) -> Vec<io::Result<()>> {
        let mut names = Vec::new();
        let checked: Vec<_> = keys.iter().map(|key| name(key).map(|name| names.push(name))).collect();
        let mut done = names.chunks(D::MOST).flat_map(|names| self.some(names));
        // Names that can't be are answered already; the others come in their order.
        checked.into_iter().map(|ok| ok.and_then(|()| done.next().unwrap_or_else(lost))).collect()
    }

    fn some(&self, names: &[String]) -> Vec<io::Result<()>> {
        let together: Vec<String> = names.iter().filter(|name| D::batches(name)).cloned().collect();
        let mut batched = match together.len() > 1 && !self.refused.load(Ordering::Relaxed) {
            false => Vec::new(),
            true => match block_on(self.of.delete_batch(&together)) {
                Ok(Ok(done)) => done,
                // The service is there: alone they may do better.
                Ok(Err(Failed { status: 200..=299, .. })) => Vec::new(),
                Ok(Err(Failed { status: 400..=499 | 501, .. })) => {
                    self.refused.store(true, Ordering::Relaxed);
                    Vec::new()
                }
                Ok(Err(Failed { error: e, .. })) | Err(e) => {
                    return names.iter().map(|_| Err(io::Error::new(e.kind(), e.to_string()))).collect();
                }
            },
        }
        .into_iter();
        let done = names.iter().map(|name| if D::batches(name) { batched.next().flatten() } else { None });
        let done: Done = done.collect();
        block_on(self.rest(names, done))
            .unwrap_or_else(|e| names.iter().map(|_| Err(io::Error::new(e.kind(), e.to_string()))).collect())
    }

    /// What no batch did is done one by one.
    async fn rest(&self, names: &[String], mut done: Done) -> Vec<io::Result<()>> {
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
        done.into_iter().map(|outcome| outcome.unwrap_or_else(lost)).collect()
    }
}

fn lost() -> io::Result<()> {
    Err(io::Error::other("it was not deleted"))
}
