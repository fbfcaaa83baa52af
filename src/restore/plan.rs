//! What is to be done with each record, found in order: names that can't be restored, folders (made here, before anything that
//! goes into them), and files that are another name of an earlier one.

use super::Context;
use super::file::{Target, Trouble, is};
use super::finish::is_past;
use crate::digest::Md5;
use crate::error::{Error, Result};
use crate::join::Side;
use crate::name::Name;
use crate::parallel::Weigh;
use crate::record::{Kind, Record};
use crate::rootdir::{Folder, split};
use rustix::fs::FileType;
use std::collections::HashMap;
use std::io;
use std::sync::Arc;

/// The longest path that Linux takes, in bytes. Part by part a longer one could be made, at a cost that grows with its square.
const NAME_LIMIT: usize = 4095;

/// What is to be done with a record.
pub enum Step {
    /// It goes on as it is: an error record, the end record.
    Pass(Record),
    /// It can't be restored.
    Fail(Record, String),
    /// A folder, which is there now.
    Folder(Record),
    /// A file or link to make.
    Make(Target),
    /// Another name of the file restored under that name.
    HardLink(Target, Name),
    /// A name that should not be there.
    Gone,
    /// Nothing more can be done.
    Fatal(Error),
}

impl Weigh for Step {
    fn weight(&self) -> usize {
        match self {
            Step::Pass(record) | Step::Fail(record, _) | Step::Folder(record) => record.footprint(),
            Step::Make(target) | Step::HardLink(target, _) => target.record.footprint(),
            Step::Gone | Step::Fatal(_) => 0,
        }
    }
}

/// Turns records into steps.
pub struct Planner {
    context: Arc<Context>,
    names: Names,
    links: HardLinks,
    /// The last folder that something was put in.
    current: Option<(Vec<u8>, Arc<Folder>)>,
}

impl Planner {
    pub fn new(context: Arc<Context>) -> Planner {
        Planner { context, names: Names::default(), links: HardLinks::default(), current: None }
    }

    pub fn step(&mut self, record: Result<Record>) -> Step {
        let record = match record.map(|record| chosen(record, self.context.side)) {
            Err(e) => return Step::Fatal(e),
            Ok(Chosen::Nothing(_)) => return Step::Gone,
            Ok(Chosen::Bad(row, reason)) => return Step::Fail(row, reason),
            Ok(Chosen::Record(record)) => record,
        };
        if matches!(record.kind(), Kind::Error | Kind::End) {
            return Step::Pass(record);
        }
        if let Err(reason) = self.names.check(&record) {
            return Step::Fail(record, reason);
        }
        match self.place(&record) {
            Err(Trouble::Fatal(e)) => Step::Fatal(e),
            Err(Trouble::Failed(reason)) => Step::Fail(record, reason),
            Err(_) | Ok(None) => Step::Folder(record),
            Ok(Some(folder)) => match self.links.first_of(&record) {
                Some(first) => Step::HardLink(Target { record, folder }, first),
                None => Step::Make(Target { record, folder }),
            },
        }
    }

    /// The folder that a file goes into; None for a folder, which is made.
    fn place(&mut self, record: &Record) -> Result<Option<Arc<Folder>>, Trouble> {
        let name = record.name().as_bytes();
        let (parent, leaf) = split(name);
        let folder = self.enter(parent)?;
        if record.kind() != Kind::Directory {
            return Ok(Some(folder));
        }
        if let Some(stat) = folder.lstat(leaf)? {
            if is(&stat, FileType::Directory) {
                return Ok(None);
            }
            folder.unlink(leaf)?;
        }
        // Nobody else has to look in before its own mode is set.
        let mode = if record.fields().mode.is_some() { 0o700 } else { 0o777 };
        folder.make_folder(leaf, mode)?;
        Ok(None)
    }

    /// Opens a folder to put something in; makes it, and those above, where they are missing or something else is there.
    fn enter(&mut self, name: &[u8]) -> io::Result<Arc<Folder>> {
        if let Some((_, folder)) = self.current.as_ref().filter(|(current, _)| current == name) {
            return Ok(folder.clone());
        }
        self.current = None;
        let context = &self.context;
        let folder = match context.root.folder(name) {
            Ok(folder) => {
                context.loosened.loosen(&folder, name, context)?;
                folder
            }
            Err(_) => enter_by_parts(context, name)?,
        };
        let folder = Arc::new(folder);
        self.current = Some((name.to_vec(), folder.clone()));
        Ok(folder)
    }
}

