//! A model of what `snap-heapify`, `snap-write` and `snap-gc` do to one object, step by step, run in all orders: nothing that a
//! snapshot refers to is ever deleted. Faults planted in the model show that it would see one.
//!
//! A step is what happens at once in the file system: a rename, a list that is read (the tools read lists again until they stand
//! still), a look at an object. Any process may be stopped for good before any of its steps. Time goes on at any moment; what is
//! taken for granted is what the manual asks for: that a snapshot appears within half of the grace after the last look.

use crate::util::measure::{figure, many};
use std::collections::HashSet;

/// Ticks of the grace; half of it is one.
const GRACE: u8 = 2;
/// When time ends.
const LAST: u8 = 5;

/// An object as it is: a rename of a new one or a new time makes another of it.
type Version = u8;

/// An entry of a list of what is condemned: the object, and since when.
type Entry = (Version, u8);

/// Which lists there are, each with its number, and how often the folder has changed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Lists {
    lists: Vec<(u8, Vec<Entry>)>,
    changes: u8,
}

impl Lists {
    fn find(&self, version: Version) -> Option<u8> {
        self.lists.iter().flat_map(|(_, list)| list).filter(|e| e.0 == version).map(|e| e.1).min()
    }

    fn is_empty(&self) -> bool {
        self.lists.iter().all(|(_, list)| list.is_empty())
    }
}

/// A backup: snap-heapify, then snap-write, which may begin at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Writer {
    at: W,
    known: Lists,
    /// What snap-write has read, and when.
    guard: Option<(Lists, u8)>,
    is_checked: bool,
    /// When the last look began.
    last_look: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum W {
    #[default]
    Load,
    Look,
    /// Renewing: a look at the object, and whether this is the last round of snap-heapify.
    Stat(bool),
    Touch(bool),
    Store,
    /// Another writer's object was there.
    Inspect,
    Confirm,
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
    seen: Version,
    /// Entries of the list to be written; those without a time are new.
    next: Vec<(Version, Option<u8>)>,
    aside: Option<Version>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum G {
    #[default]
    Clock,
    Load,
    References,
    Recover,
    Judge,
    Unchanged,
    Away,
    UnchangedAway,
    Unlink,
    Begin,
    Name(u8),
    /// So many of the old lists are still to be deleted.
    Drop(u8),
    Over,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    object: Option<Version>,
    /// Versions and lists that were ever made.
    versions: u8,
    numbers: u8,
    clock: u8,
    lists: Lists,
    writers: Vec<Writer>,
    gcs: Vec<Gc>,
}

/// Faults that a model without teeth would not see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// snap-heapify does not look again at its end.
    NoConfirm,
    /// It does not renew.
    NoRenew,
    /// snap-write does not look.
    NoGuard,
    /// snap-gc deletes without a last look at what it has put aside.
    NoLastLook,
    /// It looks at the clock after it has read the snapshots.
    LateClock,
    /// Entries count from when their list was begun, not from when others can see it.
    CountsFromBegin,
}

impl State {
    fn new(writers: usize, gcs: usize) -> State {
        State {
            object: Some(0),
            versions: 1,
            numbers: 0,
            clock: 0,
            lists: Lists::default(),
            writers: vec![Writer::default(); writers],
            gcs: vec![Gc::default(); gcs],
        }
    }

    fn is_referenced(&self) -> bool {
        self.writers.iter().any(|w| w.at == W::Published)
    }

    /// Whether somebody could restore a snapshot: what is aside is found too.
    fn is_there(&self) -> bool {
        self.object.is_some() || self.gcs.iter().any(|gc| gc.aside.is_some())
    }

    fn anew(&mut self) -> Option<Version> {
        self.versions += 1;
        Some(self.versions - 1)
    }

