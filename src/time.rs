//! Times: nanoseconds as the file system has them, the double that the Python tool writes, and RFC 3339.

use chrono::{DateTime, Datelike, Local, NaiveDate, NaiveDateTime, TimeZone, Timelike, Utc};
use std::fmt::Write;

/// A moment: seconds since 1970 and nanoseconds (0..1e9) after that second, as `stat` gives them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub struct Time {
    /// Whole seconds since 1970-01-01T00:00:00Z; negative before.
    pub sec: i64,
    /// Nanoseconds after `sec`, 0 to 999,999,999.
    pub nsec: u32,
}

impl Time {
    /// Returns the current time of the system's clock.
    pub fn now() -> Time {
        Utc::now().into()
    }

    /// Returns the number that CPython has in `st_mtime`: `sec + 1e-9 * nsec` in double precision.
    pub fn as_double(self) -> f64 {
        self.sec as f64 + 1e-9 * f64::from(self.nsec)
    }

    /// Returns the moment nearest to a double. The precision of a double is about 240 ns today.
    pub fn from_double(t: f64) -> Time {
        let sec = t.floor();
        let nsec = ((t - sec) * 1e9).round() as u32;
        match nsec {
            1_000_000_000.. => Time { sec: (sec as i64).saturating_add(1), nsec: 0 },
            _ => Time { sec: sec as i64, nsec },
        }
    }

    /// Returns the moment this many seconds earlier.
    pub fn minus_seconds(self, seconds: i64) -> Time {
        Time { sec: self.sec.saturating_sub(seconds), ..self }
    }

    /// Returns the seconds from an earlier moment to this one; negative if it is later.
    pub fn seconds_since(self, earlier: Time) -> f64 {
        (self.sec - earlier.sec) as f64 + (f64::from(self.nsec) - f64::from(earlier.nsec)) * 1e-9
    }

    /// Returns RFC 3339 in UTC, always with nine digits so that text order is time order. None outside the years 0 to 9999.
    pub fn rfc3339(self) -> Option<String> {
        let t = DateTime::from_timestamp(self.sec, self.nsec)?;
        if !(0..=9999).contains(&t.year()) {
            return None;
        }
        let mut out = String::with_capacity(30);
        let (y, mo, d, h, mi, s) = (t.year(), t.month(), t.day(), t.hour(), t.minute(), t.second());
        write!(out, "{y:04}-{mo:02}-{d:02}T{h:02}:{mi:02}:{s:02}.{:09}Z", self.nsec).ok()?;
        Some(out)
    }

    /// Returns the text of any time that a file can have: RFC 3339, and for other years the expanded form of ISO 8601, with a
    /// sign and at least six digits: `+010000-01-01T00:00:00.000000000Z`. Text order is time order only within the years 0 to
    /// 9999.
    pub fn text(self) -> String {
        self.rfc3339().unwrap_or_else(|| {
            let (year, month, day) = civil(self.sec.div_euclid(DAY));
            let second = self.sec.rem_euclid(DAY);
            let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
            let sign = if year < 0 { '-' } else { '+' };
            format!("{sign}{:06}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}.{:09}Z", year.unsigned_abs(), self.nsec)
        })
    }

    /// Reads RFC 3339, with any number of digits and any offset, and the expanded form that [`Time::text`] writes.
    pub fn parse_rfc3339(text: &str) -> Option<Time> {
        Time::parse_own(text.as_bytes()).or_else(|| Time::parse_expanded(text)).or_else(|| Time::parse_any(text))
    }

    fn parse_expanded(text: &str) -> Option<Time> {
        let digits = text.strip_prefix(['+', '-'])?.find('-').filter(|n| (6..=12).contains(n))?;
        let (year, rest) = text.split_at(1 + digits);
        // Parses the rest as in a leap year. Whether the day exists in this year is checked below.
        let rest = Time::parse_own(format!("2000{rest}").as_bytes())?;
        let year: i64 = year.parse().ok()?;
        let number = |from: usize| text[1 + digits + from..][..2].parse::<i64>().ok();
        let (month, day) = (number(1)?, number(4)?);
        let days = days_before(year, month, day);
        // At the lower limit the start of the day is out of range.
        let sec = i128::from(days) * i128::from(DAY) + i128::from(rest.sec.rem_euclid(DAY));
        let sec = i64::try_from(sec).ok()?;
        (civil(days) == (year, month, day)).then_some(Time { sec, nsec: rest.nsec })
    }

