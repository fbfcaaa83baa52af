//! Passes all records through the restore: looks at each name, decides, then prints the decision or carries it out. Afterwards
//! come the deleting and the end record.

use super::decide::{Action, STILL_BLOCKED, row};
use super::input::{Chosen, Input};
use super::options::Options;
use super::permit;
use super::target::{Deleted, Done, Failed, First, Made, Step, Steps, Target, Task, Trouble};
use crate::display::counted;
use crate::end::{End, Listing, Tally};
use crate::error::{Error, Reason, Result};
use crate::monitor::Monitor;
use crate::name::Name;
use crate::parallel::ordered_map;
use crate::record::{Kind, Record};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

fn work<T: Target>(target: &T, step: Step<T::Place>) -> Step<T::Place> {
    match step {
        // Another name of a file has to wait for the first one.
        Step::Task(task) if task.first.is_none() => {
            let done = target.done(task);
            if done.record.kind() == Kind::File {
                target.job().monitor.done(done.record.fields().size.unwrap_or(0));
            }
            Step::Done(done)
        }
        step => step,
    }
}

/// The result for a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    /// It could not be restored.
    Lost,
    /// It waits until something is deleted.
    Late,
    /// It is a new file.
    New,
}

/// A running restore.
pub struct Restoring<T: Target> {
    target: Arc<T>,
    input: Arc<Input>,
    /// The identity of the root.
    root: String,
    work: Option<Steps<T::Place>>,
    /// Files and links in whose place there is a folder, and other names of such files.
    waiting: Vec<(Record, Option<First>)>,
    /// The results for folders and for files with several names, if they matter later.
    outcomes: HashMap<Name, Outcome>,
    queue: VecDeque<Result<Record>>,
    tally: Tally,
    /// The listing of the returned records.
    listing: Listing,
    /// The number of names that should not exist according to a row, and are left alone.
    extras: u64,
}

impl<T: Target> Restoring<T> {
    /// Starts the restore.
    pub fn new(target: T, input: Input, root: String) -> Result<Restoring<T>> {
        let target = Arc::new(target);
        let jobs = target.job().options.jobs.max(1);
        let steps = target.clone().steps(&input)?;
        let worker = target.clone();
        let work = ordered_map(steps, jobs, jobs * T::WINDOW, move |step| Ok(work(&*worker, step?)));
        Ok(Restoring {
            target,
            input: Arc::new(input),
            root,
            work: Some(Box::new(work)),
            waiting: Vec::new(),
            outcomes: HashMap::new(),
            queue: VecDeque::new(),
            tally: Tally::default(),
            listing: Listing::default(),
            extras: 0,
        })
    }

    fn options(&self) -> &Options {
        &self.target.job().options
    }

    fn monitor(&self) -> &dyn Monitor {
        &*self.target.job().monitor
    }

    fn fail(&mut self, name: &Name, Reason(reason): &Reason) {
        self.tally.own += 1;
        self.monitor().failure(name, reason);
        let failure = Record::failure(name, reason);
        self.listing.add(&failure);
        self.queue.push_back(Ok(failure));
    }

    fn fail_all(&mut self, failed: Vec<Failed>) {
        for (name, reason) in failed {
            self.fail(&name, &reason);
        }
    }

    fn give_out(&mut self, record: Record) {
        self.listing.add(&record);
        if !self.options().dry_run {
            self.queue.push_back(Ok(record));
        }
    }

    /// Reports an action: a dry run returns a row, other runs notify the monitor.
    fn report(&mut self, action: Action, name: &Name, kind: &str, size: Option<u64>, to: Option<&Name>) {
        if self.options().dry_run {
            self.queue.extend(row(action, name, kind, size, to).map(Ok));
            return;
        }
        let word = action.word().unwrap_or("as it should be");
        match to.filter(|_| action.word().is_some()) {
            Some(to) => self.monitor().detail(&format!("{word} to {}", to.printable()), name),
            None => self.monitor().detail(word, name),
        }
    }

    fn take(&mut self, step: Step<T::Place>) -> Result<()> {
        match step {
            Step::Pass(record) => {
                self.tally.pass(&record);
                self.give_out(record);
            }
            Step::Extra => self.extras += 1,
            Step::Folder(action, name) => self.report(action, &name, "directory", None, None),
            Step::Task(task) => {
                self.finish_before(task.record.name());
                if task.first.as_ref().is_some_and(|first| self.became(first, Outcome::Late)) {
                    self.waiting.push((task.record, task.first));
                    return Ok(());
                }
                let done = self.other_name(task);
                self.made(done)?;
            }
            Step::Done(done) => {
                self.finish_before(done.record.name());
                self.made(done)?;
            }
        }
        Ok(())
    }

    /// Finishes the folders before a name. With `delete`, folders are finished at the very end, because deleting changes their
    /// times.
    fn finish_before(&mut self, name: &Name) {
        if !self.options().delete {
            let failed = self.target.finish_before(name);
            self.fail_all(failed);
        }
    }

    fn became(&self, first: &First, outcome: Outcome) -> bool {
        self.outcomes.get(&first.name) == Some(&outcome)
    }

    /// Makes another name of an earlier file. If that is impossible, makes a separate file.
    fn other_name(&self, mut task: Task<T::Place>) -> Done {
        task.first = task.first.filter(|first| !self.became(first, Outcome::Lost));
        if let Some(first) = &mut task.first {
            first.is_new = self.became(first, Outcome::New);
            match self.target.settle(&task) {
                // For example, it is on another file system or has too many links.
                Err(Trouble::Failed(_)) => task.first = None,
                made => return Done { record: task.record, first: task.first, made },
            }
        }
        self.target.done(task)
    }

