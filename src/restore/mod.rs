//! Makes files as the records say: every record is looked at, decided on (`decide`) and then printed in a dry run, or done.
//! Folders first to last in one thread, contents in several, and the folders' own modes and times when everything in them is done.

mod decide;
mod delete;
mod file;
mod finish;
mod folder;
mod meta;
mod names;
mod objects;
mod permit;

mod pump;
mod steps;
mod target;
#[cfg(test)]
mod tests;

use crate::content::Contents;
use crate::end::End;
use crate::error::{Error, Result};
use crate::monitor::Monitor;
use crate::record::Kind;
use crate::sort::{BUDGET, Spool};
use crate::storage::Location;
use crate::stream::Records;
use decide::{Chosen, chosen};
use folder::FolderRoot;
use objects::ObjectRoot;
pub use permit::MaxDelete;
use permit::Spared;
use pump::{Restoring, Worker};
use std::sync::Arc;
use target::Target;

use crate::join::Side;

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
    /// Change nothing; give out rows with an `action` each: `create`, `replace` (another content or type), `change` (mode, owner,
    /// time or extended attributes only), `link` (another name of the file `to`), `delete`, and `open` for a folder that can't be
    /// looked into without changing it. What is as it should be has none.
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

/// What came in: read whole, and its end record once.
struct Input {
    spool: Spool,
    end: Option<End>,
    /// Rows of `snap-diff`, not records.
    is_rows: bool,
    side: Side,
}

impl Input {
    fn new(spool: Spool, side: Side) -> Result<Input> {
        let (counts, end) = (spool.counts(), spool.end().map(End::of));
        let is_rows = match (counts.changes > 0, counts.entries > 0) {
            (true, true) => return Err(Error::refused("the input mixes records and rows of snap-diff")),
            (false, false) => end.as_ref().is_some_and(|end| end.diff),
            (is_rows, _) => is_rows,
        };
        Ok(Input { spool, end, is_rows, side })
    }

    /// What is to be restored, in order of name: the records, or a side of the rows. Error records among them.
    fn read(&self) -> impl Iterator<Item = Result<Chosen>> + Send + use<> {
        let side = self.side;
        let records = self.spool.read().filter(|record| !matches!(record, Ok(r) if r.kind() == Kind::End));
        records.map(move |record| Ok(chosen(record?, side)))
    }

    /// Whether there is a file or link in it.
    fn has_files(&self) -> Result<bool> {
        for chosen in self.read() {
            if matches!(chosen?, Chosen::Record(record) if matches!(record.kind(), Kind::File | Kind::Link)) {
                return Ok(true);
            }
        }
        Ok(false)
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
    contents: Arc<dyn Contents>,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    let input = Input::new(Spool::collect(input, BUDGET, &*monitor)?, options.side)?;
    let spared = if options.delete { permit::permit(&input, &options)? } else { Spared::default() };
    let options = Arc::new(options);
    match root {
        Location::Folder(folder) => {
            let target = FolderRoot::open(folder, &input, spared, options.clone(), monitor.clone())?;
            begin(Worker { target, contents, options, monitor }, input, root)
        }
        Location::Remote(store) => {
            let target = ObjectRoot::new(store.clone(), &input, spared, options.clone(), monitor.clone());
            begin(Worker { target, contents, options, monitor }, input, root)
        }
    }
}

/// Checks what would be deleted before anything is done.
fn begin<T: Target>(worker: Worker<T>, input: Input, root: &Location) -> Result<Records> {
    if worker.options.delete {
        let is_other = input.end.as_ref().and_then(|end| end.root.as_ref()).is_some_and(|listed| !root.is_called(listed));
        let check = || worker.target.extent(&input)?.check(input.has_files()?, is_other, &worker.options);
        if let Err(e) = check() {
            worker.target.close();
            return Err(e);
        }
    }
    Ok(Box::new(Restoring::new(worker, input, root.identity())?))
}
