//! The model of `model.rs` for a heap in a service: an object has an etag in place of an inode number, and a deletion has a
//! condition. An etag is a digest of the bytes: an object without a time in its header always has the same one.

use crate::util::measure::{figure, many};
use std::collections::HashSet;

/// Ticks of the grace; half of it is one.
const GRACE: u8 = 2;
/// When time ends.
const LAST: u8 = 5;

/// An etag; that of the object without a time is 0.
type Etag = u8;

/// The lists: each with its number, and its entries, an etag and since when it is condemned.
type Lists = Vec<(u8, Vec<(Etag, u8)>)>;

fn since(lists: &Lists, etag: Etag) -> Option<u8> {
    lists.iter().flat_map(|(_, list)| list).filter(|e| e.0 == etag).map(|e| e.1).min()
}

fn names_any(lists: &Lists) -> bool {
    lists.iter().any(|(_, list)| !list.is_empty())
}

/// A backup: snap-heapify, then snap-write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Writer {
    at: W,
    known: Lists,
    /// When it read the lists first, and whether there were any.
    began: (u8, bool),
    has_stored: bool,
    /// What snap-write has read, and when.
    guard: (Lists, u8),
    /// When the last look of snap-heapify began.
    last_look: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum W {
    #[default]
    Load,
    Look,
    /// A look at the object that a list names, and whether this is the last round.
    Claim(bool),
    /// It is read, and will be stored with another time.
    Anew(bool),
    Store,
    /// Another writer's object was there.
    Inspect,
    /// A look at what was just stored.
    Check,
    Confirm,
    /// It stored without a time, and the first list came meanwhile.
    Again,
    Guard,
    Guarded,
    Publish,
    Published,
    Over,
}

/// A snap-gc.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Gc {
    at: G,
    runs: u8,
    now: u8,
    known: Lists,
    is_referenced: bool,
    seen: Etag,
    /// Entries of the list to be written; those without a time are new.
    next: Vec<(Etag, Option<u8>)>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum G {
    #[default]
    Clock,
    Load,
    References,
    Judge,
    Delete,
    List,
    /// So many of the old lists are still to be deleted.
    Drop(u8),
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    object: Option<Etag>,
    /// Etags and lists that were ever made.
    etags: u8,
    numbers: u8,
    clock: u8,
    lists: Lists,
    writers: Vec<Writer>,
    gcs: Vec<Gc>,
    /// Whether snap-write knows the heap root. If so, any time can pass before it begins.
    is_guarded: bool,
}

/// Faults that a model without teeth would not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// snap-heapify does not look again at its end.
    NoConfirm,
    /// What is condemned is stored with the same bytes.
    NoTime,
    /// What was deleted is stored with the bytes that it had.
    NoTimeForNew,
    /// The last entry takes the last list with it.
    NoEmptyList,
    /// A writer that began before the first list does not look again whether there is one.
    NoSecondLook,
    /// snap-write does not look.
    NoGuard,
    /// The service ignores the condition of a deletion.
    Ignores,
    /// snap-gc looks at the clock after it has read the snapshots.
    LateClock,
}

impl State {
    fn new(writers: usize, gcs: usize, object: Option<Etag>, is_guarded: bool) -> State {
        State {
            is_guarded,
            object,
            etags: 1,
            numbers: 0,
            clock: 0,
            lists: Lists::default(),
            writers: vec![Writer::default(); writers],
            gcs: vec![Gc::default(); gcs],
        }
    }

    /// The object was condemned a grace period ago, when the first writer had just looked which lists there are.
    fn condemned(&self) -> State {
        let mut state = State { lists: vec![(0, vec![(0, 0)])], numbers: 1, clock: GRACE, ..self.clone() };
        state.writers[0].at = W::Look;
        state
    }

    fn is_referenced(&self) -> bool {
        self.writers.iter().any(|w| w.at == W::Published)
    }

    /// Stores an object, with a time or without.
    fn put(&mut self, has_time: bool) {
        self.object = Some(0);
        if has_time {
            self.object = Some(self.etags);
            self.etags += 1;
        }
    }

    /// All that can happen next.
    fn next(&self, fault: Fault) -> Vec<State> {
        let mut out = Vec::new();
        if self.clock < LAST {
            out.push(State { clock: self.clock + 1, ..self.clone() });
        }
        for n in 0..self.writers.len() {
            self.write(n, fault, &mut out);
        }
        for n in 0..self.gcs.len() {
            self.collect(n, fault, &mut out);
        }
        out
    }

