//! Snapshots: their names, and how they are chosen, read and published.

mod check;
mod chosen;
mod damage;
mod encrypted;
mod ends;
mod facts;
mod index;
mod kept;
mod label;
mod lines;
mod list;
mod place;
mod publish;
mod read;

pub use check::check;
pub use chosen::{Choice, chosen, matching};
pub use ends::{failures, label, totals, types};
pub use facts::{Facts, describe};
pub use index::Index;
#[cfg(feature = "internals")]
pub use label::LABEL_LIMIT;
pub use label::{Label, Totals, VERSION};
pub use lines::Lines;
pub(crate) use list::unlisted;
pub use list::{list, list_to_read};
pub use place::{Place, RootKeys};
pub use publish::{Publisher, Taken, refuse_taken};
pub use read::{Opened, any, open, plain, read, references};

use crate::display::printable;
use crate::encryption::{self, Cipher};
use crate::error::{Error, OrFailed, Refusal, Result};
use crate::storage::{Location, Options};
use crate::time::{self, Time};
use chrono::{DateTime, NaiveDateTime, Utc};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

const SUFFIX: &str = ".jsonl.gz";
/// What comes behind in the name of an encrypted snapshot.
const ENCRYPTED: &str = ".age";
const NAME_FORMAT: &str = "%Y-%m-%d_%H-%M-%S_%6fZ";

/// The largest number of snapshots to read at once: each takes some megabytes of memory.
pub const MOST_AT_ONCE: usize = 16;

/// A snapshot in a snap root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The file or object.
    pub place: Place,
    /// The time of the snapshot, to the microsecond.
    pub time: Time,
}

impl crate::parallel::Weigh for Found {
    fn weight(&self) -> usize {
        64
    }
}

/// Returns the path of a snapshot of that time below the snap root: `YYYY/MM/YYYY-MM-DD_HH-MM-SS_ffffffZ.jsonl.gz`, UTC. None if
/// the time is out of range.
pub fn path_for(time: Time) -> Option<PathBuf> {
    let utc = DateTime::<Utc>::from_timestamp(time.sec, time.nsec)?;
    Some(PathBuf::from(format!("{}/{}{SUFFIX}", utc.format("%Y/%m"), utc.format(NAME_FORMAT))))
}

/// Returns the time in the file name of a snapshot, in plain or encrypted; None unless the name has exactly that form.
pub fn time_of(file_name: &OsStr) -> Option<Time> {
    let plain = file_name.to_str()?;
    let plain = plain.strip_suffix(ENCRYPTED).unwrap_or(plain);
    let stem = plain.strip_suffix(SUFFIX)?;
    let format = "%Y-%m-%d_%H-%M-%S_%fZ";
    let time = NaiveDateTime::parse_from_str(stem, format).ok()?.and_utc();
    // chrono also accepts fewer digits, and reads them as nanoseconds. Only names that we would write are valid.
    let micros = stem.get(20..26)?.parse::<u32>().ok()?;
    let time = Time { sec: time.timestamp(), nsec: micros * 1000 };
    (path_for(time)?.file_name()? == plain).then_some(time)
}

/// Returns the snapshot that the user chose: `latest`, `latest~N`, `@TIME` (the latest at or before that time), or a path or URL,
/// also relative to the snap root. Safety copies from before a restore are skipped, unless a path names one.
///
/// `warn` is called if a snapshot that is dated in the future counts as one of the latest.
///
/// # Errors
/// If there is no such snapshot, or the choice is misspelt.
pub fn choose(root: Option<&Location>, spec: &OsStr, options: &Options, warn: &mut dyn FnMut(&str)) -> Result<Place> {
    let shown = printable(spec.as_bytes());
    let text = spec.to_str().unwrap_or_default();
    let (skip, until) = if let Some(time) = text.strip_prefix('@') {
        let time = time::parse_human(time).ok_or_else(|| {
            Error::advise(
                format!("{shown}: not a time"),
                "times look like @2026-11-23, @2026-11-23T04:49 or @2026-11-23T04:49:00Z",
            )
        })?;
        (0, Some(time))
    } else if text == "latest" {
        (0, None)
    } else if let Some(n) = text.strip_prefix("latest~") {
        (n.parse().map_err(|_| Error::refused(format!("{shown}: expected a number behind the ~")))?, None)
    } else {
        return list::named(root, spec, options)?.in_form();
    };
    let root = root.ok_or_else(|| Error::rule(Refusal::NoSnapRoot, format!("{shown}: no snap root given")))?;
    let mut has_warned = until.is_some();
    list(root)?
        .into_iter()
        .filter(|f| until.is_none_or(|t| f.time <= t))
        .filter(|f| !is_safety_copy(&f.place))
        .inspect(|f| {
            // One warning is enough.
            has_warned = has_warned || warn_of_future(f, warn);
        })
        .nth(skip)
        .map(|f| f.place)
        .ok_or_else(|| Error::refused(format!("no snapshot {shown} in {root}")))
}

