//! The requests and the time of this process, for the end record of a stream.

use crate::diff::readable;
use crate::display::counted;
use crate::end::{self, End};
use crate::parallel::lock;
use crate::record::Kind;
use crate::storage::traffic;
use crate::stream::Records;
use crate::work::Work;
use indicatif::FormattedDuration;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

static BEGAN: OnceLock<Instant> = OnceLock::new();
/// The work in the end record that this process wrote.
static LAST: Mutex<Option<Work>> = Mutex::new(None);

/// Returns the time when the process began; the first call sets it.
pub fn began() -> Instant {
    *BEGAN.get_or_init(Instant::now)
}

/// Returns the work in the end record that this process wrote, with its own part.
pub fn last() -> Option<Work> {
    *lock(&LAST)
}

/// Returns a time in words: `4.2 s`, `00:01:05`.
pub fn time(time: Duration) -> String {
    match time.as_secs() < 60 {
        true => format!("{:.1} s", time.as_secs_f64()),
        false => FormattedDuration(time).to_string(),
    }
}

/// Returns the work in words, for a line at the end.
pub fn words(work: &Work) -> String {
    let Work { read, stored, reused, requests, seconds } = *work;
    let requests = if requests > 0 { format!("{}, ", counted(requests, "request")) } else { String::new() };
    format!(
        "{} read, {} stored, {} reused, {requests}{}",
        readable(read),
        readable(stored),
        readable(reused),
        time(Duration::from_secs_f64(seconds))
    )
}

/// Adds the requests and the time of this process to the work in the end record.
pub fn worked(records: Records) -> Records {
    added(records, || Work { seconds: began().elapsed().as_secs_f64(), ..requests() })
}

/// Adds the requests of this process to the work in the end record, if there are any. Two scans of a folder that did not change
/// are the same, byte for byte.
pub fn requested(records: Records) -> Records {
    added(records, requests)
}

fn requests() -> Work {
    Work { requests: traffic::so_far().requests, ..Work::default() }
}

fn added(records: Records, work: impl Fn() -> Work + Send + 'static) -> Records {
    Box::new(records.map(move |record| {
        let record = record?;
        let more = if record.kind() == Kind::End { work() } else { Work::default() };
        let record = if more == Work::default() { record } else { end::worked(&record, more) };
        if record.kind() == Kind::End {
            *lock(&LAST) = End::of(&record).work;
        }
        Ok(record)
    }))
}
