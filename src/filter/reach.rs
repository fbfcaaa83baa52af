//! The names that rules can include, as ranges, so that only parts of a snapshot have to be read.

use super::rules::Rules;
use crate::name::Name;
use crate::part::Part;
use std::ops::Bound;

/// A range of names.
pub(crate) type Range = (Bound<Name>, Bound<Name>);

impl Rules {
    /// Returns ranges that have all names which these rules include. None if the rules can include any name.
    pub(crate) fn reach(&self) -> Option<Vec<Range>> {
        let mut ranges = Vec::new();
        for pattern in self.include.patterns().iter().filter(|pattern| !pattern.is_negated()) {
            let (stem, is_all) = pattern.stem().filter(|(stem, _)| !stem.is_empty())?;
            match is_all {
                true => ranges.extend([only(stem), starting_with(&[stem, b"/"].concat())]),
                false => ranges.push(starting_with(stem)),
            }
        }
        // Patterns skip the slashes at the start of a key.
        ranges.push(starting_with(b"/"));
        (ranges.len() > 1).then_some(ranges)
    }
}

/// Returns the range of one name.
pub(crate) fn only(name: &[u8]) -> Range {
    (Bound::Included(Name::new(name)), Bound::Included(Name::new(name)))
}

/// Returns a range that has all names of a part; None if it can have any name.
pub(crate) fn of_part(part: &Part) -> Option<Range> {
    match part.clone() {
        Part::Shard { .. } => None,
        Part::Range { after, until } => {
            Some((after.map_or(Bound::Unbounded, Bound::Excluded), until.map_or(Bound::Unbounded, Bound::Included)))
        }
        Part::Prefix(prefix) => Some(starting_with(prefix.as_bytes())),
    }
}

/// Returns a range with all names that start with these bytes.
fn starting_with(start: &[u8]) -> Range {
    // The order of names is that of their bytes only up to the last character that is ASCII.
    let Some(last) = start.iter().rposition(|b| *b < 0x7f) else { return (Bound::Unbounded, Bound::Unbounded) };
    let mut end = start[..=last].to_vec();
    end[last] += 1;
    let from = if std::str::from_utf8(start).is_ok() { start } else { &start[..=last] };
    (Bound::Included(Name::new(from)), Bound::Excluded(Name::new(end)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::Filter;
    use proptest::prelude::*;
    use std::ops::RangeBounds;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_name_that_is_included_is_in_a_range(
            lines in proptest::collection::vec("/?(a|b|\u{e9}|\u{1f600}|\\[ab\\]|a\\*){1,3}(/(a|b|\\*|\\*\\*|\u{e9}\u{e9})){0,2}/?", 1..4),
            name in proptest::collection::vec(prop_oneof!["a", "b", "/", "-", "0", "\u{e9}", "\u{1f600}"].prop_map(String::into_bytes).boxed().prop_union(Just(vec![0xc3]).boxed()), 1..6),
        ) {
            let name = name.concat();
            let lines: Vec<_> = lines.iter().map(Into::into).collect();
            let rules = Filter::new(&[], &[] as &[&str], &lines).unwrap().rules;
            if let Some(ranges) = rules.reach().filter(|_| !rules.leaves_out(&name, false) || !rules.leaves_out(&name, true)) {
                let name = Name::new(name);
                prop_assert!(ranges.iter().any(|range| range.contains(&name)), "{:?} {:?}", lines, name);
            }
        }
    }

    #[test]
    fn a_folder_takes_two_small_ranges_and_a_pattern_for_any_folder_takes_all() {
        let reach = |line: &str| Filter::new(&[], &[] as &[&str], &[line.into()]).unwrap().rules.reach();
        assert_eq!(reach("/docs/").unwrap()[..2], [only(b"docs"), starting_with(b"docs/")]);
        assert_eq!(reach("docs/*.pdf").unwrap()[0], starting_with(b"docs/"));
        for all in ["docs/", "*.pdf", "**/docs/x", "/*", "!/docs"] {
            assert_eq!(reach(all), None, "{all}");
        }
    }
}
