//! `snap-scan` lists the files, links and folders below a root as records, in order of name.

mod names;
mod records;

pub use crate::filter::{Filter, Rules};
pub use crate::source::{Options, Own, Versions, facts, objects};

use crate::display::printable;
use crate::end::{self, End};
use crate::error::{Error, Refusal, Result};
use crate::monitor::Monitor;
use crate::record::Record;
use crate::source::{self, Selection, Source};
use crate::storage::Location;
use crate::stream::Records;
use crate::{parallel, sort};
use std::io::BufRead;
use std::sync::Arc;

/// Lists a root.
///
/// # Errors
/// If the root does not exist or is not a folder, or does not support an option. Later failures become records of type `error`.
pub fn scan(root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let (source, selection) = open(root, options, monitor)?;
    let records = source.clone().list(selection.clone())?;
    Ok(ended(records, &*source, selection))
}

/// Lists only the names that `input` has, one per line or (with `null`) terminated by NUL. They are taken literally.
///
/// # Errors
/// If the root does not exist or is not a folder, a name can't be read, or a name is not valid in a record.
pub fn scan_names(
    root: &Location,
    input: impl BufRead + Send + 'static,
    from: &str,
    null: bool,
    options: Options,
    monitor: Arc<dyn Monitor>,
) -> Result<Records> {
    let (source, selection) = open(root, options, monitor.clone())?;
    selection.note_chosen();
    let names = names::Names::new(input, from.to_string(), null, !source.is_folder());
    let asked = selection.clone();
    let names = names.filter(move |name| name.as_ref().map_or(true, |name| asked.has(name.as_bytes())));
    let (looker, chosen, jobs) = (source.clone(), selection.clone(), source.jobs());
    let look = move |name: Result<_>| name.and_then(|name| looker.look(name, &chosen)).transpose();
    let records: Records = match jobs {
        1 => Box::new(names.filter_map(look)),
        jobs => Box::new(parallel::ordered_map(names, jobs, jobs * 4, look).flatten()),
    };
    Ok(ended(sort::ordered(records, monitor)?, &*source, selection))
}

/// Lists the records of a list that another program made, in any order, and completes those that lack something.
///
/// # Errors
/// Errors of [`scan`]; a list that can't be read, or that has something else than entries.
pub fn scan_records(root: &Location, list: Records, options: Options, monitor: Arc<dyn Monitor>) -> Result<Records> {
    let (source, selection) = open(root, options, monitor.clone())?;
    let (looker, chosen, jobs) = (source.clone(), selection.clone(), source.jobs());
    let list = records::Listed::new(list, source.location());
    let is_whole = list.is_whole();
    let asked = selection.clone();
    let list = list.filter(move |record| record.as_ref().map_or(true, |record| asked.has(record.name().as_bytes())));
    let complete = move |record: Result<Record>| record.and_then(|r| records::completed(r, &*looker, &chosen)).transpose();
    let records = sort::ordered(Box::new(parallel::ordered_map(list, jobs, jobs * 4, complete).flatten()), monitor)?;
    if !*parallel::lock(&is_whole) {
        selection.note_chosen();
    }
    Ok(ended(records, &*source, selection))
}

fn open(root: &Location, options: Options, monitor: Arc<dyn Monitor>) -> Result<(Arc<dyn Source>, Arc<Selection>)> {
    let selection = Selection::new(root, options, monitor)?;
    let source = source::open(root)?;
    if !source.is_folder() {
        refuse_what_folders_have(root, &selection.options)?;
    } else if selection.options.versions.is_some() {
        return Err(Error::refused(format!("{root}: a folder keeps no versions of files")));
    }
    Ok((source, Arc::new(selection)))
}

/// Refuses options that would have no effect, because they apply to folders of this machine only.
fn refuse_what_folders_have(root: &Location, options: &Options) -> Result<()> {
    let (refusal, reason) = match options.filter.ignore_files.first() {
        Some(name) => {
            let name = printable(name.as_encoded_bytes());
            (Refusal::IgnoreFiles, format!("ignore files are not read in {root}, so {name} would have no effect"))
        }
        None if options.xattrs => (Refusal::Xattrs, format!("extended attributes are not recorded in {root}")),
        None if options.one_file_system => (Refusal::FileSystems, format!("{root} has no file systems to stay on")),
        None => return Ok(()),
    };
    Err(Error::rule(refusal, reason))
}

/// Adds the end record to the records of a listing.
fn ended(records: Records, source: &dyn Source, selection: Arc<Selection>) -> Records {
    let root = Some(source.location().identity());
    // If the metadata of the root is unknown, a restore makes the root like any new folder.
    let log = selection.options.versions == Some(Versions::All);
    let end = End { root, log, root_folder: source.root_facts(selection.options.xattrs), ..End::default() };
    end::ended(records, move |listing, errors| selection.end(listing, End { errors, ..end }))
}
