//! The counts of a tool, and the words for them.

use crate::cli::work;
use crate::diff::readable;
use crate::display::many;
use crate::record::{Kind, Record};
use crate::storage::traffic::{self, Traffic};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// The records that this process wrote, or that snap-write read.
static RECORDS: AtomicU64 = AtomicU64::new(0);

/// Counts a record. The end record does not count.
pub fn record(record: &Record) {
    RECORDS.fetch_add(u64::from(record.kind() != Kind::End), Ordering::Relaxed);
}

/// What is done, and how much is expected.
#[derive(Default)]
pub struct Counts {
    files: AtomicU64,
    bytes: AtomicU64,
    /// The bytes of the contents that are not done yet.
    under_way: AtomicI64,
    expected_files: AtomicU64,
    expected_bytes: AtomicU64,
    /// The tool moves contents. Otherwise records are counted.
    moves: AtomicBool,
    /// The most bytes that were shown: a content that is read again does not turn the progress back.
    most: AtomicU64,
}

impl Counts {
    /// Counts a file.
    pub fn done(&self, bytes: u64) {
        self.files.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes of a content that is not done yet, or takes them back.
    pub fn under_way(&self, bytes: i64) {
        self.under_way.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Takes note that the tool moves contents.
    pub fn move_contents(&self) {
        self.moves.store(true, Ordering::Relaxed);
    }

    /// Takes note of what is expected.
    pub fn expect(&self, files: u64, bytes: u64) {
        self.expected_files.store(files, Ordering::Relaxed);
        self.expected_bytes.store(bytes, Ordering::Relaxed);
    }
}

/// The counts of one moment.
pub struct Now {
    /// The number of files that are done.
    pub files: u64,
    /// The bytes of contents, also of those that are not done yet.
    pub bytes: u64,
    /// The number of records; None if the tool moves contents.
    records: Option<u64>,
    /// The files and bytes that are expected. None if that is not known, or more came already.
    pub expected: Option<(u64, u64)>,
    /// The time since the start.
    pub elapsed: Duration,
    /// What crossed the network.
    pub traffic: Traffic,
    /// The number of requests at once.
    at_once: usize,
}

impl Now {
    /// Reads the counts.
    pub fn of(counts: &Counts) -> Now {
        let get = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let (files, traffic) = (get(&counts.files), traffic::so_far());
        let bytes = get(&counts.bytes).saturating_add_signed(counts.under_way.load(Ordering::Relaxed));
        let bytes = counts.most.fetch_max(bytes, Ordering::Relaxed).max(bytes);
        let expected = (get(&counts.expected_files), get(&counts.expected_bytes));
        let is_known = expected.0 > 0 && files <= expected.0 && bytes <= expected.1;
        Now {
            files,
            bytes,
            records: (!counts.moves.load(Ordering::Relaxed)).then(|| get(&RECORDS)),
            expected: Some(expected).filter(|_| is_known),
            elapsed: work::began().elapsed(),
            at_once: traffic.under_way,
            traffic,
        }
    }

    /// Returns the counts of the end, when no request is under way any more.
    #[must_use]
    pub fn ended(self) -> Now {
        Now { at_once: self.traffic.most_under_way, ..self }
    }

    /// Returns how much is done and how much is expected: in bytes, or in files if those are all empty.
    pub fn part(&self) -> Option<(u64, u64)> {
        self.expected.map(|(files, bytes)| if bytes > 0 { (self.bytes, bytes) } else { (self.files, files) })
    }

    /// Returns the number of files in words, or that of records if the tool moves no contents.
    pub fn counted(&self) -> String {
        self.records.map_or_else(|| many(self.files, "file"), |records| many(records, "record"))
    }

    /// Returns the counts in words, in at most this number of columns: what is least important is left out first. With the time
    /// that is left, or else the time so far. Beside a bar, the rate is more important than the number of files.
    pub fn line(&self, columns: usize, left: Option<Duration>, has_bar: bool) -> String {
        let rate = |bytes: u64| readable((bytes as f64 / self.elapsed.as_secs_f64().max(0.001)) as u64);
        let time = match left {
            Some(left) if left.as_secs() < 60 => format!("{} s left", left.as_secs()),
            Some(left) => format!("{} left", work::time(left)),
            None => work::time(self.elapsed),
        };
        // In the order of the line, with the order in which they are left out.
        let mut parts = vec![(if has_bar { 3 } else { 0 }, self.counted())];
        if self.records.is_none() {
            parts.extend([(1, readable(self.bytes)), (if has_bar { 2 } else { 4 }, format!("{}/s", rate(self.bytes)))]);
        }
        if self.traffic.requests > 0 {
            let network = rate(self.traffic.bytes);
            parts.push((5, format!("{} ({} at once, {network}/s)", many(self.traffic.requests, "request"), self.at_once)));
        }
        parts.push((if has_bar { 0 } else { 2 }, time));
        let width = |parts: &[(u8, String)]| parts.iter().map(|(_, part)| part.len() + 2).sum::<usize>() - 2;
        while parts.len() > 1 && width(&parts) > columns {
            let least = parts.iter().enumerate().max_by_key(|(_, (rank, _))| *rank).map_or(0, |(at, _)| at);
            parts.remove(least);
        }
        parts.into_iter().map(|(_, part)| part).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(counts: &Counts, requests: u64) -> Now {
        let traffic = Traffic { requests, bytes: requests << 20, under_way: 3, most_under_way: 7 };
        Now { elapsed: Duration::from_secs(4), at_once: 3, traffic, ..Now::of(counts) }
    }

    #[test]
    fn the_least_important_is_left_out_first() {
        let counts = Counts::default();
        counts.move_contents();
        (0..1234).for_each(|_| counts.done(1 << 20));
        let now = now(&counts, 8);
        let all = "1,234 files, 1.2 GiB, 308.5 MiB/s, 8 requests (3 at once, 2.0 MiB/s), 00:01:05 left";
        let left = Some(Duration::from_secs(65));
        for (columns, line) in [
            (all.len(), all),
            (all.len() - 1, "1,234 files, 1.2 GiB, 308.5 MiB/s, 00:01:05 left"),
            (47, "1,234 files, 1.2 GiB, 00:01:05 left"),
            (30, "1,234 files, 1.2 GiB"),
            (12, "1,234 files"),
            (1, "1,234 files"),
        ] {
            assert_eq!(now.line(columns, left, false), line, "{columns}");
        }
        for (columns, line) in
            [(all.len(), all), (47, "1.2 GiB, 308.5 MiB/s, 00:01:05 left"), (34, "1.2 GiB, 00:01:05 left"), (20, "00:01:05 left")]
        {
            assert_eq!(now.line(columns, left, true), line, "{columns}");
        }
        assert!(now.ended().line(usize::MAX, None, false).ends_with("8 requests (7 at once, 2.0 MiB/s), 4.0 s"));
    }

    #[test]
    fn what_is_expected_counts_until_more_comes() {
        let counts = Counts::default();
        counts.expect(2, 100);
        counts.under_way(40);
        assert_eq!(Now::of(&counts).part(), Some((40, 100)));
        counts.under_way(-40);
        assert_eq!(Now::of(&counts).part(), Some((40, 100)), "never back");
        counts.done(100);
        assert_eq!(Now::of(&counts).part(), Some((100, 100)));
        counts.done(1);
        assert_eq!(Now::of(&counts).part(), None);
        let empty = Counts::default();
        empty.expect(4, 0);
        empty.done(0);
        assert_eq!(Now::of(&empty).part(), Some((1, 4)));
    }

    #[test]
    fn a_tool_that_moves_no_content_counts_records() {
        let now = Now { records: Some(1), ..now(&Counts::default(), 0) };
        assert_eq!(now.line(80, None, false), "1 record, 4.0 s");
    }
}