    /// What is aside gets its name back, or goes where there is an object again.
    fn put_back(&mut self) -> bool {
        let mut found = false;
        for gc in &mut self.gcs {
            if let Some(version) = gc.aside.take() {
                found = true;
                self.object.get_or_insert(version);
            }
        }
        found
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
        if matches!(writer.at, W::Published) {
            // snap-forget drops the snapshot.
            let mut state = self.clone();
            state.writers[n].at = W::Over;
            out.push(state);
            return;
        }
        if matches!(writer.at, W::Over) {
            return;
        }
        let mut state = self.clone();
        let has_record = matches!(writer.at, W::Confirm | W::Publish);
        match &writer.guard {
            None => {
                let mut state = self.clone();
                let w = &mut state.writers[n];
                w.guard = Some((self.lists.clone(), self.clock));
                w.last_look = self.clock;
                out.push(state);
            }
            Some((lists, now)) if has_record && !writer.is_checked => {
                let mut state = self.clone();
                let refused = match self.object {
                    None => true,
                    Some(version) => lists.find(version).is_some_and(|since| now.saturating_sub(since) > GRACE / 2),
                };
                match refused && fault != Fault::NoGuard {
                    true => state.writers[n].at = W::Over,
                    false => state.writers[n].is_checked = true,
                }
                out.push(state);
            }
            Some(_) => {}
        }
        let begin = |w: &mut Writer, last: bool| match w.known.is_empty() || fault == Fault::NoRenew {
            true => w.at = if last { W::Publish } else { W::Confirm },
            false => w.at = W::Stat(last),
        };
        match writer.at {
            W::Load => {
                state.writers[n].known = self.lists.clone();
                state.writers[n].at = W::Look;
            }
            W::Look => match self.object {
                Some(_) => begin(&mut state.writers[n], false),
                None => state.writers[n].at = W::Store,
            },
            W::Stat(last) => match self.object {
                Some(version) if writer.known.find(version).is_some() => state.writers[n].at = W::Touch(last),
                Some(_) => state.writers[n].at = if last { W::Publish } else { W::Confirm },
                None if state.put_back() => {}
                None => state.writers[n].at = if last { W::Over } else { W::Store },
            },
            W::Touch(last) => {
                if self.object.is_some() {
                    state.object = state.anew();
                }
                state.writers[n].at = W::Stat(last);
            }
            W::Store => match self.object {
                None => {
                    state.object = state.anew();
                    state.writers[n].at = W::Confirm;
                }
                Some(_) => state.writers[n].at = W::Inspect,
            },
            W::Inspect => {
                if self.object.is_none() {
                    state.object = state.anew();
                }
                state.writers[n].at = W::Confirm;
            }
            W::Confirm if fault == Fault::NoConfirm => {
                state.writers[n].at = W::Publish;
                state.writers[n].last_look = self.clock;
            }
            W::Confirm => {
                let was = std::mem::replace(&mut state.writers[n].known, self.lists.clone());
                let w = &mut state.writers[n];
                w.last_look = self.clock;
                match self.lists.is_empty() {
                    // Where a list has come and gone the object may have gone with it.
                    true if was != self.lists && self.object.is_none() => w.at = W::Over,
                    true => w.at = W::Publish,
                    false => begin(w, true),
                }
            }
            // It has to appear within half of the grace.
            W::Publish if writer.is_checked && self.clock < writer.last_look + GRACE / 2 => state.writers[n].at = W::Published,
            W::Publish | W::Published | W::Over => return,
        }
        out.push(state);
    }