    fn write(&self, n: usize, fault: Fault, out: &mut Vec<State>) {
        let writer = &self.writers[n];
        let mut state = self.clone();
        let w = &mut state.writers[n];
        let is_condemned = |lists: &Lists| self.object.is_some_and(|etag| since(lists, etag).is_some());
        let end = if self.is_guarded { W::Guard } else { W::Publish };
        let after = |last: bool| if last { end } else { W::Confirm };
        match writer.at {
            W::Load => {
                (w.known, w.began) = (self.lists.clone(), (self.clock, !self.lists.is_empty()));
                w.at = W::Look;
            }
            W::Look => {
                w.at = match (self.object, names_any(&writer.known)) {
                    (None, _) => W::Store,
                    (Some(_), true) => W::Claim(false),
                    (Some(_), false) => W::Confirm,
                }
            }
            W::Claim(last) => {
                w.at = match self.object {
                    Some(_) if is_condemned(&writer.known) => W::Anew(last),
                    Some(_) => after(last),
                    None if last => W::Over,
                    None => W::Store,
                }
            }
            W::Anew(last) => {
                w.at = W::Claim(last);
                if fault == Fault::NoTime {
                    w.at = after(last);
                }
                state.put(fault != Fault::NoTime);
            }
            W::Store => match self.object {
                None => {
                    (w.at, w.has_stored) = (W::Check, true);
                    let looks_again = self.clock >= writer.began.0 + GRACE / 2 && fault != Fault::NoSecondLook;
                    let knows = !writer.known.is_empty() || looks_again && !self.lists.is_empty();
                    let has_time = knows && fault != Fault::NoTimeForNew;
                    state.put(has_time);
                }
                Some(_) => w.at = W::Inspect,
            },
            W::Inspect => w.at = if self.object.is_some() { W::Check } else { W::Over },
            W::Check => {
                let is_bad = names_any(&writer.known) && (self.object.is_none() || is_condemned(&writer.known));
                w.at = if is_bad && fault != Fault::NoTimeForNew { W::Over } else { W::Confirm };
            }
            W::Confirm if fault == Fault::NoConfirm => (w.at, w.last_look) = (end, self.clock),
            W::Confirm => {
                let was = std::mem::replace(&mut w.known, self.lists.clone());
                w.last_look = self.clock;
                let is_first = !writer.began.1 && !self.lists.is_empty();
                let is_overtaken = is_first && writer.has_stored && self.clock >= writer.began.0 + GRACE;
                w.at = match () {
                    () if is_overtaken => W::Again,
                    () if was != self.lists || names_any(&self.lists) => W::Claim(true),
                    () => end,
                };
            }
            W::Again => {
                w.at = if self.object.is_some() { W::Claim(true) } else { W::Over };
                if self.object.is_some() {
                    state.put(true);
                }
            }
            W::Guard => (w.guard, w.last_look, w.at) = ((self.lists.clone(), self.clock), self.clock, W::Guarded),
            W::Guarded => {
                let (lists, now) = &writer.guard;
                let is_old = self.object.and_then(|etag| since(lists, etag)).is_some_and(|s| now.saturating_sub(s) > GRACE / 2);
                let is_gone = !lists.is_empty() && self.object.is_none();
                w.at = if (is_old || is_gone) && fault != Fault::NoGuard { W::Over } else { W::Publish };
            }
            // It has to appear within half of the grace.
            W::Publish if self.clock < writer.last_look + GRACE / 2 => w.at = W::Published,
            // snap-forget drops the snapshot.
            W::Published => w.at = W::Over,
            W::Publish | W::Over => return,
        }
        out.push(state);
    }

    fn collect(&self, n: usize, fault: Fault, out: &mut Vec<State>) {
        let gc = &self.gcs[n];
        if gc.at == G::Over {
            return;
        }
        // Stopped for good.
        if gc.at != G::Clock {
            let mut state = self.clone();
            state.gcs[n].again();
            out.push(state);
        }
        let mut state = self.clone();
        let g = &mut state.gcs[n];
        match gc.at {
            G::Clock => (g.now, g.at) = (self.clock, G::Load),
            G::Load => (g.known, g.at) = (self.lists.clone(), G::References),
            G::References => {
                (g.is_referenced, g.at) = (self.is_referenced(), G::Judge);
            }
            G::Judge => {
                g.at = G::List;
                if fault == Fault::LateClock {
                    g.now = self.clock;
                }
                if let Some(etag) = self.object {
                    match since(&gc.known, etag) {
                        Some(since) if gc.is_referenced => g.next.push((etag, Some(since))),
                        Some(since) if g.now >= since + GRACE => (g.seen, g.at) = (etag, G::Delete),
                        Some(since) => g.next.push((etag, Some(since))),
                        None if gc.is_referenced => {}
                        None => g.next.push((etag, None)),
                    }
                }
            }
            G::Delete => {
                g.at = G::List;
                state.object = self.object.filter(|etag| *etag != gc.seen && fault != Fault::Ignores);
            }
            G::List => {
                let known: usize = gc.known.iter().map(|(_, list)| list.len()).sum();
                let is_same = gc.next.len() == known && gc.next.iter().all(|e| e.1.is_some()) && gc.known.len() <= 1;
                g.at = G::Drop(gc.known.len() as u8);
                if is_same {
                    g.again();
                } else if !gc.next.is_empty() || fault != Fault::NoEmptyList {
                    let list = gc.next.iter().map(|(etag, since)| (*etag, since.unwrap_or(self.clock))).collect();
                    state.lists.push((self.numbers, list));
                    state.numbers += 1;
                }
            }
            G::Drop(0) => g.again(),
            G::Drop(left) => {
                let number = gc.known[left as usize - 1].0;
                g.at = G::Drop(left - 1);
                state.lists.retain(|(other, _)| *other != number);
            }
            G::Over => return,
        }
        out.push(state);
    }
}