    fn made(&mut self, done: Done) -> Result<()> {
        let Done { record, first, made } = done;
        let Made { action, now, set } = match made {
            Ok(made) => made,
            Err(trouble) => {
                if record.kind() == Kind::Directory || has_names(&record) {
                    self.outcomes.insert(record.name().clone(), Outcome::Lost);
                }
                match trouble {
                    Trouble::Failed(reason) => self.fail(record.name(), &reason),
                    Trouble::Full(e) => return Err(Error::io(format!("write {}", record.name().printable()), e)),
                    Trouble::Fatal(e) => return Err(e),
                }
                return Ok(());
            }
        };
        if action == Action::MakeRoom {
            self.outcomes.insert(record.name().clone(), Outcome::Late);
            self.waiting.push((record, first));
            return Ok(());
        }
        if action.writes() && has_names(&record) {
            self.outcomes.insert(record.name().clone(), Outcome::New);
        }
        let to = first.as_ref().filter(|_| action != Action::Open).map(|first| &first.name);
        self.report(action, record.name(), record.kind().word().unwrap_or("file"), record.fields().size, to);
        if record.kind() == Kind::Directory && !self.options().delete && !self.options().dry_run {
            self.target.enter(&record);
        }
        match set {
            Ok(()) => self.give_out(now.map_or(record, |now| *now)),
            Err(reason) => self.fail(record.name(), &reason),
        }
        Ok(())
    }

    /// Does everything that comes after all records: deletes, restores what waited for that, and finishes the folders.
    fn conclude(&mut self) -> Result<()> {
        if self.options().delete {
            self.delete()?;
            self.finish_all()?;
        } else if self.extras > 0 {
            let names = counted(self.extras, "name");
            let message = format!("{names} that the rows do not have on this side left alone, because nothing is deleted");
            self.monitor().note(&message);
        }
        let failed = self.target.close();
        self.fail_all(failed);
        if let Err(reason) = self.target.conclude() {
            self.fail(&Name::new(&b"."[..]), &reason);
        }
        if let Some(end) = self.input.end.as_ref().filter(|_| !self.options().dry_run) {
            let came = self.input.spool.counts().listing;
            let after = permit::after(end, came, self.input.is_rows, self.options().delete, self.root.clone());
            let end = End { errors: self.tally.errors(after.errors), ..after.listing(self.listing) };
            self.queue.push_back(Ok(self.target.end(end).record()));
        }
        Ok(())
    }

    /// Deletes, and restores what waited for that.
    fn delete(&mut self) -> Result<()> {
        let deletes = self.tally.own == 0;
        if deletes {
            let (target, input) = (self.target.clone(), self.input.clone());
            target.delete(&input, &mut |deleted| self.deleted(deleted))?;
        } else {
            let failed = counted(self.tally.own, "record");
            self.monitor().warn(&format!("nothing is deleted, because {failed} failed"));
        }
        for (record, first) in std::mem::take(&mut self.waiting) {
            let mut done = self.make_waiting(record, first);
            if let Ok(made) = &mut done.made
                && made.action == Action::MakeRoom
            {
                match self.options().dry_run && deletes {
                    true => made.action = if done.first.is_some() { Action::Link } else { Action::Replace },
                    false => done.made = Err(Trouble::Failed(STILL_BLOCKED.into())),
                }
            }
            self.made(done)?;
        }
        Ok(())
    }

    fn make_waiting(&self, record: Record, first: Option<First>) -> Done {
        match self.target.place(&record) {
            Ok(place) => self.other_name(Task { record, place, first }),
            Err(trouble) => Done { record, first, made: Err(trouble) },
        }
    }

    fn deleted(&mut self, deleted: Deleted) {
        let Deleted { action, name, kind, result } = deleted;
        match result {
            Ok(()) => self.report(action, &name, kind, None, None),
            Err(reason) => self.fail(&name, &reason),
        }
    }

    /// Finishes the folders of all records, in order. Those that could not be made were already reported.
    fn finish_all(&mut self) -> Result<()> {
        if self.options().dry_run {
            return Ok(());
        }
        for chosen in self.input.read() {
            let Chosen::Record(record) = chosen? else { continue };
            if record.is_entry() {
                let failed = self.target.finish_before(record.name());
                self.fail_all(failed);
            }
            if record.kind() == Kind::Directory && self.outcomes.get(record.name()) != Some(&Outcome::Lost) {
                self.target.enter(&record);
            }
        }
        Ok(())
    }
}

fn has_names(record: &Record) -> bool {
    record.fields().nlink.is_some_and(|n| n > 1)
}

impl<T: Target> Iterator for Restoring<T> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Result<Record>> {
        loop {
            if let Some(record) = self.queue.pop_front() {
                return Some(record);
            }
            let done = match self.work.as_mut()?.next() {
                Some(step) => step.and_then(|step| self.take(step)),
                None => {
                    self.work = None;
                    self.conclude()
                }
            };
            if let Err(e) = done {
                self.work = None;
                self.queue.push_back(Err(e));
            }
        }
    }
}

impl<T: Target> Drop for Restoring<T> {
    fn drop(&mut self) {
        // Folders get their modes back, whether or not the work was completed.
        self.work = None;
        self.target.close();
    }
}
