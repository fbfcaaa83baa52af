//! Guesses where a listing will be after some more pages, from the names that it has had so far.
//!
//! A name is read as a number whose digits are its characters. Each position in each part of a name (between two `/`) has its own
//! digits: the characters that names have there. So an addition finds the name that comes a page after `2026/1/31/9999`.

use std::collections::BTreeSet;

/// The number of digits that count, from the first one at which two names differ.
const DIGITS: usize = 8;
/// The largest number of characters that are remembered for a position.
const MOST: usize = 256;
/// The longest part of a name of which all characters count.
const LONGEST: usize = 64;
/// The digit for the end of a part. No name has this character.
const END: char = '\0';

/// The characters that names have.
#[derive(Debug, Default)]
pub struct Alphabet {
    /// The positions of the first part, of the second one, and so on.
    parts: Vec<Vec<Position>>,
    /// The letters and digits of all positions.
    all: BTreeSet<char>,
}

/// The characters at one position.
#[derive(Debug, Default)]
struct Position {
    seen: BTreeSet<char>,
    /// The names went on with another character further left, so there is nothing behind the largest that was seen.
    ended: bool,
}

/// The characters of a name, part by part.
type Parts = Vec<Vec<char>>;

impl Alphabet {
    /// Learns from names that are next to each other in a listing.
    pub fn learn<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        let mut last: Option<&str> = None;
        for name in names {
            // Names that differ in their last character only teach nothing new.
            let same = last.map_or(0, |last| last.bytes().zip(name.bytes()).take_while(|(a, b)| a == b).count());
            if same == 0 || same + 1 < name.len() || name.len() != last.map_or(0, str::len) {
                self.step(last.map(parts).unwrap_or_default(), &parts(name));
            } else if let Some((depth, at, c)) = last_char(name) {
                self.see(depth, at, c);
            }
            last = Some(name);
        }
    }

    /// Learns what changes from one name to the next.
    fn step(&mut self, last: Parts, name: &Parts) {
        let mut differ = false;
        for (depth, part) in last.iter().enumerate() {
            for (at, c) in part.iter().enumerate() {
                let other = name.get(depth).map_or(END, |part| at_or_end(part, at));
                if differ && let Some(position) = self.parts.get_mut(depth).and_then(|part| part.get_mut(at)) {
                    position.ended = true;
                }
                differ |= other != *c;
            }
            differ |= name.get(depth).is_none_or(|other| other.len() != part.len());
        }
        for (depth, part) in name.iter().enumerate() {
            part.iter().chain([&END]).enumerate().for_each(|(at, c)| self.see(depth, at, *c));
        }
    }

    fn see(&mut self, depth: usize, at: usize, c: char) {
        if self.parts.len() <= depth {
            self.parts.resize_with(depth + 1, Vec::new);
        }
        let part = &mut self.parts[depth];
        if at >= LONGEST {
            return;
        }
        if part.len() <= at {
            part.resize_with(at + 1, Position::default);
        }
        remember(&mut part[at].seen, c);
        if c.is_alphanumeric() {
            remember(&mut self.all, c);
        }
    }

    /// Returns the name that comes `times` as far behind `from` as `high` is behind `low`; None if there is no such name.
    pub fn ahead(&self, from: &str, low: &str, high: &str, times: u32) -> Option<String> {
        let names = [from, low, high].map(parts);
        let depth = names.iter().map(Vec::len).max().unwrap_or(0);
        let mut sum = Vec::new();
        let mut differ = None;
        for depth in 0..depth {
            let longest = names.iter().filter_map(|name| name.get(depth)).map(Vec::len).max().unwrap_or(0);
            let longest = longest.max(self.parts.get(depth).map_or(0, Vec::len)).min(LONGEST);
            for at in 0..longest {
                let here = names.each_ref().map(|name| name.get(depth).map_or(END, |part| at_or_end(part, at)));
                if here[1] != here[2] {
                    differ.get_or_insert(sum.len());
                }
                if differ.is_some_and(|first| sum.len() >= first + DIGITS) {
                    break;
                }
                let digits = self.digits(depth, at, here);
                let number = here.map(|c| digits.binary_search(&c).unwrap_or(0) as i64);
                sum.push((depth, number[0] + i64::from(times) * (number[2] - number[1]), digits));
            }
        }
        let mut carry = 0;
        for (_, value, digits) in sum.iter_mut().rev() {
            *value += carry;
            carry = value.div_euclid(digits.len() as i64);
            *value = value.rem_euclid(digits.len() as i64);
        }
        if carry != 0 {
            return None;
        }
        let mut name: Vec<String> = Vec::new();
        for depth in 0..depth {
            let part = sum.iter().filter(|(d, ..)| *d == depth).map(|(_, value, digits)| digits[*value as usize]);
            name.push(part.take_while(|c| *c != END).collect());
        }
        Some(name.join("/").trim_end_matches('/').to_string())
    }

    /// Returns the digits of a position, in order. Where names may go on behind the characters that were seen, there are some
    /// more: the letters and digits that were seen elsewhere, or those that follow in an alphabet that is not Latin.
    fn digits(&self, depth: usize, at: usize, here: [char; 3]) -> Vec<char> {
        let mut digits: BTreeSet<char> = here.into();
        let Some(position) = self.parts.get(depth).and_then(|part| part.get(at)) else { return digits.into_iter().collect() };
        digits.extend(&position.seen);
        let letters = || digits.iter().copied().filter(|c| c.is_alphanumeric());
        if let (Some(least), Some(largest), count) = (letters().next(), letters().next_back(), letters().count()) {
            let numerals = least.is_ascii_digit().then_some('0'..='9').into_iter().flatten();
            let gap = ((largest as u32 - least as u32) / count as u32).max(1);
            let foreign =
                (1..=MOST as u32).filter(|_| !largest.is_ascii()).filter_map(|n| char::from_u32(largest as u32 + n * gap));
            let more = numerals.chain(self.all.iter().copied().filter(|c| *c > least)).chain(foreign);
            let more: Vec<char> = more.filter(|c| !position.ended || *c < largest).collect();
            digits.extend(more);
        }
        digits.into_iter().collect()
    }
}

