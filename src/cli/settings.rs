//! From the options and the environment of `snapshooter` to what its commands work with.

use super::args::{StatusArg, TypeLetter};
use super::args_seed::{Format, Global, LogLevel, Make, Restore};
use crate::commands::compare::Shown;
use crate::commands::{self, Choice, Plan, Setup};
use crate::diff::{Status, Style};
use crate::error::{Error, OrFailed, Result, printable};
use crate::monitor::Monitor;
use crate::parallel::MOST_JOBS;
use crate::record::Kind;
use crate::storage::{Location, Options, variable};
use clap::ValueEnum;
use std::ffi::{OsStr, OsString};
use std::num::NonZeroUsize;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// As many as the Python tool works on at once.
const PARALLEL: usize = 20;

/// How much to say.
///
/// # Errors
/// If LOGLEVEL is no level.
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

/// The file root.
///
/// # Errors
/// If none is given, or what is given is no root; the same for the other two.
pub fn file_root(global: &Global) -> Result<Location> {
    root(global.file_root.as_deref(), "--file-root", "FILE_ROOT", &storage_options(global)?.0)
}

/// The heap root.
#[expect(clippy::missing_errors_doc, reason = "the same as of the file root")]
pub fn heap_root(global: &Global) -> Result<Location> {
    root(global.heap_root.as_deref(), "--heap-root", "HEAP_ROOT", &storage_options(global)?.1)
}

/// The snap root.
#[expect(clippy::missing_errors_doc, reason = "the same as of the file root")]
pub fn snap_root(global: &Global) -> Result<Location> {
    root(global.snap_root.as_deref(), "--snap-root", "SNAP_ROOT", &storage_options(global)?.2)
}

fn root(given: Option<&OsStr>, option: &str, name: &str, options: &Options) -> Result<Location> {
    let missing = || Error::advise(format!("no {option} given"), format!("give {option} ROOT or set {name}"));
    let text = given.map(OsStr::to_os_string).or_else(|| variable(name)).ok_or_else(missing)?;
    match Location::parse(&text, option, options)? {
        // Absolute, as it is printed.
        Location::Folder(path) => std::path::absolute(path).map(Location::Folder).or_failed(|| option.to_string()),
        remote => Ok(remote),
    }
}

/// A number from an option, or else from its variable.
///
/// # Errors
/// If the variable has no number, or 0.
fn number(given: Option<NonZeroUsize>, name: &str) -> Result<usize> {
    let Some(text) = given.is_none().then(|| variable(name)).flatten() else {
        return Ok(given.map_or(PARALLEL, NonZeroUsize::get));
    };
    let parsed = text.to_str().and_then(|t| t.trim().parse::<NonZeroUsize>().ok());
    parsed
        .map(NonZeroUsize::get)
        .ok_or_else(|| Error::refused(format!("{name}: {}: expected a number of 1 or more", printable(text.as_bytes()))))
}

/// How many files to store and to restore at once. The other three numbers are looked at, for what can't be a number, and have
/// no effect: one thread lists and deletes, and the heap is not listed.
///
/// # Errors
/// If a variable is no such number.
pub fn parallel(global: &Global) -> Result<(usize, usize)> {
    number(global.parallel_delete_in_file, "PARALLEL_DELETE_IN_FILE")?;
    number(global.parallel_listing, "PARALLEL_LISTING")?;
    number(global.parallel_heap_listing, "PARALLEL_HEAP_LISTING")?;
    Ok((
        number(global.parallel_copy_to_heap, "PARALLEL_COPY_TO_HEAP")?,
        number(global.parallel_copy_to_file, "PARALLEL_COPY_TO_FILE")?,
    ))
}

