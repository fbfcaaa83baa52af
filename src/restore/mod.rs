//! Makes files as the records say: folders first to last in one thread, contents in several, and the folders' own modes and
//! times when everything in them is done. Never outside the root, never through a link.

mod delete;
mod dry;
mod file;
mod finish;
mod meta;
mod objects;
mod permit;
mod plan;
mod root;
#[cfg(test)]
mod tests;

use crate::content::Contents;
use crate::end::{End, Listing};
use crate::error::{Error, Result, counted};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel::ordered_map;
use crate::record::{Kind, Record};
use crate::rootdir::{RootDir, split};
use crate::sort::{BUDGET, Spool};
use crate::stat;
use crate::storage::Location;
use crate::stream::{Records, Tally};
use delete::{Deleted, Deleter};
use file::{Made, Target, Trouble};
use finish::{Finisher, Loosened};
pub use permit::MaxDelete;
use permit::Spared;
use plan::{Chosen, Planner, Step};
use rustix::fs::Stat;
use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

const BLOCKED: &str = "a folder that is not empty is in its place; --delete removes it";

/// A side of a row of `snap-diff`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Side {
    /// The older one.
    Left,
    /// The newer one.
    #[default]
    Right,
}

/// How to restore.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Delete what the records do not have.
    pub delete: bool,
    /// Also what was left out when the list was made.
    pub delete_excluded: bool,
    /// Delete at most so much, else do nothing. Without a limit, a restore that would leave no file, or that is of another root
    /// and shares no name with what is there, is refused.
    pub max_delete: Option<MaxDelete>,
    /// Change nothing; give out rows with an `action` each: `create`, `replace` (another content or type), `change` (mode, owner
    /// or time only), `link` (another name of the file `to`), `delete`. What is as it should be has none.
    pub dry_run: bool,
    /// Read files that are there instead of trusting their size and time.
    pub checksum: bool,
    /// Bring owner and group back.
    pub owner: bool,
    /// Bring extended attributes and ACLs of files and folders back. What has others keeps them.
    pub xattrs: bool,
    /// Which side of rows of `snap-diff` to restore.
    pub side: Side,
    /// How many files to work on at once.
    pub jobs: usize,
    /// Give out the records as the files are now. Otherwise they come as they went in, which is quicker.
    pub report: bool,
    /// What is never deleted: the heap root, the snap root, and the file that the tool itself writes.
    pub keep: Vec<Location>,
}

/// What all parts of a restore share.
struct Context {
    root: RootDir,
    source: Arc<dyn Contents>,
    monitor: Arc<dyn Monitor>,
    checksum: bool,
    owner: bool,
    xattrs: bool,
    report: bool,
    dry_run: bool,
    side: Side,
    euid: u32,
    umask: u32,
    /// Device and inode of what is never deleted.
    keep: Vec<(u64, u64)>,
    /// What is not deleted although no record has it.
    spared: Spared,
    loosened: Loosened,
    /// It was told once that set-user-id is left off.
    stripped: AtomicBool,
}

impl Context {
    fn new(root: RootDir, source: Arc<dyn Contents>, spared: Spared, options: &Options, monitor: Arc<dyn Monitor>) -> Context {
        use std::os::unix::fs::MetadataExt;
        let both = |p: &Path| [p.metadata(), p.symlink_metadata()];
        let keep =
            options.keep.iter().filter_map(Location::folder).flat_map(both).flatten().map(|m| (m.dev(), m.ino())).collect();
        Context {
            root,
            source,
            monitor,
            checksum: options.checksum,
            owner: options.owner,
            xattrs: options.xattrs,
            report: options.report,
            dry_run: options.dry_run,
            side: options.side,
            euid: rustix::process::geteuid().as_raw(),
            umask: stat::umask(),
            keep,
            spared,
            loosened: Loosened::default(),
            stripped: AtomicBool::new(false),
        }
    }

    fn keeps(&self, stat: &Stat) -> bool {
        self.keep.contains(&(stat.st_dev, stat.st_ino))
    }
}

