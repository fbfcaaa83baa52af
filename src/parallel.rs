//! Work on many items at once with the results in the order of the items: a feeder thread, some workers, and never more than
//! a window of items in flight, nor more than so many bytes of them.

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A result, or the panic of the worker that should have made it.
type Slot<U> = thread::Result<U>;
/// An item and where its result goes. `None` sends one worker home.
type Task<T, U> = Option<(T, Sender<Slot<U>>)>;

/// How many bytes of records are in flight. Records of the usual size never come near it.
const BUDGET: usize = 24 << 20;

/// Something that takes memory.
pub trait Weigh {
    /// About how many bytes.
    fn weight(&self) -> usize;
}

impl Weigh for crate::snapshot::Place {
    fn weight(&self) -> usize {
        64
    }
}

impl Weigh for String {
    fn weight(&self) -> usize {
        self.len()
    }
}

impl Weigh for crate::name::Name {
    fn weight(&self) -> usize {
        self.as_bytes().len()
    }
}

impl<T: Weigh> Weigh for Option<T> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, Weigh::weight)
    }
}

impl<T: Weigh, E> Weigh for Result<T, E> {
    fn weight(&self) -> usize {
        self.as_ref().map_or(0, Weigh::weight)
    }
}

impl<T: Weigh> Weigh for Vec<T> {
    fn weight(&self) -> usize {
        self.iter().map(Weigh::weight).sum()
    }
}

impl<A: Weigh, B: Weigh> Weigh for (A, B) {
    fn weight(&self) -> usize {
        self.0.weight() + self.1.weight()
    }
}

/// What is in flight, in bytes.
#[derive(Default)]
struct Load {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Load {
    /// Waits until an item fits in, or is the only one.
    fn enter(&self, weight: usize, stop: &AtomicBool) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        while *bytes > 0 && bytes.saturating_add(weight) > BUDGET && !stop.load(Ordering::Relaxed) {
            bytes = self.less.wait(bytes).unwrap_or_else(PoisonError::into_inner);
        }
        *bytes = bytes.saturating_add(weight);
    }

    fn leave(&self, weight: usize) {
        let mut bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        *bytes = bytes.saturating_sub(weight);
        self.less.notify_all();
    }
}

/// Applies `work` to every item on `jobs` threads; the results come in the order of the items.
///
/// The input is read in a thread of its own, at most `window` items and some megabytes ahead of the results that were taken. A panic of `work`
/// or of the input is passed on to whoever takes the results. Dropping the iterator stops everything: items that wait are
/// given up, those in work are finished first. The input itself may be waiting for something (standard input) and is not
/// waited for; it gets no further than its next item.
pub fn ordered_map<T, U>(
    input: impl Iterator<Item = T> + Send + 'static,
    jobs: usize,
    window: usize,
    work: impl Fn(T) -> U + Send + Sync + 'static,
) -> impl Iterator<Item = U>
where
    T: Weigh + Send + 'static,
    U: Send + 'static,
{
    let jobs = jobs.max(1);
    let (tasks_in, tasks_out) = unbounded();
    let (slots_in, slots_out) = bounded(window.max(jobs));
    let (stop, load) = (Arc::new(AtomicBool::new(false)), Arc::new(Load::default()));
    let feeder = {
        let (tasks, stop, load) = (tasks_in.clone(), stop.clone(), load.clone());
        thread::spawn(move || {
            // Whatever ends the feeder, the workers have to go home.
            let fed = catch_unwind(AssertUnwindSafe(|| feed(input, &tasks, &slots_in, &stop, &load)));
            send_home(&tasks, jobs);
            if let Err(panic) = fed {
                resume_unwind(panic);
            }
        })
    };
    let work = Arc::new(work);
    let workers = (0..jobs).map(|_| {
        let (tasks, work, stop) = (tasks_out.clone(), work.clone(), stop.clone());
        thread::spawn(move || run(&tasks, &*work, &stop))
    });
    let workers = workers.collect();
    Ordered { slots: Some(slots_out), tasks: tasks_in, feeder: Some(feeder), workers, stop, load }
}

/// Hands out the items. The order of results is fixed by the queue of slots, which is also what bounds the items in flight.
fn feed<T: Weigh, U>(
    input: impl Iterator<Item = T>,
    tasks: &Sender<Task<T, U>>,
    slots: &Sender<(Receiver<Slot<U>>, usize)>,
    stop: &AtomicBool,
    load: &Load,
) {
    for item in input {
        let (slot_in, slot_out) = bounded(1);
        let weight = item.weight();
        load.enter(weight, stop);
        if stop.load(Ordering::Relaxed) || slots.send((slot_out, weight)).is_err() || tasks.send(Some((item, slot_in))).is_err() {
            return;
        }
    }
}

fn run<T, U>(tasks: &Receiver<Task<T, U>>, work: &impl Fn(T) -> U, stop: &AtomicBool) {
    while let Ok(Some((item, slot))) = tasks.recv() {
        if !stop.load(Ordering::Relaxed) {
            // Nobody may want the result any more; that is no trouble.
            let _ = slot.send(catch_unwind(AssertUnwindSafe(|| work(item))));
        }
    }
}

fn send_home<T, U>(tasks: &Sender<Task<T, U>>, workers: usize) {
    for _ in 0..workers {
        // It fails where all have gone already.
        let _ = tasks.send(None);
    }
}

struct Ordered<T, U> {
    slots: Option<Receiver<(Receiver<Slot<U>>, usize)>>,
    tasks: Sender<Task<T, U>>,
    feeder: Option<JoinHandle<()>>,
    workers: Vec<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    load: Arc<Load>,
}

impl<T, U> Iterator for Ordered<T, U> {
    type Item = U;

    fn next(&mut self) -> Option<U> {
        let Ok((slot, weight)) = self.slots.as_ref()?.recv() else {
            self.slots = None;
            if let Some(Err(panic)) = self.feeder.take().map(JoinHandle::join) {
                resume_unwind(panic);
            }
            return None;
        };
        let result = slot.recv();
        self.load.leave(weight);
        match result {
            Ok(Ok(result)) => Some(result),
            Ok(Err(panic)) => resume_unwind(panic),
            // The feeder was stopped by its own panic between the slot and the item.
            Err(_) => self.next(),
        }
    }
}

impl<T, U> Drop for Ordered<T, U> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.load.leave(0);
        self.slots = None;
        send_home(&self.tasks, self.workers.len());
        for worker in self.workers.drain(..) {
            // Its panics went through the slots.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests {
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
    fn nothing_in_nothing_out() {
        assert_eq!(ordered_map(std::iter::empty::<u8>(), 0, 0, |n| n).count(), 0);
    }
}
