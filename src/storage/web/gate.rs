//! How many requests to a server are under way at once: more as long as that helps, fewer when the server is overloaded.

use crate::parallel::lock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The number of requests at once at the beginning.
const FIRST: usize = 16;
/// The largest number of requests at once.
const MOST: usize = 256;
/// The part by which the rate has to grow with twice the requests, for another attempt with more.
const GAIN: f64 = 1.1;
/// The number of rounds without a change, after which a larger number is tried again.
const PATIENCE: u32 = 16;

/// The number of requests that may be under way, adapted to the answers. A round has as many answers as requests may be under
/// way, twice. After a round with a higher rate than ever, the number grows; when the server refuses, it is halved.
#[derive(Debug)]
struct Pace {
    most: usize,
    /// The highest rate of a round, in answers per second, and the number at which it was reached.
    best: (f64, usize),
    /// The present round: its start, and its answers so far.
    began: Duration,
    answers: usize,
    /// All places were taken at some time in this round.
    full: bool,
    /// The server refused a request in this round.
    refused: bool,
    /// Rounds since the number changed.
    rounds: u32,
}

impl Pace {
    fn new(now: Duration) -> Pace {
        Pace { most: FIRST, best: (0.0, FIRST), began: now, answers: 0, full: false, refused: false, rounds: 0 }
    }

    /// Counts an answer, or a request that was refused because the server is overloaded, or that got no answer.
    fn answer(&mut self, now: Duration, refused: bool) {
        self.answers += 1;
        if refused && !self.refused {
            // Requests that were under way at that time can be refused, too. They count once.
            self.refused = true;
            self.set((self.most / 2).max(1));
            self.best = (0.0, self.most);
            (self.began, self.answers, self.full) = (now, 0, false);
        }
        if self.answers >= 2 * self.most {
            self.round(now);
        }
    }

    /// Ends a round.
    fn round(&mut self, now: Duration) {
        let rate = self.answers as f64 / now.saturating_sub(self.began).as_secs_f64().max(1e-6);
        self.rounds += 1;
        // While nobody waited for a place, the rate says nothing about the number of places.
        if self.full && !self.refused {
            let (best, number) = self.best;
            if rate > best * if self.most > number { GAIN } else { 1.0 } {
                self.best = (rate, self.most);
                self.set((self.most * 2).min(MOST));
            } else if self.most > number {
                self.set(number);
            } else if self.rounds > PATIENCE {
                self.best = (rate, self.most);
                self.set((self.most + self.most / 4 + 1).min(MOST));
            }
        }
        (self.began, self.answers, self.full, self.refused) = (now, 0, false, false);
    }

    fn set(&mut self, most: usize) {
        if self.most != most {
            (self.most, self.rounds) = (most, 0);
        }
    }
}

/// The places for the requests to one server.
pub struct Gate {
    since: Instant,
    state: Mutex<State>,
    free: Notify,
}

struct State {
    pace: Pace,
    taken: usize,
}

impl Gate {
    /// Returns the gate of a server, which all of this process share.
    pub fn of(host: &str) -> Arc<Gate> {
        static GATES: Mutex<Option<HashMap<String, Arc<Gate>>>> = Mutex::new(None);
        let mut gates = lock(&GATES);
        let gates = gates.get_or_insert_default();
        if let Some(gate) = gates.get(host) {
            return gate.clone();
        }
        let state = Mutex::new(State { pace: Pace::new(Duration::ZERO), taken: 0 });
        let gate = Arc::new(Gate { since: Instant::now(), state, free: Notify::new() });
        gates.insert(host.to_string(), gate.clone());
        gate
    }

    /// Waits for a place. It is free again when the result is dropped.
    pub async fn enter(self: &Arc<Gate>) -> Pass {
        loop {
            let freed = self.free.notified();
            {
                let mut state = lock(&self.state);
                if state.taken < state.pace.most {
                    state.taken += 1;
                    return Pass { gate: self.clone(), answered: None };
                }
                state.pace.full = true;
            }
            freed.await;
        }
    }
}

/// A place for one request.
pub struct Pass {
    gate: Arc<Gate>,
    answered: Option<bool>,
}

impl Pass {
    /// Takes note of the answer. `refused` says that the server is overloaded, or did not answer.
    pub fn answered(mut self, refused: bool) {
        self.answered = Some(refused);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        let gate = &self.gate;
        let mut state = lock(&gate.state);
        let before = state.pace.most;
        state.taken -= 1;
        if let Some(refused) = self.answered {
            state.pace.answer(gate.since.elapsed(), refused);
        }
        let more = state.pace.most.saturating_sub(before);
        drop(state);
        (0..=more).for_each(|_| gate.free.notify_one());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends requests until `answers` have come. The server answers each after `latency` milliseconds, but at most `capacity` in a
    /// second. Returns the number of requests at once that is reached then.
    fn settled(pace: &mut Pace, now: &mut f64, latency: f64, capacity: f64, answers: usize) -> usize {
        for _ in 0..answers {
            let rate = (pace.most as f64 / latency * 1000.0).min(capacity);
            *now += 1.0 / rate;
            pace.full = true;
            pace.answer(Duration::from_secs_f64(*now), false);
        }
        pace.most
    }

    #[test]
    fn the_number_grows_while_the_rate_grows_and_not_beyond() {
        let mut pace = Pace::new(Duration::ZERO);
        assert_eq!(settled(&mut pace, &mut 0.0, 20.0, f64::MAX, 2_000), MOST);
        // 1,000 answers in a second at 20 ms: 20 at once would do.
        let mut pace = Pace::new(Duration::ZERO);
        let number = settled(&mut pace, &mut 0.0, 20.0, 1_000.0, 20_000);
        assert!((16..=48).contains(&number), "{number}");
    }

    #[test]
    fn an_overloaded_server_gets_half_and_then_more_again() {
        let (mut pace, mut now) = (Pace::new(Duration::ZERO), 0.0);
        settled(&mut pace, &mut now, 20.0, f64::MAX, 2_000);
        // Many refusals of requests that were under way together count once.
        for _ in 0..100 {
            pace.answer(Duration::from_secs_f64(now), true);
        }
        assert_eq!(pace.most, MOST / 2);
        for _ in 0..10_000 {
            pace.answer(Duration::from_secs_f64(now), true);
        }
        assert_eq!(pace.most, 1);
        assert_eq!(settled(&mut pace, &mut now, 20.0, f64::MAX, 2_000), MOST);
    }

    #[test]
    fn a_number_that_nobody_waits_for_does_not_change() {
        let mut pace = Pace::new(Duration::ZERO);
        for n in 0..1_000u64 {
            pace.answer(Duration::from_millis(n), false);
        }
        assert_eq!(pace.most, FIRST);
    }

    #[test]
    fn places_are_taken_and_given_back() {
        let gate = Gate::of("a server of this test");
        let waits = |gate: &Arc<Gate>| {
            let gate = gate.clone();
            async move { tokio::time::timeout(Duration::from_millis(1), gate.enter()).await.is_err() }
        };
        crate::storage::runtime::block_on(async {
            let mut passes = Vec::new();
            for _ in 0..FIRST {
                passes.push(gate.enter().await);
            }
            assert!(waits(&gate).await);
            passes.pop();
            assert!(!waits(&gate).await);
            assert!(!waits(&gate).await, "the place of a request that was given up is free");
        })
        .unwrap();
    }
}
