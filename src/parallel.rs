//! Work on many items at once, with the results in the order of the items: a feeder thread, some workers, and a limit for the
//! items in flight and for their bytes.
//!
//! If the system provides fewer threads than requested, the available ones do the work, or else the thread of the caller.

mod at_once;
mod weigh;

pub use at_once::at_once;
pub use weigh::Weigh;

use crate::error::named;
use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};

/// A result, or the panic of the worker.
type Slot<U> = thread::Result<U>;
/// An item and the channel for its result. `None` ends one worker.
type Task<T, U> = Option<(T, Sender<Slot<U>>)>;

/// The limit for the bytes in flight. Records of usual size never come near it.
const BUDGET: usize = 24 << 20;

/// A task of this many bytes gets no further items.
const TASK_WEIGHT: usize = 1 << 20;

/// The limit for threads: more only wait for each other.
pub const MOST_JOBS: usize = 512;
/// The limit for a window, for any number of jobs.
const MOST_WINDOW: usize = 64 << 10;

/// Cuts a stream into tasks of at most `size` items, which go through a worker together: they share the cost of a channel. Nothing
/// follows an error.
pub struct Tasks<I> {
    items: I,
    size: usize,
    failed: bool,
}

impl<I> Tasks<I> {
    /// Cuts these items.
    pub fn new(items: I, size: usize) -> Tasks<I> {
        Tasks { items, size, failed: false }
    }
}

impl<T: Weigh, E, I: Iterator<Item = Result<T, E>>> Iterator for Tasks<I> {
    type Item = Vec<Result<T, E>>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut task = Vec::with_capacity(self.size);
        let mut weight = 0;
        while task.len() < self.size && weight < TASK_WEIGHT && !self.failed {
            let Some(item) = self.items.next() else { break };
            self.failed = item.is_err();
            weight += item.weight();
            task.push(item);
        }
        (!task.is_empty()).then_some(task)
    }
}

/// Returns the number of items in a task, of at most `size`, so that all workers get some of the items in a window.
pub fn task_of(size: usize, window: usize, jobs: usize) -> usize {
    (window / jobs.max(1) / 4).clamp(1, size)
}

/// The bytes that several threads hold at once, limited to a number.
pub struct Room {
    limit: usize,
    load: Load,
}

impl Room {
    /// Returns an empty room for this number of bytes.
    pub fn new(limit: usize) -> Room {
        Room { limit, load: Load::default() }
    }

    /// Waits until there is room for this number of bytes, or nothing in the room. The room is free when the result is dropped.
    pub fn take(&self, bytes: usize) -> impl Drop + '_ {
        struct Taken<'a>(&'a Load, usize);
        impl Drop for Taken<'_> {
            fn drop(&mut self) {
                self.0.leave(self.1);
            }
        }
        self.load.enter(bytes, self.limit, &AtomicBool::new(false));
        Taken(&self.load, bytes)
    }
}

/// The bytes in flight.
#[derive(Default)]
struct Load {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Load {
    /// Waits until an item fits into this number of bytes, or is the only one.
    fn enter(&self, weight: usize, limit: usize, stop: &AtomicBool) {
        let mut bytes = lock(&self.bytes);
        while *bytes > 0 && bytes.saturating_add(weight) > limit && !stop.load(Ordering::Relaxed) {
            bytes = self.less.wait(bytes).unwrap_or_else(PoisonError::into_inner);
        }
        *bytes = bytes.saturating_add(weight);
    }

