//! Work for all items at once, for requests that wait.

use super::lock;
use std::sync::Mutex;
use std::thread;

/// Does this work for all items, for up to `jobs` of them at once, and returns when all of it is done.
pub fn at_once<T>(jobs: usize, items: impl Iterator<Item = T> + Send, work: impl Fn(T) + Sync) {
    let left = Mutex::new(items);
    let run = || {
        loop {
            let next = lock(&left).next();
            let Some(item) = next else { break };
            work(item);
        }
    };
    thread::scope(|scope| {
        for _ in 1..jobs {
            // Where there are no more threads, those that run do the work.
            if thread::Builder::new().spawn_scoped(scope, run).is_err() {
                break;
            }
        }
        run();
    });
}
