//! Makes files as the records say. For every record, the restore looks at what is there and decides (`decide`); a dry run prints
//! the decision, other runs carry it out. One thread makes folders in order, several threads write contents, and a folder gets
//! its mode and time when everything in it is done.

mod decide;
mod delete;
mod file;
mod finish;
mod folder;
mod input;
mod job;
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
use job::Job;
use objects::ObjectRoot;
pub use options::{MaxDelete, Options};
use permit::Spared;
use pump::Restoring;
use root::FolderRoot;
use std::sync::Arc;
use target::Target;

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
    let job = Job { contents, options, monitor, spared, is_rows: input.is_rows };
    match root {
        Location::Folder(folder) => begin(FolderRoot::open(folder, &input, job)?, input, root),
        Location::Remote(store) => begin(ObjectRoot::new(store.clone(), job), input, root),
    }
}

/// Checks what would be deleted before anything is done.
fn begin<T: Target>(target: T, input: Input, root: &Location) -> Result<Records> {
    let options = &target.job().options;
    if options.delete {
        let is_other = input.end.as_ref().and_then(|end| end.root.as_ref()).is_some_and(|listed| !root.is_called(listed));
        let check = || target.extent(&input)?.check(input.has_files()?, is_other, options);
        if let Err(e) = check() {
            target.close();
            return Err(e);
        }
    }
    Ok(Box::new(Restoring::new(target, input, root.identity())?))
}