/// What making and restoring work with.
///
/// # Errors
/// If a root is missing or no root, or a number is none.
pub fn setup(global: &Global) -> Result<Setup> {
    let (store_jobs, restore_jobs) = parallel(global)?;
    let (store_jobs, restore_jobs) = (store_jobs.min(MOST_JOBS), restore_jobs.min(MOST_JOBS));
    let heap_cache_file = global.heap_cache_file.clone().or_else(|| variable("HEAP_CACHE_FILE").map(PathBuf::from));
    let (file, heap, snap) = (file_root(global)?, heap_root(global)?, snap_root(global)?);
    Ok(Setup { file, heap, snap, heap_cache_file, store_jobs, restore_jobs })
}

/// What the options of `make-snapshot` ask for.
pub fn making(args: &Make) -> commands::Make {
    let kind = |letter: &TypeLetter| match letter {
        TypeLetter::F => Kind::File,
        TypeLetter::L => Kind::Link,
        TypeLetter::D => Kind::Directory,
    };
    commands::Make {
        kinds: args.types.iter().map(kind).collect(),
        no_save: args.no_save_snapshot,
        partial: args.partial,
        allow_empty: args.allow_empty,
        dry_run: args.dry_run,
        before_restore: false,
    }
}

/// What the options of `restore-snapshot` ask for.
pub fn planned(args: Restore, options: Options) -> Plan {
    Plan {
        choice: Choice { path: args.path, latest: args.latest, options },
        no_before: args.no_save_snapshot_before,
        no_after: args.no_save_snapshot_after,
        no_delete: args.no_delete,
        delete_excluded: args.delete_excluded,
        max_delete: args.max_delete,
        checksum: args.checksum,
        partial: args.partial,
        dry_run: args.dry_run,
    }
}

/// The rows that are asked for: all, unless some are named.
pub fn statuses(asked: &[StatusArg]) -> Vec<Status> {
    let status = |arg: &StatusArg| match arg {
        StatusArg::OnlyLeft => Status::OnlyLeft,
        StatusArg::OnlyRight => Status::OnlyRight,
        StatusArg::Different => Status::Different,
        StatusArg::Equal => Status::Equal,
    };
    if asked.is_empty() { Status::ALL.to_vec() } else { asked.iter().map(status).collect() }
}

/// How rows are to be shown.
pub fn shown(format: Format) -> Shown {
    match format {
        Format::Markdown => Shown::Markdown,
        Format::Jsonl => Shown::Diff(Style::Records),
        Format::Table => Shown::Diff(Style::Table),
        Format::Names => Shown::Diff(Style::Names),
        Format::Stat => Shown::Diff(Style::Stat),
    }
}

/// The options of the storages of the three roots.
///
/// # Errors
/// If one is no JSON object.
pub fn storage_options(global: &Global) -> Result<(Options, Options, Options)> {
    let read = |given: &Option<OsString>, option: &str, name: &str| {
        let text = given.clone().or_else(|| variable(name));
        text.map_or_else(|| Ok(Options::default()), |text| Options::parse(&text, option))
    };
    Ok((
        read(&global.file_storage_options, "--file-storage-options", "FILE_STORAGE_OPTIONS")?,
        read(&global.heap_storage_options, "--heap-storage-options", "HEAP_STORAGE_OPTIONS")?,
        read(&global.snap_storage_options, "--snap-storage-options", "SNAP_STORAGE_OPTIONS")?,
    ))
}

/// Checks the storage options, and tells what has no effect: folders of this machine need none.
///
/// # Errors
/// If one is no JSON object.
pub fn check_storage_options(global: &Global, monitor: &dyn Monitor) -> Result<()> {
    let (file, heap, snap) = storage_options(global)?;
    let all =
        [(file, &global.file_root, "FILE_ROOT"), (heap, &global.heap_root, "HEAP_ROOT"), (snap, &global.snap_root, "SNAP_ROOT")];
    for (options, given, name) in all {
        let root = given.clone().or_else(|| variable(name)).unwrap_or_default();
        if matches!(Location::parse(&root, name, &Options::default()), Ok(Location::Folder(_))) {
            options.without_effect().iter().for_each(|message| monitor.warn(message));
        }
    }
    Ok(())
}
