//! The snapshots from the oldest to the newest, each compared with the one before it of the same root.

use crate::end::End;
use crate::error::Result;
use crate::filter::Rules;
use crate::join::{Join, Pair};
use crate::json::json_string;
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::snapshot::{self, Choice, Found, Place};
use crate::sort::{BUDGET, Spool};
use crate::stream::Records;
use std::collections::BTreeMap;
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The number of bytes of records up to which the chosen records of a snapshot are held. If it has more, they are read again.
const FEW: usize = 256 << 10;

/// The chosen records of a snapshot.
pub struct Look {
    found: Found,
    held: Held,
    /// What the snapshot says of itself.
    end: End,
}

#[derive(Clone)]
enum Held {
    Few(Arc<Vec<Record>>),
    Many(Place, Arc<Choice>),
    Spooled(Box<Spool>),
}

/// Reads the chosen records of a snapshot.
///
/// # Errors
/// Those of [`snapshot::matching`], with the snapshot.
pub fn look(found: Found, choice: &Arc<Choice>, monitor: &Arc<dyn Monitor>) -> Result<Look, Box<(Place, crate::Error)>> {
    let place = found.place.clone();
    looked(found, choice, monitor).map_err(|e| Box::new((place, e)))
}

fn looked(found: Found, choice: &Arc<Choice>, monitor: &Arc<dyn Monitor>) -> Result<Look> {
    let (mut few, mut size, mut end) = (Some(Vec::new()), 0, End::default());
    for record in snapshot::matching(&found.place, choice.clone(), monitor.clone())? {
        let record = record?;
        if record.kind() == Kind::End {
            end = End::of(&record);
            continue;
        }
        size += record.footprint();
        few = few.filter(|_| size <= FEW);
        few.iter_mut().for_each(|few| few.push(record.clone()));
    }
    let held = match few {
        Some(few) => Held::Few(Arc::new(few)),
        None => Held::Many(found.place.clone(), choice.clone()),
    };
    Ok(Look { found, held, end })
}

impl Look {
    /// Whether the snapshot would have an entry if the entry had existed.
    fn knows(&self, record: &Record) -> bool {
        let (end, name) = (&self.end, record.name());
        let covers = |types: &Vec<String>| record.kind().word().is_some_and(|word| types.iter().any(|t| t == word));
        let rules = || end.rules.clone().and_then(|rules| serde_json::from_value::<Rules>(rules).ok());
        // What was put says nothing about other names.
        !end.put
            && end.errors == 0
            && end.types.as_ref().is_none_or(covers)
            && !end.kept_out.iter().any(|kept| kept == name || kept.is_above(name))
            && match end.rules.is_some() || end.filtered {
                true => rules().is_some_and(|r| !r.leaves_out(name.as_bytes(), record.kind() == Kind::Directory)),
                false => true,
            }
    }

    /// Returns a record with the snapshot that it is from, and the root.
    fn marked(&self, record: &Record, root: Option<&str>) -> Record {
        let path = json_string(self.found.place.as_given().as_bytes());
        let mut edit = record.edit();
        edit.set_json("snapshot", &path).set_json("time", &json_string(self.found.time.text().as_bytes()));
        match root {
            _ if self.end.put => drop(edit.set_json("put", "true")),
            Some(root) => drop(edit.set_json("root", &json_string(root.as_bytes()))),
            None => {}
        }
        if record.kind() == Kind::File && record.raw("type").is_none() {
            edit.set_json("type", "\"file\"");
        }
        edit.finish()
    }
}

impl Held {
    fn read(&self, monitor: &Arc<dyn Monitor>) -> Result<Records> {
        let records: Records = match self {
            Held::Few(few) => {
                let few = few.clone();
                Box::new((0..few.len()).map(move |i| Ok(few[i].clone())))
            }
            Held::Many(place, choice) => snapshot::matching(place, choice.clone(), monitor.clone())?,
            Held::Spooled(spool) => spool.read(),
        };
        Ok(Box::new(records.filter(|record| !matches!(record, Ok(record) if record.kind() == Kind::End))))
    }
}

/// The differences between the snapshots, in order of time: records with `snapshot`, `time` and `root`, and records of type `gone`.
pub struct Walk<I, S> {
    looks: I,
    is_same: S,
    monitor: Arc<dyn Monitor>,
    seen: Arc<Seen>,
    /// The last state of each root.
    states: BTreeMap<Option<String>, Held>,
    /// The root of the last snapshot.
    root: Option<String>,
    current: Option<Current>,
}

