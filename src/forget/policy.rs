//! The rules of `snap-forget`, and their application to a group of snapshots.

use crate::error::Malformed;
use crate::snapshot::{Found, Label};
use crate::time::Time;
use chrono::{DateTime, Datelike, Duration, FixedOffset, NaiveDate, NaiveTime, Timelike};

/// The rules that select the snapshots to keep. A count of zero keeps nothing, `u64::MAX` everything.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// The number of latest snapshots to keep.
    pub last: u64,
    /// The number of hours: the latest snapshot of each of the last hours that have one is kept.
    pub hourly: u64,
    /// The number of days, as for hours.
    pub daily: u64,
    /// The number of weeks, as for hours. A week starts on Monday.
    pub weekly: u64,
    /// The number of months, as for hours.
    pub monthly: u64,
    /// The number of years, as for hours.
    pub yearly: u64,
    /// The span before the latest snapshot of the group in which all snapshots are kept.
    pub within: Option<Within>,
    /// Lists of tags. A snapshot that has all tags of one list is kept.
    pub tags: Vec<Vec<String>>,
}

/// A span of time in units of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Within {
    /// Months; a year counts as 12 months.
    pub months: u32,
    /// Days.
    pub days: u32,
    /// Hours.
    pub hours: u32,
}

/// The decision about a snapshot, and its reasons.
#[derive(Clone, Debug)]
pub struct Decision {
    /// The snapshot.
    pub found: Found,
    /// The label of the snapshot.
    pub label: Label,
    /// The snapshot is kept.
    pub keep: bool,
    /// The rules that keep it.
    pub reasons: Vec<String>,
}

/// Reads a number, or `unlimited`.
///
/// # Errors
/// If the text is neither.
pub fn parse_count(text: &str) -> Result<u64, Malformed> {
    match text {
        "unlimited" => Ok(u64::MAX),
        _ => text.parse::<u32>().map(u64::from).map_err(|_| Malformed::new("expected a number or \"unlimited\"")),
    }
}

/// Reads a span such as `1y2m3d4h`. Each part is optional.
///
/// # Errors
/// If the text is not a span.
pub fn parse_within(text: &str) -> Result<Within, Malformed> {
    let bad = || Malformed::new("expected a span such as 1y2m3d4h");
    let mut within = Within::default();
    let mut rest = text;
    while let Some(at) = rest.find(|c: char| !c.is_ascii_digit()) {
        let number: u32 = rest[..at].parse().map_err(|_| bad())?;
        let (place, factor) = match rest.as_bytes()[at] {
            b'y' => (&mut within.months, 12),
            b'm' => (&mut within.months, 1),
            b'd' => (&mut within.days, 1),
            b'h' => (&mut within.hours, 1),
            _ => return Err(bad()),
        };
        *place = number.checked_mul(factor).and_then(|n| place.checked_add(n)).filter(|n| *n <= 1_000_000).ok_or_else(bad)?;
        rest = &rest[at + 1..];
    }
    if rest.is_empty() && !text.is_empty() { Ok(within) } else { Err(bad()) }
}

impl Within {
    /// Returns the moment this span before another. A day that a month does not have becomes a day of the next month, as in Go.
    fn before(&self, time: DateTime<FixedOffset>) -> Option<DateTime<FixedOffset>> {
        let months = i64::from(time.year()) * 12 + i64::from(time.month0()) - i64::from(self.months);
        let first = NaiveDate::from_ymd_opt(i32::try_from(months.div_euclid(12)).ok()?, months.rem_euclid(12) as u32 + 1, 1)?;
        let date = first.checked_add_signed(Duration::days(i64::from(time.day0()) - i64::from(self.days)))?;
        let clock = NaiveTime::from_num_seconds_from_midnight_opt(time.num_seconds_from_midnight(), time.nanosecond())?;
        let then = date.and_time(clock).and_local_timezone(*time.offset()).earliest()?;
        then.checked_sub_signed(Duration::hours(i64::from(self.hours)))
    }
}

/// A rule that counts periods.
struct Rule {
    left: u64,
    period: fn(&DateTime<FixedOffset>, usize) -> i64,
    last: Option<i64>,
    name: &'static str,
}

impl Policy {
    /// Whether no rule would keep anything.
    pub fn is_empty(&self) -> bool {
        let counts = [self.last, self.hourly, self.daily, self.weekly, self.monthly, self.yearly];
        counts.iter().all(|n| *n == 0) && self.tags.is_empty() && self.within.is_none_or(|w| w == Within::default())
    }

    fn rules(&self) -> [Rule; 6] {
        fn day(t: &DateTime<FixedOffset>) -> i64 {
            i64::from(t.year()) * 10_000 + i64::from(t.month()) * 100 + i64::from(t.day())
        }
        let rule = |left, name, period: fn(&DateTime<FixedOffset>, usize) -> i64| Rule { left, period, last: None, name };
        [
            rule(self.last, "last", |_, nr| nr as i64),
            rule(self.hourly, "hourly", |t, _| day(t) * 100 + i64::from(t.hour())),
            rule(self.daily, "daily", |t, _| day(t)),
            rule(self.weekly, "weekly", |t, _| i64::from(t.iso_week().year()) * 100 + i64::from(t.iso_week().week())),
            rule(self.monthly, "monthly", |t, _| i64::from(t.year()) * 100 + i64::from(t.month())),
            rule(self.yearly, "yearly", |t, _| i64::from(t.year())),
        ]
    }

    /// Decides about the snapshots of one group. `local` returns the local time of a moment.
    pub fn apply(&self, mut snapshots: Vec<(Found, Label)>, local: impl Fn(Time) -> DateTime<FixedOffset>) -> Vec<Decision> {
        snapshots.sort_by(|a, b| b.0.time.cmp(&a.0.time).then_with(|| a.0.place.as_given().cmp(&b.0.place.as_given())));
        let mut rules = self.rules();
        let within = self.within.filter(|w| *w != Within::default());
        let limit = within.zip(snapshots.first()).and_then(|(w, newest)| w.before(local(newest.0.time)));
        let oldest = snapshots.len().saturating_sub(1);
        let mut decisions = Vec::with_capacity(snapshots.len());
        for (nr, (found, label)) in snapshots.into_iter().enumerate() {
            let time = local(found.time);
            let mut reasons = Vec::new();
            for tags in self.tags.iter().filter(|tags| tags.iter().all(|t| label.tags.contains(t))) {
                reasons.push(format!("tag {}", tags.join(",")));
            }
            if limit.is_some_and(|limit| time > limit) {
                reasons.push("within".to_string());
            }
            for rule in rules.iter_mut().filter(|r| r.left > 0) {
                let period = Some((rule.period)(&time, nr));
                if period != rule.last || nr == oldest {
                    let sort = if period == rule.last { "oldest " } else { "" };
                    reasons.push(format!("{sort}{}", rule.name));
                    rule.last = period;
                    rule.left -= u64::from(rule.left != u64::MAX);
                }
            }
            decisions.push(Decision { found, label, keep: !reasons.is_empty(), reasons });
        }
        decisions
    }
}

#[cfg(test)]
mod tests;
