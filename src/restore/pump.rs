//! The way of all records: looked at, decided on, and then printed or done; deleting after them; the end record.

use super::decide::{self, Action, STILL_BLOCKED, row};
use super::input::{Chosen, Input};
use super::permit;
use super::target::{Deleted, Done, Failed, First, Made, Step, Target, Task, Trouble, Worker};
use crate::display::counted;
use crate::end::Tally;
use crate::end::{End, Listing};
use crate::error::{Error, Result};
use crate::name::Name;
use crate::parallel::ordered_map;
use crate::record::{Kind, Record};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

impl<T: Target> Worker<T> {
    /// Looks at a place, decides, and does it but in a dry run.
    pub fn settle(&self, task: &Task<T::Place>) -> Result<Made, Trouble> {
        let mut there = self.target.look(task)?;
        let mut action = decide::decide(&task.record, &there, &self.options)?;
        if action == Action::Read {
            let read = self.target.read(task, &there)?;
            there = there.when_read(read);
            action = decide::decide(&task.record, &there, &self.options)?;
        }
        let waits = self.options.dry_run || action == Action::MakeRoom;
        if waits && action.writes() && task.record.kind() == Kind::File {
            self.contents.look(&task.record)?;
        }
        if waits { Ok(Made::only(action)) } else { self.target.apply(task, &there, action, &*self.contents) }
    }

    /// The same, as a step of its record.
    pub fn done(&self, task: Task<T::Place>) -> Done {
        let made = self.settle(&task);
        Done { record: task.record, first: task.first, made }
    }

    fn work(&self, step: Step<T::Place>) -> Step<T::Place> {
        match step {
            // Another name of a file has to wait for the first.
            Step::Task(task) if task.first.is_none() => {
                let done = self.done(task);
                self.monitor.done(done.record.fields().size.unwrap_or(0));
                Step::Done(done)
            }
            step => step,
        }
    }
}

/// What became of a record.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It could not be made.
    Lost,
    /// It waits for what is to be deleted.
    Late,
    /// It was made anew.
    New,
}

/// A restore at work.
pub struct Restoring<T: Target> {
    worker: Arc<Worker<T>>,
    input: Arc<Input>,
    /// The identity of the root.
    root: String,
    work: Option<Box<dyn Iterator<Item = Step<T::Place>> + Send>>,
    /// Files and links that a folder has to make room for, and other names of such files.
    waiting: Vec<(Record, Option<First>)>,
    /// What became of folders and of files with several names, as far as that matters later.
    fates: HashMap<Name, Fate>,
    queue: VecDeque<Result<Record>>,
    tally: Tally,
    /// What is given out.
    listing: Listing,
    /// Names of rows that should not be there and are left alone.
    extras: u64,
}

impl<T: Target> Restoring<T> {
    /// Begins to work.
    pub fn new(worker: Worker<T>, input: Input, root: String) -> Result<Restoring<T>> {
        let worker = Arc::new(worker);
        let jobs = worker.options.jobs.max(1);
        let steps = T::steps(worker.clone(), &input)?;
        let hand = worker.clone();
        let work = ordered_map(steps, jobs, jobs * T::WINDOW, move |step| hand.work(step));
        Ok(Restoring {
            worker,
            input: Arc::new(input),
            root,
            work: Some(Box::new(work)),
            waiting: Vec::new(),
            fates: HashMap::new(),
            queue: VecDeque::new(),
            tally: Tally::default(),
            listing: Listing::default(),
            extras: 0,
        })
    }

    fn is_dry(&self) -> bool {
        self.worker.options.dry_run
    }

    fn fail(&mut self, name: &Name, reason: &str) {
        self.tally.own += 1;
        self.worker.monitor.failure(name, reason);
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
        if !self.is_dry() {
            self.queue.push_back(Ok(record));
        }
    }

    /// Says what is done: a dry run with a row, a run to the monitor.
    fn say(&mut self, action: Action, name: &Name, kind: &str, size: Option<u64>, to: Option<&Name>) {
        if self.is_dry() {
            self.queue.extend(row(action, name, kind, size, to).map(Ok));
            return;
        }
        let word = action.word().unwrap_or("as it should be");
        match to.filter(|_| action.word().is_some()) {
            Some(to) => self.worker.monitor.detail(&format!("{word} to {}", to.printable()), name),
            None => self.worker.monitor.detail(word, name),
        }
    }

    fn stop(&mut self, e: Error) {
        self.work = None;
        self.queue.push_back(Err(e));
    }

    fn take(&mut self, step: Step<T::Place>) {
        match step {
            Step::Pass(record) => {
                self.tally.pass(&record);
                self.give_out(record);
            }
            Step::Extra => self.extras += 1,
            Step::Folder(action, name) => self.say(action, &name, "directory", None, None),
            Step::Task(task) => {
                self.finish_before(task.record.name());
                if task.first.as_ref().is_some_and(|first| self.became(first, Fate::Late)) {
                    return self.waiting.push((task.record, task.first));
                }
                let done = self.other_name(task);
                self.made(done);
            }
            Step::Done(done) => {
                self.finish_before(done.record.name());
                self.made(done);
            }
            Step::Fatal(e) => self.stop(e),
        }
    }

    /// With `delete`, folders are finished at the very end, because deleting changes their times.
    fn finish_before(&mut self, name: &Name) {
        if !self.worker.options.delete {
            let failed = self.worker.target.finish_before(name);
            self.fail_all(failed);
        }
    }

