//! One try of a request. An upload counts as stalled if none of it moves, no matter how long the whole takes.

use super::failure::{broken, stalled};
use super::gate::Gate;
use bytes::Bytes;
use http_body::{Frame, SizeHint};
use reqwest::{Body, Client, Request, Response};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The size in bytes of the pieces in which a body is given to the connection, to see whether it moves.
const PIECE: usize = 64 << 10;
/// The factor by which the limit is longer for an upload: data can stay in the buffers of the system for a while, and the service
/// has to store it.
const SLOWER: u32 = 2;
/// The number of checks within the limit. A stall is noticed too late by at most one part of this number.
const LOOKS: u32 = 8;

/// Returns how long to wait while nothing moves. `stall` is the limit without an upload.
pub fn limit(stall: Duration, body: &Bytes) -> Duration {
    stall * if body.is_empty() { 1 } else { SLOWER }
}

/// Sends a request with this body, once. `host` is for messages.
///
/// # Errors
/// If no answer came, or nothing moved within the limit.
pub async fn once(client: &Client, mut request: Request, body: &Bytes, limit: Duration, host: &str) -> io::Result<Response> {
    let moved = Arc::new(AtomicUsize::new(0));
    if !body.is_empty() {
        *request.body_mut() = Some(Body::wrap(CountedBody { rest: body.clone(), moved: moved.clone() }));
    }
    let answer = async {
        let answer = unless_stalled(client.execute(request), &moved, limit).await;
        answer.map_or_else(|| Err(stalled(host)), |answer| answer.map_err(|e| broken(&e, host)))
    };
    sent(host, answer).await
}

/// Sends a request when there is a place for it, and takes note of the answer.
async fn sent(host: &str, answer: impl Future<Output = io::Result<Response>>) -> io::Result<Response> {
    let pass = Gate::of(host).enter().await;
    crate::storage::count_request();
    let answer = answer.await;
    // A broken connection says nothing about the load of the server.
    pass.answered(match &answer {
        Ok(answer) => matches!(answer.status().as_u16(), 429 | 503),
        Err(e) => e.kind() == io::ErrorKind::TimedOut,
    });
    answer
}

/// Waits for `work` as long as `moved` changes within each `limit`.
async fn unless_stalled<T>(work: impl Future<Output = T>, moved: &AtomicUsize, limit: Duration) -> Option<T> {
    let mut work = pin!(work);
    let (mut before, mut looks) = (moved.load(Ordering::Relaxed), 0);
    loop {
        match tokio::time::timeout(limit / LOOKS, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) => {
                let now = moved.load(Ordering::Relaxed);
                looks = if now == before { looks + 1 } else { 0 };
                before = now;
            }
        }
        if looks == LOOKS {
            return None;
        }
    }
}

/// A body that counts the bytes that were taken.
struct CountedBody {
    rest: Bytes,
    moved: Arc<AtomicUsize>,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(PIECE);
        self.moved.fetch_add(piece, Ordering::Relaxed);
        let piece = self.rest.split_to(piece);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_is_not_stalled() {
        let moved = AtomicUsize::new(0);
        let limit = Duration::from_millis(1);
        // A future that moves at each look, and is ready at the fifth.
        let slow = std::future::poll_fn(|_| match moved.fetch_add(1, Ordering::Relaxed) {
            4 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        let outcome = crate::storage::runtime::block_on(async {
            let slow = unless_stalled(slow, &moved, limit).await;
            (slow, unless_stalled(std::future::pending::<()>(), &moved, limit).await)
        });
        assert_eq!(outcome.unwrap(), (Some(()), None));
    }
}
