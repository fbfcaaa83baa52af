//! One try of a request. An upload counts as stalled if none of it moves, no matter how long the whole takes.

use super::failure::{broken, stalled};
use super::gate::Gate;
use super::proxy;
use crate::storage::traffic::{self, UnderWay};
use bytes::Bytes;
use http::HeaderMap;
use http_body::{Frame, SizeHint};
use reqwest::{Body, Client, Request, Response};
use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
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
    let moved = Arc::new(Moved::default());
    let size = request_size(&request);
    if !body.is_empty() {
        *request.body_mut() = Some(Body::wrap(CountedBody { rest: body.clone(), moved: moved.clone(), turn: None }));
    }
    let address = request.url().clone();
    let answer = async {
        let answer = unless_stalled(client.execute(request), &moved, limit).await;
        answer.map_or_else(|| Err(stalled(host)), |answer| answer.map_err(|e| broken(&e, host)))
    };
    proxy::passed(sent(host, size, answer).await?, &address)
}

/// Returns the approximate size of the head of a request in bytes.
pub fn request_size(request: &Request) -> usize {
    request.url().as_str().len() + head_size(request.headers())
}

/// Returns the approximate size of the head of an answer in bytes.
pub fn head_size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>() + 20
}

/// Sends a request, whose head has this size, when there is a place for it, and takes note of the answer.
async fn sent(host: &str, size: usize, answer: impl Future<Output = io::Result<Response>>) -> io::Result<Response> {
    let pass = Gate::of(host).enter().await;
    traffic::turn(size).await;
    let under_way = UnderWay::begin();
    let answer = answer.await;
    drop(under_way);
    // A broken connection says nothing about the load of the server.
    pass.answered(match &answer {
        Ok(answer) => {
            traffic::moved(head_size(answer.headers()));
            matches!(answer.status().as_u16(), 429 | 503)
        }
        Err(e) => e.kind() == io::ErrorKind::TimedOut,
    });
    answer
}

/// What an upload has moved.
#[derive(Default)]
struct Moved {
    bytes: AtomicUsize,
    /// It waits for its turn, and not for the server.
    waits: AtomicBool,
}

/// Waits for `work` as long as `moved` changes within each `limit`.
async fn unless_stalled<T>(work: impl Future<Output = T>, moved: &Moved, limit: Duration) -> Option<T> {
    let mut work = pin!(work);
    let (mut before, mut looks) = (moved.bytes.load(Ordering::Relaxed), 0);
    loop {
        match tokio::time::timeout(limit / LOOKS, &mut work).await {
            Ok(done) => return Some(done),
            Err(_) => {
                let now = moved.bytes.load(Ordering::Relaxed);
                looks = if now == before && !moved.waits.load(Ordering::Relaxed) { looks + 1 } else { 0 };
                before = now;
            }
        }
        if looks == LOOKS {
            return None;
        }
    }
}

/// A body that counts the bytes that were taken. Each piece waits for its turn.
struct CountedBody {
    rest: Bytes,
    moved: Arc<Moved>,
    turn: Option<Pin<Box<dyn Future<Output = ()> + Send + Sync>>>,
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let piece = self.rest.len().min(traffic::piece(PIECE));
        let turn = self.turn.get_or_insert_with(|| Box::pin(traffic::turn(piece)));
        let turn = turn.as_mut().poll(cx);
        self.moved.waits.store(turn.is_pending(), Ordering::Relaxed);
        ready!(turn);
        self.turn = None;
        self.moved.bytes.fetch_add(piece, Ordering::Relaxed);
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
        let moved = Moved::default();
        let limit = Duration::from_millis(1);
        // A future that moves at each look, and is ready at the fifth.
        let slow = std::future::poll_fn(|_| match moved.bytes.fetch_add(1, Ordering::Relaxed) {
            4 => Poll::Ready(()),
            _ => Poll::Pending,
        });
        let outcome = crate::storage::runtime::block_on(async {
            let slow = unless_stalled(slow, &moved, limit).await;
            (slow, unless_stalled(std::future::pending::<()>(), &moved, limit).await)
        });
        assert_eq!(outcome.unwrap(), (Some(()), None));
    }

    #[test]
    fn a_wait_for_a_turn_is_not_stalled() {
        let moved = Moved::default();
        moved.waits.store(true, Ordering::Relaxed);
        let mut looks = 0;
        // It is ready after twice the looks of a stall.
        let waiting = std::future::poll_fn(|_| {
            looks += 1;
            if looks > 2 * LOOKS { Poll::Ready(()) } else { Poll::Pending }
        });
        let done = crate::storage::runtime::block_on(unless_stalled(waiting, &moved, Duration::from_millis(1)));
        assert_eq!(done.unwrap(), Some(()));
    }
}
