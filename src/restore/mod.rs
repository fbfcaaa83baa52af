//! Makes files as the records say: every record is looked at, decided on (`decide`) and then printed in a dry run, or done.
//! Folders first to last in one thread, contents in several, and the folders' own modes and times when everything in them is done.

mod decide;
mod delete;
mod file;
mod finish;
mod folder;
mod input;
mod meta;
mod names;
mod objects;
mod options;
mod permit;
mod pump;
mod root;
mod steps;
mod target;
#[cfg(test)]
mod tests;

use crate::content::Contents;
use crate::error::Result;
use crate::monitor::Monitor;
use crate::sort::{BUDGET, Spool};
use crate::storage::Location;
use crate::stream::Records;
use input::Input;
use objects::ObjectRoot;
pub use options::{MaxDelete, Options};
use permit::Spared;
use pump::Restoring;
use root::FolderRoot;
use std::sync::Arc;
use target::{Target, Worker};

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
