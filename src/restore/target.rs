//! The targets of a restore: a folder of this machine or a root in another storage. Both use the same decisions
//! ([`super::decide`]).

use super::decide::{self, Action, Read, There, What};
use super::input::{Chosen, Input};
use super::job::Job;
use super::permit::Extent;
use crate::content::Lack;
use crate::end::End;
use crate::error::{Error, Reason, Result};
use crate::name::Name;
use crate::parallel::Weigh;
use crate::record::{Kind, Record};
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A record and its place.
pub struct Task<P> {
    pub record: Record,
    /// The data that the target needs to look at the name and to change it.
    pub place: P,
    /// The first name of the file, if the record is another name of an earlier file.
    pub first: Option<First>,
}

/// The first name of a file with several names.
pub struct First {
    pub name: Name,
    /// Whether the file is new. Then it has no other names yet.
    pub is_new: bool,
}

/// The step for a record.
pub enum Step<P> {
    /// The record passes unchanged.
    Pass(Record),
    /// The name should not exist. Without deleting, it is left alone.
    Extra,
    /// An action on a folder that has no record.
    Folder(Action, Name),
    /// The record has to be looked at and restored.
    Task(Task<P>),
    /// The record was looked at and, except in a dry run, restored.
    Done(Done),
}

impl<P> Step<P> {
    /// Returns the step of a record that can't be restored.
    pub fn failed(record: Record, reason: impl Into<Reason>) -> Step<P> {
        Step::Done(Done { record, first: None, made: Err(Trouble::Failed(reason.into())) })
    }

    /// Returns the record to restore, or the step if nothing is restored.
    pub fn restores(chosen: Chosen) -> ControlFlow<Step<P>, Record> {
        match chosen {
            Chosen::Record(record) if record.is_entry() => ControlFlow::Continue(record),
            Chosen::Record(record) => ControlFlow::Break(Step::Pass(record)),
            Chosen::Nothing(_) => ControlFlow::Break(Step::Extra),
            Chosen::Bad(row, reason) => ControlFlow::Break(Step::failed(row, reason)),
        }
    }
}

/// The result for a record.
pub struct Done {
    pub record: Record,
    pub first: Option<First>,
    pub made: Result<Made, Trouble>,
}

/// The action that was carried out, or is planned.
pub struct Made {
    pub action: Action,
    /// The current record, if the options ask for it.
    pub now: Option<Box<Record>>,
    /// The metadata that could not be set, with the reason.
    pub set: Result<(), Reason>,
}

impl Made {
    /// Makes a result that has only the decision.
    pub fn only(action: Action) -> Made {
        Made { action, now: None, set: Ok(()) }
    }
}

/// The reason why a record was not restored.
#[derive(Debug)]
pub enum Trouble {
    /// Only this record fails.
    Failed(Reason),
    /// No other file can be written either, for example because the disk is full.
    Full(io::Error),
    /// No other file can be restored either.
    Fatal(Error),
}

impl From<Reason> for Trouble {
    fn from(reason: Reason) -> Trouble {
        Trouble::Failed(reason)
    }
}