/// The tolerated difference between two clocks, in seconds.
const SKEW: i64 = 300;

/// Whether a time is further in the future than the clocks of two machines may differ: a clock was or is wrong.
pub(crate) fn is_future(time: Time) -> bool {
    time > Time::now().minus_seconds(-SKEW)
}

/// Calls `warn` if a snapshot is dated in the future, and returns whether it is.
pub(crate) fn warn_of_future(found: &Found, warn: &mut dyn FnMut(&str)) -> bool {
    let future = is_future(found.time);
    if future {
        warn(&format!(
            "{} is dated in the future, so a clock was or is wrong, and it counts as the latest; \
             @TIME or a path chooses another, and deleting it ends this",
            found.place
        ));
    }
    future
}

/// Whether a snapshot is a safety copy from before a restore. False if its label can't be read: reading it reports the damage.
fn is_safety_copy(place: &Place) -> bool {
    label(place).ok().flatten().is_some_and(|l| l.before_restore)
}

/// Returns the snapshot whose md5s can be reused: the latest of the same file root, else the latest that does not name its root.
/// What `snap-put` stored is of no root. Damaged snapshots are skipped; `warn` is called for each. None if there is no such
/// snapshot, or no snap root yet.
///
/// # Errors
/// If the snap root can't be listed.
pub fn base(root: &Location, file_root: &str, warn: &mut dyn FnMut(&str)) -> Result<Option<Found>> {
    if !root.is_there().or_failed(|| format!("snap root {root}"))? {
        return Ok(None);
    }
    let found = list(root)?;
    if let Some(cipher) = unreadable(root, &found)? {
        return kept::latest(&cipher, root, file_root, warn);
    }
    let mut unlabelled = None;
    for found in found {
        let of = match label(&found.place) {
            Ok(label) if label.as_ref().is_some_and(|l| l.before_restore || l.put) => continue,
            Ok(label) => label.and_then(|l| l.root),
            Err(e) => {
                warn(&format!("passed over as a base: {e}"));
                continue;
            }
        };
        let fits = match of {
            Some(of) => of == file_root,
            None => unlabelled.is_none(),
        };
        if !fits {
            continue;
        }
        match check(&found.place) {
            Err(e) => warn(&format!("passed over as a base: {e}")),
            Ok(Some(Label { root: Some(_), .. })) => {
                warn_of_future(&found, warn);
                return Ok(Some(found));
            }
            Ok(_) => unlabelled = Some(found),
        }
    }
    if let Some(found) = &unlabelled {
        warn_of_future(found, warn);
    }
    Ok(unlabelled)
}

/// Returns the keys of a snap root whose snapshots can't be read here, because they are encrypted and there is no identity.
fn unreadable(root: &Location, found: &[Found]) -> Result<Option<Cipher>> {
    match found.iter().any(|found| found.place.is_encrypted()) {
        true => Ok(Cipher::open(&*root.store(), &encryption::given())?.filter(|cipher| !cipher.can_read())),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn names_are_times_to_the_letter() {
        let time = Time { sec: 1_795_409_340, nsec: 86_601_000 };
        let path = path_for(time).unwrap();
        assert_eq!(path, Path::new("2026/11/2026-11-23_04-49-00_086601Z.jsonl.gz"));
        assert_eq!(time_of(path.file_name().unwrap()), Some(time));
        for bad in [
            "zzz.jsonl.gz",
            "2026-11-23_04-49-00_86601Z.jsonl.gz",
            "2026-11-23_04-49-00_086601Z.jsonl",
            "2026-13-23_04-49-00_086601Z.jsonl.gz",
            "2026-11-23_04-49-00_086601Z.jsonl.gz.tmp",
            "2026-11-23_04-49-60_086601Z.jsonl.gz",
        ] {
            assert_eq!(time_of(OsStr::new(bad)), None, "{bad}");
        }
    }
}
