//! Restores files from records. For every record, the restore looks at the existing file and decides (`decide`). A dry run prints
//! the decision; other runs carry it out. One thread makes folders in order, several threads write contents. A folder gets its
//! mode and time when everything in it is done.

mod decide;
mod delete;
mod file;
mod finish;
mod folder;
mod input;
mod job;
mod meta;
pub(crate) mod names;
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

/// Restores records, or rows of `snap-diff`, to a root. A missing folder is made. The input is read completely and checked before
/// anything is changed. The work is done while the caller reads the result: the records (see [`Options::report`] and
/// [`Options::dry_run`]), a record of type `error` for each failure, and an end record if the input had one.
///
/// # Errors
/// The errors of the input; a mix of rows and records; a root that is not a folder; with [`Options::delete`], a stream that can
/// be incomplete.
pub fn restore(
    input: Records,
    root: &Location,
    contents: Arc<dyn Contents>,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    let records = Spool::collect(input, BUDGET, &*monitor)?;
    records.counts().tell(&*monitor);
    let input = Input::new(records, options.side)?;
    let spared = if options.delete { permit::permit(&input, &options)? } else { Spared::default() };
    let job = Job { contents, options, monitor, spared, is_rows: input.is_rows };
    match root {
        Location::Folder(folder) => begin(FolderRoot::open(folder, &input, job)?, input, root),
        Location::Remote(store) => begin(ObjectRoot::new(store.clone(), job), input, root),
    }
}

/// Starts a restore. Before that, checks how much would be deleted.
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
