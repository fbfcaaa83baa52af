//! `snap-scan`: the files, links and folders below a root as records, in order of name.

mod filter;
mod names;
pub mod objects;
mod pattern;
mod rules;
mod walk;
mod wildmatch;

pub use filter::Filter;
pub use rules::Rules;

use crate::error::{OrFailed, Result, counted};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::record::{Kind, Record};
use crate::rootdir::RootDir;
use crate::sort;
use crate::stat::{self, Extra};
use crate::storage::Location;
use crate::stream::{End, LINE_LIMIT, Records, Tally};
use rustix::fs::{self, AtFlags, FileType, Stat};
use std::io::{self, BufRead};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::Path;
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
    /// Say how many links and empty folders are there and are not of the kinds to list.
    pub tell_unwanted: bool,
}

impl Options {
    fn wants(&self, kind: Kind) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&kind)
    }

    /// The types for the end record, if not all are listed.
    fn types(&self) -> Option<Vec<String>> {
        let all = [Kind::File, Kind::Link, Kind::Directory];
        let wanted = all.into_iter().filter(|k| self.wants(*k)).map(|k| stat::type_word(k).to_string());
        all.iter().any(|k| !self.wants(*k)).then(|| wanted.collect())
    }
}

/// Lists a folder.
///
/// # Errors
/// If it is not there or no folder. What fails further down is a record of type `error`.
pub fn scan(root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
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
    let (types, root, seen) = (shared.options.types(), shared.shown_root.clone(), shared.seen.clone());
    let tell = move |seen: &Seen| seen.tell(shared.options.tell_unwanted, &*shared.monitor);
    Box::new(ended(records, types, root, seen, tell))
}

/// Puts the end record behind the records of a scan, and tells what was left out.
fn ended(
    records: Records,
    types: Option<Vec<String>>,
    root: String,
    seen: Arc<Mutex<Seen>>,
    tell: impl Fn(&Seen) + Send,
) -> impl Iterator<Item = Result<Record>> + Send {
    let mut tally = Tally::default();
    let mut records = Some(records);
    std::iter::from_fn(move || match records.as_mut()?.next() {
        Some(Ok(record)) => {
            tally.pass(&record);
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
                records: tally.records,
                errors: tally.passed,
                filtered: seen.filtered,
                types: types.clone(),
                root: Some(root.clone()),
                ..End::default()
            };
            Some(Ok(end.record()))
        }
    })
}

/// What both ways of listing share.
struct Shared {
    root: RootDir,
    shown_root: String,
    device: u64,
    leave_out: Vec<(u64, u64, &'static str)>,
    options: Options,
    monitor: Arc<dyn Monitor>,
    seen: Arc<Mutex<Seen>>,
}

/// What was not listed.
#[derive(Default)]
struct Seen {
    filtered: bool,
    rules: rules::Met,
    sockets: u64,
    fifos: u64,
    devices: u64,
    /// Not of the kinds to list.
    links: u64,
    empty_folders: u64,
}

impl Seen {
    /// What is seen before the first entry.
    fn new(filter: &Filter) -> Arc<Mutex<Seen>> {
        Arc::new(Mutex::new(Seen { rules: rules::Met::new(filter.rules.clone()), ..Seen::default() }))
    }

    /// Notes that what is left out was chosen by a list of names, which is no rule.
    fn chosen(&mut self) {
        self.filtered = true;
        self.rules = rules::Met::unknown();
    }

    /// The rules by which things were left out; None if there were none, or it is not known by rule what was.
    #[cfg_attr(not(test), expect(dead_code, reason = "the end record does not have them yet"))]
    fn rules(&self) -> Option<Rules> {
        self.rules.rules()
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
        let identity =
            |(root, what): &(Location, &'static str)| fs::stat(root.folder()?).ok().map(|s| (s.st_dev, s.st_ino, *what));
        let leave_out = options.leave_out.iter().filter_map(identity).collect();
        let shown_root = root.absolute().to_string_lossy().into_owned();
        let seen = Seen::new(&options.filter);
        Ok(Arc::new(Shared { root: dir, shown_root, device, leave_out, options, monitor, seen }))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn failure(&self, name: &Name, doing: &str, e: &io::Error) -> Record {
        let reason = format!("{doing}: {}", crate::error::reason(e));
        self.monitor.failure(name, &reason);
        Record::failure(name, &reason)
    }

    /// The word for a folder that is to be left out wherever it lies.
    fn left_out(&self, stat: &Stat) -> Option<&'static str> {
        self.leave_out.iter().find(|(dev, ino, _)| (*dev, *ino) == (stat.st_dev, stat.st_ino)).map(|(.., what)| *what)
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
        let target;
        if kind == Kind::Link {
            target = match fs::readlinkat(folder, part, Vec::new()) {
                Ok(target) => target,
                Err(e) => return Some(self.failure(&name, "read the link", &e.into())),
            };
            extra.destination = Some(target.as_bytes());
        }
        if self.options.xattrs {
            match xattrs(folder, part) {
                Ok(all) => extra.xattrs = all,
                Err(e) => return Some(self.failure(&name, "read extended attributes", &e)),
            }
        }
        let record = stat::record(name, kind, stat, &extra);
        // No tool would read the line: better this one file than the whole stream.
        match record.text().len() < LINE_LIMIT / 2 {
            true => Some(record),
            false => Some(self.failure(record.name(), "record it", &io::Error::other("its extended attributes are too many"))),
        }
    }
}

/// The extended attributes of what lies in `folder` as `part`, in order of name. A link's own, not its target's.
fn xattrs(folder: BorrowedFd<'_>, part: &[u8]) -> io::Result<Vec<(Vec<u8>, Vec<u8>)>> {
    // There is no listxattrat before Linux 6.13; through /proc the last step is still taken from the open folder.
    let mut path = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    path.extend_from_slice(part);
    let mut names = vec![0; 64 << 10];
    let n = match fs::llistxattr(&path[..], &mut names[..]) {
        Ok(n) => n,
        Err(rustix::io::Errno::OPNOTSUPP) => return Ok(Vec::new()),
        Err(e) => return Err(e.into()),
    };
    let mut all = Vec::new();
    let mut value = vec![0; 64 << 10];
    for name in names[..n].split(|b| *b == 0).filter(|name| !name.is_empty()) {
        match fs::lgetxattr(&path[..], name, &mut value[..]) {
            Ok(n) => all.push((name.to_vec(), value[..n].to_vec())),
            // It went away in between.
            Err(rustix::io::Errno::NODATA) => {}
            Err(e) => return Err(e.into()),
        }
    }
    all.sort();
    Ok(all)
}

/// What lies in `folder` as `part`, itself, not what a link leads to.
fn stat_at(folder: BorrowedFd<'_>, part: &[u8]) -> io::Result<Stat> {
    Ok(fs::statat(folder, part, AtFlags::SYMLINK_NOFOLLOW)?)
}
