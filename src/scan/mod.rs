//! `snap-scan`: the files, links and folders below a root as records, in order of name.

pub mod facts;
mod filter;
mod kept;
mod names;
pub mod objects;
mod pattern;
mod rules;
mod walk;
mod wildmatch;
mod xattrs;

pub use filter::Filter;
pub use rules::Rules;

use crate::end::{End, Listing};
use crate::error::{OrFailed, Result, counted};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::RootDir;
use crate::sort;
use crate::stat::{self, Extra};
use crate::storage::Location;
use crate::stream::{LINE_LIMIT, Records, Tally};
use kept::Kept;
use rustix::fs::{self, AtFlags, FileType, OFlags, Stat};
use std::io::{self, BufRead};
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What to list and how.
#[derive(Default)]
pub struct Options {
    /// The kinds to list; empty for all.
    pub kinds: Vec<Kind>,
    /// What to leave out.
    pub filter: Filter,
    /// Do not go into folders on other file systems.
    pub one_file_system: bool,
    /// Record extended attributes.
    pub xattrs: bool,
    /// Folders to leave out with a note, wherever they lie: the heap root and the snap root, with a word for each.
    pub leave_out: Vec<(Location, &'static str)>,
    /// What the scan itself writes to, which is no part of what it lists.
    pub output: Own,
    /// Say how many links and empty folders are there and are not of the kinds to list.
    pub tell_unwanted: bool,
}

/// Files that a tool itself writes, by path or by device and inode.
#[derive(Clone, Debug, Default)]
pub struct Own {
    /// Names that files have, or will have.
    pub paths: Vec<PathBuf>,
    /// Files that are there, whatever they are called.
    pub ids: Vec<(u64, u64)>,
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// The types for the end record, if not all are listed.
    fn types(&self) -> Option<Vec<String>> {
        let all = [Kind::File, Kind::Link, Kind::Directory];
        let wanted = all.into_iter().filter(|k| self.wants(*k)).filter_map(Kind::word).map(str::to_string);
        all.iter().any(|k| !self.wants(*k)).then(|| wanted.collect())
    }
}

/// Lists a folder.
///
/// # Errors
/// If it is not there or no folder. What fails further down is a record of type `error`.
pub fn scan(root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
    kept::refuse_itself(root, &options)?;
    let folder = match root {
        Location::Folder(folder) => folder,
        Location::Remote(store) => return objects::scan(store, options, monitor),
    };
    let shared = Shared::new(folder, root, options, monitor)?;
    let walk = walk::Walk::new(shared.clone())?;
    Ok(finished(Box::new(walk), shared))
}

/// Lists only the names that `input` gives, one a line or (with `null`) ended by NUL. They are taken literally.
///
/// # Errors
/// If the root is not there or no folder, a name can't be read, or is none that a record may have.
pub fn scan_names(
    root: &Location,
    input: impl BufRead + Send + 'static,
    from: &str,
    null: bool,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    kept::refuse_itself(root, &options)?;
    let names = names::Names::new(input, from.to_string(), null);
    let folder = match root {
        Location::Folder(folder) => folder,
        Location::Remote(store) => return objects::scan_names(store, names, options, monitor),
    };
    let shared = Shared::new(folder, root, options, monitor.clone())?;
    shared.lock().chosen();
    let looker = shared.clone();
    let records = names.filter_map(move |name| name.map(|name| names::look(&looker, name)).transpose());
    Ok(finished(sort::ordered(Box::new(records), monitor)?, shared))
}

fn finished(records: Records, shared: Arc<Shared>) -> Records {
    let end = End {
        types: shared.options.types(),
        root: Some(shared.shown_root.clone()),
        // A root whose facts can't be told is restored as any folder that is made.
        root_folder: facts::of(&shared.root, shared.options.xattrs).ok(),
        ..End::default()
    };
    let seen = shared.seen.clone();
    let tell = move |seen: &Seen| seen.tell(shared.options.tell_unwanted, &*shared.monitor);
    Box::new(ended(records, end, seen, tell))
}

/// Puts the end record behind the records of a scan, and tells what was left out. `end` has what is known before.
fn ended(
    records: Records,
    end: End,
    seen: Arc<Mutex<Seen>>,
    tell: impl Fn(&Seen) + Send,
) -> impl Iterator<Item = Result<Record>> + Send {
    let (mut tally, mut listing) = (Tally::default(), Listing::default());
    let mut records = Some(records);
    std::iter::from_fn(move || match records.as_mut()?.next() {
        Some(Ok(record)) => {
            tally.pass(&record);
            listing.add(&record);
            Some(Ok(record))
        }
        Some(Err(e)) => {
            records = None;
            Some(Err(e))
        }
        None => {
            records = None;
            let seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            tell(&seen);
            let end = End {
                errors: tally.passed,
                // Rules that can't be told may leave out tomorrow what is not there today.
                filtered: seen.filtered || seen.rules.is_unknown(),
                rules: seen.rules().and_then(|rules| serde_json::to_value(rules).ok()),
                kept_out: seen.kept_out.clone(),
                ..end.clone()
            };
            Some(Ok(end.listing(listing).record()))
        }
    })
}

/// What both ways of listing share.
struct Shared {
    root: RootDir,
    shown_root: String,
    device: u64,
    kept: Kept,
    options: Options,
    monitor: Arc<dyn Monitor>,
    seen: Arc<Mutex<Seen>>,
}

/// What was not listed.
#[derive(Default)]
struct Seen {
    filtered: bool,
    rules: rules::Met,
    /// Names left out for what they are, with all below them; `--delete` spares them.
    kept_out: Vec<Name>,
    /// Those that were met and told.
    told: Vec<Name>,
    /// Links have extended attributes that can't be read here.
    links_without_xattrs: bool,
    sockets: u64,
    fifos: u64,
    devices: u64,
    /// Not of the kinds to list.
    links: u64,
    empty_folders: u64,
}

impl Seen {
    /// What is seen before the first entry.
    fn new<'a>(filter: &Filter, kept: impl Iterator<Item = &'a [u8]>) -> Arc<Mutex<Seen>> {
        let mut seen = Seen { rules: rules::Met::new(filter.rules.clone()), ..Seen::default() };
        kept.for_each(|name| seen.keep_out(name));
        Arc::new(Mutex::new(seen))
    }

