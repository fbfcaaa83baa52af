use super::*;
use crate::snapshot::Place;
use chrono::Offset;

fn snapshots(times: &[&str]) -> Vec<(Found, Label)> {
    let found = |t: &&str| Found { place: Place::file(t.as_ref()), time: Time::parse_rfc3339(t).unwrap() };
    times.iter().map(|t| (found(t), Label::default())).collect()
}

fn utc(time: Time) -> DateTime<FixedOffset> {
    DateTime::from_timestamp(time.sec, time.nsec).unwrap().fixed_offset()
}

fn kept(policy: &Policy, times: &[&str]) -> Vec<String> {
    let decided = policy.apply(snapshots(times), utc);
    decided.into_iter().filter(|d| d.keep).map(|d| d.found.place.as_given().to_string_lossy().into_owned()).collect()
}

/// Two weeks with gaps: two on the 1st, none on the 3rd and 4th, three on the 8th within an hour.
const TIMES: [&str; 10] = [
    "2026-11-14T09:00:00Z",
    "2026-11-08T23:30:00Z",
    "2026-11-08T23:10:00Z",
    "2026-11-08T08:00:00Z",
    "2026-11-06T12:00:00Z",
    "2026-11-05T12:00:00Z",
    "2026-11-02T12:00:00Z",
    "2026-11-01T20:00:00Z",
    "2026-11-01T08:00:00Z",
    "2025-12-31T08:00:00Z",
];

#[test]
fn periods_without_a_snapshot_do_not_count() {
    let keep = |policy: Policy| kept(&policy, &TIMES);
    assert_eq!(keep(Policy { last: 2, ..Policy::default() }), TIMES[..2]);
    assert_eq!(keep(Policy { hourly: 3, ..Policy::default() }), [TIMES[0], TIMES[1], TIMES[3]]);
    assert_eq!(keep(Policy { daily: 4, ..Policy::default() }), [TIMES[0], TIMES[1], TIMES[4], TIMES[5]]);
    // Weeks 46, 45 (to Sunday the 8th), 44 (to Sunday the 1st), and week 1 of 2026, which includes the 31st of December.
    assert_eq!(keep(Policy { weekly: 4, ..Policy::default() }), [TIMES[0], TIMES[1], TIMES[7], TIMES[9]]);
    assert_eq!(keep(Policy { monthly: 1, ..Policy::default() }), [TIMES[0]]);
    assert_eq!(keep(Policy { yearly: 5, ..Policy::default() }), [TIMES[0], TIMES[9]]);
    assert_eq!(keep(Policy { last: u64::MAX, ..Policy::default() }), TIMES);
    assert_eq!(keep(Policy { last: 1, daily: 2, yearly: 2, ..Policy::default() }), [TIMES[0], TIMES[1], TIMES[9]]);
}

#[test]
fn the_oldest_stays_while_a_rule_has_some_left() {
    let times = &TIMES[..9];
    // Days: 14, 8, 6, 5, 2, 1; the seventh of seven goes to the oldest, although a snapshot of its day is already kept.
    let policy = Policy { daily: 7, ..Policy::default() };
    assert_eq!(kept(&policy, times), [times[0], times[1], times[4], times[5], times[6], times[7], times[8]]);
    let decided = policy.apply(snapshots(times), utc);
    assert_eq!(decided.last().unwrap().reasons, ["oldest daily"]);
    let policy = Policy { daily: 6, ..Policy::default() };
    assert_eq!(kept(&policy, times), [times[0], times[1], times[4], times[5], times[6], times[7]]);
}

#[test]
fn spans_count_from_the_latest_snapshot() {
    let keep = |within: &str| {
        let within = Some(parse_within(within).unwrap());
        kept(&Policy { within, ..Policy::default() }, &TIMES)
    };
    assert_eq!(keep("1h"), TIMES[..1]);
    // The span starts on the 8th at 9:00: the snapshot of 8:00 that day is older.
    assert_eq!(keep("6d"), TIMES[..3]);
    assert_eq!(keep("6d2h"), TIMES[..4]);
    assert_eq!(keep("1m"), TIMES[..9]);
    assert_eq!(keep("1y"), TIMES);
    // The 31st of February is the 3rd of March.
    let march = ["2026-03-31T12:00:00Z", "2026-03-03T13:00:00Z", "2026-03-03T11:00:00Z"];
    assert_eq!(kept(&Policy { within: parse_within("1m").ok(), ..Policy::default() }, &march), march[..2]);
}

#[test]
fn tags_keep_beside_the_counts() {
    let mut all = snapshots(&TIMES);
    all[3].1.tags = vec!["a".into(), "b".into()];
    all[4].1.tags = vec!["a".into()];
    let tags = vec![vec!["a".to_string(), "b".to_string()], vec!["c".to_string()]];
    let decided = Policy { last: 1, tags, ..Policy::default() }.apply(all, utc);
    let kept: Vec<usize> = (0..10).filter(|i| decided[*i].keep).collect();
    assert_eq!(kept, [0, 3]);
    assert_eq!(decided[3].reasons, ["tag a,b"]);
}

#[test]
fn days_are_those_of_the_wall_clock() {
    let west = |time: Time| utc(time).with_timezone(&FixedOffset::west_opt(9 * 3600).unwrap());
    assert_eq!(west(Time { sec: 0, nsec: 0 }).offset().fix().local_minus_utc(), -9 * 3600);
    let decided = Policy { daily: 2, ..Policy::default() }.apply(snapshots(&TIMES[..5]), west);
    let kept: Vec<usize> = (0..5).filter(|i| decided[*i].keep).collect();
    // In that time zone, the snapshot of 8:00 on the 8th belongs to the evening before.
    assert_eq!(kept, [0, 1]);
    let decided = Policy { daily: 3, ..Policy::default() }.apply(snapshots(&TIMES[..5]), west);
    assert!(decided[3].keep && !decided[4].keep);
}

#[test]
fn spans_and_counts_are_read_or_refused() {
    assert_eq!(parse_within("1y2m3d4h"), Ok(Within { months: 14, days: 3, hours: 4 }));
    for bad in ["", "1", "d", "1w", "1d2", "-1d", "1.5h", "99999999999y"] {
        assert!(parse_within(bad).is_err(), "{bad}");
    }
    assert_eq!((parse_count("7"), parse_count("unlimited")), (Ok(7), Ok(u64::MAX)));
    assert!(parse_count("-1").is_err() && parse_count("x").is_err());
    assert!(Policy { within: Some(Within::default()), ..Policy::default() }.is_empty());
}