impl From<Lack> for Trouble {
    fn from(lack: Lack) -> Trouble {
        match lack {
            Lack::Record(reason) => Trouble::Failed(reason.into()),
            Lack::All(e) => Trouble::Fatal(e),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(e: io::Error) -> Trouble {
        use io::ErrorKind::{QuotaExceeded, ReadOnlyFilesystem, StorageFull};
        match e.kind() {
            StorageFull | QuotaExceeded | ReadOnlyFilesystem => Trouble::Full(e),
            _ => Trouble::Failed(e.into()),
        }
    }
}

impl<P> Weigh for Step<P> {
    fn weight(&self) -> usize {
        match self {
            Step::Pass(record) | Step::Task(Task { record, .. }) | Step::Done(Done { record, .. }) => record.footprint(),
            Step::Folder(_, name) => name.weight(),
            Step::Extra => 0,
        }
    }
}

/// The message for a file that was not deleted. The system's reason follows.
pub const NOT_DELETED: &str = "can't be deleted";

/// The result of deleting an entry; in a dry run, an entry that would be deleted, or a folder that can't be read.
pub struct Deleted {
    pub action: Action,
    pub name: Name,
    /// `file`, `link` or `directory`.
    pub kind: &'static str,
    pub result: Result<(), Reason>,
}

/// The steps of all records. An error ends the restore.
pub type Steps<P> = Box<dyn Iterator<Item = Result<Step<P>>> + Send>;

/// A record that failed at the end, and the reason.
pub type Failed = (Name, Reason);

/// A target of a restore. In a dry run, its methods change nothing.
pub trait Target: Send + Sync + Sized + 'static {
    /// The number of steps that wait, per job.
    const WINDOW: usize;

    /// The data that the target needs to look at a name.
    type Place: Send + 'static;

    fn job(&self) -> &Job;

    /// Counts what would be deleted, before anything is changed.
    ///
    /// # Errors
    /// The errors of the records and of folders that can't be listed.
    fn extent(&self, input: &Input) -> Result<Extent>;

    /// Returns the steps of the records, in order. A folder is made here, before the files in it.
    ///
    /// # Errors
    /// If the target can't be listed.
    fn steps(self: Arc<Self>, input: &Input) -> Result<Steps<Self::Place>>;

    /// Returns the place of a record whose folder exists.
    fn place(&self, record: &Record) -> Result<Self::Place, Trouble>;

    /// Returns the current state of the name.
    fn look(&self, task: &Task<Self::Place>) -> Result<There, Trouble>;

    /// Reads the existing file.
    fn read(&self, task: &Task<Self::Place>, there: &There) -> Result<Read, Trouble>;

    /// Carries out an action: it succeeds completely, or nothing changes. Never called in a dry run.
    fn apply(&self, task: &Task<Self::Place>, there: &There, action: Action) -> Result<Made, Trouble>;

    /// Looks at a name and decides; except in a dry run, carries out the decision.
    fn settle(&self, task: &Task<Self::Place>) -> Result<Made, Trouble> {
        let Job { options, contents, .. } = self.job();
        let mut there = self.look(task)?;
        let mut action = decide::decide(&task.record, &there, options)?;
        if action == Action::Read {
            let read = self.read(task, &there)?;
            if let What::File(seen) = &mut there.what {
                seen.read = Some(read);
            }
            action = decide::decide(&task.record, &there, options)?;
        }
        let waits = options.dry_run || action == Action::MakeRoom;
        if waits && action.writes() && task.record.kind() == Kind::File {
            contents.look(&task.record)?;
        }
        if waits { Ok(Made::only(action)) } else { self.apply(task, &there, action) }
    }

    /// Calls [`Target::settle`] as the last step of a record.
    fn done(&self, task: Task<Self::Place>) -> Done {
        let made = self.settle(&task);
        Done { record: task.record, first: task.first, made }
    }

    /// Deletes what should not exist, in order of name, and reports each name. A dry run only reports.
    ///
    /// # Errors
    /// The errors of the records.
    fn delete(&self, input: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()>;

    /// Gives folders their mode and time, if neither this name nor a later one is below them.
    fn finish_before(&self, _name: &Name) -> Vec<Failed> {
        Vec::new()
    }

    /// Registers a folder, to be finished when everything in it is done.
    fn enter(&self, _folder: &Record) {}

    /// Finishes all folders, and undoes the changes that were made only for the restore. Also called if the restore was stopped.
    fn close(&self) -> Vec<Failed> {
        Vec::new()
    }

    /// Does the last step of all, if nothing stopped the restore.
    ///
    /// # Errors
    /// The metadata of the root that could not be set.
    fn conclude(&self) -> Result<(), Reason> {
        Ok(())
    }

    /// Adds the current metadata of the root to the end record.
    fn end(&self, end: End) -> End {
        end
    }
}