    /// Reads the form that [`Time::rfc3339`] writes. Most times in streams have this form, and chrono needs a microsecond for
    /// each.
    fn parse_own(text: &[u8]) -> Option<Time> {
        let number = |from: usize, to: usize| {
            text[from..to].iter().try_fold(0u32, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
        };
        if text.len() != 30 || text[4] != b'-' || text[7] != b'-' || text[10] != b'T' || text[13] != b':' || text[16] != b':' {
            return None;
        }
        if text[19] != b'.' || text[29] != b'Z' {
            return None;
        }
        let date = NaiveDate::from_ymd_opt(number(0, 4)? as i32, number(5, 7)?, number(8, 10)?)?;
        let time = date.and_hms_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?)?;
        Some(Time { sec: time.and_utc().timestamp(), nsec: number(20, 29)? })
    }

    fn parse_any(text: &str) -> Option<Time> {
        DateTime::parse_from_rfc3339(text).ok().map(Time::from)
    }
}

/// The number of seconds in a day.
const DAY: i64 = 86_400;

/// Returns the number of days since 1970-01-01 in the proleptic Gregorian calendar. 400 years are 146,097 days. A year starts in
/// March here, so that the leap day is its last day.
fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let in_era = year.rem_euclid(400);
    let in_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year.div_euclid(400) * 146_097 + in_era * 365 + in_era / 4 - in_era / 100 + in_year - 719_468
}

/// Returns the year, month and day of a number of days since 1970-01-01.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let in_era = days.rem_euclid(146_097);
    let year = (in_era - in_era / 1460 + in_era / 36_524 - in_era / 146_096) / 365;
    let in_year = in_era - (365 * year + year / 4 - year / 100);
    let month = (5 * in_year + 2) / 153;
    let day = in_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (days.div_euclid(146_097) * 400 + year + i64::from(month <= 2), month, day)
}

impl<Z: TimeZone> From<DateTime<Z>> for Time {
    fn from(t: DateTime<Z>) -> Time {
        // A leap second has 1e9 or more nanoseconds in chrono.
        Time { sec: t.timestamp(), nsec: t.timestamp_subsec_nanos().min(999_999_999) }
    }
}

/// Reads a time that a user wrote: RFC 3339, also without an offset (local time), with a blank instead of the `T`, without
/// seconds, or a date alone (its first moment, local time). These are the forms of the Python tool's `--latest`.
pub fn parse_human(text: &str) -> Option<Time> {
    let with_t = match text.as_bytes().get(10) {
        Some(b' ') => format!("{}T{}", &text[..10], &text[11..]),
        _ => text.to_string(),
    };
    let formats = ["%Y-%m-%dT%H:%M%:z", "%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%dT%H:%M%z", "%Y%m%dT%H%M%S%.f%#z"];
    let with_offset = || formats.iter().find_map(|format| DateTime::parse_from_str(&with_t, format).ok());
    if let Some(t) = DateTime::parse_from_rfc3339(&with_t).ok().or_else(with_offset) {
        return Some(t.into());
    }
    if let Some(utc) = with_t.strip_suffix(['Z', 'z']) {
        return parse_naive(utc).map(|t| t.and_utc().into());
    }
    let naive = parse_naive(&with_t)?;
    // When the clocks are set back, an hour occurs twice: the earlier one counts. When they are set forward, an hour is missing:
    // the result is the same as for an hour later.
    let local = Local.from_local_datetime(&naive).earliest();
    let local = local.or_else(|| Local.from_local_datetime(&(naive + chrono::Duration::hours(1))).earliest())?;
    Some(local.into())
}

