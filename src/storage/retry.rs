//! The rules for sending failed requests again: which ones, and after what wait. All storages over a network share them.

use crate::time::Time;
use chrono::DateTime;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// The limits for the tries of one call.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The number of tries, including the first.
    pub tries: u32,
    /// The longest wait before the second try. It doubles with each further try.
    pub first: Duration,
    /// The longest wait, no matter how many tries there were.
    pub longest: Duration,
    /// The longest wait that a service can ask for.
    pub longest_asked: Duration,
    /// The time after the start of the first try in which further tries can start.
    pub in_all: Duration,
    /// A connection without progress for this time counts as broken.
    pub stall: Duration,
    /// The time in which a service has to answer after it has received a whole upload. S3 may need minutes to join the parts.
    pub finish: Duration,
}

impl Default for Policy {
    fn default() -> Policy {
        Policy {
            tries: 6,
            first: Duration::from_millis(200),
            longest: Duration::from_secs(10),
            longest_asked: Duration::from_secs(60),
            in_all: Duration::from_secs(300),
            stall: Duration::from_secs(30),
            finish: Duration::from_secs(600),
        }
    }
}

/// The tries of one call.
pub struct Tries {
    policy: Policy,
    made: u32,
    began: Instant,
}

impl Policy {
    /// Starts to count the tries of a call, with the first.
    pub fn begin(&self) -> Tries {
        Tries { policy: self.clone(), made: 1, began: Instant::now() }
    }
}

impl Tries {
    /// Returns how long to wait before another try; None if there are no more. `asked` is the wait that the service asked for
    /// with `Retry-After`.
    pub fn again(&mut self, asked: Option<Duration>) -> Option<Duration> {
        let policy = &self.policy;
        if self.made >= policy.tries {
            return None;
        }
        let longest = policy.first.saturating_mul(1 << (self.made - 1).min(16)).min(policy.longest);
        self.made += 1;
        // A random part of the longest wait, so that clients that failed at the same time do not come back at the same time.
        let wait = longest.mul_f64(fraction());
        let wait = wait.max(asked.unwrap_or_default().min(policy.longest_asked));
        (self.began.elapsed() + wait < policy.in_all).then_some(wait)
    }

    /// Returns the number of tries so far.
    pub fn made(&self) -> u32 {
        self.made
    }
}

/// Whether a request that failed with this status may succeed later.
pub fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500 | 502 | 503 | 504)
}

/// Returns how long a `Retry-After` header asks to wait: seconds, or until an HTTP date, which can be in the past.
pub fn retry_after(header: &str, now: Time) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = DateTime::parse_from_rfc2822(header).ok()?.timestamp();
    Some(Duration::from_secs(u64::try_from(until.saturating_sub(now.sec)).unwrap_or(0)))
}

/// Returns a random number from 0 to 1. The standard library has none, but the keys of its hash maps are random.
fn fraction() -> f64 {
    RandomState::new().hash_one(0u8) as f64 / u64::MAX as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_may_ask_for_seconds_or_a_date() {
        let now = Time { sec: 784_111_777, nsec: 0 };
        for (header, seconds) in [
            ("0", Some(0)),
            (" 7 ", Some(7)),
            ("Sun, 06 Nov 1994 08:50:37 GMT", Some(60)),
            ("Sun, 06 Nov 1994 08:49:30 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(retry_after(header, now), seconds.map(Duration::from_secs), "{header}");
        }
    }

    #[test]
    fn waits_grow_within_bounds_and_end() {
        let policy = Policy { longest: Duration::from_millis(500), ..Policy::default() };
        let mut tries = policy.begin();
        for longest in [200, 400, 500, 500, 500] {
            let wait = tries.again(None).unwrap();
            assert!(wait <= Duration::from_millis(longest), "{wait:?} of {longest}");
        }
        assert_eq!((tries.again(None), tries.made()), (None, 6));
    }

    #[test]
    fn what_a_service_asks_for_is_waited_for_but_not_for_ever() {
        let policy = Policy::default();
        let asked = |s| policy.begin().again(Some(Duration::from_secs(s))).unwrap();
        assert_eq!((asked(7), asked(1_000_000)), (Duration::from_secs(7), policy.longest_asked));
        let short = Policy { in_all: Duration::from_secs(5), ..policy };
        assert_eq!(short.begin().again(Some(Duration::from_secs(7))), None);
    }

    #[test]
    fn waits_differ() {
        let policy = Policy::default();
        let waits: std::collections::HashSet<_> = (0..20).map(|_| policy.begin().again(None)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
