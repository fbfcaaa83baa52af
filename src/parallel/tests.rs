use super::*;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

impl Weigh for usize {
    fn weight(&self) -> usize {
        *self
    }
}
impl Weigh for u64 {
    fn weight(&self) -> usize {
        8
    }
}
impl Weigh for u8 {
    fn weight(&self) -> usize {
        1
    }
}

#[test]
fn heavy_items_go_one_by_one_and_none_is_lost() {
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = begun.clone();
    let input = std::iter::repeat_n(BUDGET, 50).inspect(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    for (taken, _) in ordered_map(input, 4, 64, |n: usize| n).enumerate() {
        assert!(begun.load(Ordering::SeqCst) <= taken + 3, "too much in flight");
    }
    assert_eq!(begun.load(Ordering::SeqCst), 50);
    assert_eq!(ordered_map(std::iter::repeat(BUDGET), 2, 64, |n: usize| n).take(3).count(), 3);
}

#[test]
fn results_come_in_order_and_the_window_holds() {
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = begun.clone();
    let input = (0..1000usize).inspect(move |_| {
        seen.fetch_add(1, Ordering::SeqCst);
    });
    let results = ordered_map(input, 4, 8, |n| {
        thread::sleep(Duration::from_micros((n * 7919 % 13) as u64 * 20));
        n * 2
    });
    for (taken, result) in results.enumerate() {
        assert_eq!(result, taken * 2);
        assert!(begun.load(Ordering::SeqCst) <= taken + 1 + 8 + 2, "too far ahead");
    }
    assert_eq!(begun.load(Ordering::SeqCst), 1000);
}

#[test]
fn dropping_stops_even_an_endless_input_and_one_that_hangs() {
    assert_eq!(ordered_map(0.., 3, 5, |n: u64| n + 1).take(10).sum::<u64>(), 55);
    let (_keep, never) = unbounded::<u8>();
    drop(ordered_map(never.into_iter(), 2, 2, |n| n));
}

#[test]
fn panics_are_passed_on() {
    let outcome = catch_unwind(|| ordered_map(0..100u64, 2, 4, |n| assert!(n != 50, "fifty")).count());
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"fifty"));
    let input = (0..100u64).inspect(|n| assert!(*n != 30, "thirty"));
    let outcome = catch_unwind(AssertUnwindSafe(|| ordered_map(input, 2, 4, |n| n).count()));
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"thirty"));
}

#[test]
fn more_jobs_than_there_can_be_threads_do_the_work() {
    assert_eq!(ordered_map(0..1000u64, 1 << 40, 1 << 50, |n| n).sum::<u64>(), 499_500);
}

#[test]
fn what_is_ahead_comes_in_order_and_no_further_than_the_window() {
    let begun = Arc::new(AtomicUsize::new(0));
    let seen = begun.clone();
    let items = ahead(
        (0..100usize).inspect(move |_| {
            seen.fetch_add(1, Ordering::SeqCst);
        }),
        3,
    );
    for (taken, item) in items.enumerate() {
        assert_eq!(taken, item);
        assert!(begun.load(Ordering::SeqCst) <= taken + 3 + 2);
    }
    let outcome = catch_unwind(|| ahead((0..9u64).inspect(|n| assert!(*n != 5, "five")), 1).count());
    assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"five"));
    drop(ahead(0.., 1));
}

#[test]
fn slices_are_worked_on_in_order() {
    assert_eq!(map(&[5, 6, 7], |n, item| n * 10 + item), [5, 16, 27]);
    let mut doubled = [1, 2, 3];
    let jobs = doubled.iter_mut().map(|n| -> Job { Box::new(|| *n *= 2) });
    assert_eq!((beside(jobs, || "here"), doubled), ("here", [2, 4, 6]));
}

#[test]
fn nothing_in_nothing_out() {
    assert_eq!(ordered_map(std::iter::empty::<u8>(), 0, 0, |n| n).count(), 0);
}