/// What all differences together show. It is complete after the last one.
#[derive(Default)]
pub struct Seen {
    /// The number of snapshots that can't be read.
    pub failures: AtomicU64,
    /// The first root that a snapshot names. Snapshots before it count for it.
    pub first_root: OnceLock<String>,
}

/// A snapshot that is being compared with the state before it.
struct Current {
    look: Look,
    before: Held,
    pairs: Join<Records, Records>,
    /// Something is absent, but the snapshot may have left it out.
    unknown: bool,
}

impl<I, S> Walk<I, S>
where
    I: Iterator<Item = Result<Look, Box<(Place, crate::Error)>>>,
    S: Fn(&Record, &Record) -> bool,
{
    pub fn new(looks: I, is_same: S, monitor: Arc<dyn Monitor>) -> Walk<I, S> {
        Walk { looks, is_same, monitor, seen: Arc::default(), states: BTreeMap::new(), root: None, current: None }
    }

    /// Returns what all differences show.
    pub fn seen(&self) -> Arc<Seen> {
        self.seen.clone()
    }

    fn next_event(&mut self) -> Result<Option<Record>> {
        loop {
            let Some(current) = &mut self.current else {
                match self.looks.next() {
                    None => return Ok(None),
                    Some(Ok(look)) => self.begin(look)?,
                    Some(Err(failed)) => {
                        let (place, e) = *failed;
                        self.monitor.failure(&Name::new(place.as_given().as_bytes()), &e.to_string());
                        self.seen.failures.fetch_add(1, Ordering::Relaxed);
                    }
                }
                continue;
            };
            let event = match current.pairs.next().transpose()? {
                None => {
                    self.settle()?;
                    continue;
                }
                Some(Pair::Left(old)) if current.look.knows(&old) => Record::build(old.name().clone(), Kind::Gone).finish(),
                Some(Pair::Left(_)) => {
                    current.unknown = true;
                    continue;
                }
                Some(Pair::Both(old, new)) if (self.is_same)(&old, &new) => continue,
                Some(Pair::Right(new) | Pair::Both(_, new)) => new,
                Some(Pair::Aside(..)) => continue,
            };
            return Ok(Some(current.look.marked(&event, self.root.as_deref())));
        }
    }

    /// Returns the key of the state that a snapshot is compared with: its root, and an empty one for contents that were put.
    fn state_of(&self, look: &Look) -> Option<String> {
        if look.end.put { Some(String::new()) } else { self.root.clone() }
    }

    /// Starts to compare a snapshot with the last state of its root. A snapshot that does not name its root, as those of the
    /// Python tool, is of the root of the snapshot before it.
    fn begin(&mut self, look: Look) -> Result<()> {
        if let Some(root) = &look.end.root {
            self.root = Some(root.clone());
            if self.seen.first_root.set(root.clone()).is_ok()
                && let Some(before) = self.states.remove(&None)
            {
                self.states.insert(self.root.clone(), before);
            }
        }
        let before = self.states.remove(&self.state_of(&look)).unwrap_or_else(|| Held::Few(Arc::default()));
        let pairs = Join::new(before.read(&self.monitor)?, look.held.read(&self.monitor)?);
        self.current = Some(Current { look, before, pairs, unknown: false });
        Ok(())
    }

    /// Keeps the state of a root after a snapshot was compared: its records, and those before it that it may have left out.
    fn settle(&mut self) -> Result<()> {
        let Some(Current { look, before, unknown, .. }) = self.current.take() else { return Ok(()) };
        let state = match unknown {
            false => look.held.clone(),
            true => {
                let pairs = Join::new(before.read(&self.monitor)?, look.held.read(&self.monitor)?);
                let state = pairs.filter_map(|pair| match pair {
                    Ok(Pair::Left(old)) => (!look.knows(&old)).then_some(Ok(old)),
                    Ok(Pair::Right(new) | Pair::Both(_, new)) => Some(Ok(new)),
                    Ok(Pair::Aside(..)) => None,
                    Err(e) => Some(Err(e)),
                });
                Held::Spooled(Box::new(Spool::collect(state, BUDGET, &*self.monitor)?))
            }
        };
        let state_key = self.state_of(&look);
        self.states.insert(state_key, state);
        Ok(())
    }
}

impl<I, S> Iterator for Walk<I, S>
where
    I: Iterator<Item = Result<Look, Box<(Place, crate::Error)>>>,
    S: Fn(&Record, &Record) -> bool,
{
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        self.next_event().transpose()
    }
}
