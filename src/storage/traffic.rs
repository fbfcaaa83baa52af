//! What crosses the network: counted, and limited to a number of bytes per second if the user wants so.
//!
//! There is one limit for the process: for all roots, and for both directions together. A sender waits for a turn, and then counts
//! the bytes that it sends. A receiver counts the bytes that have come, and waits for a turn before it asks for more. Turns are
//! given one at a time, in order. So a limit holds back requests, and not only their contents.

use crate::error::Malformed;
use crate::parallel::lock;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// A pause of this time can be made up for. Timers are late, and the rate would stay below the limit.
const CREDIT: Duration = Duration::from_millis(50);
/// A body moves in this number of pieces in a second, so that it moves evenly.
const PIECES: u64 = 32;

static REQUESTS: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);
static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static MOST_UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
static LIMIT: OnceLock<Rate> = OnceLock::new();
static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
static LINE: Mutex<Line> = Mutex::new(Line { free: Duration::ZERO });

/// A number of bytes per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate(u64);

/// As in curl and wget: k, M and G multiply by 1024.
impl FromStr for Rate {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Rate, Malformed> {
        let number = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let unit = match &text[number.len()..] {
            "" => Some(1),
            "k" | "K" => Some(1 << 10),
            "m" | "M" => Some(1 << 20),
            "g" | "G" => Some(1 << 30),
            _ => None,
        };
        let is_plain = number.bytes().all(|b| b.is_ascii_digit());
        let rate = unit.filter(|_| is_plain).and_then(|unit| number.parse::<u64>().ok()?.checked_mul(unit));
        let malformed = || Malformed::new("expected a number of bytes per second such as 500000, 500k, 20M or 1G");
        rate.filter(|rate| *rate > 0).map(Rate).ok_or_else(malformed)
    }
}

/// A line with a limited rate.
#[derive(Debug, Default)]
struct Line {
    /// The time at which all bytes so far have had their time.
    free: Duration,
}

impl Line {
    /// Takes note of bytes that are on the line from now on.
    fn take(&mut self, now: Duration, bytes: usize, rate: Rate) {
        self.free = self.free.max(now.saturating_sub(CREDIT)) + Duration::from_secs_f64(bytes as f64 / rate.0 as f64);
    }

    /// Returns the time until the line is free; None if it is.
    fn busy(&self, now: Duration) -> Option<Duration> {
        self.free.checked_sub(now).filter(|wait| !wait.is_zero())
    }
}

/// What has crossed the network so far.
pub struct Traffic {
    /// The requests to storages, including those that were sent again.
    pub requests: u64,
    /// The bytes in both directions.
    pub bytes: u64,
    /// The requests that wait for an answer.
    pub under_way: usize,
    /// The highest number of requests that waited for an answer at the same time.
    pub most_under_way: usize,
}

/// Returns what this process has sent and received so far.
pub fn so_far() -> Traffic {
    Traffic {
        requests: REQUESTS.load(Ordering::Relaxed),
        bytes: BYTES.load(Ordering::Relaxed),
        under_way: UNDER_WAY.load(Ordering::Relaxed),
        most_under_way: MOST_UNDER_WAY.load(Ordering::Relaxed),
    }
}

/// Limits what this process sends and receives. Only the first call has an effect.
pub fn limit(rate: Rate) {
    LIMIT.get_or_init(|| rate);
}

/// Counts bytes that are sent or have come, for those who need a turn next.
pub fn moved(bytes: usize) {
    BYTES.fetch_add(bytes as u64, Ordering::Relaxed);
    if let Some(rate) = LIMIT.get() {
        lock(&LINE).take(BEGAN.elapsed(), bytes, *rate);
    }
}

/// Returns the size of the pieces in which a body moves, at most `most`.
pub fn piece(most: usize) -> usize {
    LIMIT.get().map_or(most, |rate| usize::try_from(rate.0 / PIECES).unwrap_or(most).clamp(512, most))
}

/// Waits for a turn, and takes note of the bytes that are sent in it. No time limit for an answer may include it.
#[cfg(feature = "remote")]
pub async fn turn(bytes: usize) {
    static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    if LIMIT.get().is_none() {
        return moved(bytes);
    }
    let _turn = TURN.lock().await;
    loop {
        // What comes meanwhile makes the wait longer.
        let busy = lock(&LINE).busy(BEGAN.elapsed());
        let Some(wait) = busy else { return moved(bytes) };
        tokio::time::sleep(wait).await;
    }
}

/// A request that waits for an answer, until it is dropped.
pub struct UnderWay(());

impl UnderWay {
    /// Counts a request.
    pub fn begin() -> UnderWay {
        REQUESTS.fetch_add(1, Ordering::Relaxed);
        let now = UNDER_WAY.fetch_add(1, Ordering::Relaxed) + 1;
        MOST_UNDER_WAY.fetch_max(now, Ordering::Relaxed);
        UnderWay(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_or_refused() {
        for (text, rate) in [("1", 1), ("500000", 500_000), ("500k", 512_000), ("2K", 2048), ("20M", 20 << 20), ("1g", 1 << 30)] {
            assert_eq!(text.parse(), Ok(Rate(rate)), "{text}");
        }
        for bad in ["", "0", "0k", "k", "-1", "+1", "1.5M", "1 M", "1kB", "1T", "99999999999G", "٣", "1é"] {
            assert!(bad.parse::<Rate>().is_err(), "{bad}");
        }
    }

    /// Sends pieces over a line by a clock of its own, each when the line is free. Returns the seconds at which they are sent.
    fn sent(rate: u64, pieces: &[usize]) -> Vec<f64> {
        let (mut line, mut now) = (Line::default(), CREDIT);
        let mut times = Vec::new();
        for bytes in pieces {
            now += line.busy(now).unwrap_or_default();
            assert_eq!(line.busy(now), None);
            line.take(now, *bytes, Rate(rate));
            times.push((now - CREDIT).as_secs_f64());
        }
        times
    }

    #[test]
    fn pieces_go_evenly_at_the_rate() {
        let times = sent(1000, &[100; 51]);
        for pair in times.windows(2).skip(1) {
            assert!((pair[1] - pair[0] - 0.1).abs() < 1e-6, "{times:?}");
        }
        assert!((times[50] - 5.0).abs() <= CREDIT.as_secs_f64() + 1e-6, "{times:?}");
        // A long piece has a long time.
        let times = sent(1000, &[10_000, 1, 1]);
        assert!(times[1] >= 9.9 && times[2] - times[1] < 0.002, "{times:?}");
    }

    #[test]
    fn what_has_come_makes_the_others_wait_and_a_pause_is_not_made_up_for() {
        let at = Duration::from_secs;
        let mut line = Line::default();
        line.take(at(10), 3_000, Rate(1000));
        line.take(at(10), 2_000, Rate(1000));
        assert_eq!(line.busy(at(10)), Some(at(5) - CREDIT));
        assert_eq!(line.busy(at(15)), None);
        // Nothing for a minute: then 1,000 bytes take a second again, but for a moment.
        line.take(at(75), 1_000, Rate(1000));
        assert_eq!(line.busy(at(75)), Some(at(1) - CREDIT));
    }
}
