//! Reads the settings of the commands of `snapshooter` from its options and the environment.

use super::Setup;
use super::args::Global;
use crate::cli::LogLevel;
use crate::display::printable;
use crate::error::{Error, OrFailed, Result};
use crate::monitor::Monitor;
use crate::parallel::MOST_JOBS;
use crate::storage::{Location, Options, variable};
use clap::ValueEnum;
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// The number of files that the Python tool works on at once.
const PARALLEL: usize = 20;

/// Returns the level of the log.
///
/// # Errors
/// If LOGLEVEL is not a level.
pub fn log_level(global: &Global) -> Result<LogLevel> {
    match (global.loglevel, variable("LOGLEVEL")) {
        (Some(level), _) => Ok(level),
        (None, None) => Ok(LogLevel::Info),
        (None, Some(text)) => LogLevel::from_str(&text.to_string_lossy(), true).map_err(|_| {
            let shown = printable(text.as_bytes());
            Error::advise(format!("LOGLEVEL: {shown}: no such level"), "CRITICAL, ERROR, WARNING, INFO, DEBUG or NONE")
        }),
    }
}

/// Returns a root with an absolute path, in the form that is printed.
///
/// # Errors
/// If no root is given, or the text is not a root.
pub fn absolute(root: Result<Location>) -> Result<Location> {
    root?.made_absolute().or_failed(|| "the current folder".to_string())
}

/// Returns a number from an option, or else from its environment variable.
///
/// # Errors
/// If the variable is not a number, or is 0.
fn number(given: Option<NonZeroUsize>, name: &str) -> Result<usize> {
    let Some(text) = given.is_none().then(|| variable(name)).flatten() else {
        return Ok(given.map_or(PARALLEL, NonZeroUsize::get));
    };
    let parsed = text.to_str().and_then(|t| t.trim().parse::<NonZeroUsize>().ok());
    parsed
        .map(NonZeroUsize::get)
        .ok_or_else(|| Error::refused(format!("{name}: {}: expected a number of 1 or more", printable(text.as_bytes()))))
}

/// Returns the numbers of files to store and to restore at once. The other three numbers are checked but have no effect: one
/// thread lists and deletes, and the heap is not listed.
///
/// # Errors
/// If a variable is not a number of 1 or more.
pub fn parallel(global: &Global) -> Result<(usize, usize)> {
    number(global.parallel_delete_in_file, "PARALLEL_DELETE_IN_FILE")?;
    number(global.parallel_listing, "PARALLEL_LISTING")?;
    number(global.parallel_heap_listing, "PARALLEL_HEAP_LISTING")?;
    Ok((
        number(global.parallel_copy_to_heap, "PARALLEL_COPY_TO_HEAP")?,
        number(global.parallel_copy_to_file, "PARALLEL_COPY_TO_FILE")?,
    ))
}

/// Returns the settings for making and restoring snapshots.
///
/// # Errors
/// If a root is missing or invalid, or a number is invalid.
pub fn setup(global: &Global) -> Result<Setup> {
    let (store_jobs, restore_jobs) = parallel(global)?;
    let heap_cache_file = global.heap_cache_file.clone().or_else(|| variable("HEAP_CACHE_FILE").map(PathBuf::from));
    Ok(Setup {
        file: absolute(global.roots.file.require())?,
        heap: absolute(global.roots.heap.require())?,
        snap: absolute(global.roots.snap.require())?,
        heap_cache_file,
        store_jobs: store_jobs.min(MOST_JOBS),
        restore_jobs: restore_jobs.min(MOST_JOBS),
    })
}

/// Checks the storage options, and warns of options without effect: folders of this machine have no options.
///
/// # Errors
/// If the text of an option is not a JSON object.
pub fn check_storage_options(global: &Global, monitor: &dyn Monitor) -> Result<()> {
    let (file, heap, snap) = (&global.roots.file, &global.roots.heap, &global.roots.snap);
    let all = [(file.options()?, file.given()), (heap.options()?, heap.given()), (snap.options()?, snap.given())];
    for (options, root) in all {
        if matches!(Location::parse(&root.unwrap_or_default(), "root", &Options::default()), Ok(Location::Folder(_))) {
            options.without_effect().iter().for_each(|message| monitor.warn(message));
        }
    }
    Ok(())
}
