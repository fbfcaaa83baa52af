//! The greatest of many things, without holding the others.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The rows of a table of the largest things.
pub const ROWS: usize = 30;

/// Keeps the greatest things that were added.
pub struct Top<T> {
    limit: usize,
    /// The least of them first.
    kept: BinaryHeap<Reverse<T>>,
    added: u64,
}

impl<T: Ord> Top<T> {
    /// Returns a collection that keeps this many things.
    pub fn new(limit: usize) -> Top<T> {
        Top { limit, kept: BinaryHeap::with_capacity(limit + 1), added: 0 }
    }

    /// Counts a thing. It is made only if it may be kept: `beats` says whether it is greater than the least one.
    pub fn add(&mut self, beats: impl FnOnce(&T) -> bool, make: impl FnOnce() -> T) {
        self.added += 1;
        let full = self.kept.len() == self.limit;
        if full && !self.kept.peek().is_some_and(|Reverse(least)| beats(least)) {
            return;
        }
        self.kept.push(Reverse(make()));
        if full {
            self.kept.pop();
        }
    }

    /// Returns the things that are kept, the greatest first, and the number of the others.
    pub fn finish(self) -> (Vec<T>, u64) {
        let kept: Vec<T> = self.kept.into_sorted_vec().into_iter().map(|Reverse(thing)| thing).collect();
        let others = self.added - kept.len() as u64;
        (kept, others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_are_kept_and_the_others_counted() {
        let mut top = Top::new(3);
        for n in [5, 1, 9, 7, 3, 9] {
            top.add(|least| n > *least, || n);
        }
        assert_eq!(top.finish(), (vec![9, 9, 7], 3));
        assert_eq!(Top::<u8>::new(3).finish(), (vec![], 0));
    }
}