/// Restores records, or rows of `snap-diff`, to a folder, which is made if it is missing. The input is read whole and checked
/// before anything is changed; the work is done as the result is read, which gives out the records (see [`Options::report`] and
/// [`Options::dry_run`]), a record of type `error` for each that failed, and an end record if the input had one.
///
/// # Errors
/// Those of the input; rows and records mixed; a root that is no folder; with [`Options::delete`], a stream that may not be whole.
pub fn restore(
    input: Records,
    root: &Location,
    source: Arc<dyn Contents>,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    let spool = Spool::collect(input, BUDGET, &*monitor)?;
    let rows = is_rows(&spool)?;
    let spared = if options.delete { permit::permit(&spool, rows, &options)? } else { Spared::default() };
    let folder = match root {
        Location::Folder(folder) => folder,
        Location::Remote(store) => return objects::restore(&spool, store, source, spared, options, monitor),
    };
    let facts = spool.end().and_then(|end| End::of(end).root_folder);
    let (dir, made) = root::open(folder, facts.is_some(), options.dry_run)?;
    let context = Arc::new(Context::new(dir, source, spared, &options, monitor));
    if options.delete {
        delete::extent(&context, &spool, rows)?.check(
            makes_files(&spool, options.side)?,
            root::is_of_another(&spool, root),
            &options,
        )?;
    }
    if options.dry_run {
        return Ok(Box::new(dry::Dry::new(context, spool, options)));
    }
    let (jobs, worker, mut planner) = (options.jobs.max(1), context.clone(), Planner::new(context.clone()));
    let steps = spool.read().map(move |record| planner.step(record));
    let work = ordered_map(steps, jobs, jobs * 32, move |step| match step {
        Step::Make(target) => {
            let made = file::make(&target, &worker);
            worker.monitor.done(target.record.fields().size.unwrap_or(0));
            if made.is_ok() {
                worker.monitor.detail("restored or as it should be", target.record.name());
            }
            Done::Made(target, made)
        }
        step => Done::Step(step),
    });
    let finisher = Finisher::new(context.clone());
    Ok(Box::new(Restoring {
        context,
        spool,
        options,
        rows,
        root: root.identity(),
        facts: facts.filter(|_| made),
        work: Some(Box::new(work)),
        finisher,
        blocked: Vec::new(),
        lost: HashSet::new(),
        queue: VecDeque::new(),
        tally: Tally::default(),
        listing: Listing::default(),
        end: None,
        gone: 0,
    }))
}