/// Opens or makes a folder part by part.
pub fn enter_by_parts(context: &Context, name: &[u8]) -> io::Result<Folder> {
    let mut folder = context.root.folder(b"")?;
    if name.is_empty() {
        return Ok(folder);
    }
    let ends = name.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).chain([name.len()]);
    for end in ends {
        let path = &name[..end];
        let leaf = split(path).1;
        let open = || context.loosened.open(&folder, path, context);
        folder = match (open(), folder.lstat(leaf)?) {
            (Ok(next), _) => next,
            (Err(e), Some(stat)) if is(&stat, FileType::Directory) => return Err(e),
            (Err(_), there) => {
                if there.is_some() {
                    folder.unlink(leaf)?;
                }
                match folder.make_folder(leaf, 0o777) {
                    Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
                    _ => open()?,
                }
            }
        };
    }
    Ok(folder)
}

/// The record to restore: the record itself, or a side of a row of `snap-diff`.
pub enum Chosen {
    Record(Record),
    /// The name should not be there.
    Nothing(Record),
    /// The row is wrong, and why.
    Bad(Record, String),
}

pub fn chosen(row: Record, side: Side) -> Chosen {
    if row.kind() != Kind::Change {
        return Chosen::Record(row);
    }
    let key = match side {
        Side::Left => "left",
        Side::Right => "right",
    };
    let Some(text) = row.raw(key).filter(|text| text != "null") else { return Chosen::Nothing(row) };
    match Record::parse_owned(text.into_bytes()) {
        Ok(record) if record.name() == row.name() && record.is_entry() => Chosen::Record(record),
        Ok(_) => Chosen::Bad(row, format!("{key}: is no record of that name")),
        Err(e) => Chosen::Bad(row, format!("{key}: {e}")),
    }
}

/// Which names can be restored beside those before them.
#[derive(Default)]
pub struct Names {
    /// Files and links that something to come could still be below.
    leaves: Vec<Name>,
}

impl Names {
    /// Takes in the next record of a tree, in order of name.
    ///
    /// # Errors
    /// Why it can't be restored.
    pub fn check(&mut self, record: &Record) -> Result<(), String> {
        let name = record.name();
        while self.leaves.pop_if(|leaf| is_past(leaf, name)).is_some() {}
        if name.as_bytes().split(|b| *b == b'/').any(<[u8]>::is_empty) {
            return Err("a name with an empty part or a / at its start or end can't be restored to a folder".to_string());
        }
        if name.as_bytes().len() > NAME_LIMIT {
            return Err(format!("a name of more than {NAME_LIMIT} bytes can't be restored to a folder"));
        }
        if let Some(leaf) = self.leaves.iter().find(|leaf| leaf.is_above(name)) {
            return Err(format!("{} is no folder in the same records", leaf.printable()));
        }
        if record.kind() != Kind::Directory {
            self.leaves.push(name.clone());
        }
        match record.kind() {
            Kind::Other => {
                let kind = record.string("type").unwrap_or_default();
                Err(format!("a {} can't be restored", crate::display::printable(kind.as_bytes())))
            }
            _ => Ok(()),
        }
    }
}

/// Files with several names: the first one of each.
#[derive(Default)]
pub struct HardLinks {
    first: HashMap<(Option<u64>, u64), First>,
}

struct First {
    name: Name,
    content: (Option<Md5>, Option<u64>),
    /// How many names are still to come.
    left: u64,
}

impl HardLinks {
    /// The name that an earlier record gave the same file; None for the first and for those with one name.
    pub fn first_of(&mut self, record: &Record) -> Option<Name> {
        let fields = record.fields();
        let names = fields.nlink.filter(|n| *n > 1 && record.kind() == Kind::File)?;
        let key = (fields.dev, fields.ino?);
        let content = (Some(fields.md5?), fields.size);
        match self.first.get_mut(&key) {
            Some(first) if first.content == content => {
                first.left -= 1;
                let name = first.name.clone();
                if first.left == 0 {
                    self.first.remove(&key);
                }
                Some(name)
            }
            // The file changed between the one and the other.
            Some(_) => None,
            None => {
                self.first.insert(key, First { name: record.name().clone(), content, left: names - 1 });
                None
            }
        }
    }
}
