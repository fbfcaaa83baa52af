//! Tests with a service in memory, whose answers come in any order.

use super::*;
use std::collections::BTreeSet;
use std::ops::Bound;

/// Numbers that a seed repeats.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n.max(1)
    }
}

/// Returns what a service with these names answers.
fn served(names: &BTreeSet<String>, prefix: &str, wanted: &Wanted, size: usize) -> Page {
    let after = if wanted.token.is_empty() { format!("{prefix}{}", wanted.start) } else { wanted.token.clone() };
    let from = if wanted.token.is_empty() && wanted.start.is_empty() { Bound::Included(after) } else { Bound::Excluded(after) };
    let behind = names.range((from, Bound::Unbounded)).take_while(|name| name.starts_with(prefix));
    let page: Vec<&String> = behind.take(size + 1).collect();
    let next = (page.len() > size).then(|| page[size - 1].clone());
    let object = |name: &&String| Object { key: name.as_bytes().to_vec(), ..Object::default() };
    let objects = page.iter().take(size).map(object).map(|object| Object { size: 1, ..object }).collect();
    Page::of(objects, next)
}

/// What a listing returned, and what it took.
struct Listed {
    names: Vec<String>,
    requests: usize,
    /// The number of times at which requests that were under way together were answered.
    rounds: usize,
    /// The largest number of pages that waited or were under way.
    most: usize,
}

/// Lists names. With `random`, one of the requests that are under way is answered at a time, and names come and go, else all are
/// answered.
fn list(names: &mut BTreeSet<String>, prefix: &str, size: usize, mut random: Option<&mut Random>) -> Listed {
    let mut ranges = Ranges::new(prefix, true);
    let mut under_way = Vec::new();
    let mut listed = Listed { names: Vec::new(), requests: 0, rounds: 0, most: 0 };
    loop {
        match ranges.next() {
            Next::Object(object) => listed.names.push(String::from_utf8(object.unwrap().key).unwrap()),
            Next::End => return listed,
            next => {
                under_way.extend(std::iter::from_fn(|| ranges.wanted()));
                let waiting: usize = ranges.ranges.iter().map(|range| range.found.len()).sum();
                listed.most = listed.most.max(waiting + under_way.len());
                if !matches!(next, Next::Wait) {
                    continue;
                }
                assert!(!under_way.is_empty(), "it waits for nothing");
                listed.rounds += 1;
                let answered = match &mut random {
                    Some(random) => vec![under_way.swap_remove(random.below(under_way.len()))],
                    None => std::mem::take(&mut under_way),
                };
                for wanted in answered {
                    listed.requests += 1;
                    ranges.answer(wanted.range, served(names, prefix, &wanted, size)).unwrap();
                }
                if let Some(random) = &mut random {
                    change(names, prefix, random);
                }
            }
        }
    }
}

/// Adds or removes a name that ends with `~`.
fn change(names: &mut BTreeSet<String>, prefix: &str, random: &mut Random) {
    let any = names.iter().nth(random.below(names.len())).cloned().unwrap_or_default();
    match any.ends_with('~') {
        true => names.remove(&any),
        false => names.insert(format!("{}{}~", if any.starts_with(prefix) { "" } else { prefix }, any)),
    };
}

/// Returns names of some kind.
fn names(kind: usize, count: usize, random: &mut Random) -> BTreeSet<String> {
    let word = |random: &mut Random| ["a", "bc", "Ü", "文件", "x-1", "2026", " ", "😀"][random.below(8)];
    let name = |n: usize, random: &mut Random| match kind {
        0 => format!("{n:07}"),
        1 => format!("{n}"),
        2 => format!("{:032x}", random.0.wrapping_mul(random.below(1 << 40) as u64)),
        3 => format!("2026/{:02}/{:02}/{:04}.jpg", n / 3100 % 12 + 1, n / 100 % 31 + 1, n % 100),
        4 => (0..=random.below(5)).map(|_| word(random)).collect::<Vec<_>>().join("/") + &n.to_string(),
        5 => format!("one/{}", char::from_u32(0x4e00 + random.below(20_000) as u32).unwrap()) + &n.to_string(),
        _ => format!("{}/{}/{n}", ["docs", "photos", "src", "x"][random.below(4)], random.below(30)),
    };
    (0..count).map(|n| name(n, random)).collect()
}

#[test]
fn every_name_comes_once_and_in_order_while_others_come_and_go() {
    for seed in 1..200u64 {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (few, small) = ([10, 300, 3000][random.below(3)], [3, 30, 200][random.below(3)]);
        let (count, size) = (random.below(few), 1 + random.below(small));
        let mut all = names(seed as usize % 7, count, &mut random);
        let prefix = ["", "2026/", "one/", "docs/1"][random.below(4)];
        let before: Vec<String> = all.iter().filter(|name| name.starts_with(prefix)).cloned().collect();
        let listed = list(&mut all, prefix, size, Some(&mut random));
        assert!(listed.names.is_sorted_by(|a, b| a < b), "seed {seed}");
        let stayed: Vec<String> = listed.names.into_iter().filter(|name| !name.ends_with('~')).collect();
        assert_eq!(stayed, before, "seed {seed}");
        assert!(listed.most <= PAGES + 2, "seed {seed}: {} pages", listed.most);
    }
}

#[test]
fn a_short_listing_takes_no_more_requests_and_a_long_one_few() {
    for kind in 0..7 {
        for (count, size, most) in
            [(0, 100, 1), (100, 100, 1), (200, 100, 2), (400, 100, 4), (1000, 100, 16), (100_000, 100, 1260)]
        {
            let mut random = Random(7);
            let mut all = names(kind, count, &mut random);
            let expected: Vec<String> = all.iter().cloned().collect();
            let pages = expected.len().div_ceil(size);
            let listed = list(&mut all, "", size, None);
            assert_eq!(listed.names, expected);
            assert!(listed.requests <= most, "kind {kind}: {} requests for {pages} pages", listed.requests);
            // Nothing can be guessed of words and numbers in no order.
            if pages > 900 && kind != 4 {
                assert!(listed.rounds * 4 <= pages, "kind {kind}: {} rounds for {pages} pages", listed.rounds);
            }
        }
    }
}

#[test]
fn answers_that_are_for_something_else_are_noticed() {
    let page = |names: &[&str], more: bool| {
        let object = |name: &&str| Object { key: name.as_bytes().to_vec(), size: 1, ..Object::default() };
        Page::of(names.iter().map(object).collect(), more.then(|| "next".to_string()))
    };
    let from = |after: &str| {
        let mut ranges = Ranges::new("p/", true);
        ranges.wanted().unwrap();
        ranges.ranges[0].after = after.to_string();
        ranges.answers = 1;
        // Another range was cut off.
        ranges.ids = 1;
        ranges
    };
    assert_eq!(from("b").answer(0, page(&["p/c", "p/d"], true)), Ok(()));
    for names in [&["p/a", "p/c"][..], &["p/b", "p/c"], &["p/d", "p/c"], &["p/c", "p/c"], &["q/c"], &["p/c", "q/d"]] {
        assert_eq!(from("b").answer(0, page(names, true)), Err(Contradiction), "{names:?}");
        // As long as nothing was cut, the listing goes on page after page, and its reader checks the names.
        let mut uncut = Ranges { ids: 0, ..from("b") };
        assert_eq!(uncut.answer(0, page(names, true)), Ok(()), "{names:?}");
        assert!(!uncut.is_parallel, "{names:?}");
    }
}