    fn became(&self, first: &First, fate: Fate) -> bool {
        self.fates.get(&first.name) == Some(&fate)
    }

    /// Makes another name of a file that came before; where that can't be, a file of its own.
    fn other_name(&self, mut task: Task<T::Place>) -> Done {
        task.first = task.first.filter(|first| !self.became(first, Fate::Lost));
        if let Some(first) = &mut task.first {
            first.is_new = self.became(first, Fate::New);
            match self.worker.settle(&task) {
                // Another file system, too many links.
                Err(Trouble::Failed(_)) => task.first = None,
                made => return Done { record: task.record, first: task.first, made },
            }
        }
        self.worker.done(task)
    }

    fn made(&mut self, done: Done) {
        let Done { record, first, made } = done;
        let Made { action, now, set } = match made {
            Ok(made) => made,
            Err(trouble) => {
                if record.kind() == Kind::Directory || has_names(&record) {
                    self.fates.insert(record.name().clone(), Fate::Lost);
                }
                return match trouble {
                    Trouble::Failed(reason) => self.fail(record.name(), &reason),
                    Trouble::Fatal(e) => self.stop(e),
                };
            }
        };
        if action == Action::MakeRoom {
            self.fates.insert(record.name().clone(), Fate::Late);
            return self.waiting.push((record, first));
        }
        if action.writes() && has_names(&record) {
            self.fates.insert(record.name().clone(), Fate::New);
        }
        let to = first.as_ref().filter(|_| action != Action::Open).map(|first| &first.name);
        self.say(action, record.name(), record.kind().word().unwrap_or("file"), record.fields().size, to);
        if record.kind() == Kind::Directory && !self.worker.options.delete && !self.is_dry() {
            self.worker.target.enter(&record);
        }
        match set {
            Ok(()) => self.give_out(now.map_or(record, |now| *now)),
            Err(reason) => self.fail(record.name(), &reason),
        }
    }

    /// What comes after all records: deleting, what had to wait for it, and the folders.
    fn conclude(&mut self) -> Result<()> {
        if self.worker.options.delete {
            self.delete()?;
            self.finish_all()?;
        } else if self.extras > 0 {
            let names = counted(self.extras, "name");
            let message = format!("{names} that the rows do not have on this side left alone, because nothing is deleted");
            self.worker.monitor.note(&message);
        }
        let failed = self.worker.target.close();
        self.fail_all(failed);
        if let Err(reason) = self.worker.target.conclude() {
            self.fail(&Name::new(&b"."[..]), &reason);
        }
        if let Some(end) = self.input.end.as_ref().filter(|_| !self.is_dry()) {
            let came = self.input.spool.counts().listing;
            let after = permit::after(end, came, self.input.is_rows, self.worker.options.delete, self.root.clone());
            let end = End { errors: self.tally.errors(after.errors), ..after.listing(self.listing) };
            self.queue.push_back(Ok(self.worker.target.end(end).record()));
        }
        Ok(())
    }

    /// Deletes, and makes what had to wait for that.
    fn delete(&mut self) -> Result<()> {
        let deletes = self.tally.own == 0;
        if deletes {
            let (worker, input) = (self.worker.clone(), self.input.clone());
            worker.target.delete(&input, &mut |deleted| self.deleted(deleted))?;
        } else {
            let failed = counted(self.tally.own, "record");
            self.worker.monitor.warn(&format!("nothing is deleted, because {failed} failed"));
        }
        for (record, first) in std::mem::take(&mut self.waiting) {
            let mut done = self.make_waiting(record, first);
            if let Ok(made) = &mut done.made
                && made.action == Action::MakeRoom
            {
                match self.is_dry() && deletes {
                    true => made.action = if done.first.is_some() { Action::Link } else { Action::Replace },
                    false => done.made = Err(Trouble::Failed(STILL_BLOCKED.to_string())),
                }
            }
            if let Err(Trouble::Fatal(e)) = done.made {
                return Err(e);
            }
            self.made(done);
        }
        Ok(())
    }

    fn make_waiting(&self, record: Record, first: Option<First>) -> Done {
        match self.worker.target.place(&record) {
            Ok(place) => self.other_name(Task { record, place, first }),
            Err(trouble) => Done { record, first, made: Err(trouble) },
        }
    }

    fn deleted(&mut self, deleted: Deleted) {
        let Deleted { action, name, kind, result } = deleted;
        match result {
            Ok(()) => self.say(action, &name, kind, None, None),
            Err(reason) => self.fail(&name, &reason),
        }
    }

    /// Finishes the folders of all records, in their order. Those that could not be made were told already.
    fn finish_all(&mut self) -> Result<()> {
        if self.is_dry() {
            return Ok(());
        }
        for chosen in self.input.read() {
            let Chosen::Record(record) = chosen? else { continue };
            if record.is_entry() {
                let failed = self.worker.target.finish_before(record.name());
                self.fail_all(failed);
            }
            if record.kind() == Kind::Directory && self.fates.get(record.name()) != Some(&Fate::Lost) {
                self.worker.target.enter(&record);
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
            match self.work.as_mut()?.next() {
                Some(step) => self.take(step),
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

impl<T: Target> Drop for Restoring<T> {
    fn drop(&mut self) {
        // Whatever stopped the work, no folder is left with a mode that was for us alone.
        self.work = None;
        self.worker.target.close();
    }
}