    /// Notes that what is left out was chosen by a list of names, which is no rule.
    fn chosen(&mut self) {
        self.filtered = true;
        self.rules = rules::Met::unknown();
    }

    /// The rules by which things were left out; None if there were none, or it is not known by rule what was.
    fn rules(&self) -> Option<Rules> {
        self.rules.rules()
    }

    /// Notes a name that is left out for what it is.
    fn keep_out(&mut self, name: &[u8]) {
        if !self.kept_out.iter().any(|kept| kept.as_bytes() == name) {
            self.kept_out.push(Name::new(name));
        }
    }

    fn tell(&self, unwanted_too: bool, monitor: &dyn Monitor) {
        let special = [(self.sockets, "socket"), (self.fifos, "fifo"), (self.devices, "device")];
        if let Some(words) = listed(&special) {
            monitor.note(&format!("skipped {words}: not recorded"));
        }
        let unwanted = [(self.links, "link"), (self.empty_folders, "empty folder")];
        if let Some(words) = listed(&unwanted).filter(|_| unwanted_too) {
            monitor.note(&format!("not recorded: {words}; --type f,l,d records them"));
        }
    }
}

/// `2 links, 1 empty folder`; None where all counts are zero.
fn listed(counts: &[(u64, &str)]) -> Option<String> {
    let some = counts.iter().filter(|(n, _)| *n > 0);
    let words: Vec<String> = some.map(|(n, what)| counted(*n, what)).collect();
    (!words.is_empty()).then(|| words.join(", "))
}

impl Shared {
    fn new(folder: &Path, root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> Result<Arc<Shared>> {
        let dir = RootDir::open(folder)?;
        let device = fs::fstat(dir.fd()).or_failed(|| root.to_string())?.st_dev;
        let kept = Kept::new(folder, &options);
        let seen = Seen::new(&options.filter, kept.names());
        Ok(Arc::new(Shared { root: dir, shown_root: root.identity(), device, kept, options, monitor, seen }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn failure(&self, name: &Name, doing: &str, e: &io::Error) -> Record {
        let reason = format!("{doing}: {}", crate::error::reason(e));
        self.monitor.failure(name, &reason);
        Record::failure(name, &reason)
    }

    /// Whether this is to be left out for what it is, which is noted then, and told once.
    fn keeps_out(&self, name: &[u8], stat: &Stat) -> bool {
        let Some(what) = self.kept.at(name, stat) else { return false };
        let mut seen = self.lock();
        seen.keep_out(name);
        if !seen.told.iter().any(|told| told.as_bytes() == name) {
            seen.told.push(Name::new(name));
            self.monitor.note(&format!("{}: left out, it is the {what}", crate::error::printable(name)));
        }
        true
    }

    /// The same for a name that was given, which may lie below such a one.
    fn keeps_out_from_above(&self, name: &[u8]) -> bool {
        let stat = |above: &[u8]| fs::fstat(self.root.open_at(above, OFlags::PATH)?).map_err(io::Error::from);
        // Where nothing is there, there is nothing to leave out.
        !self.kept.is_empty() && kept::above(name).any(|above| stat(above).is_ok_and(|stat| self.keeps_out(above, &stat)))
    }

    fn note_once(&self) {
        if !std::mem::replace(&mut self.lock().links_without_xattrs, true) {
            self.monitor.note("extended attributes of links are not recorded: there is no /proc to reach them by");
        }
    }

    /// The record of what lies in `folder` as `part`, if it is of a kind that is wanted.
    fn record(&self, folder: BorrowedFd<'_>, part: &[u8], name: Name, stat: &Stat) -> Option<Record> {
        let Some(kind) = stat::kind(stat) else {
            let mut seen = self.lock();
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Socket => seen.sockets += 1,
                FileType::Fifo => seen.fifos += 1,
                _ => seen.devices += 1,
            }
            return None;
        };
        if !self.options.wants(kind) {
            self.lock().links += u64::from(kind == Kind::Link);
            return None;
        }
        let mut extra = Extra::default();
        if kind == Kind::Link {
            match fs::readlinkat(folder, part, Vec::new()) {
                Ok(target) => extra.destination = Some(target.into_bytes()),
                Err(e) => return Some(self.failure(&name, "read the link", &e.into())),
            }
        }
        if self.options.xattrs {
            match xattrs::of(folder, part, kind) {
                Ok(Some(all)) => extra.xattrs = all,
                Ok(None) => self.note_once(),
                Err(e) => return Some(self.failure(&name, "read extended attributes", &e)),
            }
        }
        let record = stat::record(name, kind, stat, extra);
        // No tool would read the line: better this one file than the whole stream.
        match record.text().len() < LINE_LIMIT / 2 {
            true => Some(record),
            false => Some(self.failure(record.name(), "record it", &io::Error::other("its extended attributes are too many"))),
        }
    }
}

/// What lies in `folder` as `part`, itself, not what a link leads to.
fn stat_at(folder: BorrowedFd<'_>, part: &[u8]) -> io::Result<Stat> {
    Ok(fs::statat(folder, part, AtFlags::SYMLINK_NOFOLLOW)?)
}