/// Adds a character; those that were first in the listing are forgotten first.
fn remember(seen: &mut BTreeSet<char>, c: char) {
    if seen.insert(c) && seen.len() > MOST {
        seen.pop_first();
    }
}

fn parts(name: &str) -> Parts {
    name.split('/').map(|part| part.chars().collect()).collect()
}

/// Returns the last character of a name and its position.
fn last_char(name: &str) -> Option<(usize, usize, char)> {
    let last = name.rsplit('/').next()?;
    Some((name.matches('/').count(), last.chars().count().checked_sub(1)?, last.chars().last()?))
}

fn at_or_end(part: &[char], at: usize) -> char {
    part.get(at).copied().unwrap_or(END)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alphabet(names: &[String]) -> Alphabet {
        let mut alphabet = Alphabet::default();
        alphabet.learn(names.iter().map(String::as_str));
        alphabet
    }

    #[test]
    fn numbers_go_on_as_numbers() {
        let names: Vec<String> = (1..=1000).map(|n| format!("{n:07}")).collect();
        let alphabet = alphabet(&names);
        assert_eq!(alphabet.ahead("0001000", "0000001", "0001000", 1).unwrap(), "0001999");
        assert_eq!(alphabet.ahead("0009500", "0000001", "0001001", 2).unwrap(), "0011500");
        assert_eq!(alphabet.ahead("9999000", "0000001", "0002001", 1), None, "there is no larger number");
    }

    #[test]
    fn a_folder_is_followed_by_the_next_one() {
        let names: Vec<String> = (1..4).flat_map(|day| (0..500).map(move |n| format!("2026/1/{day}/{n:03}.jpg"))).collect();
        let alphabet = alphabet(&names);
        let next = alphabet.ahead("2026/1/3/400.jpg", "2026/1/1/000.jpg", "2026/1/1/200.jpg", 1).unwrap();
        assert_eq!(next, "2026/1/4/100.jpg", "no folder has a file 500.jpg");
    }

    #[test]
    fn names_of_any_characters_are_valid() {
        let names = ["ä/ö", "ä/ü", "文/件", "文/字", "😀", "😀a"].map(str::to_string);
        let alphabet = alphabet(&names);
        for (from, low, high) in [("ä/ü", "ä/ö", "文/件"), ("文/字", "ä/ö", "ä/ü"), ("😀", "文/件", "😀"), ("", "", "😀a")]
        {
            assert!(alphabet.ahead(from, low, high, 1).is_none_or(|name| !name.contains(END)));
        }
    }
}