    fn collect(&self, n: usize, fault: Fault, out: &mut Vec<State>) {
        let gc = &self.gcs[n];
        if gc.at == G::Over {
            return;
        }
        // Stopped for good: what is aside stays there.
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
            G::References => (g.is_referenced, g.at) = (self.is_referenced(), G::Recover),
            G::Recover => {
                state.put_back();
                let g = &mut state.gcs[n];
                g.at = G::Judge;
                if fault == Fault::LateClock {
                    g.now = self.clock;
                }
            }
            G::Judge => match self.object {
                None => g.at = G::Begin,
                Some(version) => {
                    g.seen = version;
                    let entry = gc.known.find(version);
                    g.at = G::Begin;
                    match entry {
                        Some(since) if gc.is_referenced => g.next.push((version, Some(since))),
                        Some(since) if gc.now >= since + GRACE => g.at = G::Unchanged,
                        Some(since) => g.next.push((version, Some(since))),
                        None if gc.is_referenced => {}
                        None => g.next.push((version, None)),
                    }
                }
            },
            G::Unchanged => g.at = if self.object == Some(gc.seen) { G::Away } else { G::Begin },
            G::Away => match state.object.take() {
                Some(version) => (g.aside, g.at) = (Some(version), G::UnchangedAway),
                None => g.at = G::Begin,
            },
            G::UnchangedAway => match gc.aside {
                Some(version) if version == gc.seen || fault == Fault::NoLastLook => g.at = G::Unlink,
                Some(version) => {
                    g.aside = None;
                    g.at = G::Begin;
                    state.object.get_or_insert(version);
                }
                // Somebody has put it back.
                None => g.at = G::Begin,
            },
            G::Unlink => (g.aside, g.at) = (None, G::Begin),
            G::Begin => {
                let known: usize = gc.known.lists.iter().map(|(_, list)| list.len()).sum();
                let is_same = gc.next.len() == known && gc.next.iter().all(|e| e.1.is_some()) && gc.known.lists.len() <= 1;
                let drops = gc.known.lists.len() as u8;
                match is_same {
                    true => g.again(),
                    false if gc.next.is_empty() => g.at = G::Drop(drops),
                    false => g.at = G::Name(self.clock),
                }
            }
            G::Name(begun) => {
                // A list counts from when it got its name: it may have been begun long ago.
                let new = if fault == Fault::CountsFromBegin { begun } else { self.clock };
                let list = gc.next.iter().map(|(version, since)| (*version, since.unwrap_or(new))).collect();
                let drops = gc.known.lists.len() as u8;
                g.at = G::Drop(drops);
                state.lists.lists.push((self.numbers, list));
                state.lists.changes += 1;
                state.numbers += 1;
            }
            G::Drop(0) => g.again(),
            G::Drop(left) => {
                let number = gc.known.lists[left as usize - 1].0;
                g.at = G::Drop(left - 1);
                let before = state.lists.lists.len();
                state.lists.lists.retain(|(other, _)| *other != number);
                state.lists.changes += u8::from(state.lists.lists.len() != before);
            }
            G::Over => return,
        }
        out.push(state);
    }
}

impl Gc {
    /// The next run, if there is one.
    fn again(&mut self) {
        let (runs, aside) = (self.runs + 1, self.aside);
        *self = Gc { runs, aside, at: if runs < 3 { G::Clock } else { G::Over }, ..Gc::default() };
    }
}

/// Runs all orders, up to so many states; how many there were, and a state in which something is lost.
fn search(writers: usize, gcs: usize, fault: Fault, most: usize) -> (usize, Option<State>) {
    let mut seen = HashSet::new();
    let mut open = vec![State::new(writers, gcs)];
    while let Some(state) = open.pop() {
        if state.is_referenced() && !state.is_there() {
            return (seen.len(), Some(state));
        }
        if seen.len() < most {
            open.extend(state.next(fault).into_iter().filter(|next| !seen.contains(&fingerprint(next))));
            seen.insert(fingerprint(&state));
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
fn wander(writers: usize, gcs: usize, fault: Fault, schedules: u64) -> Option<State> {
    let mut random = 0x9e37_79b9_7f4a_7c15u64;
    for _ in 0..schedules {
        let mut state = State::new(writers, gcs);
        loop {
            if state.is_referenced() && !state.is_there() {
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
    for (writers, gcs) in [(1, 1), (1, 2), (2, 1)] {
        let most = many(300_000, 3_000_000);
        let (states, lost) = search(writers, gcs, Fault::None, most);
        assert!(lost.is_none(), "lost: {lost:#?}");
        let all = if states < most { "all" } else { "the first" };
        figure(14, &format!("{writers} writers and {gcs} gcs, three runs each: {all} {states} states, nothing lost"));
    }
    let schedules = many(20_000, 500_000);
    assert_eq!(wander(2, 2, Fault::None, schedules), None);
    figure(14, &format!("2 writers and 2 gcs: {schedules} random schedules, nothing lost"));
}

#[test]
fn the_model_sees_faults() {
    let faults = [Fault::NoConfirm, Fault::NoRenew, Fault::NoGuard, Fault::NoLastLook, Fault::LateClock, Fault::CountsFromBegin];
    let mut unseen = Vec::new();
    for fault in faults {
        if search(1, 1, fault, 3_000_000).1.is_none() {
            unseen.push(fault);
        }
    }
    assert!(unseen.is_empty(), "not seen: {unseen:?}");
    figure(14, &format!("{} of {} planted faults seen", faults.len(), faults.len()));
}