    fn leave(&self, weight: usize) {
        let mut bytes = lock(&self.bytes);
        *bytes = bytes.saturating_sub(weight);
        self.less.notify_all();
    }
}

/// Applies `work` to every item on `jobs` threads; the results come in the order of the items.
///
/// A separate thread reads the input, at most `window` items and some megabytes ahead of the results that were taken. A panic of
/// `work` or of the input is passed on to the thread that takes the results. Dropping the iterator stops everything: items that
/// wait are dropped, and items in work are finished first. The input may be waiting for standard input and is not waited for; it
/// ends at its next item.
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
    let jobs = jobs.clamp(1, MOST_JOBS);
    let (tasks_in, tasks_out) = unbounded();
    let (slots_in, slots_out) = bounded(window.clamp(jobs, MOST_WINDOW));
    let (stop, load) = (Arc::new(AtomicBool::new(false)), Arc::new(Load::default()));
    let work = Arc::new(work);
    let start = |_| {
        let (tasks, work, stop) = (tasks_out.clone(), work.clone(), stop.clone());
        spawn(move || run(&tasks, &*work, &stop)).ok()
    };
    let workers: Vec<JoinHandle<()>> = (0..jobs).map_while(start).collect();
    // If there is no thread for the feeder, the caller needs the input.
    let input = Arc::new(Mutex::new(Some(input)));
    let feeder = (!workers.is_empty()).then(|| {
        let (tasks, stop, load, input, workers) = (tasks_in.clone(), stop.clone(), load.clone(), input.clone(), workers.len());
        spawn(move || {
            let Some(input) = take(&input) else { return };
            // However the feeder ends, the workers have to end too.
            let fed = catch_unwind(AssertUnwindSafe(|| feed(input, &tasks, &slots_in, &stop, &load)));
            end_workers(&tasks, workers);
            if let Err(panic) = fed {
                resume_unwind(panic);
            }
        })
    });
    let threads = |feeder| Ordered { slots: Some(slots_out), tasks: tasks_in, feeder, workers, stop, load };
    match feeder {
        Some(Ok(feeder)) => Either::Threads(threads(Some(feeder))),
        _ => {
            drop(threads(None));
            Either::Own(take(&input).into_iter().flatten().map(move |item| work(item)))
        }
    }
}

/// Locks a value. If a thread panicked while it held the lock, the value is used as that thread left it.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take<T>(place: &Mutex<Option<T>>) -> Option<T> {
    lock(place).take()
}

/// Starts a thread.
///
/// # Errors
/// If the system provides none.
pub fn spawn<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> io::Result<JoinHandle<T>> {
    let none = |e: io::Error| named("can't start a thread", &e);
    thread::Builder::new().spawn(work).map_err(none)
}

/// Results of other threads, or of the thread that asks for them.
enum Either<A, B> {
    Threads(A),
    Own(B),
}

impl<T, A: Iterator<Item = T>, B: Iterator<Item = T>> Iterator for Either<A, B> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match self {
            Either::Threads(results) => results.next(),
            Either::Own(results) => results.next(),
        }
    }
}

/// Runs an iterator in a separate thread, at most `window` items ahead of those that were taken. Its panic is passed on to the
/// thread that takes the items. Dropping waits until the item in work is done.
pub fn ahead<T: Send + 'static>(
    input: impl Iterator<Item = T> + Send + 'static,
    window: usize,
) -> impl Iterator<Item = T> + Send {
    let input = Arc::new(Mutex::new(Some(input)));
    let there = input.clone();
    let started = produced(window, move |sender| {
        for item in take(&there).into_iter().flatten() {
            if sender.send(item).is_err() {
                return;
            }
        }
    });
    match started {
        Ok(mut items) => {
            items.waits = true;
            Either::Threads(items)
        }
        Err(_) => Either::Own(take(&input).into_iter().flatten()),
    }
}

/// Returns the items that `produce` sends from a separate thread, at most `window` items ahead. Its panic is passed on to the
/// thread that takes the items, so that an early stop never looks like the end.
///
/// # Errors
/// If the system provides no thread.
pub fn produced<T: Send + 'static>(window: usize, produce: impl FnOnce(&Sender<T>) + Send + 'static) -> io::Result<Ahead<T>> {
    let (sender, receiver) = bounded(window);
    let thread = spawn(move || produce(&sender))?;
    Ok(Ahead { items: Some(receiver), thread: Some(thread), waits: false })
}

