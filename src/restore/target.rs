//! What can be restored to: a folder of this machine or a place in another storage. Both are looked at and changed by the same
//! decisions ([`super::decide`]).

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

/// A record and where it goes.
pub struct Task<P> {
    pub record: Record,
    /// What it takes to look at the name and to work there.
    pub place: P,
    /// The record is another name of a file that came before.
    pub first: Option<First>,
}

/// The first name of a file with several names.
pub struct First {
    pub name: Name,
    /// The file has been made anew, so no other name is one of it yet.
    pub is_new: bool,
}

/// What comes of a record.
pub enum Step<P> {
    /// It goes on as it is.
    Pass(Record),
    /// The name should not be there; without deleting it is left alone.
    Extra,
    /// Something is to be done for a folder that has no record.
    Folder(Action, Name),
    /// It is to be looked at and made.
    Task(Task<P>),
    /// It was looked at and, except in a dry run, made.
    Done(Done),
}

impl<P> Step<P> {
    /// A record that can't be restored.
    pub fn failed(record: Record, reason: impl Into<Reason>) -> Step<P> {
        Step::Done(Done { record, first: None, made: Err(Trouble::Failed(reason.into())) })
    }

    /// The record to restore, or else the step of what is not restored.
    pub fn restores(chosen: Chosen) -> ControlFlow<Step<P>, Record> {
        match chosen {
            Chosen::Record(record) if record.is_entry() => ControlFlow::Continue(record),
            Chosen::Record(record) => ControlFlow::Break(Step::Pass(record)),
            Chosen::Nothing(_) => ControlFlow::Break(Step::Extra),
            Chosen::Bad(row, reason) => ControlFlow::Break(Step::failed(row, reason)),
        }
    }
}

/// What became of a record.
pub struct Done {
    pub record: Record,
    pub first: Option<First>,
    pub made: Result<Made, Trouble>,
}

/// What was done, or is to be done.
pub struct Made {
    pub action: Action,
    /// The record as it is now, if that was asked for.
    pub now: Option<Box<Record>>,
    /// What of the metadata could not be set, and why.
    pub set: Result<(), Reason>,
}

impl Made {
    /// Nothing but the decision.
    pub fn only(action: Action) -> Made {
        Made { action, now: None, set: Ok(()) }
    }
}

/// Why a record was not restored.
#[derive(Debug)]
pub enum Trouble {
    /// A failure of this one record.
    Failed(Reason),
    /// No other file can be written either: the disk is full, or the like.
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

/// Why something was not deleted, before the system's reason.
pub const NOT_DELETED: &str = "can't be deleted";

/// Something that was deleted, or in a dry run would be, or could not be. Or a folder that a dry run can't look into.
pub struct Deleted {
    pub action: Action,
    pub name: Name,
    /// `file`, `link` or `directory`.
    pub kind: &'static str,
    pub result: Result<(), Reason>,
}

/// The steps that records take. An error ends the restore.
pub type Steps<P> = Box<dyn Iterator<Item = Result<Step<P>>> + Send>;

/// A record that failed at the end, and why.
pub type Failed = (Name, Reason);

/// A root that can be restored to. In a dry run, its methods change nothing.
pub trait Target: Send + Sync + Sized + 'static {
    /// How many steps wait for each job.
    const WINDOW: usize;

    /// What it takes to look at a name.
    type Place: Send + 'static;

    fn job(&self) -> &Job;

    /// What would be deleted, counted before anything is done.
    ///
    /// # Errors
    /// Those of the records and of what can't be listed.
    fn extent(&self, input: &Input) -> Result<Extent>;

    /// The steps that records take, in their order. Folders are made here, before what goes into them.
    ///
    /// # Errors
    /// If it can't be listed.
    fn steps(self: Arc<Self>, input: &Input) -> Result<Steps<Self::Place>>;

    /// The place of a record whose folder is there.
    fn place(&self, record: &Record) -> Result<Self::Place, Trouble>;

    /// What is there.
    fn look(&self, task: &Task<Self::Place>) -> Result<There, Trouble>;

    /// Reads the file that is there.
    fn read(&self, task: &Task<Self::Place>, there: &There) -> Result<Read, Trouble>;

    /// Does it: something whole is in the place, or nothing has changed there. Never in a dry run.
    fn apply(&self, task: &Task<Self::Place>, there: &There, action: Action) -> Result<Made, Trouble>;

    /// Looks at a place, decides, and does it, except in a dry run.
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

    /// [`Target::settle`], as the last step of its record.
    fn done(&self, task: Task<Self::Place>) -> Done {
        let made = self.settle(&task);
        Done { record: task.record, first: task.first, made }
    }

    /// Deletes what should not be there, in order of name, and reports each; in a dry run reports only.
    ///
    /// # Errors
    /// Those of the records.
    fn delete(&self, input: &Input, report: &mut dyn FnMut(Deleted)) -> Result<()>;

    /// Gives the folders that hold no name from this one on their mode and time.
    fn finish_before(&self, _name: &Name) -> Vec<Failed> {
        Vec::new()
    }

    /// Takes a folder in, to be finished when all in it is done.
    fn enter(&self, _folder: &Record) {}

    /// Finishes all folders, and takes back what was changed for the time of the work. Also when the work was stopped.
    fn close(&self) -> Vec<Failed> {
        Vec::new()
    }

    /// What comes last of all, if nothing stopped the work.
    ///
    /// # Errors
    /// What could not be set for the root itself.
    fn conclude(&self) -> Result<(), Reason> {
        Ok(())
    }

    /// The end record with what is known of the root as it is now.
    fn end(&self, end: End) -> End {
        end
    }
}
