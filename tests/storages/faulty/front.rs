//! A service that answers with errors, before one that does not.

use crate::storages::emulators::httpd::{Answer, Request, forward, serve_raw};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// A server that passes requests on, or not.
pub struct Front {
    /// Where it listens on 127.0.0.1.
    pub port: u16,
    seen: Arc<Mutex<Vec<(Instant, Request)>>>,
}

impl Front {
    /// Before a server of this machine. `rule` is given the number of the request, from 0, and itself; where it has no answer
    /// the request is passed on.
    pub fn before(to: u16, rule: impl Fn(usize, &Request) -> Option<Answer> + Send + Sync + 'static) -> Front {
        let seen: Arc<Mutex<Vec<(Instant, Request)>>> = Arc::default();
        let log = Arc::clone(&seen);
        let port = serve_raw(move |request| {
            let number = {
                let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
                // Contents are of no interest.
                let body = Vec::new();
                log.push((Instant::now(), Request { body, ..request.clone() }));
                log.len() - 1
            };
            match rule(number, request) {
                Some(answer) => answer.bytes(request.method == "HEAD"),
                None => forward(request, to).unwrap_or_else(|_| Answer::new(502, "").bytes(false)),
            }
        });
        Front { port, seen }
    }

    /// The requests so far, without their bodies, and when they came.
    pub fn seen(&self) -> Vec<(Instant, Request)> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