/// The items that another thread sends.
pub struct Ahead<T> {
    items: Option<Receiver<T>>,
    thread: Option<JoinHandle<()>>,
    waits: bool,
}

impl<T> Iterator for Ahead<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if let Ok(item) = self.items.as_ref()?.recv() {
            return Some(item);
        }
        self.items = None;
        if let Some(Err(panic)) = self.thread.take().map(JoinHandle::join) {
            resume_unwind(panic);
        }
        None
    }
}

impl<T> Drop for Ahead<T> {
    fn drop(&mut self) {
        self.items = None;
        if let Some(thread) = self.thread.take().filter(|_| self.waits) {
            // A panic was passed on before, or there is no one to pass it on to.
            let _ = thread.join();
        }
    }
}

/// Returns the number of processors that this process may use.
pub fn processors() -> usize {
    thread::available_parallelism().map_or(2, |n| n.get())
}

/// Returns the threads for work in memory: one for each processor, or as many as the system provides.
fn pool() -> Option<&'static ThreadPool> {
    static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();
    let fewer = std::iter::successors(Some(processors() / 2), |n| Some(n / 2)).take_while(|n| *n > 0);
    // 0 means the default number.
    let build = || std::iter::once(0).chain(fewer).find_map(|n| ThreadPoolBuilder::new().num_threads(n).build().ok());
    POOL.get_or_init(build).as_ref()
}

/// Applies `work` to all items with their numbers, in parallel. It is for work that needs a processor and waits for nothing.
pub fn map<T: Sync, U: Send>(items: &[T], work: impl Fn(usize, &T) -> U + Send + Sync) -> Vec<U> {
    match pool() {
        Some(pool) => pool.install(|| items.par_iter().enumerate().map(|(n, item)| work(n, item)).collect()),
        None => items.iter().enumerate().map(|(n, item)| work(n, item)).collect(),
    }
}

/// Something to do in another thread.
pub type Job<'a> = Box<dyn FnOnce() + Send + 'a>;

/// Does `jobs`, which need processors and wait for nothing, in other threads, the first ones first. Meanwhile does `here`, which
/// may wait for input and output, in the thread of the caller. Returns when everything is done.
pub fn beside<'a, T>(jobs: impl IntoIterator<Item = Job<'a>>, here: impl FnOnce() -> T) -> T {
    let jobs = jobs.into_iter();
    match pool() {
        Some(pool) => pool.in_place_scope(|scope| {
            jobs.for_each(|job| scope.spawn(|_| job()));
            here()
        }),
        None => {
            jobs.for_each(|job| job());
            here()
        }
    }
}

/// Hands out the items. The queue of slots fixes the order of the results and limits the items in flight.
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
        load.enter(weight, BUDGET, stop);
        if stop.load(Ordering::Relaxed) || slots.send((slot_out, weight)).is_err() || tasks.send(Some((item, slot_in))).is_err() {
            return;
        }
    }
}

fn run<T, U>(tasks: &Receiver<Task<T, U>>, work: &impl Fn(T) -> U, stop: &AtomicBool) {
    while let Ok(Some((item, slot))) = tasks.recv() {
        if !stop.load(Ordering::Relaxed) {
            // It fails if the result is no longer wanted.
            let _ = slot.send(catch_unwind(AssertUnwindSafe(|| work(item))));
        }
    }
}

fn end_workers<T, U>(tasks: &Sender<Task<T, U>>, workers: usize) {
    for _ in 0..workers {
        // It fails if all workers have ended.
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
        end_workers(&self.tasks, self.workers.len());
        for worker in self.workers.drain(..) {
            // Its panics went through the slots.
            let _ = worker.join();
        }
    }
}

#[cfg(test)]
mod tests;