fn parse_naive(text: &str) -> Option<NaiveDateTime> {
    let formats = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H", "%Y%m%dT%H%M%S%.f", "%Y%m%dT%H%M"];
    let time = formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok());
    let dates = ["%Y-%m-%d", "%Y%m%d", "%G-W%V-%u"];
    let date = || dates.iter().find_map(|format| NaiveDate::parse_from_str(text, format).ok());
    time.or_else(|| date()?.and_hms_opt(0, 0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_those_of_cpython() {
        for (sec, nsec, double) in [
            (1_700_000_000, 0, 1_700_000_000.0),
            (1_700_000_000, 1, 1_700_000_000.0),
            (1_700_000_000, 123_456_789, 1_700_000_000.123_456_7),
            (0, 1, 1e-9),
            (-1, 999_999_999, -9.999_999_717_180_685e-10),
            (-315_360_000, 500_000_000, -315_359_999.5),
        ] {
            assert_eq!(Time { sec, nsec }.as_double().to_bits(), f64::to_bits(double));
        }
    }

    #[test]
    fn rfc3339_is_exact_and_sorts() {
        let t = Time { sec: 1_700_000_000, nsec: 123_456_789 };
        assert_eq!(t.rfc3339().as_deref(), Some("2023-11-14T22:13:20.123456789Z"));
        assert_eq!(Time::parse_rfc3339("2023-11-14T23:13:20.123456789+01:00"), Some(t));
        assert_eq!(Time { sec: 1 << 50, nsec: 0 }.rfc3339(), None);
        assert_eq!(t.minus_seconds(86_400).rfc3339().as_deref(), Some("2023-11-13T22:13:20.123456789Z"));
        assert_eq!(Time::from_double(4.999_999_999_9), Time { sec: 5, nsec: 0 });
    }

    #[test]
    fn times_of_any_year_have_an_exact_text() {
        for (sec, text) in [
            (253_402_300_799, "9999-12-31T23:59:59.000000007Z"),
            (253_402_300_800, "+010000-01-01T00:00:00.000000007Z"),
            (-62_167_219_200, "0000-01-01T00:00:00.000000007Z"),
            (-62_167_219_201, "-000001-12-31T23:59:59.000000007Z"),
            (951_782_400 + 12_622_780_800 * 25, "+012000-02-29T00:00:00.000000007Z"),
            (i64::MAX, "+292277026596-12-04T15:30:07.000000007Z"),
            (i64::MIN, "-292277022657-01-27T08:29:52.000000007Z"),
        ] {
            let time = Time { sec, nsec: 7 };
            assert_eq!(time.text(), text);
            assert_eq!(Time::parse_rfc3339(text), Some(time), "{text}");
        }
        // In steps of nearly 366 days: all of chrono's years, and far beyond.
        for step in (-400_000..400_000).map(|n: i64| n * 86_399 * 366) {
            let time = Time { sec: step, nsec: 0 };
            assert_eq!(Time::parse_rfc3339(&time.text()), Some(time));
            let chrono = DateTime::from_timestamp(step, 0).filter(|t| !(0..=9999).contains(&t.year()));
            let theirs = |t: DateTime<Utc>| (i64::from(t.year()), i64::from(t.month()), i64::from(t.day()));
            assert!(chrono.is_none_or(|t| theirs(t) == civil(step.div_euclid(DAY))), "{step}");
        }
        for bad in [
            "+10000-01-01T00:00:00.000000000Z",
            "+010001-02-29T00:00:00.000000000Z",
            "+010000-13-01T00:00:00.000000000Z",
            "+292277026596-12-04T15:30:08.000000000Z",
            "-292277022657-01-27T08:29:51.000000000Z",
            "+999999999999-01-01T00:00:00.000000000Z",
            "+010000-01-01T00:00:00Z",
            "+0100é0-01-01T00:00:00.000000000Z",
            "++10000-01-01T00:00:00.000000000Z",
            "+",
        ] {
            assert_eq!(Time::parse_rfc3339(bad), None, "{bad}");
        }
        assert_eq!(Time { sec: i64::MIN, nsec: 0 }.minus_seconds(1).sec, i64::MIN);
    }

    #[test]
    fn the_short_way_reads_nothing_that_the_long_one_does_not() {
        let good = "2023-11-14T22:13:20.123456789Z";
        assert!(Time::parse_own(good.as_bytes()).is_some() && Time::parse_own(good.as_bytes()) == Time::parse_any(good));
        for at in 0..good.len() {
            for other in ["x", "9", "-", ":", "T", "Z", ".", "", "00", "é"] {
                let text = format!("{}{other}{}", &good[..at], &good[at + 1..]);
                let own = Time::parse_own(text.as_bytes());
                assert!(own.is_none() || own == Time::parse_any(&text), "{text}");
            }
        }
    }

    #[test]
    fn people_write_times_in_many_ways() {
        let want = Some(Time { sec: 1_795_409_340, nsec: 0 });
        for text in [
            "2026-11-23T04:49:00Z",
            "2026-11-23 05:49:00+01:00",
            "2026-11-23T05:49+01:00",
            "2026-11-23 05:49+01:00",
            "20261123T044900Z",
            "2026-11-23T04:49Z",
        ] {
            assert_eq!(parse_human(text), want, "{text}");
        }
        assert!(parse_human("2026-11-23").is_some() && parse_human("2026-W48-2").is_some());
        for text in ["yesterday", "", "2026-13-01", "12345"] {
            assert_eq!(parse_human(text), None, "{text}");
        }
    }
}