impl Gc {
    /// The next run, if there is one.
    fn again(&mut self) {
        let runs = self.runs + 1;
        *self = Gc { runs, at: if runs < 3 { G::Clock } else { G::Over }, ..Gc::default() };
    }
}

fn is_lost(state: &State) -> bool {
    state.is_referenced() && state.object.is_none()
}

/// Runs all orders, up to so many states; how many there were, and a state in which something is lost.
fn search(start: State, fault: Fault, most: usize) -> (usize, Option<State>) {
    let mut seen = HashSet::new();
    let mut open = vec![start];
    while let Some(state) = open.pop() {
        if is_lost(&state) {
            return (seen.len(), Some(state));
        }
        if seen.len() < most && seen.insert(fingerprint(&state)) {
            open.extend(state.next(fault).into_iter().filter(|next| !seen.contains(&fingerprint(next))));
        }
    }
    (seen.len(), None)
}

/// States are told apart by 128 bits, so that many can be held.
fn fingerprint(state: &State) -> u128 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let half = |salt: u64| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        state.hash(&mut hasher);
        hasher.finish()
    };
    u128::from(half(1)) << 64 | u128::from(half(2))
}

/// Runs one order after the other, at random; a state in which something is lost.
fn wander(start: &State, fault: Fault, schedules: u64) -> Option<State> {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..schedules {
        let mut state = start.clone();
        loop {
            if is_lost(&state) {
                return Some(state);
            }
            let mut next = state.next(fault);
            if next.is_empty() {
                break;
            }
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            state = next.swap_remove((random % next.len() as u64) as usize);
        }
    }
    None
}

#[test]
fn nothing_that_is_referred_to_is_deleted_in_any_order() {
    for (writers, gcs, object) in [(1, 1, Some(0)), (1, 1, None), (1, 2, Some(0)), (2, 1, Some(0)), (2, 1, None)] {
        let (mut states, most) = (0, many(100_000, 3_000_000));
        for is_guarded in [false, true] {
            let (seen, lost) = search(State::new(writers, gcs, object, is_guarded), Fault::None, most);
            assert!(lost.is_none(), "lost: {lost:#?}");
            states += seen;
        }
        let all = if states < most { "all" } else { "the first" };
        figure(36, &format!("{writers} writers and {gcs} gcs, three runs each: {all} {states} states, nothing lost"));
    }
    let schedules = many(50_000, 1_000_000);
    for is_guarded in [false, true] {
        let start = State::new(2, 2, Some(0), is_guarded);
        assert_eq!(wander(&start, Fault::None, schedules), None);
        assert_eq!(wander(&start.condemned(), Fault::None, schedules), None);
    }
    figure(36, &format!("2 writers and 2 gcs: {} random schedules, nothing lost", 4 * schedules));
}

#[test]
fn the_model_sees_faults() {
    let faults = [
        Fault::NoConfirm,
        Fault::NoTime,
        Fault::NoTimeForNew,
        Fault::NoEmptyList,
        Fault::NoSecondLook,
        Fault::NoGuard,
        Fault::Ignores,
        Fault::LateClock,
    ];
    let is_seen = |fault: &Fault| {
        [false, true].into_iter().any(|guarded| search(State::new(1, 1, Some(0), guarded), *fault, 300_000).1.is_some())
            || wander(&State::new(2, 2, Some(0), false).condemned(), *fault, 1_000_000).is_some()
    };
    let unseen: Vec<_> = faults.iter().filter(|fault| !is_seen(fault)).collect();
    assert!(unseen.is_empty(), "not seen: {unseen:?}");
    figure(36, &format!("{} of {} planted faults seen", faults.len(), faults.len()));
}