/// Whether the records, or the side of the rows that is restored, have a file or link.
fn makes_files(spool: &Spool, side: Side) -> Result<bool> {
    for row in spool.read() {
        if matches!(plan::chosen(row?, side), Chosen::Record(record) if matches!(record.kind(), Kind::File | Kind::Link)) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether these are rows of `snap-diff`.
fn is_rows(spool: &Spool) -> Result<bool> {
    let counts = spool.counts();
    match (counts.changes > 0, counts.entries > 0) {
        (true, true) => Err(Error::refused("the input mixes records and rows of snap-diff")),
        (false, false) => Ok(spool.end().is_some_and(|end| End::of(end).diff)),
        (rows, _) => Ok(rows),
    }
}

fn note_gone(context: &Context, gone: u64) {
    if gone > 0 {
        context
            .monitor
            .note(&format!("{} that the rows do not have on this side left alone; --delete deletes them", counted(gone, "name")));
    }
}

/// A step that was taken.
enum Done {
    Made(Target, Result<Made, Trouble>),
    Step(Step),
}

struct Restoring {
    context: Arc<Context>,
    spool: Spool,
    options: Options,
    rows: bool,
    /// The identity of the root.
    root: String,
    /// What the root is to get at the end, if it was made here.
    facts: Option<serde_json::Value>,
    work: Option<Box<dyn Iterator<Item = Done> + Send>>,
    finisher: Finisher,
    /// Files and links that a folder has to make room for.
    blocked: Vec<Record>,
    /// Files with several names that could not be made.
    lost: HashSet<Name>,
    queue: VecDeque<Result<Record>>,
    tally: Tally,
    /// What is given out.
    listing: Listing,
    end: Option<Record>,
    gone: u64,
}

impl Restoring {
    fn fail(&mut self, name: &Name, reason: &str) {
        self.tally.own += 1;
        self.context.monitor.failure(name, reason);
        self.give_out(Record::failure(name, reason));
    }

    fn give_out(&mut self, record: Record) {
        self.listing.add(&record);
        self.queue.push_back(Ok(record));
    }

    fn stop(&mut self, e: Error) {
        self.work = None;
        self.queue.push_back(Err(e));
    }

    fn take(&mut self, done: Done) {
        match done {
            Done::Made(target, made) => {
                self.finish_before(target.record.name());
                self.made(target.record, made);
            }
            Done::Step(Step::Make(target)) => {
                let made = file::make(&target, &self.context);
                self.made(target.record, made);
            }
            Done::Step(Step::Pass(record)) if record.kind() == Kind::End => self.end = Some(record),
            Done::Step(Step::Pass(record)) => {
                self.tally.pass(&record);
                self.give_out(record);
            }
            Done::Step(Step::Fail(record, reason)) => {
                self.finish_before(record.name());
                self.fail(record.name(), &reason);
            }
            Done::Step(Step::Folder(record)) => self.folder(record),
            Done::Step(Step::HardLink(target, first)) => {
                self.finish_before(target.record.name());
                let made = self.hard_link(&target, &first);
                self.made(target.record, made);
            }
            Done::Step(Step::Gone) => self.gone += 1,
            Done::Step(Step::Fatal(e)) => self.stop(e),
        }
    }

    /// With `delete`, folders are finished at the very end, because deleting changes their times.
    fn finish_before(&mut self, name: &Name) {
        if !self.options.delete {
            let unfinished = self.finisher.advance(name);
            self.unfinished(unfinished);
        }
    }

    fn unfinished(&mut self, folders: Vec<finish::Unfinished>) {
        for (record, reason) in folders {
            self.fail(record.name(), &reason);
        }
    }

    fn folder(&mut self, record: Record) {
        self.finish_before(record.name());
        let now = match self.context.report.then(|| self.context.root.folder(record.name().as_bytes()).and_then(|f| f.stat())) {
            Some(Ok(stat)) => meta::fresh_folder(&record, &stat, &self.context),
            _ => record.clone(),
        };
        self.give_out(now);
        if !self.options.delete {
            self.finisher.push(record);
        }
    }

    fn hard_link(&self, target: &Target, first: &Name) -> Result<Made, Trouble> {
        let (parent, leaf) = split(first.as_bytes());
        match self.context.root.folder(parent) {
            Ok(folder) if !self.lost.contains(first) => file::hard_link(target, (&folder, leaf), &self.context),
            _ => file::make(target, &self.context),
        }
    }

    fn made(&mut self, record: Record, made: Result<Made, Trouble>) {
        let trouble = match made {
            Ok(Made { now, set: Ok(()) }) => {
                return self.give_out(now.map_or(record, |now| *now));
            }
            Ok(Made { set: Err(reason), .. }) => return self.fail(record.name(), &reason),
            Err(trouble) => trouble,
        };
        if record.fields().nlink.is_some_and(|n| n > 1) {
            self.lost.insert(record.name().clone());
        }
        match trouble {
            Trouble::Failed(reason) => self.fail(record.name(), &reason),
            Trouble::Blocked if self.options.delete => self.blocked.push(record),
            Trouble::Blocked => self.fail(record.name(), BLOCKED),
            Trouble::Fatal(e) => self.stop(e),
        }
    }

    /// What comes after all records: deleting, what had to wait for it, and the folders.
    fn conclude(&mut self) -> Result<()> {
        if self.options.delete {
            if self.tally.own == 0 {
                self.delete()?;
            } else {
                self.context.monitor.warn(&format!("nothing is deleted, because {} failed", counted(self.tally.own, "record")));
            }
            for record in std::mem::take(&mut self.blocked) {
                let parent = split(record.name().as_bytes()).0;
                let made = match plan::enter_by_parts(&self.context, parent) {
                    Ok(folder) => file::make(&Target { record: record.clone(), folder: Arc::new(folder) }, &self.context),
                    Err(e) => Err(e.into()),
                };
                match made {
                    Err(Trouble::Blocked) => self.fail(record.name(), "a folder that is not empty is in its place"),
                    Err(Trouble::Fatal(e)) => return Err(e),
                    made => self.made(record, made),
                }
            }
            self.finish_all()?;
        } else {
            note_gone(&self.context, self.gone);
        }
        let unfinished = self.finisher.close();
        self.unfinished(unfinished);
        if let Some(Err(reason)) = self.facts.take().map(|facts| meta::set_root(&facts, &self.context)) {
            self.fail(&Name::new(&b"."[..]), &reason);
        }
        if let Some(end) = self.end.take() {
            let came = self.spool.counts().listing;
            let end = permit::after(&End::of(&end), came, self.rows, self.options.delete, self.root.clone());
            let root_folder = crate::scan::facts::of(&self.context.root, self.context.xattrs).ok();
            let end = End { root_folder, errors: self.tally.errors(end.errors), ..end.listing(self.listing) };
            self.queue.push_back(Ok(end.record()));
        }
        Ok(())
    }

    fn delete(&mut self) -> Result<()> {
        let mut failed = Vec::new();
        let mut report = |d: Deleted| failed.extend(d.result.err().map(|reason| (d.name, reason)));
        let mut deleter = Deleter::new(&self.context, &self.spool, false, &mut report);
        deleter.run(&self.spool, self.rows)?;
        let special = deleter.special;
        if special > 0 {
            self.context.monitor.note(&format!("{} left alone: sockets, fifos or devices", counted(special, "special file")));
        }
        for (name, reason) in failed {
            self.fail(&name, &reason);
        }
        Ok(())
    }

    /// Finishes the folders of all records, in their order.
    fn finish_all(&mut self) -> Result<()> {
        for record in self.spool.read() {
            let Chosen::Record(record) = plan::chosen(record?, self.options.side) else { continue };
            if record.is_entry() {
                let unfinished = self.finisher.advance(record.name());
                self.unfinished(unfinished);
            }
            // One that could not be made was told already.
            if record.kind() == Kind::Directory && self.context.root.is_folder(record.name().as_bytes()) {
                self.finisher.push(record);
            }
        }
        Ok(())
    }
}

impl Iterator for Restoring {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.queue.pop_front() {
                return Some(record);
            }
            match self.work.as_mut()?.next() {
                Some(done) => self.take(done),
                None => {
                    self.work = None;
                    if let Err(e) = self.conclude() {
                        self.queue.push_back(Err(e));
                    }
                    return self.queue.pop_front();
                }
            }
        }
    }
}
